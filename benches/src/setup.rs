//! `Setup`: one sample to be taken, and the face that a workload needs of a contestant.

use std::sync::Arc;

use anyhow::{Context, Result};

use crate::contestant::Contestant;
use crate::entry::Entry;
use crate::sample::Measures;
use crate::workload::Workload;
use crate::workloads;

/// What a workload asks of a contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// Runs closures: a [`Contestant`].
    Jobs,
}

impl Face {
    pub(crate) const COUNT: usize = 1;
}

/// One sample to be taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) workload: Workload,
    pub(crate) entry: Entry,
    /// How many jobs are measured.
    pub(crate) size: usize,
    pub(crate) workers: usize,
    /// The queue that a bounded contestant gets.
    pub(crate) capacity: usize,
}

/// The part of a sample's jobs that run before the clock starts: threads, caches and allocator are warm then.
const WARM_UP_PART: usize = 16;

impl Setup {
    /// Runs a workload of closures: warms `contestant` up, measures, ends it.
    pub(crate) fn jobs<C: Contestant>(&self, contestant: C) -> Result<Measures> {
        let contestant = Arc::new(contestant);
        workloads::jobs(
            self.workload,
            &contestant,
            (self.size / WARM_UP_PART).max(1),
        );
        let measures = workloads::jobs(self.workload, &contestant, self.size);
        Arc::into_inner(contestant)
            .context("no job is left to hold the contestant")?
            .finish();
        Ok(measures)
    }
}
