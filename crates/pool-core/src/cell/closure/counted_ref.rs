//! `CellRef`: a counted reference to a closure's cell, for those that are neither its entry nor its
//! handle: the token and the clock, which hold it as a waker, abort handles, and futures that await
//! the job.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::{JobCell, free_by_holder, refuse_start};
use crate::cell::raw_handle::{Abort, Outlet};
use crate::cell::unstarted::Tells;
use crate::job::Job;
use crate::job::cancel_token::ListedWaker;
use crate::job::id::JobId;
use crate::sys::sync::Ordering;
use crate::worker::{Awaited, Helped, Worker};

/// A counted reference, which keeps a cell alive.
///
/// As a waker, it is called by the job's token and by the pool's clock. It then ends the job if its
/// terms say so and it has not started; it does not wake the handle by itself. As an [`Abort`] it
/// is what an abort handle holds, and as an [`Awaited`] it stands in the list of jobs that a helper
/// makes progress on.
pub(super) struct CellRef<J: Job>(NonNull<JobCell<J>>);

// SAFETY: an owning pointer to a cell, which is `Send` and `Sync`.
unsafe impl<J: Job> Send for CellRef<J> {}
// SAFETY: as above.
unsafe impl<J: Job> Sync for CellRef<J> {}

impl<J: Job> CellRef<J> {
    /// Takes one more reference. The cell gets extras if it has none, since the count is in there.
    ///
    /// # Safety
    /// The caller holds the cell: as its entry, its handle, or another reference.
    pub(super) unsafe fn new(cell: NonNull<JobCell<J>>) -> Self {
        // SAFETY: the caller holds it.
        let extras = unsafe { cell.as_ref() };
        let extras = extras.extras.get_or_init();
        // ORDERING: Relaxed, as in `Arc`: the caller's own hold is counted.
        extras.holders.fetch_add(1, Ordering::Relaxed);
        Self(cell)
    }

    /// Returns a waker that looks at the job's terms, lent to the lists that call it: it has no
    /// count. Its clones have one each.
    ///
    /// # Safety
    /// The caller holds the cell. Before both ends of the cell have left, the side that starts the
    /// job, or takes it out of its pool, takes the waker out of the list. It holds the cell at that
    /// moment.
    #[inline]
    pub(super) unsafe fn lent(cell: NonNull<JobCell<J>>) -> ListedWaker {
        let data = cell.as_ptr().cast_const().cast();
        // SAFETY: the functions of the table take the pointer for a counted reference, and only
        // `clone` and `wake_by_ref` are called on one that is lent, which give no count up.
        let waker = unsafe { Waker::from_raw(RawWaker::new(data, Self::TABLE)) };
        // SAFETY: the caller's promise. A clone adds to a count.
        unsafe { ListedWaker::lent(ManuallyDrop::new(waker)) }
    }

    /// Returns the cell, which this reference keeps alive.
    fn cell(&self) -> &JobCell<J> {
        // SAFETY: it is held.
        unsafe { self.0.as_ref() }
    }

    /// Ends the job if its token was cancelled or its deadline has passed, and it has not started.
    /// Called by the token's canceller or the clock, on their thread.
    fn look_at_terms(&self) {
        let cell = self.cell();
        if cell.state.is_started() {
            return;
        }
        if let Some(interrupted) = refuse_start(cell.terms()) {
            cell.end_unstarted(interrupted.into(), Tells::Observer);
        }
    }

    /// Clone, wake, wake by reference and drop of a waker whose data pointer is a counted
    /// reference; or one that is lent, of which only clones are woken and dropped.
    const TABLE: &'static RawWakerVTable = &RawWakerVTable::new(
        |data| {
            // SAFETY: `data` is a counted reference, which stays with the waker that is cloned.
            let this = ManuallyDrop::new(unsafe { Self::from_data(data) });
            let data = ManuallyDrop::new(Self::clone(&this)).0.as_ptr();
            RawWaker::new(data.cast_const().cast(), Self::TABLE)
        },
        // SAFETY: the waker gives its reference up.
        |data| unsafe { Self::from_data(data) }.look_at_terms(),
        // SAFETY: the reference stays with the waker.
        |data| ManuallyDrop::new(unsafe { Self::from_data(data) }).look_at_terms(),
        // SAFETY: the waker gives its reference up.
        |data| drop(unsafe { Self::from_data(data) }),
    );

    /// Makes the reference of a waker's data pointer.
    ///
    /// # Safety
    /// `data` is that of a waker with this table, and its count is the caller's, or not given up.
    unsafe fn from_data(data: *const ()) -> Self {
        // SAFETY: the caller's promise; an address of a cell is not null.
        Self(unsafe { NonNull::new_unchecked(data.cast_mut().cast()) })
    }
}

impl<J: Job> Clone for CellRef<J> {
    fn clone(&self) -> Self {
        // SAFETY: this one holds it.
        unsafe { Self::new(self.0) }
    }
}

/// Gives the count up. The cell is freed here if this was the last hold on it.
impl<J: Job> Drop for CellRef<J> {
    fn drop(&mut self) {
        // SAFETY: this reference's count is given up, and the cell is not touched after it.
        unsafe { free_by_holder(self.0) }
    }
}

/// The job as an abort handle sees it.
impl<J: Job> Abort for CellRef<J> {
    fn id(&self) -> JobId {
        self.cell().id
    }

    /// Returns whether the outcome is published.
    fn is_ended(&self) -> bool {
        self.cell().state.is_ended()
    }

    /// Cancels the job as its own handle does.
    fn cancel(&self) {
        Outlet::cancel(self.cell());
    }
}

/// The job as one that others await, on the side of a helper.
impl<J: Job> Awaited for CellRef<J> {
    fn id(&self) -> JobId {
        self.cell().id
    }

    /// Returns whether the job has started, for a helper that is the end: it can do nothing about a
    /// closure that runs.
    fn is_ended(&self) -> bool {
        self.cell().state.is_started()
    }

    /// Runs the closure on the helper's worker, if it is still queued in that worker's pool. The
    /// waker is not needed: the end of a closure that runs elsewhere wakes its handle.
    fn help(self: Arc<Self>, worker: &Worker, _waker: &Waker) -> Helped {
        let cell = self.cell();
        if cell.state.is_started() {
            return Helped::Over;
        }
        if cell.run_helped(worker) {
            Helped::Polled
        } else {
            Helped::NotDue
        }
    }

    /// Returns true: the cell holds no helper's waker, and once the job runs it needs no help.
    fn is_awaited_by(&self, _id: JobId) -> bool {
        true
    }

    /// Returns nothing: a closure's waits are on its own stack.
    fn awaits(&self) -> Vec<Arc<dyn Awaited>> {
        Vec::new()
    }

    /// Returns nothing: no waker was left here.
    fn leave_helper(&self) -> Vec<Arc<dyn Awaited>> {
        Vec::new()
    }
}
