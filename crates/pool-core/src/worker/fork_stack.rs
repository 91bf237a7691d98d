//! `ForkStack`: the second halves that one worker's jobs have forked and not yet come to. The owner
//! forks and joins at the top; other workers steal from the bottom.
//!
//! # Protocol
//! A half has a **place**: the number of halves beneath it. The owner pushes and pops at `top`;
//! `head` says the place of the oldest half that nobody has stolen, and whether that one is
//! **tried**: a thief is at it. Halves are joined in the opposite order of their forks, so the
//! stack never has a gap.
//! - **The owner forks**: it writes the half to its slot, then raises `top`.
//! - **The owner joins** the half at a place: it lowers `top` to that place; a light fence; then it
//!   reads `head`. If the half is neither stolen nor tried, it is the owner's. Otherwise the owner
//!   decides under the thieves' lock, where no half is tried: what is below `head` there is stolen.
//! - **A thief**, under the thieves' lock: it says in `head` that the oldest half is tried; a heavy
//!   fence; then it reads `top`. If that is still above the half, the half is the thief's, and
//!   `head` goes to the next place. Otherwise the owner has joined it, and the thief takes back
//!   that it is tried.
//!
//! Either the thief reads the lowered `top` or the owner reads that the half is tried
//! (`asymmetric_fence`). So a half that nobody steals costs its owner no locked instruction, and
//! the barrier is paid by the thief, which takes the oldest half, and so the largest, of work that
//! is split as it goes.
//!
//! # Who must not miss a half
//! A half that is tried is not there for other thieves. But a thief that is late for the half that
//! it saw may hide another one, which the owner has forked at the same place since. The owner has
//! looked for sleepers then, and the thief may have other things to do. So a worker that is about
//! to sleep counts a half that is tried ([`ForkStack::may_have_any`]), and looks again.
//!
//! # Who owns what a half points to
//! Until it is popped or stolen, a half lies in the frame of the owner that joins it. A thief
//! touches it after `top` was still above it, and before it releases the lock; the owner touches it
//! after it has found it unstolen, or has had the lock. So they never do at once.
//!
//! # Origins
//! Which job forked a half decides who may steal it. A job says so with its first half, and again
//! if another job has forked on this stack meanwhile. The origins are a second stack, by the place
//! from which on they hold, under the thieves' lock: a thief reads them before it has the half.
//!
//! The protocol is that of Cilk-5 ("The Implementation of the Cilk-5 Multithreaded Language",
//! Frigo, Leiserson and Randall, 1998), with the fence on the thief's side, as in Kumar et al.,
//! "Work-Stealing Without the Baggage" (2012).

use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use crossbeam_utils::CachePadded;

use crate::job::id::JobId;
use crate::sys::asymmetric_fence::{heavy, light};
use crate::sys::sync::{
    AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Guard, LockExt, Mutex, Ordering,
};

/// How many halves may be on one stack. What is forked above that stays with its owner; thieves
/// take the oldest, and seldom come that far.
const DEEPEST: usize = if cfg!(pool_loom) { 2 } else { 1024 };

/// Of the `head`: the half at its place is tried.
const TRIED: usize = 1;

/// The `head` while the oldest half that nobody has stolen is at that place, and is not tried.
#[inline(always)]
const fn head_at(place: usize) -> usize {
    place * (TRIED + 1)
}

/// The place of that half.
#[inline(always)]
const fn place_of(head: usize) -> usize {
    head / (TRIED + 1)
}

/// The halves of one worker. `H` is a half as thieves see it, `O` what they ask of its origin.
pub(crate) struct ForkStack<H, O> {
    owner: CachePadded<OwnersPart<H>>,
    /// Twice the place of the oldest half that is not stolen; one more while that half is
    /// [`TRIED`]. Held by the lock, and read without it by the owner, and by those that look
    /// whether there is a half.
    head: CachePadded<AtomicUsize>,
    /// The thieves' lock. Each origin with the place from which on it holds, the lowest first;
    /// those at or above `top` are of the past. No user code runs under the lock.
    origins: Mutex<Vec<(usize, O)>>,
}

/// What the owner writes.
struct OwnersPart<H> {
    /// The place of the next half.
    top: AtomicUsize,
    /// The job that forked last.
    origin: AtomicU64,
    /// Whether a joiner may wait for a half from here; see `worker/leapfrog.rs`. Written by
    /// others as well.
    is_wanted: AtomicBool,
    /// Made by the first fork.
    slots: OnceLock<Box<[AtomicPtr<H>]>>,
}

// SAFETY: the stack hands out pointers to halves and touches none. `Half`s are sent from worker to
// worker only by `steal`, whose caller has the half then; see the module.
unsafe impl<H, O: Send> Send for ForkStack<H, O> {}
// SAFETY: as above; origins are behind a lock.
unsafe impl<H, O: Send> Sync for ForkStack<H, O> {}

impl<H, O> Default for ForkStack<H, O> {
    fn default() -> Self {
        Self {
            owner: CachePadded::new(OwnersPart {
                top: AtomicUsize::new(0),
                origin: AtomicU64::new(0),
                is_wanted: AtomicBool::new(false),
                slots: OnceLock::new(),
            }),
            head: CachePadded::new(AtomicUsize::new(0)),
            origins: Mutex::new(Vec::new()),
        }
    }
}

impl<H, O> ForkStack<H, O> {
    /// Whether the next half's origin is known: this job has forked last.
    #[inline(always)]
    pub(crate) fn is_origin(&self, job: JobId) -> bool {
        self.owner.origin.load(Ordering::Relaxed) == job.as_u64()
    }

    /// Makes `origin` that of the halves that follow, which `job` forks. Called by the owner.
    #[cold]
    pub(crate) fn begin_origin(&self, job: JobId, origin: O) {
        let _slots = self.owner.slots.get_or_init(|| {
            let slots = (0..DEEPEST).map(|_| AtomicPtr::new(ptr::null_mut()));
            slots.collect()
        });
        let top = self.owner.top.load(Ordering::Relaxed);
        let past: Vec<_> = {
            let mut origins = self.origins.lock_unpoisoned();
            let still = origins.partition_point(|&(base, _)| base < top);
            let past = origins.drain(still..).collect();
            origins.push((top, origin));
            past
        };
        // With the lock released.
        drop(past);
        self.owner.origin.store(job.as_u64(), Ordering::Relaxed);
    }

    /// The place at which the owner forks next.
    #[inline(always)]
    pub(crate) fn next_place(&self) -> usize {
        self.owner.top.load(Ordering::Relaxed)
    }

    /// Forks a half at the next place. Called by the owner, which leaves the half where it is until
    /// it has joined it.
    ///
    /// # Safety
    /// An origin has begun on this stack.
    #[inline(always)]
    pub(crate) unsafe fn fork_at(&self, place: usize, half: NonNull<H>) {
        if place < DEEPEST {
            // SAFETY: the first origin made the slots, as many as `DEEPEST`.
            let slot = unsafe {
                self.owner
                    .slots
                    .get()
                    .unwrap_unchecked()
                    .get_unchecked(place)
            };
            slot.store(half.as_ptr(), Ordering::Relaxed);
            // ORDERING: Release publishes the half and its slot to the thief that acquires `top`.
            self.owner.top.store(place + 1, Ordering::Release);
        }
    }

    /// Joins the newest half, which was forked at `place`. Returns whether it is the owner's;
    /// otherwise it was stolen. Called by the owner, once for each fork.
    #[inline(always)]
    pub(crate) fn join(&self, place: usize) -> bool {
        if place >= DEEPEST {
            return true;
        }
        self.owner.top.store(place, Ordering::Relaxed);
        // ORDERING: partner is the heavy fence in `steal`: either that thief sees the lowered top,
        // or this read sees that the half is tried. A thief that takes that back has not touched
        // the half, so there is nothing to acquire.
        light();
        self.head.load(Ordering::Relaxed) <= head_at(place) || self.join_under_lock(place)
    }

    /// Decides whose the half is while no thief is at it.
    #[cold]
    #[inline(never)]
    fn join_under_lock(&self, place: usize) -> bool {
        let _origins = self.origins.lock_unpoisoned();
        if self.head.load(Ordering::Relaxed) <= head_at(place) {
            return true;
        }
        // This half and all beneath it are stolen: the next one goes here.
        self.head.store(head_at(place), Ordering::Relaxed);
        false
    }

    /// Whether there is nothing to steal, as far as a thief is concerned that may look again: one
    /// half that another tries is none. Out of date at once.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        place_of(head + TRIED) >= self.owner.top.load(Ordering::Acquire)
    }

    /// Whether there may be a half to steal, now or once a thief that tries one has come too late.
    /// For the last look before a sleep.
    #[inline]
    pub(crate) fn may_have_any(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        place_of(head) < self.owner.top.load(Ordering::Acquire)
    }

    /// Steals the oldest half, if `may_steal` one of its origin: calls `take` with it, which moves
    /// out what is in it, and returns what that does. `None` if there is none, or another thread is
    /// at the stack. Called by any other worker.
    ///
    /// Neither closure may call user code.
    pub(crate) fn steal<R>(
        &self,
        may_steal: impl FnOnce(&O) -> bool,
        take: impl FnOnce(NonNull<H>, &O) -> R,
    ) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let origins = self.try_lock()?;
        let head = self.head.load(Ordering::Relaxed);
        let place = place_of(head);
        // ORDERING: Acquire, here and below, pairs with the Release in `fork_at`.
        if place >= self.owner.top.load(Ordering::Acquire) {
            return None;
        }
        let origin = origin_at(&origins, place)?;
        if !may_steal(origin) {
            return None;
        }
        self.head.store(head + TRIED, Ordering::Relaxed);
        // ORDERING: partner is the light fence in `join`.
        heavy();
        let is_late = place >= self.owner.top.load(Ordering::Acquire);
        if is_late {
            self.head.store(head, Ordering::Relaxed);
            return None;
        }
        self.head.store(head_at(place + 1), Ordering::Relaxed);
        let slots = self.owner.slots.get()?;
        let half = NonNull::new(slots[place].load(Ordering::Relaxed))?;
        Some(take(half, origin))
    }

    /// The thieves' lock, unless somebody has it. In a model, where no such try succeeds, it waits.
    fn try_lock(&self) -> Option<Guard<'_, Vec<(usize, O)>>> {
        if cfg!(pool_loom) {
            Some(self.origins.lock_unpoisoned())
        } else {
            self.origins.try_lock_unpoisoned()
        }
    }

    /// Calls `ask` with the origin of the halves that this stack's owner forks now, as far as it is
    /// known.
    pub(crate) fn ask_newest_origin<R>(&self, ask: impl FnOnce(&O) -> R) -> Option<R> {
        let origins = self.origins.lock_unpoisoned();
        origins.last().map(|(_, origin)| ask(origin))
    }

    /// Calls `ask` with the origin of the half that would be stolen next. Waits for a thief that is
    /// at the stack.
    pub(crate) fn ask_oldest_origin<R>(&self, ask: impl FnOnce(&O) -> R) -> Option<R> {
        let origins = self.origins.lock_unpoisoned();
        let place = place_of(self.head.load(Ordering::Relaxed));
        if place >= self.owner.top.load(Ordering::Acquire) {
            return None;
        }
        origin_at(&origins, place).map(ask)
    }

    /// Whether a joiner may wait for a half from here.
    #[inline(always)]
    pub(crate) fn is_wanted(&self) -> bool {
        self.owner.is_wanted.load(Ordering::Relaxed)
    }

    /// Says whether one may.
    pub(crate) fn set_wanted(&self, is_wanted: bool) {
        // ORDERING: AcqRel: the owner that takes the mark away sees what those did before that have
        // set it.
        self.owner.is_wanted.swap(is_wanted, Ordering::AcqRel);
    }
}

/// The origin of the half at a place.
fn origin_at<O>(origins: &[(usize, O)], place: usize) -> Option<&O> {
    let origin = origins.iter().rfind(|&&(base, _)| base <= place);
    origin.map(|(_, origin)| origin)
}
