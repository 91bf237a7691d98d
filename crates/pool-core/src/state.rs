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
//!
//! # Who frees a closure's cell
//! It has two ends, the entry in a queue and the handle, and no count of references. Each end leaves once, as its last touch, by setting
//! its bit: `ENTRY_GONE`, `DETACHED`. Who finds the other's bit there frees the cell. An entry that ends its job with nobody waiting
//! leaves in the same step; so a handle that finds it gone frees the cell with a plain load.
//!
//! # A claimed job's popper
//! finds the job taken. If it has not ended, the popper leaves its pool in the cell and sets `POPPED`; the one who ends the job finds that
//! bit, and records the outcome there. If it has ended, the popper records it.

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
/// The entry has left the cell.
const ENTRY_GONE: u32 = 1 << 5;
/// The popper of a claimed job has left its pool.
const POPPED: u32 = 1 << 6;
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
    /// The popper came first and has left its pool.
    pub(crate) is_popped: bool,
}

/// Whether an entry that has ended its job has left the cell.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The cell is the handle's, and may be freed already.
    Gone,
    /// Something is left to do before [`State::entry_leaves`].
    NotYet(Owes),
}

/// What is left to a joiner that has ended the job it had claimed.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimedEnd {
    /// Nothing: the cell is the entry's, and may be freed already.
    Left,
    /// The entry had gone: free the cell.
    Alone,
    /// A popper has left its pool: record the outcome there, then leave.
    Popped,
}

/// What an entry owes before it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owes {
    /// The handle waits.
    Wake,
    /// The handle has gone: the outcome is the entry's to drop.
    Drop,
}

impl State {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Takes the right to run the job. True for exactly one caller.
    #[inline]
    pub(crate) fn start(&self) -> bool {
        // ORDERING: Acquire pairs with the queue's or handle's hand-over, so the winner sees the job as it was stored;
        // Release orders a canceller's earlier writes before an `end` that follows.
        self.0.fetch_or(RUNNING, Ordering::AcqRel) & RUNNING == 0
    }

    /// Whether somebody has won `start`. A `false` may be out of date at once; a `true` stays true.
    #[inline]
    pub(crate) fn is_started(&self) -> bool {
        // ORDERING: Relaxed: whoever acts on `true` goes on to read the outcome through `outcome`.
        self.0.load(Ordering::Relaxed) & RUNNING != 0
    }

    /// Publishes the outcome, which the owner has written. Called once, by the winner of `start`.
    pub(crate) fn end(&self, outcome: Outcome) -> Ended {
        // ORDERING: Release publishes the outcome to the handle's Acquire in `is_ended`, `mark_waiter` and `detach`; Acquire
        // makes the handle's last touch visible where it has gone and this side drops the outcome.
        let before = self.0.fetch_or(ended(outcome), Ordering::AcqRel);
        Ended {
            is_detached: before & DETACHED != 0,
            has_waiter: before & WAITER != 0,
            is_popped: before & POPPED != 0,
        }
    }

    #[inline]
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

    /// Whether the handle's waker slot is marked. For the handle, which alone marks it.
    pub(crate) fn has_waiter(&self) -> bool {
        self.0.load(Ordering::Relaxed) & WAITER != 0
    }

    /// The handle has filled its waker slot. True if the job has ended, and the waker may not be called: take the outcome.
    pub(crate) fn mark_waiter(&self) -> bool {
        self.unless_ended(|word| word | WAITER)
    }

    /// The handle is going to write to its waker slot. True if the job has ended, and the slot is not to be written: take the outcome.
    pub(crate) fn unmark_waiter(&self) -> bool {
        self.unless_ended(|word| word & !WAITER)
    }

    fn unless_ended(&self, change: impl Fn(u32) -> u32) -> bool {
        let change = |word: u32| (word & ENDED == 0).then(|| change(word));
        // ORDERING: Release makes the waker visible to `end`, Acquire makes the outcome visible here.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, change)
            .is_err()
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

    /// The entry ends its own job, and leaves in the same step unless the other end is owed something.
    #[inline]
    pub(crate) fn end_and_leave(&self, outcome: Outcome) -> Left {
        let before = self.end_with(outcome, |word| {
            let owes = word & (WAITER | DETACHED) != 0;
            if owes { 0 } else { ENTRY_GONE }
        });
        match (before & DETACHED != 0, before & WAITER != 0) {
            (true, _) => Left::NotYet(Owes::Drop),
            (false, true) => Left::NotYet(Owes::Wake),
            (false, false) => Left::Gone,
        }
    }

    /// The handle's side ends a job that it has claimed, takes the outcome along, and leaves in the same step unless a popper has left its
    /// pool in the cell.
    #[inline]
    pub(crate) fn end_claimed_and_leave(&self, outcome: Outcome) -> ClaimedEnd {
        let before = self.end_with(
            outcome,
            |word| {
                if word & POPPED == 0 { DETACHED } else { 0 }
            },
        );
        match (before & POPPED != 0, before & ENTRY_GONE != 0) {
            (true, _) => ClaimedEnd::Popped,
            (false, true) => ClaimedEnd::Alone,
            (false, false) => ClaimedEnd::Left,
        }
    }

    /// Ends the job, and sets in the same step what `leaves` says of the word before. That word.
    #[inline]
    fn end_with(&self, outcome: Outcome, leaves: impl Fn(u32) -> u32) -> u32 {
        let ended = |word| Some(word | ended(outcome) | leaves(word));
        // ORDERING: as in `end`; Release also orders all touches of the cell before the other end's freeing it.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, ended)
            .unwrap_or_else(|word| word)
    }

    /// The entry's last touch. True: the handle has gone too, free the cell.
    #[inline]
    pub(crate) fn entry_leaves(&self) -> bool {
        self.leave(ENTRY_GONE, DETACHED)
    }

    /// The handle's last touch. True: the entry has gone too, free the cell.
    #[inline]
    pub(crate) fn handle_leaves(&self) -> bool {
        self.leave(DETACHED, ENTRY_GONE)
    }

    #[inline]
    fn leave(&self, own: u32, other: u32) -> bool {
        // ORDERING: Acquire pairs with the Release of the other end's last touch: the cell is freed after it.
        if self.0.load(Ordering::Acquire) & other != 0 {
            return true;
        }
        // ORDERING: AcqRel: Release for this end's touches, Acquire as above.
        self.0.fetch_or(own, Ordering::AcqRel) & other != 0
    }

    /// The popper of a claimed job has left its pool in the cell. The outcome, if the job has ended meanwhile: then the ender did not see
    /// it, and it is the popper's to take back.
    pub(crate) fn popped(&self) -> Option<Outcome> {
        // ORDERING: Release hands the pool to the ender, Acquire makes the job's end visible.
        let before = self.0.fetch_or(POPPED, Ordering::AcqRel);
        (before & ENDED != 0).then(|| Outcome::from_index(before >> OUTCOME_SHIFT))
    }

    /// The handle goes. True if the job has ended already: the outcome is the handle's to drop.
    pub(crate) fn detach(&self) -> bool {
        // ORDERING: AcqRel, the counterpart of `end`: the second of the two sees all that the first did.
        self.0.fetch_or(DETACHED, Ordering::AcqRel) & ENDED != 0
    }
}

/// The bits of a job that has ended so.
fn ended(outcome: Outcome) -> u32 {
    ENDED | (outcome as u32) << OUTCOME_SHIFT
}
