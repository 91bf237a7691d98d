//! The builder of [`Pool`](crate::Pool): a configuration and a choice of backend.

use pool_core::BuildError;
use pool_core::backend::PoolConfig;

use crate::adopted::AdoptedEngines;
use crate::choice::Backend;
use crate::environment;
use crate::pool::Pool;

/// Configures a [`Pool`]. Nothing is started before [`build`](Self::build).
///
/// What the code leaves open, the environment may say: `POOL_BACKEND` names the backend,
/// `POOL_WORKERS` the number of workers.
///
/// A setting in the code is stronger than the environment. A clone builds a pool of its own; the
/// hooks are shared.
///
/// # Examples
///
/// ```
/// use pool::{Backend, Pool};
///
/// let builder = Pool::builder().backend(Backend::Channel).workers(2).queue_capacity(64);
/// let (one, other) = (builder.clone().build()?, builder.build()?);
/// assert_eq!(one.spawn(|| 6 * 7)?.join()?, 42);
/// one.close();
/// assert!(other.spawn(|| 6 * 7).is_ok()); // a pool of its own
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Builder {
    config: PoolConfig,
    /// The one chosen by name; `None`: adopted engines, the environment or the default decide, in
    /// this order.
    backend: Option<Backend>,
    /// The engines that the caller lends, for this build and all swaps.
    adopted: AdoptedEngines,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Chooses the backend. Default: the one whose engine is adopted, otherwise what `POOL_BACKEND`
    /// in the environment names, otherwise the first that is compiled in.
    ///
    /// The later of two calls holds. A backend that is not compiled in is an error at
    /// [`build`](Self::build), which names the feature.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{Backend, Pool};
    ///
    /// let pool = Pool::builder().backend(Backend::WorkStealing).workers(2).build()?;
    /// assert_eq!(pool.backend(), Backend::WorkStealing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    pool_core::config_setters!();

    /// Runs on this rayon thread pool whenever the pool is on [`Backend::Rayon`], after a swap too.
    /// It stays the caller's: no hook runs on its threads, and they outlive the pool.
    ///
    /// Chooses that backend, whatever `POOL_BACKEND` says, unless [`backend`](Self::backend)
    /// chooses one; of two adopted engines the later one chooses. The number of workers is that of
    /// its threads, unless the code or `POOL_WORKERS` gives one. A larger number is an error of
    /// [`build`](Self::build), or of the swap.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{Backend, Pool};
    /// use std::sync::Arc;
    ///
    /// let threads = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build()?);
    /// let pool = Pool::builder().adopt_rayon(Arc::clone(&threads)).build()?;
    /// assert_eq!(pool.backend(), Backend::Rayon);
    /// let (a, b) = pool.spawn(|| rayon::join(|| 6, || 7))?.join()?; // on those threads
    /// assert_eq!(a * b, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "rayon")]
    #[must_use]
    pub fn adopt_rayon(mut self, threads: std::sync::Arc<rayon::ThreadPool>) -> Self {
        self.adopted.rayon = Some(threads);
        self.adopted.latest = Some(Backend::Rayon);
        self
    }

    /// Runs on this tokio runtime whenever the pool is on [`Backend::Async`], after a swap too. It
    /// stays the caller's: no hook runs on its threads, and it has to outlive the pool's jobs.
    ///
    /// Chooses that backend, whatever `POOL_BACKEND` says, unless [`backend`](Self::backend)
    /// chooses one; of two adopted engines the later one chooses.
    ///
    /// On a `current_thread` runtime await handles instead of joining them: a `join` that blocks
    /// its only thread waits for a future that nothing polls. A runtime that ends before the pool
    /// closes it.
    ///
    /// Closures run on the runtime's blocking threads, and the drop of a runtime waits for those.
    /// So a job that never returns keeps a `#[tokio::main]` from its end, although the shutdown has
    /// reported it: leave the process by [`std::process::exit`] with the report's
    /// [`exit_code`](crate::ShutdownReport::exit_code), or end the runtime by its own
    /// `shutdown_timeout`.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{Backend, Pool};
    ///
    /// let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    /// let pool = Pool::builder().workers(2).adopt_tokio(runtime.handle().clone()).build()?;
    /// assert_eq!(pool.backend(), Backend::Async);
    /// let later = pool.spawn_future(async {
    ///     tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    ///     42
    /// });
    /// assert_eq!(later.map_err(|refused| refused.without_job())?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "async")]
    #[must_use]
    pub fn adopt_tokio(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.adopted.tokio = Some(runtime);
        self.adopted.latest = Some(Backend::Async);
        self
    }

    /// Starts the workers, and returns once all of them wait for jobs.
    ///
    /// # Errors
    /// Says what is wrong and what would be right; nothing is left running (`R109`).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{BuildError, Pool};
    ///
    /// let refused = Pool::builder().queue_capacity(0).build();
    /// assert!(matches!(refused, Err(BuildError::ZeroCapacity)));
    /// ```
    pub fn build(mut self) -> Result<Pool, BuildError> {
        let chosen = self.backend.or(self.adopted.latest);
        let backend = chosen.map_or_else(Backend::from_env, Ok)?;
        if self.config.chosen_workers().is_none()
            && let Some(workers) = environment::workers()?
        {
            self.config.set_workers(workers);
        }
        Pool::build(backend, self.config, self.adopted)
    }
}
