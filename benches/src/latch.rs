//! `Latch` and `Gate`: wake the measuring thread after the last of many jobs, and hold workers, without polling.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, Thread};

use crate::contestant::Contestant;

/// Counts jobs down and unparks the thread that made it.
#[derive(Debug)]
pub struct Latch {
    left: AtomicUsize,
    waiter: Thread,
}

impl Latch {
    /// A latch for `jobs` arrivals.
    ///
    /// It is leaked, so that a job captures one word and pays for no reference count; a process measures one sample.
    pub fn leaked(jobs: usize) -> &'static Self {
        Box::leak(Box::new(Self {
            left: AtomicUsize::new(jobs),
            waiter: thread::current(),
        }))
    }

    /// One job is over.
    ///
    /// # Panics
    /// If more jobs arrive than were announced: the contestant ran one twice.
    pub fn arrive(&self) {
        // ORDERING: releases what the job did to the acquiring load in `wait`.
        let left = self.left.fetch_sub(1, Ordering::AcqRel);
        assert_ne!(left, 0, "a job ran twice");
        if left == 1 {
            self.waiter.unpark();
        }
    }

    /// Waits until all jobs have arrived; on the thread that made the latch.
    pub fn wait(&self) {
        // ORDERING: pairs with the release in `arrive`; the token of `unpark` closes the gap between load and park.
        while self.left.load(Ordering::Acquire) != 0 {
            thread::park();
        }
    }
}

/// Holds workers, so that what is submitted meanwhile stays queued.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Has each of `workers` workers run a job that waits for the gate to open. Returns once all of them do.
    pub(crate) fn hold<C: Contestant>(contestant: &C, workers: usize) -> Arc<Self> {
        let gate = Arc::new(Self::default());
        let entered = Latch::leaked(workers);
        for _ in 0..workers {
            let gate = Arc::clone(&gate);
            contestant.execute(move || {
                entered.arrive();
                gate.pass();
            });
        }
        entered.wait();
        gate
    }

    pub(crate) fn open(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = self.opened.wait_while(is_open, |is_open| !*is_open);
        drop(passed.unwrap_or_else(PoisonError::into_inner));
    }
}
