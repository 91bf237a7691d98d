//! The books: what was accepted, and how it ended, counted in stripes so that no two workers share a cache line.
//!
//! Each count only grows. A job *enters* before it is pushed; it is *refused* if it could not be; it is *over* when
//! everything of it has ended, its outcome published and its closure dropped. The columns are written before the outcome is
//! published, so whoever has seen a job end finds it in its column.
//!
//! **Quiet** means that all that entered was refused or is over. `in_flight` reads `over` and `refused` first and `entered`
//! last. Because counts grow and `over + refused <= entered` holds at each moment, equality of the sums shows that there
//! was a moment, at the start of the last pass, when nothing was in flight. A child enters before its parent is over, so no
//! reader sees the parent's end without the child's start.

use std::cell::Cell;
use std::sync::atomic::AtomicUsize as PlainUsize;

use crossbeam_utils::CachePadded;

use crate::outcome::Outcome;
use crate::stats::Stats;
use crate::sync::{AtomicU64, Ordering};

/// Stripes for threads that are no workers of the pool: enough that a handful of submitters do not share one.
const OUTSIDERS: usize = if cfg!(pool_loom) { 1 } else { 16 };

/// Columns: the six outcomes, then the jobs given back unstarted.
const COLUMNS: usize = 7;
const UNSTARTED: usize = 6;

pub(crate) struct Ledger {
    stripes: Box<[CachePadded<Stripe>]>,
}

struct Stripe {
    entered: AtomicU64,
    refused: AtomicU64,
    over: AtomicU64,
    columns: [AtomicU64; COLUMNS],
}

thread_local! {
    static OUTSIDER: Cell<Option<usize>> = const { Cell::new(None) };
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
    pub(crate) fn enter(&self, worker: Option<usize>) {
        // ORDERING: SeqCst, with the phase that is read next: either the submitter sees the close, or the closer sees the entry.
        self.stripe(worker).entered.fetch_add(1, Ordering::SeqCst);
    }

    /// The job that entered was not pushed.
    pub(crate) fn refuse(&self, worker: Option<usize>) {
        // ORDERING: Release: a reader that counts the refusal also counts the entry before it.
        self.stripe(worker).refused.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn record(&self, outcome: Outcome, worker: Option<usize>) {
        // ORDERING: Release pairs with the Acquire in `stats`: who counts the outcome also counts the entry before it.
        self.stripe(worker).columns[outcome as usize].fetch_add(1, Ordering::Release);
    }

    pub(crate) fn record_unstarted(&self) {
        self.stripe(None).columns[UNSTARTED].fetch_add(1, Ordering::Release);
    }

    /// Nothing of the job is left.
    pub(crate) fn over(&self, worker: Option<usize>) {
        // ORDERING: Release pairs with the Acquire in `in_flight`: who sees the pool quiet sees all that its jobs did.
        self.stripe(worker).over.fetch_add(1, Ordering::Release);
    }

    /// How many jobs are accepted and not over; exact if it is zero, else a figure of the recent past.
    pub(crate) fn in_flight(&self) -> u64 {
        // ORDERING: Acquire on the first pass orders the second behind it; SeqCst on the second pairs with `enter`.
        let settled: u64 = self
            .stripes
            .iter()
            .map(|s| s.over.load(Ordering::Acquire) + s.refused.load(Ordering::Acquire))
            .sum();
        let entered: u64 = self
            .stripes
            .iter()
            .map(|s| s.entered.load(Ordering::SeqCst))
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

    fn stripe(&self, worker: Option<usize>) -> &Stripe {
        match worker {
            Some(index) => &self.stripes[OUTSIDERS + index],
            None => &self.stripes[outsider()],
        }
    }
}

/// The stripe of the calling thread, dealt out in turn.
fn outsider() -> usize {
    static NEXT: PlainUsize = PlainUsize::new(0);
    OUTSIDER
        .try_with(|stripe| {
            stripe.get().unwrap_or_else(|| {
                let dealt = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % OUTSIDERS;
                stripe.set(Some(dealt));
                dealt
            })
        })
        .unwrap_or(0)
}
