//! The end of a cell: what its last user does with it.
//!
//! A cell without extras is freed by the second of its two ends to leave. A cell with extras may be
//! held by more: there the two ends together are one holder, and the last holder frees the cell.
//! Freeing drops what is left in the cell, with panics contained, and returns the memory to its
//! slab.

use std::ptr::NonNull;

use super::{Content, JobCell, WithExtras};
use crate::cell::drop_depth::drop_untaken;
use crate::job::Job;
use crate::job::outcome::{Outcome, drop_contained, error_without_value};
use crate::sys::sync::{Ordering, fence};
use crate::task::slab;

/// Both ends have left: frees a cell that nobody else holds.
///
/// # Safety
/// The caller is the second of the two ends to leave, and does not touch the cell after this.
#[inline]
pub(super) unsafe fn free<J: Job>(cell: NonNull<JobCell<J>>) {
    // SAFETY: both ends together are counted as one holder.
    if unsafe { cell.as_ref() }.extras.get().is_none() {
        // SAFETY: nobody else can have the cell: references are counted in the extras.
        return unsafe { free_plain(cell) };
    }
    // SAFETY: as above; this is where the two give it up.
    unsafe { free_by_holder(cell) }
}

/// One of those that hold the cell gives it up: the last frees it.
///
/// # Safety
/// The hold is counted and the caller's, which does not touch the cell after this.
#[cold]
pub(super) unsafe fn free_by_holder<J: Job>(cell: NonNull<JobCell<J>>) {
    // SAFETY: the hold that is given up keeps the cell alive until the count says so.
    let extras = unsafe { cell.as_ref() }.extras.get();
    let holders = &extras.expect("holders are counted there").holders;
    // The last holder is alone: only a holder adds another, so it need not write the count.
    // ORDERING: Acquire pairs with the Release of all other holders.
    if holders.load(Ordering::Acquire) != 1 {
        // ORDERING: Release: what this holder did comes before the end of the cell.
        if holders.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // ORDERING: as above.
        fence(Ordering::Acquire);
    }
    // SAFETY: nobody holds it any more.
    unsafe { free_with_extras(cell) }
}

/// Frees a cell, and what is left in it, whose drop may panic.
///
/// # Safety
/// Nobody else holds the cell.
#[inline]
pub(super) unsafe fn free_alone<J: Job>(cell: NonNull<JobCell<J>>) {
    // SAFETY: `allocate` filled it; nobody else has it any more.
    unsafe {
        if cell.as_ref().extras.get().is_some() {
            free_with_extras(cell);
        } else {
            free_plain(cell);
        }
    }
}

/// [`free_alone`] for a cell without extras.
///
/// # Safety
/// As for that.
#[inline]
unsafe fn free_plain<J: Job>(cell: NonNull<JobCell<J>>) {
    // SAFETY: as in `free_alone`.
    unsafe {
        let spot = cell.as_ref().spot;
        if !cell.as_ref().is_bare() {
            drop_contained(Rest(cell));
        }
        slab::free(cell, spot);
    }
}

/// [`free_alone`] for a cell that has extras, which may lie in the same place.
///
/// # Safety
/// As for that.
#[inline(never)]
unsafe fn free_with_extras<J: Job>(cell: NonNull<JobCell<J>>) {
    // SAFETY: as in `free_alone`.
    unsafe {
        let spot = cell.as_ref().spot;
        let is_one_place = cell.as_ref().extras.are_in_cell();
        if cell.as_ref().is_bare() {
            // No user code is in the extras, and nothing in the other fields.
            (&raw mut (*cell.as_ptr()).extras).drop_in_place();
        } else {
            drop_contained(Rest(cell));
        }
        if is_one_place {
            slab::free(cell.cast::<WithExtras<J>>(), spot);
        } else {
            slab::free(cell, spot);
        }
    }
}

/// A cell that nobody uses any more, dropped where it is.
struct Rest<J: Job>(NonNull<JobCell<J>>);

impl<J: Job> Drop for Rest<J> {
    fn drop(&mut self) {
        // SAFETY: `free_alone` makes one of a whole cell, and does not touch the cell's parts after
        // it.
        unsafe { self.0.drop_in_place() }
    }
}

/// See [`Outlet::release`](crate::cell::raw_handle::Outlet::release).
///
/// # Safety
/// `cell` is the address of a `JobCell<J>`, whose handle's end is the caller's to give up.
pub(super) unsafe fn release<J: Job>(cell: NonNull<()>) {
    let place = cell.cast::<JobCell<J>>();
    // SAFETY: the cell lives, by the caller's promise, up to this end's leave.
    let whole = unsafe { place.as_ref() };
    // SAFETY: the handle's end is the caller's, so nobody polls it.
    if let Some(waker) = unsafe { whole.waiter.take_back(&whole.state) } {
        drop_contained(waker);
    }
    let outcome = whole.state.outcome();
    if outcome.is_some_and(|outcome| error_without_value::<()>(outcome).is_none()) {
        // A value that nobody took is the handle's to drop, and not to be kept until the entry is
        // dequeued.
        drop_untaken(whole.replace(Content::Empty));
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
    if state.end_claimed_and_leave(outcome) {
        // SAFETY: the entry had left.
        unsafe { free(place) }
    }
}

impl<J: Job> JobCell<J> {
    /// Whether there is nothing in the cell to be dropped but its extras, as after most jobs.
    ///
    /// # Safety
    /// Both ends have left.
    #[inline]
    unsafe fn is_bare(&self) -> bool {
        // SAFETY: nobody else is left to touch the stage.
        let is_empty = |stage: *const Content<J>| unsafe { matches!(*stage, Content::Empty) };
        // SAFETY: the caller's promise.
        let has_no_waker = unsafe { self.waiter.is_empty() };
        self.stage.with(is_empty) && has_no_waker
    }
}
