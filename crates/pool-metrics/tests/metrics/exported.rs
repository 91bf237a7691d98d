//! What is exported: one recorder for the process, where tests know their series by pool names.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use pool::{Backend, Pool};
use pool_metrics::{BUCKETS, PoolMetrics};

/// After this the machine is not slow: something is wrong.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

fn exporter() -> &'static PrometheusHandle {
    static EXPORTER: OnceLock<PrometheusHandle> = OnceLock::new();
    EXPORTER.get_or_init(|| {
        let builder = PrometheusBuilder::new().with_recommended_naming(true);
        let builder = builder.set_buckets(&BUCKETS).expect("there are buckets");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).expect("nobody else sets it");
        handle
    })
}

/// The settings for the pool of one test on one backend, and the recorder is installed.
pub(crate) fn metrics_of(test: &str, backend: Backend) -> (PoolMetrics, Series) {
    exporter();
    let pool = format!("{test} on {backend}");
    (PoolMetrics::new(pool.clone()), Series { pool })
}

/// A pool of this many workers.
pub(crate) fn pool_on(backend: Backend, workers: usize) -> Pool {
    let pool = Pool::builder().backend(backend).workers(workers);
    pool.queue_capacity(64).build().expect("it is compiled in")
}

/// The same, with the metrics' observer.
pub(crate) fn observed_on(backend: Backend, workers: usize, metrics: &PoolMetrics) -> Pool {
    let pool = Pool::builder().backend(backend).workers(workers);
    let pool = pool.observe(metrics.observer());
    pool.build().expect("it is compiled in")
}

/// All lines that a server reads.
pub(crate) fn render() -> String {
    exporter().render()
}

/// The series of one pool.
pub(crate) struct Series {
    pub(crate) pool: String,
}

impl Series {
    /// The sum of all series of the metric with these labels, each `name="value"`; `None`: there is
    /// none.
    pub(crate) fn value(&self, metric: &str, labels: &[&str]) -> Option<f64> {
        self.value_in(&render(), metric, labels)
    }

    fn value_in(&self, text: &str, metric: &str, labels: &[&str]) -> Option<f64> {
        let pool = format!("pool_name=\"{}\"", self.pool);
        let is_it = |line: &&str| {
            let rest = line.strip_prefix(metric);
            rest.is_some_and(|rest| rest.starts_with('{'))
                && line.contains(&pool)
                && labels.iter().all(|label| line.contains(label))
        };
        let values = text.lines().filter(is_it).map(|line| {
            let (_, value) = line.rsplit_once(' ').expect("a value follows");
            value.parse::<f64>().expect("it is a number")
        });
        values.reduce(|sum, value| sum + value)
    }

    #[track_caller]
    pub(crate) fn expect(&self, metric: &str, labels: &[&str]) -> f64 {
        let value = self.value(metric, labels);
        value.unwrap_or_else(|| panic!("no {metric} {labels:?} of {} in {}", self.pool, render()))
    }

    /// How many times were recorded.
    pub(crate) fn waits(&self, method: &str) -> f64 {
        let method = format!("method=\"{method}\"");
        let waits = self.value("worker_pool_job_wait_time_seconds_count", &[&method]);
        waits.unwrap_or(0.0)
    }

    /// The index of the bucket of the longest wait.
    pub(crate) fn longest_wait(&self, method: &str) -> usize {
        let (waits, method) = (self.waits(method), format!("method=\"{method}\""));
        let text = render();
        let has_all = |bound: &f64| {
            let bound = format!("le=\"{bound}\"");
            let metric = "worker_pool_job_wait_time_seconds_bucket";
            let within = self.value_in(&text, metric, &[&method, &bound]);
            within.expect("there are buckets") >= waits
        };
        let bucket = BUCKETS.iter().position(has_all);
        bucket.unwrap_or(BUCKETS.len())
    }
}

/// Calls `look` until it is true.
#[track_caller]
pub(crate) fn until(pool: &Pool, what: &str, mut look: impl FnMut() -> bool) {
    let start = Instant::now();
    while !look() {
        assert!(start.elapsed() < LIMIT, "{what} of {}", pool.snapshot());
        std::thread::park_timeout(Duration::from_millis(1)); // to render costs the jobs a core
    }
}

/// Keeps a worker until what is returned is dropped.
pub(crate) fn hold_worker(pool: &Pool) -> Sender<()> {
    let (release, started) = queue_holding(pool);
    started.recv_timeout(LIMIT).expect("a worker takes it");
    release
}

/// Queues a job that says when it starts, and keeps its worker until the sender is dropped.
pub(crate) fn queue_holding(pool: &Pool) -> (Sender<()>, Receiver<()>) {
    let (release, held) = channel::<()>();
    let (start, started) = channel();
    let job = move || {
        let _test_is_over = start.send(());
        held.recv()
    };
    pool.spawn(job).expect("there is room").detach();
    (release, started)
}
