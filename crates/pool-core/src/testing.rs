//! For the tests of this crate: an engine that runs nothing, and the models of the protocols.

pub(crate) mod endable;
#[cfg(all(test, pool_loom))]
pub(crate) mod models;
pub(crate) mod noop_engine;

use crate::pool::capability::Capability;

/// What an executor with one worker and this capacity promises.
pub(crate) fn with_capacity(capacity: usize) -> Capability {
    Capability {
        name: "test",
        workers: 1,
        capacity: Some(capacity),
        fifo: true,
        async_jobs: true,
        owns_threads: true,
    }
}
