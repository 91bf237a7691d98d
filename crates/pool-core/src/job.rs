//! What a user writes: a job, its options, and the adapters that set them.

pub(crate) mod abort_handle;
pub(crate) mod cancel_token;
pub(crate) mod context;
pub(crate) mod error_text;
pub(crate) mod handle;
pub(crate) mod id;
pub(crate) mod job_fn;
pub(crate) mod job_set;
pub(crate) mod outcome;
mod unwind;

use std::borrow::Cow;
use std::future::Future;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::job::cancel_token::{CancelToken, Watch};
use crate::job::context::{AsyncContext, JobContext};
use crate::job::id::JobId;
use crate::job::outcome::drop_contained;
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
    /// What the job gives when it succeeds.
    type Output: Send + 'static;
    /// What it gives when it does not.
    type Error: Send + 'static;

    /// Does the work. Called at most once, on a worker (`R103`).
    fn run(self, ctx: &JobContext<'_>) -> Result<Self::Output, Self::Error>;

    /// Name, deadline and token of this job, read once, at submission.
    #[inline]
    fn options(&self) -> JobOptions {
        JobOptions::default()
    }

    /// What an error of this job says, for `on_failure` and what else shows it.
    ///
    /// Asked only where somebody listens. `None`, as here: whoever shows it does what it can for an
    /// error of unknown type; see [`JobFailure::message`](crate::JobFailure::message).
    fn error_text(error: &Self::Error) -> Option<String> {
        let _unknown = error;
        None
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
    /// What the job gives when it succeeds.
    type Output: Send + 'static;
    /// What it gives when it does not.
    type Error: Send + 'static;

    /// Starts the work. Called at most once, on a worker.
    fn run(
        self,
        ctx: AsyncContext,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send + 'static;

    /// Name, deadline and token of this job, read once, at submission.
    #[inline]
    fn options(&self) -> JobOptions {
        JobOptions::default()
    }

    /// What an error of this job says, for `on_failure` and what else shows it.
    ///
    /// Asked only where somebody listens. `None`, as here: whoever shows it does what it can for an
    /// error of unknown type; see [`JobFailure::message`](crate::JobFailure::message).
    fn error_text(error: &Self::Error) -> Option<String> {
        let _unknown = error;
        None
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

/// What a job may carry in addition to its payload: a name, a time limit, a token.
#[derive(Debug, Clone, Default)]
pub struct JobOptions {
    name: Option<Cow<'static, str>>,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    token: Option<CancelToken>,
}

impl JobOptions {
    /// No name, no limit, no token.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The time from submission to the end, if it is limited.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The point in time after which the job is no longer wanted, if one was set. The
    /// [`timeout`](Self::timeout) is not in it: that becomes a point in time at submission.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// What cancels the job in addition to its handle, if anything does: cancelled as soon as one
    /// of the tokens given is.
    pub fn token(&self) -> Option<&CancelToken> {
        self.token.as_ref()
    }

    /// Names the job, for reports and logs.
    ///
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
        self.timeout = Some(self.timeout.map_or(timeout, |t| t.min(timeout)));
        self
    }

    /// Like [`with_timeout`](Self::with_timeout), with a point in time. The earlier of both holds.
    ///
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

    /// What the child of a job with this deadline and this token inherits.
    #[inline(always)]
    pub(crate) fn inherited(deadline: Option<Instant>, token: Option<CancelToken>) -> Self {
        Self {
            deadline,
            token,
            ..Self::default()
        }
    }

    /// What holds where these and `inner` are both given: the inner name, the earlier deadline,
    /// either token.
    #[inline(always)]
    pub(crate) fn around(self, inner: Self) -> Self {
        let mut both = inner;
        both.name = both.name.or(self.name);
        if let Some(timeout) = self.timeout {
            both = both.with_timeout(timeout);
        }
        if let Some(deadline) = self.deadline {
            both = both.with_deadline(deadline);
        }
        both.token = match (both.token.take(), self.token) {
            (Some(inner), Some(outer)) => Some(CancelToken::below(&[&inner, &outer])),
            (inner, outer) => inner.or(outer),
        };
        both
    }

    /// Fixes the time limit to the clock; nothing at all for a job without options, the cheapest
    /// kind.
    #[inline(always)]
    pub(crate) fn resolve(self) -> Option<Terms> {
        let is_plain = self.name.is_none()
            && self.timeout.is_none()
            && self.deadline.is_none()
            && self.token.is_none();
        if is_plain { None } else { self.terms() }
    }

    #[inline(always)]
    fn terms(self) -> Option<Terms> {
        let timed = self
            .timeout
            .and_then(|timeout| machine::now().checked_add(timeout));
        let deadline = [timed, self.deadline].into_iter().flatten().min();
        let terms = Terms {
            name: self.name,
            deadline,
            token: self.token,
            watch: Watch::default(),
        };
        (!terms.is_empty()).then_some(terms)
    }
}

/// A job's options once it is submitted: the limit has become a point in time.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) token: Option<CancelToken>,
    /// Where the job watches its token.
    watch: Watch,
}

impl Terms {
    #[inline]
    fn is_empty(&self) -> bool {
        self.name.is_none() && self.deadline.is_none() && self.token.is_none()
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
            && let Some(refused) = self.watch_token(id, waker.clone())
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
        waker: Waker,
    ) -> Option<Waker> {
        if self.deadline.is_some() && (self.is_cancelled() || self.is_expired()) {
            return Some(waker);
        }
        let for_clock = self.deadline.map(|deadline| (deadline, waker.clone()));
        let due = self.watch_token(id, waker);
        if let Some((deadline, waker)) = for_clock {
            self.watch_clock(deadline, id, life, &waker);
        }
        due
    }

    /// Gives the waker back if the token is cancelled: what happened before the watch wakes nobody.
    #[inline(always)]
    fn watch_token(&self, id: JobId, waker: Waker) -> Option<Waker> {
        let token = self.token.as_ref()?;
        token.watch(&self.watch, id, waker).err()
    }

    fn watch_clock(&self, deadline: Instant, id: JobId, life: &Lifecycle, waker: &Waker) {
        // Without a clock's thread the deadline is seen when the job would start, or at its next
        // poll.
        let _has_clock = life.timer.wake_at(deadline, id, waker);
    }

    /// Undoes [`watch`](Self::watch).
    #[inline]
    pub(crate) fn unwatch(&self, id: JobId, life: &Lifecycle) {
        if self.may_end() {
            self.forget_watch(id, life);
        }
    }

    #[cold]
    fn forget_watch(&self, id: JobId, life: &Lifecycle) {
        if let Some(token) = &self.token {
            token.unwatch(&self.watch, id);
        }
        if let Some(deadline) = self.deadline {
            life.timer.forget(deadline, id);
        }
    }

    /// Whether the deadline has passed. Reads the clock only where there is a deadline.
    #[inline]
    pub(crate) fn is_expired(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| machine::now() >= deadline)
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.token.as_ref().is_some_and(CancelToken::is_cancelled)
    }
}

/// A job with options around it: what the adapters of [`JobExt`] and [`AsyncJobExt`] return.
#[derive(Debug, Clone)]
pub struct Configured<J> {
    job: J,
    options: JobOptions,
}

impl<J> Configured<J> {
    /// `job` with `options`, in addition to those that the job has of itself.
    pub fn new(job: J, options: JobOptions) -> Self {
        Self { job, options }
    }
}

impl<J> Configured<J> {
    /// The job without the options around it.
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
}

/// The adapters, written once for both kinds of job.
macro_rules! adapters {
    () => {
        /// Names the job, for reports and logs.
        fn named(self, name: impl Into<Cow<'static, str>>) -> Configured<Self> {
            Configured::new(self, JobOptions::new().named(name))
        }

        /// Limits the time from submission to the end; see [`JobOptions::with_timeout`].
        fn with_timeout(self, timeout: Duration) -> Configured<Self> {
            Configured::new(self, JobOptions::new().with_timeout(timeout))
        }

        /// Sets the point in time after which the job is no longer wanted.
        fn with_deadline(self, deadline: Instant) -> Configured<Self> {
            Configured::new(self, JobOptions::new().with_deadline(deadline))
        }

        /// Cancels the job with this token.
        fn with_token(self, token: &CancelToken) -> Configured<Self> {
            Configured::new(self, JobOptions::new().with_token(token))
        }

        /// Sets several options at once.
        fn with_options(self, options: JobOptions) -> Configured<Self> {
            Configured::new(self, options)
        }
    };
}

/// Adapters for every [`Job`]: `job.named("invoice-17").with_timeout(two_seconds)`.
pub trait JobExt: Job + Sized {
    adapters!();
}

impl<J: Job> JobExt for J {}

/// The adapters of [`JobExt`] for every [`AsyncJob`].
pub trait AsyncJobExt: AsyncJob + Sized {
    adapters!();
}

impl<J: AsyncJob> AsyncJobExt for J {}
