//! The last handle is dropped within the runtime, or the runtime ends before its pool.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use pool_async::AsyncPool;
use pool_core::{JobError, ShutdownPolicy};
use tokio::runtime::{Builder, Handle};
use tokio::task::LocalSet;

use crate::on::{Driven, LIMIT, PoolOn, on_each_runtime, value};

/// A pool that has one worker, which is busy, and jobs that wait for it.
struct Busy {
    pool: AsyncPool,
    /// The runtime that the pool runs on.
    handle: Handle,
    /// Lets the worker go on.
    release: mpsc::Sender<()>,
    ran: Arc<AtomicUsize>,
    /// Gone when nothing of the pool is left.
    left: Weak<()>,
}

const JOBS: usize = 6;

fn busy(builder: PoolOn) -> Busy {
    let held = Arc::new(());
    let left = Arc::downgrade(&held);
    let builder = builder.workers(1).on_worker_start(move |_| {
        let _held = &held;
    });
    let pool = builder.build().unwrap();
    let handle = value(pool.spawn_future(async { Handle::current() }).unwrap());
    let (release, released) = mpsc::channel();
    let (start, started) = mpsc::channel();
    let holds = pool.spawn(move || {
        start.send(()).unwrap();
        let _released = released.recv();
    });
    holds.unwrap().detach();
    started.recv_timeout(LIMIT).unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    for job in 0..JOBS {
        let ran = Arc::clone(&ran);
        let count = move || {
            ran.fetch_add(1, Ordering::SeqCst);
        };
        if job % 2 == 0 {
            pool.spawn(count).unwrap().detach();
        } else {
            pool.spawn_future(async move { count() }).unwrap().detach();
        }
    }
    Busy {
        pool,
        handle,
        release,
        ran,
        left,
    }
}

impl Busy {
    /// Drops the pool by `drop_it`, which must return while a job still runs; then the whole pool
    /// ends by itself.
    fn ends_by_itself(self, how: &str, drop_it: impl FnOnce(AsyncPool, mpsc::Sender<()>)) {
        let Self {
            pool,
            release,
            ran,
            left,
            ..
        } = self;
        let (over, is_over) = mpsc::channel();
        drop_it(pool, over);
        let returned = is_over.recv_timeout(LIMIT);
        assert!(returned.is_ok(), "{how}: the drop waits");
        assert_eq!(ran.load(Ordering::SeqCst), 0, "{how}: the worker is busy");
        drop(release);
        let limit = Instant::now() + LIMIT;
        while left.upgrade().is_some() {
            assert!(Instant::now() < limit, "{how}: something is left");
            thread::yield_now();
        }
        assert_eq!(ran.load(Ordering::SeqCst), JOBS, "{how}: all jobs run");
    }
}

#[test]
fn the_last_handle_may_be_dropped_by_a_task_of_the_pools_runtime() {
    on_each_runtime(|builder| {
        let busy = busy(builder);
        let handle = busy.handle.clone();
        busy.ends_by_itself("a task", |pool, over| {
            drop(handle.spawn(async move {
                drop(pool);
                over.send(()).unwrap();
            }));
        });
    });
}

#[test]
fn the_last_handle_may_be_dropped_on_a_blocking_thread_of_the_runtime() {
    on_each_runtime(|builder| {
        let busy = busy(builder);
        let handle = busy.handle.clone();
        busy.ends_by_itself("a blocking thread", |pool, over| {
            drop(handle.spawn_blocking(move || {
                drop(pool);
                over.send(()).unwrap();
            }));
        });
    });
}

#[test]
fn the_last_handle_may_be_dropped_in_a_block_on() {
    on_each_runtime(|builder| {
        let busy = busy(builder);
        let handle = busy.handle.clone();
        busy.ends_by_itself("block_on", |pool, over| {
            handle.block_on(async move { drop(pool) });
            over.send(()).unwrap();
        });
    });
}

#[test]
fn the_last_handle_may_be_dropped_by_a_job() {
    on_each_runtime(|builder| {
        let pool = builder.workers(1).build().unwrap();
        let (over, is_over) = mpsc::channel();
        let (inside, told) = (pool.clone(), over.clone());
        let (go, goes) = mpsc::channel::<()>();
        pool.spawn(move || {
            let _told = goes.recv();
            drop(inside);
            told.send(()).unwrap();
        })
        .unwrap()
        .detach();
        let inside = pool.clone();
        pool.spawn_future(async move {
            drop(inside);
            over.send(()).unwrap();
        })
        .unwrap()
        .detach();
        drop(go);
        is_over.recv_timeout(LIMIT).unwrap();
        is_over.recv_timeout(LIMIT).unwrap();
        drop(pool);
    });
}

/// The caller's runtime has one thread, and that one drops the pool.
#[test]
fn a_pool_may_be_dropped_by_the_only_thread_of_its_runtime() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let build = || {
        let builder = AsyncPool::builder().workers(2);
        builder.adopt(Handle::current()).build().unwrap()
    };
    runtime.block_on(async {
        let pool = build();
        let closure = pool.spawn(|| 1).unwrap();
        let future = pool.spawn_future(async { 2 }).unwrap();
        drop(pool);
        assert_eq!((closure.await.unwrap(), future.await.unwrap()), (1, 2));
    });
    let local = LocalSet::new();
    let in_a_task = local.spawn_local(async move {
        let pool = build();
        let future = pool.spawn_future(tokio::task::yield_now()).unwrap();
        drop(pool);
        future.await
    });
    let ended = runtime.block_on(local.run_until(in_a_task));
    ended.unwrap().unwrap();
}

/// The workers need the thread that waits; the limit still holds.
#[test]
fn a_blocking_shutdown_within_the_runtime_keeps_its_limit() {
    /// Even on a busy machine, at least one of this many is on time.
    const TRIES: usize = 10;
    let total = Duration::from_millis(100);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let took = || {
        runtime.block_on(async {
            let builder = AsyncPool::builder().workers(2);
            let pool = builder.adopt(runtime.handle().clone()).build().unwrap();
            // It cannot be polled before the shutdown returns.
            let future = pool.spawn_future(async {}).unwrap();
            let start = Instant::now();
            let report = pool.shutdown(ShutdownPolicy::new(total).cancel_grace(Duration::ZERO));
            let took = start.elapsed();
            assert!(report.balances(), "{report}");
            drop(report.take_unstarted());
            assert!(matches!(future.await, Err(JobError::Abandoned)));
            took
        })
    };
    let least = (0..TRIES).map(|_| took()).min().unwrap();
    assert!(least >= total, "over after {least:?}");
    assert!(least < total + total, "over only after {least:?}");
}

/// Books and handles agree about jobs whose runtime has gone.
#[test]
fn a_runtime_that_ends_first_leaves_books_that_agree_with_the_handles() {
    for lends in [false, true] {
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let builder = AsyncPool::builder().workers(2).queue_capacity(8);
        let pool = builder.adopt(runtime.handle().clone()).build().unwrap();
        let (start, started) = mpsc::channel();
        let sleep = |inside: Option<AsyncPool>| {
            let start = start.clone();
            async move {
                let child = inside.map(|pool| pool.spawn_future(std::future::pending::<()>()));
                start.send(()).unwrap();
                match child {
                    Some(child) => drop(child.unwrap().await),
                    None => std::future::pending().await,
                }
            }
        };
        let mut running = Vec::new();
        for _ in 0..2 {
            let inside = lends.then(|| pool.clone());
            running.push(pool.spawn_future(sleep(inside)).unwrap());
            started.recv_timeout(LIMIT).unwrap();
        }
        if lends {
            // Two that lend their slots, and two that they wait for.
            let limit = Instant::now() + LIMIT;
            while pool.stats().running != 4 {
                assert!(Instant::now() < limit, "{}", pool.stats());
                thread::yield_now();
            }
        }
        let queued: Vec<_> = (0..2).map(|_| pool.spawn(|| ()).unwrap()).collect();
        runtime.shutdown_timeout(LIMIT);
        for job in running {
            let ended = job.join_timeout(LIMIT).expect("its runtime is gone");
            assert!(matches!(ended, Err(JobError::Cancelled)), "{ended:?}");
        }
        for job in queued {
            let ended = job.join_timeout(LIMIT).expect("its runtime is gone");
            assert!(matches!(ended, Err(JobError::Abandoned)), "{ended:?}");
        }
        let cancelled = if lends { 4 } else { 2 };
        let stats = pool.stats();
        let columns = (stats.cancelled, stats.abandoned, stats.unstarted);
        assert_eq!(columns, (cancelled, 2, 0), "{stats}");
        let report = pool.shutdown(LIMIT);
        assert!(report.balances(), "{report}");
        let columns = (report.cancelled(), report.abandoned(), report.unstarted());
        assert_eq!(columns, (cancelled, 2, 0), "{report}");
    }
}

/// A detached user task on the pool's own runtime delays no drop.
#[test]
fn a_task_that_outlives_its_pool_holds_up_nobody() {
    let pool = AsyncPool::builder().workers(1).build().unwrap();
    let (start, started) = mpsc::channel();
    let spawns = pool.spawn_future(async move {
        drop(tokio::spawn(async move {
            start.send(()).unwrap();
            std::future::pending::<()>().await;
        }));
    });
    value(spawns.unwrap());
    started.recv_timeout(LIMIT).unwrap();
    let report = pool.shutdown(LIMIT);
    assert!(report.is_clean(), "{report}");
    // A task of another runtime may drop the pool.
    let driven = Driven::start();
    let pool = AsyncPool::builder().workers(1).build().unwrap();
    let (over, is_over) = mpsc::channel();
    drop(driven.handle.spawn(async move {
        drop(pool);
        over.send(()).unwrap();
    }));
    is_over.recv_timeout(LIMIT).unwrap();
}
