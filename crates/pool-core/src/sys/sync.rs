//! The abstraction layer over the primitives of hand-written protocols, so that a model checker can
//! stand in for them.
//!
//! Under `cfg(pool_loom)` the names here are loom's, which tries the interleavings of a model;
//! otherwise they are those of `std`. A protocol that has a model takes its atomics, locks and
//! cells from here. One that has none may take them from `std`; then loom does not see it.

#[cfg(not(pool_loom))]
use std::sync::{TryLockError, TryLockResult};

#[cfg(pool_loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Mutex,
        atomic::{
            AtomicBool, AtomicIsize, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize,
            Ordering, fence,
        },
    },
    thread::yield_now,
};

#[cfg(not(pool_loom))]
pub(crate) use crate::sys::machine::yield_now;

#[cfg(not(pool_loom))]
pub(crate) use std::sync::{
    Mutex,
    atomic::{
        AtomicBool, AtomicIsize, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        fence,
    },
};

/// `std`'s cell behind loom's interface: access is a closure over the pointer, so that loom sees
/// when an access begins and ends.
#[cfg(not(pool_loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(pool_loom))]
impl<T> UnsafeCell<T> {
    /// Returns a cell with `value`.
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `access` with a pointer to read through. The caller says why no other thread writes
    /// meanwhile.
    #[inline(always)]
    pub(crate) fn with<R>(&self, access: impl FnOnce(*const T) -> R) -> R {
        access(self.0.get())
    }

    /// Calls `access` with a pointer to read and write through. The caller says why no other thread
    /// uses the cell meanwhile.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
        access(self.0.get())
    }
}

/// Locks data that no user code can leave half-changed, so that the data behind a poisoned lock is
/// whole.
///
/// Both locks, that of `std` and loom's, get these methods, so that a protocol is written once.
pub(crate) trait LockExt<T> {
    /// Waits for the lock and takes it, whether or not another thread panicked while it held the
    /// lock.
    fn lock_unpoisoned(&self) -> Guard<'_, T>;

    /// Takes the lock if it is free. May return `None` without a reason now and then, as it always
    /// does in a model.
    fn try_lock_unpoisoned(&self) -> Option<Guard<'_, T>>;
}

/// The guard of the lock that this build uses.
#[cfg(pool_loom)]
pub(crate) type Guard<'a, T> = loom::sync::MutexGuard<'a, T>;
#[cfg(not(pool_loom))]
pub(crate) type Guard<'a, T> = std::sync::MutexGuard<'a, T>;

#[cfg(not(pool_loom))]
impl<T> LockExt<T> for Mutex<T> {
    #[inline]
    fn lock_unpoisoned(&self) -> Guard<'_, T> {
        crate::sys::machine::lock(self)
    }

    #[inline]
    fn try_lock_unpoisoned(&self) -> Option<Guard<'_, T>> {
        unpoisoned(self.try_lock())
    }
}

#[cfg(pool_loom)]
impl<T> LockExt<T> for Mutex<T> {
    fn lock_unpoisoned(&self) -> Guard<'_, T> {
        self.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn try_lock_unpoisoned(&self) -> Option<Guard<'_, T>> {
        // Loom blocks a thread whose try comes while another thread holds the lock, and reports a
        // deadlock that is none. So in a model each try fails, as it may.
        None
    }
}

/// Returns the guard of a try, of a poisoned lock as well.
#[cfg(not(pool_loom))]
fn unpoisoned<T>(tried: TryLockResult<T>) -> Option<T> {
    match tried {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
