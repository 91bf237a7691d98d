//! `Latch` and `Gate`: wake the measuring thread after the last of many jobs, and hold workers,
//! without polling.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, Thread};

use crossbeam_utils::CachePadded;

use crate::contestant::Contestant;

/// Shards of a latch: threads beyond this many share them.
const SHARDS: usize = 128;

/// A thread sums up the shards once in this many of its arrivals, and at each one near the end.
const ARRIVALS_A_SUM: usize = 64;

/// Counts arrivals and unparks the thread that made it at the last.
///
/// One counter for all would be a cache line that moves with each job, which costs more than many
/// pools. So each thread counts on its own line. When the sum comes near the end, all threads are
/// told to check the sum at each arrival; the last then finds it complete.
#[derive(Debug)]
pub struct Latch {
    jobs: usize,
    shards: Box<[CachePadded<AtomicUsize>]>,
    is_near_end: AtomicBool,
    is_over: AtomicBool,
    waiter: Thread,
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: usize = THREADS.fetch_add(1, Ordering::SeqCst);
}

impl Latch {
    /// A latch for `jobs` arrivals.
    ///
    /// It is leaked, so that a job captures one word and needs no reference count; a process
    /// measures one sample.
    pub fn leaked(jobs: usize) -> &'static Self {
        Box::leak(Box::new(Self {
            jobs,
            shards: (0..SHARDS).map(|_| CachePadded::default()).collect(),
            is_near_end: AtomicBool::new(jobs <= SHARDS * ARRIVALS_A_SUM),
            is_over: AtomicBool::new(jobs == 0),
            waiter: thread::current(),
        }))
    }

    /// One job is over.
    ///
    /// # Panics
    /// If more jobs arrive than were announced: the contestant ran one twice.
    pub fn arrive(&self) {
        let own = &self.shards[THREAD.with(|thread| thread % SHARDS)];
        // ORDERING: SeqCst here and below: an arrival that does not see `is_near_end` precedes its
        // store in the single total order, and so precedes the sum that the storing thread takes
        // after it.
        let arrivals = own.fetch_add(1, Ordering::SeqCst) + 1;
        if self.is_near_end.load(Ordering::SeqCst) {
            self.look_at_sum();
        } else if arrivals.is_multiple_of(ARRIVALS_A_SUM) {
            let to_come = self.jobs.saturating_sub(self.sum());
            let threads = THREADS.load(Ordering::SeqCst).min(SHARDS);
            if to_come <= 2 * threads * ARRIVALS_A_SUM {
                self.is_near_end.store(true, Ordering::SeqCst);
                self.look_at_sum();
            }
        }
    }

    /// Waits until all jobs have arrived. Call it on the thread that made the latch.
    pub fn wait(&self) {
        // The token of `unpark` closes the gap between load and park.
        while !self.is_over.load(Ordering::SeqCst) {
            thread::park();
        }
    }

    #[cold]
    fn look_at_sum(&self) {
        let sum = self.sum();
        assert!(sum <= self.jobs, "a job ran twice");
        if sum == self.jobs {
            self.is_over.store(true, Ordering::SeqCst);
            self.waiter.unpark();
        }
    }

    fn sum(&self) -> usize {
        let threads = THREADS.load(Ordering::SeqCst).min(SHARDS);
        let shards = self.shards[..threads].iter();
        shards.map(|shard| shard.load(Ordering::SeqCst)).sum()
    }
}

/// Holds workers, so that what is submitted meanwhile stays queued.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Makes each of `workers` workers run a job that waits for the gate to open. Returns once all
    /// of them do.
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
