//! Models of the report of a pool's end, and of a look at what runs.

use std::pin::pin;
use std::sync::Arc as StdArc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::lifecycles::wait;
use super::{life, model, nothing};
use crate::job::id::JobId;
use crate::job::outcome::Outcome;
use crate::pool::ledger::COUNTS_IN_ONE_STEP;
use crate::pool::lifecycle::{Lifecycle, Submission, TakenOut};
use crate::pool::running::running;
use crate::pool::shutdown::settled;
use crate::sys::sync::LockExt;
use crate::task::Task;

/// The report is made while another thread gives up what it took out before: it counts and names
/// all jobs.
#[test]
fn a_report_misses_none_that_is_being_given_up() {
    model(|| {
        let life = life();
        for _ in 0..2 {
            Submission::begin(&life).expect("the pool is open").accept();
        }
        let queue = Arc::new(Mutex::new(vec![nothing(), nothing()]));
        life.begin_cancel();
        let helper = {
            let (life, queue) = (StdArc::clone(&life), Arc::clone(&queue));
            thread::spawn(move || give_up_one(&life, &queue))
        };
        give_up_one(&life, &queue);
        let report = settled(&life);
        let named = report.unstarted_jobs().len();
        helper.join().unwrap();
        assert_eq!((report.accepted(), report.unstarted()), (2, 2), "{report}");
        assert_eq!(named, 2, "{report}");
    });
}

/// A shutdown that looks while another thread finds nothing to take out is told of the end of that.
/// Otherwise loom reports a deadlock.
#[test]
fn who_waits_for_the_end_of_a_taking_is_told() {
    model(|| {
        let life = life();
        let helper = {
            let life = StdArc::clone(&life);
            thread::spawn(move || assert!(!TakenOut::give_up_some(&life, Vec::new)))
        };
        let is_over = || !life.ending.progress.lock_unpoisoned().is_taking();
        wait(pin!(life.quiescence.watch(&life.phase, is_over)));
        helper.join().unwrap();
    });
}

/// A submission races the loss of the last worker: it is refused, or its job is abandoned.
#[test]
fn a_submission_that_races_the_loss_of_the_last_worker_is_accounted_for() {
    model(|| {
        let (life, queue) = (life(), Arc::new(Mutex::new(Vec::new())));
        life.worker_alive();
        let take = |queue: &Mutex<Vec<Task>>| std::mem::take(&mut *queue.lock().unwrap());
        let lost = {
            let (life, queue) = (StdArc::clone(&life), Arc::clone(&queue));
            thread::spawn(move || life.worker_lost(0, || take(&queue)))
        };
        if let Some(submission) = Submission::begin(&life) {
            queue.lock().unwrap().push(nothing());
            submission.pushed(&life, || 0, || take(&queue));
        }
        lost.join().unwrap();
        let stats = life.stats();
        assert_eq!(stats.accepted, stats.abandoned, "{stats}");
    });
}

/// A future is woken as the last worker is lost: one of the two threads drops it.
#[test]
fn a_wake_that_races_the_loss_of_the_last_worker_is_not_left() {
    model(|| {
        let life = life();
        life.worker_alive();
        let lost = {
            let life = StdArc::clone(&life);
            thread::spawn(move || life.worker_lost(0, Vec::new))
        };
        life.woken.requeue(nothing(), &life);
        lost.join().unwrap();
        assert!(!life.woken.may_come(), "it is left behind");
    });
}

/// A thread that has seen a job's end looks while the job's frame still stands, and as it goes: the
/// job is not among those that run.
#[test]
fn who_has_seen_a_job_end_does_not_find_it_running() {
    COUNTS_IN_ONE_STEP.store(true, std::sync::atomic::Ordering::Relaxed);
    model(|| {
        let life = life();
        let has_ended = Arc::new(AtomicBool::new(false));
        let status = StdArc::clone(&life.roster.statuses[0]);
        // Named, so that its frame is one that loom knows: it is behind a lock.
        let noted_at = status.begin(JobId::next(), Some("named"), 0);
        let reader = {
            let (life, has_ended) = (StdArc::clone(&life), Arc::clone(&has_ended));
            thread::spawn(move || {
                if has_ended.load(Ordering::Acquire) {
                    let running = running(&[life]);
                    assert!(running.is_empty(), "over: {running:?}");
                }
            })
        };
        life.ledger.record(Outcome::Completed, Some(0));
        has_ended.store(true, Ordering::Release);
        // Its handle resolves while its frame still stands.
        status.end(noted_at);
        life.ledger.over(Some(0));
        reader.join().unwrap();
    });
}

/// A hosted future gets a slot again while somebody looks: it is found, in its note or in its
/// frame.
#[test]
fn a_future_that_returns_to_a_frame_is_seen_in_each_look() {
    model(|| {
        let life = life();
        let id = JobId::next();
        life.off_worker.note(id, None, 0, None);
        let reader = {
            let life = StdArc::clone(&life);
            thread::spawn(move || {
                let running = running(&[life]);
                assert_eq!(running.len(), 1, "{running:?}");
            })
        };
        let status = &life.roster.statuses[0];
        let noted_at = status.begin(id, Some("named"), 0);
        life.off_worker.return_to_frame(id);
        reader.join().unwrap();
        status.end(noted_at);
    });
}

fn give_up_one(life: &StdArc<Lifecycle>, queue: &Mutex<Vec<Task>>) {
    let take = || Vec::from_iter(queue.lock().unwrap().pop());
    assert!(TakenOut::give_up_some(life, take));
}
