//! `/metrics`: what `pool-metrics` exports of the pool, in Prometheus' text format.

use std::sync::{Mutex, OnceLock, PoisonError};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use pool::Pool;
use pool_metrics::{BUCKETS, PoolMetrics, Reporter};

/// The attribute `pool.name` of all metrics.
const POOL: &str = "uploads";

/// The pool's reporter. Each scrape is a report, so there is no thread for them.
pub(crate) struct Scrape {
    reporter: Mutex<Reporter<Pool>>,
}

/// The settings of the pool's observer and of its reporter: both have to be of the same.
pub(crate) fn metrics() -> PoolMetrics {
    exporter();
    PoolMetrics::new(POOL)
}

impl Scrape {
    pub(crate) fn new(metrics: &PoolMetrics, pool: Pool) -> Self {
        Self {
            reporter: Mutex::new(metrics.watch(pool)),
        }
    }

    pub(crate) fn render(&self) -> String {
        let mut reporter = self.reporter.lock().unwrap_or_else(PoisonError::into_inner);
        reporter.report_once();
        exporter().render()
    }
}

/// The recorder of the process, which is installed by the first call.
fn exporter() -> &'static PrometheusHandle {
    static EXPORTER: OnceLock<PrometheusHandle> = OnceLock::new();
    EXPORTER.get_or_init(|| {
        let times = Matcher::Prefix("worker_pool".to_owned());
        let exporter = PrometheusBuilder::new().with_recommended_naming(true);
        let exporter = exporter.set_buckets_for_metric(times, &BUCKETS);
        let recorder = exporter.expect("there are buckets").build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).expect("nobody else installs one");
        handle
    })
}
