//! Models of how one searcher wakes the next, and of which fence a worker's sleep needs.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

use super::{Token, model};
use crate::sys::asymmetric_fence::Delayed;
use crate::worker::sleep::{Announced, Sleep};

/// Two workers, two jobs: the job that is taken first waits within its run for the other.
struct Pair {
    idle: Sleep,
    /// Queued jobs, and taken jobs.
    queue: AtomicUsize,
    taken: AtomicUsize,
    is_second_over: Token,
    resumed: [Token; 2],
    /// Whether jobs are long, so that a push also wakes workers beyond those that search.
    are_jobs_long: bool,
}

impl Pair {
    /// Returns two workers that search, and no jobs.
    fn searching(are_jobs_long: bool) -> Arc<Self> {
        let pair = Self {
            idle: Sleep::new(2),
            queue: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            is_second_over: Token::default(),
            resumed: Default::default(),
            are_jobs_long,
        };
        pair.idle.begin_search();
        pair.idle.begin_search();
        Arc::new(pair)
    }

    fn push(&self) {
        self.queue.fetch_add(1, Relaxed);
        self.notify(false);
    }

    fn notify(&self, is_worker: bool) {
        let worth_a_wake = || match self.are_jobs_long {
            true => self.queue.load(Relaxed),
            false => 0,
        };
        if let Some(worker) = self.idle.notify_if(|| true, || is_worker, worth_a_wake) {
            self.resumed[worker].give();
        }
    }

    /// Runs one job, from a search that has begun.
    fn run_one(&self, worker: usize) {
        loop {
            let taken = self
                .queue
                .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
            if taken.is_ok() {
                break;
            }
            match self.idle.announce(worker, || self.queue.load(Relaxed) > 0) {
                Announced::Sleep | Announced::Resumed => self.resumed[worker].take(),
                Announced::Search => {}
            }
        }
        if self.idle.end_search() && self.queue.load(Relaxed) > 0 {
            self.notify(true);
        }
        match self.taken.fetch_add(1, Relaxed) {
            0 => self.is_second_over.take(),
            _ => self.is_second_over.give(),
        }
    }
}

/// A submitter leaves its job to a searching worker, which finds another, long job. Then that
/// worker has resumed another one for the first job. Otherwise loom reports a deadlock.
#[test]
fn the_last_searcher_wakes_the_next() {
    model(|| {
        let pair = Pair::searching(false);
        assert_eq!(pair.idle.announce(1, || false), Announced::Sleep);
        let searcher = {
            let pair = Arc::clone(&pair);
            thread::spawn(move || pair.run_one(0))
        };
        let sleeper = {
            let pair = Arc::clone(&pair);
            thread::spawn(move || {
                pair.resumed[1].take();
                pair.run_one(1);
            })
        };
        pair.push();
        pair.push();
        searcher.join().unwrap();
        sleeper.join().unwrap();
    });
}

/// Two workers go to sleep while a submitter pushes two jobs whose stores come out late. One makes
/// a heavy fence, and the other a full one or none at all that counts; still, no job is left in the
/// queue of sleeping workers.
#[test]
fn a_late_push_is_seen_before_all_sleep() {
    for is_marked in [false, true] {
        model(move || {
            let pair = Pair::searching(false);
            if is_marked {
                assert_eq!(pair.idle.announce(0, || true), Announced::Search);
            }
            let delayed = Delayed::begin();
            let workers = [0, 1].map(|worker| {
                let pair = Arc::clone(&pair);
                thread::spawn(move || pair.run_one(worker))
            });
            for _ in 0..2 {
                let queue = Arc::clone(&pair);
                delayed.store(move || {
                    queue.queue.fetch_add(1, Relaxed);
                });
                pair.notify(false);
            }
            delayed.come_out();
            workers.into_iter().for_each(|it| it.join().unwrap());
        });
    }
}

/// Jobs are long, so a push wakes the sleeper although a worker searches: both jobs run, whether
/// the sleeper finds its job gone or not. Otherwise loom reports a deadlock.
#[test]
fn a_sleeper_that_is_woken_beside_a_searcher_searches_for_all() {
    model(|| {
        let pair = Pair::searching(true);
        assert_eq!(pair.idle.announce(1, || false), Announced::Sleep);
        let workers = [0, 1].map(|worker| {
            let pair = Arc::clone(&pair);
            thread::spawn(move || {
                if worker == 1 {
                    pair.resumed[1].take();
                }
                pair.run_one(worker);
            })
        });
        pair.push();
        pair.push();
        workers.into_iter().for_each(|it| it.join().unwrap());
    });
}
