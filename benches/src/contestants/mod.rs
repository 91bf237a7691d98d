//! Who takes part, by name.

mod ours;
#[cfg(feature = "peers")]
mod peers;

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};
use pool::Backend;

use crate::sample::{Measures, time};
use crate::workload::Workload;

/// The name of a contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// `Pool` on a bounded channel.
    Channel,
    /// `Pool` on work stealing.
    WorkStealing,
    /// `Pool` on rayon.
    Rayon,
    /// `Pool` on tokio.
    Async,
    /// A `rayon::ThreadPool` and its `spawn`. Not bounded.
    PeerRayon,
    /// A bounded `crossbeam_channel` of boxed closures, and threads.
    PeerCrossbeam,
    /// A `std::sync::mpsc` of boxed closures whose receiver is behind a mutex, as in the Rust book. Not bounded.
    PeerMpsc,
    /// The crate `threadpool`. Not bounded.
    PeerThreadpool,
}

impl Entry {
    /// Every contestant, in the order of the tables.
    pub const ALL: [Self; 8] = [
        Self::Channel,
        Self::WorkStealing,
        Self::Rayon,
        Self::Async,
        Self::PeerRayon,
        Self::PeerCrossbeam,
        Self::PeerMpsc,
        Self::PeerThreadpool,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::WorkStealing => "work-stealing",
            Self::Rayon => "rayon",
            Self::Async => "async",
            Self::PeerRayon => "peer-rayon",
            Self::PeerCrossbeam => "peer-crossbeam",
            Self::PeerMpsc => "peer-mpsc",
            Self::PeerThreadpool => "peer-threadpool",
        }
    }

    /// Whether it refuses or waits at a bound; one that does not has less to do.
    pub fn is_bounded(self) -> bool {
        !matches!(
            self,
            Self::PeerRayon | Self::PeerMpsc | Self::PeerThreadpool
        )
    }

    /// Whether it is one of this project's.
    pub fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Channel | Self::WorkStealing | Self::Rayon | Self::Async
        )
    }

    pub(crate) fn run(self, workload: Workload, size: usize, workers: usize) -> Result<Measures> {
        match self {
            Self::Channel => on_pool(Backend::Channel, workload, size, workers),
            Self::WorkStealing => on_pool(Backend::WorkStealing, workload, size, workers),
            Self::Rayon => on_pool(Backend::Rayon, workload, size, workers),
            Self::Async => on_pool(Backend::Async, workload, size, workers),
            peer => on_peer(peer, workload, size, workers),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Entry {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|it| it.name() == name) {
            Some(entry) => Ok(entry),
            None => bail!(
                "no contestant is named `{name}`; there are {}",
                Self::ALL.map(Self::name).join(", ")
            ),
        }
    }
}

fn on_pool(backend: Backend, workload: Workload, size: usize, workers: usize) -> Result<Measures> {
    let capacity = workload.capacity(size);
    let contestant = ours::Ours::build(backend, workers, capacity)?;
    time(workload, contestant, size)
}

#[cfg(feature = "peers")]
fn on_peer(entry: Entry, workload: Workload, size: usize, workers: usize) -> Result<Measures> {
    use peers::{CrossbeamBoxes, MutexMpsc, RayonSpawn, Threadpool};
    match entry {
        Entry::PeerRayon => time(workload, RayonSpawn::build(workers)?, size),
        Entry::PeerCrossbeam => {
            let capacity = workload.capacity(size);
            time(workload, CrossbeamBoxes::build(workers, capacity)?, size)
        }
        Entry::PeerMpsc => time(workload, MutexMpsc::build(workers)?, size),
        Entry::PeerThreadpool => time(workload, Threadpool::build(workers), size),
        Entry::Channel | Entry::WorkStealing | Entry::Rayon | Entry::Async => {
            bail!("`{entry}` is a backend of the pool, not a peer")
        }
    }
}

#[cfg(not(feature = "peers"))]
fn on_peer(entry: Entry, _: Workload, _: usize, _: usize) -> Result<Measures> {
    bail!("`{entry}` is not compiled in: enable the feature `peers`")
}
