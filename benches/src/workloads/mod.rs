//! The workloads, each the same for every contestant.

mod throughput;

use std::sync::Arc;

use crate::contestant::Contestant;
use crate::sample::Measures;
use crate::workload::Workload;

/// Runs a workload of closures.
pub(crate) fn jobs<C: Contestant>(
    workload: Workload,
    contestant: &Arc<C>,
    size: usize,
) -> Measures {
    match workload {
        Workload::Empty => throughput::empty(&**contestant, size),
        Workload::Results => throughput::results(&**contestant, size),
        Workload::SpawnInside => throughput::spawn_inside(contestant, size),
        Workload::RoundTrip => throughput::round_trip(&**contestant, size),
    }
}
