//! One sample: a workload on a contestant, as it is written to files.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::thread;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::setup::Setup;
use crate::system;
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
        size,
        workers,
        capacity: workload.capacity(size),
        before: match workload {
            Workload::Memory => Some(system::memory()?),
            _ => None,
        },
    };
    let measures = match workload {
        // On a separate thread: the threads that it starts are on that core too, and the caller is
        // not confined.
        Workload::RoundTripPinned => on_one_core(|| entry.run(&setup))?,
        _ => entry.run(&setup)?,
    };
    Ok(Sample {
        workload: workload.to_string(),
        contestant: entry.to_string(),
        size,
        workers,
        measures,
    })
}

/// Runs `work` on a thread that is confined to one core.
fn on_one_core<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let pinned = scope.spawn(|| {
            system::pin_to_one_core()?;
            work()
        });
        match pinned.join() {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    })
}
