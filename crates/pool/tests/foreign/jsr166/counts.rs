//! What a pool's stats say at each step of its life: never too much, and exact when nothing
//! changes.

use std::convert::Infallible;
use std::time::Duration;

use pool::{Executor, JobContext, JobError, Pool, ShutdownPolicy, Stats};
use pool_conformance::probe::{Count, Gate, ended, wait_until};

use crate::each::{ROOM, ends_clean, job, on_each_backend, pool};

/// Accepted, completed, queued, running.
fn books(stats: &Stats) -> [u64; 4] {
    [stats.accepted, stats.completed, stats.queued, stats.running]
}

#[test]
fn the_books_follow_each_step() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 8);
        let is = |expected: [u64; 4]| {
            let stats = pool.stats();
            assert_eq!(books(&stats), expected, "{stats}");
            assert_eq!(stats.workers, 2, "{stats}");
        };
        is([0, 0, 0, 0]);
        let (gate, started) = (Gate::new(), Count::new());
        let held = || {
            let (pass, started) = (gate.pass(), started.clone());
            let body = move |ctx: &JobContext<'_>| {
                let seen = ctx.executor().stats();
                started.add();
                pass.wait();
                seen
            };
            pool.submit(job(body)).expect(ROOM)
        };
        let first = held();
        started.wait_for(1);
        is([1, 0, 0, 1]);
        let second = held();
        started.wait_for(2);
        is([2, 0, 0, 2]);
        for queued in 1..=3 {
            held().detach();
            is([2 + queued, 0, queued, 2]);
        }
        gate.open();
        let seen = ended(first).expect("it completes");
        assert_eq!(books(&seen), [1, 0, 0, 1], "a job sees itself: {seen}");
        ended(second).expect("it completes");
        pool.wait_idle();
        is([5, 5, 0, 0]);
        assert_eq!(ends_clean(&pool).completed(), 5);
        assert_eq!(pool.stats().workers, 0, "an ended pool has no workers");
    });
}

#[test]
fn what_the_only_worker_submits_is_queued_until_it_returns() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 8);
        let outside = pool.clone();
        let counted = move |ctx: &JobContext<'_>| {
            for queued in 0..3 {
                assert_eq!(outside.stats().queued, queued);
                let child = |_: &JobContext<'_>| Ok::<_, Infallible>(());
                // Alternately through the context and through a clone that knows nothing of it.
                if queued % 2 == 0 {
                    ctx.execute(child).expect(ROOM);
                } else {
                    outside.execute(child).expect(ROOM);
                }
            }
            outside.stats().queued
        };
        let counted = pool.submit(job(counted)).expect(ROOM);
        assert_eq!(ended(counted).expect("it counts right"), 3);
        assert_eq!(ends_clean(&pool).completed(), 4);
    });
}

#[test]
fn a_queued_job_can_be_taken_back_and_a_running_one_cannot() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 8);
        let (gate, ran) = (Gate::new(), Count::new());
        let mut handles: Vec<_> = (0..6)
            .map(|number| {
                let (pass, ran) = (gate.pass(), ran.clone());
                let body = move || {
                    ran.add();
                    pass.wait();
                    number
                };
                pool.spawn(body).expect(ROOM)
            })
            .collect();
        ran.wait_for(1);
        for taken_back in [4, 3] {
            let handle = handles.remove(taken_back);
            handle.cancel();
            handle.cancel();
            assert!(handle.is_finished(), "at once");
            assert!(matches!(ended(handle), Err(JobError::Cancelled)));
        }
        handles[0].cancel();
        assert!(!handles[0].is_finished(), "it runs");
        gate.open();
        let numbers: Vec<u32> = handles
            .into_iter()
            .map(|handle| ended(handle).expect("it runs to its end"))
            .collect();
        assert_eq!(numbers, [0, 1, 2, 5]);
        let report = ends_clean(&pool);
        assert_eq!((report.completed(), report.cancelled()), (4, 2), "{report}");
        assert_eq!(ran.get(), 4);
    });
}

#[test]
fn a_pool_is_open_then_closed_then_gone() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 8);
        let (gate, started) = (Gate::new(), Count::new());
        let (pass, begun, own) = (gate.pass(), started.clone(), pool.clone());
        let sees = pool.spawn(move || {
            let before = own.is_closed();
            begun.add();
            pass.wait();
            (before, own.is_closed())
        });
        let sees = sees.expect(ROOM);
        started.wait_for(1);
        assert!(!pool.is_closed(), "a busy pool is open");
        pool.close();
        assert!(pool.is_closed());
        // Waits for the end with a limit that passes, and once more without.
        let impatient = ShutdownPolicy::new(Duration::from_millis(1));
        let report = pool.shutdown(impatient.cancel_grace(Duration::ZERO));
        assert_eq!(report.still_running().len(), 1, "{report}");
        assert!(!report.is_safe_to_exit(), "{report}");
        gate.open();
        assert_eq!(ended(sees).expect("it completes"), (false, true));
        wait_until("the worker has gone", &pool, || pool.stats().workers == 0);
        assert!(pool.is_closed());
    });
}

/// The same pool through each form of an executor.
#[test]
fn a_clone_is_the_same_pool() {
    on_each_backend(|backend| {
        let first = pool(backend, 1, 8);
        let second: Pool = first.clone();
        ended(first.spawn(|| ()).expect(ROOM)).expect("it completes");
        first.wait_idle();
        assert_eq!(first.stats(), second.stats());
        assert_eq!(second.backend(), backend);
        let shown = format!("{second:?}");
        let (accepted, closes) = ("accepted: 1", "completed: 1");
        assert!(
            shown.contains(accepted) && shown.contains(closes),
            "{shown}"
        );
        drop(first);
        ended(second.spawn(|| ()).expect(ROOM)).expect("one clone is left");
        ends_clean(&second);
    });
}
