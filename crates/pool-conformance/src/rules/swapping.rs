//! Swapping: the same code through every form of an executor, and a change of the backend under
//! load.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use pool_core::backend::PoolConfig;
use pool_core::{
    BuildError, CancelToken, Executor, ExecutorExt, JobContext, JobError, JobExt, JobHandle,
    Shutdown,
};

use crate::fixture::Fixture;
use crate::probe::{Alive, Count, Log, ROOM, books_only_grow, ended, plain, pool, wait_until};
use crate::rule::{Applied, Rule};
use crate::subject::{Subject, TestedPool};
use crate::thread::{self, current};

pub(super) const PRODUCERS: usize = 4;

/// Swaps, and the jobs that run between two of them: the last swap, too, meets a pool under load.
const SWAPS: usize = 20;

/// How many backends take over from each other while a long job runs.
const SUCCESSORS: usize = 3;

fn jobs_each() -> usize {
    thread::often(500)
}

fn jobs_a_swap() -> usize {
    PRODUCERS * jobs_each() / (thread::often(SWAPS) + 5)
}

pub(crate) fn rules() -> Vec<Rule> {
    vec![
        Rule::required(
            "R901",
            "the same code gives the same results on every face of the executor",
            r901,
        ),
        Rule::required(
            "R902",
            "a swap under load runs every job once and resolves every handle",
            r902,
        ),
        Rule::required(
            "R903",
            "a swap leaves nothing of the old backend once that is quiet, and its jobs' children go to the new one",
            r903,
        ),
    ]
}

fn r901(subject: Subject) -> Applied {
    let concrete = subject.concrete_face();
    let faced = |face: fn(&TestedPool) -> Vec<String>| faced(&pool(subject, 2, 16), face);
    let dynamic = faced(|pool| everything(pool as &dyn Executor));
    let boxed = faced(|pool| everything(&(Box::new(pool.clone()) as Box<dyn Executor>)));
    let shared = faced(|pool| everything(&(Arc::new(pool.clone()) as Arc<dyn Executor>)));
    assert_eq!(concrete.len(), 14, "results: {concrete:#?}");
    assert_eq!(concrete, dynamic, "through `&dyn Executor`");
    assert_eq!(concrete, boxed, "through `Box<dyn Executor>`");
    assert_eq!(concrete, shared, "through `Arc<dyn Executor>`");
    Applied::Held
}

/// On a pool of the fixture's own type. This is all of the rules that is compiled for each fixture.
pub(crate) fn concrete_face<F: Fixture>() -> Vec<String> {
    let pool = F::build(plain(2, 16)).expect("a plain configuration is accepted");
    faced(&pool, everything)
}

/// The results of `body` on a fresh pool, the refusals after its close, and its stats.
fn faced<P: Executor + Shutdown>(pool: &P, body: impl FnOnce(&P) -> Vec<String>) -> Vec<String> {
    let mut results = body(pool);
    let face: &dyn Executor = pool;
    face.wait_idle();
    let report = pool.shutdown(Duration::from_secs(10).into());
    let refused = face.spawn(|| 7).expect_err("a closed pool refuses");
    let reason = format!("{refused:?}");
    let still_runs = refused.into_job();
    results.push(format!("{reason} {}", still_runs()));
    results.push(format!(
        "{} accepted, {} completed, {} failed, {} panicked, {} cancelled, {} expired",
        report.accepted(),
        report.completed(),
        report.failed(),
        report.panicked(),
        report.cancelled(),
        report.expired(),
    ));
    results
}

/// Every way in and every way out that a library may use without knowing its executor.
fn everything<E: Executor + ?Sized>(executor: &E) -> Vec<String> {
    let open = "the pool is open";
    let add = |a: i32, b: i32| move |_: &JobContext<'_>| Ok::<_, Infallible>(a + b);
    let cancelled = CancelToken::new();
    cancelled.cancel();
    let capability = executor.capability();
    let mut results = vec![
        format!("{} {:?}", capability.workers, capability.capacity),
        seen(executor.spawn(|| 1).expect(open)),
        seen(executor.submit(add(1, 1)).expect(open)),
        seen(executor.try_submit(add(1, 2)).expect("there is room")),
        seen(
            executor
                .submit_timeout(add(2, 2), Duration::MAX)
                .expect(open),
        ),
        seen(
            executor
                .submit(add(0, 0).with_token(&cancelled))
                .expect(open),
        ),
        seen(
            executor
                .submit(add(0, 0).with_timeout(Duration::ZERO))
                .expect(open),
        ),
        seen(
            executor
                .submit(|_: &JobContext<'_>| Err::<(), _>("no ink"))
                .expect(open),
        ),
        // A panic, but the process's hook prints nothing.
        seen(
            executor
                .spawn(|| -> () { resume_unwind(Box::new("jam")) })
                .expect(open),
        ),
        seen(executor.submit(parent).expect(open)),
    ];
    let mapped = executor.map(0..5, |n| n * n).map(Result::unwrap);
    results.push(format!("{:?}", mapped.collect::<Vec<_>>()));
    results.push(borrowed(executor));
    results
}

/// A job whose child runs where the executor of its context decides.
fn parent(ctx: &JobContext<'_>) -> Result<i32, Infallible> {
    let child = ctx.submit(|ctx: &JobContext<'_>| Ok::<_, Infallible>(ctx.worker() < 2));
    let is_known_worker = child.expect("its pool is open").join().expect("it ends");
    Ok(i32::from(is_known_worker))
}

fn borrowed<E: Executor + ?Sized>(executor: &E) -> String {
    let (mut left, mut right) = (0, 0);
    let scope = executor.scope(|scope| {
        scope.spawn(|| left = 1).expect("the pool is open");
        scope.spawn(|| right = 2).expect("the pool is open");
    });
    format!("{} {left} {right}", scope.is_ok())
}

fn seen<T, E>(handle: JobHandle<T, E>) -> String
where
    Result<T, JobError<E>>: std::fmt::Debug,
{
    format!("{:?}", handle.join())
}

fn r902(subject: Subject) -> Applied {
    // A bound below the number of producers, so some of them wait for room during the swap.
    let pool = pool(subject, 2, PRODUCERS / 2);
    match pool.swap() {
        None => return Applied::NotHere("the executor has one strategy"),
        Some(first) => first.expect("an idle pool can be swapped"),
    }
    runs_once_while(&pool, |_| pool.swap());
    Applied::Held
}

/// Has producers submit jobs to `pool`, and replaces what is below it [`SWAPS`] times meanwhile,
/// each time by `swap`, which gets the number of the time. Each job runs once, and each handle is
/// that of its job.
pub(super) fn runs_once_while<P: Executor + Shutdown>(
    pool: &P,
    swap: impl Fn(usize) -> Option<Result<(), BuildError>>,
) {
    let runs: Arc<[AtomicU8]> = (0..PRODUCERS * jobs_each())
        .map(|_| AtomicU8::new(0))
        .collect();
    let ran = Count::new();
    let load = || {
        thread::scope(|scope| {
            let producers: Vec<_> = (0..PRODUCERS)
                .map(|producer| {
                    let (runs, ran) = (&runs, &ran);
                    scope.spawn(move || produce(pool, producer, runs, ran))
                })
                .collect();
            for number in 0..thread::often(SWAPS) {
                wait_until("jobs that run between two swaps", pool, || {
                    let is_failed = producers.iter().all(|producer| producer.is_finished());
                    ran.get() >= number * jobs_a_swap() || is_failed
                });
                swap(number)
                    .expect("it could before")
                    .expect("a pool under load can be swapped");
            }
            let joined = producers
                .into_iter()
                .flat_map(|producer| producer.join().unwrap_or_else(|panic| resume_unwind(panic)));
            joined.collect::<Vec<_>>()
        })
    };
    let handles = books_only_grow(pool, load);
    for (id, handle) in handles {
        let gave = handle.join().expect("a job outlives a swap");
        assert_eq!(gave, id, "the handle of another job");
    }
    for (id, runs) in runs.iter().enumerate() {
        let runs = runs.load(Ordering::Relaxed);
        assert_eq!(runs, 1, "job {id} ran {runs} times");
    }
    balances(pool, (PRODUCERS * jobs_each()) as u64);
}

type Submitted = Vec<(usize, JobHandle<usize, Infallible>)>;

/// Submits this producer's jobs; each counts its runs.
fn produce<E: Executor>(
    pool: &E,
    producer: usize,
    runs: &Arc<[AtomicU8]>,
    ran: &Count,
) -> Submitted {
    let ids = producer * jobs_each()..(producer + 1) * jobs_each();
    let submit = |id: usize| {
        let (runs, ran) = (Arc::clone(runs), ran.clone());
        let job = move || {
            runs[id].fetch_add(1, Ordering::Relaxed);
            ran.add();
            id
        };
        let handle = pool.spawn(job).expect("a swap closes nothing");
        (id, handle)
    };
    ids.map(submit).collect()
}

/// Jobs that moved from one backend to the next are counted once.
fn balances(pool: &impl Shutdown, jobs: u64) {
    let report = pool.shutdown(Duration::from_secs(10).into());
    assert!(report.balances(), "the report does not balance: {report}");
    assert_eq!(
        (report.accepted(), report.completed()),
        (jobs, jobs),
        "each job is accepted once and completes once: {report}"
    );
}

fn r903(subject: Subject) -> Applied {
    let states = Alive::new();
    let mut config = PoolConfig::default();
    config.set_workers(1);
    config.set_capacity(8);
    let made = states.clone();
    config.set_on_worker_start(move |_| made.value());
    let pool = subject
        .build(config)
        .expect("a plain configuration is accepted");
    let (asks, children, started) = (Count::new(), Log::new(), Count::new());
    let long = {
        let (asks, children, started) = (asks.clone(), children.clone(), started.clone());
        move |ctx: &JobContext<'_>| {
            started.add();
            for ask in 1..=SUCCESSORS {
                asks.wait_for(ask);
                let child = ctx.submit(|_: &JobContext<'_>| Ok::<_, Infallible>(current().id()));
                children.note(child.expect("a swap closes nothing"));
                started.add();
            }
            Ok::<_, Infallible>(current().id())
        }
    };
    let long = pool.submit(long).expect(ROOM);
    started.wait_for(1);
    let mut ran = Vec::new();
    for ask in 1..=SUCCESSORS {
        match pool.swap() {
            None => {
                (0..SUCCESSORS).for_each(|_| _ = asks.add());
                return Applied::NotHere("the executor has one strategy");
            }
            Some(swapped) => swapped.expect("a pool with a long job can be swapped"),
        }
        asks.add();
        started.wait_for(1 + ask);
        // Its parent still runs, so the worker of the old backend has no time for it.
        ran.extend(children.take().into_iter().map(ended));
    }
    let parent = ended(long).expect("it completes");
    for child in ran {
        let child = child.expect("it completes");
        assert_ne!(
            child, parent,
            "a child ran on the worker of the old backend"
        );
    }
    wait_until("no worker but the newest backend's one", &pool, || {
        states.count() <= 1 && pool.stats().workers == 1
    });
    balances(&pool, 1 + SUCCESSORS as u64);
    wait_until("no worker at all", &pool, || states.count() == 0);
    Applied::Held
}
