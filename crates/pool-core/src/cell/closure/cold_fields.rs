//! What few jobs have in addition to their cell: kept apart, so that the cells of the many are
//! small. What a cell takes is memory that is new to a core, twice.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::job::Terms;
use crate::job::context::OwnToken;
use crate::sys::sync::AtomicUsize;
use crate::task::slab::{self, Spot};

pub(super) struct Extras {
    pub(super) terms: Option<Terms>,
    pub(super) token: OwnToken,
    /// How many hold the cell: its two ends together, and each [`CellRef`](super::CellRef).
    pub(super) holders: AtomicUsize,
    spot: Spot,
}

/// The extras of a cell, made when they are first needed. In memory from a slab, like the cell: the
/// children of a job with a handle have extras, each of them.
pub(super) struct Lazy(AtomicPtr<Extras>);

impl Lazy {
    /// None yet, unless the job has terms.
    #[inline(always)]
    pub(super) fn new(terms: Option<Terms>) -> Self {
        let extras = if terms.is_some() {
            Extras::allocate(terms).as_ptr()
        } else {
            ptr::null_mut()
        };
        Self(AtomicPtr::new(extras))
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&Extras> {
        // ORDERING: Acquire pairs with the Release in `get_or_init`.
        let extras = self.0.load(Ordering::Acquire);
        // SAFETY: what was put here stays until the whole is dropped.
        unsafe { extras.as_ref() }
    }

    #[inline]
    pub(super) fn get_or_init(&self) -> &Extras {
        self.get().unwrap_or_else(|| self.init())
    }

    #[cold]
    fn init(&self) -> &Extras {
        let own = Extras::allocate(None);
        // ORDERING: Release publishes the extras to `get`; Acquire takes over another thread's, as
        // `get` does.
        let put = self.0.compare_exchange(
            ptr::null_mut(),
            own.as_ptr(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        let extras = match put {
            Ok(_) => own.as_ptr(),
            Err(others) => {
                // SAFETY: nobody has seen them.
                unsafe { Extras::free(own) }
                others
            }
        };
        // SAFETY: as in `get`.
        unsafe { &*extras }
    }
}

impl Drop for Lazy {
    fn drop(&mut self) {
        if let Some(extras) = NonNull::new(*self.0.get_mut()) {
            // SAFETY: they were this one's, which nobody uses any more.
            unsafe { Extras::free(extras) }
        }
    }
}

impl Extras {
    #[inline(always)]
    fn allocate(terms: Option<Terms>) -> NonNull<Self> {
        let (place, spot) = slab::allocate::<Self>();
        let extras = Self {
            terms,
            token: OwnToken::default(),
            holders: AtomicUsize::new(1),
            spot,
        };
        // SAFETY: the place is new.
        unsafe { place.write(extras) };
        place
    }

    /// # Safety
    /// They come from `allocate`, and nobody uses them any more.
    #[inline]
    unsafe fn free(extras: NonNull<Self>) {
        /// Also where a drop panics.
        struct Memory(NonNull<Extras>, Spot);
        impl Drop for Memory {
            fn drop(&mut self) {
                // SAFETY: `allocate` took it from there; what was in it is dropped.
                unsafe { slab::free(self.0, self.1) }
            }
        }
        // SAFETY: the caller's promise.
        unsafe {
            let _memory = Memory(extras, extras.as_ref().spot);
            extras.drop_in_place();
        }
    }
}
