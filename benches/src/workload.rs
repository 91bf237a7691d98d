//! `Workload`: what is measured, by name.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result};

use crate::entry::Entry;
use crate::measure::Measure;
use crate::setup::Face;
use crate::spec::{SPECS, Scaling, Spec, Takers};
use crate::system;
use crate::workloads::SMALL_TREE_ROUNDS;

/// What is measured. Its [`title`](Self::title) says what each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the titles say it, and people read them too")]
pub enum Workload {
    Empty,
    EmptyFour,
    Results,
    SpawnInside,
    Chain,
    PingPong,
    Bursts,
    RoundTrip,
    RoundTripCold,
    RoundTripPinned,
    Jobs1us,
    Jobs10us,
    Jobs100us,
    HeavyTail,
    OpenLoop10,
    OpenLoop50,
    OpenLoop90,
    Bounded,
    Queued,
    Memory,
    Blocking,
    OpenLoopSleep50,
    OpenLoopSleep90,
    Sleepers,
    JoinLarge,
    JoinSmall,
    JoinSleep10,
    JoinSleep25,
    JoinSleep50,
    JoinSleep90,
    Panics,
    Shutdown,
    Idle,
    OwnCosts,
    FloorCacheLine,
    FloorWake,
    FloorJobs,
    FloorDeque,
    FloorNewMemory,
    FloorIdle,
    FloorFreeElsewhere,
    FloorResult,
    FloorReadModifyWrite,
    FloorContendedReadModifyWrite,
}

impl Workload {
    /// Every workload, in the order of the tables.
    pub const ALL: &'static [Self] = &{
        let mut all = [SPECS[0].workload; SPECS.len()];
        let mut next = 0;
        while next < all.len() {
            all[next] = SPECS[next].workload;
            next += 1;
        }
        all
    };

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// What it is, in a sentence for readers.
    pub fn title(self) -> &'static str {
        self.spec().title
    }

    /// What a sample of it measures; the first ranks the contestants.
    pub fn measures(self) -> Vec<Measure> {
        let costs = [Measure::CPU_PER_JOB, Measure::SLEEPS_PER_JOB];
        let costs = costs.into_iter().filter(|_| self.has_costs());
        let own = self.spec().measures.iter().copied();
        own.chain(costs).collect()
    }

    /// Whether what its jobs cost besides time is measured. Not if there are no jobs, or none of a
    /// pool.
    pub fn has_costs(self) -> bool {
        let has_jobs = !matches!(self, Self::Memory | Self::Idle);
        has_jobs && self.face() != Face::Floor && system::IS_SUPPORTED
    }

    /// Whether a contestant has what the workload needs, on this system.
    pub fn takes(self, entry: Entry) -> bool {
        let spec = self.spec();
        let is_taken = match spec.takers {
            Takers::All => entry.only().is_none_or(|only| only.contains(&self)),
            Takers::Bounded => entry.is_bounded() && entry.only().is_none(),
            Takers::Survivors => entry.survives_panics() && entry.only().is_none(),
            Takers::Listed => entry.only().is_some_and(|only| only.contains(&self)),
        };
        is_taken
            && entry.has(spec.face)
            && !entry.except().contains(&self)
            && (system::IS_SUPPORTED || !spec.asks_the_system)
    }

    /// Whether a contestant takes part with this bound, for `size` jobs, besides the usual one.
    /// Those without a bound would only repeat themselves.
    pub fn takes_bound(self, entry: Entry, size: usize, capacity: usize) -> bool {
        // A pool that makes its workers wait for room waits for itself in the middle of a tree.
        let has_room = self != Self::SpawnInside || entry.is_ours() || capacity >= size;
        entry.is_bounded() && has_room && self.takes(entry)
    }

    /// Jobs of a sample whose figures count. Of an idle pool: milliseconds. Of a tree of joins:
    /// nodes, or leaves that sleep.
    pub fn full_size(self) -> usize {
        self.spec().full_size
    }

    /// What the figures of a sample of this size are divided by.
    pub fn jobs(self, size: usize) -> usize {
        match self {
            Self::JoinSmall => size * SMALL_TREE_ROUNDS,
            _ => size,
        }
    }

    /// `full_size`, for a sample that shows that everything works.
    pub fn quick_size(self) -> usize {
        self.spec().quick_size
    }

    /// How many samples it gets, relative to the usual number: long ones get fewer.
    pub fn share(self) -> f64 {
        self.spec().share
    }

    /// How many workers it uses if the user gives no number and the system grants `granted` in
    /// parallel.
    pub fn workers(self, granted: usize) -> usize {
        match self {
            Self::Blocking => 64,
            Self::Sleepers => 1000,
            // What sleeps keeps no core: these are many workers on any machine.
            Self::OpenLoopSleep50 | Self::OpenLoopSleep90 => 32,
            Self::JoinSleep10 | Self::JoinSleep25 | Self::JoinSleep50 | Self::JoinSleep90 => 8,
            // The thread that the jobs arrive on spins, to be in time: it needs a core of its own.
            Self::OpenLoop10 | Self::OpenLoop50 | Self::OpenLoop90 => granted.max(2) - 1,
            _ => granted,
        }
    }

    /// What else to sample, to see how its cost grows.
    pub fn scaling(self) -> Scaling {
        self.spec().scaling
    }

    /// Of a tree of joins that is split unevenly: how many of a hundred leaves are in the left
    /// half.
    pub(crate) fn left_percent(self) -> Option<usize> {
        match self {
            Self::JoinSleep10 => Some(10),
            Self::JoinSleep25 => Some(25),
            Self::JoinSleep50 => Some(50),
            Self::JoinSleep90 => Some(90),
            _ => None,
        }
    }

    /// The queue that a bounded contestant gets, for `size` jobs, unless another is asked for.
    pub fn capacity(self, size: usize) -> usize {
        /// The pool's default.
        const USUAL: usize = 1024;
        match self {
            Self::Bounded => 100,
            // A tree gets room for all its jobs: a bounded channel of boxes would otherwise wait
            // for itself. So does a queue that is filled while no worker takes from it.
            Self::SpawnInside | Self::Queued | Self::Memory | Self::Shutdown => size.max(USUAL),
            _ => USUAL,
        }
    }

    pub(crate) fn face(self) -> Face {
        self.spec().face
    }

    /// Whether it is run once more, to measure a round in warm memory.
    pub(crate) fn has_warm_round(self) -> bool {
        self.spec().measures.contains(&Measure::TIME_PER_JOB_WARM)
    }

    /// Whether a part of the jobs runs before the clock starts. Not if the workload measures the
    /// first growth.
    pub(crate) fn warms_up(self) -> bool {
        !matches!(self, Self::Memory | Self::Idle)
    }

    fn spec(self) -> &'static Spec {
        &SPECS[self as usize]
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Workload {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().copied().find(|it| it.name() == name);
        found.with_context(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|it| it.name()).collect();
            format!(
                "no workload is named `{name}`; there are {}",
                names.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_workload_stands_at_the_place_of_its_number() {
        for (place, &workload) in Workload::ALL.iter().enumerate() {
            assert_eq!(workload as usize, place, "{workload}");
        }
    }
}
