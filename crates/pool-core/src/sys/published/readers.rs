//! The readers at which threads say that they read: one for each live thread that ever did, in a
//! list that only grows.
//!
//! A thread that ends leaves its reader to the next one that needs one, so there are as many as
//! threads were alive at once. A thread that reads after that, in the destructors of its locals, is
//! counted in a crowd. Nothing here takes a lock: one would stay taken in a process that was forked
//! at the wrong moment.

use std::ptr;

use crossbeam_utils::CachePadded;

use crate::sys::asymmetric_fence::{heavy, light};
use crate::sys::sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, yield_now};

/// How often a collector looks at readers at which somebody is inside: for about as long as a
/// thread may be kept from its core.
const MOST_LOOKS: usize = if cfg!(pool_loom) { 1 } else { 10_000 };

/// Where one thread says whether it reads.
pub(super) struct Reader {
    /// How many reads its thread is in.
    depth: AtomicUsize,
    is_taken: AtomicBool,
    /// The reader that was built before; null for the first.
    next: *const CachePadded<Reader>,
}

// SAFETY: `next` is written before the reader is shared, and leads to a reader that lives as long
// as this one.
unsafe impl Sync for Reader {}

/// All readers of the process, or of a model.
pub(super) struct Readers {
    newest: AtomicPtr<CachePadded<Reader>>,
    /// How many reads threads are in that have no reader any more.
    crowd: AtomicUsize,
}

/// A thread is inside for as long as it has this.
pub(super) struct Inside<'a> {
    reader: &'a Reader,
    before: usize,
}

/// The same for a thread without a reader.
pub(super) struct InCrowd<'a>(&'a AtomicUsize);

impl Reader {
    /// Goes inside; what the thread loads from here on is not dropped before it leaves.
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
    #[inline(always)]
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquire in `are_left`: the reads are done.
        self.reader.depth.store(self.before, Ordering::Release);
    }
}

impl Drop for InCrowd<'_> {
    fn drop(&mut self) {
        // ORDERING: Release, as for a reader.
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Readers {
    /// A reader that is nobody else's, until it is left.
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
            // SAFETY: nobody else has come to know it.
            reader = unsafe { Box::from_raw(pointer) };
        }
    }

    /// Whether nobody reads who may have begun before this call. False too if somebody does not
    /// come to an end of it, or is the caller, whose own reader comes along.
    pub(super) fn are_left(&self, own: Option<&Reader>) -> bool {
        // ORDERING: partner is the light fence in `enter` and `enter_crowd`.
        heavy();
        let mut looks = MOST_LOOKS;
        let mut is_left = |depth: &AtomicUsize| {
            // ORDERING: Acquire pairs with the Release of whoever left.
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
    pub(super) fn new() -> Self {
        Self {
            newest: AtomicPtr::new(ptr::null_mut()),
            crowd: AtomicUsize::new(0),
        }
    }
}

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

    /// The readers of this process.
    pub(crate) static ALL: Readers = Readers {
        newest: AtomicPtr::new(ptr::null_mut()),
        crowd: AtomicUsize::new(0),
    };

    thread_local! {
        /// The calling thread's reader, for each read to look at: it has nothing to drop, so there
        /// is no state to check first.
        static DOOR: Cell<Option<&'static Reader>> = const { Cell::new(None) };
        static TENANT: Tenant = const { Tenant(Cell::new(None)) };
    }

    /// Leaves the reader to others as its thread ends.
    struct Tenant(Cell<Option<&'static Reader>>);

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
        /// Goes inside without a reader.
        pub(crate) fn enter_crowd(&self) -> InCrowd<'_> {
            self.crowd.fetch_add(1, Ordering::Relaxed);
            // ORDERING: partner is the heavy fence in `are_left`.
            light();
            InCrowd(&self.crowd)
        }
    }

    /// The calling thread's reader, if it has read before.
    #[inline(always)]
    pub(crate) fn known() -> Option<&'static Reader> {
        DOOR.get()
    }

    /// The calling thread's reader; `None` if the thread is at its end.
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
