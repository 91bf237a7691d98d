//! The cell of a closure as its handle and its context see it.
//!
//! The handle side reaches the cell through a `RawHandle`, which calls the methods of [`Outlet`]. A
//! thread that joins on a worker of the job's own pool runs a queued closure itself instead of
//! waiting for another worker.
//!
//! Two of the ways out leave in one step with something else: `leave_taken` after the outcome of a
//! job that has ended, and `leave_claimed` after a job that the joiner has run itself. Each gives
//! the handle's end up, and the cell may be gone after it.

use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use super::end::{leave_claimed, leave_taken, release};
use super::{CellRef, JobCell};
use crate::cell::raw_handle::{Abort, Joined, Outlet, Release};
use crate::cell::unstarted::Tells;
use crate::job::Job;
use crate::job::cancel_token::CancelToken;
use crate::job::context::{Cancellation, OwnToken};
use crate::job::id::JobId;
use crate::job::outcome::{Outcome, Resolution, drop_contained, outcome_of};
use crate::worker::Worker;

/// The handle's view. The outcome is taken at most once, and the handle's end is given up together
/// with it.
impl<J: Job> Outlet<J::Output, J::Error> for JobCell<J> {
    fn id(&self) -> JobId {
        self.id
    }

    /// Returns whether the outcome may be taken. The entry may still be in a queue then.
    fn is_ended(&self) -> bool {
        self.state.is_ended()
    }

    /// Returns the outcome once the job has ended, and takes it out of the cell. Before that it
    /// keeps the waker of `cx`, which the thread that ends the job calls once.
    fn poll_outcome(&self, cx: &mut Context<'_>) -> Poll<Resolution<J::Output, J::Error>> {
        // SAFETY: by the trait's rule, the handle calls this, and nobody else at once.
        ready!(unsafe { self.waiter.poll_end(&self.state, cx) });
        let outcome = self.state.outcome().expect("the job has ended");
        Poll::Ready(self.take_resolution(outcome))
    }

    /// Takes the outcome of a job that has ended. The handle then leaves by `leave_taken`.
    fn take_ended(&self) -> Option<Joined<J::Output, J::Error>> {
        let resolution = self.take_resolution(self.state.outcome()?);
        let leave = leave_taken::<J>;
        Some(Joined { resolution, leave })
    }

    /// Asks the job to stop and cancels the token of its children. A job that is still queued ends
    /// here, on the calling thread, as `Cancelled`; the failure observer is not told.
    fn cancel(&self) {
        self.state.request_cancel();
        OwnToken::cancel(|| self.extras.get().map(|extras| &extras.token));
        self.end_unstarted(Outcome::Cancelled, Tells::Nobody);
    }

    /// Claims and runs the closure on the joining worker. Returns `None` if it has started, is of
    /// another pool, or may not run here: then the caller waits for its end.
    fn join_on(&self, worker: &Worker) -> Option<Joined<J::Output, J::Error>> {
        let resolution = self.run_claimed(worker)?;
        let leave = leave_claimed::<J>;
        Some(Joined { resolution, leave })
    }

    /// Makes progress within a poll of the handle, on a worker of the job's own pool.
    ///
    /// A closure that the worker may run in place is claimed, run, and ended here. A future that is
    /// being polled instead, and whose suspension frees its worker, only notes that it awaits this
    /// job, so that a helper finds it. A future that a runtime hosts notes in addition that it
    /// waits for its own pool, and so gives its slot away when it suspends.
    fn await_on(&self, worker: &Worker, _waker: &Waker) {
        if self.state.pool() != Some(worker.life().id) {
            return;
        }
        if !worker.may_claim() || !worker.keeps_place() {
            if !self.state.is_started() {
                // SAFETY: the handle's end is the caller's, so the cell is alive.
                let note = || Arc::new(unsafe { CellRef::new(NonNull::from(self)) }) as Arc<_>;
                let _awaiter = worker.note_awaited(note);
            }
            if !worker.may_claim() {
                worker.awaits_own_pool();
            }
            return;
        }
        let Some(resolution) = self.run_claimed(worker) else {
            return;
        };
        let outcome = outcome_of(&resolution);
        self.store(resolution);
        if self.state.end(outcome).has_waiter {
            // SAFETY: this is the end, and it says so. The handle is being polled: it needs no
            // wake.
            drop_contained(unsafe { self.waiter.take() });
        }
    }

    /// Returns a counted reference, which gives the cell extras.
    fn abort(&self) -> Arc<dyn Abort> {
        // SAFETY: the handle's end is the caller's, so the cell is alive.
        Arc::new(unsafe { CellRef::new(NonNull::from(self)) })
    }

    /// Returns the way in which the handle's end of a closure's cell is given up.
    fn release(&self) -> Release {
        release::<J>
    }
}

/// The view of the job's own context while the job runs.
impl<J: Job> Cancellation for JobCell<J> {
    /// Returns whether a handle or an abort handle of this job asked it to stop.
    fn is_requested(&self) -> bool {
        self.state.is_cancel_requested()
    }

    /// Returns the token that children of this job inherit, and makes it if need be. Returns `None`
    /// once nobody can cancel this job alone: the handle has gone, no counted reference is left,
    /// and no cancel was requested.
    #[inline(always)]
    fn token(&self) -> Option<CancelToken> {
        if self.is_the_entrys_alone() && !self.state.is_cancel_requested() {
            return None;
        }
        let extras = self.extras.get_or_init();
        Some(extras.token.get(extras.terms.as_ref(), &self.state))
    }
}
