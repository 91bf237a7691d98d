//! A pool as a whole: how it is built, what it counts, and how it ends.

pub(crate) mod builder;
pub(crate) mod capability;
pub(crate) mod config;
pub(crate) mod engine;
pub(crate) mod from_futures;
pub(crate) mod hand_over;
pub(crate) mod hooks;
pub(crate) mod ledger;
pub(crate) mod lifecycle;
pub(crate) mod off_worker;
pub(crate) mod registry;
pub(crate) mod report;
pub(crate) mod shutdown;
pub(crate) mod spawn_engine;
pub(crate) mod stats;
pub(crate) mod swappable;
pub(crate) mod timer;
mod ways_in;
