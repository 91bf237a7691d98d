//! The machine as the pool sees it: threads, time, locks and fences, and what happens at a fork.
//!
//! - `machine` is the layer through which all code here waits, reads the clock and starts threads,
//!   so that a simulator can stand in for the system.
//! - `sync` is the layer over atomics, locks and cells, so that a model checker can.
//! - `asymmetric_fence`, `published` and `thread_index` are protocols that keep writes to shared
//!   lines off the path of a submission.
//! - `atfork` closes the pools that a forked child inherits.

pub(crate) mod asymmetric_fence;
pub(crate) mod atfork;
pub mod machine;
pub(crate) mod published;
pub(crate) mod sync;
pub(crate) mod thread_index;
