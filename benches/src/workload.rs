//! `Workload`: what is measured, by name, and what each takes and gives.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};

use crate::entry::Entry;
use crate::measure::Measure;
use crate::setup::Face;

/// The bound of bounded contestants, in jobs, where jobs come from outside: the pool's default.
const CAPACITY: usize = 1024;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Workload {
    /// One outsider executes empty jobs; the time ends when the last of them has woken it.
    Empty,
    /// One outsider submits jobs, then joins them in order.
    Results,
    /// A binary tree: each job executes its two children on its own pool.
    SpawnInside,
    /// One outsider submits a job and joins it, one by one, on a pool that is awake.
    RoundTrip,
}

/// All that there is to know of a workload before it runs.
struct Spec {
    name: &'static str,
    title: &'static str,
    measures: &'static [Measure],
    full_size: usize,
    quick_size: usize,
}

/// What else to sample, to see how a cost grows. Empty: nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scaling {
    /// Sizes, in jobs, with the usual number of workers.
    pub sizes: &'static [usize],
    /// Numbers of workers, with the usual size.
    pub workers: &'static [usize],
}

impl Workload {
    /// Every workload, in the order of the tables.
    pub const ALL: &'static [Self] = &[
        Self::Empty,
        Self::Results,
        Self::SpawnInside,
        Self::RoundTrip,
    ];

    fn spec(self) -> Spec {
        match self {
            Self::Empty => Spec {
                name: "empty",
                title: "Empty jobs from one thread outside",
                measures: &[Measure::TIME_PER_JOB],
                full_size: 1_000_000,
                quick_size: 50_000,
            },
            Self::Results => Spec {
                name: "results",
                title: "Jobs with results, joined in order",
                measures: &[Measure::TIME_PER_JOB],
                full_size: 1_000_000,
                quick_size: 50_000,
            },
            Self::SpawnInside => Spec {
                name: "spawn-inside",
                title: "A binary tree: each job submits its two children",
                measures: &[Measure::TIME_PER_JOB],
                full_size: 1 << 18,
                quick_size: 1 << 14,
            },
            Self::RoundTrip => Spec {
                name: "round-trip",
                title: "Submit one job and join it, on a pool that is awake",
                measures: &[Measure::TIME_PER_JOB],
                full_size: 100_000,
                quick_size: 5_000,
            },
        }
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// What it is, in a sentence for people.
    pub fn title(self) -> &'static str {
        self.spec().title
    }

    /// What a sample of it measures; the first ranks the contestants.
    pub fn measures(self) -> &'static [Measure] {
        self.spec().measures
    }

    /// Whether a contestant has what the workload needs.
    pub fn takes(self, entry: Entry) -> bool {
        entry.has(self.face())
            && entry.only().is_none_or(|only| only.contains(&self))
            && !entry.except().contains(&self)
    }

    /// Jobs of a sample whose figures count.
    pub fn full_size(self) -> usize {
        self.spec().full_size
    }

    /// Jobs of a sample that shows that all works.
    pub fn quick_size(self) -> usize {
        self.spec().quick_size
    }

    /// How many samples it gets, to the usual number: long ones get fewer.
    pub fn share(self) -> f64 {
        1.0
    }

    /// How many workers it uses where the user names no number and the system grants `granted` in parallel.
    pub fn workers(self, granted: usize) -> usize {
        granted
    }

    /// What else to sample, to see how its cost grows.
    pub fn scaling(self) -> Scaling {
        Scaling {
            sizes: &[],
            workers: match self {
                Self::Empty => &[1, 2, 4, 8, 16, 32, 64],
                _ => &[],
            },
        }
    }

    /// The queue that a bounded contestant gets, for `size` jobs.
    ///
    /// A tree gets room for all of it: a bounded channel of boxes would wait for itself otherwise.
    pub fn capacity(self, size: usize) -> usize {
        match self {
            Self::SpawnInside => size,
            _ => CAPACITY,
        }
    }

    pub(crate) fn face(self) -> Face {
        Face::Jobs
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Workload {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match Self::ALL.iter().copied().find(|it| it.name() == name) {
            Some(workload) => Ok(workload),
            None => {
                let names: Vec<&str> = Self::ALL.iter().map(|it| it.name()).collect();
                bail!(
                    "no workload is named `{name}`; there are {}",
                    names.join(", ")
                )
            }
        }
    }
}
