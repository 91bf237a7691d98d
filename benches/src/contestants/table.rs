//! The table of all contestants, in the order of the reports.

use pool::{AsyncPool, Backend, ChannelPool, RayonPool, WorkStealingPool};

#[cfg(feature = "peers")]
use super::data_parallel::{Chili, RayonFifo, RayonSpawn};
use super::floor::Sequential;
#[cfg(feature = "peers")]
use super::hand_written::{Crossbeam, Flume, Kanal, MutexMpsc};
#[cfg(feature = "peers")]
use super::libraries::{
    Affinitypool, Beekeeper, Executors, Qubit, RustyPool, Threadfin, Threadpool,
};
use super::ours::{Deadline, Dyn, Ours, Watched};
use super::row::Row;
#[cfg(feature = "peers")]
use super::runtimes::{AsyncExecutor, TokioBlocking, TokioSemaphore, TokioSpawn};
use crate::entry::Kind;
use crate::setup::Face;
use crate::workload::Workload;

/// What an external contestant does if it is compiled in.
#[cfg(feature = "peers")]
macro_rules! peer {
    ($play:expr) => {
        $play
    };
}

/// What an external contestant does if it is not.
#[cfg(not(feature = "peers"))]
macro_rules! peer {
    ($play:expr) => {
        |_| anyhow::bail!("it is not compiled in: enable the feature `peers`")
    };
}

/// A backend through the facade.
macro_rules! backend {
    ($name:literal, $backend:expr) => {
        Row::new(
            $name,
            Kind::Ours,
            concat!(
                "`Pool` on its `",
                $name,
                "` backend; a result comes through its handle."
            ),
        )
        .bounded()
        .survives_panics()
        .on(Face::Jobs, |it| it.jobs(Ours::through_pool($backend, it)?))
        .on(Face::Stop, |it| it.stop(Ours::through_pool($backend, it)?))
        .on(Face::Futures, |it| {
            it.futures(Ours::through_pool($backend, it)?)
        })
        .on(Face::ForkJoin, |it| {
            it.fork_join(Ours::through_pool($backend, it)?)
        })
    };
}

/// A backend through its own type.
macro_rules! concrete {
    ($name:literal, $pool:ident) => {
        Row::new(
            $name,
            Kind::Ours,
            concat!(
                "The same backend without the facade: `",
                stringify!($pool),
                "`."
            ),
        )
        .bounded()
        .survives_panics()
        .only(WHERE_THE_FACADE_SHOWS)
        .on(Face::Jobs, |it| it.jobs(Ours::<$pool>::concrete(it)?))
    };
}

/// A backend used in another way.
macro_rules! variant {
    ($name:literal, $note:literal, |$it:ident| $build:expr) => {
        Row::new($name, Kind::Variant, $note)
            .bounded()
            .survives_panics()
            .only(&[Workload::OwnCosts])
            .on(Face::Jobs, |$it| $it.jobs($build?))
    };
}

/// A library.
const fn library(name: &'static str, note: &'static str) -> Row {
    Row::new(name, Kind::Library, note)
}

const fn hand_written(name: &'static str, note: &'static str) -> Row {
    Row::new(name, Kind::HandWritten, note)
}

const WHERE_THE_FACADE_SHOWS: &[Workload] = &[
    Workload::Empty,
    Workload::Results,
    Workload::SpawnInside,
    Workload::RoundTrip,
];

/// Workloads whose jobs block, which the documentation of some libraries forbids.
const BLOCKS: &[Workload] = &[
    Workload::Blocking,
    Workload::OpenLoopSleep50,
    Workload::OpenLoopSleep90,
];

/// Trees that show how well workers share: nothing to see without any.
const SHARED: &[Workload] = &[
    Workload::JoinSleep10,
    Workload::JoinSleep25,
    Workload::JoinSleep50,
    Workload::JoinSleep90,
];

/// All contestants.
pub(crate) const TABLE: &[Row] = &[
    backend!("channel", Backend::Channel),
    backend!("work-stealing", Backend::WorkStealing),
    backend!("rayon", Backend::Rayon),
    backend!("async", Backend::Async)
        .on(Face::Sleepers, |it| it.futures(Ours::through_pool(Backend::Async, it)?)),
    concrete!("channel-concrete", ChannelPool),
    concrete!("work-stealing-concrete", WorkStealingPool),
    concrete!("rayon-concrete", RayonPool),
    concrete!("async-concrete", AsyncPool),
    variant!("channel-static", "`ChannelPool`, which the compiler knows: the base of the others.", |it| Ours::<ChannelPool>::concrete(it)),
    variant!("channel-facade", "Through `Pool`.", |it| Ours::through_pool(Backend::Channel, it)),
    variant!("channel-dyn", "Through `&dyn Executor`.", |it| Dyn::<ChannelPool>::build(it)),
    variant!("channel-deadline", "Each job has a deadline, an hour away.", |it| Deadline::<ChannelPool>::build(it)),
    variant!("channel-stats", "Another thread reads `stats()` every 20 µs (and the system's slack on top); they cannot be switched off.", |it| Watched::<ChannelPool>::build(it)),
    variant!("work-stealing-static", "`WorkStealingPool`, which the compiler knows: the base of the others.", |it| Ours::<WorkStealingPool>::concrete(it)),
    variant!("work-stealing-facade", "Through `Pool`.", |it| Ours::through_pool(Backend::WorkStealing, it)),
    variant!("work-stealing-dyn", "Through `&dyn Executor`.", |it| Dyn::<WorkStealingPool>::build(it)),
    variant!("work-stealing-deadline", "Each job has a deadline, an hour away.", |it| Deadline::<WorkStealingPool>::build(it)),
    variant!("work-stealing-stats", "Another thread reads `stats()` every 20 µs (and the system's slack on top); they cannot be switched off.", |it| Watched::<WorkStealingPool>::build(it)),
    library("peer-rayon", "rayon 1: `ThreadPool::spawn`, a `oneshot` for a result; `join` for nested joins.")
        .survives_panics()
        .on(Face::Jobs, peer!(|it| it.jobs(RayonSpawn::build(it)?)))
        .on(Face::ForkJoin, peer!(|it| it.fork_join(RayonSpawn::build(it)?))),
    library("peer-rayon-fifo", "rayon 1: `ThreadPool::spawn_fifo`, a `oneshot` for a result.")
        .survives_panics()
        .on(Face::Jobs, peer!(|it| it.jobs(RayonFifo::build(it)?))),
    library("peer-chili", "chili 0.2: `Scope::join`. The caller is one of the workers; a heartbeat shares what is worth it.")
        .on(Face::ForkJoin, peer!(|it| it.fork_join(Chili::build(it)?))),
    library("peer-threadpool", "threadpool 1.8: `execute`, a channel of the standard library for a result.")
        .survives_panics()
        .on(Face::Jobs, peer!(|it| it.jobs(Threadpool::build(it)))),
    library("peer-rusty-pool", "rusty_pool 1.0: `execute`, and `evaluate` for a result; its threads are started before.")
        .survives_panics()
        .on(Face::Jobs, peer!(|it| it.jobs(RustyPool::build(it))))
        .on(Face::Futures, peer!(|it| it.futures(RustyPool::build(it)))),
    library("peer-executors", "executors 0.10: `crossbeam_workstealing_pool`, a channel of the standard library for a result. It replaces a worker that panicked, but its shutdown can then time out: left out there.")
            .on(Face::Jobs, peer!(|it| it.jobs(Executors::build(it)))),
    library("peer-threadfin", "threadfin 0.1: `execute`, whose task is joined for a result.")
        .bounded()
        .survives_panics()
        .on(Face::Jobs, peer!(|it| it.jobs(Threadfin::build(it))))
        .on(Face::Futures, peer!(|it| it.futures(Threadfin::build(it)))),
    library("peer-affinitypool", "affinitypool 0.8: `spawn`, whose future is awaited. It takes part where results are: a future that is dropped cancels its job.")
        .only(&[
            Workload::Results,
            Workload::RoundTrip,
            Workload::RoundTripCold,
            Workload::RoundTripPinned,
        ])
        .on(Face::Jobs, peer!(|it| it.jobs(Affinitypool::build(it)))),
    library("peer-beekeeper", "beekeeper 0.3, without its default feature `local-batch`, which prints a line for each batch: thunks by `apply_send` on channel queues, a `oneshot` for a result; outcomes go to a channel that nobody reads. Left out of `shutdown`: its urgent `close` does not always return.")
        .survives_panics()
        .on(Face::Jobs, peer!(|it| it.jobs(Beekeeper::build(it)))),
    library("peer-qubit", "qubit-thread-pool 0.12: `FixedThreadPool`, `submit`, and `submit_callable` for a result. Unbounded: at its bound it refuses, and does not wait.")
        .survives_panics()
        .on(Face::Jobs, peer!(|it| it.jobs(Qubit::build(it)?)))
        .on(Face::Stop, peer!(|it| it.stop(Qubit::build(it)?))),
    library("peer-tokio", "tokio 1: `spawn` of a future that never waits; `block_on` its handle for a result.")
        .survives_panics()
        .except(BLOCKS)
        .on(Face::Jobs, peer!(|it| it.jobs(TokioSpawn::build(it)?)))
        .on(Face::Stop, peer!(|it| it.stop(TokioSpawn::build(it)?)))
        .on(Face::Futures, peer!(|it| it.futures(TokioSpawn::build(it)?))),
    library("peer-tokio-blocking", "tokio 1: `spawn_blocking` on as many blocking threads as there are workers; `block_on` its handle for a result. A runtime that ends runs what is queued: left out of `shutdown`.")
        .survives_panics()
        .on(Face::Jobs, peer!(|it| it.jobs(TokioBlocking::build(it)?))),
    library("peer-tokio-semaphore", "tokio 1: `spawn` with a permit of a `Semaphore`, which the spawner waits for.")
        .bounded()
        .on(Face::Sleepers, peer!(|it| it.futures(TokioSemaphore::build(it)?))),
    library("peer-async-executor", "async-executor 1: `spawn` of a future that never waits, on threads that run the executor; `block_on` its task for a result.")
        .except(BLOCKS)
        .on(Face::Jobs, peer!(|it| it.jobs(AsyncExecutor::build(it)?)))
        .on(Face::Stop, peer!(|it| it.stop(AsyncExecutor::build(it)?)))
        .on(Face::Futures, peer!(|it| it.futures(AsyncExecutor::build(it)?))),
    hand_written("peer-mpsc", "Threads that take turns at a `std::sync::mpsc` receiver behind a mutex, as in the Rust book; one more channel for a result.")
        .on(Face::Jobs, peer!(|it| it.jobs(MutexMpsc::build(it)?))),
    hand_written("peer-crossbeam", "Threads on a bounded `crossbeam_channel` of boxed closures; a `oneshot` for a result.")
        .bounded()
        .on(Face::Jobs, peer!(|it| it.jobs(Crossbeam::bounded(it)?))),
    hand_written("peer-crossbeam-unbounded", "Threads on an unbounded `crossbeam_channel` of boxed closures; a `oneshot` for a result.")
        .on(Face::Jobs, peer!(|it| it.jobs(Crossbeam::unbounded(it)?))),
    hand_written("peer-kanal", "Threads on a bounded `kanal` of boxed closures; a `oneshot` for a result; closed, it drops what is queued.")
        .bounded()
        .on(Face::Jobs, peer!(|it| it.jobs(Kanal::build(it)?)))
        .on(Face::Stop, peer!(|it| it.stop(Kanal::build(it)?))),
    hand_written("peer-flume", "Threads on a bounded `flume` of boxed closures; a `oneshot` for a result.")
        .bounded()
        .on(Face::Jobs, peer!(|it| it.jobs(Flume::build(it)?))),
    Row::new("sequential", Kind::Floor, "No pool: the caller does one after the other.")
        .except(SHARED)
        .on(Face::ForkJoin, |it| it.fork_join(Sequential)),
    Row::new("floor", Kind::Floor, "No pool: what the machine charges for the step.")
        .on(Face::Floor, |it| it.floor()),
];
