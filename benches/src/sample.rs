//! One sample: a workload on a contestant, as it is written to files.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::contestant::Contestant;
use crate::contestants::Entry;
use crate::workload::Workload;

/// The part of a sample's jobs that run before the clock starts: threads, caches and allocator are warm then.
const WARM_UP_PART: usize = 16;

/// What one process measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The name of the [`Workload`].
    pub workload: String,
    /// The name of the [`Entry`].
    pub contestant: String,
    /// How many jobs ran in the measured time.
    pub size: usize,
    /// How many workers the contestant had.
    pub workers: usize,
    /// The measured time, in nanoseconds.
    pub nanos: u64,
}

impl Sample {
    /// Nanoseconds for each job.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a figure for people; 53 bits of it are enough"
    )]
    pub fn nanos_per_job(&self) -> f64 {
        self.nanos as f64 / self.size as f64
    }
}

/// Measures once: warms the contestant up, runs the workload, ends the contestant.
///
/// # Errors
/// If the contestant could not be built, or is not compiled in.
pub fn measure(workload: Workload, entry: Entry, size: usize, workers: usize) -> Result<Sample> {
    let nanos = entry.run(workload, size, workers)?;
    Ok(Sample {
        workload: workload.to_string(),
        contestant: entry.to_string(),
        size,
        workers,
        nanos,
    })
}

/// The measured nanoseconds of `workload` on one contestant.
pub(crate) fn time<C: Contestant>(workload: Workload, contestant: C, size: usize) -> Result<u64> {
    let contestant = Arc::new(contestant);
    workload.run(&contestant, (size / WARM_UP_PART).max(1));
    let took = workload.run(&contestant, size);
    Arc::into_inner(contestant)
        .context("no job is left to hold the contestant")?
        .finish();
    Ok(u64::try_from(took.as_nanos())?)
}
