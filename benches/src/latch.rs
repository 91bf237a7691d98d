//! `Latch`: wakes the measuring thread after the last of many jobs, without polling.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};

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
