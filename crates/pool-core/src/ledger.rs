//! The books: what was accepted, and how it ended, counted in stripes so that no two threads share a cache line.
//!
//! A stripe has **one writer**: the worker whose seat it is (seats are handed on with acquire and release), or the thread whose number
//! it is. So a count is a load and a store. Only threads beyond the numbered ones share a stripe, and add to it with read-modify-writes.
//!
//! Each count only grows. A job *enters* before it is pushed; it is *refused* if it could not be; it is *over* when
//! everything of it has ended, its outcome published and its closure dropped. The columns are written before the outcome is
//! published, so whoever has seen a job end finds it in its column.
//!
//! **Quiet** means that all that entered was refused or is over. `in_flight` reads `over` and `refused` first and `entered`
//! last. Because counts grow and `over + refused <= entered` holds at each moment, equality of the sums shows that there
//! was a moment, at the start of the last pass, when nothing was in flight. A child enters before its parent is over, so no
//! reader sees the parent's end without the child's start.

use crossbeam_utils::CachePadded;

use crate::outcome::Outcome;
use crate::stats::Stats;
use crate::sync::{AtomicU64, Ordering};
use crate::thread_number::{self, NUMBERS};

/// Stripes for threads that act as no worker of the pool: one for each numbered thread, and the shared one.
const OUTSIDERS: usize = if cfg!(pool_loom) { 1 } else { NUMBERS + 1 };
const SHARED: usize = OUTSIDERS - 1;

/// Columns: the six outcomes, then the jobs given back unstarted.
const COLUMNS: usize = 7;
const UNSTARTED: usize = 6;

/// In which column of the books the end of a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column(u8);

impl Column {
    pub(crate) const UNSTARTED: Self = Self(UNSTARTED as u8);

    pub(crate) fn of(outcome: Outcome) -> Self {
        Self(outcome as u8)
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

    /// The outcome; `None` for a job that was given up unstarted.
    pub(crate) fn outcome(self) -> Option<Outcome> {
        (self != Self::UNSTARTED).then(|| Outcome::from_index(u32::from(self.0)))
    }
}

pub(crate) struct Ledger {
    stripes: Box<[CachePadded<Stripe>]>,
}

struct Stripe {
    entered: AtomicU64,
    refused: AtomicU64,
    over: AtomicU64,
    columns: [AtomicU64; COLUMNS],
}

/// A stripe as the calling thread may write to it.
#[derive(Clone, Copy)]
struct Writing<'a> {
    stripe: &'a Stripe,
    is_alone: bool,
}

impl Writing<'_> {
    /// Adds one. Release, always: a reader that counts it sees all that this thread did before.
    #[inline]
    fn count(self, counter: impl FnOnce(&Stripe) -> &AtomicU64) {
        let counter = counter(self.stripe);
        if self.is_alone {
            // ORDERING: Release, as below. Nobody else writes, so nothing is lost between the load and the store.
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
        } else {
            // ORDERING: Release pairs with the Acquire of every reader.
            counter.fetch_add(1, Ordering::Release);
        }
    }
}

impl Ledger {
    pub(crate) fn new(workers: usize) -> Self {
        let stripe = || {
            CachePadded::new(Stripe {
                entered: AtomicU64::new(0),
                refused: AtomicU64::new(0),
                over: AtomicU64::new(0),
                columns: std::array::from_fn(|_| AtomicU64::new(0)),
            })
        };
        Self {
            stripes: (0..OUTSIDERS + workers).map(|_| stripe()).collect(),
        }
    }

    /// A job is about to be pushed. By `worker`, if the caller is one of the pool's.
    ///
    /// A [light fence](crate::barrier) stands between this and the look at the phase.
    #[inline]
    pub(crate) fn enter(&self, worker: Option<usize>) {
        self.stripe(worker).count(|stripe| &stripe.entered);
    }

    /// The job that entered was not pushed.
    pub(crate) fn refuse(&self, worker: Option<usize>) {
        self.stripe(worker).count(|stripe| &stripe.refused);
    }

    #[inline]
    pub(crate) fn record(&self, outcome: Outcome, worker: Option<usize>) {
        self.stripe(worker)
            .count(|stripe| &stripe.columns[outcome as usize]);
    }

    pub(crate) fn record_unstarted(&self) {
        self.stripe(None).count(|stripe| &stripe.columns[UNSTARTED]);
    }

    /// Nothing of the job is left.
    #[inline]
    pub(crate) fn over(&self, worker: Option<usize>) {
        self.stripe(worker).count(|stripe| &stripe.over);
    }

    /// How many jobs are accepted and not over; exact if it is zero, else a figure of the recent past.
    pub(crate) fn in_flight(&self) -> u64 {
        // ORDERING: Acquire on the first pass orders the second behind it. After a close, the heavy fence there has made every
        // entry visible whose submitter read `open`.
        let settled: u64 = self
            .stripes
            .iter()
            .map(|s| s.over.load(Ordering::Acquire) + s.refused.load(Ordering::Acquire))
            .sum();
        let entered: u64 = self
            .stripes
            .iter()
            .map(|s| s.entered.load(Ordering::Acquire))
            .sum();
        entered - settled
    }

    /// A snapshot that never shows more finished than accepted (`R701`): the columns are read first.
    pub(crate) fn stats(&self) -> Stats {
        let mut columns = [0; COLUMNS];
        for stripe in &self.stripes {
            for (sum, column) in columns.iter_mut().zip(&stripe.columns) {
                *sum += column.load(Ordering::Acquire);
            }
        }
        let sum = |count: fn(&Stripe) -> &AtomicU64| -> u64 {
            self.stripes
                .iter()
                .map(|s| count(s).load(Ordering::Acquire))
                .sum()
        };
        let refused = sum(|s| &s.refused);
        let accepted = sum(|s| &s.entered) - refused;
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
            accepted,
            completed,
            failed,
            panicked,
            cancelled,
            expired,
            abandoned,
            unstarted,
            ..Stats::default()
        }
    }

    #[inline]
    fn stripe(&self, worker: Option<usize>) -> Writing<'_> {
        let number = || thread_number::of_this_thread().filter(|&number| number < SHARED);
        let own = worker.map(|index| OUTSIDERS + index).or_else(number);
        Writing {
            stripe: &self.stripes[own.unwrap_or(SHARED)],
            is_alone: own.is_some(),
        }
    }
}
