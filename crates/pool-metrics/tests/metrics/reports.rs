//! Counters and gauges agree with what the pool says of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use pool::{
    Backend, Capability, Executor, JobContext, JobExt, Outcome, Pool, Pools, Refused, Room, Stats,
    Task,
};
use pool_metrics::{MICROMETER, PoolMetrics};

use crate::exported::{LIMIT, hold_worker, metrics_of, pool_on, render, until};

fn fails(_: &JobContext<'_>) -> Result<(), String> {
    Err("out of paper".to_owned())
}

#[test]
fn counters_agree_with_stats() {
    for backend in Backend::available() {
        let (metrics, series) = metrics_of("counters", backend);
        let pool = pool_on(backend, 2);
        let mut reporter = metrics.without_probe().watch(&pool);
        for _ in 0..3 {
            pool.spawn(|| 42).expect("there is room").detach();
        }
        pool.submit(fails).expect("there is room").detach();
        let panics = pool.spawn(|| panic!("out of ink")).expect("there is room");
        assert!(panics.join().is_err());
        let late = fails.with_deadline(Instant::now());
        assert!(pool.submit(late).expect("it is open").join().is_err());
        pool.wait_idle();
        reporter.report_once();
        let stats = pool.stats();
        let finished = |outcome: Outcome| {
            let outcome = format!("job_outcome=\"{outcome}\"");
            series.expect("worker_pool_job_finished_total", &[&outcome]) as u64
        };
        assert_eq!(
            Outcome::ALL.map(finished),
            [3, 1, 1, 0, 1, 0],
            "on {backend}"
        );
        let accepted = series.expect("worker_pool_job_accepted_total", &[]);
        assert_eq!((accepted as u64, stats.accepted), (6, 6));
        assert_eq!(stats.finished(), 6);
        assert_eq!(series.expect("worker_pool_hook_panics_total", &[]), 0.0);
    }
}

#[test]
fn gauges_show_what_is_queued_and_what_runs() {
    for backend in Backend::available() {
        let (metrics, series) = metrics_of("gauges", backend);
        let pool = pool_on(backend, 2);
        let mut reporter = metrics.without_probe().watch(&pool);
        let held = [hold_worker(&pool), hold_worker(&pool)];
        for _ in 0..3 {
            pool.spawn(|| ()).expect("there is room").detach();
        }
        reporter.report_once();
        let gauge = |name: &str| series.expect(name, &[]);
        assert_eq!(gauge("worker_pool_job_queued"), 3.0, "on {backend}");
        assert_eq!(gauge("worker_pool_job_running"), 2.0);
        assert_eq!(gauge("worker_pool_queue_capacity"), 64.0);
        assert!(gauge("worker_pool_job_longest_running_seconds") > 0.0);
        let workers = |state| {
            let backend = format!("pool_backend=\"{backend}\"");
            series.expect("worker_pool_worker_count", &[&backend, state])
        };
        assert_eq!(workers("state=\"busy\""), 2.0);
        assert_eq!(workers("state=\"idle\""), 0.0);
        drop(held);
        pool.wait_idle();
        until(&pool, "no idle workers", || {
            reporter.report_once();
            workers("state=\"idle\"") == 2.0 && workers("state=\"busy\"") == 0.0
        });
        assert_eq!(gauge("worker_pool_job_queued"), 0.0);
        assert_eq!(gauge("worker_pool_job_running"), 0.0);
        assert_eq!(gauge("worker_pool_job_longest_running_seconds"), 0.0);
        let age = series.value("worker_pool_queue_oldest_age_seconds", &[]);
        assert_eq!(age, None, "it is the probe's");
    }
}

#[test]
fn after_a_swap_the_older_backends_workers_are_none_and_no_count_starts_anew() {
    let (metrics, series) = metrics_of("swap", Backend::Channel);
    let pool = pool_on(Backend::Channel, 1);
    let mut reporter = metrics.without_probe().watch(&pool);
    pool.spawn(|| 42)
        .expect("it is open")
        .join()
        .expect("it runs");
    reporter.report_once();
    let idle = |backend| series.value("worker_pool_worker_count", &[backend, "state=\"idle\""]);
    pool.swap(Backend::WorkStealing).expect("it is compiled in");
    pool.spawn(|| 42)
        .expect("it is open")
        .join()
        .expect("it runs");
    until(&pool, "workers of the older backend", || {
        reporter.report_once();
        idle("pool_backend=\"channel\"") == Some(0.0)
            && idle("pool_backend=\"work-stealing\"") == Some(1.0)
    });
    assert_eq!(series.expect("worker_pool_job_accepted_total", &[]), 2.0);
}

#[test]
fn a_thread_reports_until_its_guard_is_dropped() {
    for backend in Backend::available() {
        let (metrics, series) = metrics_of("thread", backend);
        let pool = pool_on(backend, 1);
        let pool = Arc::new(pool);
        let metrics = metrics
            .without_probe()
            .with_interval(Duration::from_millis(1));
        let reporting = metrics.watch(Arc::clone(&pool)).spawn();
        let reporting = reporting.expect("there is a thread");
        let accepted = || series.value("worker_pool_job_accepted_total", &[]);
        pool.spawn(|| 42).expect("there is room").detach();
        until(&pool, "no report", || accepted() == Some(1.0));
        drop(reporting);
        assert_eq!(Arc::strong_count(&pool), 1, "the thread has left");
        pool.spawn(|| 42).expect("there is room").detach();
        pool.wait_idle();
        assert_eq!(accepted(), Some(1.0), "nobody reports on {backend}");
    }
}

/// A pool that panics as it is first read.
struct PanicsOnce(Pool, AtomicBool);

impl Executor for PanicsOnce {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        self.0.try_accept(task)
    }
    fn room(&self) -> &Room {
        self.0.room()
    }
    fn capability(&self) -> Capability {
        self.0.capability()
    }
    fn stats(&self) -> Stats {
        assert!(self.1.swap(true, Ordering::Relaxed), "the first look");
        Executor::stats(&self.0)
    }
    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
    fn pools(&self) -> Pools {
        self.0.pools()
    }
}

#[test]
fn a_report_that_panics_is_followed_by_the_next() {
    let (metrics, series) = metrics_of("panics", Backend::Channel);
    let pool = pool_on(Backend::Channel, 1);
    let panics = PanicsOnce(pool.clone(), AtomicBool::new(false));
    let metrics = metrics
        .without_probe()
        .with_interval(Duration::from_millis(1));
    let reporting = metrics.watch(panics).spawn().expect("there is a thread");
    until(&pool, "no report", || {
        series
            .value("worker_pool_job_accepted_total", &[])
            .is_some()
    });
    drop(reporting);
}

#[test]
#[should_panic(expected = "a report at an interval of zero never rests")]
fn an_interval_of_zero_is_a_panic() {
    let _metrics = PoolMetrics::new("thumbs").with_interval(Duration::ZERO);
}

#[test]
fn a_job_may_drop_the_guard_that_has_the_last_handle_of_its_pool() {
    for backend in Backend::available() {
        let (metrics, _) = metrics_of("guard", backend);
        let pool = pool_on(backend, 1);
        let reporting = metrics
            .watch(pool.clone())
            .spawn()
            .expect("there is a thread");
        let (others, are_gone) = channel::<()>();
        let (done, is_done) = channel();
        let job = move || {
            assert!(are_gone.recv().is_err());
            drop(reporting);
            done.send(()).expect("the test waits");
        };
        pool.spawn(job).expect("there is room").detach();
        drop(pool);
        drop(others);
        is_done.recv_timeout(LIMIT).expect("the drop returns");
    }
}

#[test]
fn metrics_have_the_names_that_they_are_given() {
    let (metrics, series) = metrics_of("names", Backend::Channel);
    let pool = pool_on(Backend::Channel, 1);
    let metrics = metrics.renamed(MICROMETER);
    metrics
        .renamed([("worker_pool.job.accepted", "thumbs.accepted")])
        .watch(&pool)
        .report_once();
    assert_eq!(series.expect("executor_active", &[]), 0.0);
    assert_eq!(series.expect("thumbs_accepted_total", &[]), 0.0);
    assert_eq!(series.value("worker_pool_job_accepted_total", &[]), None);
    assert!(render().contains("# TYPE executor_completed_total counter"));
}

#[test]
#[should_panic(expected = "no metric is named `worker_pool.jobs`: rename one of worker_pool.job.a")]
fn an_unknown_name_is_a_panic_that_lists_the_known_ones() {
    let _metrics = PoolMetrics::new("thumbs").renamed([("worker_pool.jobs", "jobs")]);
}
