//! What a workload measures: names and units.

/// One figure of a sample. Smaller is always better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// The key in [`Sample::measures`](crate::Sample).
    pub name: &'static str,
    /// The unit of the figure.
    pub unit: Unit,
}

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
    /// A share or a multiple, without a unit.
    Ratio,
}

impl Measure {
    /// Wall time, divided by the jobs.
    pub const TIME_PER_JOB: Self = Self::nanoseconds("time-per-job");

    /// A measure in nanoseconds.
    pub const fn nanoseconds(name: &'static str) -> Self {
        Self {
            name,
            unit: Unit::Nanoseconds,
        }
    }
}
