//! The workloads, each the same for every contestant.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::contestant::Contestant;
use crate::contestants::Entry;
use crate::latch::Latch;
use crate::measure::Measure;

/// The bound of bounded contestants, in jobs, where jobs come from outside: the pool's default.
const CAPACITY: usize = 1024;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Workload {
    /// Every workload, in the order of the tables.
    pub const ALL: [Self; 4] = [
        Self::Empty,
        Self::Results,
        Self::SpawnInside,
        Self::RoundTrip,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Results => "results",
            Self::SpawnInside => "spawn-inside",
            Self::RoundTrip => "round-trip",
        }
    }

    /// What it is, in a sentence for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Empty => "Empty jobs from one thread outside",
            Self::Results => "Jobs with results, joined in order",
            Self::SpawnInside => "A binary tree: each job submits its two children",
            Self::RoundTrip => "Submit one job and join it, on a pool that is awake",
        }
    }

    /// What a sample of it measures; the first ranks the contestants.
    pub fn measures(self) -> &'static [Measure] {
        &[Measure::TIME_PER_JOB]
    }

    /// Whether a contestant has what the workload needs.
    pub fn takes(self, _entry: Entry) -> bool {
        true
    }

    /// Jobs of a sample whose figures count.
    pub fn full_size(self) -> usize {
        match self {
            Self::Empty | Self::Results => 1_000_000,
            Self::SpawnInside => 1 << 18,
            Self::RoundTrip => 100_000,
        }
    }

    /// Jobs of a sample that shows that all works.
    pub fn quick_size(self) -> usize {
        match self {
            Self::Empty | Self::Results => 50_000,
            Self::SpawnInside => 1 << 14,
            Self::RoundTrip => 5_000,
        }
    }

    /// The queue that a bounded contestant gets, for `size` jobs.
    ///
    /// A tree gets room for all of it: a bounded channel of boxes would wait for itself otherwise.
    pub fn capacity(self, size: usize) -> usize {
        match self {
            Self::SpawnInside => size,
            Self::Empty | Self::Results | Self::RoundTrip => CAPACITY,
        }
    }

    /// Runs `size` jobs and returns how long they took.
    pub(crate) fn run<C: Contestant>(self, contestant: &Arc<C>, size: usize) -> Duration {
        let start = Instant::now();
        match self {
            Self::Empty => empty(&**contestant, size),
            Self::Results => results(&**contestant, size),
            Self::SpawnInside => spawn_inside(contestant, size),
            Self::RoundTrip => round_trip(&**contestant, size),
        }
        start.elapsed()
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Workload {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|it| it.name() == name) {
            Some(workload) => Ok(workload),
            None => bail!(
                "no workload is named `{name}`; there are {}",
                Self::ALL.map(Self::name).join(", ")
            ),
        }
    }
}

fn empty<C: Contestant>(contestant: &C, size: usize) {
    let latch = Latch::leaked(size);
    for _ in 0..size {
        contestant.execute(|| latch.arrive());
    }
    latch.wait();
}

fn results<C: Contestant>(contestant: &C, size: usize) {
    let waits: Vec<_> = (0..size)
        .map(|number| contestant.submit(move || black_box(number)))
        .collect();
    let sum: usize = waits.into_iter().map(|wait| wait()).sum();
    assert_eq!(sum, (0..size).sum(), "each job gives its own value");
}

fn round_trip<C: Contestant>(contestant: &C, size: usize) {
    for number in 0..size {
        let wait = contestant.submit(move || black_box(number));
        assert_eq!(wait(), number, "the job gives its own value");
    }
}

fn spawn_inside<C: Contestant>(contestant: &Arc<C>, size: usize) {
    let latch = Latch::leaked(size);
    grow(Arc::clone(contestant), latch, size);
    latch.wait();
}

/// Executes the root of a tree of `size` jobs, which executes its subtrees.
fn grow<C: Contestant>(contestant: Arc<C>, latch: &'static Latch, size: usize) {
    if size == 0 {
        return;
    }
    let left = (size - 1) / 2;
    let right = size - 1 - left;
    let inside = Arc::clone(&contestant);
    contestant.execute(move || {
        grow(Arc::clone(&inside), latch, left);
        // The job's own pointer goes before its arrival: after the last arrival the measuring thread holds the only one.
        grow(inside, latch, right);
        latch.arrive();
    });
}
