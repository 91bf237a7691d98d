//! What the kit needs to know of an executor: how to build one.

use pool_core::backend::PoolConfig;
use pool_core::{BuildError, Capability, Executor, Shutdown};

/// Builds the executor under test. A third party writes only this.
pub trait Fixture: 'static {
    /// The executor. A clone is the same pool; dropping the last one ends it.
    type Pool: Executor + Shutdown + Clone + 'static;

    /// Builds a pool as configured.
    ///
    /// # Errors
    /// What the executor says of a configuration that it refuses.
    fn build(config: PoolConfig) -> Result<Self::Pool, BuildError>;

    /// What a pool of `config` promises, without building one.
    fn capability() -> Capability {
        let mut config = PoolConfig::default();
        config.set_workers(1);
        config.set_capacity(1);
        Self::build(config)
            .expect("one worker and one place can be had")
            .capability()
    }

    /// Moves the pool's jobs to another backend while it runs. `None`: it cannot (`R902` is
    /// skipped).
    fn swap(_pool: &Self::Pool) -> Option<Result<(), BuildError>> {
        None
    }

    /// Changes the pool's configuration while it runs. `None`: it cannot (`R1033` is skipped).
    fn reconfigure(
        _pool: &Self::Pool,
        _change: &mut dyn FnMut(&mut PoolConfig),
    ) -> Option<Result<(), BuildError>> {
        None
    }

    /// Has queued jobs wait until [`resume`](Self::resume). False: it cannot (`R1030` to `R1032`
    /// are skipped).
    fn pause(_pool: &Self::Pool) -> bool {
        false
    }

    /// Has queued jobs start again.
    fn resume(_pool: &Self::Pool) {}
}
