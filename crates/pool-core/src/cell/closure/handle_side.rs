//! The cell of a closure as its handle and its context see it.

use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::end::{leave_claimed, leave_taken, release};
use super::{CellRef, JobCell};
use crate::cell::raw_handle::{Abort, Joined, Outlet, Release, Resolution};
use crate::cell::unstarted::Tells;
use crate::job::Job;
use crate::job::cancel_token::CancelToken;
use crate::job::context::{Cancellation, OwnToken};
use crate::job::id::JobId;
use crate::job::outcome::{Outcome, drop_contained, outcome_of};
use crate::sys::sync::Ordering;
use crate::worker::Worker;

impl<J: Job> Outlet<J::Output, J::Error> for JobCell<J> {
    fn id(&self) -> JobId {
        self.id
    }

    fn is_ended(&self) -> bool {
        self.state.is_ended()
    }

    fn poll_outcome(&self, cx: &mut Context<'_>) -> Poll<Resolution<J::Output, J::Error>> {
        // SAFETY: by the trait's rule, the handle calls this, and nobody else at once.
        ready!(unsafe { self.waiter.poll_end(&self.state, cx) });
        let outcome = self.state.outcome().expect("the job has ended");
        Poll::Ready(self.take_resolution(outcome))
    }

    fn take_ended(&self) -> Option<Joined<J::Output, J::Error>> {
        let resolution = self.take_resolution(self.state.outcome()?);
        let leave = leave_taken::<J>;
        Some(Joined { resolution, leave })
    }

    fn cancel(&self) {
        self.state.request_cancel();
        OwnToken::cancel(|| self.extras.get().map(|extras| &extras.token));
        self.end_unstarted(Outcome::Cancelled, Tells::Nobody);
    }

    fn join_on(&self, worker: &Worker) -> Option<Joined<J::Output, J::Error>> {
        let resolution = self.run_claimed(worker)?;
        let leave = leave_claimed::<J>;
        Some(Joined { resolution, leave })
    }

    fn await_on(&self, worker: &Worker, _cx: &mut Context<'_>) {
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

    fn abort(&self) -> Arc<dyn Abort> {
        // SAFETY: the handle's end is the caller's, so the cell is alive.
        Arc::new(unsafe { CellRef::new(NonNull::from(self)) })
    }

    fn release(&self) -> Release {
        release::<J>
    }
}

impl<J: Job> Cancellation for JobCell<J> {
    fn is_requested(&self) -> bool {
        self.state.is_cancel_requested()
    }

    fn token(&self) -> Option<CancelToken> {
        let holders = self.extras.get().map(|extras| &extras.holders);
        // ORDERING: Acquire pairs with the last reference's end: what it asked for is seen below.
        let is_unreachable = self.state.is_detached()
            && holders.is_none_or(|holders| holders.load(Ordering::Acquire) == 1)
            && !self.state.is_cancel_requested();
        if is_unreachable {
            return None;
        }
        let extras = self.extras.get_or_init();
        Some(extras.token.get(extras.terms.as_ref(), &self.state))
    }
}
