//! How many tasks a bounded queue may still take, where the queue is many: a count that workers
//! rarely share.
//!
//! # Protocol
//! Permits lie in a common count or in a worker's **cache**. A worker takes from its cache and
//! frees into it, by plain loads and stores; it goes to the common count for a handful at a time.
//! Every other thread uses the common count. A thread that finds it empty **reclaims** the caches:
//! moves what is in them to the common count, and looks again. So a queue is called full only when
//! all places are taken. They stay reclaimed, and everybody uses the common count, until half of
//! the places are free again: a queue that is full stays so for a while.
//!
//! # The owner and one who reclaims
//! The owner marks its cache busy, then looks whether there is a reclaim; if so, it leaves its
//! cache alone and uses the common count. The one that reclaims says so, then waits for each cache
//! that is busy. Between mark and look stands a light fence, on the other side a heavy one: so the
//! two are never at a cache at once. The owner is busy for a few instructions, in which no foreign
//! code runs; reclaims take turns by a lock.

use std::fmt;

use crossbeam_utils::CachePadded;

use crate::sys::asymmetric_fence::{heavy, light};
use crate::sys::sync::{AtomicBool, AtomicIsize, LockExt, Mutex, Ordering, yield_now};

/// The most that a worker takes from the common count at once; it keeps up to twice as many.
const MOST_AT_ONCE: isize = 64;

/// No more than this part of a queue's places lies in caches.
const STASHED_PART: usize = 4;

/// Permits in a queue. A task takes one as it is queued and frees it as it is taken out.
pub struct Permits {
    left: CachePadded<AtomicIsize>,
    caches: Box<[CachePadded<Cache>]>,
    at_once: isize,
    /// With that many places in the common count a reclaim ends.
    relaxed_from: isize,
    is_reclaimed: AtomicBool,
    reclaim: Mutex<()>,
}

#[derive(Default)]
struct Cache {
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
            caches: (0..workers).map(|_| CachePadded::default()).collect(),
            at_once: isize::try_from(fair).map_or(MOST_AT_ONCE, |fair| fair.min(MOST_AT_ONCE)),
            relaxed_from: capacity / 2,
            is_reclaimed: AtomicBool::new(false),
            reclaim: Mutex::new(()),
        }
    }

    /// Takes one; from the cache of `worker`, which is the caller's alone. False: all are taken.
    #[inline]
    pub fn take(&self, worker: Option<usize>) -> bool {
        let is_cached = worker
            .is_some_and(|worker| self.in_cache(worker, |cache| self.draw(cache)) == Some(true));
        is_cached || self.take_common(1) != 0 || self.take_reclaimed()
    }

    /// Takes one that may not be there: the next submitters wait until it is.
    pub fn overdraw(&self) {
        self.left.fetch_sub(1, Ordering::Relaxed);
    }

    /// Frees one; into the cache of `worker`, which is the caller's alone.
    #[inline]
    pub fn free(&self, worker: Option<usize>) {
        let is_cached =
            worker.is_some_and(|worker| self.in_cache(worker, |cache| self.stow(cache)).is_some());
        if !is_cached && self.left.fetch_add(1, Ordering::Relaxed) >= self.relaxed_from {
            self.end_reclaim();
        }
    }

    /// Runs `act` at a worker's own cache; `None` while there is a reclaim, or where caches would
    /// be too small.
    #[inline]
    fn in_cache<R>(&self, worker: usize, act: impl FnOnce(&AtomicIsize) -> R) -> Option<R> {
        if self.at_once == 0 {
            return None;
        }
        let cache = &self.caches[worker];
        cache.is_busy.store(true, Ordering::Relaxed);
        // ORDERING: partner is the heavy fence in `take_reclaimed`.
        light();
        // ORDERING: Acquire pairs with the Release at the end of a reclaim: what it left in the
        // cache is seen.
        let result = (!self.is_reclaimed.load(Ordering::Acquire)).then(|| act(&cache.places));
        // ORDERING: Release pairs with the Acquire of one who reclaims: the cache is whole.
        cache.is_busy.store(false, Ordering::Release);
        result
    }

    #[inline]
    fn draw(&self, cache: &AtomicIsize) -> bool {
        let mut places = cache.load(Ordering::Relaxed);
        if places == 0 {
            places = self.take_common(self.at_once);
        }
        cache.store((places - 1).max(0), Ordering::Relaxed);
        places > 0
    }

    #[inline]
    fn stow(&self, cache: &AtomicIsize) {
        let mut places = cache.load(Ordering::Relaxed) + 1;
        if places > 2 * self.at_once {
            places -= self.at_once;
            self.left.fetch_add(self.at_once, Ordering::Relaxed);
        }
        cache.store(places, Ordering::Relaxed);
    }

    /// Takes up to `most` from the common count. It never goes below zero here, and is never
    /// lowered to be raised again: nobody sees a queue as full that is not.
    #[inline]
    fn take_common(&self, most: isize) -> isize {
        let less = |left: isize| (left > 0).then(|| left - left.min(most));
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .map_or(0, |left| left.min(most))
    }

    /// Reclaims all caches, then takes one.
    #[cold]
    fn take_reclaimed(&self) -> bool {
        if self.at_once == 0 {
            return false;
        }
        let _turn = self.reclaim.lock_unpoisoned();
        // Who comes to a reclaim that goes on finds all places in the common count.
        if !self.is_reclaimed.load(Ordering::Relaxed) {
            self.is_reclaimed.store(true, Ordering::Relaxed);
            // ORDERING: partner is the light fence in `in_cache`.
            heavy();
            let reclaimed: isize = self.caches.iter().map(|cache| cache.empty()).sum();
            self.left.fetch_add(reclaimed, Ordering::Relaxed);
        }
        self.take_common(1) != 0
    }

    fn end_reclaim(&self) {
        if self.is_reclaimed.load(Ordering::Relaxed)
            && let Ok(_turn) = self.reclaim.try_lock()
        {
            // ORDERING: Release, see `in_cache`.
            self.is_reclaimed.store(false, Ordering::Release);
        }
    }
}

impl Cache {
    /// Takes all out, once the owner is not there.
    fn empty(&self) -> isize {
        // ORDERING: Acquire, see `in_cache`.
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
