//! Models of the end of a pause: no wake is lost by it, and none comes after the last one.

use std::sync::Arc as StdArc;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

use super::{Token, life, life_from, model};
use crate::pool::config::PoolConfig;
use crate::pool::lifecycle::Lifecycle;
use crate::worker::sleep::Announced;

/// A paused pool of one worker, which sleeps on the token.
fn paused(token: &Arc<Token>) -> StdArc<Lifecycle> {
    let mut config = PoolConfig::default();
    config.is_paused = true;
    let life = life_from(config, 1);
    let token = Arc::clone(token);
    life.resume_with(move |_| token.give());
    life
}

/// Runs one job, as the loop of a worker does, whose every look asks whether the pool is paused.
fn run_one(life: &Lifecycle, queue: &AtomicUsize, token: &Token) {
    let sleep = &life.roster.sleep;
    loop {
        if !life.phase.looks_beside_queue() && queue.load(Relaxed) > 0 {
            return;
        }
        sleep.begin_search();
        let has_work = || queue.load(Relaxed) > 0 && !life.phase.is_paused();
        match sleep.announce(0, has_work) {
            Announced::Sleep | Announced::Resumed => token.take(),
            Announced::Search => {}
        }
        let _was_last = sleep.end_search();
    }
}

/// A pause ends while a job comes in and the worker goes to sleep: the job is run. Otherwise loom
/// reports a deadlock.
#[test]
fn a_job_that_comes_as_a_pause_ends_is_run() {
    for is_for_good in [false, true] {
        model(move || {
            let (token, queue) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
            let life = paused(&token);
            let worker = {
                let (life, queue) = (StdArc::clone(&life), Arc::clone(&queue));
                thread::spawn(move || run_one(&life, &queue, &token))
            };
            let submitter = {
                let (life, queue) = (StdArc::clone(&life), Arc::clone(&queue));
                thread::spawn(move || {
                    queue.store(1, Relaxed);
                    life.notify_of_queued(|| 1);
                })
            };
            if is_for_good {
                life.end_pauses();
            } else if life.end_pause() {
                life.resume_after_pause();
            }
            submitter.join().unwrap();
            worker.join().unwrap();
        });
    }
}

/// A pause and the end of all pauses race: the pool is not paused afterwards.
#[test]
fn no_pause_outlasts_the_end_of_all() {
    model(|| {
        let life = life();
        let operator = {
            let life = StdArc::clone(&life);
            thread::spawn(move || life.pause())
        };
        life.end_pauses();
        operator.join().unwrap();
        assert!(!life.phase.is_paused());
    });
}
