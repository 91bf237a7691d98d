//! How a job becomes the future that its cell polls: in place, so that a future costs no allocation
//! in addition to its cell.
//!
//! There are three sources. `JobSource` is a submitter's `AsyncJob` with its `run`.
//! `InfallibleSource` is a bare future, which becomes itself. `Large` puts either into a box where
//! it would be too large for a worker's stack.

use std::any::type_name;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::job::AsyncJob;
use crate::job::context::AsyncContext;

/// What a cell holds before its job starts. The future that it becomes is an associated type here,
/// which that of [`AsyncJob::run`] is not.
pub(crate) trait Source: Sized + Send + 'static {
    /// What the job returns if it completes.
    type Output: Send + 'static;
    /// What the job returns if it fails.
    type Error: Send + 'static;
    /// What the submitter gave, and gets back if no pool accepts the job.
    type Job;
    /// The future that the cell polls, pinned inside the cell.
    type Future: Future<Output = Result<Self::Output, Self::Error>> + Send + 'static;

    /// Starts the job and returns its future, unpolled. Called once, at the first poll, on the
    /// thread that polls. `ctx` makes the job's context, for a job that has a use for it.
    fn start(self, ctx: impl FnOnce() -> AsyncContext) -> Self::Future;

    /// Does the same in boxes, for a job or a future that is too large to be moved through several
    /// stack frames.
    fn start_boxed(self: Box<Self>, ctx: impl FnOnce() -> AsyncContext) -> Pin<Box<Self::Future>> {
        Box::pin((*self).start(ctx))
    }

    /// Returns what the job itself says of its error, for the failure observer.
    fn error_text(error: &Self::Error) -> Option<String>;

    /// Returns the kind of the job; see [`AsyncJob::kind`].
    fn kind() -> &'static str;

    /// Returns the job, which has not started.
    fn into_job(self) -> Self::Job;
}

/// A job and its own [`AsyncJob::run`], as a function whose future has a name.
pub(crate) struct JobSource<J, R> {
    /// The submitter's job.
    pub(crate) job: J,
    /// Calls `AsyncJob::run`.
    pub(crate) run: R,
}

impl<J, R, F> Source for JobSource<J, R>
where
    J: AsyncJob,
    R: FnOnce(J, AsyncContext) -> F + Send + 'static,
    F: Future<Output = Result<J::Output, J::Error>> + Send + 'static,
{
    type Output = J::Output;
    type Error = J::Error;
    type Job = J;
    type Future = F;

    fn start(self, ctx: impl FnOnce() -> AsyncContext) -> F {
        (self.run)(self.job, ctx())
    }

    fn error_text(error: &J::Error) -> Option<String> {
        J::error_text(error)
    }

    fn kind() -> &'static str {
        J::kind()
    }

    fn into_job(self) -> J {
        self.job
    }
}

/// A future that cannot fail and asks for no context: what `spawn_future` takes. It is its own
/// source.
#[repr(transparent)]
pub(crate) struct InfallibleSource<F>(pub(crate) F);

impl<F> InfallibleSource<F> {
    /// Converts a boxed future without moving it.
    pub(crate) fn boxed(future: Box<F>) -> Box<Self> {
        // SAFETY: the two types have one layout.
        unsafe { Box::from_raw(Box::into_raw(future).cast()) }
    }
}

impl<F> Source for InfallibleSource<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;
    type Error = Infallible;
    type Job = F;
    type Future = Self;

    fn start(self, _ctx: impl FnOnce() -> AsyncContext) -> Self {
        self
    }

    /// Pins the box that is there: the future is not moved.
    fn start_boxed(self: Box<Self>, _ctx: impl FnOnce() -> AsyncContext) -> Pin<Box<Self>> {
        Box::into_pin(self)
    }

    fn error_text(error: &Infallible) -> Option<String> {
        match *error {}
    }

    fn kind() -> &'static str {
        type_name::<F>()
    }

    fn into_job(self) -> F {
        self.0
    }
}

impl<F: Future> Future for InfallibleSource<F> {
    type Output = Result<F::Output, Infallible>;

    /// Polls the bare future, whose output counts as a success.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the field is pinned with the whole: nothing moves it out of a pinned one, and the
        // type has no `Drop` of its own.
        let future = unsafe { self.map_unchecked_mut(|source| &mut source.0) };
        future.poll(cx).map(Ok)
    }
}

/// The size in bytes of a job, or of its future, above which it has a box of its own. In a build
/// without optimization each function that a value passes through has a copy of it on its stack,
/// and a few copies of a large future are a worker's whole stack.
const MAX_IN_CELL: usize = 16 * 1024;

/// A source whose job, or whose future, is larger than [`MAX_IN_CELL`]. The cell holds a box of
/// it.
pub(crate) struct Large<S>(pub(crate) Box<S>);

impl<S: Source> Large<S> {
    /// Returns whether `S` must be boxed.
    pub(crate) const fn is_due() -> bool {
        size_of::<S>() > MAX_IN_CELL || size_of::<S::Future>() > MAX_IN_CELL
    }
}

impl<S: Source> Source for Large<S> {
    type Output = S::Output;
    type Error = S::Error;
    type Job = S::Job;
    type Future = Pin<Box<S::Future>>;

    fn start(self, ctx: impl FnOnce() -> AsyncContext) -> Self::Future {
        self.0.start_boxed(ctx)
    }

    fn error_text(error: &S::Error) -> Option<String> {
        S::error_text(error)
    }

    fn kind() -> &'static str {
        S::kind()
    }

    fn into_job(self) -> S::Job {
        (*self.0).into_job()
    }
}
