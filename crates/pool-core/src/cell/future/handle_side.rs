//! The cell of a future as its handle and its own context see it.
//!
//! A join or an await on a worker of the job's own pool does not only wait: it helps
//! (`worker::help`), since that worker may be the only one that could poll the future.

use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use super::{AsyncCell, Content};
use crate::cell::drop_depth::drop_untaken;
use crate::cell::future::source::Source;
use crate::cell::raw_handle::{Abort, Joined, Outlet, RawHandle, Release};
use crate::cell::unstarted::Tells;
use crate::job::Terms;
use crate::job::cancel_token::CancelToken;
use crate::job::context::{AsyncView, Cancellation, OwnToken};
use crate::job::id::JobId;
use crate::job::outcome::{
    Interrupted, Outcome, Resolution, drop_contained, error_without_value, wake_contained,
};
use crate::sys::sync::{LockExt, Ordering};
use crate::worker::Worker;
use crate::worker::park::Parker;

impl<S: Source> AsyncCell<S> {
    /// Converts a reference to the cell into the handle's end.
    pub(crate) fn raw_handle(self: Arc<Self>) -> RawHandle<S::Output, S::Error> {
        let cell = Arc::into_raw(self).cast_mut();
        // SAFETY: an `Arc`'s pointer is not null; the cell lives until `release` takes the
        // reference back that is counted here.
        unsafe { RawHandle::new(NonNull::new_unchecked(cell)) }
    }

    /// Returns what the handle resolves to. The caller has the handle's end, and the job has ended
    /// with `outcome`. A value or an error is moved out of the cell, so this is called once.
    fn take_resolution(&self, outcome: Outcome) -> Resolution<S::Output, S::Error> {
        if let Some(error) = error_without_value(outcome) {
            return Err(error);
        }
        match self.replace(Content::Empty) {
            Content::Ended(resolution) => resolution,
            _ => unreachable!("the outcome is taken once"),
        }
    }

    /// Makes the handle go: takes its waker back and forgets it as a helper. Returns true if the
    /// job has ended: then a value that nobody took is the caller's to drop.
    #[inline]
    fn detach(&self) -> bool {
        // SAFETY: the handle's end is the caller's, so nobody polls it.
        if let Some(waker) = unsafe { self.waiter.take_back(&self.state) } {
            drop_contained(waker);
        }
        self.forget_helper();
        self.state.detach()
    }

    /// Notes that future `id` polls the handle, or with `None` that something other than a future
    /// does. Called by the handle's side, before it waits.
    pub(super) fn note_awaiter(&self, id: Option<JobId>) {
        // ORDERING: Relaxed: a helper of a future reads this after it took the note of what that
        // awaits from under a lock, where the future's poll left it after this.
        let id = id.map_or(0, JobId::as_u64);
        self.awaiter.store(id, Ordering::Relaxed);
    }

    /// Returns whether the job is accounted for by the worker's pool.
    fn is_of_pool(&self, worker: &Worker) -> bool {
        self.state.pool() == Some(worker.life().id)
    }
}

/// The handle's view. The outcome is taken at most once, and the handle's end is given up with it.
impl<S: Source> Outlet<S::Output, S::Error> for AsyncCell<S> {
    fn id(&self) -> JobId {
        self.id
    }

    /// Returns whether the outcome may be taken.
    fn is_ended(&self) -> bool {
        self.state.is_ended()
    }

    /// Returns the outcome once the job has ended, and takes it out of the cell. Before that it
    /// keeps the waker of `cx`, which the side that ends the job calls once.
    fn poll_outcome(&self, cx: &mut Context<'_>) -> Poll<Resolution<S::Output, S::Error>> {
        // SAFETY: by the trait's rule, the handle calls this, and nobody else at once.
        ready!(unsafe { self.waiter.poll_end(&self.state, cx) });
        let outcome = self.state.outcome().expect("the job has ended");
        Poll::Ready(self.take_resolution(outcome))
    }

    /// Takes the outcome of a job that has ended. The handle then leaves by [`leave`].
    fn take_ended(&self) -> Option<Joined<S::Output, S::Error>> {
        let resolution = self.take_resolution(self.state.outcome()?);
        let leave = leave::<S>;
        Some(Joined { resolution, leave })
    }

    /// Asks the job to stop and cancels the token of its children. A job that is still queued ends
    /// here, on the calling thread. One that is suspended is woken, and its next poll ends it.
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

    /// Helps on the joining worker until the future is over, and parks while there is nothing to
    /// help with. Always returns `None`: the caller then takes the outcome as of any job that has
    /// ended. Returns at once if the job is of another pool, or the worker may not run others in
    /// place.
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

    /// Makes progress within a poll of the handle, on a worker of the job's own pool.
    ///
    /// The future that is being polled here, if there is one, notes that it awaits this job. If its
    /// suspension keeps its worker, this job is helped at once; if a runtime hosts it, it notes
    /// that it waits for its own pool.
    fn await_on(&self, worker: &Worker, waker: &Waker) {
        if !self.is_of_pool(worker) || self.state.is_ended() {
            return;
        }
        let awaiter = worker.note_awaited(|| self.shared());
        self.note_awaiter(awaiter);
        if !worker.may_claim() {
            worker.awaits_own_pool();
        } else if worker.keeps_place() {
            worker.help_once(self.shared(), waker);
        }
    }

    /// Returns a reference to the cell, and notes that there is one.
    fn abort(&self) -> Arc<dyn Abort> {
        self.has_abort.store(true, Ordering::Relaxed);
        self.shared()
    }

    /// Returns the way in which the handle's end of a future's cell is given up.
    fn release(&self) -> Release {
        release::<S>
    }
}

/// The view of an abort handle.
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
/// `cell` is the address of an `AsyncCell<S>`, and comes with the reference that
/// [`AsyncCell::raw_handle`] counted.
unsafe fn release<S: Source>(cell: NonNull<()>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { Arc::from_raw(cell.cast::<AsyncCell<S>>().as_ptr()) };
    let has_value = |outcome: Outcome| error_without_value::<()>(outcome).is_none();
    if cell.detach() && cell.state.outcome().is_some_and(has_value) {
        drop_untaken(cell.replace(Content::Empty));
    }
}

/// The view of the job's own context.
impl<S: Source> Cancellation for AsyncCell<S> {
    /// Returns whether a handle or an abort handle of this job asked it to stop.
    fn is_requested(&self) -> bool {
        self.state.is_cancel_requested()
    }

    /// Returns the token that children of this job inherit, and makes it if need be. Returns `None`
    /// if nobody can cancel this job alone: the handle has gone, there never was an abort handle,
    /// and no cancel was requested.
    fn token(&self) -> Option<CancelToken> {
        let is_unreachable = self.state.is_detached()
            && !self.has_abort.load(Ordering::Relaxed)
            && !self.state.is_cancel_requested();
        (!is_unreachable).then(|| self.token.get(self.terms.as_deref(), &self.state))
    }
}

/// What the job's context reads and writes while the job is polled.
impl<S: Source> AsyncView for AsyncCell<S> {
    fn id(&self) -> JobId {
        self.id
    }

    /// Returns the token, the deadline and the name that the job was submitted with.
    fn terms(&self) -> Option<&Terms> {
        self.terms.as_deref()
    }

    /// Notes that the context has told the job to stop. It decides the outcome if the job then
    /// returns an error.
    fn report(&self, interrupted: Interrupted) {
        *self.reported.lock_unpoisoned() = Some(interrupted);
    }
}
