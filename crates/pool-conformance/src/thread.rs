//! Threads and time as the rules have them: the machine's, or a simulator's.

pub(crate) use pool_core::machine::{
    ScopedJoinHandle, is_simulated, now, park, scope, since, spawn, turns, yield_now,
};
pub(crate) use std::thread::{ThreadId, current, panicking};

/// How often that is in a simulation.
const FEWEST: usize = 5;
const MOST: usize = 50;

/// How often to try what only luck brings about: in a simulation it is the seeds that are many.
pub(crate) fn often(times: usize) -> usize {
    if is_simulated() {
        times.div_ceil(20).clamp(FEWEST, MOST).min(times)
    } else {
        times
    }
}
