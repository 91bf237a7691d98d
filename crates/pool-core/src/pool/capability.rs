//! What an executor promises beyond the required rules, as plain data.

use crate::pool::config::PoolConfig;

/// The optional promises of an executor. The conformance kit shows a rule whose flag is unset as
/// skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// The executor's name, for reports: `"work-stealing"`.
    pub name: &'static str,
    /// How many jobs run at once at the most.
    pub workers: usize,
    /// The most jobs that are accepted and not started, if there is such a bound (`R104`).
    pub capacity: Option<usize>,
    /// With one worker, jobs of one thread start in the order of submission (`R205`).
    pub fifo: bool,
    /// Futures run next to closures (`R405`, `R612`, `R801` to `R804`).
    pub async_jobs: bool,
    /// The threads are the executor's own: it names them and runs their hooks (`R207`, `R208`).
    pub owns_threads: bool,
}

impl Capability {
    /// Every promise, of an executor that is configured so. An executor that does not keep one of
    /// them clears its flag: `Capability { fifo: false, ..Capability::new(name, &config) }`.
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
