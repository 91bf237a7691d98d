//! What a user writes: a job, and its options.

pub(crate) mod abort_handle;
pub(crate) mod adapters;
pub(crate) mod cancel_token;
pub(crate) mod context;
pub(crate) mod error_text;
pub(crate) mod extensions;
pub(crate) mod handle;
pub(crate) mod id;
pub(crate) mod job_fn;
pub(crate) mod job_set;
pub(crate) mod outcome;
mod timeout;
mod unwind_safe;
pub(crate) mod watch_list;

use std::any::{Any, type_name};
use std::borrow::Cow;
use std::future::Future;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::job::cancel_token::{CancelToken, ListedWaker};
use crate::job::context::{AsyncContext, JobContext};
use crate::job::extensions::{Carried, Extensions};
use crate::job::id::JobId;
use crate::job::outcome::{contain, drop_contained};
use crate::job::timeout::Timeout;
use crate::job::watch_list::Watch;
use crate::pool::lifecycle::Lifecycle;
use crate::sys::machine;

/// A unit of work that runs at most once, on a worker.
///
/// Every `FnOnce(&JobContext) -> Result<T, E> + Send + 'static` is a job, and
/// [`job_fn`](crate::job_fn) spares it the type of its parameter; a type of your own carries its
/// payload in its fields. The error is the job's own: it comes back through the handle as
/// [`JobError::Failed`](crate::JobError::Failed). A panic is caught and comes back as `Panicked`;
/// the worker goes on.
///
/// # Examples
/// ```
/// use pool_core::{Job, JobContext, JobOptions};
///
/// struct Invoice { number: u32 }
///
/// impl Job for Invoice {
///     type Output = String;
///     type Error = std::io::Error;
///
///     fn run(self, _ctx: &JobContext<'_>) -> Result<String, std::io::Error> {
///         Ok(format!("invoice {}", self.number))
///     }
///
///     fn options(&self) -> JobOptions {
///         JobOptions::new().named(format!("invoice-{}", self.number))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "not a `Job`",
    note = "a job is a closure `|ctx: &JobContext<'_>| -> Result<T, E>` that is `Send + 'static`, or a type of your own that implements `Job`",
    note = "`job_fn(|ctx| ..)` makes a job without the type of `ctx`; a closure without a parameter goes to `spawn`, or becomes a job by `infallible_fn`",
    note = "a future goes to `spawn_future`; a closure that returns one goes to `submit_future`"
)]
pub trait Job: Send + 'static {
    /// The value of a job that succeeds. The handle gives it once; without a handle it is dropped
    /// on the worker.
    type Output: Send + 'static;
    /// The job's own error, which the handle gives as
    /// [`JobError::Failed`](crate::JobError::Failed).
    type Error: Send + 'static;

    /// Does the work. Called at most once, on a worker of the pool that accepted the job (`R103`,
    /// `R210`).
    ///
    /// The context is lent for the call. [`JobContext::check`] says whether to give up.
    ///
    /// # Errors
    /// What the job calls a failure. Returned after `check` has reported that the job should give
    /// up, it is dropped, and the job ends as `Cancelled` or `Expired` (`R402`).
    ///
    /// # Panics
    /// A panic is caught. The handle gives it as [`JobError::Panicked`](crate::JobError::Panicked),
    /// and the worker goes on (`R302`).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, Job, JobContext};
    ///
    /// struct SumTo(u32);
    ///
    /// impl Job for SumTo {
    ///     type Output = u32;
    ///     type Error = Interrupted;
    ///
    ///     fn run(self, ctx: &JobContext<'_>) -> Result<u32, Interrupted> {
    ///         let mut sum = 0;
    ///         for n in 1..=self.0 {
    ///             ctx.check()?;
    ///             sum += n;
    ///         }
    ///         Ok(sum)
    ///     }
    /// }
    /// assert_eq!(pool.submit(SumTo(4))?.join()?, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn run(self, ctx: &JobContext<'_>) -> Result<Self::Output, Self::Error>;

    /// Returns the job's options: its name, deadline, token and values.
    ///
    /// Read once, at submission, on the submitter's thread: a panic here is the submitter's. A
    /// method that returns a future reads them as it is called, so a timeout runs from there and
    /// not from the first poll.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, Job, JobContext, JobOptions};
    ///
    /// struct Report {
    ///     customer: u32,
    /// }
    ///
    /// impl Job for Report {
    ///     type Output = Option<String>;
    ///     type Error = Interrupted;
    ///
    ///     fn run(self, ctx: &JobContext<'_>) -> Result<Option<String>, Interrupted> {
    ///         Ok(ctx.name().map(str::to_owned))
    ///     }
    ///
    ///     fn options(&self) -> JobOptions {
    ///         JobOptions::new().named(format!("report-{}", self.customer))
    ///     }
    /// }
    /// let name = pool.submit(Report { customer: 17 })?.join()?;
    /// assert_eq!(name.as_deref(), Some("report-17"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    fn options(&self) -> JobOptions {
        JobOptions::default()
    }

    /// Returns what an error of this job says, for `on_failure` and for logs.
    ///
    /// Called only where somebody listens, on the thread that ends the job. The default is `None`:
    /// then the text comes from the pool's `describe_error`, or from the type itself where it is a
    /// common one; see [`JobFailure::message`](crate::JobFailure::message).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// use pool_core::{Job, JobContext};
    ///
    /// struct OutOf(&'static str); // no `Display`
    ///
    /// struct Print;
    ///
    /// impl Job for Print {
    ///     type Output = ();
    ///     type Error = OutOf;
    ///
    ///     fn run(self, _ctx: &JobContext<'_>) -> Result<(), OutOf> {
    ///         Err(OutOf("ink"))
    ///     }
    ///
    ///     fn error_text(error: &OutOf) -> Option<String> {
    ///         Some(format!("out of {}", error.0))
    ///     }
    /// }
    /// let (log, lines) = std::sync::mpsc::channel();
    /// let pool = SpawnPool::builder().workers(1).adopt(spawner);
    /// let pool = pool.on_failure(move |job| drop(log.send(job.message.map(str::to_owned))));
    /// let pool = pool.build()?;
    /// pool.execute(Print)?;
    /// assert_eq!(lines.recv()?.as_deref(), Some("out of ink"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn error_text(error: &Self::Error) -> Option<String> {
        let _unknown = error;
        None
    }

    /// Returns the kind of this job, for metrics and traces: a label that all jobs of one type
    /// share, where the name may be that of one job.
    ///
    /// The default is the name of the type, as [`std::any::type_name`] gives it; for a closure that
    /// of the function it is written in, and `{{closure}}`. A label is shown as it is, so one of
    /// your own should be short, and not depend on the job's payload. If it panics, the type's name
    /// is taken.
    ///
    /// # Examples
    /// ```
    /// use pool_core::{Interrupted, Job, JobContext};
    ///
    /// struct Resize;
    ///
    /// impl Job for Resize {
    ///     type Output = ();
    ///     type Error = Interrupted;
    ///
    ///     fn run(self, _ctx: &JobContext<'_>) -> Result<(), Interrupted> {
    ///         Ok(())
    ///     }
    ///
    ///     fn kind() -> &'static str {
    ///         "resize"
    ///     }
    /// }
    /// assert_eq!(Resize::kind(), "resize");
    /// ```
    fn kind() -> &'static str {
        type_name::<Self>()
    }
}

impl<F, T, E> Job for F
where
    F: FnOnce(&JobContext<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = T;
    type Error = E;

    #[inline]
    fn run(self, ctx: &JobContext<'_>) -> Result<T, E> {
        self(ctx)
    }
}

/// A job whose work is a future. Every `FnOnce(AsyncContext) -> impl Future<Output = Result<T, E>>`
/// is one.
///
/// The future is made on a worker when the job starts, and polled there. It is dropped at its next
/// suspension once it is cancelled or its deadline has passed (`R405`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job whose work is a future",
    label = "not an `AsyncJob`",
    note = "such a job is a closure `|ctx: AsyncContext| async move {{ Ok(..) }}` that is `Send + 'static` and whose future is `Send`, or a type of your own that implements `AsyncJob`",
    note = "a bare future goes to `spawn_future`, or becomes a job by `infallible_future`"
)]
pub trait AsyncJob: Send + 'static {
    /// The value of a job that succeeds. The handle gives it once; without a handle it is dropped
    /// on the worker.
    type Output: Send + 'static;
    /// The job's own error, which the handle gives as
    /// [`JobError::Failed`](crate::JobError::Failed).
    type Error: Send + 'static;

    /// Starts the work. Called at most once, on a worker. The future that it returns is polled by
    /// the pool, never by two threads at once (`R802`).
    ///
    /// # Errors
    /// As for [`Job::run`].
    ///
    /// # Panics
    /// A panic here or in a poll is caught, as for [`Job::run`].
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{AsyncContext, AsyncJob};
    /// use std::convert::Infallible;
    ///
    /// struct Greeting(&'static str);
    ///
    /// impl AsyncJob for Greeting {
    ///     type Output = String;
    ///     type Error = Infallible;
    ///
    ///     async fn run(self, _ctx: AsyncContext) -> Result<String, Infallible> {
    ///         Ok(format!("hello {}", self.0))
    ///     }
    /// }
    /// assert_eq!(pool.submit_future(Greeting("world"))?.join()?, "hello world");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn run(
        self,
        ctx: AsyncContext,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send + 'static;

    /// Returns the job's options. Read once, at submission, as for
    /// [`Job::options`].
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{AsyncContext, AsyncJob, JobOptions};
    /// use std::convert::Infallible;
    ///
    /// struct Who;
    ///
    /// impl AsyncJob for Who {
    ///     type Output = Option<String>;
    ///     type Error = Infallible;
    ///
    ///     async fn run(self, ctx: AsyncContext) -> Result<Option<String>, Infallible> {
    ///         Ok(ctx.name().map(str::to_owned))
    ///     }
    ///
    ///     fn options(&self) -> JobOptions {
    ///         JobOptions::new().named("who")
    ///     }
    /// }
    /// assert_eq!(pool.submit_future(Who)?.join()?.as_deref(), Some("who"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    fn options(&self) -> JobOptions {
        JobOptions::default()
    }

    /// Returns what an error of this job says, for `on_failure` and for logs.
    ///
    /// Called only where somebody listens, on the thread that ends the job. The default is `None`:
    /// then the text comes from the pool's `describe_error`, or from the type itself where it is a
    /// common one; see [`Job::error_text`] and [`JobFailure::message`](crate::JobFailure::message).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// use pool_core::{AsyncContext, AsyncJob};
    ///
    /// struct Status(u16); // no `Display`
    ///
    /// struct Fetch;
    ///
    /// impl AsyncJob for Fetch {
    ///     type Output = ();
    ///     type Error = Status;
    ///
    ///     async fn run(self, _ctx: AsyncContext) -> Result<(), Status> {
    ///         Err(Status(404))
    ///     }
    ///
    ///     fn error_text(error: &Status) -> Option<String> {
    ///         Some(format!("status {}", error.0))
    ///     }
    /// }
    /// let (log, lines) = std::sync::mpsc::channel();
    /// let pool = SpawnPool::builder().workers(1).adopt(spawner);
    /// let pool = pool.on_failure(move |job| drop(log.send(job.message.map(str::to_owned))));
    /// let pool = pool.build()?;
    /// pool.execute_future(Fetch)?;
    /// assert_eq!(lines.recv()?.as_deref(), Some("status 404"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn error_text(error: &Self::Error) -> Option<String> {
        let _unknown = error;
        None
    }

    /// Returns the kind of this job, for metrics and traces: a label that all jobs of one type
    /// share, where the name may be that of one job.
    ///
    /// The default is the name of the type, as [`std::any::type_name`] gives it; see [`Job::kind`].
    ///
    /// # Examples
    /// ```
    /// use pool_core::{AsyncContext, AsyncJob};
    /// use std::convert::Infallible;
    ///
    /// struct Fetch;
    ///
    /// impl AsyncJob for Fetch {
    ///     type Output = ();
    ///     type Error = Infallible;
    ///
    ///     async fn run(self, _ctx: AsyncContext) -> Result<(), Infallible> {
    ///         Ok(())
    ///     }
    /// }
    /// assert!(Fetch::kind().ends_with("::Fetch"));
    /// ```
    fn kind() -> &'static str {
        type_name::<Self>()
    }
}

impl<F, Fut, T, E> AsyncJob for F
where
    F: FnOnce(AsyncContext) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = T;
    type Error = E;

    fn run(self, ctx: AsyncContext) -> impl Future<Output = Result<T, E>> + Send + 'static {
        self(ctx)
    }
}

/// What a job may carry in addition to its payload: a name, a time limit, a token, and values of
/// any type.
///
/// Options that are set twice are merged: the shorter timeout, the earlier deadline and each of the
/// tokens hold. Only a name replaces the one before, and a value one of its type. A job without
/// options costs no memory for them.
//
// In this order no field that owns something lies behind another's padding. The compiler copies a
// padding together with what is behind it, and would not see that options which are none are that.
#[derive(Debug, Clone, Default)]
#[repr(C)]
pub struct JobOptions {
    /// Below each token that was given, if there is more than one.
    token: Option<CancelToken>,
    /// What few jobs have. Apart, since options lie in each job that is wrapped in them, and in the
    /// error that gives it back.
    extras: Option<Box<Extras>>,
    /// Shown by `on_failure`, by a shutdown's report and by the context.
    name: Option<Cow<'static, str>>,
    /// Counted from the submission. The shortest that was given. Has the mark for observers too.
    timeout: Timeout,
    /// The earliest that was given. Apart from `timeout`, which becomes a point in time only at
    /// submission.
    deadline: Option<Instant>,
}

/// The options that few jobs have.
#[derive(Debug, Clone, Default)]
struct Extras {
    extensions: Extensions,
    /// When the job was submitted, if an observer asks.
    submitted: Option<Instant>,
}

impl JobOptions {
    /// Returns options without a name, a limit or a token.
    ///
    /// # Examples
    /// ```
    /// use pool_core::JobOptions;
    ///
    /// let options = JobOptions::new();
    /// assert!(options.name().is_none() && options.timeout().is_none());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the name, if there is one.
    ///
    /// # Examples
    /// ```
    /// use pool_core::JobOptions;
    ///
    /// let options = JobOptions::new().named("nightly").named("nightly-2");
    /// assert_eq!(options.name(), Some("nightly-2")); // the later one
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the time from submission to the end, if it is limited by a
    /// [`with_timeout`](Self::with_timeout).
    ///
    /// # Examples
    /// ```
    /// use pool_core::JobOptions;
    /// use std::time::{Duration, Instant};
    ///
    /// let second = Duration::from_secs(1);
    /// assert_eq!(JobOptions::new().with_timeout(second).timeout(), Some(second));
    /// assert_eq!(JobOptions::new().with_deadline(Instant::now()).timeout(), None);
    /// ```
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.get()
    }

    /// Returns the point in time after which the job is no longer wanted, if one was set by a
    /// [`with_deadline`](Self::with_deadline).
    ///
    /// The [`timeout`](Self::timeout) is not in it: that becomes a point in time at submission.
    ///
    /// # Examples
    /// ```
    /// use pool_core::JobOptions;
    /// use std::time::{Duration, Instant};
    ///
    /// let (soon, second) = (Instant::now(), Duration::from_secs(1));
    /// let options = JobOptions::new().with_deadline(soon + second).with_deadline(soon);
    /// assert_eq!(options.deadline(), Some(soon)); // the earlier of both
    /// assert_eq!(JobOptions::new().with_timeout(second).deadline(), None);
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns the token that cancels the job in addition to its handle, if one was given.
    ///
    /// If several were given, it is a token of its own below all of them.
    ///
    /// # Examples
    /// ```
    /// use pool_core::{CancelToken, JobOptions};
    ///
    /// let request = CancelToken::new();
    /// let options = JobOptions::new().with_token(&request);
    /// request.cancel();
    /// assert!(options.token().is_some_and(CancelToken::is_cancelled));
    /// ```
    pub fn token(&self) -> Option<&CancelToken> {
        self.token.as_ref()
    }

    /// Names the job, for reports and logs.
    ///
    /// # Examples
    /// ```
    /// use pool_core::JobOptions;
    ///
    /// let options = JobOptions::new().named(format!("invoice-{}", 17));
    /// assert_eq!(options.name(), Some("invoice-17"));
    /// ```
    #[must_use]
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Limits the time from submission to the end. Past it, a queued job never starts and a running
    /// one sees it in [`JobContext::check`]. A limit too far for the clock is none (`R407`).
    ///
    /// The pool's clock is a thread: the end of a queued job comes once that thread runs, on a busy
    /// machine some milliseconds late. It frees the place first, and drops what the job captured
    /// last.
    ///
    /// # Examples
    /// ```
    /// use pool_core::JobOptions;
    /// use std::time::Duration;
    ///
    /// let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
    /// let options = JobOptions::new().with_timeout(hour).with_timeout(second);
    /// assert_eq!(options.timeout(), Some(second)); // the shorter of both
    /// ```
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        if self.timeout().is_none_or(|before| timeout < before) {
            self.timeout.set(timeout);
        }
        self
    }

    /// Like [`with_timeout`](Self::with_timeout), with a point in time. The earlier of both holds.
    ///
    /// # Examples
    /// ```
    /// use pool_core::JobOptions;
    /// use std::time::{Duration, Instant};
    ///
    /// let soon = Instant::now() + Duration::from_secs(1);
    /// assert_eq!(JobOptions::new().with_deadline(soon).deadline(), Some(soon));
    /// ```
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(deadline, |d| d.min(deadline)));
        self
    }

    /// Cancels the job with this token, in addition to whatever else may cancel it.
    ///
    /// # Examples
    /// ```
    /// use pool_core::{CancelToken, JobOptions};
    ///
    /// let (one, other) = (CancelToken::new(), CancelToken::new());
    /// let options = JobOptions::new().with_token(&one).with_token(&other);
    /// other.cancel(); // either will do
    /// assert!(options.token().is_some_and(CancelToken::is_cancelled));
    /// ```
    #[must_use]
    pub fn with_token(mut self, token: &CancelToken) -> Self {
        self.token = Some(match self.token {
            None => token.clone(),
            Some(held) => CancelToken::below(&[&held, token]),
        });
        self
    }

    /// Returns the value of this type that the job carries, if it was given one.
    ///
    /// # Examples
    /// ```
    /// use pool_core::JobOptions;
    ///
    /// #[derive(Debug, PartialEq)]
    /// struct Tenant(u32);
    ///
    /// let options = JobOptions::new().with_extension(Tenant(17));
    /// assert_eq!(options.extension(), Some(&Tenant(17)));
    /// assert_eq!(options.extension::<String>(), None);
    /// ```
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.extras.as_ref()?.extensions.get()
    }

    /// Has the job carry a value, which its context shows as [`JobContext::extension`], and its
    /// queued task as [`Task::extension`](crate::Task::extension). It replaces one of the same
    /// type.
    ///
    /// The job's children do not inherit it; see
    /// [`with_inherited_extension`](Self::with_inherited_extension). It is dropped when the job
    /// ends, unless somebody else has a share: clones of these options, a child, an
    /// [`AsyncContext`] that the job has given away, a reader of the task, a hook of `stuck_after`
    /// that is being called. A panic of its destructor is contained.
    ///
    /// # Examples
    /// ```
    /// use pool_core::JobOptions;
    ///
    /// let options = JobOptions::new().with_extension("first").with_extension("second");
    /// assert_eq!(options.extension(), Some(&"second"));
    /// ```
    #[must_use]
    pub fn with_extension<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.extras_mut().extensions.insert(value, false);
        self
    }

    /// Has the job carry a value, as [`with_extension`](Self::with_extension), and its children as
    /// well, and theirs.
    ///
    /// A child shares the value with its parent. A value of the same type among the child's own
    /// options replaces it, for the child's children too.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, JobExt, JobOptions, job_fn};
    ///
    /// #[derive(Clone, Copy)]
    /// struct Tenant(u32);
    ///
    /// let parent = job_fn(|ctx| {
    ///     let child = job_fn(|ctx| Ok::<_, Interrupted>(ctx.extension().map(|it: &Tenant| it.0)));
    ///     Ok::<_, Interrupted>(ctx.submit(child).map(|handle| handle.join()))
    /// });
    /// let options = JobOptions::new().with_inherited_extension(Tenant(17));
    /// let child = pool.submit(parent.with_options(options))?.join()?;
    /// assert_eq!(child.unwrap()?, Some(17));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_inherited_extension<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.extras_mut().extensions.insert(value, true);
        self
    }

    /// Returns whether these are the options of a job that is submitted by `execute` and the like:
    /// without a handle, and not as a child of a job. Known to an observer that sees the
    /// submission; false for the options that a job is given.
    ///
    /// # Examples
    /// ```
    /// use pool_core::{JobOptions, Observer};
    ///
    /// struct Detached(std::sync::mpsc::Sender<bool>);
    ///
    /// impl Observer for Detached {
    ///     fn submitted(&self, options: &mut JobOptions) {
    ///         drop(self.0.send(options.is_detached()));
    ///     }
    /// }
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # use pool_core::infallible_fn;
    /// let (send, seen) = std::sync::mpsc::channel();
    /// let pool = SpawnPool::builder().workers(1).observe(Detached(send)).adopt(spawner).build()?;
    /// pool.execute(infallible_fn(|| 42))?;
    /// pool.spawn(|| 42)?.detach();
    /// assert_eq!([seen.recv()?, seen.recv()?], [true, false]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_detached(&self) -> bool {
        self.timeout.is_detached
    }

    fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Has an observer know whether the job has no handle.
    pub(crate) fn note_detached(&mut self, is_detached: bool) {
        self.timeout.is_detached = is_detached;
    }

    /// Has the job carry the time of its submission.
    pub(crate) fn note_submitted(&mut self, at: Instant) {
        self.extras_mut().submitted = Some(at);
    }

    /// What holds for a job that is submitted after `delay`: its timeout counts from then on, and
    /// so does what it waits, for observers.
    pub(crate) fn delayed_by(mut self, delay: Duration) -> Self {
        if let Some(timeout) = self.timeout() {
            self.timeout.set(timeout.saturating_add(delay));
        }
        let extras = self.extras.as_mut();
        if let Some(at) = extras.and_then(|extras| extras.submitted.as_mut()) {
            *at = at.checked_add(delay).unwrap_or(*at);
        }
        self
    }

    /// What holds where these and `inner` are both given: the inner name, the earlier deadline,
    /// either token, and of values of one type the inner one, unless that is a parent's.
    #[inline(always)]
    pub(crate) fn around(self, inner: Self) -> Self {
        if self.is_none() {
            std::mem::forget(self); // see `resolve`
            return inner;
        }
        let mut both = inner;
        both.name = both.name.or(self.name);
        if let Some(timeout) = self.timeout.get() {
            both = both.with_timeout(timeout);
        }
        if let Some(deadline) = self.deadline {
            both = both.with_deadline(deadline);
        }
        both.token = match (both.token.take(), self.token) {
            (Some(inner), Some(outer)) => Some(CancelToken::below(&[&inner, &outer])),
            (inner, outer) => inner.or(outer),
        };
        both.extras = match (both.extras.take(), self.extras) {
            (Some(inner), Some(outer)) => Some(inner.within(*outer)),
            (inner, outer) => inner.or(outer),
        };
        both
    }

    /// Fixes the time limit to the clock; nothing at all for a job without options, the cheapest
    /// kind.
    #[inline(always)]
    pub(crate) fn resolve(self) -> Option<Terms> {
        if self.is_none() {
            // They own nothing. A drop would be a call for each job.
            std::mem::forget(self);
            return None;
        }
        self.terms()
    }

    /// Whether nothing is set that holds for the job.
    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        self.name.is_none()
            && self.timeout.is_none()
            && self.deadline.is_none()
            && self.token.is_none()
            && self.extras.is_none()
    }

    /// The part of [`resolve`](Self::resolve) for a job with options. `None` where they come to
    /// nothing, as a timeout too far for the clock does (`R407`).
    ///
    /// Apart, so that a submission whose job has none has no room for it on its stack.
    #[inline(never)]
    fn terms(self) -> Option<Terms> {
        let timed = self
            .timeout
            .get()
            .and_then(|timeout| machine::now().checked_add(timeout));
        let deadline = [timed, self.deadline].into_iter().flatten().min();
        let is_ahead = self.deadline.is_none() && self.timeout.get().is_some_and(|it| it >= AHEAD);
        let carried = match self.extras {
            None => Carried::default(),
            Some(extras) => extras.carried(),
        };
        let is_empty =
            self.name.is_none() && deadline.is_none() && self.token.is_none() && carried.is_empty();
        // Such terms are never allocated.
        (!is_empty).then(|| Terms {
            name: self.name,
            deadline,
            token: self.token,
            is_ahead,
            carried,
            watch: Watch::default(),
            alarm: Watch::default(),
        })
    }
}

impl Extras {
    /// Values alone.
    #[cold]
    fn of(extensions: Extensions) -> Box<Self> {
        Box::new(Self {
            extensions,
            ..Self::default()
        })
    }

    /// What the job carries of these.
    #[cold]
    fn carried(self) -> Carried {
        Carried::new(self.extensions, self.submitted)
    }

    /// These, with those of the options around.
    #[cold]
    fn within(mut self: Box<Self>, outer: Self) -> Box<Self> {
        self.extensions = outer.extensions.around(self.extensions);
        self
    }
}

/// A timeout of this length or more ends after the job has arrived in its queue, but for a thread
/// that loses its core on the way.
const AHEAD: Duration = Duration::from_millis(1);

/// Asks a job's type for its kind, which is user code and may panic: then the type's name is taken.
pub(crate) fn kind_of<J>(kind: fn() -> &'static str) -> &'static str {
    contain(kind).unwrap_or_else(|_panic| type_name::<J>())
}

/// A job's options once it is submitted: the limit has become a point in time.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) token: Option<CancelToken>,
    /// The deadline was some way ahead when it was made of a timeout: as the job arrives, a moment
    /// later, nobody looks whether it has passed. If it has, the clock ends the job.
    is_ahead: bool,
    /// Its values, and its times for observers.
    pub(crate) carried: Carried,
    /// Where the job watches its token.
    watch: Watch,
    /// Where its pool's clock has its deadline.
    alarm: Watch,
}

impl Terms {
    /// Returns those of a job's values that its children inherit.
    #[inline(always)]
    pub(crate) fn inherited_values(terms: Option<&Self>) -> Extensions {
        match terms {
            Some(terms) if !terms.carried.is_empty() => terms.carried.share_inherited(),
            _ => Extensions::default(),
        }
    }

    /// A share of the values that a job with these options carries.
    #[inline(always)]
    pub(crate) fn values(terms: Option<&Self>) -> Extensions {
        terms.map(|terms| terms.carried.share()).unwrap_or_default()
    }

    /// Returns whether a job with these carries neither values nor times.
    #[inline(always)]
    pub(crate) fn have_no_values(terms: Option<&Self>) -> bool {
        terms.is_none_or(|terms| terms.carried.is_empty())
    }

    /// Takes the values out, for the side that ends the job to drop.
    #[must_use = "dropping them runs user code"]
    #[inline(always)]
    pub(crate) fn take_values(terms: Option<&Self>) -> Extensions {
        terms.map(|terms| terms.carried.take()).unwrap_or_default()
    }

    /// Whether something of this may end a job that is queued.
    #[inline]
    pub(crate) fn may_end(&self) -> bool {
        self.deadline.is_some() || self.token.is_some()
    }

    /// Has the token and the clock of `life` call `waker` when they may end job `id`. The caller
    /// looks at both once afterwards.
    pub(crate) fn watch(&self, id: JobId, life: &Lifecycle, waker: &Waker) {
        if self.token.is_some()
            && let Some(refused) = self.watch_token(id, ListedWaker::own(waker.clone()))
        {
            drop_contained(refused);
        }
        if let Some(deadline) = self.deadline {
            self.watch_clock(deadline, id, life, waker);
        }
    }

    /// [`watch`](Self::watch)es, unless token or deadline end the job already: then gives the waker
    /// back, to be called.
    #[inline(always)]
    pub(crate) fn watch_unless_due(
        &self,
        id: JobId,
        life: &Lifecycle,
        waker: ListedWaker,
    ) -> Option<Waker> {
        if let Some(deadline) = self.deadline {
            if self.is_cancelled() || !self.is_ahead && self.is_expired() {
                return Some(waker.into_waker());
            }
            self.watch_clock(deadline, id, life, waker.as_waker());
        }
        self.watch_token(id, waker).map(ListedWaker::into_waker)
    }

    /// Gives the waker back if the token is cancelled: what happened before the watch wakes nobody.
    #[inline(always)]
    fn watch_token(&self, id: JobId, waker: ListedWaker) -> Option<ListedWaker> {
        let token = self.token.as_ref()?;
        token.watch_listed(&self.watch, id, waker).err()
    }

    /// Has the clock of `life` call `waker` at the deadline, under the job's id.
    fn watch_clock(&self, deadline: Instant, id: JobId, life: &Lifecycle, waker: &Waker) {
        // Without a clock's thread the deadline is seen when the job would start, or at its next
        // poll.
        let _has_clock = life.timer.wake_at(&self.alarm, deadline, id, waker);
    }

    /// Undoes [`watch`](Self::watch).
    #[inline]
    pub(crate) fn unwatch(&self, id: JobId, life: &Lifecycle) {
        if self.may_end() {
            self.forget_watch(id, life);
        }
    }

    /// The part of [`unwatch`](Self::unwatch) for a job that may have been watched.
    #[inline(never)]
    fn forget_watch(&self, id: JobId, life: &Lifecycle) {
        self.unwatch_token(id);
        if self.deadline.is_some() {
            life.timer.forget(&self.alarm, id);
        }
    }

    /// The part of [`unwatch`](Self::unwatch) that is done also where the pool is gone, and its
    /// clock with it: what the token has may be lent.
    #[inline]
    pub(crate) fn unwatch_token(&self, id: JobId) {
        if let Some(token) = &self.token {
            token.unwatch(&self.watch, id);
        }
    }

    /// Whether the deadline has passed. Reads the clock only where there is a deadline.
    #[inline]
    pub(crate) fn is_expired(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| machine::now() >= deadline)
    }

    /// Whether the token is cancelled; false without one. The handle's own request is not in it:
    /// that is a bit of the cell.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.token.as_ref().is_some_and(CancelToken::is_cancelled)
    }
}
