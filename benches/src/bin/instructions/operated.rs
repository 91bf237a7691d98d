//! Pools that are observed, measured and traced, to see what each costs a job.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use pool::{Builder, Observer, Pool, Wants};
use pool_metrics::{BUCKETS, PoolMetrics};
use pool_tracing::PoolTracing;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

/// The number of jobs between two reports of the metrics: a report every ten seconds, at a hundred
/// jobs a second. A busier pool runs more jobs between two.
const JOBS_TO_A_REPORT: usize = 1_000;

/// What a pool has on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operated {
    /// Observers that do nothing.
    Observers(usize),
    /// An observer that does nothing, and wants times.
    Times,
    /// Metrics by the observer: two histograms for each job.
    Metrics,
    /// Metrics by reports, each with a probe.
    Probe,
    /// Tracing, with a subscriber that takes this level.
    Tracing(LevelFilter),
}

/// Does nothing, with what is measured for it.
struct Nothing(Wants);

impl Observer for Nothing {
    fn wants(&self) -> Wants {
        self.0
    }
}

impl Operated {
    /// From what follows `execute-` in the name of a way in.
    pub(crate) fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "observed" => Self::Observers(1),
            "observed-twice" => Self::Observers(2),
            "timed" => Self::Times,
            "metrics" => Self::Metrics,
            "metrics-probe" => Self::Probe,
            "tracing-info" => Self::Tracing(LevelFilter::INFO),
            "tracing-debug" => Self::Tracing(LevelFilter::DEBUG),
            _ => bail!("a pool is not operated as `{name}`"),
        })
    }

    /// Adds what has to be there before the pool, and installs what the process needs once.
    pub(crate) fn build(self, builder: Builder) -> Result<Builder> {
        Ok(match self {
            Self::Observers(count) => {
                (0..count).fold(builder, |builder, _| builder.observe(Nothing(Wants::ENDS)))
            }
            Self::Times => builder.observe(Nothing(Wants::TIMES)),
            Self::Metrics => {
                install_recorder()?;
                builder.observe(metrics().observer())
            }
            Self::Probe => {
                install_recorder()?;
                builder
            }
            Self::Tracing(level) => {
                let registry = tracing_subscriber::registry().with(level);
                tracing::subscriber::set_global_default(registry)?;
                builder.observe(Arc::new(PoolTracing::new("bench")))
            }
        })
    }

    /// Returns what is to be called before each job with its number.
    pub(crate) fn reports(self, pool: &Pool) -> impl FnMut(usize) {
        let is_reported = matches!(self, Self::Probe);
        let mut reporter = is_reported.then(|| metrics().watch(pool.clone()));
        move |job| {
            if let Some(reporter) = &mut reporter
                && job % JOBS_TO_A_REPORT == 0
            {
                reporter.report_once();
            }
        }
    }
}

fn metrics() -> PoolMetrics {
    PoolMetrics::new("bench")
}

/// What records for Prometheus, as in a service. Nobody reads it.
fn install_recorder() -> Result<()> {
    let builder = PrometheusBuilder::new().with_recommended_naming(true);
    let times = Matcher::Prefix("worker_pool".to_owned());
    let builder = builder.set_buckets_for_metric(times, &BUCKETS)?;
    let installed = metrics::set_global_recorder(builder.build_recorder());
    installed.map_err(|error| anyhow!("{error}"))?;
    Ok(())
}
