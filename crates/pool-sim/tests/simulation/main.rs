//! What a test gets from a simulation: repeatable runs, virtual time, control of the schedule, and
//! failures that say why.

mod stuck;
mod time;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pool_core::{
    AsyncContext, AsyncJobExt, BuildError, CancelToken, JobContext, JobError, JobExt,
    ShutdownPolicy,
};
use pool_sim::{Failure, Ran, Schedule, Sim, SimPool, Simulation, check, sleep};

fn pool(workers: usize) -> SimPool {
    named("worker", workers)
}

fn named(name: &str, workers: usize) -> SimPool {
    SimPool::builder()
        .workers(workers)
        .queue_capacity(8)
        .thread_name(name)
        .build()
        .expect("the simulation gives threads")
}

/// Runs a test that must not fail.
#[track_caller]
fn passes<R: Send + 'static>(test: impl FnOnce(&Sim) -> R + Send + 'static) -> Ran<R> {
    let ran = Simulation::new(7).try_run(test);
    ran.unwrap_or_else(|failure| panic!("{failure}"))
}

/// The failure of a test that must fail.
#[track_caller]
fn fails(simulation: &Simulation, test: impl FnOnce(&Sim) + Send + 'static) -> Failure {
    let failure = simulation.try_run(test).map(|ran| ran.trace.to_string());
    failure.expect_err("the test is made to fail")
}

/// Jobs of every kind: with and without handles, joined in order and out of order, futures, limits,
/// a shutdown.
fn everything(_: &Sim) -> i32 {
    let pool = pool(3);
    let handles: Vec<_> = (0..20)
        .map(|n| pool.spawn(move || n * 2).unwrap())
        .collect();
    let sum: i32 = handles.into_iter().map(|it| it.join().unwrap()).sum();
    let nested = |ctx: &JobContext<'_>| {
        let child = ctx
            .submit(|_: &JobContext<'_>| Ok::<_, Infallible>(1))
            .unwrap();
        child.join()
    };
    let nested = pool.submit(nested).unwrap();
    let late = pool.spawn(|| sleep(Duration::from_secs(5))).unwrap();
    let late = late.join_timeout(Duration::from_secs(1)).unwrap_err();
    late.cancel();
    let future = pool.spawn_future(std::future::pending::<()>()).unwrap();
    let report = pool.shutdown(ShutdownPolicy::new(Duration::from_secs(2)));
    assert!(report.balances(), "{report}");
    assert!(matches!(future.join(), Err(JobError::Cancelled)));
    sum + nested.join().unwrap()
}

#[test]
fn the_same_schedule_gives_the_same_trace_and_another_one_another() {
    let schedules = (0..10).flat_map(|seed| {
        let pct = Schedule::Pct {
            seed,
            depth: 3,
            steps: 300,
        };
        [Schedule::Random { seed }, pct]
    });
    let mut traces = Vec::new();
    for schedule in schedules {
        let run = || {
            let ran = Simulation::of(schedule).try_run(everything);
            let ran = ran.unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!((ran.value, ran.left_behind), (381, 0));
            ran.trace.to_string()
        };
        let trace = run();
        assert_eq!(trace, run(), "the second run of {schedule}");
        traces.push(trace);
    }
    let all = traces.len();
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), all, "two schedules with one trace");
}

#[test]
fn time_passes_without_taking_any() {
    let start = Instant::now();
    let ran = passes(|sim| {
        let pool = pool(1);
        let day = Duration::from_secs(24 * 3600);
        let begun = sim.now();
        let job = move |ctx: &JobContext<'_>| {
            sleep(day);
            ctx.check()
        };
        let job = pool.submit(job.with_timeout(day / 2)).unwrap();
        let future = std::future::pending::<Result<(), Infallible>>();
        let future = AsyncJobExt::with_timeout(move |_: AsyncContext| future, day);
        let future = pool.submit_future(future).unwrap();
        assert!(matches!(job.join(), Err(JobError::Expired)));
        assert!(matches!(future.join(), Err(JobError::Expired)));
        sim.now() - begun
    });
    let day = Duration::from_secs(24 * 3600);
    assert!(ran.value >= day && ran.value < day + Duration::from_secs(1));
    assert!(start.elapsed() < day / 1000, "it slept in earnest");
}

#[test]
fn who_asks_whether_it_is_time_gets_there_soon() {
    let ran = passes(|_| {
        let pool = pool(1);
        let asks = |ctx: &JobContext<'_>| {
            while ctx.check().is_ok() {}
            Err::<(), _>("too late")
        };
        let asks = asks.with_timeout(Duration::from_secs(10));
        let asks = pool.submit(asks).unwrap();
        assert!(matches!(asks.join(), Err(JobError::Expired)));
    });
    // It would be ten million, if each took its microsecond.
    assert!(ran.steps < 50_000, "{} steps", ran.steps);
}

#[test]
fn who_asks_for_a_day_gets_there_too_and_not_far_beyond() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let ran = passes(|sim| {
        let pool = pool(1);
        let asks = |ctx: &JobContext<'_>| {
            while ctx.remaining().is_some_and(|left| !left.is_zero()) {}
            Ok::<_, Infallible>(())
        };
        pool.submit(asks.with_timeout(DAY)).unwrap().join().unwrap();
        sim.elapsed()
    });
    assert!(ran.value >= DAY && ran.value < DAY * 2, "{:?}", ran.value);
}

#[test]
fn time_is_advanced_though_a_job_asks_all_the_while() {
    passes(|sim| {
        let pool = pool(1);
        let asks = |ctx: &JobContext<'_>| {
            while !ctx.is_cancelled() {}
            Ok::<_, Infallible>(())
        };
        let asks = pool.submit(asks).unwrap();
        sim.advance(Duration::from_secs(60));
        assert!(sim.elapsed() >= Duration::from_secs(60));
        asks.cancel();
        asks.join().unwrap();
    });
}

#[test]
fn futures_that_one_token_wakes_are_woken_in_an_order_that_repeats() {
    let run = || {
        let ran = Simulation::new(5).fifo().try_run(|sim| {
            let (pool, token) = (pool(1), CancelToken::new());
            let asleep: Vec<_> = (0..8)
                .map(|_| {
                    let future = |_: AsyncContext| std::future::pending::<Result<(), Infallible>>();
                    pool.submit_future(AsyncJobExt::with_token(future, &token))
                        .unwrap()
                })
                .collect();
            sim.run_until_idle();
            token.cancel();
            for future in asleep {
                assert!(matches!(future.join(), Err(JobError::Cancelled)));
            }
        });
        ran.unwrap_or_else(|failure| panic!("{failure}"))
            .trace
            .to_string()
    };
    let first = run();
    // By chance alone, four runs in another order would be the same once in 10^18.
    for _ in 0..4 {
        assert_eq!(first, run());
    }
}

#[test]
fn a_trace_tells_every_point_at_which_a_schedule_may_switch() {
    let ran = passes(|sim| {
        let pool = SimPool::builder()
            .workers(1)
            .queue_capacity(1)
            .build()
            .unwrap();
        sim.run_until_idle();
        let first = pool.spawn(|| sleep(Duration::from_secs(1))).unwrap();
        sim.run_until_idle();
        let second = pool.spawn(|| ()).unwrap();
        let third = |_: &JobContext<'_>| Ok::<_, Infallible>(());
        assert!(pool.try_submit(third).unwrap_err().is_full());
        assert!(!second.is_finished());
        second.cancel();
        first.join().unwrap();
        sim.note("a word of one's own");
        drop(pool);
    });
    let trace = ran.trace.to_string();
    for told in [
        "t0 test: starts t1",
        "t1 pool-worker-0: finds nothing",
        "t0 test: submits job #1",
        "t0 test: has pushed job #1",
        "t0 test: unparks t1 pool-worker-0",
        "t1 pool-worker-0: looks for a job",
        "t1 pool-worker-0: takes job #1",
        "t1 pool-worker-0: runs job #1",
        "t1 pool-worker-0: parks until 1.0",
        "t1 pool-worker-0: is due: its limit",
        "t1 pool-worker-0: is done with job #1",
        "t0 test: is refused job #3",
        "t0 test: asks",
        "t0 test: cancels job #2",
        "t0 test: joins job #1",
        "t0 test: notes: a word of one's own",
        "t0 test: closes the pool",
        "t0 test: cancels the pool",
        "t0 test: stops the pool",
        "t1 pool-worker-0: ends",
        "t0 test: ends",
    ] {
        assert!(trace.contains(told), "`{told}` is not in\n{trace}");
    }
}

#[test]
fn a_test_lets_the_others_do_one_step_or_all_or_those_of_a_while() {
    passes(|sim| {
        let pool = pool(1);
        sim.run_until_idle();
        assert!(!sim.step(), "the worker sleeps");
        let ran = Arc::new(AtomicUsize::new(0));
        let runs = Arc::clone(&ran);
        let slow = move || {
            runs.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_secs(10));
            runs.fetch_add(1, Ordering::SeqCst);
        };
        for _ in 0..5 {
            pool.spawn(|| ()).unwrap().detach();
        }
        let before = sim.trace().len();
        assert!(sim.step());
        let events = sim.trace().len() - before;
        assert!((1..5).contains(&events), "a step of {events} events");
        sim.run_until_idle();
        pool.spawn(slow).unwrap().detach();
        let ran = || ran.load(Ordering::SeqCst);
        sim.run_until_idle();
        assert_eq!(ran(), 1, "idle: the job sleeps, and time stands still");
        assert!(sim.elapsed() < Duration::from_secs(1));
        sim.advance(Duration::from_secs(9));
        assert_eq!(ran(), 1, "not yet");
        sim.advance(Duration::from_secs(2));
        assert_eq!(ran(), 2, "its time has come");
        let elapsed = sim.elapsed();
        assert!(elapsed >= Duration::from_secs(11) && elapsed < Duration::from_secs(12));
    });
}

#[test]
fn a_panic_is_injected_into_the_job_that_was_named_or_the_next() {
    passes(|sim| {
        let pool = pool(1);
        let named = pool.spawn(|| 1).unwrap();
        let other = pool.spawn(|| 2).unwrap();
        sim.inject_panic(named.id());
        assert!(
            matches!(named.join(), Err(JobError::Panicked(panic)) if panic.message().contains("the simulation has job"))
        );
        assert_eq!(other.join().unwrap(), 2);
        sim.inject_panic_next();
        let next = pool.spawn(|| 3).unwrap();
        assert!(matches!(next.join(), Err(JobError::Panicked(_))));
        let future = pool.spawn_future(async { 4 }).unwrap();
        sim.inject_panic(future.id());
        assert!(matches!(future.join(), Err(JobError::Panicked(_))));
        let report = pool.shutdown(Duration::from_secs(1));
        assert_eq!((report.completed(), report.panicked()), (1, 3), "{report}");
    });
}

#[test]
fn a_refused_thread_is_an_error_of_build_with_nothing_left_running() {
    for given in 0..3 {
        let ran = passes(move |sim| {
            sim.refuse_thread_after(given);
            let refused = SimPool::builder().workers(3).build();
            let Err(BuildError::Spawn { worker, .. }) = refused else {
                panic!("built without a thread: {refused:?}");
            };
            assert_eq!(worker, given);
            drop(pool(3));
        });
        assert_eq!(ran.left_behind, 0);
    }
}

#[test]
fn a_worker_that_stalls_is_worked_around_until_it_goes_on() {
    check(0..50, |sim| {
        let pool = pool(2);
        let stalled = Duration::from_secs(60);
        sim.stall("worker-0", stalled);
        let workers: Vec<usize> = (0..4)
            .map(|_| {
                let job = |ctx: &JobContext<'_>| Ok::<_, Infallible>(ctx.worker());
                pool.submit(job).unwrap().join().unwrap()
            })
            .collect();
        // The worker that stalls may have been woken first, and hold up the job that it was woken
        // for, but no other.
        assert!(workers.iter().skip(1).all(|&it| it == 1) || sim.elapsed() >= stalled);
        sim.advance(stalled);
        let report = pool.shutdown(ShutdownPolicy::drain());
        assert!(report.is_clean() && report.is_safe_to_exit(), "{report}");
    });
}

#[test]
fn priorities_and_walks_find_what_needs_two_orderings() {
    /// Wrong only if the second job begins and ends between two points of the first one.
    fn lost_update(_: &Sim) {
        let (pool, count) = (pool(2), Arc::new(AtomicUsize::new(0)));
        let add = || {
            let count = Arc::clone(&count);
            move |ctx: &JobContext<'_>| {
                let seen = count.load(Ordering::SeqCst);
                let _told = ctx.check();
                count.store(seen + 1, Ordering::SeqCst);
                Ok::<_, Infallible>(())
            }
        };
        let both = [pool.submit(add()).unwrap(), pool.submit(add()).unwrap()];
        for job in both {
            job.join().unwrap();
        }
        assert_eq!(count.load(Ordering::SeqCst), 2, "an update is lost");
    }
    let walks = (0..100).filter(|&seed| Simulation::new(seed).try_run(lost_update).is_err());
    let walks = walks.count();
    assert!((1..100).contains(&walks), "{walks} of a hundred walks");
    let pct = |seed| Simulation::new(seed).pct(2, 60).try_run(lost_update);
    let priorities = (0..100).filter(|&seed| pct(seed).is_err()).count();
    assert!((1..100).contains(&priorities), "{priorities} of a hundred");
}

#[test]
fn the_text_of_a_schedule_is_that_schedule() {
    let pct = Schedule::Pct {
        seed: 9,
        depth: 3,
        steps: 5000,
    };
    for schedule in [Schedule::Random { seed: u64::MAX }, pct] {
        assert_eq!(schedule.to_string().parse(), Ok(schedule));
    }
    for wrong in ["", "x", "-1", "pct:1:2", "pct:a:2:3", "walk:1:2:3"] {
        let error = wrong.parse::<Schedule>().unwrap_err();
        assert!(error.to_string().contains("is no schedule"), "{error}");
    }
}
