//! What an executor promises beyond the required rules, as plain data.

use crate::pool::config::PoolConfig;

/// The optional promises of an executor. The conformance kit shows a rule whose flag is unset as
/// skipped.
///
/// A pool that is swapped shows those of the backend that takes jobs in now.
///
/// # Examples
///
/// ```
/// use pool_core::Executor;
///
/// # use pool_core::backend::SpawnPool;
/// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
/// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
/// let promises = pool.capability();
/// assert_eq!((promises.name, promises.workers, promises.capacity), ("spawn", 1, Some(8)));
/// assert!(promises.fifo && !promises.owns_threads);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// The executor's name, for reports: `"work-stealing"`.
    pub name: &'static str,
    /// How many jobs run at once at most.
    pub workers: usize,
    /// The most jobs that are accepted and not started, if there is such a bound (`R104`).
    pub capacity: Option<usize>,
    /// With one worker, jobs of one thread start in the order of submission (`R205`).
    pub fifo: bool,
    /// Futures run next to closures (`R405`, `R612`, `R801` to `R804`).
    pub async_jobs: bool,
    /// The threads are the executor's own: it names them, runs their hooks (`R207`, `R208`), and
    /// reaches each of them by a broadcast (`R1070` to `R1074`).
    pub owns_threads: bool,
}

impl Capability {
    /// Returns every promise, of an executor that is configured so. An executor that does not keep
    /// one of them clears its flag: `Capability { fifo: false, ..Capability::new(name, &config) }`.
    ///
    /// The number of workers and the capacity are those of `config` at the time of the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::Capability;
    /// use pool_core::backend::PoolConfig;
    ///
    /// let mut config = PoolConfig::default();
    /// config.set_capacity(64);
    /// let capability = Capability { fifo: false, ..Capability::new("own", &config) };
    /// assert_eq!((capability.name, capability.capacity), ("own", Some(64)));
    /// assert!(capability.async_jobs && !capability.fifo);
    /// ```
    pub fn new(name: &'static str, config: &PoolConfig) -> Self {
        Self {
            name,
            workers: config.workers(),
            capacity: Some(config.capacity()),
            fifo: true,
            async_jobs: true,
            owns_threads: true,
        }
    }
}
