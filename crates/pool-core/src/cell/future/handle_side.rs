//! The cell of a future as its handle and its own context see it.

use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, ready};

use super::{AsyncCell, Stage};
use crate::cell::closure::error_without_value;
use crate::cell::drop_depth::drop_untaken;
use crate::cell::future::source::Source;
use crate::cell::raw_handle::{Abort, Joined, Outlet, RawHandle, Release, Resolution};
use crate::cell::unstarted::Tells;
use crate::job::Terms;
use crate::job::cancel_token::CancelToken;
use crate::job::context::{AsyncView, Cancellation, OwnToken};
use crate::job::id::JobId;
use crate::job::outcome::{Interrupted, Outcome, drop_contained, wake_contained};
use crate::sys::sync::{LockExt, Ordering};
use crate::worker::Worker;
use crate::worker::park::Parker;

impl<S: Source> AsyncCell<S> {
    /// The handle's end.
    pub(crate) fn raw_handle(self: Arc<Self>) -> RawHandle<S::Output, S::Error> {
        let cell = Arc::into_raw(self).cast_mut();
        // SAFETY: an `Arc`'s pointer is not null; the cell lives until `release` takes the
        // reference back that is counted here.
        unsafe { RawHandle::new(NonNull::new_unchecked(cell)) }
    }

    /// The caller has the handle's end, and the job has ended so.
    fn take_resolution(&self, outcome: Outcome) -> Resolution<S::Output, S::Error> {
        if let Some(error) = error_without_value(outcome) {
            return Err(error);
        }
        match self.replace(Stage::Empty) {
            Stage::Ended(resolution) => resolution,
            _ => unreachable!("the outcome is taken once"),
        }
    }

    /// The handle has gone. True: the job has ended, and an outcome that nobody took is the
    /// caller's to drop.
    #[inline]
    fn detach(&self) -> bool {
        // SAFETY: the handle's end is the caller's, so nobody polls it.
        if let Some(waker) = unsafe { self.waiter.take_back(&self.state) } {
            drop_contained(waker);
        }
        self.forget_helper();
        self.state.detach()
    }

    /// This future polls the handle, or a job that is none does.
    pub(super) fn note_awaiter(&self, id: Option<JobId>) {
        // ORDERING: Relaxed: who helps a future reads this after it took the note of what that
        // awaits from under a lock, where the future's poll left it after this.
        let id = id.map_or(0, JobId::as_u64);
        self.awaiter.store(id, Ordering::Relaxed);
    }

    /// Whether the job is one of the worker's pool.
    fn is_of_pool(&self, worker: &Worker) -> bool {
        self.state.pool() == Some(worker.life().id)
    }
}

impl<S: Source> Outlet<S::Output, S::Error> for AsyncCell<S> {
    fn id(&self) -> JobId {
        self.id
    }

    fn is_ended(&self) -> bool {
        self.state.is_ended()
    }

    fn poll_outcome(&self, cx: &mut Context<'_>) -> Poll<Resolution<S::Output, S::Error>> {
        // SAFETY: by the trait's rule, the handle calls this, and nobody else at once.
        ready!(unsafe { self.waiter.poll_end(&self.state, cx) });
        let outcome = self.state.outcome().expect("the job has ended");
        Poll::Ready(self.take_resolution(outcome))
    }

    fn take_ended(&self) -> Option<Joined<S::Output, S::Error>> {
        let resolution = self.take_resolution(self.state.outcome()?);
        let leave = leave::<S>;
        Some(Joined { resolution, leave })
    }

    fn cancel(&self) {
        self.state.request_cancel();
        OwnToken::cancel(|| Some(&self.token));
        if self.end_unstarted(Outcome::Cancelled, Tells::Nobody) {
            return;
        }
        // Suspended: its next poll ends it.
        let host = self.links.lock_unpoisoned().host.clone();
        if let Some(host) = host {
            wake_contained(host);
        }
        Wake::wake_by_ref(&self.shared());
    }

    fn join_on(&self, worker: &Worker) -> Option<Joined<S::Output, S::Error>> {
        if !self.is_of_pool(worker) || !worker.may_claim() {
            return None;
        }
        self.note_awaiter(None);
        let parker = Parker::new();
        let waker = parker.waker();
        let is_over = || {
            let mut cx = Context::from_waker(&waker);
            // SAFETY: the handle joins, so it does not poll meanwhile.
            unsafe { self.waiter.poll_end(&self.state, &mut cx) }.is_ready()
        };
        worker.help_until(self.shared(), &waker, is_over, || {
            let _woken = parker.park(None);
        });
        None
    }

    fn await_on(&self, worker: &Worker, cx: &mut Context<'_>) {
        if !self.is_of_pool(worker) || self.state.is_ended() {
            return;
        }
        let awaiter = worker.note_awaited(|| self.shared());
        self.note_awaiter(awaiter);
        if !worker.may_claim() {
            worker.awaits_own_pool();
        } else if worker.keeps_place() {
            worker.help_once(self.shared(), cx.waker());
        }
    }

    fn abort(&self) -> Arc<dyn Abort> {
        self.has_abort.store(true, Ordering::Relaxed);
        self.shared()
    }

    fn release(&self) -> Release {
        release::<S>
    }
}

impl<S: Source> Abort for AsyncCell<S> {
    fn id(&self) -> JobId {
        self.id
    }

    fn is_ended(&self) -> bool {
        self.state.is_ended()
    }

    fn cancel(&self) {
        Outlet::cancel(self);
    }
}

/// [`release`], after the outcome was taken.
///
/// # Safety
/// As for `release`.
unsafe fn leave<S: Source>(cell: NonNull<()>, _outcome: Outcome) {
    // SAFETY: the caller's promise.
    let cell = unsafe { Arc::from_raw(cell.cast::<AsyncCell<S>>().as_ptr()) };
    cell.detach();
}

/// See [`Outlet::release`].
///
/// # Safety
/// `cell` is the address of an `AsyncCell<S>`, and comes with the reference that [`AsyncCell::raw`]
/// counted.
unsafe fn release<S: Source>(cell: NonNull<()>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { Arc::from_raw(cell.cast::<AsyncCell<S>>().as_ptr()) };
    let has_value = |outcome: Outcome| error_without_value::<()>(outcome).is_none();
    if cell.detach() && cell.state.outcome().is_some_and(has_value) {
        drop_untaken(cell.replace(Stage::Empty));
    }
}

impl<S: Source> Cancellation for AsyncCell<S> {
    fn is_requested(&self) -> bool {
        self.state.is_cancel_requested()
    }

    fn token(&self) -> Option<CancelToken> {
        let is_unreachable = self.state.is_detached()
            && !self.has_abort.load(Ordering::Relaxed)
            && !self.state.is_cancel_requested();
        (!is_unreachable).then(|| self.token.get(self.terms.as_deref(), &self.state))
    }
}

impl<S: Source> AsyncView for AsyncCell<S> {
    fn id(&self) -> JobId {
        self.id
    }

    fn terms(&self) -> Option<&Terms> {
        self.terms.as_deref()
    }

    fn report(&self, interrupted: Interrupted) {
        *self.reported.lock_unpoisoned() = Some(interrupted);
    }
}
