//! The life of a job that has a cell, as one word: how far it is, which pool has it, and who holds
//! the cell.
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
//! The word names the pool that accepted the job and has not given it back. **Whoever wins `start`
//! accounts for the job** in the pool that the word named at that very moment: it records the
//! outcome and counts the job as over. An entry whose job was started by another does nothing when
//! it is dequeued. A pool that gives a queued job back, or hands it over to another pool, does so
//! in one step that fails once the job is started; so a job is never in two books, and never in
//! none.
//!
//! A cell is *fresh* until its first pool has accepted it: nobody but the submitter can reach it,
//! so the first pool is written by a plain store.
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

const STARTED: u32 = 1;
const ENDED: u32 = 1 << 1;
/// The handle asked the job to stop.
const CANCEL: u32 = 1 << 2;
/// The handle's waker slot is filled.
const WAITER: u32 = 1 << 3;
/// The handle has gone.
const DETACHED: u32 = 1 << 4;
/// The entry has left the cell.
const ENTRY_GONE: u32 = 1 << 5;
/// No pool has accepted the job yet: the submitter is alone with the cell.
const FRESH: u32 = 1 << 6;
const OUTCOME_SHIFT: u32 = 8;
const OUTCOME: u32 = 0b111 << OUTCOME_SHIFT;
const POOL_SHIFT: u32 = u32::BITS - PoolId::BITS;
const FLAGS: u32 = (1 << POOL_SHIFT) - 1;

const _: () = assert!(POOL_SHIFT >= OUTCOME_SHIFT + 3);

/// The word, behind named transitions.
#[derive(Debug)]
pub(crate) struct State(AtomicU32);

/// The caller has won the right to run the job, and accounts for it.
#[must_use = "whoever starts a job accounts for it"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Started {
    /// The pool that had the job, if one had.
    pub(crate) pool: Option<PoolId>,
}

/// What the side that ends a job must still do.
#[must_use]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// Nobody will take the outcome: drop it.
    pub(crate) is_detached: bool,
    /// The handle waits: wake it.
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
    /// The state of a job that no pool has accepted yet.
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(FRESH))
    }

    /// The same, for a job without a handle.
    pub(crate) fn detached() -> Self {
        Self(AtomicU32::new(FRESH | DETACHED))
    }

    // --- which pool has the job ---------------------------------------------------------------

    /// A pool accepts the job, and is about to queue it. False: it was started or has ended,
    /// elsewhere or before.
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

    /// The pool has no room for the job after all, or gives it back, or it goes to another pool.
    /// False: it was started before that, and is in the books of `from`.
    pub(crate) fn change_pool(&self, from: Option<PoolId>, to: Option<PoolId>) -> bool {
        let number = |pool: Option<PoolId>| pool.map_or(0, PoolId::as_u32) << POOL_SHIFT;
        let (from, to) = (number(from), number(to));
        let change = |word: u32| {
            let may_change = word & STARTED == 0 && word & !FLAGS == from;
            may_change.then_some(word & FLAGS | to)
        };
        // ORDERING: AcqRel, in one order with every `start`: who starts the job reads the pool off
        // the same word.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, change)
            .is_ok()
    }

    /// The pool that has the job, or had it when it started.
    #[inline]
    pub(crate) fn pool(&self) -> Option<PoolId> {
        pool_of(self.0.load(Ordering::Relaxed))
    }

    // --- start and end ------------------------------------------------------------------------

    /// Takes the right to run the job. `Some` for exactly one caller.
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

    /// Takes the right to run the job if `pool` has it: a worker of that pool claims it. True for
    /// one caller at most.
    #[inline]
    pub(crate) fn claim(&self, pool: PoolId) -> bool {
        self.start_where(|word| pool_of(word) == Some(pool))
            .is_some()
    }

    /// Takes the right to end the job if a pool has it: its token or its deadline ends it in the
    /// queue. One that is on its way in or out is looked at when it arrives.
    pub(crate) fn start_in_pool(&self) -> Option<Started> {
        self.start_where(|word| pool_of(word).is_some())
    }

    #[inline]
    fn start_where(&self, may_start: impl Fn(u32) -> bool) -> Option<Started> {
        let start = |word: u32| (word & STARTED == 0 && may_start(word)).then_some(word | STARTED);
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
        // ORDERING: Relaxed: whoever acts on `true` goes on to read the outcome through `outcome`.
        self.0.load(Ordering::Relaxed) & STARTED != 0
    }

    /// Whether the job was started while `pool` had it: then it is that pool's up to its end.
    pub(crate) fn is_started_in(&self, pool: PoolId) -> bool {
        // ORDERING: Relaxed: one word, which does not change its pool any more once it is started.
        let word = self.0.load(Ordering::Relaxed);
        word & STARTED != 0 && pool_of(word) == Some(pool)
    }

    /// Publishes the outcome, which the owner has written. Called once, by the winner of `start`.
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

    #[inline]
    pub(crate) fn is_ended(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `end`: the outcome is visible to whoever sees
        // the bit.
        self.0.load(Ordering::Acquire) & ENDED != 0
    }

    /// The outcome, once the job has ended.
    #[inline]
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        // ORDERING: as in `is_ended`.
        let word = self.0.load(Ordering::Acquire);
        (word & ENDED != 0).then(|| Outcome::from_index((word & OUTCOME) >> OUTCOME_SHIFT))
    }

    /// How a job ended, or is about to end, that was started while it was in no pool: nobody but a
    /// canceller can have done that.
    pub(crate) fn outcome_or_cancelled(&self) -> Outcome {
        self.outcome().unwrap_or(Outcome::Cancelled)
    }

    // --- the handle's waker -------------------------------------------------------------------

    /// Whether the handle's waker slot is marked. For the handle, which alone marks it.
    #[inline]
    pub(crate) fn has_waiter(&self) -> bool {
        self.0.load(Ordering::Relaxed) & WAITER != 0
    }

    /// The handle has filled its waker slot. True if the job has ended, and the waker may not be
    /// called: take the outcome.
    pub(crate) fn mark_waiter(&self) -> bool {
        self.unless_ended(|word| word | WAITER)
    }

    /// The handle is going to write to its waker slot. True if the job has ended, and the slot is
    /// not to be written: take the outcome.
    pub(crate) fn unmark_waiter(&self) -> bool {
        self.unless_ended(|word| word & !WAITER)
    }

    fn unless_ended(&self, change: impl Fn(u32) -> u32) -> bool {
        let change = |word: u32| (word & ENDED == 0).then(|| change(word));
        // ORDERING: Release makes the waker visible to `end`, Acquire makes the outcome visible
        // here.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, change)
            .is_err()
    }

    // --- cancellation -------------------------------------------------------------------------

    /// Asks the job to stop. Does not take it.
    pub(crate) fn request_cancel(&self) {
        // ORDERING: SeqCst on this and on `is_cancel_requested` orders them against the job's own
        // token, which the job makes before it reads this bit and the canceller reads after it set
        // it (see `OwnToken`).
        self.0.fetch_or(CANCEL, Ordering::SeqCst);
    }

    pub(crate) fn is_cancel_requested(&self) -> bool {
        // ORDERING: see `request_cancel`.
        self.0.load(Ordering::SeqCst) & CANCEL != 0
    }

    // --- who holds the cell -------------------------------------------------------------------

    /// The entry ends its own job, and leaves in the same step unless the other end is owed
    /// something.
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

    /// The handle's side ends a job that it has claimed, takes the outcome along, and leaves in the
    /// same step. True: the entry had left, free the cell.
    #[inline]
    pub(crate) fn end_claimed_and_leave(&self, outcome: Outcome) -> bool {
        self.end_with(outcome, |_| DETACHED) & ENTRY_GONE != 0
    }

    /// Ends the job, and sets in the same step what `leaves` says of the word before. That word.
    #[inline]
    fn end_with(&self, outcome: Outcome, leaves: impl Fn(u32) -> u32) -> u32 {
        let ended = |word| Some(word | ended(outcome) | leaves(word));
        // ORDERING: as in `end`; Release also orders all touches of the cell before the other end's
        // freeing it.
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
        // ORDERING: Acquire pairs with the Release of the other end's last touch: the cell is freed
        // after it.
        if self.0.load(Ordering::Acquire) & other != 0 {
            return true;
        }
        // ORDERING: AcqRel: Release for this end's touches, Acquire as above.
        self.0.fetch_or(own, Ordering::AcqRel) & other != 0
    }

    /// Whether the handle has gone. A `true` stays true.
    pub(crate) fn is_detached(&self) -> bool {
        // ORDERING: Acquire pairs with the handle's last touch: a cancel before it is seen.
        self.0.load(Ordering::Acquire) & DETACHED != 0
    }

    /// The handle goes. True if the job has ended already: the outcome is the handle's to drop.
    pub(crate) fn detach(&self) -> bool {
        // ORDERING: AcqRel, the counterpart of `end`: the second of the two sees all that the first
        // did.
        self.0.fetch_or(DETACHED, Ordering::AcqRel) & ENDED != 0
    }
}

fn pool_of(word: u32) -> Option<PoolId> {
    PoolId::from_u32(word >> POOL_SHIFT)
}

/// The bits of a job that has ended so.
fn ended(outcome: Outcome) -> u32 {
    ENDED | (outcome as u32) << OUTCOME_SHIFT
}
