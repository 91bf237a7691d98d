//! How a job becomes the future that its cell polls: in place, so that a future costs no allocation beside its cell.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::context::AsyncContext;
use crate::job::AsyncJob;

/// What a cell holds before its job starts. Its future has a name here, which that of [`AsyncJob::run`] has not.
pub(crate) trait Source: Send + 'static {
    type Output: Send + 'static;
    type Error: Send + 'static;
    type Future: Future<Output = Result<Self::Output, Self::Error>> + Send + 'static;

    /// Starts the job, which asks for its context if it has a use for it.
    fn start(self, ctx: impl FnOnce() -> AsyncContext) -> Self::Future;
}

/// A job and its own [`AsyncJob::run`].
pub(crate) struct JobSource<J, R> {
    pub(crate) job: J,
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
    type Future = F;

    fn start(self, ctx: impl FnOnce() -> AsyncContext) -> F {
        (self.run)(self.job, ctx())
    }
}

/// A future that cannot fail and asks for no context: what `spawn_future` takes.
pub(crate) struct SureSource<F>(pub(crate) F);

impl<F> Source for SureSource<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;
    type Error = Infallible;
    type Future = Sure<F>;

    fn start(self, _ctx: impl FnOnce() -> AsyncContext) -> Sure<F> {
        Sure(self.0)
    }
}

/// A future whose output is a success.
pub(crate) struct Sure<F>(F);

impl<F: Future> Future for Sure<F> {
    type Output = Result<F::Output, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the field is pinned with the whole: nothing moves it out, and the type has no `Drop` of its own.
        let future = unsafe { self.map_unchecked_mut(|sure| &mut sure.0) };
        future.poll(cx).map(Ok)
    }
}
