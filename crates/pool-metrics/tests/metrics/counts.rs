//! Refusals, waits for room, busy time, stuck jobs and swaps, as they are exported.

use std::time::{Duration, Instant};

use pool::{Backend, Pool};

use crate::exported::{LIMIT, Series, hold_worker, metrics_of, observed_on, pool_on, until};

const BUSY: &str = "worker_pool_worker_busy_time_seconds_total";
const WAITS: &str = "worker_pool_submit_wait_time_seconds_count";

/// A pool with one place taken of these, behind a job that keeps the only worker.
fn held_pool(backend: Backend, places: usize) -> (Pool, std::sync::mpsc::Sender<()>) {
    let pool = Pool::builder().backend(backend).workers(1);
    let pool = pool.queue_capacity(places);
    let pool = pool.build().expect("it is compiled in");
    let held = hold_worker(&pool);
    pool.spawn(|| ()).expect("there is room").detach();
    (pool, held)
}

fn refused(series: &Series) -> [f64; 2] {
    ["reason=\"full\"", "reason=\"closed\""]
        .map(|reason| series.expect("worker_pool_job_refused_total", &[reason]))
}

#[test]
fn jobs_that_come_back_are_exported_by_reason_and_probes_are_not_among_them() {
    for backend in Backend::available() {
        let (metrics, series) = metrics_of("refusals", backend);
        let (pool, held) = held_pool(backend, 1);
        let mut reporter = metrics.watch(&pool);
        for _ in 0..3 {
            reporter.report_once();
        }
        assert_eq!(refused(&series), [0.0, 0.0], "probes on {backend}");
        let patient = pool.spawn_timeout(|| (), Duration::from_millis(1));
        assert!(patient.is_err() && pool.try_spawn(|| ()).is_err());
        reporter.report_once();
        assert_eq!(refused(&series), [2.0, 0.0], "on {backend}");
        pool.close();
        assert!(pool.spawn(|| ()).is_err());
        for _ in 0..3 {
            reporter.report_once();
        }
        assert_eq!(refused(&series), [2.0, 1.0], "on {backend}");
        drop(held);
    }
}

/// There is room, and a job that waits; but the probe would be refused, and the pool count that.
#[test]
fn a_closed_pool_gets_no_probe() {
    for backend in Backend::available() {
        let (metrics, series) = metrics_of("refused probes", backend);
        let (pool, held) = held_pool(backend, 2);
        pool.close();
        let mut reporter = metrics.watch(&pool);
        for _ in 0..3 {
            reporter.report_once();
        }
        assert_eq!(pool.stats().refused_closed, 0, "on {backend}");
        assert_eq!(refused(&series), [0.0, 0.0], "on {backend}");
        drop(held);
    }
}

#[test]
fn waits_for_room_are_recorded_by_the_observer() {
    for backend in Backend::available() {
        let (metrics, series) = metrics_of("room", backend);
        let pool = Pool::builder().backend(backend).workers(1);
        let pool = pool.queue_capacity(1).observe(metrics.observer());
        let pool = pool.build().expect("it is compiled in");
        let held = hold_worker(&pool);
        pool.spawn(|| ()).expect("there is room").detach();
        assert_eq!(series.value(WAITS, &[]), None, "nobody has waited");
        let patient = pool.spawn_timeout(|| (), Duration::from_millis(2));
        assert!(patient.is_err());
        let waits = series.expect(WAITS, &["method=\"observed\""]);
        assert_eq!(waits, 1.0, "on {backend}");
        let sum = series.expect("worker_pool_submit_wait_time_seconds_sum", &[]);
        assert!(sum > 0.0, "{sum} on {backend}");
        drop(held);
    }
}

/// A job that runs on counts, and so does one that has ended; between reports nothing is lost.
#[test]
fn busy_time_is_what_the_observer_sees_of_jobs() {
    let (metrics, series) = metrics_of("busy", Backend::Channel);
    let pool = observed_on(Backend::Channel, 2, &metrics);
    let mut reporter = metrics.watch(&pool);
    let start = Instant::now();
    let held = [hold_worker(&pool), hold_worker(&pool)];
    until(&pool, "no time of jobs that go on", || {
        reporter.report_once();
        series.expect(BUSY, &[]) >= 1.0
    });
    drop(held);
    pool.wait_idle();
    reporter.report_once();
    let busy = series.expect(BUSY, &[]);
    let most = 2.0 * start.elapsed().as_secs_f64();
    assert!(busy >= 1.0 && busy <= most, "{busy} s of {most}");
}

#[test]
fn busy_time_is_sampled_without_an_observer() {
    let (metrics, series) = metrics_of("sampled", Backend::Channel);
    let pool = pool_on(Backend::Channel, 2);
    let mut reporter = metrics.without_probe().watch(&pool);
    let start = Instant::now();
    let held = [hold_worker(&pool), hold_worker(&pool)];
    until(&pool, "no time of busy workers", || {
        reporter.report_once();
        series.expect(BUSY, &[]) >= 1.0
    });
    let most = 2.0 * start.elapsed().as_secs_f64();
    let busy = series.expect(BUSY, &[]);
    assert!(busy <= most, "{busy} s of {most}");
    drop(held);
}

#[test]
fn stuck_jobs_are_exported_where_they_are_watched_for() {
    const STUCK: &str = "worker_pool_job_stuck";
    let (metrics, series) = metrics_of("stuck", Backend::Channel);
    let pool = Pool::builder().backend(Backend::Channel).workers(1);
    let pool = pool.stuck_after(Duration::from_millis(1), |_| {});
    let pool = pool.build().expect("it is compiled in");
    let mut reporter = metrics.without_probe().watch(&pool);
    reporter.report_once();
    assert_eq!(series.expect(STUCK, &[]), 0.0);
    let held = hold_worker(&pool);
    until(&pool, "no stuck job", || {
        reporter.report_once();
        series.expect(STUCK, &[]) == 1.0
    });
    drop(held);
    // Its end is on record a moment before those hear of it that watch.
    until(&pool, "the end of the stuck job", || {
        reporter.report_once();
        series.expect(STUCK, &[]) == 0.0
    });

    let (metrics, series) = metrics_of("not watched", Backend::Channel);
    let pool = pool_on(Backend::Channel, 1);
    metrics.watch(&pool).report_once();
    assert_eq!(series.value(STUCK, &[]), None);
    let _report = pool.shutdown(LIMIT);
}

#[test]
fn swaps_and_reconfigurations_are_exported() {
    const SWAPS: &str = "worker_pool_swaps_total";
    let (metrics, series) = metrics_of("swaps", Backend::Channel);
    let pool = pool_on(Backend::Channel, 1);
    let mut reporter = metrics.without_probe().watch(&pool);
    reporter.report_once();
    assert_eq!(series.expect(SWAPS, &[]), 0.0);
    pool.swap(Backend::WorkStealing).expect("it is compiled in");
    pool.reconfigure(|config| config.set_workers(2))
        .expect("it is open");
    reporter.report_once();
    assert_eq!(series.expect(SWAPS, &[]), 2.0);
}
