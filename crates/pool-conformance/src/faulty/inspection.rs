//! Faults in what a pool shows, and in what it shares with its jobs.

use std::sync::Arc;

use pool_core::backend::PoolConfig;
use pool_core::{BuildError, Executor, Pools};

use super::Faulty;
use super::engine::{Flaw, FlawedEngine, Inner, nap};

pub(super) fn all() -> Vec<Faulty> {
    vec![
        Faulty::new(
            "blind",
            "shows nothing of the pools behind it",
            &["R1020", "R1022"],
            || Arc::new(Blind),
        ),
        Faulty::new(
            "slow looker",
            "shows its pools once nothing runs",
            &["R1021"],
            || Arc::new(SlowLooker),
        ),
        Faulty::new(
            "wilful",
            "starts from a configuration of its own, without observers and shared values",
            &["R1001", "R1023", "R1024"],
            || Arc::new(Wilful),
        ),
        Faulty::new(
            "clinger",
            "keeps a configuration, and the shared values with it, forever",
            &["R1024"],
            || Arc::new(Clinger),
        ),
    ]
}

struct Blind;

impl Flaw for Blind {
    fn pools(&self, _pool: &Inner) -> Pools {
        Pools::none()
    }
}

struct SlowLooker;

impl Flaw for SlowLooker {
    fn pools(&self, pool: &Inner) -> Pools {
        while pool.stats().running > 0 {
            nap();
        }
        pool.pools()
    }
}

struct Wilful;

impl Flaw for Wilful {
    fn configure(&self, config: &mut PoolConfig) {
        let mut own = PoolConfig::default();
        own.set_workers(config.workers());
        own.set_capacity(config.capacity());
        *config = own;
    }
}

struct Clinger;

impl Flaw for Clinger {
    fn start(&self, engine: &Arc<FlawedEngine>, config: &PoolConfig) -> Result<(), BuildError> {
        std::mem::forget(config.clone());
        engine.threads.start(engine, config, |work| work())
    }
}
