//! `Extras`: the fields of a closure's cell that few jobs need. They are kept apart, so that the
//! cells of most jobs are small: what a cell takes is memory that is new to a core, twice.
//!
//! A cell points to its extras through [`Lazy`]. They are made with the cell if the job has terms,
//! and otherwise by the first thread that needs a token or a counted reference. They are never
//! removed before the cell is freed.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::job::Terms;
use crate::job::context::OwnToken;
use crate::sys::sync::AtomicUsize;
use crate::task::slab::{self, Spot};

/// The cold fields of one cell.
pub(super) struct Extras {
    /// The job's token, deadline and name. Written when the cell is made, so extras that come later
    /// have none.
    pub(super) terms: Option<Terms>,
    /// The token that the job's children inherit, made when the first child asks for it.
    pub(super) token: OwnToken,
    /// How many hold the cell: its two ends together count as one, and each
    /// [`CellRef`](super::CellRef) as one. The holder that takes it to zero frees the cell.
    pub(super) holders: AtomicUsize,
    /// Where in its slab these extras lie, for [`slab::free`].
    spot: Spot,
}

/// The extras of a cell, made when they are first needed; null before that.
///
/// In memory from a slab, like the cell: each child of a job with a handle has extras.
pub(super) struct Lazy(AtomicPtr<Extras>);

impl Lazy {
    /// Returns a place without extras, unless the job has terms.
    #[inline(always)]
    pub(super) fn new(terms: Option<Terms>) -> Self {
        let extras = if terms.is_some() {
            Extras::allocate(terms).as_ptr()
        } else {
            ptr::null_mut()
        };
        Self(AtomicPtr::new(extras))
    }

    /// Returns the extras, if the cell has any.
    #[inline]
    pub(super) fn get(&self) -> Option<&Extras> {
        // ORDERING: Acquire pairs with the Release in `get_or_init`.
        let extras = self.0.load(Ordering::Acquire);
        // SAFETY: what was put here stays until the whole is dropped.
        unsafe { extras.as_ref() }
    }

    /// Returns the extras, and makes them if there are none. Any thread that holds the cell may
    /// call this.
    #[inline]
    pub(super) fn get_or_init(&self) -> &Extras {
        self.get().unwrap_or_else(|| self.init())
    }

    /// Makes extras without terms and publishes them. If another thread was faster, its extras are
    /// returned and the ones made here are freed.
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

/// Runs as the cell is freed, when no thread can make extras any more.
impl Drop for Lazy {
    fn drop(&mut self) {
        if let Some(extras) = NonNull::new(*self.0.get_mut()) {
            // SAFETY: they were this one's, which nobody uses any more.
            unsafe { Extras::free(extras) }
        }
    }
}

impl Extras {
    /// Makes extras with one holder: the cell's two ends.
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

    /// Drops the extras and returns their memory.
    ///
    /// # Safety
    /// They come from `allocate`, and nobody uses them any more.
    #[inline]
    unsafe fn free(extras: NonNull<Self>) {
        /// Returns the memory of extras on drop, also where the drop of the extras panics.
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
