//! How many tasks a bounded queue may still take, where the queue is many: a count that workers
//! rarely share.
//!
//! # Protocol
//! Permits lie in a common count or in a worker's **cache**. A worker takes from its cache and
//! frees into it, by plain loads and stores; it goes to the common count for a handful at a time.
//! Every other thread uses the common count. A thread that finds it empty **reclaims** the caches:
//! moves what is in them to the common count, and looks again. So a queue is called full only when
//! all permits are taken. They stay reclaimed, and all threads use the common count, until half of
//! the permits are free again: a queue that is full stays so for a while.
//!
//! # The owner and a thread that reclaims
//! The owner marks its cache busy, then looks whether there is a reclaim; if so, it leaves its
//! cache alone and uses the common count. The one that reclaims says so, then waits for each cache
//! that is busy. Between mark and look stands a light fence, on the other side a heavy one: so the
//! two are never at a cache at once. The owner is busy for a few instructions, in which no foreign
//! code runs; reclaims take turns by a lock.

use std::fmt;

use crossbeam_utils::CachePadded;

use crate::sys::asymmetric_fence::{heavy, light};
use crate::sys::sync::{AtomicBool, AtomicIsize, LockExt, Mutex, Ordering, yield_now};

/// The most permits that a worker takes from the common count at once; it keeps up to twice as
/// many.
const MAX_AT_ONCE: isize = 64;

/// One part in this many of a queue's permits may lie in caches, and no more.
const STASHED_PART: usize = 4;

/// The free permits of a bounded queue. A task takes one as it is queued and frees it as it is
/// taken out.
///
/// Workers may pass their index, and then use a cache of permits that no other thread writes. A
/// queue is called full only when all permits are taken: a thread that finds none left collects
/// what lies in caches. For queues that are made of several parts;
/// [`SharedQueue`](crate::backend::SharedQueue) and
/// [`StealingQueue`](crate::backend::StealingQueue) have one inside.
///
/// ```
/// use pool_core::backend::Permits;
///
/// let permits = Permits::new(2, 0);
/// assert!(permits.take(None) && permits.take(None));
/// assert!(!permits.take(None)); // full
/// permits.free(None);
/// assert!(permits.take(None));
/// ```
pub struct Permits {
    /// The common count: permits that are in no cache. Below zero while a queue is overdrawn.
    left: CachePadded<AtomicIsize>,
    /// A cache for each worker.
    caches: Box<[CachePadded<Cache>]>,
    /// How many permits a worker takes from the common count at once. Zero where the queue is too
    /// short for caches: then none is ever used.
    at_once: isize,
    /// The common count from which on a reclaim ends: half of the permits.
    relaxed_from: isize,
    /// Whether the caches are reclaimed, and so not to be used. Set under the lock before a heavy
    /// fence; owners read it after a light one.
    is_reclaimed: AtomicBool,
    /// Held by the thread that reclaims the caches, or that ends a reclaim.
    reclaim: Mutex<()>,
}

/// The permits of one worker.
#[derive(Default)]
struct Cache {
    /// Whether the owner is at the cache. Written by the owner alone, for a few instructions.
    is_busy: AtomicBool,
    /// The permits. Written by the owner while it is busy, and by a thread that reclaims while it
    /// is not.
    permits: AtomicIsize,
}

impl Permits {
    /// Returns as many permits as the capacity, with a cache for each of that many workers. A
    /// capacity beyond `isize::MAX` counts as `isize::MAX`, a bound that memory never meets. Caches
    /// are used only if the capacity is at least 8 times the number of workers.
    pub fn new(capacity: usize, workers: usize) -> Self {
        let fair = capacity / (workers.max(1) * STASHED_PART * 2);
        let capacity = isize::try_from(capacity).unwrap_or(isize::MAX);
        Self {
            left: CachePadded::new(AtomicIsize::new(capacity)),
            caches: (0..workers).map(|_| CachePadded::default()).collect(),
            at_once: isize::try_from(fair).map_or(MAX_AT_ONCE, |fair| fair.min(MAX_AT_ONCE)),
            relaxed_from: capacity / 2,
            is_reclaimed: AtomicBool::new(false),
            reclaim: Mutex::new(()),
        }
    }

    /// Takes one permit, and returns false if all are taken. `worker` names the cache to take it
    /// from; the caller is the only thread that uses that index. Does not block, except for a
    /// moment while another thread collects the caches.
    ///
    /// # Panics
    /// If `worker` is not less than the number of workers, unless the queue is too short for
    /// caches.
    #[inline]
    pub fn take(&self, worker: Option<usize>) -> bool {
        let is_cached = worker
            .is_some_and(|worker| self.in_cache(worker, |cache| self.draw(cache)) == Some(true));
        is_cached || self.take_common(1) != 0 || self.take_reclaimed()
    }

    /// Takes that many permits, even if none is left. In that case later callers of
    /// [`take`](Self::take) find none until as many are freed as were overdrawn.
    pub fn overdraw(&self, count: usize) {
        // More than `isize::MAX` are no tasks in memory.
        let count = isize::try_from(count).unwrap_or(isize::MAX);
        self.left.fetch_sub(count, Ordering::Relaxed);
    }

    /// Frees one permit; into the cache of `worker`, if one is given, which is the caller's alone.
    /// The thread that took it may be another.
    ///
    /// # Panics
    /// As for [`take`](Self::take).
    #[inline]
    pub fn free(&self, worker: Option<usize>) {
        let is_cached =
            worker.is_some_and(|worker| self.in_cache(worker, |cache| self.stow(cache)).is_some());
        if !is_cached {
            self.free_common(1);
        }
    }

    /// Frees that many permits at once.
    pub(super) fn free_common(&self, count: isize) {
        if self.left.fetch_add(count, Ordering::Relaxed) >= self.relaxed_from {
            self.end_reclaim();
        }
    }

    /// Runs `act` at a worker's own cache. Returns `None` without doing so while the caches are
    /// reclaimed, or if the queue has none.
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
        let result = (!self.is_reclaimed.load(Ordering::Acquire)).then(|| act(&cache.permits));
        // ORDERING: Release pairs with the Acquire of a thread that reclaims: the cache is whole.
        cache.is_busy.store(false, Ordering::Release);
        result
    }

    /// Takes a permit from a cache, which is filled from the common count if it is empty. Returns
    /// false if that has none.
    #[inline]
    fn draw(&self, cache: &AtomicIsize) -> bool {
        let mut permits = cache.load(Ordering::Relaxed);
        if permits == 0 {
            permits = self.take_common(self.at_once);
        }
        cache.store((permits - 1).max(0), Ordering::Relaxed);
        permits > 0
    }

    /// Puts a permit into a cache. If that makes it too full, a part goes to the common count.
    #[inline]
    fn stow(&self, cache: &AtomicIsize) {
        let mut permits = cache.load(Ordering::Relaxed) + 1;
        if permits > 2 * self.at_once {
            permits -= self.at_once;
            self.left.fetch_add(self.at_once, Ordering::Relaxed);
        }
        cache.store(permits, Ordering::Relaxed);
    }

    /// Takes up to `most` from the common count, and returns how many. The count never goes below
    /// zero here, and is never lowered to be raised again: so no thread sees a queue as full that
    /// is not.
    #[inline]
    fn take_common(&self, most: isize) -> isize {
        let less = |left: isize| (left > 0).then(|| left - left.min(most));
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .map_or(0, |left| left.min(most))
    }

    /// Collects all caches into the common count, if they are not reclaimed already, and takes one
    /// permit. Returns false if there is none.
    #[cold]
    fn take_reclaimed(&self) -> bool {
        if self.at_once == 0 {
            return false;
        }
        let _turn = self.reclaim.lock_unpoisoned();
        // A thread that comes while the caches are reclaimed finds all permits in the common count.
        if !self.is_reclaimed.load(Ordering::Relaxed) {
            self.is_reclaimed.store(true, Ordering::Relaxed);
            // ORDERING: partner is the light fence in `in_cache`.
            heavy();
            let reclaimed: isize = self.caches.iter().map(|cache| cache.empty()).sum();
            self.left.fetch_add(reclaimed, Ordering::Relaxed);
        }
        self.take_common(1) != 0
    }

    /// Lets the owners use their caches again, unless another thread is at the lock.
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
    /// Takes all permits out, once the owner is not at the cache. Called while `is_reclaimed` is
    /// set, so the owner does not come back.
    fn empty(&self) -> isize {
        // ORDERING: Acquire, see `in_cache`.
        while self.is_busy.load(Ordering::Acquire) {
            yield_now();
        }
        let permits = self.permits.load(Ordering::Relaxed);
        self.permits.store(0, Ordering::Relaxed);
        permits
    }
}

/// Shows the common count, which may be lower than what is free.
impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
