//! The end of a cell: what its last user does with it.

use std::ptr::NonNull;

use super::{JobCell, Stage};
use crate::job::Job;
use crate::outcome::drop_contained;
use crate::slab;

/// Frees a cell, and what is left in it, whose drop may panic.
///
/// # Safety
/// Both ends have left.
pub(super) unsafe fn free<J: Job>(cell: NonNull<JobCell<J>>) {
    // SAFETY: `allocate` filled it; nobody else has it any more.
    unsafe {
        let spot = cell.as_ref().spot;
        if !cell.as_ref().is_bare() {
            drop_contained(Remains(cell));
        }
        slab::free(cell, spot);
    }
}

/// A cell that nobody uses any more, dropped where it is.
struct Remains<J: Job>(NonNull<JobCell<J>>);

impl<J: Job> Drop for Remains<J> {
    fn drop(&mut self) {
        // SAFETY: `free` makes one of a whole cell, and does not touch the cell's parts after it.
        unsafe { self.0.drop_in_place() }
    }
}

/// [`free`], for one who does not know the job's type.
///
/// # Safety
/// `cell` is the address of a `JobCell<J>`; both ends have left.
pub(super) unsafe fn free_erased<J: Job>(cell: NonNull<()>) {
    // SAFETY: the caller's promise.
    unsafe { free(cell.cast::<JobCell<J>>()) }
}

/// See [`Outlet::release`](crate::ticket::Outlet::release).
///
/// # Safety
/// `cell` is the address of a `JobCell<J>`, whose handle's end is the caller's to give up.
pub(super) unsafe fn release<J: Job>(cell: NonNull<()>) {
    let cell = cell.cast::<JobCell<J>>();
    // SAFETY: the cell lives, by the caller's promise, up to this end's leave.
    let state = unsafe {
        let cell = cell.as_ref();
        if cell.state.is_ended() {
            // An outcome that nobody took is the handle's to drop, and not to be kept until the entry is popped.
            drop_contained(cell.replace(Stage::Empty));
        }
        &cell.state
    };
    if state.handle_leaves() {
        // SAFETY: the entry has left too.
        unsafe { free(cell) }
    }
}

impl<J: Job> JobCell<J> {
    /// Whether there is nothing in the cell to be dropped, as after most jobs.
    ///
    /// # Safety
    /// Both ends have left.
    #[inline]
    unsafe fn is_bare(&self) -> bool {
        // SAFETY: nobody else is left to touch the stage.
        let is_empty = |stage: *const Stage<J>| unsafe { matches!(*stage, Stage::Empty) };
        // SAFETY: the caller's promise.
        let has_no_waker = unsafe { self.waiter.is_empty() };
        self.stage.with(is_empty) && has_no_waker && self.extras.get().is_none()
    }
}
