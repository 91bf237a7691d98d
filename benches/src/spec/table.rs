//! `SPECS`: every workload, in the order of the tables.

use super::{Scaling, Spec, Takers};
use crate::measure::Measure;
use crate::setup::Face;
use crate::workload::Workload;

/// What most workloads have in common.
const USUAL: Spec = Spec {
    workload: Workload::Empty,
    name: "",
    title: "",
    measures: &[Measure::TIME_PER_JOB],
    full_size: 500_000,
    quick_size: 0,
    share: 1.0,
    face: Face::Jobs,
    takers: Takers::All,
    asks_the_system: false,
    scaling: Scaling::NONE,
};

/// From a queue that is nearly always full to one without a bound: a user chooses by what may pile
/// up, and should not have to think of speed.
const BOUNDS: &[usize] = &[100, 1_024, 65_536, 1_000_000, usize::MAX];

/// The scaling of workloads that show what a bound costs.
const BY_BOUND: Scaling = Scaling {
    capacities: BOUNDS,
    ..Scaling::NONE
};

/// The measures of workloads that use much memory for the first time: the system's price for that
/// is in the first round alone.
const ROUNDS: &[Measure] = &[Measure::TIME_PER_JOB, Measure::TIME_PER_JOB_WARM];

/// The measures of workloads that time single jobs.
const LATENCIES: &[Measure] = &[Measure::MEDIAN, Measure::P99, Measure::TIME_PER_JOB];

/// The measures of workloads whose jobs arrive whether or not the pool has kept up. The tail ranks:
/// it is what a user waits for.
const OPEN_LOOP: &[Measure] = &{
    let ([e50, e99, e999], [q50, q99, q999]) = (Measure::END_TO_END, Measure::QUEUE_WAIT);
    [e99, e50, e999, q99, q50, q999]
};

/// Jobs that sleep and arrive from outside: what it costs to find and to wake one of many workers.
const fn open_loop_of_sleepers(
    workload: Workload,
    name: &'static str,
    title: &'static str,
) -> Spec {
    Spec {
        workload,
        name,
        title,
        measures: WAITS,
        full_size: 8_000,
        quick_size: 500,
        scaling: Scaling {
            workers: &[8, 32, 64],
            ..Scaling::NONE
        },
        ..USUAL
    }
}

/// A tree of nested joins whose leaves sleep.
const fn split_tree(workload: Workload, name: &'static str, title: &'static str) -> Spec {
    Spec {
        workload,
        name,
        title,
        measures: &[Measure::MAKESPAN],
        full_size: 512,
        quick_size: 64,
        share: 0.5,
        face: Face::ForkJoin,
        scaling: Scaling {
            workers: &[2, 8, 32],
            ..Scaling::NONE
        },
        ..USUAL
    }
}

/// The measures of the same with jobs that sleep: their ends say nothing more than their starts.
const WAITS: &[Measure] = &{
    let [q50, q99, q999] = Measure::QUEUE_WAIT;
    [q99, q50, q999]
};

/// Every workload, each at the index of its number.
pub(crate) const SPECS: &[Spec] = &[
    Spec {
        workload: Workload::Empty,
        name: "empty",
        title: "Empty jobs from one thread outside",
        measures: ROUNDS,
        full_size: 500_000,
        quick_size: 50_000,
        scaling: Scaling {
            workers: &[1, 2, 4, 8, 16, 32, 64],
            ..BY_BOUND
        },
        ..USUAL
    },
    Spec {
        workload: Workload::EmptyFour,
        name: "empty-four",
        title: "Empty jobs from four threads outside at once",
        measures: ROUNDS,
        full_size: 500_000,
        quick_size: 50_000,
        scaling: BY_BOUND,
        ..USUAL
    },
    Spec {
        workload: Workload::Results,
        name: "results",
        title: "Jobs with results, submitted all, then joined in order",
        measures: ROUNDS,
        full_size: 250_000,
        quick_size: 50_000,
        scaling: BY_BOUND,
        ..USUAL
    },
    Spec {
        workload: Workload::SpawnInside,
        name: "spawn-inside",
        title: "A binary tree: each job submits its two children",
        measures: ROUNDS,
        full_size: 1 << 18,
        quick_size: 1 << 14,
        scaling: BY_BOUND,
        ..USUAL
    },
    Spec {
        workload: Workload::Chain,
        name: "chain",
        title: "A chain: each job submits the next",
        full_size: 50_000,
        quick_size: 10_000,
        ..USUAL
    },
    Spec {
        workload: Workload::PingPong,
        name: "ping-pong",
        title: "Two futures that hand over to each other, for each hand-over",
        full_size: 200_000,
        quick_size: 10_000,
        face: Face::Futures,
        ..USUAL
    },
    Spec {
        workload: Workload::Bursts,
        name: "bursts",
        title: "Bursts of 16 empty jobs on a pool that has just been idle; the times of whole bursts",
        measures: LATENCIES,
        full_size: 8_000,
        quick_size: 800,
        ..USUAL
    },
    Spec {
        workload: Workload::RoundTrip,
        name: "round-trip",
        title: "Submit one job and join it, on a pool that is awake",
        measures: LATENCIES,
        full_size: 10_000,
        quick_size: 2_000,
        ..USUAL
    },
    Spec {
        workload: Workload::RoundTripCold,
        name: "round-trip-cold",
        title: "Submit one job and join it, on a pool that has been idle for a millisecond",
        measures: LATENCIES,
        full_size: 200,
        quick_size: 50,
        ..USUAL
    },
    Spec {
        workload: Workload::RoundTripPinned,
        name: "round-trip-pinned",
        title: "Submit one job and join it, all threads on one core (Linux alone)",
        measures: LATENCIES,
        full_size: 10_000,
        quick_size: 2_000,
        asks_the_system: true,
        ..USUAL
    },
    Spec {
        workload: Workload::Jobs1us,
        name: "jobs-1us",
        title: "Jobs of 1 µs",
        full_size: 100_000,
        quick_size: 10_000,
        ..USUAL
    },
    Spec {
        workload: Workload::Jobs10us,
        name: "jobs-10us",
        title: "Jobs of 10 µs",
        full_size: 20_000,
        quick_size: 2_000,
        ..USUAL
    },
    Spec {
        workload: Workload::Jobs100us,
        name: "jobs-100us",
        title: "Jobs of 100 µs",
        full_size: 2_000,
        quick_size: 200,
        ..USUAL
    },
    Spec {
        workload: Workload::HeavyTail,
        name: "heavy-tail",
        title: "Jobs of 5 µs to 5 ms with a heavy tail: the time to the end of all, to the least that is possible",
        measures: &[Measure::MAKESPAN, Measure::TIME_PER_JOB],
        full_size: 6_000,
        quick_size: 500,
        ..USUAL
    },
    Spec {
        workload: Workload::OpenLoop10,
        name: "open-loop-10",
        title: "Jobs of 10 µs that arrive at 10 % of what the workers can do; times from the moment they were due",
        measures: OPEN_LOOP,
        full_size: 2_000,
        quick_size: 500,
        ..USUAL
    },
    Spec {
        workload: Workload::OpenLoop50,
        name: "open-loop-50",
        title: "Jobs of 10 µs that arrive at 50 % of what the workers can do; times from the moment they were due",
        measures: OPEN_LOOP,
        full_size: 10_000,
        quick_size: 1_000,
        ..USUAL
    },
    Spec {
        workload: Workload::OpenLoop90,
        name: "open-loop-90",
        title: "Jobs of 10 µs that arrive at 90 % of what the workers can do; times from the moment they were due",
        measures: OPEN_LOOP,
        full_size: 20_000,
        quick_size: 2_000,
        ..USUAL
    },
    Spec {
        workload: Workload::Bounded,
        name: "bounded-100",
        title: "Jobs of 1 µs into a queue of 100: the producer is faster than the workers and has to wait",
        full_size: 100_000,
        quick_size: 10_000,
        takers: Takers::Bounded,
        ..USUAL
    },
    Spec {
        workload: Workload::Queued,
        name: "queued",
        title: "A queue is filled while the workers are held, then emptied",
        measures: ROUNDS,
        full_size: 1_000_000,
        quick_size: 50_000,
        share: 0.5,
        scaling: Scaling {
            sizes: &[1_000, 10_000, 100_000, 1_000_000, 10_000_000],
            ..Scaling::NONE
        },
        ..USUAL
    },
    Spec {
        workload: Workload::Memory,
        name: "memory",
        title: "What the process grows by, from before the pool is built until its queue is full (Linux alone)",
        measures: &[Measure::BYTES_PER_JOB, Measure::PEAK_BYTES_PER_JOB],
        full_size: 1_000_000,
        quick_size: 50_000,
        share: 0.35,
        asks_the_system: true,
        ..USUAL
    },
    Spec {
        workload: Workload::Blocking,
        name: "blocking",
        title: "Jobs that block for a millisecond, on 64 workers",
        full_size: 6_400,
        quick_size: 640,
        ..USUAL
    },
    open_loop_of_sleepers(
        Workload::OpenLoopSleep50,
        "open-loop-sleep-50",
        "Jobs that sleep for a millisecond and arrive at 50 % of what the workers can do; times from the moment they were due to their start",
    ),
    open_loop_of_sleepers(
        Workload::OpenLoopSleep90,
        "open-loop-sleep-90",
        "Jobs that sleep for a millisecond and arrive at 90 % of what the workers can do; times from the moment they were due to their start",
    ),
    Spec {
        workload: Workload::Sleepers,
        name: "sleepers",
        title: "Futures that sleep for a millisecond, 1 000 at a time",
        full_size: 100_000,
        quick_size: 5_000,
        face: Face::Sleepers,
        ..USUAL
    },
    Spec {
        workload: Workload::JoinLarge,
        name: "join-large",
        title: "The sum over a tree of a million nodes by nested joins, for each node",
        full_size: (1 << 20) - 1,
        quick_size: (1 << 14) - 1,
        face: Face::ForkJoin,
        ..USUAL
    },
    Spec {
        workload: Workload::JoinSmall,
        name: "join-small",
        title: "The sum over a tree of 1 023 nodes by nested joins, for each node",
        full_size: (1 << 10) - 1,
        quick_size: (1 << 10) - 1,
        face: Face::ForkJoin,
        ..USUAL
    },
    split_tree(
        Workload::JoinSleep10,
        "join-sleep-10",
        "Nested joins over 512 leaves that sleep for a millisecond, 10 % of them in the left half each time: the time to the least that is possible",
    ),
    split_tree(
        Workload::JoinSleep25,
        "join-sleep-25",
        "Nested joins over 512 leaves that sleep for a millisecond, 25 % of them in the left half each time: the time to the least that is possible",
    ),
    split_tree(
        Workload::JoinSleep50,
        "join-sleep-50",
        "Nested joins over 512 leaves that sleep for a millisecond, 50 % of them in the left half each time: the time to the least that is possible",
    ),
    split_tree(
        Workload::JoinSleep90,
        "join-sleep-90",
        "Nested joins over 512 leaves that sleep for a millisecond, 90 % of them in the left half each time: the time to the least that is possible",
    ),
    Spec {
        workload: Workload::Panics,
        name: "panics",
        title: "Jobs that all panic",
        full_size: 5_000,
        quick_size: 1_000,
        takers: Takers::Survivors,
        ..USUAL
    },
    Spec {
        workload: Workload::Shutdown,
        name: "shutdown",
        title: "A pool with a million queued jobs is stopped, without running them",
        measures: &[Measure::TIME_TO_STOP, Measure::SHARE_RUN],
        full_size: 1_000_000,
        quick_size: 50_000,
        face: Face::Stop,
        share: 0.5,
        ..USUAL
    },
    Spec {
        workload: Workload::Idle,
        name: "idle",
        title: "What a pool without work uses of the cores in a second (Linux alone)",
        measures: &[Measure::CPU_PER_SECOND],
        full_size: 1_000,
        quick_size: 100,
        asks_the_system: true,
        ..USUAL
    },
    Spec {
        workload: Workload::OwnCosts,
        name: "own-costs",
        title: "Empty jobs from one thread outside, to see what each of the pool's comforts costs",
        full_size: 500_000,
        quick_size: 50_000,
        takers: Takers::Listed,
        ..USUAL
    },
    Spec {
        workload: Workload::FloorCacheLine,
        name: "floor-cache-line",
        title: "One cache line handed to and fro by two threads, for each transfer",
        full_size: 200_000,
        quick_size: 50_000,
        face: Face::Floor,
        ..USUAL
    },
    Spec {
        workload: Workload::FloorWake,
        name: "floor-wake",
        title: "A parked thread is woken, for each wake",
        full_size: 20_000,
        quick_size: 2_000,
        face: Face::Floor,
        ..USUAL
    },
    Spec {
        workload: Workload::FloorJobs,
        name: "floor-jobs-1us",
        title: "A job of 1 µs, of many shared out beforehand between two threads",
        full_size: 100_000,
        quick_size: 5_000,
        face: Face::Floor,
        ..USUAL
    },
    Spec {
        workload: Workload::FloorDeque,
        name: "floor-deque",
        title: "Two words are put on a deque and taken off again by its owner, for two owners",
        full_size: 1 << 20,
        quick_size: 1 << 14,
        face: Face::Floor,
        ..USUAL
    },
    Spec {
        workload: Workload::FloorNewMemory,
        name: "floor-new-memory",
        title: "A cache line of memory that the process has just been given is written",
        full_size: 1 << 20,
        quick_size: 1 << 14,
        face: Face::Floor,
        ..USUAL
    },
    Spec {
        workload: Workload::FloorIdle,
        name: "floor-idle",
        title: "What a process without a pool uses of the cores in a second, two parked threads in it (Linux alone)",
        measures: &[Measure::CPU_PER_SECOND],
        full_size: 1_000,
        quick_size: 100,
        face: Face::Floor,
        asks_the_system: true,
        ..USUAL
    },
    Spec {
        workload: Workload::FloorFreeElsewhere,
        name: "floor-free-elsewhere",
        title: "A box is allocated here and freed on another thread",
        full_size: 1_000_000,
        quick_size: 50_000,
        face: Face::Floor,
        ..USUAL
    },
    Spec {
        workload: Workload::FloorResult,
        name: "floor-result",
        title: "A cell, one of many to an allocation, is written here, then by another thread, then read here",
        full_size: 100_000,
        quick_size: 20_000,
        face: Face::Floor,
        ..USUAL
    },
    Spec {
        workload: Workload::FloorReadModifyWrite,
        name: "floor-rmw",
        title: "A read-modify-write on a cache line that no other core wants",
        full_size: 10_000_000,
        quick_size: 500_000,
        face: Face::Floor,
        ..USUAL
    },
    Spec {
        workload: Workload::FloorContendedReadModifyWrite,
        name: "floor-rmw-contended",
        title: "A read-modify-write on a cache line that two threads write to",
        full_size: 5_000_000,
        quick_size: 500_000,
        face: Face::Floor,
        ..USUAL
    },
];
