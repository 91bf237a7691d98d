//! Model checks of the hand-written protocols, on the code itself: every interleaving, within a
//! bound on preemptions.
//!
//! `cargo xtask loom` runs them, and for each the mutants of the code that it must catch.

mod broadcasts;
mod cells;
mod dead_entries;
mod forks;
mod lifecycles;
mod loans;
mod pauses;
mod queues;
mod reports;
mod rooms;
mod searchers;
mod slabs;
mod timers;
mod tokens;

use std::sync::Arc as StdArc;
use std::task::Wake;

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::cell::poll_state::PollState;
use crate::cell::state::State;
use crate::job::id::JobId;
use crate::job::outcome::Outcome;
use crate::pool::config::PoolConfig;
use crate::pool::engine::Engine;
use crate::pool::lifecycle::{Lifecycle, Submission};
use crate::sys::sync::UnsafeCell;
use crate::task::{GivenUp, GivenUpAs, Payload, Task};
use crate::testing::noop_engine::NoopEngine;
use crate::worker::Worker;
use crate::worker::sleep::{Announced, Sleep};

/// Preemptions that are explored, unless `LOOM_MAX_PREEMPTIONS` says more: two find nearly every
/// real race.
const PREEMPTIONS: usize = 2;

pub(crate) fn model(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.check(body);
}

/// What a worker sleeps on.
#[derive(Default)]
pub(crate) struct Token(Mutex<bool>, Condvar);

impl Token {
    pub(crate) fn give(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }

    pub(crate) fn take(&self) {
        let mut is_given = self.0.lock().unwrap();
        while !std::mem::take(&mut *is_given) {
            is_given = self.1.wait(is_given).unwrap();
        }
    }
}

/// A sleeping worker is resumed for each job that no other worker will run. Otherwise loom reports
/// a deadlock.
#[test]
fn no_wake_is_lost() {
    model(|| {
        let idle = Arc::new(Sleep::new(1));
        let queue = Arc::new(AtomicUsize::new(0));
        let token = Arc::new(Token::default());
        let worker = {
            let (idle, queue, token) = (Arc::clone(&idle), Arc::clone(&queue), Arc::clone(&token));
            thread::spawn(move || run_jobs(&idle, &queue, &token, 2))
        };
        for _ in 0..2 {
            queue.fetch_add(1, Relaxed);
            if idle.notify(|| false).is_some() {
                token.give();
            }
        }
        worker.join().unwrap();
    });
}

fn run_jobs(idle: &Sleep, queue: &AtomicUsize, token: &Token, jobs: usize) {
    let mut is_searching = false;
    let mut ran = 0;
    while ran < jobs {
        let taken = queue.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        if taken.is_ok() {
            ran += 1;
            if std::mem::take(&mut is_searching) {
                let _was_last = idle.end_search();
            }
            continue;
        }
        if !std::mem::replace(&mut is_searching, true) {
            idle.begin_search();
        }
        match idle.announce(0, || queue.load(Relaxed) > 0) {
            Announced::Sleep | Announced::Resumed => token.take(),
            Announced::Search => {}
        }
    }
}

/// The dequeuer and a canceller race for a job: one gets it, and the handle's side sees one whole
/// outcome.
#[test]
fn a_job_has_one_owner() {
    model(|| {
        let shared = Arc::new((State::new(), UnsafeCell::new(0_u32)));
        let contenders: Vec<_> = [Outcome::Completed, Outcome::Cancelled]
            .map(|outcome| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (state, stage) = &*shared;
                    if state.start().is_none() {
                        return 0;
                    }
                    // SAFETY: the winner of `start` owns the stage until `end`. Loom checks just
                    // that.
                    stage.with_mut(|stage| unsafe { *stage = outcome as u32 + 1 });
                    let ended = state.end(outcome);
                    if ended.is_detached {
                        // SAFETY: the handle has gone; the stage is the finisher's.
                        stage.with_mut(|stage| unsafe { *stage = 0 });
                    }
                    1
                })
            })
            .into_iter()
            .collect();
        let (state, stage) = &*shared;
        if state.detach() {
            // SAFETY: the job has ended, and the handle came second.
            let seen = stage.with_mut(|stage| unsafe { *stage });
            assert_eq!(
                Some(seen),
                state.outcome().map(|outcome| outcome as u32 + 1)
            );
        }
        let owners: u32 = contenders
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert_eq!(owners, 1);
    });
}

/// Two events, each followed by a wake, and a poller: some poll sees both events, and no two polls
/// run at once.
#[test]
fn a_wake_is_followed_by_a_poll() {
    model(|| {
        let future = Arc::new(SleepyFuture::default());
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let future = Arc::clone(&future);
                thread::spawn(move || {
                    future.events.fetch_add(1, Relaxed);
                    if future.turn.wake().must_queue {
                        future.due.fetch_add(1, Relaxed);
                    }
                })
            })
            .collect();
        // The first poll is the starter's.
        future.poll();
        future.poll_while_due();
        for waker in wakers {
            waker.join().unwrap();
        }
        future.poll_while_due();
        assert_eq!(future.last_seen.load(Relaxed), 2);
    });
}

/// A helper polls whenever the future is due, next to the worker that dequeues its entries: a poll
/// sees every event, no two polls run at once, and there are never two entries.
#[test]
fn a_helped_future_is_queued_once() {
    model(|| {
        let future = Arc::new(SleepyFuture::default());
        future.poll();
        let helper = {
            let future = Arc::clone(&future);
            thread::spawn(move || {
                if future.turn.begin() {
                    future.poll();
                }
            })
        };
        for _ in 0..2 {
            future.events.fetch_add(1, Relaxed);
            if future.turn.wake().must_queue {
                future.due.fetch_add(1, Relaxed);
            }
            assert!(future.due.load(Relaxed) <= 1, "an entry is queued twice");
        }
        helper.join().unwrap();
        assert!(future.due.load(Relaxed) <= 1, "an entry is queued twice");
        future.poll_while_due();
        assert_eq!(future.last_seen.load(Relaxed), 2);
    });
}

/// A helper comes as a future is polled, suspended, woken, dequeued and woken once more: the last
/// wake learns of the helper, or the helper finds the future due. So it is for a second helper,
/// which finds the mark of the first.
#[test]
fn a_wake_and_a_helper_see_each_other() {
    model(|| {
        let turn = Arc::new(PollState::new());
        let helpers = [(); 2].map(|()| {
            let turn = Arc::clone(&turn);
            thread::spawn(move || {
                turn.note_helper();
                turn.begin()
            })
        });
        assert!(!turn.suspend().is_something());
        let mut due = turn.wake();
        if turn.begin_dequeued() {
            assert!(!turn.suspend().is_something());
            due = turn.wake();
        }
        let has_begun = helpers.map(|helper| helper.join().unwrap());
        assert!(due.must_queue, "no entry was queued");
        assert!(due.must_tell || has_begun.contains(&true), "both sleep");
        assert!(has_begun != [true; 2], "two polls at once");
    });
}

/// A future that looks for events at each poll.
struct SleepyFuture {
    turn: PollState,
    events: AtomicUsize,
    last_seen: AtomicUsize,
    /// Entries that are owed to the queue.
    due: AtomicUsize,
    polled: UnsafeCell<()>,
}

impl Default for SleepyFuture {
    fn default() -> Self {
        Self {
            turn: PollState::new(),
            events: AtomicUsize::new(0),
            last_seen: AtomicUsize::new(0),
            due: AtomicUsize::new(0),
            polled: UnsafeCell::new(()),
        }
    }
}

impl SleepyFuture {
    fn poll_while_due(&self) {
        while self
            .due
            .fetch_update(Relaxed, Relaxed, |due| due.checked_sub(1))
            .is_ok()
        {
            if self.turn.begin_dequeued() {
                self.poll();
            }
        }
    }

    /// Only the thread that polls accesses the future. Loom checks this.
    fn poll(&self) {
        self.polled
            .with_mut(|_| self.last_seen.store(self.events.load(Relaxed), Relaxed));
        if self.turn.suspend().must_queue {
            self.due.fetch_add(1, Relaxed);
        }
    }
}

pub(crate) fn life() -> StdArc<Lifecycle> {
    life_of(1)
}

pub(crate) fn life_of(workers: usize) -> StdArc<Lifecycle> {
    life_from(PoolConfig::default(), workers)
}

pub(crate) fn life_from(mut config: PoolConfig, workers: usize) -> StdArc<Lifecycle> {
    config.set_workers(workers);
    config.set_capacity(1);
    let engine = NoopEngine::start(config, None).expect("it starts nothing");
    StdArc::clone(engine.life())
}

/// A payload that counts nothing and does nothing. It moves through the models of intake.
struct Nothing;

impl Payload for Nothing {
    fn run(self, _id: JobId, _worker: &Worker) {}

    fn abandon(self) {}

    fn give_up(self, id: JobId, life: &Lifecycle, ends: GivenUpAs) -> GivenUp {
        life.ledger.record_given_up(ends);
        life.given_up_over(ends);
        GivenUp::Left(Outcome::Abandoned, Task::new(id, self), None)
    }

    fn name(&self) -> Option<&str> {
        None
    }
}

pub(crate) fn nothing() -> Task {
    Task::new(JobId::next(), Nothing)
}

/// A submission races the whole end of a pool: it is refused, or its task is in the report, and the
/// books balance.
#[test]
fn a_submission_is_refused_or_accounted_for() {
    model(|| {
        let life = life();
        let queue: Arc<Mutex<Vec<Task>>> = Arc::new(Mutex::new(Vec::new()));
        let submitter = {
            let (life, queue) = (StdArc::clone(&life), Arc::clone(&queue));
            thread::spawn(move || {
                let Some(submission) = Submission::begin(&life) else {
                    return false;
                };
                queue.lock().unwrap().push(nothing());
                submission.pushed(&life, || 0, || std::mem::take(&mut *queue.lock().unwrap()));
                true
            })
        };
        life.close();
        let was_quiet = life.ledger.in_flight() == 0;
        if was_quiet {
            assert!(
                queue.lock().unwrap().is_empty(),
                "quiet and closed: nothing is queued"
            );
        }
        life.cancel(|| std::mem::take(&mut *queue.lock().unwrap()));
        let is_accepted = submitter.join().unwrap();
        assert!(!(was_quiet && is_accepted && life.stats().unstarted == 0));
        assert!(
            queue.lock().unwrap().is_empty(),
            "no task is left where nobody looks"
        );
        let stats = life.stats();
        assert_eq!(
            (stats.accepted, stats.unstarted),
            (u64::from(is_accepted), u64::from(is_accepted))
        );
        assert_eq!(life.ledger.in_flight(), 0);
    });
}

impl Wake for Token {
    fn wake(self: StdArc<Self>) {
        self.give();
    }
}
