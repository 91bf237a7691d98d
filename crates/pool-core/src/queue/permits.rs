//! How many tasks a bounded queue may still take, where the queue is many: a count that workers rarely share.
//!
//! # Protocol
//! Permits lie in a common count or in a worker's **stash**. A worker takes from its stash and frees into it, by plain loads and stores; it
//! goes to the common count for a handful at a time. Everybody else uses the common count. Who finds that empty **recalls** the
//! stashes: moves what is in them to the common count, and looks again. So a queue is called full only when all places are taken.
//! They stay recalled, and everybody uses the common count, until half of the places are free again: a queue that is full stays so
//! for a while.
//!
//! # The owner and one who recalls
//! The owner marks its stash busy, then looks whether there is a recall; if so, it leaves its stash alone and uses the common count. Who
//! recalls says so, then waits for each stash that is busy. Between mark and look stands a light fence, on the other side a
//! heavy one: so the two are never at a stash at once. The owner is busy for a few instructions, in which no foreign code
//! runs; recalls take turns by a lock.

use std::fmt;

use crossbeam_utils::CachePadded;

use crate::sys::asymmetric_fence::{heavy, light};
use crate::sys::sync::{AtomicBool, AtomicIsize, LockExt, Mutex, Ordering, yield_now};

/// The most that a worker takes from the common count at once; it keeps up to twice as many.
const MOST_AT_ONCE: isize = 64;

/// No more than this part of a queue's places lies in stashes.
const STASHED_PART: usize = 4;

/// Permits in a queue. A task takes one as it is queued and frees it as it is taken out.
pub struct Permits {
    left: CachePadded<AtomicIsize>,
    stashes: Box<[CachePadded<Stash>]>,
    at_once: isize,
    /// With so many places in the common count a recall ends.
    relaxed_from: isize,
    is_recalled: AtomicBool,
    recall: Mutex<()>,
}

#[derive(Default)]
struct Stash {
    is_busy: AtomicBool,
    places: AtomicIsize,
}

impl Permits {
    /// As many as the capacity. One beyond `isize::MAX` is no bound that memory would ever meet.
    pub fn new(capacity: usize, workers: usize) -> Self {
        let fair = capacity / (workers.max(1) * STASHED_PART * 2);
        let capacity = isize::try_from(capacity).unwrap_or(isize::MAX);
        Self {
            left: CachePadded::new(AtomicIsize::new(capacity)),
            stashes: (0..workers).map(|_| CachePadded::default()).collect(),
            at_once: isize::try_from(fair).map_or(MOST_AT_ONCE, |fair| fair.min(MOST_AT_ONCE)),
            relaxed_from: capacity / 2,
            is_recalled: AtomicBool::new(false),
            recall: Mutex::new(()),
        }
    }

    /// Takes one; from the stash of `worker`, which is the caller's alone. False: all are taken.
    #[inline]
    pub fn take(&self, worker: Option<usize>) -> bool {
        let is_stashed = worker
            .is_some_and(|worker| self.at_stash(worker, |stash| self.draw(stash)) == Some(true));
        is_stashed || self.take_common(1) != 0 || self.take_recalled()
    }

    /// Takes one that may not be there: the next submitters wait until it is.
    pub fn overdraw(&self) {
        self.left.fetch_sub(1, Ordering::Relaxed);
    }

    /// Frees one; into the stash of `worker`, which is the caller's alone.
    #[inline]
    pub fn free(&self, worker: Option<usize>) {
        let is_stashed =
            worker.is_some_and(|worker| self.at_stash(worker, |stash| self.stow(stash)).is_some());
        if !is_stashed && self.left.fetch_add(1, Ordering::Relaxed) >= self.relaxed_from {
            self.end_recall();
        }
    }

    /// Runs `act` at a worker's own stash; `None` while there is a recall, or where stashes would be too small.
    #[inline]
    fn at_stash<R>(&self, worker: usize, act: impl FnOnce(&AtomicIsize) -> R) -> Option<R> {
        if self.at_once == 0 {
            return None;
        }
        let stash = &self.stashes[worker];
        stash.is_busy.store(true, Ordering::Relaxed);
        // ORDERING: partner is the heavy fence in `take_recalled`.
        light();
        // ORDERING: Acquire pairs with the Release at the end of a recall: what it left in the stash is seen.
        let result = (!self.is_recalled.load(Ordering::Acquire)).then(|| act(&stash.places));
        // ORDERING: Release pairs with the Acquire of one who recalls: the stash is whole.
        stash.is_busy.store(false, Ordering::Release);
        result
    }

    #[inline]
    fn draw(&self, stash: &AtomicIsize) -> bool {
        let mut places = stash.load(Ordering::Relaxed);
        if places == 0 {
            places = self.take_common(self.at_once);
        }
        stash.store((places - 1).max(0), Ordering::Relaxed);
        places > 0
    }

    #[inline]
    fn stow(&self, stash: &AtomicIsize) {
        let mut places = stash.load(Ordering::Relaxed) + 1;
        if places > 2 * self.at_once {
            places -= self.at_once;
            self.left.fetch_add(self.at_once, Ordering::Relaxed);
        }
        stash.store(places, Ordering::Relaxed);
    }

    /// Takes up to `most` from the common count. It never goes below zero here, and is never lowered to be raised again: nobody sees a
    /// queue as full that is not.
    #[inline]
    fn take_common(&self, most: isize) -> isize {
        let less = |left: isize| (left > 0).then(|| left - left.min(most));
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .map_or(0, |left| left.min(most))
    }

    /// Recalls all stashes, then takes one.
    #[cold]
    fn take_recalled(&self) -> bool {
        if self.at_once == 0 {
            return false;
        }
        let _turn = self.recall.lock_unpoisoned();
        // Who comes to a recall that goes on finds all places in the common count.
        if !self.is_recalled.load(Ordering::Relaxed) {
            self.is_recalled.store(true, Ordering::Relaxed);
            // ORDERING: partner is the light fence in `at_stash`.
            heavy();
            let recalled: isize = self.stashes.iter().map(|stash| stash.empty()).sum();
            self.left.fetch_add(recalled, Ordering::Relaxed);
        }
        self.take_common(1) != 0
    }

    fn end_recall(&self) {
        if self.is_recalled.load(Ordering::Relaxed)
            && let Ok(_turn) = self.recall.try_lock()
        {
            // ORDERING: Release, see `at_stash`.
            self.is_recalled.store(false, Ordering::Release);
        }
    }
}

impl Stash {
    /// Takes all out, once the owner is not there.
    fn empty(&self) -> isize {
        // ORDERING: Acquire, see `at_stash`.
        while self.is_busy.load(Ordering::Acquire) {
            yield_now();
        }
        let places = self.places.load(Ordering::Relaxed);
        self.places.store(0, Ordering::Relaxed);
        places
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
