//! Many workers: they start, know their index, and stop, after work and after sleep.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use pool::{Backend, BuildError, Executor, JobContext, Pool, ShutdownPolicy};
use pool_conformance::probe::{Count, Gate, Log, PATIENCE, ended, meet};

use crate::each::{ROOM, ends_clean, job, on_each_backend, pool};

const MANY: usize = 22;

/// A pool of many workers, which record that they start and stop.
fn noted(backend: Backend) -> (Pool, Log<usize>, Log<usize>) {
    let (started, stopped) = (Log::new(), Log::new());
    let (starts, stops) = (started.clone(), stopped.clone());
    let builder = Pool::builder().backend(backend).workers(MANY);
    let built = builder
        .on_worker_start(move |index| starts.note(index))
        .on_worker_stop(move |index| stops.note(index))
        .build();
    (
        built.expect("a plain configuration is accepted"),
        started,
        stopped,
    )
}

fn each_once(log: &Log<usize>) {
    let mut indices = log.take();
    indices.sort_unstable();
    assert_eq!(indices, Vec::from_iter(0..MANY));
}

fn split(ctx: &JobContext<'_>, depth: u32) -> u32 {
    if depth == 0 {
        return 1;
    }
    let (a, b) = ctx.join(|ctx| split(ctx, depth - 1), |ctx| split(ctx, depth - 1));
    a + b
}

#[test]
fn many_workers_stop_after_much_work() {
    on_each_backend(|backend| {
        let (pool, started, stopped) = noted(backend);
        each_once(&started);
        let splits = pool
            .submit(job(|ctx: &JobContext<'_>| split(ctx, 14)))
            .expect(ROOM);
        assert_eq!(ended(splits).expect("it completes"), 1 << 14);
        assert!(stopped.take().is_empty(), "the pool is open");
        // The drop drains, and returns once all have stopped.
        drop(pool);
        each_once(&stopped);
    });
}

#[test]
fn many_workers_stop_though_they_sleep() {
    on_each_backend(|backend| {
        let (pool, started, stopped) = noted(backend);
        each_once(&started);
        // A worker that has run a job at the same time as all the others goes to sleep after it.
        meet(&pool, MANY);
        pool.wait_idle();
        Count::new().stays_below(1, Duration::from_millis(50));
        drop(pool);
        each_once(&stopped);
    });
}

#[test]
fn workers_that_never_had_a_job_stop() {
    on_each_backend(|backend| {
        let (pool, started, stopped) = noted(backend);
        drop(pool);
        each_once(&started);
        each_once(&stopped);
    });
}

#[test]
fn each_worker_knows_its_place_and_nobody_else_has_one() {
    on_each_backend(|backend| {
        let pool = pool(backend, MANY, 4);
        assert_eq!(pool.capability().workers, MANY);
        let places: BTreeSet<usize> = meet(&pool, MANY).into_iter().map(|it| it.0).collect();
        assert_eq!(places, (0..MANY).collect());
        ends_clean(&pool);
    });
}

/// Errors of a build cross threads.
#[test]
fn a_refusal_to_build_can_be_sent_and_shared() {
    fn is_both<T: Send + Sync + std::error::Error>() {}
    is_both::<BuildError>();
    on_each_backend(|backend| {
        let build = move || Pool::builder().backend(backend).workers(0).build().err();
        let error = thread::spawn(build).join().expect("a build does not panic");
        assert!(matches!(error, Some(BuildError::NoWorkers)), "{error:?}");
    });
}

/// The pool's handle is dropped while its own jobs still have jobs to submit.
#[test]
fn a_pool_that_was_dropped_runs_what_its_jobs_still_submit() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 4);
        let (gate, ran) = (Gate::new(), Count::new());
        let (pass, runs) = (gate.pass(), ran.clone());
        let parent = move |ctx: &JobContext<'_>| {
            pass.wait();
            let child = move |_: &JobContext<'_>| Ok::<_, std::convert::Infallible>(runs.add());
            ctx.execute(child).expect("its pool drains");
        };
        pool.submit(job(parent)).expect(ROOM).detach();
        let dropping = thread::spawn(move || drop(pool));
        gate.open();
        dropping.join().expect("a drop does not panic");
        assert_eq!(ran.get(), 1, "the child ran before the drop returned");
    });
}

/// No thread waits for the workers of a pool whose own job drops it; they still stop.
#[test]
fn workers_of_a_pool_that_its_own_job_drops_stop() {
    on_each_backend(|backend| {
        let (pool, started, stopped) = noted(backend);
        each_once(&started);
        let (gate, stops) = (Gate::new(), stopped.clone());
        let (pass, own) = (gate.pass(), pool.clone());
        let drops = pool.spawn(move || {
            pass.wait();
            drop(own);
        });
        let drops = drops.expect(ROOM);
        drop(pool);
        gate.open();
        ended(drops).expect("the drop returns");
        let mut seen = Vec::new();
        let limit = Instant::now() + PATIENCE;
        while seen.len() < MANY {
            assert!(Instant::now() < limit, "only these have stopped: {seen:?}");
            seen.extend(stops.take());
            thread::yield_now();
        }
        seen.sort_unstable();
        assert_eq!(seen, Vec::from_iter(0..MANY));
    });
}

/// Panics of jobs that submit jobs reach the observer, at each depth.
#[test]
fn panics_of_children_and_of_their_children_are_observed() {
    const DEPTH: usize = 3;
    on_each_backend(|backend| {
        let observed = Count::new();
        let seen = observed.clone();
        let builder = Pool::builder().backend(backend).workers(2);
        let pool = builder
            .on_failure(move |_| {
                seen.add();
            })
            .build()
            .expect("a plain configuration is accepted");
        pool.execute(|ctx: &JobContext<'_>| throw_at_each_depth(ctx, DEPTH))
            .expect(ROOM);
        observed.wait_for(DEPTH + 1);
        let report = pool.shutdown(ShutdownPolicy::drain());
        assert_eq!(report.panicked(), DEPTH as u64 + 1, "{report}");
        assert_eq!(observed.get(), DEPTH + 1);
    });
}

fn throw_at_each_depth(ctx: &JobContext<'_>, depth: usize) -> Result<(), std::convert::Infallible> {
    if depth > 0 {
        let child = move |ctx: &JobContext<'_>| throw_at_each_depth(ctx, depth - 1);
        ctx.execute(child).expect(ROOM);
    }
    std::panic::resume_unwind(Box::new("at each depth"));
}
