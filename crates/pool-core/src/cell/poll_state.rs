//! Whose turn it is to poll a future.
//!
//! ```text
//! (unstarted) ──start──▶ polling ──suspend──▶ idle ──wake──▶ due, and its pool is told
//!                           │ wake               ▲              │ begin
//!                           ▼                    │ suspend      ▼
//!                        woken ──suspend──▶ due  └────────── polling
//! polling | woken ──finish──▶ over
//! ```
//!
//! A turn begins as `polling`: it belongs to whoever wins the job's start, so nobody else can have
//! the first poll. Only the side that moved `due` to `polling` touches the future, so it is never
//! polled by two threads at once, and after `over` by none (`R802`).
//!
//! A future that is due is **queued** with its pool, once: the mark says that an entry is there. A
//! helper may take the turn before the entry is dequeued; the entry then is stale and does nothing,
//! and while it is there no wake queues another. So a wake too many costs nothing, a wake too few
//! cannot be (`R803`), and a future that somebody helps leaves no row of entries behind.

use crate::sys::sync::{AtomicU8, Ordering};

const POLLING: u8 = 0;
const WOKEN: u8 = 1;
const IDLE: u8 = 2;
const DUE: u8 = 3;
const OVER: u8 = 4;
const PHASE: u8 = 7;
/// An entry is among the woken of its pool.
const QUEUED: u8 = 8;

/// Whose turn it is; the transitions of the module's diagram.
#[derive(Debug)]
pub(crate) struct PollState(AtomicU8);

/// What a wake, or a suspension after one, is to do.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The future is due: queue an entry with its pool, and tell its helper.
    Queue,
    /// It is due, and an entry is queued already: tell its helper.
    Tell,
    /// It is not due, or was so before.
    No,
}

impl PollState {
    /// It is with whoever starts the job.
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(POLLING))
    }

    /// A helper takes the turn. False if the future is not due.
    pub(crate) fn begin(&self) -> bool {
        // A look that is out of date misses a wake that has yet to look for the helper.
        self.take(|turn| (turn & PHASE == DUE).then_some(turn & QUEUED | POLLING))
    }

    /// The entry was dequeued: takes the turn, unless a helper was faster.
    pub(crate) fn begin_dequeued(&self) -> bool {
        // Written in any case: a mere look might be out of date.
        self.take(|turn| match turn & PHASE {
            DUE => Some(POLLING),
            phase => Some(phase),
        })
    }

    /// True if `change` moved the turn on from due.
    fn take(&self, change: impl Fn(u8) -> Option<u8>) -> bool {
        // ORDERING: Acquire pairs with the Release in `suspend` and `wake`: what the last poll and
        // the wakers wrote is visible to this poll.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, change)
            .is_ok_and(|turn| turn & PHASE == DUE)
    }

    /// Gives the turn back after `Pending`.
    pub(crate) fn suspend(&self) -> Due {
        let next = |turn: u8| match turn & PHASE {
            POLLING => turn & QUEUED | IDLE,
            _ => DUE | QUEUED,
        };
        // ORDERING: Release publishes the poll's writes to the next `begin`. A read-modify-write,
        // so that it takes in what every waker before it has released, the second and third too.
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |turn| Some(next(turn)))
            .unwrap_or_else(|turn| turn);
        if before & PHASE == POLLING {
            Due::No
        } else {
            due(before)
        }
    }

    /// A waker fired.
    pub(crate) fn wake(&self) -> Due {
        let next = |turn: u8| match turn & PHASE {
            OVER => None,
            POLLING | WOKEN => Some(turn & QUEUED | WOKEN),
            _ => Some(DUE | QUEUED),
        };
        // ORDERING: Release: what the waker's caller did before is visible to the poll that
        // follows, also where the turn stays as it is, which is why it is written all the same.
        // Acquire: what the last poll left in the cell is visible here.
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        match before {
            Ok(turn) if turn & PHASE == IDLE => due(turn),
            _ => Due::No,
        }
    }

    pub(crate) fn finish(&self) {
        // ORDERING: Release, for symmetry; nobody reads the future after `over`.
        self.0.store(OVER, Ordering::Release);
    }
}

/// What is to be done for a future that has just become due, by the turn before.
fn due(before: u8) -> Due {
    if before & QUEUED == 0 {
        Due::Queue
    } else {
        Due::Tell
    }
}
