//! `JobSet`: jobs that are waited for as they end, and cancelled together.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::job::handle::JobHandle;
use crate::job::id::JobId;
use crate::job::outcome::JobError;
use crate::job::{AsyncJob, Job};
use crate::submit::error::SubmitError;
use crate::submit::executor::{Executor, ExecutorExt};
use crate::worker::park::block_on;

/// Jobs of one kind on one executor, whose outcomes come as the jobs end.
///
/// To cancel one of them, keep its [`abort_handle`](JobHandle::abort_handle) and
/// [`push`](Self::push) its handle. Dropped, the set cancels the jobs whose outcomes were not
/// taken: so the first error that leaves a function by `?` cancels the rest.
///
/// ```
/// use pool_core::{Executor, JobContext, JobError, JobSet};
/// use std::num::ParseIntError;
///
/// fn sum(pool: &dyn Executor, texts: Vec<String>) -> Result<u32, JobError<ParseIntError>> {
///     let mut parsing = JobSet::new(pool);
///     for text in texts {
///         let parse = move |_: &JobContext<'_>| text.parse::<u32>();
///         parsing.submit(parse).map_err(|_closed| JobError::Abandoned)?;
///     }
///     let mut sum = 0;
///     while let Some(number) = parsing.join_next() {
///         sum += number?;
///     }
///     Ok(sum)
/// }
/// ```
#[must_use = "dropped, it cancels its jobs"]
pub struct JobSet<'p, T, E> {
    executor: &'p dyn Executor,
    jobs: FuturesUnordered<JobHandle<T, E>>,
}

impl<'p, T, E> JobSet<'p, T, E> {
    /// An empty set of jobs on `executor`.
    pub fn new(executor: &'p dyn Executor) -> Self {
        let jobs = FuturesUnordered::new();
        Self { executor, jobs }
    }

    /// Submits a job to the set; blocks while the queue is full.
    ///
    /// # Errors
    /// See [`ExecutorExt::submit`]. The set is as it was.
    pub fn submit<J>(&mut self, job: J) -> Result<JobId, SubmitError<J>>
    where
        J: Job<Output = T, Error = E>,
    {
        self.executor.submit(job).map(|handle| self.push(handle))
    }

    /// Submits a job whose work is a future to the set; blocks while the queue is full.
    ///
    /// # Errors
    /// See [`ExecutorExt::submit_future`]. The set is as it was.
    pub fn submit_future<J>(&mut self, job: J) -> Result<JobId, SubmitError<J>>
    where
        J: AsyncJob<Output = T, Error = E>,
    {
        let handle = self.executor.submit_future(job);
        handle.map(|handle| self.push(handle))
    }

    /// Adds a job that was submitted elsewhere, to any executor and by any way in: in async code
    /// `set.push(executor.submit_async(job).await?)`.
    pub fn push(&mut self, handle: JobHandle<T, E>) -> JobId {
        let id = handle.id();
        self.jobs.push(handle);
        id
    }

    /// Waits for the next job to end, whichever it is. Blocks the thread. `None`: the set is empty.
    ///
    /// Inside a job, one that has not started may run here and now, as by [`JobHandle::join`].
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::JobSet;
    ///
    /// let mut set = JobSet::new(&pool);
    /// for n in 1..=3_u32 {
    ///     set.spawn(move || n * n)?;
    /// }
    /// let mut sum = 0;
    /// while let Some(square) = set.join_next() {
    ///     sum += square?;
    /// }
    /// assert_eq!(sum, 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_next(&mut self) -> Option<Result<T, JobError<E>>> {
        block_on(self.join_next_async(), None).expect("a wait without a limit ends with an outcome")
    }

    /// [`join_next`](Self::join_next) without blocking the thread.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken no outcome.
    pub fn join_next_async(&mut self) -> impl Future<Output = Option<Result<T, JobError<E>>>> {
        poll_fn(|cx| self.poll_join_next(cx))
    }

    /// The outcome of a job that has ended, or the promise to wake `cx`. `None`: the set is empty.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JobError<E>>>> {
        self.jobs.poll_next_unpin(cx)
    }

    /// Cancels each job, as by [`JobHandle::cancel`]. Their outcomes are still to be taken.
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{JobSet, job_fn};
    ///
    /// let mut set = JobSet::new(&pool);
    /// for _ in 0..3 {
    ///     set.submit(job_fn(|ctx| {
    ///         while ctx.check().is_ok() {
    ///             std::thread::yield_now();
    ///         }
    ///         Err::<(), _>("stopped")
    ///     }))?;
    /// }
    /// set.cancel_all();
    /// while let Some(outcome) = set.join_next() {
    ///     assert!(outcome.is_err());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_all(&self) {
        self.jobs.iter().for_each(JobHandle::cancel);
    }

    /// Lets the jobs go: they run, and their outcomes are dropped. The set is empty.
    pub fn detach_all(&mut self) {
        self.jobs.clear();
    }

    /// How many outcomes were not taken yet.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether every outcome was taken.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }
}

impl<T: Send + 'static> JobSet<'_, T, Infallible> {
    /// Submits a plain closure that cannot fail to the set; blocks while the queue is full.
    ///
    /// # Errors
    /// See [`ExecutorExt::spawn`]. The set is as it was.
    pub fn spawn<F>(&mut self, f: F) -> Result<JobId, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.executor.spawn(f).map(|handle| self.push(handle))
    }

    /// Submits a future that cannot fail to the set; blocks while the queue is full.
    ///
    /// # Errors
    /// See [`ExecutorExt::spawn_future`]. The set is as it was.
    pub fn spawn_future<F>(&mut self, future: F) -> Result<JobId, SubmitError<F>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let handle = self.executor.spawn_future(future);
        handle.map(|handle| self.push(handle))
    }
}

impl<T, E> Drop for JobSet<'_, T, E> {
    fn drop(&mut self) {
        self.cancel_all();
    }
}

impl<T, E> fmt::Debug for JobSet<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobSet")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
