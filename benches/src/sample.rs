//! One sample: a workload on a contestant, as it is written to files.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::contestant::Contestant;
use crate::contestants::Entry;
use crate::measure::Measure;
use crate::workload::Workload;

/// The part of a sample's jobs that run before the clock starts: threads, caches and allocator are warm then.
const WARM_UP_PART: usize = 16;

/// Figures by the names of their measures.
pub type Measures = BTreeMap<String, f64>;

/// What one process measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The name of the [`Workload`].
    pub workload: String,
    /// The name of the [`Entry`].
    pub contestant: String,
    /// How many jobs ran in the measured time.
    pub size: usize,
    /// How many workers the contestant had.
    pub workers: usize,
    /// What was measured: every one of [`Workload::measures`].
    pub measures: Measures,
}

/// Measures once: warms the contestant up, runs the workload, ends the contestant.
///
/// # Errors
/// If the contestant could not be built, does not take part in the workload, or is not compiled in.
pub fn measure(workload: Workload, entry: Entry, size: usize, workers: usize) -> Result<Sample> {
    let measures = entry.run(workload, size, workers)?;
    Ok(Sample {
        workload: workload.to_string(),
        contestant: entry.to_string(),
        size,
        workers,
        measures,
    })
}

/// Runs `workload` on one contestant.
#[expect(
    clippy::cast_precision_loss,
    reason = "a figure for people; 53 bits of it are enough"
)]
pub(crate) fn time<C: Contestant>(
    workload: Workload,
    contestant: C,
    size: usize,
) -> Result<Measures> {
    let contestant = Arc::new(contestant);
    workload.run(&contestant, (size / WARM_UP_PART).max(1));
    let took = workload.run(&contestant, size);
    Arc::into_inner(contestant)
        .context("no job is left to hold the contestant")?
        .finish();
    let time_per_job = took.as_nanos() as f64 / size as f64;
    Ok(Measures::from([(
        Measure::TIME_PER_JOB.name.to_owned(),
        time_per_job,
    )]))
}
