//! Metrics of a worker pool, on the facade `metrics`: for Prometheus, OpenTelemetry or StatsD,
//! whichever exporter the service has.
//!
//! ```
//! use pool::Pool;
//! use pool_metrics::PoolMetrics;
//!
//! let metrics = PoolMetrics::new("thumbs");
//! // The observer is for histograms by outcome, and may be left out.
//! let pool = Pool::builder().workers(2).observe(metrics.observer()).build()?;
//! let reporting = metrics.watch(pool.clone()).spawn()?; // a report every ten seconds
//!
//! assert_eq!(pool.spawn(|| 42)?.join()?, 42);
//! drop(reporting); // no reports from here on
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Install the recorder first. A service with a scrape handler or a runtime of its own needs no
//! thread: it calls [`Reporter::report_once`], which never blocks.
//!
//! # Metrics
//! All have the attribute `pool.name`.
//!
//! | metric | type | attributes | what |
//! |---|---|---|---|
//! | `worker_pool.job.accepted` | counter | | jobs accepted |
//! | `worker_pool.job.finished` | counter | `job.outcome` | jobs that reached one of the six outcomes |
//! | `worker_pool.job.refused` | counter | `reason` = full, closed | jobs that came back to their submitters |
//! | `worker_pool.job.queued` | gauge | | jobs accepted and not started |
//! | `worker_pool.job.running` | gauge | | jobs started and not over |
//! | `worker_pool.job.longest_running` | gauge, s | | for how long the job that runs longest has run |
//! | `worker_pool.job.stuck` | gauge | | jobs that `stuck_after` has told of and that run on; missing without it |
//! | `worker_pool.queue.capacity` | gauge | | the most jobs that are queued; missing if there is no bound |
//! | `worker_pool.queue.oldest_age` | gauge, s | | for how long a job has waited that still waits |
//! | `worker_pool.worker.count` | gauge | `state` = busy, idle; `pool.backend` | workers |
//! | `worker_pool.worker.busy_time` | counter, s | | for how long workers ran jobs, all together, in whole seconds |
//! | `worker_pool.job.wait_time` | histogram, s | `method` = probe, observed | from submission to start |
//! | `worker_pool.job.run_time` | histogram, s | `method` = observed | from start to end |
//! | `worker_pool.submit.wait_time` | histogram, s | `method` = observed | for how long a submitter waited for a place, if it did |
//! | `worker_pool.hook.panics` | counter | | hooks and observers that panicked |
//! | `worker_pool.swaps` | counter | | finished swaps and reconfigurations |
//!
//! An observed time of a job has also `job.outcome`, `pool.backend`, and `job.kind` if
//! [asked for](PoolMetrics::with_kinds). No attribute is an id or a name of a job. What a shutdown
//! takes out of the queue is accepted and never finished. Unless it is handed back, it has an
//! observed wait as abandoned.
//! The counts are those of the pool, over all swaps.
//!
//! Have the exporter use [`BUCKETS`] for the histograms. Prometheus gets the dots as `_`, then the
//! unit and `_total`, with `PrometheusBuilder::with_recommended_naming(true)`:
//! `worker_pool_queue_oldest_age_seconds`, `worker_pool_job_accepted_total`. For these names the
//! folder `dashboards` of this crate has a dashboard for Grafana and alerts.
//!
//! # Waits: the observer and the probe
//! [`PoolMetrics::observer`] measures each job. That costs four or five looks at the clock for
//! each, and a record in two histograms. A job that hangs in the queue has no wait yet: the
//! histogram shows the last healthy values.
//!
//! A **probe** costs one tiny job for each report. It is sent only if jobs wait or have arrived
//! since the last report, so an idle pool stays asleep. Its delay is the wait of a job that arrives
//! at that time. Its age while it waits is `oldest_age`, which grows when all workers hang. It is
//! submitted without blocking. If the queue is full there is no probe, and `oldest_age` is how long
//! ago a report found jobs queued of which one still waits.
//!
//! A probe is a job of the pool. It is among the accepted and the completed ones, observers other
//! than that of this crate see it, and a shutdown may hand it back.
//!
//! # Refusals and waits for room
//! A job counts as refused when it comes back to its submitter, once, and not at each try of one
//! that waits. Probes are not among them. How long submitters wait is what the observer hears; a
//! pool without it has no `submit.wait_time`.
//!
//! # Busy time
//! With the observer it is exact, and includes the runs that go on; a job within another counts
//! once. That costs two more looks at the clock for each job, or poll of a future. Without, it is
//! an estimate: each report takes the workers that are busy at that moment for as many that were
//! busy since the last report, so it is right over many reports. Counters of the facade are whole
//! numbers, so a second is exported once it is complete. Divide its rate by `worker.count` for the
//! share of time that workers are busy.
#![forbid(unsafe_code)]

mod busy;
mod names;
mod observer;
mod probe;
mod reporter;

use std::sync::Arc;
use std::time::Duration;

use metrics::{Label, SharedString};
use pool_core::Executor;

use busy::BusyTime;
pub use names::MICROMETER;
use names::Names;
pub use observer::JobTimes;
use probe::ProbeRefusals;
pub use reporter::{Reporter, Reporting};

/// Upper bounds for the buckets of the histograms, in seconds: 1, 5, 10 from a microsecond to a
/// minute.
///
/// # Examples
/// ```
/// use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
/// use pool_metrics::BUCKETS;
///
/// let exporter = PrometheusBuilder::new().with_recommended_naming(true);
/// let times = Matcher::Prefix("worker_pool".to_owned());
/// let exporter = exporter.set_buckets_for_metric(times, &BUCKETS)?;
/// # drop(exporter);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const BUCKETS: [f64; 16] = [
    0.000_001, 0.000_005, 0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5,
    1.0, 5.0, 10.0, 60.0,
];

/// How often a thread reports if nothing else is said.
const INTERVAL: Duration = Duration::from_secs(10);

/// What is exported of a pool, and under which names.
///
/// The observer and the reporter of a pool are made from the same settings, or clones of them: so
/// the reporter knows of the busy time that the observer measures.
///
/// # Examples
/// ```
/// use pool::Pool;
/// use pool_metrics::PoolMetrics;
///
/// let pool = Pool::builder().workers(1).build()?;
/// let mut reporter = PoolMetrics::new("thumbs").watch(&pool);
/// reporter.report_once();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PoolMetrics {
    pool: SharedString,
    names: Names,
    interval: Duration,
    has_probe: bool,
    has_kinds: bool,
    shared: Arc<Shared>,
}

/// What the observer and the reporters of the same settings share.
#[derive(Debug, Default)]
struct Shared {
    busy: BusyTime,
    probe_refusals: Arc<ProbeRefusals>,
}

impl PoolMetrics {
    /// Returns the settings for a pool of this name, which is the attribute `pool.name` of all its
    /// metrics. Two pools of a process need two names.
    ///
    /// # Examples
    /// ```
    /// use pool_metrics::PoolMetrics;
    ///
    /// let metrics = PoolMetrics::new("thumbs");
    /// # drop(metrics);
    /// ```
    pub fn new(pool: impl Into<SharedString>) -> Self {
        Self {
            pool: pool.into(),
            names: Names::default(),
            interval: INTERVAL,
            has_probe: true,
            has_kinds: false,
            shared: Arc::default(),
        }
    }

    /// Sets how often [`Reporter::spawn`] has its thread report. The default is ten seconds.
    ///
    /// # Panics
    /// If it is zero: such a thread would never rest.
    ///
    /// # Examples
    /// ```
    /// use pool_metrics::PoolMetrics;
    /// use std::time::Duration;
    ///
    /// let metrics = PoolMetrics::new("thumbs").with_interval(Duration::from_secs(5));
    /// # drop(metrics);
    /// ```
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        assert!(
            !interval.is_zero(),
            "a report at an interval of zero never rests: give at least a millisecond"
        );
        self.interval = interval;
        self
    }

    /// Sends no probes. There is no `oldest_age` then, and `wait_time` is the observer's alone.
    ///
    /// # Examples
    /// ```
    /// use pool::Pool;
    /// use pool_metrics::PoolMetrics;
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let mut reporter = PoolMetrics::new("thumbs").without_probe().watch(&pool);
    /// pool.spawn(|| 42)?.join()?;
    /// reporter.report_once();
    /// assert_eq!(pool.stats().accepted, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn without_probe(mut self) -> Self {
        self.has_probe = false;
        self
    }

    /// Has observed times carry the kind of the job as `job.kind`: the type of a job, or of its
    /// closure. Each kind has series of its own, for each outcome.
    ///
    /// # Examples
    /// ```
    /// use pool_metrics::PoolMetrics;
    ///
    /// let observer = PoolMetrics::new("thumbs").with_kinds().observer();
    /// # drop(observer);
    /// ```
    #[must_use]
    pub fn with_kinds(mut self) -> Self {
        self.has_kinds = true;
        self
    }

    /// Gives metrics other names, each by a pair of the name in the table above and the new one.
    ///
    /// # Panics
    /// If no metric has the first name of a pair.
    ///
    /// # Examples
    /// ```
    /// use pool_metrics::{MICROMETER, PoolMetrics};
    ///
    /// let metrics = PoolMetrics::new("thumbs").renamed(MICROMETER);
    /// let metrics = metrics.renamed([("worker_pool.job.accepted", "thumbs.accepted")]);
    /// # drop(metrics);
    /// ```
    #[must_use]
    pub fn renamed<'a, S: Into<SharedString>>(
        mut self,
        names: impl IntoIterator<Item = (&'a str, S)>,
    ) -> Self {
        for (from, to) in names {
            self.names.rename(from, to.into());
        }
        self
    }

    /// Returns an observer that records how long each job waits and runs, for the `observe` of a
    /// builder.
    ///
    /// Its histograms are made as the first job of a kind ends, so the global recorder is to be
    /// installed before.
    ///
    /// # Examples
    /// ```
    /// use pool::Pool;
    /// use pool_metrics::PoolMetrics;
    ///
    /// let metrics = PoolMetrics::new("thumbs");
    /// let pool = Pool::builder().workers(1).observe(metrics.observer()).build()?;
    /// assert_eq!(pool.spawn(|| 42)?.join()?, 42); // its times are recorded
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn observer(&self) -> JobTimes {
        self.names.describe();
        JobTimes::new(self.clone())
    }

    /// Returns a reporter for a pool: any executor, or a reference to one.
    ///
    /// `watch(&pool)` is for reports from where the pool is in scope, `watch(pool.clone())` for a
    /// [thread](Reporter::spawn). A decorator is asked for what the pool within it counts.
    ///
    /// # Examples
    /// ```
    /// use pool::Pool;
    /// use pool_metrics::PoolMetrics;
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let mut reporter = PoolMetrics::new("thumbs").watch(&pool);
    /// reporter.report_once();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn watch<E: Executor>(&self, pool: E) -> Reporter<E> {
        self.names.describe();
        Reporter::new(self.clone(), pool)
    }

    /// The attributes that all metrics have.
    fn labels(&self) -> Vec<Label> {
        vec![Label::new("pool.name", self.pool.clone())]
    }
}
