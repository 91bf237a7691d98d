//! The observer that measures how long each job waits and runs, and submitters and workers with it.
//!
//! # Histograms without a lock
//! Each worker records into the histograms of the job's backend, and of its kind if kinds are
//! wanted. There are few, and more come only with a swap or a new type of job. So they are a list
//! that only grows. A reader follows it without a lock. A thread that finds the end makes the next
//! entry and sets it, unless another thread was faster. Then it drops its own, and looks at the
//! other's. The recorder is the user's code: it is called before the entry is set, so it may even
//! end a job of this pool.
//!
//! # How long workers are busy
//! See `busy`. The probe's time is among it: its worker was busy with it.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Histogram, Label, histogram};
use pool_core::{Job, JobEnd, JobInfo, Observer, Outcome, Wants};

use crate::PoolMetrics;
use crate::names::Metric;
use crate::probe::Probe;

/// Records how long each job of a pool waited and ran. Made by [`PoolMetrics::observer`].
pub struct JobTimes {
    metrics: PoolMetrics,
    first: OnceLock<Box<Series>>,
    /// Made when the first submitter has waited, by the recorder that is there by then.
    submit_waits: OnceLock<Histogram>,
}

/// The histograms of one backend and kind, each by outcome.
struct Series {
    backend: &'static str,
    /// Empty: of all kinds.
    kind: &'static str,
    waited: [Histogram; Outcome::ALL.len()],
    ran: [Histogram; Outcome::ALL.len()],
    next: OnceLock<Box<Series>>,
}

impl Series {
    fn new(metrics: &PoolMetrics, backend: &'static str, kind: &'static str) -> Self {
        let by_outcome = |metric| {
            Outcome::ALL.map(|outcome| {
                let mut labels = metrics.labels();
                labels.push(Label::from_static_parts("pool.backend", backend));
                labels.push(Label::from_static_parts("method", "observed"));
                labels.push(Label::new("job.outcome", outcome.to_string()));
                if !kind.is_empty() {
                    labels.push(Label::from_static_parts("job.kind", kind));
                }
                histogram!(metrics.names.of(metric), labels)
            })
        };
        Self {
            backend,
            kind,
            waited: by_outcome(Metric::WaitTime),
            ran: by_outcome(Metric::RunTime),
            next: OnceLock::new(),
        }
    }
}

impl JobTimes {
    pub(crate) fn new(metrics: PoolMetrics) -> Self {
        Self {
            metrics,
            first: OnceLock::new(),
            submit_waits: OnceLock::new(),
        }
    }

    fn submit_waits(&self) -> &Histogram {
        if self.submit_waits.get().is_none() {
            let mut labels = self.metrics.labels();
            labels.push(Label::from_static_parts("method", "observed"));
            // With nothing locked: the recorder may submit to a full pool, which comes back here.
            let histogram = histogram!(self.metrics.names.of(Metric::SubmitWait), labels);
            let _first = self.submit_waits.set(histogram);
        }
        self.submit_waits.get().expect("it was just set")
    }

    fn series(&self, backend: &'static str, kind: &'static str) -> &Series {
        let mut slot = &self.first;
        loop {
            match slot.get() {
                Some(series) if series.backend == backend && series.kind == kind => return series,
                Some(series) => slot = &series.next,
                None => {
                    let series = Box::new(Series::new(&self.metrics, backend, kind));
                    let _another_was_faster = slot.set(series);
                }
            }
        }
    }
}

impl Observer for JobTimes {
    fn enter(&self, job: &JobInfo<'_>) {
        if job.worker.is_some() {
            self.metrics.shared.busy.enter();
        }
    }

    fn exit(&self, job: &JobInfo<'_>) {
        if job.worker.is_some() {
            self.metrics.shared.busy.exit();
        }
    }

    fn ended(&self, job: &JobInfo<'_>, end: &JobEnd<'_>) {
        if job.kind == Probe::kind() {
            return; // measured by itself
        }
        let Some(waited) = end.waited else {
            return; // a half of a join, or submitted to another pool
        };
        let kind = if self.metrics.has_kinds { job.kind } else { "" };
        let series = self.series(job.backend, kind);
        let outcome = end.outcome as usize;
        series.waited[outcome].record(waited);
        if let Some(ran) = end.ran {
            series.ran[outcome].record(ran);
        }
    }

    fn waited_for_room(&self, waited: Duration) {
        self.submit_waits().record(waited);
    }

    fn wants(&self) -> Wants {
        Wants::TIMES | Wants::ROOM_WAITS
    }
}

impl fmt::Debug for JobTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobTimes")
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}
