//! The readers at which threads say that they read: one for each live thread that ever did, in a
//! list that only grows.
//!
//! A thread that ends leaves its reader to the next one that needs one, so there are as many as
//! threads were alive at once. A thread that reads after that, in the destructors of its locals, is
//! counted in a crowd. Nothing here takes a lock: one would stay taken in a process that was forked
//! at the wrong moment.
//!
//! # Memory ordering
//! A thread enters by a plain store of its depth, and a light fence. A collector passes a heavy
//! fence, and then reads each depth with Acquire. So for each reader either the collector sees the
//! store, or the thread's later loads see what the collector had stored before its fence. A thread
//! leaves by a store with Release, so that its reads are over for the collector that sees it.
//!
//! A new reader is pushed with a compare-and-swap that releases, and is never unlinked, so the list
//! can be walked without a lock while others push.

use std::ptr;

use crossbeam_utils::CachePadded;

use crate::sys::asymmetric_fence::{heavy, light};
use crate::sys::sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, yield_now};

/// How many times in all a collector looks again at readers at which a thread is inside: for about
/// as long as a thread may be kept from its core.
pub(super) const MAX_LOOKS: usize = if cfg!(pool_loom) { 1 } else { 10_000 };

/// Where one thread says whether it reads. It is never freed while the process runs: a thread that
/// ends leaves it to another.
pub(super) struct Reader {
    /// How many reads its thread is in. Written by that thread alone, and read by collectors.
    depth: AtomicUsize,
    /// Whether a live thread has this reader. Taken with Acquire and left with Release.
    is_taken: AtomicBool,
    /// The reader that was built before; null for the first.
    next: *const CachePadded<Reader>,
}

// SAFETY: `next` is written before the reader is shared, and leads to a reader that lives as long
// as this one.
unsafe impl Sync for Reader {}

/// All readers of the process, or of a model: a list whose links are never changed once a reader is
/// in it.
pub(super) struct Readers {
    /// The reader that was added last, where the list begins.
    newest: AtomicPtr<CachePadded<Reader>>,
    /// How many reads are under way on threads that no longer have a reader.
    crowd: AtomicUsize,
}

/// A thread is inside at its reader for as long as it has this. The drop, with Release, says that
/// it has left.
pub(super) struct Inside<'a> {
    /// The thread's reader.
    reader: &'a Reader,
    /// The depth to which the drop returns.
    before: usize,
}

/// The same for a thread without a reader, which is counted in the crowd.
pub(super) struct InCrowd<'a>(&'a AtomicUsize);

impl Reader {
    /// Goes inside: what the thread loads from here on is not dropped before it leaves. Called by
    /// the reader's own thread.
    #[inline(always)]
    pub(super) fn enter(&self) -> Inside<'_> {
        // Written by the reader's own thread alone.
        let before = self.depth.load(Ordering::Relaxed);
        self.depth.store(before + 1, Ordering::Relaxed);
        // ORDERING: partner is the heavy fence in `are_left`.
        light();
        Inside {
            reader: self,
            before,
        }
    }
}

impl Drop for Inside<'_> {
    /// Leaves the reader at the depth that it had before.
    #[inline(always)]
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquire in `are_left`: the reads are done.
        self.reader.depth.store(self.before, Ordering::Release);
    }
}

/// Leaves the crowd.
impl Drop for InCrowd<'_> {
    fn drop(&mut self) {
        // ORDERING: Release, as for a reader.
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Readers {
    /// Takes a reader that no other thread has: one that was left, or a new one.
    pub(super) fn take(&self) -> &Reader {
        let is_free = |reader: &&Reader| {
            // ORDERING: Acquire pairs with the Release in `leave`: the depth is as its last thread
            // left it, zero.
            !reader.is_taken.load(Ordering::Relaxed)
                && !reader.is_taken.swap(true, Ordering::Acquire)
        };
        if let Some(reader) = self.iter().find(is_free) {
            return reader;
        }
        let mut reader = Box::new(CachePadded::new(Reader {
            depth: AtomicUsize::new(0),
            is_taken: AtomicBool::new(true),
            next: ptr::null(),
        }));
        let mut newest = self.newest.load(Ordering::Relaxed);
        loop {
            reader.next = newest;
            let pointer = Box::into_raw(reader);
            // ORDERING: Release publishes the reader and those behind it to `iter`. That a
            // collector sees it at all is a matter of the light fence in `enter`, which comes
            // later.
            let added =
                self.newest
                    .compare_exchange(newest, pointer, Ordering::Release, Ordering::Relaxed);
            match added {
                // SAFETY: it was just made, and is freed by the drop of `self` alone.
                Ok(_) => return unsafe { &*pointer },
                Err(now) => newest = now,
            }
            // SAFETY: no other thread knows of it.
            reader = unsafe { Box::from_raw(pointer) };
        }
    }

    /// Returns true if all reads that began before this call are over. Returns false if one of them
    /// does not end within `most` looks, or is the caller's own, whose reader is `own`.
    pub(super) fn are_left(&self, own: Option<&Reader>, most: usize) -> bool {
        // ORDERING: partner is the light fence in `enter` and `enter_crowd`.
        heavy();
        let mut looks = most;
        let mut is_left = |depth: &AtomicUsize| {
            // ORDERING: Acquire pairs with the Release of the thread that left.
            while depth.load(Ordering::Acquire) != 0 {
                looks -= 1;
                if looks == 0 || own.is_some_and(|own| ptr::eq(&raw const own.depth, depth)) {
                    return false;
                }
                yield_now();
            }
            true
        };
        is_left(&self.crowd) && self.iter().all(|reader| is_left(&reader.depth))
    }

    /// Returns all readers, the newest first.
    fn iter(&self) -> impl Iterator<Item = &Reader> {
        // ORDERING: Acquire pairs with the Release in `take`. Each push goes on where the last one
        // was, so all of them are seen.
        let mut next = self.newest.load(Ordering::Acquire).cast_const();
        std::iter::from_fn(move || {
            // SAFETY: null, or a reader that lives as long as `self`.
            let reader = unsafe { next.as_ref() }?;
            next = reader.next;
            Some(&**reader)
        })
    }
}

#[cfg(pool_loom)]
impl Readers {
    /// Returns no readers yet, for a model.
    pub(super) fn new() -> Self {
        Self {
            newest: AtomicPtr::new(ptr::null_mut()),
            crowd: AtomicUsize::new(0),
        }
    }
}

/// Frees the readers of a model. Those of the process are in a static, and are never dropped.
impl Drop for Readers {
    fn drop(&mut self) {
        let mut next = self.newest.load(Ordering::Relaxed);
        while !next.is_null() {
            // SAFETY: it came from a box in `take`, and the list had it alone.
            let reader = unsafe { Box::from_raw(next) };
            next = reader.next.cast_mut();
        }
    }
}

#[cfg(all(target_os = "linux", not(pool_loom), not(miri)))]
pub(crate) use this_process::open_after_a_fork;
#[cfg(not(pool_loom))]
pub(super) use this_process::{ALL, known, of_this_thread};

#[cfg(not(pool_loom))]
mod this_process {
    use std::cell::Cell;

    use super::*;

    /// The readers of this process. All published values share them, so a thread has one reader
    /// however many values it reads.
    pub(crate) static ALL: Readers = Readers {
        newest: AtomicPtr::new(ptr::null_mut()),
        crowd: AtomicUsize::new(0),
    };

    thread_local! {
        /// The calling thread's reader, for each read to look at: it has nothing to drop, so there
        /// is no state to check first.
        static DOOR: Cell<Option<&'static Reader>> = const { Cell::new(None) };
        /// Gives the reader back as the thread ends.
        static TENANT: Tenant = const { Tenant(Cell::new(None)) };
    }

    /// The calling thread's reader, left to other threads when this is dropped as the thread ends.
    struct Tenant(Cell<Option<&'static Reader>>);

    /// Runs among the thread's last acts. A read that comes after it, in the destructor of another
    /// local, is counted in the crowd.
    impl Drop for Tenant {
        fn drop(&mut self) {
            DOOR.set(None);
            if let Some(reader) = self.0.take() {
                // ORDERING: Release, see `take`.
                reader.is_taken.store(false, Ordering::Release);
            }
        }
    }

    impl Readers {
        /// Goes inside without a reader: for a thread whose locals are gone.
        pub(crate) fn enter_crowd(&self) -> InCrowd<'_> {
            self.crowd.fetch_add(1, Ordering::Relaxed);
            // ORDERING: partner is the heavy fence in `are_left`.
            light();
            InCrowd(&self.crowd)
        }
    }

    /// Returns the calling thread's reader, if it has read before.
    #[inline(always)]
    pub(crate) fn known() -> Option<&'static Reader> {
        DOOR.get()
    }

    /// Returns the calling thread's reader, and takes one if it has none; `None` if the thread is
    /// at its end.
    pub(crate) fn of_this_thread() -> Option<&'static Reader> {
        let find = |tenant: &Tenant| {
            let reader = tenant.0.get().unwrap_or_else(|| ALL.take());
            tenant.0.set(Some(reader));
            DOOR.set(Some(reader));
            reader
        };
        TENANT.try_with(find).ok()
    }

    #[cfg(all(target_os = "linux", not(miri)))]
    /// In a forked child: the threads that were inside are the parent's, and never leave here.
    pub(crate) fn open_after_a_fork() {
        let own = known();
        for reader in ALL.iter() {
            if own.is_none_or(|own| !ptr::eq(own, reader)) {
                reader.depth.store(0, Ordering::Relaxed);
            }
        }
        ALL.crowd.store(0, Ordering::Relaxed);
    }
}
