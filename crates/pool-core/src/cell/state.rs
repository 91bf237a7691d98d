//! The life of a job that has a cell, as one word: how far it is, which pool has it, and which ends
//! hold the cell.
//!
//! ```text
//! queued ──start──▶ started ──end──▶ ended(outcome)
//!            ▲
//!            └ the worker that dequeued the entry, a joiner that claims the job, a canceller, a
//!              deadline, a shutdown: whichever sets `STARTED` first owns the job
//! ```
//!
//! The owner alone touches the job and decides its outcome; `end` publishes it. Afterwards the
//! handle owns the value or the error in the cell, or, once the handle has gone, whichever of the
//! two came second: `DETACHED` and `ENDED` are both set by a read-modify-write, so exactly one side
//! finds the other's bit already there. An outcome **without a value** (cancelled, expired,
//! abandoned) is read off the word; then what is in the cell stays the owner's, which drops it
//! after the end is published.
//!
//! # Which pool accounts for a job
//! The word names the pool that accepted the job and has not given it back. **The winner of `start`
//! accounts for the job** in the pool that the word named at that very moment: it records the
//! outcome and counts the job as over. An entry whose job was started by another does nothing when
//! it is dequeued. A pool that gives a queued job back, or hands it over to another pool, does so
//! in one step that fails once the job is started; so a job is never in two books, and never in
//! none.
//!
//! A cell is *fresh* until its first pool has accepted it, if nobody but the submitter can reach it
//! before: then the first pool is written by a plain store. One whose handle another thread has by
//! then is never fresh.
//!
//! # Who frees a closure's cell
//! It has two ends, the entry in a queue and the handle. Each end leaves once, as its last touch,
//! by setting its bit: `ENTRY_GONE`, `DETACHED`. The second to leave finds the other's bit. An
//! entry that ends its job while nobody waits leaves in the same step; so a handle that finds it
//! gone frees the cell with a plain load. A cell that others may reach as well (a token, the pool's
//! clock, an abort handle) counts those apart, in its extras.

use crate::job::outcome::Outcome;
use crate::pool::registry::PoolId;
use crate::sys::sync::{AtomicU32, Ordering};

/// A side has won `start`, and owns the job. Set once, and never cleared.
const STARTED: u32 = 1;
/// The outcome is published: the outcome bits are valid. Set by the winner of `start`, after
/// `STARTED`.
const ENDED: u32 = 1 << 1;
/// The handle, or an abort handle, asked the job to stop. A running job reads it through its
/// context.
const CANCEL: u32 = 1 << 2;
/// The handle's waker slot is filled and belongs to the side that ends the job. Set and cleared by
/// the handle alone, never once the job has ended.
const WAITER: u32 = 1 << 3;
/// The handle has gone, or never was. For a closure this is also the handle's leave of the cell.
const DETACHED: u32 = 1 << 4;
/// The entry has left the cell. Used for closures only: the cell of a future is counted by its
/// `Arc`.
const ENTRY_GONE: u32 = 1 << 5;
/// No pool has accepted the job yet: the submitter is alone with the cell. Cleared by the first
/// `accept`.
const FRESH: u32 = 1 << 6;
/// The side that has won `start` is a job that joins this one: it runs the job. Set together with
/// `STARTED`.
const CLAIMED: u32 = 1 << 7;
/// Where the outcome begins in the word.
const OUTCOME_SHIFT: u32 = 8;
/// The bits of the outcome. They are zero until the job has ended.
const OUTCOME: u32 = 0b111 << OUTCOME_SHIFT;
/// Where the pool's number begins in the word: it takes all bits above.
const POOL_SHIFT: u32 = u32::BITS - PoolId::BITS;
/// All bits of the word below the pool's number.
const FLAGS: u32 = (1 << POOL_SHIFT) - 1;

const _: () = assert!(POOL_SHIFT >= OUTCOME_SHIFT + 3);

/// The word, behind named transitions. One per cell; any side of the cell may call a transition at
/// any time, unless the transition says otherwise.
#[derive(Debug)]
pub(crate) struct State(AtomicU32);

/// The caller has won the right to run the job, and accounts for it: it records the outcome in the
/// pool, ends the job, and counts it as over.
#[must_use = "whoever starts a job accounts for it"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Started {
    /// The pool that had the job at that moment. `None` if the job was in no pool: then it is in no
    /// books.
    pub(crate) pool: Option<PoolId>,
}

/// What the side that ends a job must still do, as the word said at the moment of the end.
#[must_use]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// The handle has gone, so nobody will take the outcome: a value is this side's to drop.
    pub(crate) is_detached: bool,
    /// The handle waits: its waker is this side's to take and to call.
    pub(crate) has_waiter: bool,
}

/// Whether an entry that has ended its job has left the cell.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryEnd {
    /// The cell is the handle's, and may be freed already.
    Gone,
    /// Something is left to do before [`State::entry_leaves`].
    Owes(Owes),
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
    /// Returns the state of a job with a handle that no pool has accepted yet, and that nobody uses
    /// before.
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(FRESH))
    }

    /// Returns the state of a job that no pool has accepted yet, and whose handle another thread
    /// may use already.
    pub(crate) fn shared() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Returns the state of a job without a handle that no pool has accepted yet.
    pub(crate) fn detached() -> Self {
        Self(AtomicU32::new(FRESH | DETACHED))
    }

    // --- which pool has the job ---------------------------------------------------------------

    /// Names `pool` as the one that accounts for the job. The pool is about to queue it.
    ///
    /// Returns false if the job was started while it was in no pool: then a canceller ends it, and
    /// the entry has nothing to run. Called by the submitting thread alone.
    #[inline]
    pub(crate) fn accept(&self, pool: PoolId) -> bool {
        // ORDERING: Relaxed: a fresh cell is the submitter's alone, and the queue publishes it.
        let word = self.0.load(Ordering::Relaxed);
        if word & FRESH != 0 {
            self.0.store(
                word & !FRESH | pool.as_u32() << POOL_SHIFT,
                Ordering::Relaxed,
            );
            return true;
        }
        self.change_pool(None, Some(pool))
    }

    /// Moves a job that has not started from the books of `from` to those of `to`, in one step.
    ///
    /// `to` is `None` where the pool has no room after all or gives the job back; `from` is `None`
    /// where a pool accepts a job that was given back. Returns false if the job was started before
    /// that: then it stays in the books of `from`, and the winner of `start` accounts for it there.
    pub(crate) fn change_pool(&self, from: Option<PoolId>, to: Option<PoolId>) -> bool {
        let number = |pool: Option<PoolId>| pool.map_or(0, PoolId::as_u32) << POOL_SHIFT;
        let (from, to) = (number(from), number(to));
        let change = |word: u32| {
            let may_change = word & STARTED == 0 && word & !FLAGS == from;
            may_change.then_some(word & FLAGS | to)
        };
        // ORDERING: AcqRel, in one order with every `start`: the side that starts the job reads the
        // pool off the same word.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, change)
            .is_ok()
    }

    /// Returns the pool that has the job, or had it when it started. For a job that has not started
    /// the answer may be out of date at once.
    #[inline]
    pub(crate) fn pool(&self) -> Option<PoolId> {
        pool_of(self.0.load(Ordering::Relaxed))
    }

    // --- start and end ------------------------------------------------------------------------

    /// Takes the right to run the job, or to end it, whatever pool has it. Returns `Some` to
    /// exactly one caller.
    #[inline]
    pub(crate) fn start(&self) -> Option<Started> {
        // ORDERING: Acquire pairs with the queue's or handle's hand-over, so the winner sees the
        // job as it was stored; Release orders a canceller's earlier writes before an `end` that
        // follows.
        let before = self.0.fetch_or(STARTED, Ordering::AcqRel);
        (before & STARTED == 0).then(|| Started {
            pool: pool_of(before),
        })
    }

    /// Takes the right to run the job if `pool` has it: a worker of that pool runs it in place.
    /// Returns true to one caller at most.
    #[inline]
    pub(crate) fn claim(&self, pool: PoolId) -> bool {
        self.start_where(CLAIMED, |word| pool_of(word) == Some(pool))
            .is_some()
    }

    /// Takes the right to end the job if some pool has it: its token or its deadline ends it in the
    /// queue. A job that is on its way in or out of a pool is left alone: the pool looks at its
    /// terms when it arrives.
    pub(crate) fn start_in_pool(&self) -> Option<Started> {
        self.start_where(0, |word| pool_of(word).is_some())
    }

    /// Takes the right to run the job if nobody has and the word satisfies `may_start`, and sets
    /// `bits`, in one step.
    #[inline]
    fn start_where(&self, bits: u32, may_start: impl Fn(u32) -> bool) -> Option<Started> {
        let start =
            |word: u32| (word & STARTED == 0 && may_start(word)).then_some(word | STARTED | bits);
        // ORDERING: as in `start`.
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, start);
        before.ok().map(|word| Started {
            pool: pool_of(word),
        })
    }

    /// Whether somebody has won `start`. A `false` may be out of date at once; a `true` stays true.
    #[inline]
    pub(crate) fn is_started(&self) -> bool {
        // ORDERING: Relaxed: a caller that acts on `true` goes on to read the outcome through
        // `outcome`.
        self.0.load(Ordering::Relaxed) & STARTED != 0
    }

    /// Whether somebody has won `start` other than a job that joins this one. Asked by the holder
    /// of the task: a thread ends the job in the queue, or has.
    #[inline]
    pub(crate) fn may_have_ended_elsewhere(&self) -> bool {
        // ORDERING: Relaxed, see the fences of the callers.
        self.0.load(Ordering::Relaxed) & (STARTED | CLAIMED) == STARTED
    }

    /// Whether the job was started while `pool` had it: then it is that pool's up to its end.
    pub(crate) fn is_started_in(&self, pool: PoolId) -> bool {
        // ORDERING: Relaxed: one word, which does not change its pool any more once it is started.
        let word = self.0.load(Ordering::Relaxed);
        word & STARTED != 0 && pool_of(word) == Some(pool)
    }

    /// Publishes the outcome, which the owner has stored in the cell. Called once, by the winner of
    /// `start`. The answer says what the caller must still do.
    pub(crate) fn end(&self, outcome: Outcome) -> Ended {
        // ORDERING: Release publishes the outcome to the handle's Acquire in `is_ended`,
        // `mark_waiter` and `detach`; Acquire makes the handle's last touch visible where it has
        // gone and this side drops the outcome.
        let before = self.0.fetch_or(ended(outcome), Ordering::AcqRel);
        Ended {
            is_detached: before & DETACHED != 0,
            has_waiter: before & WAITER != 0,
        }
    }

    /// Returns whether the outcome is published. A caller that sees true may read the outcome in
    /// the cell if it is otherwise entitled to.
    #[inline]
    pub(crate) fn is_ended(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `end`: the outcome is visible to a thread
        // that sees the bit.
        self.0.load(Ordering::Acquire) & ENDED != 0
    }

    /// Returns the outcome, once the job has ended. The value or error that belongs to it is
    /// visible to the caller.
    #[inline]
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        // ORDERING: as in `is_ended`.
        let word = self.0.load(Ordering::Acquire);
        (word & ENDED != 0).then(|| Outcome::from_index((word & OUTCOME) >> OUTCOME_SHIFT))
    }

    /// Returns how a job ended, or is about to end, that was started while it was in no pool. Only
    /// a canceller can have started it, so `Cancelled` is the answer before the end is published.
    pub(crate) fn outcome_or_cancelled(&self) -> Outcome {
        self.outcome().unwrap_or(Outcome::Cancelled)
    }

    // --- the handle's waker -------------------------------------------------------------------

    /// Returns whether the handle's waker slot is marked. Exact for the handle only, which alone
    /// marks it.
    #[inline]
    pub(crate) fn has_waiter(&self) -> bool {
        self.0.load(Ordering::Relaxed) & WAITER != 0
    }

    /// Marks the waker slot, which the handle has filled: from now on it belongs to the side that
    /// ends the job. Returns true if the job has ended already. Then the slot is not marked, nobody
    /// calls the waker, and the handle takes the outcome.
    pub(crate) fn mark_waiter(&self) -> bool {
        self.unless_ended(|word| word | WAITER)
    }

    /// Takes the mark back, so that the handle may write to its waker slot. Returns true if the job
    /// has ended already. Then the slot belongs to the side that ended the job, and the handle
    /// takes the outcome.
    pub(crate) fn unmark_waiter(&self) -> bool {
        self.unless_ended(|word| word & !WAITER)
    }

    /// Changes the word if the job has not ended. Returns true if it has, in which case nothing is
    /// changed.
    fn unless_ended(&self, change: impl Fn(u32) -> u32) -> bool {
        let change = |word: u32| (word & ENDED == 0).then(|| change(word));
        // ORDERING: Release makes the waker visible to `end`, Acquire makes the outcome visible
        // here.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, change)
            .is_err()
    }

    // --- cancellation -------------------------------------------------------------------------

    /// Asks the job to stop. Sets the bit only: it neither starts nor ends the job, and wakes
    /// nobody.
    pub(crate) fn request_cancel(&self) {
        // ORDERING: SeqCst on this and on `is_cancel_requested` orders them against the job's own
        // token, which the job makes before it reads this bit and the canceller reads after it set
        // it (see `OwnToken`).
        self.0.fetch_or(CANCEL, Ordering::SeqCst);
    }

    /// Returns whether the handle or an abort handle asked the job to stop. A token that was
    /// cancelled is not seen here.
    pub(crate) fn is_cancel_requested(&self) -> bool {
        // ORDERING: see `request_cancel`.
        self.0.load(Ordering::SeqCst) & CANCEL != 0
    }

    // --- who holds the cell -------------------------------------------------------------------

    /// Ends the job of an entry, and makes the entry leave in the same step unless it owes the
    /// other end something.
    ///
    /// `Gone` means that the cell may be freed already. After `Owes` the entry does what it owes,
    /// and then calls [`entry_leaves`](Self::entry_leaves).
    #[inline]
    pub(crate) fn end_and_leave(&self, outcome: Outcome) -> EntryEnd {
        let before = self.end_with(outcome, |word| {
            let owes = word & (WAITER | DETACHED) != 0;
            if owes { 0 } else { ENTRY_GONE }
        });
        match (before & DETACHED != 0, before & WAITER != 0) {
            (true, _) => EntryEnd::Owes(Owes::Drop),
            (false, true) => EntryEnd::Owes(Owes::Wake),
            (false, false) => EntryEnd::Gone,
        }
    }

    /// Ends a job that the handle's side has claimed and run, and makes the handle leave in the
    /// same step, with the outcome in its hands. Returns true if the entry had left: then the
    /// caller frees the cell.
    #[inline]
    pub(crate) fn end_claimed_and_leave(&self, outcome: Outcome) -> bool {
        self.end_with(outcome, |_| DETACHED) & ENTRY_GONE != 0
    }

    /// Ends the job, and sets in the same step what `leaves` makes of the word before. Returns the
    /// word before.
    #[inline]
    fn end_with(&self, outcome: Outcome, leaves: impl Fn(u32) -> u32) -> u32 {
        let ended = |word| Some(word | ended(outcome) | leaves(word));
        // ORDERING: as in `end`; Release also orders all touches of the cell before the other end's
        // freeing it.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, ended)
            .unwrap_or_else(|word| word)
    }

    /// Makes the entry leave. This is its last touch of the cell. Returns true if the handle has
    /// gone too: then the caller frees the cell.
    #[inline]
    pub(crate) fn entry_leaves(&self) -> bool {
        self.leave(ENTRY_GONE, DETACHED)
    }

    /// Makes the handle leave a closure's cell. This is its last touch. Returns true if the entry
    /// has gone too: then the caller frees the cell.
    #[inline]
    pub(crate) fn handle_leaves(&self) -> bool {
        self.leave(DETACHED, ENTRY_GONE)
    }

    /// Sets the `own` bit and returns whether the `other` bit was there. If it is seen beforehand,
    /// `own` is not set: nobody is left to read it.
    #[inline]
    fn leave(&self, own: u32, other: u32) -> bool {
        // ORDERING: Acquire pairs with the Release of the other end's last touch: the cell is freed
        // after it.
        if self.0.load(Ordering::Acquire) & other != 0 {
            return true;
        }
        // ORDERING: AcqRel: Release for this end's touches, Acquire as above.
        self.0.fetch_or(own, Ordering::AcqRel) & other != 0
    }

    /// Returns whether the handle has gone. True stays true; false may be out of date at once.
    #[inline]
    pub(crate) fn is_detached(&self) -> bool {
        // ORDERING: Acquire pairs with the handle's last touch: a cancel before it is seen.
        self.0.load(Ordering::Acquire) & DETACHED != 0
    }

    /// Makes the handle of a future go. Returns true if the job has ended already: then a value in
    /// the cell is the handle's to drop. Otherwise [`end`](Self::end) finds the bit, and the side
    /// that ends the job drops the value.
    pub(crate) fn detach(&self) -> bool {
        // ORDERING: AcqRel, the counterpart of `end`: the second of the two sees all that the first
        // did.
        self.0.fetch_or(DETACHED, Ordering::AcqRel) & ENDED != 0
    }
}

/// Reads the pool's number off a word. `None` stands for no pool.
fn pool_of(word: u32) -> Option<PoolId> {
    PoolId::from_u32(word >> POOL_SHIFT)
}

/// Returns the bits of a job that has ended with `outcome`.
fn ended(outcome: Outcome) -> u32 {
    ENDED | (outcome as u32) << OUTCOME_SHIFT
}
