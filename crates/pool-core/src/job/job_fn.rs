//! Functions for closures and futures that are to be jobs, in the manner of `service_fn`.

use std::any::type_name;
use std::convert::Infallible;
use std::future::Future;

use crate::job::context::{AsyncContext, JobContext};
use crate::job::{AsyncJob, Job};
use crate::submit::error::SubmitError;

/// Gives back a closure that takes the context, which is a job, so that its parameter needs no
/// type.
///
/// The bound is on `FnOnce` itself, and therefore the compiler knows the parameter of `|ctx|`.
/// Without this function it has to be written out: `|ctx: &JobContext<'_>|`. After tower's
/// `service_fn`.
///
/// # Examples
/// ```
/// use pool_core::{Executor, ExecutorExt, Interrupted, JobExt, job_fn};
/// use std::time::Duration;
///
/// # fn example(pool: &dyn Executor) -> Result<(), Box<dyn std::error::Error>> {
/// let sum = job_fn(|ctx| {
///     let mut sum = 0;
///     for part in 0..10 {
///         ctx.check()?;
///         sum += part;
///     }
///     Ok::<_, Interrupted>(sum)
/// });
/// let handle = pool.submit(sum.named("sum").with_timeout(Duration::from_secs(1)));
/// # Ok(())
/// # }
/// ```
pub fn job_fn<F, T, E>(f: F) -> F
where
    F: FnOnce(&JobContext<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    f
}

/// Gives back a closure that takes the context and returns a future, which is a job; see
/// [`job_fn`].
///
/// # Examples
/// ```
/// use pool_core::{AsyncJobExt, Executor, ExecutorExt, async_job_fn};
/// use std::convert::Infallible;
///
/// # fn example(pool: &dyn Executor) -> Result<(), Box<dyn std::error::Error>> {
/// let id = async_job_fn(|ctx| async move { Ok::<_, Infallible>(ctx.id()) });
/// let handle = pool.submit_future(id.named("who am I"));
/// # Ok(())
/// # }
/// ```
pub fn async_job_fn<F, Fut, T, E>(f: F) -> F
where
    F: FnOnce(AsyncContext) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    f
}

/// Makes a job of a plain closure, which cannot fail and asks for no context: to give it a name, a
/// limit or a token.
///
/// Without options, [`spawn`](crate::ExecutorExt::spawn) is shorter.
///
/// # Examples
/// ```
/// use pool_core::{Executor, ExecutorExt, JobExt, infallible_fn};
/// use std::time::Duration;
///
/// # fn example(pool: &dyn Executor) -> Result<(), Box<dyn std::error::Error>> {
/// let answer = infallible_fn(|| 6 * 7).named("answer").with_timeout(Duration::from_secs(1));
/// let handle = pool.try_submit(answer);
/// # Ok(())
/// # }
/// ```
pub fn infallible_fn<F, T>(f: F) -> InfallibleFn<F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    InfallibleFn(f)
}

/// A plain closure as a job: what [`infallible_fn`] makes.
#[derive(Debug, Clone, Copy)]
pub struct InfallibleFn<F>(F);

impl<F> InfallibleFn<F> {
    /// Returns the closure, as after a refusal.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::infallible_fn;
    ///
    /// pool.close();
    /// let refused = pool.submit(infallible_fn(|| 42)).unwrap_err();
    /// let answer = refused.into_job().into_inner();
    /// assert_eq!(answer(), 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(self) -> F {
        self.0
    }

    /// The refusal of a closure that was submitted as such a job.
    pub(crate) fn given_back(refused: SubmitError<Self>) -> SubmitError<F> {
        refused.map(Self::into_inner)
    }
}

impl<F, T> Job for InfallibleFn<F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = T;
    type Error = Infallible;

    fn run(self, _ctx: &JobContext<'_>) -> Result<T, Infallible> {
        Ok((self.0)())
    }

    /// Returns that of the closure.
    fn kind() -> &'static str {
        type_name::<F>()
    }
}

/// Makes a job of a bare future, which cannot fail: to give it a name, a limit or a token.
///
/// Without options, [`spawn_future`](crate::ExecutorExt::spawn_future) is shorter.
///
/// # Examples
/// ```
/// use pool_core::{AsyncJobExt, CancelToken, Executor, ExecutorExt, infallible_future};
///
/// # fn example(pool: &dyn Executor, token: &CancelToken) -> Result<(), Box<dyn std::error::Error>> {
/// let answer = infallible_future(async { 6 * 7 }).named("answer").with_token(token);
/// let handle = pool.submit_future(answer);
/// # Ok(())
/// # }
/// ```
pub fn infallible_future<F>(future: F) -> InfallibleFuture<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    InfallibleFuture(future)
}

/// A bare future as a job: what [`infallible_future`] makes.
#[derive(Debug, Clone, Copy)]
pub struct InfallibleFuture<F>(F);

impl<F> InfallibleFuture<F> {
    /// Returns the future, as after a refusal. It was not polled.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::infallible_future;
    ///
    /// pool.close();
    /// let refused = pool.submit_future(infallible_future(std::future::ready(42))).unwrap_err();
    /// let future = refused.into_job().into_inner();
    /// assert_eq!(future.into_inner(), 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(self) -> F {
        self.0
    }
}

impl<F> AsyncJob for InfallibleFuture<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;
    type Error = Infallible;

    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` keeps the context in the future"
    )]
    fn run(
        self,
        _ctx: AsyncContext,
    ) -> impl Future<Output = Result<F::Output, Infallible>> + Send + 'static {
        async { Ok(self.0.await) }
    }

    /// Returns that of the future.
    fn kind() -> &'static str {
        type_name::<F>()
    }
}
