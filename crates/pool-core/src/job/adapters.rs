//! What sets a job's options from outside: a job with options around it, and the adapters that make
//! one.

use std::any::Any;
use std::borrow::Cow;
use std::future::Future;
use std::time::{Duration, Instant};

use crate::job::cancel_token::CancelToken;
use crate::job::context::{AsyncContext, JobContext};
use crate::job::{AsyncJob, Job, JobOptions};

/// A job with options around it: what the adapters of [`JobExt`] and [`AsyncJobExt`] return.
///
/// Of two names the outer one holds, that of the adapter applied last. Limits and tokens add up.
#[derive(Debug, Clone)]
pub struct Configured<J> {
    job: J,
    options: JobOptions,
}

impl<J> Configured<J> {
    /// Puts `options` around `job`, in addition to the job's own.
    ///
    /// A name in `options` replaces the job's own; see [`JobOptions`] for the rest.
    ///
    /// # Examples
    /// ```
    /// use pool_core::{Configured, Job, JobOptions, infallible_fn};
    ///
    /// let job = Configured::new(infallible_fn(|| 42), JobOptions::new().named("job"));
    /// let job = Configured::new(job, JobOptions::new().named("answer"));
    /// assert_eq!(job.options().name(), Some("answer")); // the outer one
    /// ```
    pub fn new(job: J, options: JobOptions) -> Self {
        Self { job, options }
    }
}

impl<J> Configured<J> {
    /// Returns the job without the options around it, as after a refusal.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{JobExt, infallible_fn};
    ///
    /// pool.close();
    /// let refused = pool.submit(infallible_fn(|| 42).named("answer")).unwrap_err();
    /// let answer = refused.into_job().into_job().into_inner();
    /// assert_eq!(answer(), 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_job(self) -> J {
        self.job
    }
}

impl<J: Job> Job for Configured<J> {
    type Output = J::Output;
    type Error = J::Error;

    fn run(self, ctx: &JobContext<'_>) -> Result<J::Output, J::Error> {
        self.job.run(ctx)
    }

    #[inline]
    fn options(&self) -> JobOptions {
        self.job.options().around(self.options.clone())
    }

    fn error_text(error: &J::Error) -> Option<String> {
        J::error_text(error)
    }

    fn kind() -> &'static str {
        J::kind()
    }
}

impl<J: AsyncJob> AsyncJob for Configured<J> {
    type Output = J::Output;
    type Error = J::Error;

    fn run(
        self,
        ctx: AsyncContext,
    ) -> impl Future<Output = Result<J::Output, J::Error>> + Send + 'static {
        self.job.run(ctx)
    }

    #[inline]
    fn options(&self) -> JobOptions {
        self.job.options().around(self.options.clone())
    }

    fn error_text(error: &J::Error) -> Option<String> {
        J::error_text(error)
    }

    fn kind() -> &'static str {
        J::kind()
    }
}

/// The adapters, written once for both kinds of job.
macro_rules! adapters {
    () => {
        /// Names the job, for reports and logs. A name that the job has already is replaced.
        ///
        /// # Examples
        /// ```
        /// # use pool_core::backend::SpawnPool;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
        /// use pool_core::{Interrupted, JobExt, job_fn};
        ///
        /// let job = job_fn(|ctx| Ok::<_, Interrupted>(ctx.name() == Some("invoice-17")));
        /// assert!(pool.submit(job.named("invoice-17"))?.join()?);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        fn named(self, name: impl Into<Cow<'static, str>>) -> Configured<Self> {
            Configured::new(self, JobOptions::new().named(name))
        }

        /// Limits the time from submission to the end; see [`JobOptions::with_timeout`]. The
        /// shorter of two limits holds.
        ///
        /// # Examples
        /// ```
        /// # use pool_core::backend::SpawnPool;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
        /// use pool_core::{JobError, JobExt, infallible_fn};
        /// use std::time::Duration;
        ///
        /// let late = pool.submit(infallible_fn(|| 42).with_timeout(Duration::ZERO))?;
        /// assert!(matches!(late.join(), Err(JobError::Expired))); // it did not start
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        fn with_timeout(self, timeout: Duration) -> Configured<Self> {
            Configured::new(self, JobOptions::new().with_timeout(timeout))
        }

        /// Sets the point in time after which the job is no longer wanted; see
        /// [`JobOptions::with_deadline`]. The earlier of two holds.
        ///
        /// # Examples
        /// ```
        /// # use pool_core::backend::SpawnPool;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
        /// use pool_core::{JobError, JobExt, infallible_fn};
        /// use std::time::Instant;
        ///
        /// let late = pool.submit(infallible_fn(|| 42).with_deadline(Instant::now()))?;
        /// assert!(matches!(late.join(), Err(JobError::Expired)));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        fn with_deadline(self, deadline: Instant) -> Configured<Self> {
            Configured::new(self, JobOptions::new().with_deadline(deadline))
        }

        /// Cancels the job with this token, in addition to those that it has; see
        /// [`JobOptions::with_token`].
        ///
        /// # Examples
        /// ```
        /// # use pool_core::backend::SpawnPool;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
        /// use pool_core::{CancelToken, JobError, JobExt, infallible_fn};
        ///
        /// let request = CancelToken::new();
        /// request.cancel();
        /// let job = pool.submit(infallible_fn(|| 42).with_token(&request))?;
        /// assert!(matches!(job.join(), Err(JobError::Cancelled)));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        fn with_token(self, token: &CancelToken) -> Configured<Self> {
            Configured::new(self, JobOptions::new().with_token(token))
        }

        /// Has the job carry a value of any type; see [`JobOptions::with_extension`].
        ///
        /// # Examples
        /// ```
        /// # use pool_core::backend::SpawnPool;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
        /// use pool_core::{Interrupted, JobExt, job_fn};
        ///
        /// struct Tenant(u32);
        ///
        /// let job = job_fn(|ctx| {
        ///     let Tenant(id) = ctx.extension().expect("the submitter gave one");
        ///     Ok::<_, Interrupted>(*id)
        /// });
        /// assert_eq!(pool.submit(job.with_extension(Tenant(17)))?.join()?, 17);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        fn with_extension<T: Any + Send + Sync>(self, value: T) -> Configured<Self> {
            Configured::new(self, JobOptions::new().with_extension(value))
        }

        /// Sets several options at once, as those that a parent's context gives for its children.
        ///
        /// # Examples
        /// ```
        /// # use pool_core::backend::SpawnPool;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
        /// use pool_core::{Job, JobExt, JobOptions, infallible_fn};
        /// use std::time::Duration;
        ///
        /// let nightly = JobOptions::new().named("nightly").with_timeout(Duration::from_secs(60));
        /// let job = infallible_fn(|| 42).with_options(nightly);
        /// assert_eq!(job.options().name(), Some("nightly"));
        /// assert_eq!(pool.submit(job)?.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        fn with_options(self, options: JobOptions) -> Configured<Self> {
            Configured::new(self, options)
        }
    };
}

/// Adapters for every [`Job`]: `job.named("invoice-17").with_timeout(two_seconds)`.
///
/// Each wraps the job in a [`Configured`], which is a job again, so they chain in any order.
pub trait JobExt: Job + Sized {
    adapters!();
}

impl<J: Job> JobExt for J {}

/// The adapters of [`JobExt`] for every [`AsyncJob`].
pub trait AsyncJobExt: AsyncJob + Sized {
    adapters!();
}

impl<J: AsyncJob> AsyncJobExt for J {}
