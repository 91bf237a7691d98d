//! `RawHandle`: the handle's end of a cell, whatever kind of job is in it.
//!
//! The public `JobHandle` and the abort handles are thin layers over the traits in this file, so
//! they have no type parameter for the job itself.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::job::id::JobId;
use crate::job::outcome::{Outcome, Resolution, outcome_of};
use crate::worker::Worker;

/// A cell as its handle sees it. Implemented by the cell of a closure and that of a future.
pub(crate) trait Outlet<T, E>: Send + Sync {
    /// Returns the job's id.
    fn id(&self) -> JobId;
    /// Returns whether the outcome is published. It may be taken then.
    fn is_ended(&self) -> bool;
    /// Returns the outcome, or leaves the waker of `cx` to be called at the end. Called by the
    /// handle alone, no two calls at once; once ready, never again.
    fn poll_outcome(&self, cx: &mut Context<'_>) -> Poll<Resolution<T, E>>;
    /// Returns the outcome, if the job has ended. The caller then gives the handle's end up as the
    /// answer says. Called as `poll_outcome` is.
    fn take_ended(&self) -> Option<Joined<T, E>>;
    /// Asks the job to stop. A job that has not started ends here and now, on the calling thread.
    fn cancel(&self);
    /// Makes progress on the joiner's own worker, if the job is one of that worker's pool: claims
    /// and runs a queued closure, or helps a future to its end. Returns an outcome if that brought
    /// one at once, to be taken as from `take_ended`.
    fn join_on(&self, worker: &Worker) -> Option<Joined<T, E>>;
    /// Makes progress within one poll of the handle, which is kept. A future that does not end
    /// within it is left to its pool, and `waker` is called when there may be more to do.
    fn await_on(&self, worker: &Worker, waker: &Waker);
    /// Returns one more reference to the job, without its result's type.
    fn abort(&self) -> Arc<dyn Abort>;
    /// Returns how the handle's end is given up: a function to be called once, with this cell's
    /// address. The cell is not touched after it.
    fn release(&self) -> Release;
}

/// A job as an abort handle sees it: it can be asked to stop, and its result is not needed.
pub(crate) trait Abort: Send + Sync {
    /// Returns the job's id.
    fn id(&self) -> JobId;
    /// Returns whether the outcome is published.
    fn is_ended(&self) -> bool;
    /// Asks the job to stop, as its own handle does.
    fn cancel(&self);
}

/// Gives up the handle's end of the cell at an address, and with it an outcome that nobody took.
///
/// By address, since a reference that is a function's argument must stay good until that returns,
/// and the cell may go before.
pub(crate) type Release = unsafe fn(NonNull<()>);

/// An outcome that was taken, whose taker has yet to give up the handle's end.
pub(crate) struct Joined<T, E> {
    /// What the handle resolves to.
    pub(crate) resolution: Resolution<T, E>,
    /// Called once, with the cell's address and the outcome; the cell is not touched after it.
    pub(crate) leave: unsafe fn(NonNull<()>, Outcome),
}

/// Owns the handle's end of a cell. Dropped, it gives that end up, and with it an outcome that
/// nobody took; the job itself goes on.
pub(crate) struct RawHandle<T, E>(NonNull<dyn Outlet<T, E>>);

// SAFETY: a raw handle is an owning pointer to an outlet, which is `Send` and `Sync`.
unsafe impl<T, E> Send for RawHandle<T, E> {}
// SAFETY: as above; `&RawHandle` gives `&dyn Outlet`.
unsafe impl<T, E> Sync for RawHandle<T, E> {}

impl<T, E> RawHandle<T, E> {
    /// Takes over the handle's end of a cell.
    ///
    /// # Safety
    /// The cell lives until its [`Outlet::release`] is called, which is the raw handle's to do.
    #[inline]
    pub(crate) unsafe fn new(cell: NonNull<dyn Outlet<T, E>>) -> Self {
        Self(cell)
    }
}

impl<T, E> RawHandle<T, E> {
    /// Takes the outcome of a job that has ended. Does not wait.
    ///
    /// # Errors
    /// The job has not ended: the raw handle.
    #[inline]
    pub(crate) fn take_ended(self) -> Result<Resolution<T, E>, Self> {
        self.give_up(|outlet| outlet.take_ended())
    }

    /// Makes progress on a worker of the job's pool: see [`Outlet::join_on`]. For a future this
    /// blocks until the job is over.
    ///
    /// # Errors
    /// There is no outcome yet, or it is still in the cell: the raw handle.
    #[inline]
    pub(crate) fn join_on(self, worker: &Worker) -> Result<Resolution<T, E>, Self> {
        self.give_up(|outlet| outlet.join_on(worker))
    }

    /// Does the same on the thread where the closures of a worker's slot run. For a worker that
    /// polls a runtime's futures that is another thread, and the calling one waits for it.
    ///
    /// # Errors
    /// As for [`join_on`](Self::join_on).
    pub(crate) fn join_on_slot_thread_of(self, worker: &Worker) -> Result<Resolution<T, E>, Self> {
        if !worker.is_hosting() {
            return self.join_on(worker);
        }
        /// A job's output and error are `Send`, which the types of a raw handle do not say.
        struct Portable<R>(R);
        // SAFETY: as for `RawHandle`: what goes from thread to thread is a handle or what a job
        // resolves to, whose types are `Send`.
        unsafe impl<R> Send for Portable<R> {}
        let mut raw = Some(Portable(self));
        let there = &mut raw;
        let joined = worker.on_slot_thread(move |worker| {
            let Portable(raw) = there.take()?;
            Some(Portable(raw.join_on(worker)))
        });
        match (joined.flatten(), raw) {
            (Some(Portable(joined)), _) => joined,
            (None, Some(Portable(raw))) => Err(raw),
            (None, None) => unreachable!("a join gives an outcome, or the raw handle back"),
        }
    }

    /// Makes progress within one poll of the handle: see [`Outlet::await_on`]. Where the job that
    /// polls blocks a worker that polls a runtime's futures, it is made on the thread where the
    /// closures of the worker's slot run.
    pub(crate) fn await_on_slot_thread_of(&self, worker: &Worker, waker: &Waker) {
        if worker.is_hosting() && worker.keeps_place() && !worker.life().is_forked() {
            // Without such a thread, it is left to the pool.
            let _made = worker.on_slot_thread(|worker| self.await_on(worker, waker));
        } else {
            self.await_on(worker, waker);
        }
    }

    /// Takes what `join` brings, and gives the handle's end up with it.
    #[inline]
    fn give_up(
        self,
        join: impl FnOnce(&dyn Outlet<T, E>) -> Option<Joined<T, E>>,
    ) -> Result<Resolution<T, E>, Self> {
        let this = ManuallyDrop::new(self);
        match join(&**this) {
            Some(Joined { resolution, leave }) => {
                // SAFETY: the cell asks for it, once, and is not touched after it: `this` is not
                // dropped.
                unsafe { leave(this.0.cast(), outcome_of(&resolution)) }
                Ok(resolution)
            }
            None => Err(ManuallyDrop::into_inner(this)),
        }
    }
}

impl<T, E> Deref for RawHandle<T, E> {
    type Target = dyn Outlet<T, E>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        // SAFETY: the cell lives as long as this end of it.
        unsafe { self.0.as_ref() }
    }
}

/// Gives the handle's end up by the cell's own function. Where the outcome was taken, `give_up` has
/// done so before, and this does not run.
impl<T, E> Drop for RawHandle<T, E> {
    fn drop(&mut self) {
        let release = self.release();
        // SAFETY: it is this cell's, and called once: here.
        unsafe { release(self.0.cast()) }
    }
}

impl<T, E> fmt::Debug for RawHandle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawHandle").finish_non_exhaustive()
    }
}
