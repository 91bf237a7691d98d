//! What a workload measures: names, units, and how times become figures.

use std::time::Duration;

use crate::sample::Measures;

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
    /// The same in a second round of the same process, in memory that the first has left behind.
    pub const TIME_PER_JOB_WARM: Self = Self::nanoseconds("time-per-job-warm");
    /// The median of many times.
    pub const MEDIAN: Self = Self::nanoseconds("median");
    /// The time that 99 in 100 do not exceed.
    pub const P99: Self = Self::nanoseconds("p99");
    /// From the moment a job was meant to arrive to its end.
    pub const END_TO_END: [Self; 3] = [
        Self::nanoseconds("end-to-end-p50"),
        Self::nanoseconds("end-to-end-p99"),
        Self::nanoseconds("end-to-end-p99.9"),
    ];
    /// From the moment a job was meant to arrive to its start.
    pub const QUEUE_WAIT: [Self; 3] = [
        Self::nanoseconds("queue-wait-p50"),
        Self::nanoseconds("queue-wait-p99"),
        Self::nanoseconds("queue-wait-p99.9"),
    ];
    /// The ratio of the wall time to the end of the last job to the shortest possible time.
    pub const MAKESPAN: Self = Self {
        name: "makespan-to-ideal",
        unit: Unit::Ratio,
    };
    /// What the process grew by while jobs were queued, divided by the jobs.
    pub const BYTES_PER_JOB: Self = Self::bytes("bytes-per-job");
    /// The most that it grew by meanwhile, divided by the jobs.
    pub const PEAK_BYTES_PER_JOB: Self = Self::bytes("peak-bytes-per-job");
    /// From the call to stop to its end, with every job that had not started handed back and
    /// dropped.
    pub const TIME_TO_STOP: Self = Self::nanoseconds("time-to-stop");
    /// The share of queued jobs that ran although the pool was told to stop.
    pub const SHARE_RUN: Self = Self {
        name: "share-run",
        unit: Unit::Ratio,
    };
    /// CPU time of the process, on all cores, divided by the jobs.
    pub const CPU_PER_JOB: Self = Self::nanoseconds("cpu-per-job");
    /// How often a thread of the process gave its core away to wait for something, divided by the
    /// jobs.
    pub const SLEEPS_PER_JOB: Self = Self {
        name: "sleeps-per-job",
        unit: Unit::Ratio,
    };
    /// System calls of the process, divided by the jobs. It is counted from outside, in a sample
    /// that measures nothing else.
    pub const SYSTEM_CALLS_PER_JOB: Self = Self {
        name: "system-calls-per-job",
        unit: Unit::Ratio,
    };
    /// CPU time of the process for one second of wall time.
    pub const CPU_PER_SECOND: Self = Self::nanoseconds("cpu-per-second");

    /// A measure in nanoseconds.
    pub const fn nanoseconds(name: &'static str) -> Self {
        Self {
            name,
            unit: Unit::Nanoseconds,
        }
    }

    /// A measure in bytes.
    pub const fn bytes(name: &'static str) -> Self {
        Self {
            name,
            unit: Unit::Bytes,
        }
    }
}

/// The figures of a sample.
pub(crate) fn measures<const N: usize>(figures: [(Measure, f64); N]) -> Measures {
    figures
        .map(|(measure, figure)| (measure.name.to_owned(), figure))
        .into()
}

/// The wall time of `count` jobs, for each of them.
pub(crate) fn per_job(took: Duration, count: usize) -> (Measure, f64) {
    (Measure::TIME_PER_JOB, nanos(took) / float(count))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure for people; 53 bits of it are enough"
)]
pub(crate) fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}

/// A count as a figure.
#[expect(
    clippy::cast_precision_loss,
    reason = "a figure for people; 53 bits of it are enough"
)]
pub fn float(count: usize) -> f64 {
    count as f64
}

/// Times, with their percentiles.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The least time that `thousandths` in 1000 of the times do not exceed, in nanoseconds.
    pub(crate) fn permille(&self, thousandths: usize) -> f64 {
        let rank = (self.0.len() * thousandths).div_ceil(1000).max(1);
        nanos(self.0[rank - 1])
    }

    pub(crate) fn sum(&self) -> Duration {
        self.0.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_least_time_that_so_many_do_not_exceed() {
        let times = Times::of((1..=1000).rev().map(Duration::from_nanos).collect());
        assert_eq!(
            [500, 990, 999, 1000].map(|permille| times.permille(permille)),
            [500.0, 990.0, 999.0, 1000.0]
        );
        let one = Times::of(vec![Duration::from_nanos(7)]);
        assert_eq!(one.permille(1), 7.0);
        assert_eq!(times.sum(), Duration::from_nanos(500_500));
    }
}
