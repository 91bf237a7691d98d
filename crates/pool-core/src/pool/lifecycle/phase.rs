//! `AtomicPhase`: where a pool is in its life. It only moves forward.

use crate::sys::asymmetric_fence::heavy;
use crate::sys::machine::{self, Point};
use crate::sys::sync::{AtomicU8, Ordering};

/// Where a pool is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Takes jobs in.
    Open = 0,
    /// Takes none in, and runs what it has.
    Draining = 1,
    /// Starts none either, and asks those that run to stop.
    Cancelling = 2,
    /// Its workers leave as soon as nothing is left for them.
    Stopped = 3,
    /// This process is a forked child, and the pool its parent's.
    Forked = 4,
}

/// The phase of a pool, which any thread may read or move forward.
pub(crate) struct AtomicPhase {
    /// A [`Phase`]; it only grows.
    number: AtomicU8,
}

impl AtomicPhase {
    pub(super) fn open() -> Self {
        Self {
            number: AtomicU8::new(Phase::Open as u8),
        }
    }

    /// The phase as it is now; it may be a later one at once.
    #[inline]
    pub(super) fn load(&self) -> Phase {
        // ORDERING: SeqCst, see the head of `intake`.
        match self.number.load(Ordering::SeqCst) {
            0 => Phase::Open,
            1 => Phase::Draining,
            2 => Phase::Cancelling,
            3 => Phase::Stopped,
            _ => Phase::Forked,
        }
    }

    /// Whether intake has ended.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.load() != Phase::Open
    }

    /// Whether the grace is over: queued jobs no longer start, and running ones are asked to stop.
    #[inline]
    pub(crate) fn is_cancelling(&self) -> bool {
        self.load() >= Phase::Cancelling
    }

    /// Whether the workers end as soon as they are idle.
    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        self.load() >= Phase::Stopped
    }

    /// Whether this process is a forked child, and the pool its parent's.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.load() == Phase::Forked
    }

    /// See [`atfork`](crate::sys::atfork).
    ///
    /// Called in a forked child, for each pool that it inherits, before any other thread of it
    /// exists.
    pub(crate) fn mark_forked(&self) {
        self.advance(Phase::Forked);
    }

    /// Ends intake. The caller wakes the submitters that wait for room. True if this call ended it.
    pub(crate) fn end_intake(&self) -> bool {
        let has_ended = self.advance(Phase::Draining);
        if has_ended {
            machine::point(Point::Close);
        }
        // ORDERING: partners are the light fences of `intake`. Each closer has its own, since each
        // may go on to read the ledger.
        heavy();
        has_ended
    }

    /// Moves the phase forward. True if this call did.
    pub(super) fn advance(&self, to: Phase) -> bool {
        self.number.fetch_max(to as u8, Ordering::SeqCst) < to as u8
    }
}
