//! Rows 23, 34 and 35: pools and runtimes, inside or next to each other.
#![cfg(feature = "async")]

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pool::{AsyncPool, Backend, BuildError, JobContext, JobError, Pool};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

use crate::on::{LIMIT, each_backend, ended, ends_clean, hold, on, value};

fn current_thread() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be had")
}

fn multi_thread() -> Runtime {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime can be had")
}

/// A pool that has run a closure and a future.
fn used(backend: Backend) -> Pool {
    let pool = on(backend, 2, 8);
    assert_eq!(value(pool.spawn(|| 1).expect("there is room")), 1);
    assert_eq!(
        value(pool.spawn_future(async { 2 }).expect("there is room")),
        2
    );
    for _ in 0..4 {
        pool.spawn(|| ()).expect("there is room").detach();
    }
    pool
}

/// 34: a pool may be dropped where a runtime must not be: inside `block_on`, inside tasks, on a
/// runtime of one thread.
#[test]
fn a_pool_may_be_dropped_inside_any_runtime() {
    each_backend(|backend| {
        for runtime in [current_thread(), multi_thread()] {
            runtime.block_on(async { drop(used(backend)) });
            let in_a_task = runtime.spawn(async move { drop(used(backend)) });
            runtime
                .block_on(in_a_task)
                .expect("the task does not panic");
            let blocking = runtime.spawn_blocking(move || drop(used(backend)));
            runtime.block_on(blocking).expect("the task does not panic");
            let report = runtime.block_on(async {
                let pool = used(backend);
                pool.shutdown_async(LIMIT).await
            });
            assert!(report.is_safe_to_exit(), "{backend}: {report}");
            let local = LocalSet::new();
            let in_a_task = local.spawn_local(async move { drop(used(backend)) });
            runtime
                .block_on(local.run_until(in_a_task))
                .expect("the task does not panic");
        }
        // And inside a future of another pool.
        let outer = on(backend, 1, 8);
        value(
            outer
                .spawn_future(async move { drop(used(backend)) })
                .expect("there is room"),
        );
        ends_clean(&outer);
    });
}

/// 34: the runtime belongs to the caller, and its only thread drops the pool.
#[test]
fn a_pool_on_a_callers_runtime_may_be_dropped_inside_it() {
    for runtime in [current_thread(), multi_thread()] {
        let build = || {
            let pool = AsyncPool::builder()
                .workers(2)
                .adopt(runtime.handle().clone())
                .build();
            pool.expect("the runtime is there")
        };
        runtime.block_on(async {
            let pool = build();
            let handles: Vec<_> = (0..8).map(|n| pool.spawn(move || n)).collect();
            drop(pool);
            // It waits for nothing here; what was accepted still runs.
            for (n, handle) in handles.into_iter().enumerate() {
                let handle = handle.expect("there is room");
                assert_eq!(handle.await.expect("it completes"), n);
            }
        });
        let report = runtime.block_on(async {
            let pool = build();
            let future = pool
                .spawn_future(tokio::task::yield_now())
                .expect("there is room");
            future.await.expect("it completes");
            pool.shutdown_async(LIMIT).await
        });
        assert!(report.is_clean(), "{report}");
    }
}

/// 34: the thread is the runtime's that one generation runs on, and a job of another generation
/// waits for a job there.
#[test]
fn the_last_handle_of_a_swapped_pool_may_go_on_its_runtimes_thread() {
    each_backend(|backend| {
        let runtime = current_thread();
        let pool = Pool::builder()
            .adopt_tokio(runtime.handle().clone())
            .backend(backend)
            .workers(1)
            .build()
            .expect("the runtime is there");
        let ((start, started), (begin, begun)) = (mpsc::channel(), mpsc::channel());
        let old = pool.submit(move |ctx: &JobContext<'_>| {
            start.send(()).expect("the test listens");
            begun.recv_timeout(LIMIT).expect("the pool is dropped");
            let child = async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                42
            };
            ctx.spawn_future(child).expect("there is room").join()
        });
        started.recv_timeout(LIMIT).expect("the job starts");
        pool.swap(Backend::Async).expect("the runtime is there");
        let (end, ended) = mpsc::channel();
        thread::spawn(move || {
            runtime.block_on(async move {
                begin.send(()).expect("the job listens");
                while pool.stats().accepted < 2 {
                    thread::yield_now(); // the child is the newest generation's
                }
                drop(pool);
                let outcome = old.expect("there was room").await;
                end.send(outcome.ok()).expect("the test listens");
            });
        });
        assert_eq!(ended.recv_timeout(LIMIT), Ok(Some(42)), "{backend}");
    });
}

/// A runtime that its owner has shut down runs nothing, so the pool stays where it is.
#[test]
fn a_swap_to_a_runtime_that_was_shut_down_changes_nothing() {
    for runtime in [current_thread(), multi_thread()] {
        let pool = Pool::builder()
            .adopt_tokio(runtime.handle().clone())
            .backend(Backend::default())
            .workers(1)
            .build()
            .expect("the system has a thread");
        let (release, held) = hold(&pool);
        let queued = pool.spawn(|| 42).expect("there is room");
        drop(runtime);
        let refused = pool.swap(Backend::Async);
        assert!(
            matches!(&refused, Err(BuildError::Engine { reason, .. }) if reason.contains("shut")),
            "{refused:?}"
        );
        drop(release);
        assert!(value(held));
        assert_eq!(value(queued), 42);
        ends_clean(&pool);
    }
}

/// 35: from no runtime, and from another one, blocking and not.
#[test]
fn jobs_may_be_submitted_from_no_runtime_and_from_any() {
    each_backend(|backend| {
        let pool = on(backend, 2, 2);
        let submit_all = |pool: &Pool| {
            let closure = pool.spawn(|| 1).expect("submit waits for room");
            let future = pool
                .spawn_future(async { 2 })
                .expect("submit waits for room");
            assert_eq!((value(closure), value(future)), (1, 2), "{backend}");
        };
        thread::scope(|threads| {
            threads.spawn(|| submit_all(&pool));
        });
        for runtime in [current_thread(), multi_thread()] {
            runtime.block_on(async { submit_all(&pool) });
            let waited = runtime.block_on(async {
                let job = |_: &pool::JobContext<'_>| Ok::<_, std::convert::Infallible>(3);
                let handle = pool.submit_async(job).await.expect("the pool is open");
                handle.await.expect("it completes")
            });
            assert_eq!(waited, 3, "{backend}");
        }
        ends_clean(&pool);
    });
}

/// 35: a future that needs a runtime's timers, without such a runtime, is a job that panics and
/// says why.
#[test]
fn a_future_without_its_runtime_says_what_it_misses() {
    each_backend(|backend| {
        let pool = on(backend, 2, 4);
        let sleeps = async { tokio::time::sleep(Duration::from_millis(1)).await };
        match ended(pool.spawn_future(sleeps).expect("there is room")) {
            Ok(()) => assert_eq!(backend, Backend::Async),
            Err(JobError::Panicked(info)) => {
                assert!(info.message().contains("Tokio"), "{backend}: {info}");
                assert_ne!(backend, Backend::Async);
            }
            Err(other) => panic!("{backend}: {other}"),
        }
        assert_eq!(pool.stats().workers, 2, "{backend}");
        ends_clean(&pool);
    });
}

/// 23: closures run on their own threads, so the timers of futures go on; one of these futures lets
/// the closure end.
#[test]
fn a_blocking_job_stops_no_timer() {
    const WORKERS: usize = 4;
    let pool = on(Backend::Async, WORKERS, 8);
    let (release, released) = mpsc::channel::<()>();
    let (start, started) = mpsc::channel();
    let mut releases = Some(release);
    let blocked: Vec<_> = (1..WORKERS)
        .scan(released, |released, _| {
            // Each blocks until the one before it has ended; the first until the future has slept.
            let (next, ended) = mpsc::channel::<()>();
            let (before, start) = (std::mem::replace(released, ended), start.clone());
            Some(pool.spawn(move || {
                start.send(()).expect("the test listens");
                let _how = before.recv();
                drop(next);
            }))
        })
        .map(|handle| handle.expect("there is room"))
        .collect();
    for _ in 1..WORKERS {
        started.recv_timeout(LIMIT).expect("each has a worker");
    }
    let release = releases.take();
    let sleeps = pool.spawn_future(async move {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(release);
    });
    value(sleeps.expect("there is room"));
    blocked.into_iter().for_each(value);
    ends_clean(&pool);
}
