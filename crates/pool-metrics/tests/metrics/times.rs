//! The observer's histograms: by outcome, by backend, and by kind if asked for.

use pool::{Backend, JobContext, Outcome};

use crate::exported::{metrics_of, observed_on, until};

fn fails(_: &JobContext<'_>) -> Result<(), String> {
    Err("out of paper".to_owned())
}

#[test]
fn each_job_is_observed_once_with_its_outcome() {
    for backend in Backend::available() {
        let (metrics, series) = metrics_of("observed", backend);
        let pool = observed_on(backend, 2, &metrics);
        for _ in 0..20 {
            pool.spawn(|| 42).expect("there is room").detach();
            pool.submit(fails).expect("there is room").detach();
        }
        pool.wait_idle();
        let observed = |what: &str, outcome| {
            let labels = [
                format!("job_outcome=\"{outcome}\""),
                format!("pool_backend=\"{backend}\""),
            ];
            let metric = format!("worker_pool_job_{what}_seconds_count");
            series.value(&metric, &labels.each_ref().map(String::as_str))
        };
        for what in ["wait_time", "run_time"] {
            // An end is on record before it is told of, so a moment may pass.
            until(&pool, "not all observed", || {
                observed(what, Outcome::Completed) == Some(20.0)
                    && observed(what, Outcome::Failed) == Some(20.0)
            });
        }
        let with_kind = series.value("worker_pool_job_run_time_seconds_count", &["job_kind"]);
        assert_eq!(with_kind, None, "kinds are off");
    }
}

#[test]
fn kinds_have_series_of_their_own_if_asked_for() {
    for backend in Backend::available() {
        let (metrics, series) = metrics_of("kinds", backend);
        let pool = observed_on(backend, 2, &metrics.with_kinds());
        for _ in 0..20 {
            pool.spawn(|| 42).expect("there is room").detach();
            pool.submit(fails).expect("there is room").detach();
        }
        pool.wait_idle();
        let of_kind = |kind: &str, outcome: &str| {
            let labels = [kind, outcome];
            series.value("worker_pool_job_run_time_seconds_count", &labels)
        };
        until(&pool, "not all observed", || {
            of_kind("times::fails", "job_outcome=\"failed\"") == Some(20.0)
                && of_kind("closure", "job_outcome=\"completed\"") == Some(20.0)
        });
    }
}
