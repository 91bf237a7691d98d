//! The reporter: reads a pool and sets its counters and gauges, when called or at an interval.
//!
//! # A report
//! A report is one look at the pool (`ExecutorExt::snapshot`), which waits for no job and holds up
//! no worker. The recorder is called by the thread that reports, so no worker runs the exporter's
//! code.
//!
//! # A thread that reports
//! It waits for its interval, or for the drop of [`Reporting`], which drops the sender of a channel
//! that nothing is sent on. Then the thread hands the reporter back, and the dropping thread drops
//! it. This may be the last handle of the pool, whose drop waits for the pool's jobs. On a thread
//! of the reporter's own, which the dropping thread waits for, that would be a deadlock if the
//! dropping thread runs one of these jobs. A worker that drops the last handle waits for nothing.
//! A report that panics, since a recorder does, is contained: the next one is made in its time.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};

use metrics::{Label, counter, gauge, histogram};
use pool_core::{Executor, ExecutorExt, Outcome, Refusal, Snapshot, Stats};

use crate::PoolMetrics;
use crate::names::Metric;
use crate::probe::Prober;

/// Reads a pool and sets its metrics. Made by [`PoolMetrics::watch`].
///
/// A pool has one reporter at a time: each would take the other's probes for jobs that arrive.
pub struct Reporter<E> {
    pool: E,
    metrics: PoolMetrics,
    prober: Option<Prober>,
    /// Those that have had workers: after a swap the older ones come to have none.
    backends: Vec<&'static str>,
}

/// A thread that reports at an interval, until this is dropped. Made by [`Reporter::spawn`].
#[must_use = "the reports end when this is dropped"]
pub struct Reporting {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Box<dyn Send>>>,
}

impl<E: Executor> Reporter<E> {
    pub(crate) fn new(metrics: PoolMetrics, pool: E) -> Self {
        let refusals = || Arc::clone(&metrics.shared.probe_refusals);
        let prober = metrics
            .has_probe
            .then(|| Prober::new(&pool.stats(), refusals()));
        Self {
            pool,
            metrics,
            prober,
            backends: Vec::new(),
        }
    }

    /// Reads the pool, and sets its counters and gauges. Takes the answer of the last probe, and
    /// sends one if jobs wait or have arrived since the last report.
    ///
    /// Never blocks, so it may be called on a thread that polls futures. The metrics go to the
    /// recorder of the calling thread, which is the global one or a local one.
    ///
    /// # Panics
    /// If the recorder panics.
    ///
    /// # Examples
    /// ```
    /// use pool::Pool;
    /// use pool_metrics::PoolMetrics;
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let mut reporter = PoolMetrics::new("thumbs").watch(&pool);
    /// pool.spawn(|| 42)?.join()?;
    /// reporter.report_once(); // for example, before each scrape
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn report_once(&mut self) {
        let snapshot = self.pool.snapshot();
        self.set_counts(&snapshot.stats);
        self.set_state(&snapshot);
        self.set_workers(&snapshot);
        self.count_busy_time(&snapshot);
        self.probe(&snapshot.stats);
    }

    fn set_counts(&self, stats: &Stats) {
        self.count(Metric::Accepted, [], stats.accepted);
        self.count(Metric::HookPanics, [], stats.hook_panics);
        self.count(Metric::Swaps, [], stats.swaps);
        let refused = [
            (Refusal::Full, "full", stats.refused_full),
            (Refusal::Closed, "closed", stats.refused_closed),
        ];
        for (reason, name, refused) in refused {
            let refused = self.metrics.shared.probe_refusals.without(reason, refused);
            let label = Label::from_static_parts("reason", name);
            self.count(Metric::Refused, [label], refused);
        }
        for outcome in Outcome::ALL {
            let label = Label::new("job.outcome", outcome.to_string());
            self.count(Metric::Finished, [label], ended_as(stats, outcome));
        }
    }

    fn set_state(&self, snapshot: &Snapshot) {
        let running_for = snapshot.running().map(|job| job.running_for);
        let longest = running_for.max().unwrap_or_default();
        self.set(Metric::Queued, [], snapshot.stats.queued as f64);
        self.set(Metric::Running, [], snapshot.stats.running as f64);
        self.set(Metric::LongestRunning, [], longest.as_secs_f64());
        if let Some(stuck) = snapshot.stuck {
            self.set(Metric::Stuck, [], stuck as f64);
        }
        if let Some(capacity) = snapshot.capacity {
            self.set(Metric::Capacity, [], capacity as f64);
        }
    }

    fn set_workers(&mut self, snapshot: &Snapshot) {
        for worker in &snapshot.workers {
            if !self.backends.contains(&worker.backend) {
                self.backends.push(worker.backend);
            }
        }
        for backend in &self.backends {
            for (state, is_idle) in [("busy", false), ("idle", true)] {
                let workers = snapshot.workers.iter();
                let workers =
                    workers.filter(|it| it.backend == *backend && it.is_idle() == is_idle);
                let labels = [
                    Label::from_static_parts("pool.backend", backend),
                    Label::from_static_parts("state", state),
                ];
                self.set(Metric::Workers, labels, workers.count() as f64);
            }
        }
    }

    fn count_busy_time(&self, snapshot: &Snapshot) {
        let busy = &self.metrics.shared.busy;
        busy.sample(snapshot.workers.len() - snapshot.idle_workers());
        self.count(Metric::BusyTime, [], busy.total().as_secs());
    }

    fn probe(&mut self, stats: &Stats) {
        let Some(prober) = &mut self.prober else {
            return;
        };
        let seen = prober.look(&self.pool, stats);
        self.set(Metric::OldestAge, [], seen.oldest_age.as_secs_f64());
        if let Some(delay) = seen.delay {
            let mut labels = self.metrics.labels();
            labels.push(Label::from_static_parts("method", "probe"));
            histogram!(self.metrics.names.of(Metric::WaitTime), labels).record(delay);
        }
    }

    fn count<const N: usize>(&self, metric: Metric, more: [Label; N], value: u64) {
        let mut labels = self.metrics.labels();
        labels.extend(more);
        counter!(self.metrics.names.of(metric), labels).absolute(value);
    }

    fn set<const N: usize>(&self, metric: Metric, more: [Label; N], value: f64) {
        let mut labels = self.metrics.labels();
        labels.extend(more);
        gauge!(self.metrics.names.of(metric), labels).set(value);
    }
}

impl<E: Executor + 'static> Reporter<E> {
    /// Starts a thread that reports at once, and then at each
    /// [interval](PoolMetrics::with_interval), until what is returned is dropped.
    ///
    /// The reporter's handle of the pool is one of its handles: the drop of all others does not end
    /// the pool as long as it reports. A pool that was shut down has its last counts reported.
    ///
    /// # Errors
    /// If the system refuses the thread. The reporter is dropped.
    ///
    /// # Examples
    /// ```
    /// use pool::Pool;
    /// use pool_metrics::PoolMetrics;
    /// use std::time::Duration;
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let metrics = PoolMetrics::new("thumbs").with_interval(Duration::from_secs(5));
    /// let reporting = metrics.watch(pool.clone()).spawn()?;
    /// assert_eq!(pool.spawn(|| 42)?.join()?, 42);
    /// drop(reporting); // the last report was made
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn(mut self) -> io::Result<Reporting> {
        let (stop, stopped) = channel::<()>();
        let interval = self.metrics.interval;
        let report = move || {
            loop {
                let _recorder_panicked = catch_unwind(AssertUnwindSafe(|| self.report_once()));
                if stopped.recv_timeout(interval) != Err(RecvTimeoutError::Timeout) {
                    return Box::new(self) as Box<dyn Send>;
                }
            }
        };
        let thread = Builder::new().name("pool-metrics".to_owned());
        Ok(Reporting {
            stop: Some(stop),
            thread: Some(thread.spawn(report)?),
        })
    }
}

/// Waits for the report that is being made, if there is one; it waits for no job.
impl Drop for Reporting {
    fn drop(&mut self) {
        self.stop = None;
        let reporter = self.thread.take().map(JoinHandle::join);
        drop(reporter);
    }
}

/// How many jobs ended so.
fn ended_as(stats: &Stats, outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Completed => stats.completed,
        Outcome::Failed => stats.failed,
        Outcome::Panicked => stats.panicked,
        Outcome::Cancelled => stats.cancelled,
        Outcome::Expired => stats.expired,
        Outcome::Abandoned => stats.abandoned,
    }
}

impl<E> fmt::Debug for Reporter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter")
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Reporting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporting").finish_non_exhaustive()
    }
}
