//! Jobs that fork and join, fail at the bottom, are cancelled before they are joined; and two that
//! depend on both workers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pool::{ExecutorExt, JobContext, JobError, Pool};
use pool_conformance::probe::{Count, PATIENCE, ended};

use crate::each::{ROOM, ends_clean, job, on_each_backend, pool};

/// By `JobContext::join`, which makes a job of a half only if a worker is free.
fn fib_by_halves(ctx: &JobContext<'_>, number: u64) -> u64 {
    if number < 2 {
        return number;
    }
    let (a, b) = ctx.join(
        |ctx| fib_by_halves(ctx, number - 1),
        |ctx| fib_by_halves(ctx, number - 2),
    );
    a + b
}

/// By children, each a job. `None`: the base case fails.
fn fib_by_children(
    ctx: &JobContext<'_>,
    number: u64,
    base: Option<u64>,
) -> Result<u64, &'static str> {
    if number < 2 {
        return base.map(|base| base * number).ok_or("the base case fails");
    }
    let child = |number| {
        let child = move |ctx: &JobContext<'_>| fib_by_children(ctx, number, base);
        ctx.submit(child).expect("an open pool takes a job")
    };
    let (a, b) = (child(number - 1), child(number - 2));
    let causes = |error| match error {
        JobError::Failed(cause) => cause,
        other => panic!("a child became {other:?}"),
    };
    Ok(a.join().map_err(causes)? + b.join().map_err(causes)?)
}

#[test]
fn a_number_is_the_same_by_halves_and_by_children_on_any_workers() {
    on_each_backend(|backend| {
        for workers in 1..=3 {
            let pool = pool(backend, workers, 64);
            let halves = pool.submit(job(|ctx: &JobContext<'_>| fib_by_halves(ctx, 20)));
            assert_eq!(ended(halves.expect(ROOM)).expect("it completes"), 6765);
            let children = pool.submit(|ctx: &JobContext<'_>| fib_by_children(ctx, 12, Some(1)));
            assert_eq!(ended(children.expect(ROOM)).expect("it completes"), 144);
            ends_clean(&pool);
        }
    });
}

#[test]
fn a_failure_at_the_bottom_reaches_the_top() {
    on_each_backend(|backend| {
        for workers in 1..=2 {
            let pool = pool(backend, workers, 64);
            let fails = pool.submit(|ctx: &JobContext<'_>| fib_by_children(ctx, 10, None));
            match ended(fails.expect(ROOM)) {
                Err(JobError::Failed(cause)) => assert_eq!(cause, "the base case fails"),
                other => panic!("it fails, and became {other:?}"),
            }
            // The children that it did not get to join go on, and end.
            let report = ends_clean(&pool);
            assert!(report.failed() > 1, "{report}");
        }
    });
}

#[test]
fn a_child_that_was_cancelled_is_not_run_by_who_joins_it() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 8);
        let ran = Count::new();
        let runs = ran.clone();
        let parent = move |ctx: &JobContext<'_>| {
            let child = || {
                let runs = runs.clone();
                let child = ctx.submit(move |_: &JobContext<'_>| Ok::<_, Infallible>(runs.add()));
                child.expect(ROOM)
            };
            let (cancelled, timed, kept) = (child(), child(), child());
            cancelled.cancel();
            timed.cancel();
            let timed = timed.join_timeout(PATIENCE).expect("it is over");
            [cancelled.join(), timed, kept.join()].map(|outcome| outcome.is_ok())
        };
        let parent = pool.submit(job(parent)).expect(ROOM);
        assert_eq!(ended(parent).expect("it completes"), [false, false, true]);
        let report = ends_clean(&pool);
        assert_eq!((ran.get(), report.cancelled()), (1, 2), "{report}");
    });
}

/// A worker that waits for the pool to be idle helps, and is itself left out.
#[test]
fn a_job_waits_for_all_it_has_started() {
    on_each_backend(|backend| {
        for workers in 1..=2 {
            let pool = pool(backend, workers, 64);
            let ran = Count::new();
            let runs = ran.clone();
            let parent = move |ctx: &JobContext<'_>| {
                for _ in 0..20 {
                    let (outer, inner) = (runs.clone(), runs.clone());
                    let child = move |ctx: &JobContext<'_>| {
                        let grandchild = move |_: &JobContext<'_>| Ok::<_, Infallible>(inner.add());
                        ctx.submit(grandchild).expect(ROOM).detach();
                        Ok::<_, Infallible>(outer.add())
                    };
                    ctx.submit(child).expect(ROOM).detach();
                }
                ctx.executor().wait_idle();
                runs.get()
            };
            let parent = pool.submit(job(parent)).expect(ROOM);
            assert_eq!(ended(parent).expect("it completes"), 40);
            ends_clean(&pool);
        }
    });
}

/// The second job can only run on the second worker: the first holds its own until the second has
/// ended.
#[test]
fn a_second_job_starts_though_the_first_holds_its_worker() {
    const ROUNDS: usize = 2000;
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 4);
        let stop = Arc::new(AtomicBool::new(false));
        for round in 0..ROUNDS {
            if round % 25 == 0 {
                // Sometimes both workers get time to fall asleep.
                pool.wait_idle();
                Count::new().stays_below(1, Duration::from_millis(1));
            }
            let stopped = Arc::clone(&stop);
            let spins = pool.spawn(move || {
                let limit = Instant::now() + PATIENCE;
                while !stopped.swap(false, Ordering::SeqCst) {
                    assert!(Instant::now() < limit, "nobody stops the first job");
                    thread::yield_now();
                }
            });
            let spins = spins.expect(ROOM);
            ended(pool.spawn(|| ()).expect(ROOM)).expect("the other worker runs it");
            stop.store(true, Ordering::SeqCst);
            ended(spins).expect("it is stopped");
        }
        ends_clean(&pool);
    });
}

/// Only the submission itself wakes the worker; no thread waits for the job.
#[test]
fn a_job_that_nobody_joins_runs() {
    const ROUNDS: usize = 3000;
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 4);
        for _ in 0..ROUNDS {
            let is_set = Arc::new(AtomicBool::new(false));
            let sets = Arc::clone(&is_set);
            let set = move |_: &JobContext<'_>| {
                sets.store(true, Ordering::SeqCst);
                Ok::<_, Infallible>(())
            };
            pool.execute(set).expect(ROOM);
            let limit = Instant::now() + PATIENCE;
            while !is_set.load(Ordering::SeqCst) {
                assert!(
                    Instant::now() < limit,
                    "a submitted job does not run: {pool:?}"
                );
                thread::yield_now();
            }
        }
        ends_clean(&pool);
    });
}

/// A job on the only worker that waits for its own child with a limit gets the handle back, the
/// child unrun, and then its value.
#[test]
fn a_limited_join_inside_runs_nothing() {
    on_each_backend(|backend| {
        let pool: Pool = pool(backend, 1, 4);
        let parent = |ctx: &JobContext<'_>| {
            let child = ctx
                .submit(|_: &JobContext<'_>| Ok::<_, Infallible>(3))
                .expect(ROOM);
            let child = child
                .join_timeout(Duration::from_millis(2))
                .expect_err("nobody runs it");
            assert!(!child.is_finished());
            child.join().expect("it completes")
        };
        let parent = pool.submit(job(parent)).expect(ROOM);
        assert_eq!(ended(parent).expect("it completes"), 3);
        ends_clean(&pool);
    });
}
