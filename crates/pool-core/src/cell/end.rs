//! The end of a cell: what its last user does with it.

use std::ptr::NonNull;

use super::{JobCell, Stage};
use crate::job::Job;
use crate::outcome::{Outcome, drop_contained};
use crate::slab;
use crate::state::ClaimedEnd;

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

/// See [`Outlet::release`](crate::ticket::Outlet::release).
///
/// # Safety
/// `cell` is the address of a `JobCell<J>`, whose handle's end is the caller's to give up.
pub(super) unsafe fn release<J: Job>(cell: NonNull<()>) {
    let place = cell.cast::<JobCell<J>>();
    // SAFETY: the cell lives, by the caller's promise, up to this end's leave.
    let whole = unsafe { place.as_ref() };
    if whole.state.is_ended() {
        // An outcome that nobody took is the handle's to drop, and not to be kept until the entry is popped.
        drop_contained(whole.replace(Stage::Empty));
    }
    // SAFETY: the caller's promise.
    unsafe { leave::<J>(place) }
}

/// The handle's last touch.
///
/// # Safety
/// The handle's end is the caller's to give up, and holds no outcome.
#[inline]
unsafe fn leave<J: Job>(cell: NonNull<JobCell<J>>) {
    // SAFETY: the cell lives, by the caller's promise, up to this end's leave.
    let state = unsafe { &cell.as_ref().state };
    if state.handle_leaves() {
        // SAFETY: the entry has left too.
        unsafe { free(cell) }
    }
}

/// Gives up the handle's end after its outcome was taken.
///
/// # Safety
/// As for [`release`].
pub(super) unsafe fn leave_taken<J: Job>(cell: NonNull<()>, _outcome: Outcome) {
    // SAFETY: the caller's promise.
    unsafe { leave::<J>(cell.cast()) }
}

/// Ends a job that the handle's side has claimed and run, and gives up the handle's end.
///
/// # Safety
/// As for [`release`].
pub(super) unsafe fn leave_claimed<J: Job>(cell: NonNull<()>, outcome: Outcome) {
    let place = cell.cast::<JobCell<J>>();
    // SAFETY: as in `leave`.
    let state = unsafe { &place.as_ref().state };
    match state.end_claimed_and_leave(outcome) {
        ClaimedEnd::Left => {}
        // SAFETY: the entry had left.
        ClaimedEnd::Alone => unsafe { free(place) },
        ClaimedEnd::Popped => {
            // SAFETY: this end has not left.
            unsafe { place.as_ref().come_home(outcome) };
            // SAFETY: the caller's promise.
            unsafe { release::<J>(cell) }
        }
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
