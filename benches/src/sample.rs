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
    /// The bound of the queue, if it was not the workload's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<usize>,
    /// What was measured: every one of [`Workload::measures`].
    pub measures: Measures,
}

/// The sample to take.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// What is measured.
    pub workload: Workload,
    /// The contestant.
    pub entry: Entry,
    /// How many jobs run in the measured time.
    pub size: usize,
    /// How many workers the contestant gets.
    pub workers: usize,
    /// The bound of its queue, `usize::MAX` for none; `None`: the workload's usual one.
    pub capacity: Option<usize>,
}

/// Measures once: warms the contestant up, runs the workload, ends the contestant.
///
/// # Errors
/// If the contestant could not be built, does not take part in the workload, or is not compiled in.
pub fn measure(request: &Request) -> Result<Sample> {
    let Request {
        workload,
        entry,
        size,
        workers,
        capacity,
    } = *request;
    ensure!(
        workload.takes(entry),
        "`{entry}` does not take part in `{workload}`"
    );
    let setup = Setup {
        workload,
        size,
        workers,
        capacity: capacity.unwrap_or_else(|| workload.capacity(size)),
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
        capacity,
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
