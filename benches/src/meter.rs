//! `Meter`: the time, the processor's time and the sleeps of the part of a sample that counts.

use std::time::{Duration, Instant};

use crate::measure::{Measure, float, nanos};
use crate::sample::Measures;
use crate::system::{self, Usage};

/// Runs from `start` to `stop`.
#[derive(Debug)]
pub(crate) struct Meter {
    before: Option<Usage>,
    begin: Instant,
}

/// What passed meanwhile.
#[derive(Debug)]
pub(crate) struct Spent {
    pub(crate) time: Duration,
    /// `None` where the system does not tell.
    usage: Option<Usage>,
}

impl Meter {
    pub(crate) fn start() -> Self {
        // The clock is read last here and first in `stop`, so that what the system takes to answer
        // is not in the time.
        let before = system::usage();
        let begin = Instant::now();
        Self { before, begin }
    }

    pub(crate) fn stop(self) -> Spent {
        let time = self.begin.elapsed();
        let usage = self.before.zip(system::usage());
        let usage = usage.map(|(before, after)| after.since(before));
        Spent { time, usage }
    }
}

impl Spent {
    /// The same without processor time that the measuring thread used for itself.
    pub(crate) fn without(mut self, cpu: Duration) -> Self {
        if let Some(usage) = &mut self.usage {
            usage.cpu = usage.cpu.saturating_sub(cpu);
        }
        self
    }

    /// The time for each of `jobs`, and what it cost.
    pub(crate) fn per_job(&self, jobs: usize) -> Measures {
        let time = nanos(self.time) / float(jobs);
        self.with([(Measure::TIME_PER_JOB, time)], jobs)
    }

    /// Figures of the workload's own, and what each of `jobs` cost.
    pub(crate) fn with<const N: usize>(
        &self,
        figures: [(Measure, f64); N],
        jobs: usize,
    ) -> Measures {
        let costs = self.usage.as_ref().map(|usage| {
            [
                (Measure::CPU_PER_JOB, nanos(usage.cpu) / float(jobs)),
                (Measure::SLEEPS_PER_JOB, float(usage.sleeps) / float(jobs)),
            ]
        });
        let figures = figures.into_iter().chain(costs.into_iter().flatten());
        figures
            .map(|(measure, figure)| (measure.name.to_owned(), figure))
            .collect()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::measure::nanos;

    const LENGTH: Duration = Duration::from_millis(5);

    fn spin() {
        let end = Instant::now() + LENGTH;
        while Instant::now() < end {}
    }

    #[test]
    fn work_on_another_thread_costs_processor_time() {
        let meter = Meter::start();
        thread::spawn(spin).join().unwrap();
        let spent = meter.stop();
        assert!(spent.time >= LENGTH);
        let figures = spent.per_job(10);
        let cpu = figures[Measure::CPU_PER_JOB.name];
        assert!(cpu > 0.0 && cpu.is_finite(), "{cpu}");
        let none = spent.without(Duration::MAX).per_job(10);
        assert_eq!(none[Measure::CPU_PER_JOB.name], 0.0);
    }

    #[test]
    fn a_thread_that_waits_sleeps() {
        let (send, receive) = mpsc::channel::<()>();
        let meter = Meter::start();
        let other = thread::spawn(move || {
            spin();
            drop(send);
        });
        receive.recv().unwrap_err();
        other.join().unwrap();
        let spent = meter.stop();
        let sleeps = spent.per_job(1)[Measure::SLEEPS_PER_JOB.name];
        assert!(sleeps >= 1.0, "{sleeps}");
        assert!(spent.per_job(1)[Measure::TIME_PER_JOB.name] >= nanos(LENGTH));
    }
}
