//! The books: what was accepted, and how it ended, counted in stripes so that no two threads share
//! a cache line.
//!
//! A stripe has **one writer**: the worker whose seat it is (seats change hands with acquire and
//! release), or the thread whose number it is. So a count is a load and a store. Only threads
//! beyond the numbered ones share a stripe, and add to it with read-modify-writes.
//!
//! Each count only grows. A job *enters* before it is pushed. Then it is *accepted*, once it is in
//! its queue, or *refused*; it is *over* when everything of it has ended, its outcome published and
//! its closure dropped. The columns are written before the outcome is published, so a thread that
//! has seen a job end finds it in its column.
//!
//! **Quiet** means that all that entered was refused or is over. `in_flight` reads `over` and
//! `refused` first and `entered` last. Because counts grow and `over + refused <= entered` holds at
//! each moment, equality of the sums shows that there was a moment, at the start of the last pass,
//! when nothing was in flight. A child enters before its parent is over, so no reader sees the
//! parent's end without the child's start.
//!
//! **Accepted** is counted after the push, so it never counts a job that is refused in the end. A
//! job may run, and end, before its submitter has counted it; so a snapshot shows as accepted what
//! is counted, or what has come out if that is more. Both grow, so what is shown never falls.
//!
//! **A job that moves** to another pool is *handed over* by the one and *adopted* by the other,
//! which does not count it as accepted again. So the sum of `accepted` over the pools that a job
//! goes through is right at each moment, also halfway.
//!
//! **Nothing is on its way** when all that entered was refused, accepted or adopted: the argument
//! is that of quiet. A thread that has ended the intake and waits for it has seen the last push.

use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::job::outcome::Outcome;
use crate::pool::stats::Stats;
use crate::sys::machine;
use crate::sys::sync::{AtomicU64, Ordering};
use crate::sys::thread_index::{self, NUMBERS};
use crate::task::GivenUpAs;

/// Stripes for threads that act as no worker of the pool: one for each numbered thread, and the
/// shared one.
const OUTSIDERS: usize = if cfg!(pool_loom) { 1 } else { NUMBERS + 1 };
/// The stripe of threads that have no number of their own: written with read-modify-writes.
const SHARED: usize = OUTSIDERS - 1;

/// Columns: the six outcomes, then the jobs given back unstarted.
const COLUMNS: usize = 7;
const UNSTARTED: usize = 6;

/// How often a swap looks for submissions on their way: for as long as a thread may be kept from
/// its core.
const MAX_YIELDS: usize = 10_000;

/// In which column of the books the end of a job stands.
///
/// A number less than [`COLUMNS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column(u8);

impl Column {
    pub(crate) const UNSTARTED: Self = Self(UNSTARTED as u8);

    pub(crate) fn of(outcome: Outcome) -> Self {
        Self(outcome as u8)
    }

    /// `None`: it was given back unstarted.
    fn outcome(self) -> Option<Outcome> {
        (usize::from(self.0) != UNSTARTED).then(|| Outcome::from_index(u32::from(self.0)))
    }

    /// Its count in a snapshot.
    pub(crate) fn of_stats(self, stats: &mut Stats) -> &mut u64 {
        match self.outcome() {
            None => &mut stats.unstarted,
            Some(Outcome::Completed) => &mut stats.completed,
            Some(Outcome::Failed) => &mut stats.failed,
            Some(Outcome::Panicked) => &mut stats.panicked,
            Some(Outcome::Cancelled) => &mut stats.cancelled,
            Some(Outcome::Expired) => &mut stats.expired,
            Some(Outcome::Abandoned) => &mut stats.abandoned,
        }
    }

    /// A number above zero, for [`from_number`](Self::from_number).
    pub(crate) fn as_number(self) -> u64 {
        u64::from(self.0) + 1
    }

    /// `None` for zero: the job's end is in no column yet.
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        let index = u8::try_from(number.checked_sub(1)?).ok()?;
        ((index as usize) < COLUMNS).then_some(Self(index))
    }
}

/// The books of a pool.
pub(crate) struct Ledger {
    /// The stripes of threads that act as no worker of the pool.
    outsiders: Box<[CachePadded<Stripe>]>,
    /// One for each worker, which finds it in its status too.
    workers: Box<[WorkerStripe]>,
    /// Jobs that came from another pool, and that went to one. Written by swaps alone.
    adopted: AtomicU64,
    handed_over: AtomicU64,
}

/// A set of counts that one thread writes, or that those without a number share. Each lies on cache
/// lines of its own.
#[derive(Default)]
struct Stripe {
    entered: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    over: AtomicU64,
    columns: [AtomicU64; COLUMNS],
}

/// A worker's stripe, written by the thread at its seat alone.
#[derive(Clone)]
pub(crate) struct WorkerStripe(Arc<CachePadded<Stripe>>);

impl WorkerStripe {
    /// Counts an outcome in its column, before the outcome is published. The job is not over by
    /// that.
    #[inline]
    pub(crate) fn record(&self, outcome: Outcome) {
        self.writing()
            .count(|stripe| &stripe.columns[outcome as usize]);
    }

    /// Nothing of the job is left.
    #[inline]
    pub(crate) fn over(&self) {
        self.writing().count(|stripe| &stripe.over);
    }

    /// Returns how many outcomes are counted here: at least those that were before the call.
    pub(crate) fn recorded(&self) -> u64 {
        let outcomes = self.0.columns[..UNSTARTED].iter();
        // ORDERING: Acquire pairs with the Release of each count.
        let counts = outcomes.map(|count| count.load(Ordering::Acquire));
        counts.sum()
    }

    /// Returns how many jobs are counted as over here. What is read before it stays before it, as
    /// far as that is read with Acquire too.
    pub(crate) fn ended(&self) -> u64 {
        // ORDERING: Acquire pairs with the Release of the count: a job that is in it has left its
        // frame for this reader.
        self.0.over.load(Ordering::Acquire)
    }

    #[inline]
    fn writing(&self) -> Writing<'_> {
        Writing {
            stripe: &self.0,
            is_alone: counts_alone(),
        }
    }
}

/// Whether a worker counts by a load and a store.
#[cfg(not(pool_loom))]
#[inline(always)]
const fn counts_alone() -> bool {
    true
}

/// Whether it does so in this model.
#[cfg(pool_loom)]
fn counts_alone() -> bool {
    !COUNTS_IN_ONE_STEP.load(std::sync::atomic::Ordering::Relaxed)
}

/// Set by a model about those that read the counts of one worker: loom takes the worker's own load
/// for the last access to a count, and does not try a reader between that and the store.
#[cfg(pool_loom)]
pub(crate) static COUNTS_IN_ONE_STEP: std::sync::atomic::AtomicBool =
    std::sync::atomic::AtomicBool::new(false);

/// A stripe as the calling thread may write to it.
#[derive(Clone, Copy)]
pub(crate) struct Writing<'a> {
    stripe: &'a Stripe,
    /// The calling thread is the stripe's only writer.
    is_alone: bool,
}

impl Writing<'_> {
    /// That many jobs are about to be pushed.
    ///
    /// A [light fence](crate::sys::asymmetric_fence) stands between this and the look at the phase.
    #[inline]
    pub(crate) fn enter(self, jobs: u64) {
        self.add(|stripe| &stripe.entered, jobs);
    }

    /// The job that entered is in its queue, or about to run where it was submitted.
    #[inline]
    pub(crate) fn accept(self) {
        self.count(|stripe| &stripe.accepted);
    }

    /// That many jobs that entered were not pushed.
    pub(crate) fn refuse(self, jobs: u64) {
        self.add(|stripe| &stripe.refused, jobs);
    }

    /// The job has ended, and nothing of it is left.
    pub(crate) fn end(self, outcome: Outcome) {
        self.count(|stripe| &stripe.columns[outcome as usize]);
        self.count(|stripe| &stripe.over);
    }

    /// Adds one.
    #[inline]
    fn count(self, counter: impl FnOnce(&Stripe) -> &AtomicU64) {
        self.add(counter, 1);
    }

    /// Adds that many. Release, always: a reader that counts them sees all that this thread did
    /// before.
    #[inline(always)]
    fn add(self, counter: impl FnOnce(&Stripe) -> &AtomicU64, jobs: u64) {
        let counter = counter(self.stripe);
        if self.is_alone {
            // ORDERING: Release, as below. Nobody else writes, so nothing is lost between the load
            // and the store.
            counter.store(counter.load(Ordering::Relaxed) + jobs, Ordering::Release);
        } else {
            // ORDERING: Release pairs with the Acquire of every reader.
            counter.fetch_add(jobs, Ordering::Release);
        }
    }
}

impl Ledger {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            outsiders: (0..OUTSIDERS).map(|_| CachePadded::default()).collect(),
            workers: (0..workers).map(|_| WorkerStripe(Arc::default())).collect(),
            adopted: AtomicU64::new(0),
            handed_over: AtomicU64::new(0),
        }
    }

    /// Counts an outcome in its column, before the outcome is published. The job is not over by
    /// that.
    #[inline]
    pub(crate) fn record(&self, outcome: Outcome, worker: Option<usize>) {
        self.writing(worker)
            .count(|stripe| &stripe.columns[outcome as usize]);
    }

    /// Counts a job that a shutdown took out of the queue.
    pub(crate) fn record_unstarted(&self) {
        self.writing(None)
            .count(|stripe| &stripe.columns[UNSTARTED]);
    }

    /// Counts that many jobs that a shutdown gives back, and nothing is left of here.
    pub(crate) fn give_back(&self, jobs: u64) {
        let books = self.writing(None);
        books.add(|stripe| &stripe.columns[UNSTARTED], jobs);
        books.add(|stripe| &stripe.over, jobs);
    }

    /// Counts a job that was given up before it started.
    pub(crate) fn record_given_up(&self, ends: GivenUpAs) {
        match ends {
            GivenUpAs::Unstarted => self.record_unstarted(),
            GivenUpAs::Abandoned => self.record(Outcome::Abandoned, None),
            GivenUpAs::OffTheBooks => {}
        }
    }

    /// That many jobs that entered came from another pool, and are in the queue.
    pub(crate) fn adopt(&self, jobs: u64) {
        // ORDERING: Release, as for every count.
        self.adopted.fetch_add(jobs, Ordering::Release);
    }

    /// That many jobs that were queued here are in another pool's queue and books now: they are
    /// over here.
    pub(crate) fn hand_over(&self, jobs: u64) {
        // ORDERING: Release, as for every count.
        self.handed_over.fetch_add(jobs, Ordering::Release);
        self.writing(None).add(|stripe| &stripe.over, jobs);
    }

    /// Nothing of the job is left.
    #[inline]
    pub(crate) fn over(&self, worker: Option<usize>) {
        self.writing(worker).count(|stripe| &stripe.over);
    }

    /// How many jobs are accepted and not over; exact if it is zero, otherwise a figure of the
    /// recent past.
    pub(crate) fn in_flight(&self) -> u64 {
        // ORDERING: Acquire on the first pass orders the second behind it. After a close, the heavy
        // fence there has made every entry visible whose submitter read `open`.
        let settled: u64 = self
            .stripes()
            .map(|s| s.over.load(Ordering::Acquire) + s.refused.load(Ordering::Acquire))
            .sum();
        let entered = self.sum(|stripe| &stripe.entered);
        entered - settled
    }

    /// Whether no submission is between its entry and its push or refusal.
    pub(crate) fn is_nothing_on_its_way(&self) -> bool {
        // ORDERING: as for `in_flight`, with another pair of sums.
        let arrived = self.arrived();
        let entered = self.sum(|stripe| &stripe.entered);
        entered == arrived
    }

    /// Lets submissions that began before the end of intake reach their push, which takes them a
    /// few instructions. One that takes longer is not waited for: user code that it calls may wait
    /// for the caller.
    pub(crate) fn await_submissions(&self) {
        for _ in 0..MAX_YIELDS {
            if self.is_nothing_on_its_way() {
                return;
            }
            machine::yield_now();
        }
    }

    /// How many of the jobs that entered have come to the end of their submission. What only ends
    /// later is read first.
    fn arrived(&self) -> u64 {
        self.sum(|stripe| &stripe.refused)
            + self.adopted.load(Ordering::Acquire)
            + self.sum(|stripe| &stripe.accepted)
    }

    /// The counts, those of ends first: what has come out since is not missing from what has gone
    /// in.
    pub(crate) fn counts(&self) -> Stats {
        let columns: [u64; COLUMNS] =
            std::array::from_fn(|column| self.sum(|stripe| &stripe.columns[column]));
        let handed_over = self.handed_over.load(Ordering::Acquire);
        let [
            completed,
            failed,
            panicked,
            cancelled,
            expired,
            abandoned,
            unstarted,
        ] = columns;
        Stats {
            completed,
            failed,
            panicked,
            cancelled,
            expired,
            abandoned,
            unstarted,
            handed_over,
            adopted: self.adopted.load(Ordering::Acquire),
            accepted: self.sum(|stripe| &stripe.accepted),
            ..Stats::default()
        }
    }

    /// Adds one count up over all stripes.
    fn sum(&self, count: impl Fn(&Stripe) -> &AtomicU64) -> u64 {
        // ORDERING: Acquire pairs with the Release of each count.
        let counts = self.stripes().map(count);
        counts.map(|count| count.load(Ordering::Acquire)).sum()
    }

    /// All stripes.
    fn stripes(&self) -> impl Iterator<Item = &Stripe> {
        let workers = self.workers.iter().map(|stripe| &**stripe.0);
        self.outsiders.iter().map(|stripe| &**stripe).chain(workers)
    }

    /// The stripe of a worker, for its status.
    pub(crate) fn of_worker(&self, index: usize) -> WorkerStripe {
        self.workers[index].clone()
    }

    /// The stripe of `worker`, if the caller is one of the pool's, or of the calling thread.
    ///
    /// The caller writes with it at once, on this very thread: a stripe has one writer.
    #[inline]
    pub(crate) fn writing(&self, worker: Option<usize>) -> Writing<'_> {
        if let Some(index) = worker {
            return self.workers[index].writing();
        }
        let own = thread_index::of_this_thread().filter(|&number| number < SHARED);
        Writing {
            stripe: &self.outsiders[own.unwrap_or(SHARED)],
            is_alone: own.is_some(),
        }
    }
}
