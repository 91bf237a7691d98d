//! The builder of [`Pool`](crate::Pool): a configuration and a choice.

use std::any::Any;

use pool_core::{BuildError, JobFailure, PoolConfig};

use crate::backend::Backend;
use crate::pool::Pool;

/// Configures a [`Pool`]. Nothing is started before [`build`](Self::build).
#[derive(Debug, Clone, Default)]
pub struct Builder {
    config: PoolConfig,
    backend: Option<Backend>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Who runs the jobs. Default: what `POOL_BACKEND` in the environment names, else the first that is compiled in.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Starts from a configuration made elsewhere.
    #[must_use]
    pub fn config(mut self, config: PoolConfig) -> Self {
        self.config = config;
        self
    }

    /// How many jobs run at once. Default: what the system grants this process in parallel.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.config.set_workers(workers);
        self
    }

    /// The most jobs that are accepted and not started (`R104`). Default: 1024.
    #[must_use]
    pub fn queue_capacity(mut self, capacity: usize) -> Self {
        self.config.set_capacity(capacity);
        self
    }

    /// The prefix of the threads' names, to which a `-` and the worker's index are added.
    #[must_use]
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.config.set_thread_name(name);
        self
    }

    /// Bytes of stack for each worker.
    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.config.set_stack_size(bytes);
        self
    }

    /// Runs first on each worker; what it returns is the worker's state, which its jobs see in
    /// [`JobContext::state`](pool_core::JobContext::state) (`R208`).
    #[must_use]
    pub fn on_worker_start<S: Any>(
        mut self,
        start: impl Fn(usize) -> S + Send + Sync + 'static,
    ) -> Self {
        self.config.set_on_worker_start(start);
        self
    }

    /// Runs last on each worker.
    #[must_use]
    pub fn on_worker_stop(mut self, stop: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.config.set_on_worker_stop(stop);
        self
    }

    /// Sees each job that failed, panicked, gave up or came too late, before its handle resolves. Where to log.
    #[must_use]
    pub fn on_failure(mut self, observe: impl Fn(&JobFailure<'_>) + Send + Sync + 'static) -> Self {
        self.config.set_on_failure(observe);
        self
    }

    /// Starts the workers, and returns once all of them wait for jobs.
    ///
    /// # Errors
    /// Says what is wrong and what would be right; nothing is left running (`R109`).
    pub fn build(self) -> Result<Pool, BuildError> {
        let backend = self.backend.map_or_else(Backend::from_env, Ok)?;
        Pool::build(backend, self.config)
    }
}
