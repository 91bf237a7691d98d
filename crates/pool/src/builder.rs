//! The builder of [`Pool`](crate::Pool): a configuration and a choice.

use pool_core::{BuildError, PoolConfig};

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

    pool_core::config_setters!();

    /// Starts the workers, and returns once all of them wait for jobs.
    ///
    /// # Errors
    /// Says what is wrong and what would be right; nothing is left running (`R109`).
    pub fn build(self) -> Result<Pool, BuildError> {
        let backend = self.backend.map_or_else(Backend::from_env, Ok)?;
        Pool::build(backend, self.config)
    }
}
