//! The workloads, each the same for every contestant.

mod floors;
mod fork_join;
mod futures;
mod latency;
mod open_loop;
mod spin;
mod states;
mod throughput;

use std::time::Duration;

use anyhow::{Context, Result};

use crate::contestant::{Contestant, ForkJoin, Futures, Stop};
use crate::sample::Measures;
use crate::setup::Setup;
use crate::workload::Workload;

/// How often the small tree is summed up in one sample.
pub(crate) const SMALL_TREE_ROUNDS: usize = 1000;

/// The length of the shortest jobs that do something.
const SHORT_JOB: Duration = Duration::from_micros(1);

/// Runs a workload of closures.
pub(crate) fn jobs<C: Contestant>(setup: &Setup, one: &C) -> Result<Measures> {
    let (size, workers) = (setup.size, setup.workers);
    Ok(match setup.workload {
        Workload::Empty | Workload::OwnCosts => throughput::empty(one, size),
        Workload::EmptyFour => throughput::empty_from_four(one, size),
        Workload::Results => throughput::results(one, size),
        Workload::Queued => throughput::queued(one, size, workers),
        Workload::Jobs1us | Workload::Bounded => throughput::busy(one, size, SHORT_JOB),
        Workload::Jobs10us => throughput::busy(one, size, Duration::from_micros(10)),
        Workload::Jobs100us => throughput::busy(one, size, Duration::from_micros(100)),
        Workload::Blocking => throughput::blocking(one, size),
        Workload::RoundTrip | Workload::RoundTripPinned => latency::round_trip(one, size),
        Workload::RoundTripCold => latency::cold_round_trip(one, size),
        Workload::Bursts => latency::bursts(one, size),
        Workload::OpenLoop10 => open_loop::busy(one, size, workers, 0.1),
        Workload::OpenLoop50 => open_loop::busy(one, size, workers, 0.5),
        Workload::OpenLoop90 => open_loop::busy(one, size, workers, 0.9),
        Workload::OpenLoopSleep50 => open_loop::sleeping(one, size, workers, 0.5),
        Workload::OpenLoopSleep90 => open_loop::sleeping(one, size, workers, 0.9),
        Workload::HeavyTail => states::heavy_tail(one, size, workers),
        Workload::Memory => {
            let before = setup.before.context("the memory was not read before")?;
            states::memory(one, size, workers, before)?
        }
        Workload::Panics => states::panics(one, size),
        Workload::Idle => states::idle(one, size)?,
        other => unreachable!("`{other}` is no workload of closures"),
    })
}

/// Runs a workload of closures that submit closures.
pub(crate) fn inside<C: Contestant>(setup: &Setup, contestant: &'static C) -> Measures {
    match setup.workload {
        Workload::Chain => throughput::chain(contestant, setup.size),
        _ => throughput::spawn_inside(contestant, setup.size),
    }
}

/// Runs the workload of a pool that stops.
pub(crate) fn stop<C: Stop>(setup: &Setup, contestant: C) -> Measures {
    states::shutdown(contestant, setup.size, setup.workers)
}

/// Runs a workload of futures.
pub(crate) fn futures<C: Futures>(setup: &Setup, contestant: &C) -> Measures {
    match setup.workload {
        Workload::Sleepers => futures::sleepers(contestant, setup.size),
        _ => futures::ping_pong(contestant, setup.size),
    }
}

/// Runs a workload of nested joins.
pub(crate) fn fork_join<C: ForkJoin>(setup: &Setup, contestant: &C) -> Measures {
    if let Some(percent) = setup.workload.left_percent() {
        return fork_join::split_tree(contestant, setup.size, setup.workers, percent);
    }
    let rounds = match setup.workload {
        Workload::JoinSmall => SMALL_TREE_ROUNDS,
        _ => 1,
    };
    fork_join::tree_sum(contestant, setup.size, rounds)
}

/// Runs a floor.
pub(crate) fn floor(setup: &Setup) -> Result<Measures> {
    let size = setup.size;
    Ok(match setup.workload {
        Workload::FloorJobs => floors::jobs(size, SHORT_JOB),
        Workload::FloorDeque => floors::deque(size),
        Workload::FloorNewMemory => floors::new_memory(size),
        Workload::FloorIdle => floors::idle(size)?,
        Workload::FloorCacheLine => floors::cache_line(size),
        Workload::FloorWake => floors::wake(size),
        Workload::FloorFreeElsewhere => floors::free_elsewhere(size),
        Workload::FloorResult => floors::result(size),
        Workload::FloorReadModifyWrite => floors::read_modify_write(size),
        _ => floors::contended_read_modify_write(size),
    })
}
