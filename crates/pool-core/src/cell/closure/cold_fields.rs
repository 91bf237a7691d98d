//! `Extras`: the fields of a closure's cell that few jobs need. They are kept apart, so that the
//! cells of most jobs are small: what a cell takes is memory that is new to a core, twice.
//!
//! A cell points to its extras through [`Lazy`]. They are made with the cell if the job has terms,
//! in the same place of a slab, and otherwise by the first thread that needs a token or a counted
//! reference. They are never removed before the cell is freed.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::job::Terms;
use crate::job::context::OwnToken;
use crate::sys::sync::AtomicUsize;
use crate::task::slab::{self, Spot};

/// The cold fields of one cell.
pub(super) struct Extras {
    /// The job's options. Written when the cell is made, so extras that come later
    /// have none.
    pub(super) terms: Option<Terms>,
    /// The token that the job's children inherit, made when the first child asks for it.
    pub(super) token: OwnToken,
    /// How many hold the cell: its two ends together count as one, and each
    /// [`CellRef`](super::CellRef) as one. The holder that takes it to zero frees the cell.
    pub(super) holders: AtomicUsize,
    /// Whose memory they lie in.
    home: Home,
}

/// Where the extras of a cell lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// In a place of their own, which is given back with them.
    Own(Spot),
    /// In that of their cell.
    Cell,
}

/// The extras of a cell, made when they are first needed; null before that.
///
/// In memory from a slab, like the cell: each child of a job with a handle has extras.
pub(super) struct Lazy(AtomicPtr<Extras>);

impl Lazy {
    /// Returns a place without extras.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Returns a place with these extras, which become its own.
    #[inline(always)]
    pub(super) fn with(extras: NonNull<Extras>) -> Self {
        Self(AtomicPtr::new(extras.as_ptr()))
    }

    /// Whether the extras lie in the memory of their cell.
    #[inline]
    pub(super) fn are_in_cell(&self) -> bool {
        self.get().is_some_and(|extras| extras.home == Home::Cell)
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
        let own = Extras::allocate();
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
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(extras) = NonNull::new(*self.0.get_mut()) {
            // SAFETY: they were this one's, which nobody uses any more.
            unsafe { Extras::free(extras) }
        }
    }
}

impl Extras {
    /// Makes extras in a place with one holder: the cell's two ends.
    ///
    /// # Safety
    /// The place is the caller's, and nothing is in it.
    #[inline(always)]
    pub(super) unsafe fn write(place: NonNull<Self>, terms: Option<Terms>, home: Home) {
        let extras = Self {
            terms,
            token: OwnToken::default(),
            holders: AtomicUsize::new(1),
            home,
        };
        // SAFETY: the caller's promise.
        unsafe { place.write(extras) };
    }

    /// Makes extras without terms in a place of their own.
    fn allocate() -> NonNull<Self> {
        let (place, spot) = slab::allocate::<Self>();
        // SAFETY: the place is new.
        unsafe { Self::write(place, None, Home::Own(spot)) };
        place
    }

    /// Drops the extras, and returns their memory if it is their own. Nothing in them is user code:
    /// the side that ended the job has taken its values out.
    ///
    /// # Safety
    /// They come from `allocate` or `write`, and nobody uses them any more.
    #[inline(always)]
    unsafe fn free(extras: NonNull<Self>) {
        // SAFETY: the caller's promise.
        unsafe {
            let home = extras.as_ref().home;
            extras.drop_in_place();
            if let Home::Own(spot) = home {
                slab::free(extras, spot);
            }
        }
    }
}
