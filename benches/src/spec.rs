//! Everything known about a workload before it runs.

mod table;

use crate::measure::Measure;
use crate::setup::Face;
use crate::workload::Workload;
pub(crate) use table::SPECS;

/// What else to sample, to see how a cost grows. Empty: nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scaling {
    /// Sizes, in jobs, with the usual number of workers.
    pub sizes: &'static [usize],
    /// Numbers of workers, with the usual size.
    pub workers: &'static [usize],
    /// Bounds of the queue, with the usual size and number of workers; `usize::MAX` is none. A
    /// contestant with a bound ranks by its worst one.
    pub capacities: &'static [usize],
}

impl Scaling {
    /// Nothing else.
    pub const NONE: Self = Self {
        sizes: &[],
        workers: &[],
        capacities: &[],
    };
}

/// Which contestants with the face take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takers {
    /// All.
    All,
    /// Those that wait at a bound.
    Bounded,
    /// Those that a panic in a job does not kill.
    Survivors,
    /// Those that name the workload.
    Listed,
}

/// Everything known about a workload before it runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) workload: Workload,
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) measures: &'static [Measure],
    pub(crate) full_size: usize,
    pub(crate) quick_size: usize,
    /// How many samples it gets, relative to the usual number.
    pub(crate) share: f64,
    pub(crate) face: Face,
    pub(crate) takers: Takers,
    /// Whether it needs what only some systems report.
    pub(crate) asks_the_system: bool,
    pub(crate) scaling: Scaling,
}
