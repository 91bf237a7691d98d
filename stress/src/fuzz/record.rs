//! The history of one job.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering::SeqCst};

use pool::{JobId, Outcome};

use crate::intake::{Intake, IntakeCell};

/// Facts of a job that only ever become true.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(super) enum Mark {
    /// It may be cancelled.
    MayBeCancelled = 1,
    /// It may expire.
    MayExpire = 2,
    /// Its handle was forgotten, with what it owns.
    Forgotten = 4,
    /// A thread polls it.
    Polled = 8,
    /// It began when its pool's end had begun.
    Late = 16,
    /// A `wait_idle` that saw it accepted has returned.
    Past = 32,
    /// Its submission returned after a shutdown with a limit had begun, which may have returned
    /// without it.
    Straggler = 64,
    /// It was handed back unstarted and dropped.
    Dropped = 128,
    /// A future that ends its own pool: it needs no worker from then on.
    Alone = 256,
}

/// The history of one job.
#[derive(Debug)]
pub(super) struct Record {
    /// Its number in the program, or a larger one.
    pub(super) number: u32,
    pub(super) way: &'static str,
    /// The pool that it is submitted to.
    pub(super) pool: u8,
    /// The pool that runs it, which differs after a hand-over.
    pub(super) owner: AtomicU8,
    /// A bit for each pool that handed it back unstarted before another accepted it.
    passed: AtomicU8,
    pub(super) intake: IntakeCell,
    pub(super) begun: AtomicU32,
    pub(super) result: AtomicU8,
    pub(super) outcome: AtomicU8,
    pub(super) captures_dropped: AtomicU32,
    pub(super) results: AtomicU32,
    pub(super) results_dropped: AtomicU32,
    pub(super) marks: AtomicU32,
    pub(super) id: OnceLock<JobId>,
    /// The address of the operation that it is in; 0: none.
    pub(super) at: AtomicUsize,
}

impl Record {
    /// A job that is about to be submitted.
    pub(super) fn new(number: u32, way: &'static str, pool: u8) -> Self {
        Self {
            number,
            way,
            pool,
            owner: AtomicU8::new(pool),
            passed: AtomicU8::new(0),
            intake: IntakeCell::default(),
            begun: AtomicU32::new(0),
            result: AtomicU8::new(0),
            outcome: AtomicU8::new(0),
            captures_dropped: AtomicU32::new(0),
            results: AtomicU32::new(0),
            results_dropped: AtomicU32::new(0),
            marks: AtomicU32::new(0),
            id: OnceLock::new(),
            at: AtomicUsize::new(0),
        }
    }

    pub(super) fn intake(&self) -> Intake {
        self.intake.get()
    }

    pub(super) fn owner(&self) -> u8 {
        self.owner.load(SeqCst)
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(SeqCst) > 0
    }

    pub(super) fn result(&self) -> Option<Outcome> {
        decode(self.result.load(SeqCst))
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        decode(self.outcome.load(SeqCst))
    }

    pub(super) fn has(&self, mark: Mark) -> bool {
        self.marks.load(SeqCst) & mark as u32 != 0
    }

    /// Returns whether it had the mark.
    pub(super) fn mark(&self, mark: Mark) -> bool {
        self.marks.fetch_or(mark as u32, SeqCst) & mark as u32 != 0
    }

    pub(super) fn unmark(&self, mark: Mark) {
        self.marks.fetch_and(!(mark as u32), SeqCst);
    }

    /// It is moving from its pool to another.
    pub(super) fn move_to(&self, pool: u8) {
        self.passed.fetch_or(1 << self.owner(), SeqCst);
        self.owner.store(pool, SeqCst);
    }

    /// It was refused, and belongs to its former pool again.
    pub(super) fn move_back(&self, pool: u8) {
        self.owner.store(pool, SeqCst);
        self.passed.fetch_and(!(1 << pool), SeqCst);
    }

    /// Whether the pool handed it back unstarted and another accepted it.
    pub(super) fn has_passed(&self, pool: u8) -> bool {
        self.passed.load(SeqCst) & (1 << pool) != 0
    }

    pub(super) fn are_captures_dropped(&self) -> bool {
        self.captures_dropped.load(SeqCst) > 0
    }

    /// Neither queued, nor running, nor suspended, as far as the record can tell.
    pub(super) fn is_over(&self) -> bool {
        self.result().is_some() || self.are_captures_dropped()
    }

    pub(super) fn set_id(&self, id: JobId) {
        // The first one counts.
        let _known = self.id.set(id);
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |mark, what| if self.has(mark) { what } else { "" };
        write!(
            f,
            "job {} ({} to pool {}): {:?}, began {} times, by its own account {:?}, by its handle \
             {:?}, captures dropped {} times, results {} made and {} dropped{}{}{}{}{}{}",
            self.number,
            self.way,
            self.pool,
            self.intake(),
            self.begun.load(SeqCst),
            self.result(),
            self.outcome(),
            self.captures_dropped.load(SeqCst),
            self.results.load(SeqCst),
            self.results_dropped.load(SeqCst),
            has(Mark::MayBeCancelled, ", may be cancelled"),
            has(Mark::MayExpire, ", may expire"),
            has(Mark::Late, ", late"),
            if self.owner() == self.pool {
                ""
            } else {
                ", moved to another pool"
            },
            has(Mark::Dropped, ", given back and dropped"),
            has(Mark::Forgotten, ", handle forgotten"),
        )
    }
}

pub(super) fn encode(outcome: Outcome) -> u8 {
    outcome as u8 + 1
}

fn decode(code: u8) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|&it| encode(it) == code)
}
