//! For the tests of this crate: an engine that runs nothing, and the models of the protocols.

#[cfg(all(test, pool_loom))]
pub(crate) mod models;
pub(crate) mod noop_engine;
