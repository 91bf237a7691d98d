//! Which thread may poll a future.
//!
//! ```text
//! (unstarted) ──start──▶ polling ──suspend──▶ idle ──wake──▶ due, and its pool is told
//!                           │ wake               ▲              │ begin
//!                           ▼                    │ suspend      ▼
//!                        woken ──suspend──▶ due  └────────── polling
//! polling | woken ──finish──▶ over
//! ```
//!
//! The thread that moved the state to `polling` **owns the poll**: it alone touches the future,
//! until it gives the poll back with `suspend` or ends it with `finish`. The state begins as
//! `polling`, which belongs to the winner of the job's start, so nobody else can have the first
//! poll. So a future is never polled by two threads at once, and after `over` by none (`R802`).
//!
//! A future that is due is **queued** with its pool, once: the mark says that an entry is there. A
//! helper may take the poll before the entry is dequeued; the entry then is stale and does nothing,
//! and while it is there no wake queues another. So a wake too many costs nothing, a wake too few
//! cannot be (`R803`), and a future that a helper polls leaves no row of entries behind.
//!
//! A second mark says that the future has a **helper**, or had one, so that wakes of all others do
//! not look for its waker. A helper leaves the waker, sets the mark, and then looks whether the
//! future is due; a wake makes it due and learns in the same step whether the mark is there. The
//! two are changes of one word: if the mark came first, the wake sees it; if the wake came first,
//! the helper finds the future due, or polled since.

use crate::sys::sync::{AtomicU8, Ordering};

/// A thread owns the poll, and no waker has fired since it took it. Before the start: nobody polls
/// yet.
const POLLING: u8 = 0;
/// A thread owns the poll, and a waker has fired since: the suspension makes the future due.
const WOKEN: u8 = 1;
/// The future is suspended, and no waker has fired since.
const IDLE: u8 = 2;
/// The future is suspended and a waker has fired: the next thread that asks may poll.
const DUE: u8 = 3;
/// The job has ended, or is being ended. Wakes do nothing any more.
const OVER: u8 = 4;
/// The bits that hold one of the phases above.
const PHASE: u8 = 7;
/// An entry of the future is among the woken of its pool. Set when an entry is queued, and cleared
/// when it is dequeued or all polling ends.
const QUEUED: u8 = 8;
/// A helper has left its waker in the future's links. Never cleared before the end.
const HELPED: u8 = 16;
/// The bits that a change of the phase keeps.
const MARKS: u8 = QUEUED | HELPED;

/// The phase and the mark, behind the transitions of the module's diagram.
#[derive(Debug)]
pub(crate) struct PollState(AtomicU8);

/// What a wake, or a suspension after one, is to do: nothing, if the future is not due, or was so
/// before.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// The future has become due, and no entry of it is queued: queue one with its pool.
    pub(crate) must_queue: bool,
    /// It has become due, and has a helper, or had one: call the waker that it left.
    pub(crate) must_tell: bool,
}

impl Due {
    /// There is nothing to do.
    pub(crate) const NOTHING: Self = Self {
        must_queue: false,
        must_tell: false,
    };

    /// Returns what is to be done for a future that has just become due, from the value before.
    fn after(before: u8) -> Self {
        Self {
            must_queue: before & QUEUED == 0,
            must_tell: before & HELPED != 0,
        }
    }

    /// Whether there is something to do.
    #[inline]
    pub(crate) fn is_something(self) -> bool {
        self != Self::NOTHING
    }
}

impl PollState {
    /// Returns `polling`, which belongs to the winner of the job's start.
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(POLLING))
    }

    /// Notes that a helper has left its waker. The helper then looks whether the future is due.
    pub(crate) fn note_helper(&self) {
        // ORDERING: Relaxed: where the mark is read, wakes that come after it in the order of the
        // word find it, and earlier ones are seen by the caller's look, which is at the same word.
        if self.0.load(Ordering::Relaxed) & HELPED == 0 {
            // ORDERING: Relaxed: the waker is under a lock, which the helper has taken before, and
            // which who reads the mark takes after that.
            self.0.fetch_or(HELPED, Ordering::Relaxed);
        }
    }

    /// Takes the poll for a helper, which has noted itself. Returns false if the future is not due.
    pub(crate) fn begin(&self) -> bool {
        // A look that is out of date misses a wake that finds the mark, and so the helper.
        self.take(|state| (state & PHASE == DUE).then_some(state & MARKS | POLLING))
    }

    /// Takes the poll for the thread that dequeued the entry, and clears the mark in any case.
    /// Returns false if the future is not due: a helper was faster, or it is over.
    pub(crate) fn begin_dequeued(&self) -> bool {
        // Written in any case: a mere look might be out of date.
        self.take(|state| match state & PHASE {
            DUE => Some(state & HELPED | POLLING),
            phase => Some(state & HELPED | phase),
        })
    }

    /// Applies `change`. Returns true if that took the poll of a future that was due.
    fn take(&self, change: impl Fn(u8) -> Option<u8>) -> bool {
        // ORDERING: Acquire pairs with the Release in `suspend` and `wake`: what the last poll and
        // the wakers wrote is visible to this poll.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, change)
            .is_ok_and(|state| state & PHASE == DUE)
    }

    /// Gives the poll back after `Pending`. Called by the thread that owns it. If a waker has fired
    /// meanwhile, the future is due at once, and the caller does what the answer says.
    pub(crate) fn suspend(&self) -> Due {
        let next = |state: u8| match state & PHASE {
            POLLING => state & MARKS | IDLE,
            _ => state & MARKS | DUE | QUEUED,
        };
        // ORDERING: Release publishes the poll's writes to the next `begin`. A read-modify-write,
        // so that it takes in what every waker before it has released, the second and third too.
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                Some(next(state))
            })
            .unwrap_or_else(|state| state);
        if before & PHASE == POLLING {
            Due::NOTHING
        } else {
            Due::after(before)
        }
    }

    /// Notes that a waker fired. Any thread may call this. The caller does what the answer says.
    pub(crate) fn wake(&self) -> Due {
        let next = |state: u8| match state & PHASE {
            OVER => None,
            POLLING | WOKEN => Some(state & MARKS | WOKEN),
            _ => Some(state & MARKS | DUE | QUEUED),
        };
        // ORDERING: Release: what the waker's caller did before is visible to the poll that
        // follows, also where the phase stays as it is, which is why it is written nevertheless.
        // Acquire: what the last poll left in the cell is visible here.
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        match before {
            Ok(state) if state & PHASE == IDLE => Due::after(state),
            _ => Due::NOTHING,
        }
    }

    /// Whether all polling has ended.
    pub(crate) fn is_over(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `finish`.
        self.0.load(Ordering::Acquire) & PHASE == OVER
    }

    /// Ends all polling. Called by the thread that owns the poll, or by the winner of the start if
    /// there was no poll.
    pub(crate) fn finish(&self) {
        // ORDERING: Release, for symmetry; nobody reads the future after `over`.
        self.0.store(OVER, Ordering::Release);
    }
}
