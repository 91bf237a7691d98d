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
/// [`submit`](Self::submit) blocks while the queue is full, and looks at no outcome meanwhile. To
/// learn of the first error under back-pressure as well, submit by `try_submit`, [`push`](Self::push)
/// the handle, and [`join_next`](Self::join_next) when the queue is full.
///
/// # Examples
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
    /// Where `submit` and its kin send jobs. A pushed handle may come from anywhere.
    executor: &'p dyn Executor,
    /// The handles whose outcomes were not taken. Each is polled once, and again after each wake of
    /// its own.
    jobs: FuturesUnordered<JobHandle<T, E>>,
}

impl<'p, T, E> JobSet<'p, T, E> {
    /// Makes an empty set, whose jobs are submitted to `executor`.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{JobError, JobSet};
    ///
    /// let mut set = JobSet::<u32, String>::new(&pool);
    /// assert!(set.is_empty() && set.join_next().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(executor: &'p dyn Executor) -> Self {
        let jobs = FuturesUnordered::new();
        Self { executor, jobs }
    }

    /// Submits a job to the set, and returns its id; blocks while the queue is full.
    ///
    /// # Errors
    /// See [`ExecutorExt::submit`]: the job comes back. The set is as it was.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{JobSet, job_fn};
    ///
    /// let mut set = JobSet::new(&pool);
    /// for text in ["6", "7"] {
    ///     set.submit(job_fn(move |_| text.parse::<u32>()))?;
    /// }
    /// let mut product = 1;
    /// while let Some(number) = set.join_next() {
    ///     product *= number?;
    /// }
    /// assert_eq!(product, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit<J>(&mut self, job: J) -> Result<JobId, SubmitError<J>>
    where
        J: Job<Output = T, Error = E>,
    {
        self.executor.submit(job).map(|handle| self.push(handle))
    }

    /// Submits a job whose work is a future to the set, and returns its id; blocks while the queue
    /// is full.
    ///
    /// # Errors
    /// See [`ExecutorExt::submit_future`]: the job comes back. The set is as it was.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{JobSet, async_job_fn};
    ///
    /// let mut set = JobSet::new(&pool);
    /// let id = set.submit_future(async_job_fn(|ctx| async move { Ok::<_, String>(ctx.id()) }))?;
    /// assert_eq!(set.join_next().transpose()?, Some(id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_future<J>(&mut self, job: J) -> Result<JobId, SubmitError<J>>
    where
        J: AsyncJob<Output = T, Error = E>,
    {
        let handle = self.executor.submit_future(job);
        handle.map(|handle| self.push(handle))
    }

    /// Adds a job that was submitted elsewhere, to any executor and by any way in: in async code
    /// `set.push(executor.submit_async(job).await?)`.
    ///
    /// From here on the set owns the handle, and cancels the job as it cancels its own.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::JobSet;
    ///
    /// let handle = pool.spawn(|| 42)?;
    /// let abort = handle.abort_handle(); // to cancel this one alone
    /// let mut set = JobSet::new(&pool);
    /// assert_eq!(set.push(handle), abort.id());
    /// assert_eq!(set.join_next().transpose()?, Some(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push(&mut self, handle: JobHandle<T, E>) -> JobId {
        let id = handle.id();
        self.jobs.push(handle);
        id
    }

    /// Waits for the next job to end, whichever it is. Blocks the thread. `None`: the set is empty.
    ///
    /// Inside a job, one that has not started may run here and now, as by [`JobHandle::join`].
    ///
    /// # Examples
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

    /// Waits for the next job to end, as [`join_next`](Self::join_next), without blocking the
    /// thread.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken no outcome.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let (mut future, waker) = (std::pin::pin!(future), std::task::Waker::noop());
    /// #     loop {
    /// #         match future.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
    /// #             std::task::Poll::Ready(output) => return output,
    /// #             std::task::Poll::Pending => std::thread::yield_now(),
    /// #         }
    /// #     }
    /// # }
    /// use pool_core::JobSet;
    ///
    /// let mut set = JobSet::new(&pool);
    /// for n in 1..=3_u32 {
    ///     set.spawn(move || n * n)?;
    /// }
    /// let sum = async {
    ///     let mut sum = 0;
    ///     while let Some(square) = set.join_next_async().await {
    ///         sum += square?;
    ///     }
    ///     Ok::<_, Box<dyn std::error::Error>>(sum)
    /// };
    /// assert_eq!(block_on(sum)?, 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_next_async(&mut self) -> impl Future<Output = Option<Result<T, JobError<E>>>> {
        poll_fn(|cx| self.poll_join_next(cx))
    }

    /// Polls for the outcome of a job that has ended: `Ready(None)` if the set is empty, otherwise
    /// `Pending`, and `cx` is woken when a job ends. Only the waker of the last poll is.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::JobSet;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let mut set = JobSet::new(&pool);
    /// set.spawn(|| 42)?;
    /// pool.wait_idle();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(matches!(set.poll_join_next(&mut cx), Poll::Ready(Some(Ok(42)))));
    /// assert!(set.poll_join_next(&mut cx).is_ready()); // empty
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JobError<E>>>> {
        self.jobs.poll_next_unpin(cx)
    }

    /// Cancels each job, as by [`JobHandle::cancel`]. Their outcomes are still to be taken.
    ///
    /// # Examples
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

    /// Lets the jobs go: they run, and their outcomes are dropped. The set is empty afterwards.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::JobSet;
    ///
    /// let mut set = JobSet::new(&pool);
    /// set.spawn(|| println!("audit"))?;
    /// set.detach_all();
    /// drop(set); // has nothing to cancel
    /// pool.wait_idle();
    /// assert_eq!(pool.stats().completed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn detach_all(&mut self) {
        self.jobs.clear();
    }

    /// Returns how many outcomes were not taken yet, of jobs that are over or not.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::JobSet;
    ///
    /// let mut set = JobSet::new(&pool);
    /// set.spawn(|| 42)?;
    /// pool.wait_idle();
    /// assert_eq!(set.len(), 1); // over, and not taken
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Returns whether every outcome was taken.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::JobSet;
    ///
    /// let mut set = JobSet::new(&pool);
    /// set.spawn(|| 42)?;
    /// assert!(!set.is_empty());
    /// set.join_next();
    /// assert!(set.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }
}

impl<T: Send + 'static> JobSet<'_, T, Infallible> {
    /// Submits a plain closure that cannot fail to the set, and returns its id; blocks while the
    /// queue is full.
    ///
    /// # Errors
    /// See [`ExecutorExt::spawn`]: the closure comes back. The set is as it was.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::JobSet;
    ///
    /// let mut set = JobSet::new(&pool);
    /// set.spawn(|| 42)?;
    /// pool.close();
    /// let refused = set.spawn(|| 43);
    /// assert!(refused.is_err_and(|refused| refused.is_closed()));
    /// assert_eq!(set.len(), 1); // as before
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn<F>(&mut self, f: F) -> Result<JobId, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.executor.spawn(f).map(|handle| self.push(handle))
    }

    /// Submits a future that cannot fail to the set, and returns its id; blocks while the queue is
    /// full.
    ///
    /// # Errors
    /// See [`ExecutorExt::spawn_future`]: the future comes back. The set is as it was.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::JobSet;
    ///
    /// let mut set = JobSet::new(&pool);
    /// set.spawn_future(async { 42 })?;
    /// assert_eq!(set.join_next().transpose()?, Some(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn_future<F>(&mut self, future: F) -> Result<JobId, SubmitError<F>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let handle = self.executor.spawn_future(future);
        handle.map(|handle| self.push(handle))
    }
}

impl<T, E> Drop for JobSet<'_, T, E> {
    /// Cancels before the handles are dropped, which alone would detach the jobs.
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
