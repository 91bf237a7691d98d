//! The life of a job that has a handle, as one word.
//!
//! ```text
//! queued ──start──▶ running ──end──▶ ended(outcome)
//!            ▲
//!            └ the popper, a joiner that claims, or a canceller: whoever sets `RUNNING` first owns the job
//! ```
//!
//! The owner alone touches the job and writes the outcome; `end` publishes it. After that the handle owns the
//! outcome, or, once the handle has gone, the one of the two sides that came second: `DETACHED` and `ENDED` are both set
//! by a read-modify-write, so exactly one side finds the other's bit already there.

use crate::outcome::Outcome;
use crate::sync::{AtomicU32, Ordering};

const RUNNING: u32 = 1;
const ENDED: u32 = 1 << 1;
/// The handle asked the job to stop.
const CANCEL: u32 = 1 << 2;
/// The handle's waker slot is filled.
const WAITER: u32 = 1 << 3;
/// The handle has gone.
const DETACHED: u32 = 1 << 4;
const OUTCOME_SHIFT: u32 = 8;

/// The word, behind named transitions.
#[derive(Debug)]
pub(crate) struct State(AtomicU32);

/// What the side that ends a job must still do.
#[must_use]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// Nobody will take the outcome: drop it.
    pub(crate) is_detached: bool,
    /// Somebody waits: wake it.
    pub(crate) has_waiter: bool,
}

impl State {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Takes the right to run the job. True for exactly one caller.
    pub(crate) fn start(&self) -> bool {
        // ORDERING: Acquire pairs with the queue's or handle's hand-over, so the winner sees the job as it was stored;
        // Release orders a canceller's earlier writes before an `end` that follows.
        self.0.fetch_or(RUNNING, Ordering::AcqRel) & RUNNING == 0
    }

    /// Whether somebody has won `start`. A `false` may be out of date at once; a `true` stays true.
    pub(crate) fn is_started(&self) -> bool {
        // ORDERING: Relaxed: whoever acts on `true` goes on to read the outcome through `outcome`.
        self.0.load(Ordering::Relaxed) & RUNNING != 0
    }

    /// Publishes the outcome, which the owner has written. Called once, by the winner of `start`.
    pub(crate) fn end(&self, outcome: Outcome) -> Ended {
        let bits = ENDED | (outcome as u32) << OUTCOME_SHIFT;
        // ORDERING: Release publishes the outcome to the handle's Acquire in `is_ended`, `wait` and `detach`; Acquire
        // makes the handle's last touch visible where it has gone and this side drops the outcome.
        let before = self.0.fetch_or(bits, Ordering::AcqRel);
        Ended {
            is_detached: before & DETACHED != 0,
            has_waiter: before & WAITER != 0,
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `end`: the outcome is visible to whoever sees the bit.
        self.0.load(Ordering::Acquire) & ENDED != 0
    }

    /// The outcome, once the job has ended.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        // ORDERING: as in `is_ended`.
        let word = self.0.load(Ordering::Acquire);
        (word & ENDED != 0).then(|| Outcome::from_index(word >> OUTCOME_SHIFT))
    }

    /// Announces a waker that was just registered. True if the job has ended meanwhile: nobody will wake it.
    pub(crate) fn wait(&self) -> bool {
        // ORDERING: Release makes the registered waker visible to `end`, Acquire makes the outcome visible here.
        self.0.fetch_or(WAITER, Ordering::AcqRel) & ENDED != 0
    }

    /// Asks the job to stop. Does not take it.
    pub(crate) fn request_cancel(&self) {
        // ORDERING: SeqCst on this and on `is_cancel_requested` orders them against the job's own token, which the
        // job makes before it reads this bit and the canceller reads after it set it (see `OwnToken`).
        self.0.fetch_or(CANCEL, Ordering::SeqCst);
    }

    pub(crate) fn is_cancel_requested(&self) -> bool {
        // ORDERING: see `request_cancel`.
        self.0.load(Ordering::SeqCst) & CANCEL != 0
    }

    /// The handle goes. True if the job has ended already: the outcome is the handle's to drop.
    pub(crate) fn detach(&self) -> bool {
        // ORDERING: AcqRel, the counterpart of `end`: the second of the two sees all that the first did.
        self.0.fetch_or(DETACHED, Ordering::AcqRel) & ENDED != 0
    }
}
