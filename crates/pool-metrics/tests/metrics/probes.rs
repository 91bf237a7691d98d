//! Probes: what they measure, and when none is sent.

use std::time::Instant;

use pool::{Backend, Pool};
use pool_metrics::{PoolMetrics, Reporter};

use crate::exported::{
    LIMIT, Series, hold_worker, metrics_of, observed_on, pool_on, queue_holding, until,
};

const AGE: &str = "worker_pool_queue_oldest_age_seconds";

/// Reports until the answer of that many probes in all is recorded.
#[track_caller]
fn await_probes(pool: &Pool, reporter: &mut Reporter<&Pool>, series: &Series, probes: f64) {
    until(pool, "no answer of a probe", || {
        reporter.report_once();
        series.waits("probe") >= probes
    });
}

/// Whether both methods put the longest wait of a load into the same bucket, or the next one.
fn agree(attempt: usize, backend: Backend) -> bool {
    let (metrics, series) = metrics_of(&format!("agree {attempt}"), backend);
    let pool = observed_on(backend, 1, &metrics);
    let mut reporter = metrics.watch(&pool);
    let held = hold_worker(&pool);
    pool.spawn(|| 42).expect("there is room").detach();
    until(&pool, "no age of a probe", || {
        reporter.report_once();
        series.expect(AGE, &[]) >= 0.2
    });
    assert_eq!(series.waits("probe"), 0.0, "it waits as the job does");
    drop(held);
    await_probes(&pool, &mut reporter, &series, 1.0);
    until(&pool, "not all observed", || {
        series.waits("observed") >= 2.0
    });
    assert_eq!(series.waits("observed"), 2.0, "a probe is not observed");
    let (observed, probed) = (
        series.longest_wait("observed"),
        series.longest_wait("probe"),
    );
    observed.abs_diff(probed) <= 1
}

/// A machine that stops the test at the wrong moment makes one of the two longer, so it has another
/// try.
#[test]
fn waits_by_probe_and_by_observer_agree_within_a_bucket() {
    for backend in Backend::available() {
        assert!((0..5).any(|attempt| agree(attempt, backend)), "{backend}");
    }
}

#[test]
fn an_idle_pool_is_sent_no_probe() {
    for backend in Backend::available() {
        let (metrics, series) = metrics_of("idle", backend);
        let pool = pool_on(backend, 2);
        pool.spawn(|| 42).expect("there is room").detach();
        pool.wait_idle();
        let mut reporter = metrics.watch(&pool);
        (0..100).for_each(|_| reporter.report_once());
        assert_eq!(pool.stats().accepted, 1, "no probe on {backend}");

        pool.spawn(|| 42).expect("there is room").detach();
        await_probes(&pool, &mut reporter, &series, 1.0);
        pool.wait_idle();
        (0..100).for_each(|_| reporter.report_once());
        assert_eq!(pool.stats().accepted, 3, "one probe on {backend}");
        assert_eq!(series.waits("probe"), 1.0);
        assert_eq!(series.expect(AGE, &[]), 0.0);
    }
}

#[test]
fn a_full_queue_is_sent_no_probe_and_its_age_grows_while_nothing_leaves_it() {
    for backend in Backend::available() {
        let (metrics, series) = metrics_of("full", backend);
        let pool = Pool::builder()
            .backend(backend)
            .workers(1)
            .queue_capacity(1);
        let pool = pool.build().expect("it is compiled in");
        let mut reporter = metrics.watch(&pool);
        let held = hold_worker(&pool);
        pool.spawn(|| 42).expect("there is room").detach();
        reporter.report_once();
        let first = series.expect(AGE, &[]);
        until(&pool, "no age of a full queue", || {
            reporter.report_once();
            series.expect(AGE, &[]) > first + 0.05
        });
        assert_eq!(pool.stats().accepted, 2, "no probe on {backend}");
        drop(held);
        pool.wait_idle();
        until(&pool, "the age stays", || {
            reporter.report_once();
            series.expect(AGE, &[]) == 0.0
        });
    }
}

/// Two jobs are queued as the queue is found full. They leave it one after the other, and others
/// take their places.
#[test]
fn the_age_of_a_full_queue_is_that_of_a_job_that_still_waits() {
    let (metrics, series) = metrics_of("age", Backend::Channel);
    let pool = Pool::builder().backend(Backend::Channel).workers(1);
    let pool = pool.queue_capacity(2).build().expect("it is compiled in");
    let mut reporter = metrics.watch(&pool);
    let held = hold_worker(&pool);
    let (first, has_started) = queue_holding(&pool);
    let (second, second_has_started) = queue_holding(&pool);
    let found_full = Instant::now();
    reporter.report_once();
    until(&pool, "no age", || {
        reporter.report_once();
        series.expect(AGE, &[]) > 0.05
    });

    drop(held);
    has_started
        .recv_timeout(LIMIT)
        .expect("the worker takes it");
    pool.spawn(|| ()).expect("one has left").detach();
    reporter.report_once();
    let age = series.expect(AGE, &[]);
    assert!(age > 0.05 && age <= found_full.elapsed().as_secs_f64());

    drop(first);
    second_has_started
        .recv_timeout(LIMIT)
        .expect("the worker takes it");
    pool.spawn(|| ()).expect("both have left").detach();
    let found_full = Instant::now();
    reporter.report_once();
    assert!(series.expect(AGE, &[]) <= found_full.elapsed().as_secs_f64());
    assert_eq!(pool.stats().accepted, 5, "no probe");
    drop(second);
}

#[test]
fn a_probe_that_a_shutdown_gives_up_is_forgotten() {
    for backend in Backend::available() {
        let (metrics, series) = metrics_of("ended", backend);
        let pool = pool_on(backend, 1);
        let mut reporter = metrics.watch(&pool);
        let held = hold_worker(&pool);
        pool.spawn(|| 42).expect("there is room").detach();
        reporter.report_once();
        assert_eq!(pool.stats().accepted, 3, "a probe waits");
        drop(held);
        let _report = pool.shutdown(pool::ShutdownPolicy::now());
        until(&pool, "the age stays", || {
            reporter.report_once();
            series.expect(AGE, &[]) == 0.0
        });
    }
}

#[test]
fn a_probe_is_not_sent_where_none_is_wanted() {
    let (metrics, series) = metrics_of("unwanted", Backend::Channel);
    let pool = pool_on(Backend::Channel, 1);
    let metrics: PoolMetrics = metrics.without_probe();
    let mut reporter = metrics.watch(&pool);
    let held = hold_worker(&pool);
    pool.spawn(|| 42).expect("there is room").detach();
    reporter.report_once();
    assert_eq!(pool.stats().accepted, 2);
    assert_eq!(series.value(AGE, &[]), None);
    drop(held);
}
