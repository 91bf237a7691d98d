//! The pools of this process, by number: how a thread that ends a job which it did not dequeue
//! finds the pool that accounts for it.
//!
//! A job's cell names its pool by a number, since a counted reference for each job would be a cache
//! line that all workers write. The number is looked up only where a job ends elsewhere than on a
//! worker of its pool: by a cancel, at a deadline, when its task is dropped.
//!
//! A number is never given to two live pools at once. A pool that is gone is not found, and nobody
//! is left to read its books.
//!
//! The list is locked across a `fork` (see `atfork`), so a forked child finds it whole, and free.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::pool::lifecycle::Lifecycle;

/// The number of a pool, unique among those that are alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PoolId(NonZeroU32);

impl PoolId {
    /// Bits that a number has at most: a job's cell keeps it in addition to its state.
    pub(crate) const BITS: u32 = 20;

    /// The number as a cell keeps it: not zero, less than 2 to the power of [`BITS`](Self::BITS).
    #[inline]
    pub(crate) fn as_u32(self) -> u32 {
        self.0.get()
    }

    /// `None` for zero, which stands for no pool.
    #[inline]
    pub(crate) fn from_u32(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }
}

/// The pools, and the number that was given last.
#[derive(Default)]
pub(crate) struct Registry {
    /// Every entry is of a pool that is alive, or just being dropped: its drop takes the entry out.
    by_id: BTreeMap<PoolId, Weak<Lifecycle>>,
    /// Numbers go round from here, so one that is free again is not given again at once.
    last: u32,
}

/// No foreign code runs under the lock.
static POOLS: Mutex<Registry> = Mutex::new(Registry {
    by_id: BTreeMap::new(),
    last: 0,
});

impl Registry {
    /// The next number that no live pool has.
    fn next(&mut self) -> PoolId {
        const MOST: u32 = 1 << PoolId::BITS;
        assert!(
            self.by_id.len() < MOST as usize - 1,
            "a process has at most {} pools at once",
            MOST - 1
        );
        loop {
            self.last = (self.last + 1) % MOST;
            if let Some(id) = PoolId::from_u32(self.last)
                && !self.by_id.contains_key(&id)
            {
                return id;
            }
        }
    }

    /// The pools that are alive.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "only a forked child asks")
    )]
    pub(crate) fn alive(&self) -> impl Iterator<Item = Arc<Lifecycle>> {
        self.by_id.values().filter_map(Weak::upgrade)
    }
}

/// Enlists a pool that `make` makes with its number.
pub(crate) fn enlist(make: impl FnOnce(PoolId) -> Lifecycle) -> Arc<Lifecycle> {
    let id = lock().next();
    // Another thread may be given the next number meanwhile; this one is not given twice, since the
    // numbers go round.
    let life = Arc::new(make(id));
    lock().by_id.insert(id, Arc::downgrade(&life));
    life
}

/// The pool is gone.
pub(crate) fn strike(id: PoolId) {
    lock().by_id.remove(&id);
}

/// The pool of this number, unless it is gone.
pub(crate) fn find(id: PoolId) -> Option<Arc<Lifecycle>> {
    lock().by_id.get(&id)?.upgrade()
}

/// The list, locked.
pub(crate) fn lock() -> MutexGuard<'static, Registry> {
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The list, if nobody has locked it.
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "only a forked child asks")
)]
pub(crate) fn try_lock() -> Option<MutexGuard<'static, Registry>> {
    POOLS.try_lock().ok()
}
