//! Threads and time for the rules: the machine's, or a simulator's.

pub(crate) use pool_core::machine::{
    ScopedJoinHandle, is_simulated, now, park, scope, since, spawn, turns, yield_now,
};
pub(crate) use std::thread::{ThreadId, current, panicking};
use std::time::Duration;

/// How often that is in a simulation.
const FEWEST: usize = 5;
const MOST: usize = 50;

/// How often to try what happens only by chance. In a simulation the many seeds take the place of
/// tries.
pub(crate) fn often(times: usize) -> usize {
    if is_simulated() {
        times.div_ceil(20).clamp(FEWEST, MOST).min(times)
    } else {
        times
    }
}

/// Time for rounds of which there are many. A busy machine has fewer in that time, and a rule's
/// limit is far above it.
const TIME_FOR_ROUNDS: Duration = Duration::from_secs(10);

/// The rounds of a rule that tries [`often`], as far as the time for them goes.
pub(crate) fn rounds(times: usize) -> impl Iterator<Item = usize> {
    let start = now();
    (0..often(times)).take_while(move |_| is_simulated() || since(start) < TIME_FOR_ROUNDS)
}
