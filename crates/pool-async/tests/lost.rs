//! An adopted runtime is shut down by its owner: no thread is left to run jobs, and no handle waits
//! forever.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;

use pool_async::AsyncPool;
use pool_core::{Cut, JobError};
use tokio::runtime::Builder;

/// The slowest test machine wakes a thread within this time.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn jobs_for_a_runtime_that_is_gone_are_abandoned() {
    for workers in 1..=3 {
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let builder = AsyncPool::builder().workers(workers);
        let pool = builder.adopt(runtime.handle().clone()).build().unwrap();
        runtime.shutdown_timeout(LONG);
        // Each job may cost the pool one worker slot; the pool closes with the last.
        let handles: Vec<_> = (0..=workers)
            .map_while(|_| pool.spawn(|| ()).ok())
            .collect();
        assert!(!handles.is_empty(), "the pool could not know before");
        for handle in handles {
            let outcome = handle.join_timeout(LONG);
            let outcome = outcome.unwrap_or_else(|_| panic!("{workers} workers: {pool:?}"));
            assert!(matches!(outcome, Err(JobError::Abandoned)), "{outcome:?}");
        }
        assert!(pool.spawn(|| ()).is_err(), "the pool is closed");
    }
}

/// A job that the runtime hosts is cut off with it, and the report says so.
#[test]
fn a_future_that_ends_with_its_runtime_is_reported_as_cut_short() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let builder = AsyncPool::builder().workers(1);
    let pool = builder.adopt(runtime.handle().clone()).build().unwrap();
    let (start, started) = mpsc::channel();
    let sleeper = pool.spawn_future(async move {
        start.send(()).unwrap();
        pending::<()>().await;
    });
    let sleeper = sleeper.unwrap();
    started.recv_timeout(LONG).unwrap();
    runtime.shutdown_timeout(LONG);
    let id = sleeper.id();
    let outcome = sleeper.join_timeout(LONG).expect("its runtime is gone");
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
    let report = pool.shutdown(LONG);
    assert!(report.balances() && !report.is_clean(), "{report}");
    let cut: Vec<_> = report
        .cut_short()
        .iter()
        .map(|it| (it.id, it.how))
        .collect();
    assert_eq!(cut, [(id, Cut::Cancelled)], "{report}");
}

/// A job polls a future of its pool in place, and leaves it asleep: no task of the runtime has it,
/// so the end of the runtime drops nothing. It ends with the last worker.
#[test]
fn a_future_that_no_task_hosts_ends_with_the_last_worker() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let builder = AsyncPool::builder().workers(1);
    let pool = builder.adopt(runtime.handle().clone()).build().unwrap();
    let inside = pool.clone();
    let leaves = pool.spawn(move || {
        let mut child = inside.spawn_future(pending::<()>()).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut child).poll(&mut cx).is_pending());
        child
    });
    // The drop of a pool waits for its jobs, also where the test has failed.
    std::mem::forget(pool.clone());
    let sleeper = leaves.unwrap().join_timeout(LONG).unwrap().unwrap();
    assert_eq!(pool.stats().running, 1, "it was polled in place");
    runtime.shutdown_timeout(LONG);
    // It costs the pool its only worker, unless that was at work and is lost already.
    if let Ok(lost) = pool.spawn(|| ()) {
        assert!(lost.join_timeout(LONG).expect("nobody is left").is_err());
    }
    let outcome = sleeper.join_timeout(LONG);
    let outcome = outcome.unwrap_or_else(|_| panic!("nobody is left: {pool:?}"));
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
    let report = pool.shutdown(LONG);
    assert!(report.balances() && !report.is_clean(), "{report}");
}
