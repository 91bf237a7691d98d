//! A future that waits for its own pool lends its worker slot meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use pool_async::AsyncPool;
use pool_core::{JobError, JobFailure, JobSet, ShutdownPolicy};
use tokio::sync::oneshot;

use crate::on::{LIMIT, on_each_runtime, value};

/// Runs a test on a pool with a short queue, on each kind of runtime; the pool must end cleanly.
fn each_pool(workers: usize, test: impl Fn(&AsyncPool)) {
    on_each_runtime(|builder| {
        let pool = builder.workers(workers).queue_capacity(4).build().unwrap();
        test(&pool);
        let report = pool.shutdown(LIMIT);
        assert!(report.balances() && report.is_clean(), "{report}");
    });
}

/// A future that awaits a future that awaits another, this many deep.
fn walk(pool: AsyncPool, depth: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            return 0;
        }
        let next = pool.spawn_future(walk(pool.clone(), depth - 1)).unwrap();
        next.await.unwrap() + 1
    })
}

fn depth() -> usize {
    if cfg!(debug_assertions) {
        10_000
    } else {
        100_000
    }
}

#[test]
fn a_future_awaits_a_closure_with_one_worker() {
    each_pool(1, |pool| {
        let inside = pool.clone();
        let outer = pool.spawn_future(async move {
            let child = inside.spawn(|| thread::current().id()).unwrap();
            (child.await.unwrap(), thread::current().id())
        });
        let (child, poller) = value(outer.unwrap());
        assert_ne!(child, poller, "a closure ran on a thread that polls");
    });
}

/// It blocks instead of awaiting, as code that is not async may do below it.
#[test]
fn a_future_blocks_on_a_set_of_closures_with_one_worker() {
    each_pool(1, |pool| {
        let inside = pool.clone();
        let outer = pool.spawn_future(async move {
            let mut set = JobSet::new(&inside);
            for _ in 0..3 {
                set.spawn(|| thread::current().id()).unwrap();
            }
            let ran: Vec<_> = std::iter::from_fn(|| set.join_next()).collect();
            (ran, thread::current().id())
        });
        let (ran, poller) = value(outer.unwrap());
        let elsewhere = ran.into_iter().filter(|it| *it.as_ref().unwrap() != poller);
        assert_eq!(elsewhere.count(), 3, "a closure ran on a thread that polls");
    });
}

#[test]
fn awaits_go_as_deep_as_memory_allows() {
    for workers in [1, 4] {
        each_pool(workers, |pool| {
            let top = pool.spawn_future(walk(pool.clone(), depth())).unwrap();
            assert_eq!(value(top), depth());
        });
    }
}

#[test]
fn a_wait_beside_others_lends_too() {
    each_pool(1, |pool| {
        let inside = pool.clone();
        let outer = pool.spawn_future(async move {
            let (fire, fired) = oneshot::channel();
            let child = inside.spawn(move || fire.send(7)).unwrap();
            let (fired, child) = tokio::join!(fired, child);
            child.unwrap().unwrap();
            fired.unwrap()
        });
        assert_eq!(value(outer.unwrap()), 7);
    });
}

#[test]
fn no_more_bodies_run_at_once_than_there_are_workers() {
    const WORKERS: usize = 2;
    each_pool(WORKERS, |pool| {
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let enter = {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            move || {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            }
        };
        let outer: Vec<_> = (0..20)
            .map(|_| {
                let (inside, enter) = (pool.clone(), enter.clone());
                let future = async move {
                    for _ in 0..20 {
                        enter();
                        let child = enter.clone();
                        inside.spawn(child).unwrap().await.unwrap();
                    }
                };
                pool.spawn_future(future).unwrap()
            })
            .collect();
        outer.into_iter().for_each(value);
        let most = most.load(Ordering::SeqCst);
        assert!(most <= WORKERS, "{most} bodies ran at once");
    });
}

#[test]
fn a_future_waits_for_the_quiet_of_its_pool() {
    each_pool(1, |pool| {
        let inside = pool.clone();
        let ran = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&ran);
        let outer = pool.spawn_future(async move {
            for _ in 0..3 {
                let ran = Arc::clone(&counts);
                let child = inside.spawn(move || ran.fetch_add(1, Ordering::SeqCst));
                child.unwrap().detach();
            }
            inside.wait_idle_async().await;
            counts.load(Ordering::SeqCst)
        });
        assert_eq!(value(outer.unwrap()), 3);
    });
}

#[test]
fn a_future_joins_a_child_on_the_thread_of_its_closures() {
    let pool = AsyncPool::builder()
        .workers(1)
        .thread_name("closures")
        .on_worker_start(|_| 7_u32)
        .build()
        .unwrap();
    let inside = pool.clone();
    let outer = pool.spawn_future(async move {
        let job = |ctx: &pool_core::JobContext<'_>| {
            let name = thread::current().name().map(str::to_owned);
            Ok::<_, ()>((name, ctx.state::<u32>().copied()))
        };
        inside.submit(job).unwrap().join().unwrap()
    });
    let (name, state) = value(outer.unwrap());
    assert_eq!((name.as_deref(), state), (Some("closures-0"), Some(7)));
}

/// The future is polled at the seat of the closure that joins it, and blocks there until a closure
/// has run that has not started: the only slot is in its hands.
#[test]
fn a_future_at_a_borrowed_seat_joins_a_closure() {
    each_pool(1, |pool| {
        let inside = pool.clone();
        let (fire, fired) = oneshot::channel();
        let (suspended, suspends) = std::sync::mpsc::channel();
        let outer = pool.spawn_future(async move {
            // It has waited for its own pool, so it lends its slot at each suspension from now on.
            inside.spawn(|| ()).unwrap().await.unwrap();
            suspended.send(()).unwrap();
            fired.await.unwrap();
            inside.spawn(|| 7).unwrap().join().unwrap()
        });
        let outer = outer.unwrap();
        suspends.recv_timeout(LIMIT).unwrap();
        let joiner = pool.spawn(move || {
            fire.send(()).unwrap();
            outer.join().unwrap()
        });
        assert_eq!(value(joiner.unwrap()), 7);
    });
}

#[test]
fn a_future_that_has_lent_is_cancelled_though_every_worker_is_busy() {
    each_pool(1, |pool| {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let inside = pool.clone();
        let (started, starts) = std::sync::mpsc::channel();
        let outer = pool.spawn_future(async move {
            let child = inside.spawn(move || {
                started.send(()).unwrap();
                released.recv().unwrap_err();
            });
            child.unwrap().await.unwrap();
        });
        let outer = outer.unwrap();
        starts.recv_timeout(LIMIT).unwrap();
        assert_eq!(pool.stats().running, 2, "{}", pool.stats());
        outer.cancel();
        let ended = outer.join_timeout(LIMIT).expect("it ends at once");
        assert!(matches!(ended, Err(JobError::Cancelled)), "{ended:?}");
        drop(release);
        pool.wait_idle();
    });
}

#[test]
fn a_shutdown_from_a_future_keeps_its_limit_though_all_others_hang() {
    on_each_runtime(|builder| {
        let pool = builder.workers(1).build().unwrap();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let inside = pool.clone();
        let outer = pool.spawn_future(async move {
            let hangs = inside.spawn(move || released.recv().unwrap_err()).unwrap();
            let policy = ShutdownPolicy::new(Duration::from_millis(20));
            let policy = policy.cancel_grace(Duration::from_millis(20));
            let report = inside.shutdown_async(policy).await;
            (report.still_running().len(), hangs)
        });
        let (still_running, hangs) = value(outer.unwrap());
        assert_eq!(still_running, 2, "the future and what hangs");
        drop(release);
        value(hangs);
    });
}

/// The host of a future that has lent its slot ends it without one, if it is cancelled meanwhile.
#[test]
fn a_future_without_a_slot_is_not_listed_while_its_end_is_told_of() {
    on_each_runtime(|builder| {
        let (told, hears) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let hook = move |failure: &JobFailure<'_>| {
            told.send(failure.id).unwrap();
            held.lock().unwrap().recv_timeout(LIMIT).unwrap();
        };
        let pool = builder.workers(1).on_failure(hook).build().unwrap();
        let inside = pool.clone();
        let (begin, begun) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        let outer = pool.spawn_future(async move {
            let child = inside.spawn(move || {
                begin.send(()).unwrap();
                gate.recv_timeout(LIMIT)
            });
            child.unwrap().await
        });
        let outer = outer.unwrap();
        begun.recv_timeout(LIMIT).expect("the child has the slot");
        outer.cancel();
        let id = hears.recv_timeout(LIMIT).expect("its end is told of");
        assert_eq!(id, outer.id());
        assert!(pool.running().iter().all(|job| job.id != id));
        let snapshot = pool.snapshot();
        assert!(snapshot.running().all(|job| job.id != id), "{snapshot}");
        release.send(()).unwrap();
        open.send(()).unwrap();
        assert!(matches!(outer.join(), Err(JobError::Cancelled)));
        pool.wait_idle();
        assert!(pool.shutdown(LIMIT).balances());
    });
}
