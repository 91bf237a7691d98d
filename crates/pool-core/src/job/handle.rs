//! `JobHandle`: how a submitter waits for a job, cancels it, or lets it go.

use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::cell::raw_handle::RawHandle;
use crate::job::abort_handle::AbortHandle;
use crate::job::id::JobId;
use crate::job::outcome::{JobError, PanicInfo};
use crate::sys::machine::{self, Point};
use crate::worker::Worker;
use crate::worker::park::{Looks, block_on, look_a_while};

/// The submitter's end of a job: resolves to the job's value or to why there is none.
///
/// It is a `Future` as well (`R503`). Polled by a closure that blocks its worker in an executor of
/// its own, it runs a job that has not started in place, as [`join`](Self::join) does, unless
/// another worker is free. Dropping it detaches: the job runs all the same, and is counted
/// (`R305`).
///
/// An executor that refuses to be entered twice on one thread, as `futures::executor::block_on`
/// does, panics where a job that runs in place blocks in it as well. [`join`](Self::join) has no
/// such limit.
///
/// # Time limits
/// An `await` in a closure may run the job within its poll, and a job in place cannot be left half
/// way. So `timeout(limit, handle).await` there, of whatever runtime, comes back only after that
/// job, however long it takes. [`join_timeout`](Self::join_timeout) runs nothing in place and keeps
/// its limit; so does a job with a limit of its own (`with_timeout`), if it looks at its context.
/// Outside the pool a `timeout` around a handle is on time, and in a future of the pool as soon as
/// a worker is free to poll that.
///
/// # After the outcome
/// The outcome is given once. If a poll of `&mut handle` has given it, the handle is finished for
/// good: [`is_finished`](Self::is_finished) is true and [`cancel`](Self::cancel) does nothing.
/// [`join`](Self::join), [`join_timeout`](Self::join_timeout) and further polls return at once,
/// with a [`JobError::Panicked`] whose message says that the outcome was taken: that they were
/// called is a mistake, for which most futures panic, and no method of a handle does (`R503`).
#[must_use = "a dropped handle detaches its job; call `detach` to say so"]
pub struct JobHandle<T, E> {
    /// Gone once the outcome was taken.
    raw: Option<RawHandle<T, E>>,
    /// Kept apart from `raw`, so that a finished handle still has it.
    id: JobId,
}

/// What `join` and `poll` say where the raw handle has gone.
const TAKEN: &str = "the outcome was taken from this handle before, and a handle gives it once";

/// The outcome of a handle that has none any more: an error, since no method of a handle panics
/// (`R503`).
#[cold]
fn taken<T, E>() -> Result<T, JobError<E>> {
    Err(JobError::Panicked(PanicInfo::new(Box::new(TAKEN))))
}

/// See [`JobHandle::try_run_here`].
#[inline(always)]
fn run_here<T, E>(raw: RawHandle<T, E>) -> Result<Result<T, JobError<E>>, RawHandle<T, E>> {
    match Worker::current().filter(|worker| !worker.life().is_forked()) {
        Some(worker) => raw.join_on_slot_thread_of(&worker),
        None => Err(raw),
    }
}

impl<T, E> JobHandle<T, E> {
    #[inline]
    pub(crate) fn new(raw: RawHandle<T, E>) -> Self {
        let id = raw.id();
        Self { raw: Some(raw), id }
    }

    /// Waits for the outcome. Blocks the thread.
    ///
    /// Inside a job, one that has not started is run here and now, on the calling worker, so a job
    /// may wait for its children whatever the number of workers (`R502`). No other job is run
    /// meanwhile.
    ///
    /// # Errors
    /// [`JobError`] says why the job gave no value.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{JobError, job_fn};
    ///
    /// let parsed = pool.submit(job_fn(|_| "42".parse::<u32>()))?;
    /// assert_eq!(parsed.join()?, 42);
    /// let failed = pool.submit(job_fn(|_| "no number".parse::<u32>()))?;
    /// assert!(matches!(failed.join(), Err(JobError::Failed(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn join(self) -> Result<T, JobError<E>> {
        machine::point(Point::Join(self.id));
        let Some(raw) = self.raw else {
            return taken();
        };
        match raw.take_ended() {
            Ok(outcome) => outcome,
            Err(raw) => Self::join_later(raw),
        }
    }

    /// [`join`](Self::join) of a job that had not ended a moment ago.
    fn join_later(raw: RawHandle<T, E>) -> Result<T, JobError<E>> {
        let raw = match run_here(raw) {
            Ok(outcome) => return outcome,
            Err(raw) => raw,
        };
        let _is_ended = look_a_while(Looks::JOINER, || raw.is_ended());
        match raw.take_ended() {
            Ok(outcome) => outcome,
            Err(raw) => {
                let outcome = block_on(Self::new(raw), None);
                outcome.expect("a wait without a limit ends with the outcome")
            }
        }
    }

    /// Makes the progress that a join makes on a worker: runs the job here and now, if it has not
    /// started and this thread may run it. The handle, if that gives no outcome.
    #[inline(always)]
    pub(crate) fn try_run_here(self) -> Result<Result<T, JobError<E>>, Self> {
        match self.raw {
            Some(raw) => run_here(raw).map_err(Self::new),
            None => Ok(taken()),
        }
    }

    /// Polls, and leaves it to others to make progress.
    pub(crate) fn poll_elsewhere(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, JobError<E>>> {
        let Some(raw) = &self.raw else {
            return Poll::Ready(taken());
        };
        let polled = raw.poll_outcome(cx);
        if polled.is_ready() {
            self.raw = None;
        }
        polled
    }

    /// Waits for `timeout` at most. Runs nothing in place, since a job in place could not be
    /// left at the limit.
    ///
    /// # Errors
    /// The handle comes back after the time, not before (`R501`).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use std::time::Duration;
    ///
    /// let (send, receive) = std::sync::mpsc::channel();
    /// let handle = pool.spawn(move || receive.recv())?;
    /// let handle = handle.join_timeout(Duration::from_millis(10)).unwrap_err(); // it goes on
    /// send.send(42)?;
    /// assert_eq!(handle.join()?, Ok(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(mut self, timeout: Duration) -> Result<Result<T, JobError<E>>, Self> {
        let limit = machine::now().checked_add(timeout);
        let outcome = block_on(poll_fn(|cx| self.poll_elsewhere(cx)), limit);
        outcome.ok_or(self)
    }

    /// Asks the job to stop. One that has not started never does: it ends as `Cancelled` at once,
    /// and what it captured is dropped before this returns (`R401`). A running one sees it in its
    /// context; a suspended future is dropped by the next worker that is free. Nothing happens to
    /// one that is over.
    ///
    /// Where the drop of what one job captured cancels the next, and so on, 16 within each other,
    /// what the next one captured is dropped when the innermost of those drops has returned. If
    /// that is the last handle to a pool, its drop here drains that pool, which may take long
    /// (`R610`).
    ///
    /// The place of a queued job is free when this returns, and before anybody sees the job's end
    /// (`R104`).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{JobError, job_fn};
    ///
    /// let polite = job_fn(|ctx| {
    ///     while ctx.check().is_ok() {
    ///         std::thread::yield_now();
    ///     }
    ///     Err::<(), _>("stopped half way")
    /// });
    /// let handle = pool.submit(polite)?;
    /// handle.cancel();
    /// assert!(matches!(handle.join(), Err(JobError::Cancelled)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) {
        machine::point(Point::Cancel(self.id));
        if let Some(raw) = &self.raw {
            raw.cancel();
        }
    }

    /// Returns a handle that cancels the job when it is dropped, instead of detaching it: for a
    /// caller that may go away, and then needs no result.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::{JobError, JobHandle};
    /// async fn thumbnail(job: JobHandle<Vec<u8>, String>) -> Result<Vec<u8>, JobError<String>> {
    ///     // Dropped before it is ready, as when the client hangs up, this cancels the job.
    ///     job.cancel_on_drop().await
    /// }
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<T, E> {
        CancelOnDrop(self)
    }

    /// Returns what cancels the job apart from this handle. Another part of the program may keep
    /// it, together with those of jobs of any other type.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let handle = pool.spawn(|| 42)?;
    /// let abort = handle.abort_handle();
    /// assert_eq!(handle.join()?, 42);
    /// assert!(abort.is_finished());
    /// abort.cancel(); // too late, and harmless
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort_handle(&self) -> AbortHandle {
        match &self.raw {
            Some(raw) => AbortHandle::new(raw.abort()),
            None => AbortHandle::of_ended(self.id),
        }
    }

    /// Returns the job's id.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let handle = pool.spawn(|| 42)?;
    /// println!("{} is on its way", handle.id());
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Returns whether the outcome is there or was taken, so that `join` would not wait.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let handle = pool.spawn(|| 42)?;
    /// pool.wait_idle();
    /// assert!(handle.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn is_finished(&self) -> bool {
        machine::point(Point::Ask);
        self.is_over()
    }

    /// Lets the job go and keeps its id.
    pub(crate) fn into_id(self) -> JobId {
        self.id()
    }

    /// Lets the job go: it runs, and its outcome is dropped on its worker. One that is there
    /// already is dropped here; but within many such drops on one stack, once the innermost has
    /// returned (`R113`).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.spawn(|| println!("nobody waits for this"))?.detach();
    /// pool.wait_idle();
    /// assert_eq!(pool.stats().completed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn detach(self) {
        drop(self);
    }

    /// [`is_finished`](Self::is_finished) without the simulator's scheduling point, for drops and
    /// `Debug`.
    #[inline]
    fn is_over(&self) -> bool {
        self.raw.as_ref().is_none_or(|raw| raw.is_ended())
    }
}

impl<T, E> Future for JobHandle<T, E> {
    type Output = Result<T, JobError<E>>;

    /// Polled again after it was ready, it is ready with an error; see [After the
    /// outcome](JobHandle#after-the-outcome).
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(raw) = &self.raw
            && let Some(worker) = Worker::current()
        {
            raw.await_on_slot_thread_of(&worker, cx.waker());
        }
        self.poll_elsewhere(cx)
    }
}

impl<T, E> fmt::Debug for JobHandle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle")
            .field("id", &self.id)
            .field("is_finished", &self.is_over())
            .finish()
    }
}

/// A handle that cancels its job when it is dropped, if that is not over: what
/// [`JobHandle::cancel_on_drop`] returns. It is a `Future` as the handle is, and derefs to it.
#[must_use = "dropped, it cancels its job"]
pub struct CancelOnDrop<T, E>(JobHandle<T, E>);

impl<T, E> CancelOnDrop<T, E> {
    /// Waits for the outcome, as [`JobHandle::join`] does. The job is not cancelled.
    ///
    /// # Errors
    /// [`JobError`] says why the job gave no value.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let handle = pool.spawn(|| 42)?.cancel_on_drop();
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(self) -> Result<T, JobError<E>> {
        self.into_handle().join()
    }

    /// Waits for `timeout` at most, as [`JobHandle::join_timeout`] does.
    ///
    /// # Errors
    /// This comes back after the time. Dropped then, it cancels the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use std::time::Duration;
    ///
    /// let handle = pool.spawn_future(std::future::pending::<()>())?.cancel_on_drop();
    /// let late = handle.join_timeout(Duration::from_millis(1));
    /// drop(late.unwrap_err()); // the job is cancelled
    /// pool.wait_idle();
    /// assert_eq!(pool.stats().cancelled, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, JobError<E>>, Self> {
        self.into_handle().join_timeout(timeout).map_err(Self)
    }

    /// Returns the handle, which detaches its job when it is dropped.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let handle = pool.spawn(|| 42)?.cancel_on_drop();
    /// drop(handle.into_handle()); // the result is no longer needed, the work is
    /// pool.wait_idle();
    /// assert_eq!(pool.stats().completed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_handle(mut self) -> JobHandle<T, E> {
        JobHandle {
            raw: self.0.raw.take(),
            id: self.0.id,
        }
    }
}

impl<T, E> Deref for CancelOnDrop<T, E> {
    type Target = JobHandle<T, E>;

    fn deref(&self) -> &JobHandle<T, E> {
        &self.0
    }
}

impl<T, E> Future for CancelOnDrop<T, E> {
    type Output = Result<T, JobError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T, E> Drop for CancelOnDrop<T, E> {
    /// A job that is over keeps its outcome, which is dropped with the handle.
    fn drop(&mut self) {
        if !self.0.is_over() {
            self.0.cancel();
        }
    }
}

impl<T, E> fmt::Debug for CancelOnDrop<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelOnDrop").field(&self.0).finish()
    }
}
