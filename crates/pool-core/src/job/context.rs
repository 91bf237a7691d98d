//! What a running job can ask: its id and name, whether it should stop, how long it has, and how to
//! submit children.

mod inheritance;
mod sleep;

use std::any::Any;
use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::cell::state::State;
use crate::job::cancel_token::CancelToken;
use crate::job::extensions::Extensions;
use crate::job::handle::JobHandle;
use crate::job::id::JobId;
use crate::job::job_fn::{InfallibleFn, infallible_fn};
use crate::job::outcome::Interrupted;
use crate::job::{AsyncJob, Job, JobOptions, Terms};
use crate::pool::by_life::ByLife;
use crate::pool::lifecycle::Lifecycle;
use crate::submit::error::SubmitError;
use crate::submit::executor::{Children, Executor, Parent};
use crate::submit::join;
use crate::sys::machine::{self, Point};
use crate::worker::Worker;
use crate::worker::user_state::{StateError, lend};
pub(crate) use inheritance::Inherited;
use inheritance::{OfClosure, inherited};

/// How a job's own handle asks it to stop: what a context reads, and what its children inherit.
///
/// Implemented by the cells. The token above the job and the pool's own state are asked apart from
/// it.
pub(crate) trait Cancellation: Send + Sync {
    /// Whether the handle, or an abort handle, has asked. Nothing else is in it.
    fn is_requested(&self) -> bool;
    /// A token that is cancelled with this job, for its children. `None` where nothing is left that
    /// could cancel this job alone: its children then inherit the token above it, so a chain of
    /// jobs is no chain of tokens.
    fn token(&self) -> Option<CancelToken>;
}

/// The token of one job, made when its first child asks for it.
///
/// The thread that makes the token then reads the cancel bit. The canceller sets the bit and then
/// looks for the token. Between its two steps each has a sequentially consistent fence, so at least
/// one of the two cancels the token. A thread that finds a token reads no bit: one of those two
/// cancels it.
#[derive(Debug, Default)]
pub(crate) struct OwnToken(OnceLock<CancelToken>);

impl OwnToken {
    /// Returns the job's token, below the token that its options name. Makes it at the first call.
    #[inline]
    pub(crate) fn get(&self, terms: Option<&Terms>, state: &State) -> CancelToken {
        match self.0.get() {
            Some(token) => token.clone(),
            None => self.make(terms, state),
        }
    }

    /// Makes the token, and cancels it if the job was asked to stop before that.
    #[cold]
    fn make(&self, terms: Option<&Terms>, state: &State) -> CancelToken {
        let above = terms.and_then(|terms| terms.token.as_ref());
        let token = self.0.get_or_init(|| CancelToken::below(above.as_slice()));
        // ORDERING: pairs with the fence in `cancel`; see the type.
        crate::sys::sync::fence(crate::sys::sync::Ordering::SeqCst);
        if state.is_cancel_requested() {
            token.cancel();
        }
        token.clone()
    }

    /// Called after the cancel bit is set; looks for the token only then.
    pub(crate) fn cancel<'a>(find: impl FnOnce() -> Option<&'a Self>) {
        // ORDERING: pairs with the fence in `make`; see the type.
        crate::sys::sync::fence(crate::sys::sync::Ordering::SeqCst);
        if let Some(token) = find().and_then(|own| own.0.get()) {
            token.cancel();
        }
    }
}

/// A running job as its context sees it: the answers that both contexts give.
///
/// `C` is what can cancel this job alone; `None` where nobody can any more.
struct View<'a, C: Cancellation + ?Sized> {
    terms: Option<&'a Terms>,
    cancellation: Option<&'a C>,
    life: &'a Lifecycle,
}

impl<'a, C: Cancellation + ?Sized> View<'a, C> {
    fn name(&self) -> Option<&'a str> {
        self.terms?.name.as_deref()
    }

    #[inline]
    fn deadline(&self) -> Option<Instant> {
        self.terms?.deadline
    }

    fn remaining(&self) -> Option<Duration> {
        machine::point(Point::Ask);
        let deadline = self.deadline()?;
        Some(deadline.saturating_duration_since(machine::now()))
    }

    fn is_cancelled(&self) -> bool {
        machine::point(Point::Ask);
        self.cancellation.is_some_and(Cancellation::is_requested)
            || self.terms.is_some_and(Terms::is_cancelled)
            || self.life.is_cancelling()
    }

    /// Why the job should give up, if it should. A cancellation comes before a deadline.
    fn interrupted(&self) -> Option<Interrupted> {
        machine::point(Point::Ask);
        if self.is_cancelled() {
            return Some(Interrupted::Cancelled);
        }
        let is_expired = self.terms.is_some_and(Terms::is_expired);
        is_expired.then_some(Interrupted::Expired)
    }

    #[track_caller]
    fn shared<T: Any + Send + Sync>(&self) -> &'a T {
        self.life.shared.expect()
    }

    fn try_shared<T: Any + Send + Sync>(&self) -> Option<&'a T> {
        self.life.shared.get()
    }
}

/// The ways in for a job's children, written once for both contexts.
///
/// They never wait for a place on a worker of the pool, so each verb needs one form only.
macro_rules! ways_in_for_children {
    () => {
        /// Submits a child, which inherits this job's cancellation and deadline (`R406`).
        ///
        /// On a worker of the pool it does not wait for a place: a child of a full or draining pool
        /// runs inline, or within a poll is queued past the capacity (`R108`, `R607`). On any other
        /// thread, to which a future may have given its context, it blocks while the queue is full.
        ///
        /// # Errors
        /// [`SubmitError::Closed`] with the job, once a shutdown's grace period is over (`R607`),
        /// or if this context has outlived its pool. On a thread that is no worker of the pool also
        /// [`SubmitError::Full`], at the child's deadline (`R105`).
        ///
        /// # Examples
        /// ```
        /// use pool_core::{JobContext, JobError, job_fn};
        ///
        /// fn halves(ctx: &JobContext<'_>, whole: u64) -> Result<u64, JobError<String>> {
        ///     let child = ctx.submit(job_fn(move |_| Ok::<_, String>(whole / 2)));
        ///     let half = child.map_err(|_closed| JobError::Abandoned)?.join()?;
        ///     Ok(half + (whole - half))
        /// }
        /// ```
        pub fn submit<J: Job>(
            &self,
            job: J,
        ) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
            self.children().submit(job)
        }

        /// Executes a child without a handle, which inherits as by [`submit`](Self::submit). Its
        /// end is counted, and `on_failure` hears of a failure.
        ///
        /// # Errors
        /// As for [`submit`](Self::submit).
        ///
        /// # Examples
        /// ```
        /// # use pool_core::backend::SpawnPool;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
        /// use pool_core::{Interrupted, SubmitError, job_fn};
        ///
        /// let parent = job_fn(|ctx| {
        ///     let audit = job_fn(|_| Ok::<_, Interrupted>(println!("audit")));
        ///     ctx.execute(audit).map_err(SubmitError::without_job)
        /// });
        /// let _child_id = pool.submit(parent)?.join()?;
        /// pool.wait_idle();
        /// assert_eq!(pool.stats().completed, 2);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[inline]
        pub fn execute<J: Job>(&self, job: J) -> Result<JobId, SubmitError<J>> {
            self.children().execute(job)
        }

        /// Submits a plain closure as a child, which inherits as by [`submit`](Self::submit).
        ///
        /// # Errors
        /// As for [`submit`](Self::submit): the closure comes back.
        ///
        /// # Examples
        /// ```
        /// # use pool_core::backend::SpawnPool;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
        /// use pool_core::job_fn;
        /// use std::error::Error;
        ///
        /// let parent = job_fn(|ctx| {
        ///     let child = ctx.spawn(|| 6 * 7).map_err(|closed| closed.without_job())?;
        ///     Ok::<_, Box<dyn Error + Send + Sync>>(child.join()?)
        /// });
        /// assert_eq!(pool.submit(parent)?.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn spawn<F, T>(&self, f: F) -> Result<JobHandle<T, Infallible>, SubmitError<F>>
        where
            F: FnOnce() -> T + Send + 'static,
            T: Send + 'static,
        {
            let child = self.submit(infallible_fn(f));
            child.map_err(InfallibleFn::given_back)
        }

        /// Submits a child whose work is a future; see [`submit`](Self::submit) for what it
        /// inherits and where it waits.
        ///
        /// # Errors
        /// As for [`submit`](Self::submit).
        ///
        /// # Examples
        /// ```
        /// # use pool_core::backend::SpawnPool;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
        /// use pool_core::{JobError, async_job_fn, job_fn};
        /// use std::convert::Infallible;
        ///
        /// let parent = job_fn(|ctx| {
        ///     let child = async_job_fn(|ctx| async move { Ok::<_, Infallible>(ctx.id()) });
        ///     let child = ctx.submit_future(child).map_err(|_closed| JobError::Abandoned)?;
        ///     Ok::<_, JobError<Infallible>>(child.id() == child.join()?)
        /// });
        /// assert!(pool.submit(parent)?.join()?);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn submit_future<J: AsyncJob>(
            &self,
            job: J,
        ) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
            self.children().submit_future(job)
        }

        /// Executes a child whose work is a future, without a handle; see [`submit`](Self::submit)
        /// for what it inherits and where it waits.
        ///
        /// # Errors
        /// As for [`submit`](Self::submit).
        ///
        /// # Examples
        /// ```
        /// # use pool_core::backend::SpawnPool;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
        /// use pool_core::{SubmitError, async_job_fn, job_fn};
        /// use std::convert::Infallible;
        ///
        /// let parent = job_fn(|ctx| {
        ///     let child = async_job_fn(|_| async { Ok::<_, Infallible>(()) });
        ///     ctx.execute_future(child).map_err(SubmitError::without_job)
        /// });
        /// pool.submit(parent)?.join()?;
        /// pool.wait_idle();
        /// assert_eq!(pool.stats().completed, 2);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn execute_future<J: AsyncJob>(&self, job: J) -> Result<JobId, SubmitError<J>> {
            self.submit_future(job).map(JobHandle::into_id)
        }

        /// Submits a bare future as a child; see [`submit`](Self::submit) for what it inherits and
        /// where it waits.
        ///
        /// # Errors
        /// As for [`submit`](Self::submit): the future comes back, unpolled.
        ///
        /// # Examples
        /// ```
        /// # use pool_core::backend::SpawnPool;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
        /// use pool_core::job_fn;
        /// use std::error::Error;
        ///
        /// let parent = job_fn(|ctx| {
        ///     let child = ctx.spawn_future(async { 6 * 7 });
        ///     let child = child.map_err(|closed| closed.without_job())?;
        ///     Ok::<_, Box<dyn Error + Send + Sync>>(child.join()?)
        /// });
        /// assert_eq!(pool.submit(parent)?.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn spawn_future<F>(
            &self,
            future: F,
        ) -> Result<JobHandle<F::Output, Infallible>, SubmitError<F>>
        where
            F: Future<Output: Send> + Send + 'static,
        {
            self.children().spawn_future(future)
        }

        /// This job's pool, and what its children get from it.
        #[inline(always)]
        fn children(&self) -> Children<'_, impl Parent> {
            Children {
                executor: self.executor(),
                parent: self.parent(),
                life: self.life(),
            }
        }
    };
}

/// What a job knows of itself while it runs. Lent to [`Job::run`].
pub struct JobContext<'a> {
    id: JobId,
    /// `None` for a job without options.
    terms: Option<&'a Terms>,
    /// `None` for a job without a cell: nobody can ask that one alone to stop.
    cancellation: Option<&'a dyn Cancellation>,
    worker: &'a Worker,
    /// What [`check`](Self::check) has said last: it decides the outcome if the job returns an
    /// error.
    reported: Cell<Option<Interrupted>>,
}

impl<'a> JobContext<'a> {
    #[inline]
    pub(crate) fn new(
        id: JobId,
        terms: Option<&'a Terms>,
        cancellation: Option<&'a dyn Cancellation>,
        worker: &'a Worker,
    ) -> Self {
        Self {
            id,
            terms,
            cancellation,
            worker,
            reported: Cell::new(None),
        }
    }

    /// Returns the job's id, the same as its handle's.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, job_fn};
    ///
    /// let handle = pool.submit(job_fn(|ctx| Ok::<_, Interrupted>(ctx.id())))?;
    /// assert_eq!(handle.id(), handle.join()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Returns the job's name, if it was given one.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, JobExt, job_fn};
    ///
    /// let job = job_fn(|ctx| Ok::<_, Interrupted>(ctx.name().map(str::to_owned)));
    /// let name = pool.submit(job.named("invoice-17"))?.join()?;
    /// assert_eq!(name.as_deref(), Some("invoice-17"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.view().name()
    }

    /// Returns the index of the worker that runs this job, from 0 to one less than the pool's
    /// `workers`.
    ///
    /// No two jobs that run at once on different threads have the same index. On the rayon and
    /// async backends it can, now and then, be another than the index with which the thread's
    /// `on_worker_start` was called; the state is always the thread's own.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, job_fn};
    ///
    /// let job = job_fn(|ctx| Ok::<_, Interrupted>(ctx.worker()));
    /// assert_eq!(pool.submit(job)?.join()?, 0); // the only worker
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worker(&self) -> usize {
        self.worker.index()
    }

    /// Returns the point in time after which the job is no longer wanted, if it has a limit: its
    /// own, its timeout from the submission, or its parent's, whichever is first (`R404`, `R406`).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, JobExt, job_fn};
    /// use std::time::{Duration, Instant};
    ///
    /// let soon = Instant::now() + Duration::from_secs(60);
    /// let job = job_fn(|ctx| Ok::<_, Interrupted>(ctx.deadline()));
    /// assert_eq!(pool.submit(job.with_deadline(soon))?.join()?, Some(soon));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn deadline(&self) -> Option<Instant> {
        self.view().deadline()
    }

    /// Returns how long it is until the deadline; zero once it has passed, `None` without one
    /// (`R404`).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, JobExt, job_fn};
    /// use std::time::Duration;
    ///
    /// let job = job_fn(|ctx| Ok::<_, Interrupted>(ctx.remaining()));
    /// let left = pool.submit(job.with_timeout(Duration::from_secs(60)))?.join()?;
    /// assert!(left.is_some_and(|left| left <= Duration::from_secs(60)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        self.view().remaining()
    }

    /// Returns whether the job was asked to stop: by its handle, its token, its parent or a
    /// shutdown (`R402`).
    ///
    /// It is a look and no more: a job that returns an error after it is counted as failed. One
    /// that gives up because it was asked to says so by [`check`](Self::check), and is counted as
    /// cancelled.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{CancelToken, Interrupted, JobExt, job_fn};
    ///
    /// let token = CancelToken::new();
    /// let own = token.clone();
    /// let job = job_fn(move |ctx| {
    ///     let before = ctx.is_cancelled();
    ///     own.cancel();
    ///     Ok::<_, Interrupted>((before, ctx.is_cancelled()))
    /// });
    /// assert_eq!(pool.submit(job.with_token(&token))?.join()?, (false, true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.view().is_cancelled()
    }

    /// Returns `Err` once the job should give up. A job that then returns an error ends as
    /// `Cancelled` or `Expired`, whatever the error; one that returns `Ok` has completed (`R402`,
    /// `R404`).
    ///
    /// # Errors
    /// [`Interrupted::Cancelled`] once it was asked to stop, [`Interrupted::Expired`] once its
    /// deadline has passed.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, JobError, JobExt, job_fn};
    /// use std::time::Duration;
    ///
    /// let endless = job_fn(|ctx| -> Result<(), Interrupted> {
    ///     loop {
    ///         ctx.check()?; // between two steps of the work
    ///         std::thread::yield_now();
    ///     }
    /// });
    /// let late = pool.submit(endless.with_timeout(Duration::from_millis(10)))?;
    /// assert!(matches!(late.join(), Err(JobError::Expired)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check(&self) -> Result<(), Interrupted> {
        let Some(interrupted) = self.view().interrupted() else {
            return Ok(());
        };
        self.note_reported(interrupted);
        Err(interrupted)
    }

    /// Returns the state that `on_worker_start` made for this worker, if it is an `S` (`R208`).
    ///
    /// It is shared: all jobs on this thread's stack see the same state. A job that joins or
    /// submits a child may run it in place, on this very stack. If the state is a `RefCell`, and is
    /// borrowed mutably across that call, a `borrow_mut` in the child panics. End the borrow first,
    /// or use [`with_state_mut`](Self::with_state_mut), which tells the child instead.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, job_fn};
    ///
    /// struct Scratch(Vec<u8>);
    ///
    /// let size = job_fn(|ctx| {
    ///     let scratch = ctx.state::<Scratch>(); // there with `.on_worker_start(|_| Scratch(..))`
    ///     Ok::<_, Interrupted>(scratch.map(|scratch| scratch.0.len()))
    /// });
    /// assert_eq!(pool.submit(size)?.join()?, None); // this pool has no such hook
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state<S: Any>(&self) -> Option<&S> {
        self.worker.state()?.downcast_ref()
    }

    /// Takes the `S` in the `RefCell<S>` that `on_worker_start` made for this worker, for the time
    /// of the closure.
    ///
    /// # Errors
    /// [`StateError::Taken`] if a job further up on this stack has taken it and runs this one in
    /// place; [`StateError::Missing`] if there is no such state. The closure did not run.
    ///
    /// # Examples
    /// ```
    /// use pool_core::{JobContext, StateError};
    ///
    /// struct Connection { requests: u32 }
    ///
    /// // On a pool with `.on_worker_start(|_| RefCell::new(Connection { requests: 0 }))`.
    /// fn request(ctx: &JobContext<'_>) -> Result<u32, StateError> {
    ///     ctx.with_state_mut(|connection: &mut Connection| {
    ///         connection.requests += 1;
    ///         connection.requests
    ///     })
    /// }
    /// ```
    pub fn with_state_mut<S: Any, R>(
        &self,
        use_it: impl FnOnce(&mut S) -> R,
    ) -> Result<R, StateError> {
        lend(self.worker.state(), use_it)
    }

    /// Returns the value of this type that the pool shares with its jobs: the one that was given to
    /// the builder's [`share`](crate::backend::PoolBuilder::share) (`R1023`).
    ///
    /// It is the same for all jobs of the pool, on every backend and after each swap. A job sees
    /// the values of the pool that runs it.
    ///
    /// # Panics
    /// If the pool shares no value of this type: the message names the type, and the types that are
    /// shared. [`try_shared`](Self::try_shared) does not panic.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let builder = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner);
    /// use pool_core::{Interrupted, job_fn};
    ///
    /// struct Album(Vec<&'static str>);
    ///
    /// let pool = builder.share(Album(vec!["beach", "dunes"])).build()?;
    /// let first = job_fn(|ctx| Ok::<_, Interrupted>(ctx.shared::<Album>().0[0]));
    /// assert_eq!(pool.submit(first)?.join()?, "beach");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn shared<T: Any + Send + Sync>(&self) -> &T {
        self.view().shared()
    }

    /// Returns the value of this type that the pool shares with its jobs, if it shares one; see
    /// [`shared`](Self::shared).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let builder = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner);
    /// use pool_core::{Interrupted, job_fn};
    ///
    /// let pool = builder.share(7_u16).build()?;
    /// let port = job_fn(|ctx| Ok::<_, Interrupted>(ctx.try_shared::<u16>().copied()));
    /// assert_eq!(pool.submit(port)?.join()?, Some(7));
    /// let wide = job_fn(|ctx| Ok::<_, Interrupted>(ctx.try_shared::<u32>().copied()));
    /// assert_eq!(pool.submit(wide)?.join()?, None); // the type is the key
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_shared<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.view().try_shared()
    }

    /// Returns the executor that runs this job, for children that are not to inherit, or that wait
    /// for room by another method.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{ExecutorExt, Interrupted, job_fn};
    ///
    /// let parent = job_fn(|ctx| {
    ///     let child = ctx.executor().try_spawn(|| 42);
    ///     Ok::<_, Interrupted>(child.is_ok())
    /// });
    /// assert!(pool.submit(parent)?.join()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn executor(&self) -> &dyn Executor {
        self.worker.executor()
    }

    /// Returns the value of this type that the job carries, if it was given one; see
    /// [`JobOptions::with_extension`].
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, JobExt, job_fn};
    ///
    /// #[derive(Clone, Copy)]
    /// struct Tenant(u32);
    ///
    /// let job = job_fn(|ctx| Ok::<_, Interrupted>(ctx.extension().map(|it: &Tenant| it.0)));
    /// assert_eq!(pool.submit(job.with_extension(Tenant(17)))?.join()?, Some(17));
    /// assert_eq!(pool.submit(job)?.join()?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<&T> {
        // SAFETY: the context is lent to the job for as long as it runs; what runs it takes the
        // values out after that.
        unsafe { self.terms?.carried.get_while_running() }
    }

    /// Returns the options that a child inherits: this job's deadline, its cancellation (`R406`),
    /// and the values that were given to be inherited.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{ExecutorExt, Interrupted, JobExt, infallible_fn, job_fn};
    /// use std::time::Duration;
    ///
    /// let parent = job_fn(|ctx| {
    ///     let child = infallible_fn(|| 42).with_options(ctx.inherited());
    ///     Ok::<_, Interrupted>(ctx.executor().submit(child).is_ok())
    /// });
    /// assert!(pool.submit(parent.with_timeout(Duration::from_secs(60)))?.join()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inherited(&self) -> JobOptions {
        self.parent().inherited().into()
    }

    ways_in_for_children!();

    /// Runs two halves of this job, at the same time if a worker is free, and returns both values.
    ///
    /// `a` runs here, at once. `b` stays free to be taken until it starts (`R507`): a worker that
    /// finds nothing queued takes the oldest half that is free, whenever it comes. That half is a
    /// job of its own from then on, a child that inherits this job's cancellation and deadline. A
    /// `b` that nobody has taken runs here after `a`, as part of this job and with its context, and
    /// costs some tens of instructions. So split down to small parts, in whatever proportion. Of
    /// halves within each other on one worker, the 1 024 outermost are free to be taken. Each level
    /// takes some hundreds of bytes of the worker's stack (without optimization, up to a thousand):
    /// where a recursion may become as deep as it has parts, set `stack_size`.
    ///
    /// While it waits for a `b` that was taken, the worker runs parts of that `b`, halves that were
    /// forked within it, and no other job: a lock that this job holds is not met twice on this
    /// thread, unless it would be waited for on any (`R502`).
    ///
    /// Both halves run also in a job that was cancelled: [`check`](Self::check) is theirs to call,
    /// and what it reports to either counts for this job, wherever the half ran. A half that waits
    /// for its whole pool, or shuts it down, leaves this job out of what it waits for, as this job
    /// itself would (`R609`). Both may borrow, since neither outlives the call.
    ///
    /// A `b` that was taken is counted as a job, whichever thread runs it: it has an outcome of its
    /// own in the books, and `on_failure` hears of its panic. The body of one that was cancelled,
    /// or given up by a shutdown, before it started is part of this job: the job is counted as what
    /// became of it, and its body runs here, after `a`.
    ///
    /// # Panics
    /// With the panic of `a`; then `b` is asked to stop, and does not start if it has not.
    /// Otherwise with that of `b`.
    ///
    /// After rayon's `join`, whose joiner steals from anybody, and Cilk's.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::JobContext;
    /// fn sum(ctx: &JobContext<'_>, numbers: &[u64]) -> u64 {
    ///     if numbers.len() < 1024 {
    ///         return numbers.iter().sum();
    ///     }
    ///     let (left, right) = numbers.split_at(numbers.len() / 2);
    ///     let (left, right) = ctx.join(|ctx| sum(ctx, left), |ctx| sum(ctx, right));
    ///     left + right
    /// }
    /// ```
    #[inline]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&JobContext<'_>) -> RA,
        B: FnOnce(&JobContext<'_>) -> RB + Send,
        RB: Send,
    {
        join::join(self, a, b)
    }

    #[inline(always)]
    fn view(&self) -> View<'_, dyn Cancellation + 'a> {
        View {
            terms: self.terms,
            cancellation: self.cancellation,
            life: self.worker.life(),
        }
    }

    #[inline(always)]
    fn life(&self) -> &Lifecycle {
        self.worker.life()
    }

    #[inline(always)]
    fn parent(&self) -> OfClosure<'_> {
        OfClosure {
            terms: self.terms,
            cancellation: self.cancellation,
        }
    }

    /// The worker that runs this job.
    #[inline(always)]
    pub(crate) fn on_worker(&self) -> &Worker {
        self.worker
    }

    /// [`inherited`](Self::inherited), on any thread, for a half of this job.
    ///
    /// # Safety
    /// The context stays where it is for the time of the call.
    pub(crate) unsafe fn inherited_elsewhere(this: *const Self) -> Inherited {
        // SAFETY: as the caller says. These two are shared between threads and never written;
        // nothing else of the context is touched.
        let (terms, cancellation) = unsafe { ((*this).terms, (*this).cancellation) };
        // A half is part of this job, on whichever worker it runs: it has all values.
        inherited(terms, cancellation, Terms::values(terms))
    }

    /// Has this job count as one that was told to stop; also called for what a half of it was told.
    pub(crate) fn note_reported(&self, interrupted: Interrupted) {
        self.reported.set(Some(interrupted));
    }

    /// What the job was told last. Read when it has returned an error.
    #[inline]
    pub(crate) fn reported(&self) -> Option<Interrupted> {
        self.reported.get()
    }
}

impl fmt::Debug for JobContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("id", &self.id)
            .field("name", &self.name())
            .field("worker", &self.worker())
            .field("deadline", &self.deadline())
            .finish_non_exhaustive()
    }
}

/// What an [`AsyncJob`](crate::AsyncJob) knows of itself while it runs. Owned by the job, so it may
/// cross suspensions.
#[derive(Clone)]
pub struct AsyncContext {
    /// The job's own cell, which the context keeps alive.
    cell: Arc<dyn AsyncView>,
    /// The job's values, which the context may outlive the job with.
    extensions: Extensions,
    /// The pool as an executor. Once the pool is gone, it submits to the one that a swap has put in
    /// its place, or refuses as closed.
    pool: ByLife,
}

/// The cell of a future as its own context sees it.
pub(crate) trait AsyncView: Cancellation {
    /// The job's id.
    fn id(&self) -> JobId;
    /// The job's options, if it has any.
    fn terms(&self) -> Option<&Terms>;
    /// Notes that the job was told to stop, which decides its outcome if it returns an error.
    fn report(&self, interrupted: Interrupted);
}

impl AsyncContext {
    pub(crate) fn new(cell: Arc<dyn AsyncView>, life: Arc<Lifecycle>) -> Self {
        let extensions = Terms::values(cell.terms());
        Self {
            cell,
            extensions,
            pool: ByLife(life),
        }
    }

    /// Returns the job's id, the same as its handle's.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, async_job_fn};
    ///
    /// let job = async_job_fn(|ctx| async move { Ok::<_, Interrupted>(ctx.id()) });
    /// let handle = pool.submit_future(job)?;
    /// assert_eq!(handle.id(), handle.join()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> JobId {
        self.cell.id()
    }

    /// Returns the job's name, if it was given one.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{AsyncJobExt, Interrupted, async_job_fn};
    ///
    /// let job = async_job_fn(|ctx| async move {
    ///     Ok::<_, Interrupted>(ctx.name().map(str::to_owned))
    /// });
    /// let name = pool.submit_future(job.named("feed"))?.join()?;
    /// assert_eq!(name.as_deref(), Some("feed"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.view().name()
    }

    /// Returns the point in time after which the job is no longer wanted, if it has a limit; see
    /// [`JobContext::deadline`].
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{AsyncJobExt, Interrupted, async_job_fn};
    /// use std::time::{Duration, Instant};
    ///
    /// let soon = Instant::now() + Duration::from_secs(60);
    /// let job = async_job_fn(|ctx| async move { Ok::<_, Interrupted>(ctx.deadline()) });
    /// assert_eq!(pool.submit_future(job.with_deadline(soon))?.join()?, Some(soon));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.view().deadline()
    }

    /// Returns how long it is until the deadline; zero once it has passed, `None` without one.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{AsyncJobExt, Interrupted, async_job_fn};
    /// use std::time::Duration;
    ///
    /// let minute = Duration::from_secs(60);
    /// let job = async_job_fn(|ctx| async move { Ok::<_, Interrupted>(ctx.remaining()) });
    /// let left = pool.submit_future(job.with_timeout(minute))?.join()?;
    /// assert!(left.is_some_and(|left| left <= minute));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        self.view().remaining()
    }

    /// Returns whether the job was asked to stop: by its handle, its token, its parent or a
    /// shutdown.
    ///
    /// The future is dropped at its next suspension then (`R405`), so this is for work between two
    /// of them.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{AsyncJobExt, CancelToken, Interrupted, async_job_fn};
    ///
    /// let token = CancelToken::new();
    /// let own = token.clone();
    /// let job = async_job_fn(move |ctx| async move {
    ///     own.cancel();
    ///     Ok::<_, Interrupted>(ctx.is_cancelled())
    /// });
    /// assert!(pool.submit_future(job.with_token(&token))?.join()?); // it never suspended
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.view().is_cancelled()
    }

    /// Returns `Err` once the job should give up; see [`JobContext::check`].
    ///
    /// # Errors
    /// [`Interrupted::Cancelled`] once it was asked to stop, [`Interrupted::Expired`] once its
    /// deadline has passed.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{AsyncJobExt, CancelToken, Interrupted, JobError, async_job_fn};
    ///
    /// let token = CancelToken::new();
    /// let own = token.clone();
    /// let job = async_job_fn(move |ctx| async move {
    ///     own.cancel();
    ///     ctx.check()?; // before a long computation
    ///     Ok::<_, Interrupted>(42)
    /// });
    /// let outcome = pool.submit_future(job.with_token(&token))?.join();
    /// assert!(matches!(outcome, Err(JobError::Cancelled)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check(&self) -> Result<(), Interrupted> {
        let Some(interrupted) = self.view().interrupted() else {
            return Ok(());
        };
        self.cell.report(interrupted);
        Err(interrupted)
    }

    /// Returns the index of the worker that polls the job now. It may be another one at the next
    /// poll.
    ///
    /// `None` on a thread that is no worker of the pool, to which the job may have given this
    /// context.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, async_job_fn};
    ///
    /// let job = async_job_fn(|ctx| async move { Ok::<_, Interrupted>(ctx.worker()) });
    /// assert_eq!(pool.submit_future(job)?.join()?, Some(0)); // the only worker
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worker(&self) -> Option<usize> {
        self.current_worker().map(|worker| worker.index())
    }

    /// Shows the closure the state of the worker that polls the job now, if it is an `S`; see
    /// [`JobContext::state`]. `None` if it is not, or if this thread has none: the closure did not
    /// run.
    ///
    /// The state stays on its thread and so cannot be kept across a suspension. Futures on the
    /// `async` backend are polled by threads of its runtime that run no `on_worker_start`: no state
    /// there.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, async_job_fn};
    ///
    /// struct Scratch(Vec<u8>);
    ///
    /// let size = async_job_fn(|ctx| async move {
    ///     // There with `.on_worker_start(|_| Scratch(..))`.
    ///     Ok::<_, Interrupted>(ctx.with_state(|scratch: &Scratch| scratch.0.len()))
    /// });
    /// assert_eq!(pool.submit_future(size)?.join()?, None); // this pool has no such hook
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_state<S: Any, R>(&self, use_it: impl FnOnce(&S) -> R) -> Option<R> {
        let worker = self.current_worker()?;
        Some(use_it(worker.state()?.downcast_ref()?))
    }

    /// Takes the `S` in the `RefCell<S>` of the worker that polls the job now, for the time of the
    /// closure; see [`JobContext::with_state_mut`].
    ///
    /// # Errors
    /// [`StateError::Taken`] if a job further up on this stack has taken it and runs this one in
    /// place; [`StateError::Missing`] if there is no such state here. The closure did not run.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{StateError, async_job_fn};
    ///
    /// struct Requests(u32);
    ///
    /// let count = async_job_fn(|ctx| async move {
    ///     ctx.with_state_mut(|requests: &mut Requests| requests.0 += 1)
    /// });
    /// let counted = pool.submit_future(count)?.join();
    /// // This pool has no `.on_worker_start(|_| RefCell::new(Requests(0)))`.
    /// assert_eq!(counted.unwrap_err().into_failed().ok(), Some(StateError::Missing));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_state_mut<S: Any, R>(
        &self,
        use_it: impl FnOnce(&mut S) -> R,
    ) -> Result<R, StateError> {
        let worker = self.current_worker().ok_or(StateError::Missing)?;
        lend(worker.state(), use_it)
    }

    /// Returns the value of this type that the pool shares with its jobs; see
    /// [`JobContext::shared`].
    ///
    /// The value may be kept across suspensions, and read on any thread that has this context. It
    /// is there for as long as the context is, even after the pool.
    ///
    /// # Panics
    /// If the pool shares no value of this type: the message names the type, and the types that are
    /// shared. [`try_shared`](Self::try_shared) does not panic.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let builder = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner);
    /// use pool_core::{Interrupted, async_job_fn};
    ///
    /// struct Album(Vec<&'static str>);
    ///
    /// let pool = builder.share(Album(vec!["beach", "dunes"])).build()?;
    /// let first = async_job_fn(|ctx| async move {
    ///     let album: &Album = ctx.shared();
    ///     Ok::<_, Interrupted>(album.0[0])
    /// });
    /// assert_eq!(pool.submit_future(first)?.join()?, "beach");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn shared<T: Any + Send + Sync>(&self) -> &T {
        self.view().shared()
    }

    /// Returns the value of this type that the pool shares with its jobs, if it shares one; see
    /// [`shared`](Self::shared).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, async_job_fn};
    ///
    /// let port = async_job_fn(|ctx| async move {
    ///     Ok::<_, Interrupted>(ctx.try_shared::<u16>().copied())
    /// });
    /// assert_eq!(pool.submit_future(port)?.join()?, None); // nothing was shared
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_shared<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.view().try_shared()
    }

    fn view(&self) -> View<'_, dyn AsyncView> {
        View {
            terms: self.cell.terms(),
            cancellation: Some(&*self.cell),
            life: &self.pool.0,
        }
    }

    /// The worker that polls the job now, if this thread is one of its pool.
    fn current_worker(&self) -> Option<Worker> {
        Worker::current().filter(|worker| Arc::ptr_eq(worker.life(), &self.pool.0))
    }

    /// Returns the executor that runs this job, for children that are not to inherit, or that wait
    /// for room by another method.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{ExecutorExt, JobError, async_job_fn};
    /// use std::convert::Infallible;
    ///
    /// let parent = async_job_fn(|ctx| async move {
    ///     let child = ctx.executor().spawn_async(|| 42).await;
    ///     child.map_err(|_closed| JobError::<Infallible>::Abandoned)?.await
    /// });
    /// assert_eq!(pool.submit_future(parent)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn executor(&self) -> &dyn Executor {
        &self.pool
    }

    /// Returns the value of this type that the job carries, if it was given one; see
    /// [`JobOptions::with_extension`].
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{AsyncJobExt, Interrupted, async_job_fn};
    ///
    /// struct Tenant(u32);
    ///
    /// let job = async_job_fn(|ctx| async move {
    ///     Ok::<_, Interrupted>(ctx.extension().map(|it: &Tenant| it.0))
    /// });
    /// assert_eq!(pool.submit_future(job.with_extension(Tenant(17)))?.join()?, Some(17));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.extensions.get()
    }

    /// Returns the options that a child inherits: this job's deadline, its cancellation (`R406`),
    /// and the values that were given to be inherited. For a child that is submitted by another way
    /// in than this context's.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{AsyncJobExt, ExecutorExt, JobExt, Interrupted, async_job_fn, infallible_fn};
    /// use std::time::Duration;
    ///
    /// let parent = async_job_fn(|ctx| async move {
    ///     let child = infallible_fn(|| 42).with_options(ctx.inherited());
    ///     Ok::<_, Interrupted>(ctx.executor().submit_async(child).await.is_ok())
    /// });
    /// assert!(pool.submit_future(parent.with_timeout(Duration::from_secs(60)))?.join()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inherited(&self) -> JobOptions {
        self.hands_down().into()
    }

    fn hands_down(&self) -> Inherited {
        let view = self.view();
        inherited(view.terms, view.cancellation, self.extensions.inherited())
    }

    ways_in_for_children!();

    fn life(&self) -> &Lifecycle {
        &self.pool.0
    }

    fn parent(&self) -> &Self {
        self
    }
}

impl fmt::Debug for AsyncContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncContext")
            .field("id", &self.id())
            .field("name", &self.name())
            .finish()
    }
}
