//! One sample: a workload on a contestant, as it is written to files.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::setup::Setup;
use crate::workload::Workload;

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
    ensure!(
        workload.takes(entry),
        "`{entry}` does not take part in `{workload}`"
    );
    let setup = Setup {
        workload,
        entry,
        size,
        workers,
        capacity: workload.capacity(size),
    };
    let measures = entry.run(&setup)?;
    Ok(Sample {
        workload: workload.to_string(),
        contestant: entry.to_string(),
        size,
        workers,
        measures,
    })
}
