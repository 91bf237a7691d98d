//! Faults in what a pool shares with its jobs.

use std::sync::Arc;

use pool_core::BuildError;
use pool_core::backend::PoolConfig;

use super::Faulty;
use super::engine::{Flaw, FlawedEngine};

pub(super) fn all() -> Vec<Faulty> {
    vec![
        Faulty::new(
            "forgetful",
            "starts from a configuration of its own, without the shared values",
            &["R1023", "R1024"],
            || Arc::new(Forgetful),
        ),
        Faulty::new(
            "hoarder",
            "keeps a configuration, and the shared values with it, forever",
            &["R1024"],
            || Arc::new(Hoarder),
        ),
    ]
}

struct Forgetful;

impl Flaw for Forgetful {
    fn configure(&self, config: &mut PoolConfig) {
        let mut own = PoolConfig::default();
        own.set_workers(config.workers());
        own.set_capacity(config.capacity());
        *config = own;
    }
}

struct Hoarder;

impl Flaw for Hoarder {
    fn start(&self, engine: &Arc<FlawedEngine>, config: &PoolConfig) -> Result<(), BuildError> {
        std::mem::forget(config.clone());
        engine.threads.start(engine, config, |work| work())
    }
}
