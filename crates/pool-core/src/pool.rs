//! A pool as a whole: how it is built, what it counts, and how it ends.
//!
//! # Parts
//! To build one: `builder`, `config`, `engine`, `spawn_engine`, `hooks`, `shared_values`,
//! `capability`. Who hears of its jobs: `hooks`, `observer`, `stuck`. What all share: `lifecycle`,
//! `ledger`, `timer`, `off_worker` (suspended futures). What it shows: `stats`, `running`,
//! `snapshot`, `report`. Its end: `shutdown`; or a swap: `hand_over`, `front`.

pub(crate) mod builder;
pub(crate) mod by_life;
pub(crate) mod capability;
pub(crate) mod config;
pub(crate) mod engine;
pub(crate) mod front;
pub(crate) mod hand_over;
pub(crate) mod hooks;
pub(crate) mod ledger;
pub(crate) mod lifecycle;
pub(crate) mod observer;
pub(crate) mod off_worker;
pub(crate) mod registry;
pub(crate) mod report;
pub(crate) mod running;
pub(crate) mod shared_values;
pub(crate) mod shutdown;
pub(crate) mod snapshot;
pub(crate) mod spawn_engine;
pub(crate) mod stats;
pub(crate) mod stuck;
mod submit_methods;
pub(crate) mod timer;
