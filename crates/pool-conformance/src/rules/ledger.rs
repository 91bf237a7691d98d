//! Chapter 7: the ledger never counts ahead, is exact once the pool is idle, and can be read at any
//! time.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_core::backend::PoolConfig;
use pool_core::{CancelToken, Executor, ExecutorExt, JobContext, JobExt};

use crate::probe::{
    Count, Gate, ROOM, assert_sound, books_only_grow, ended, occupy, pool, wait_until,
};
use crate::rule::{Applied, Rule};
use crate::subject::{Subject, TestedPool};
use crate::thread;

/// Rounds of jobs that run while snapshots are taken, and refusals of each of two threads.
const ROUNDS: usize = 2000;
const REFUSALS: usize = 20_000;

pub(crate) fn rules() -> Vec<Rule> {
    vec![
        Rule::required(
            "R701",
            "the books never run ahead or back, and are exact once the pool is quiet",
            r701,
        ),
        Rule::required(
            "R702",
            "reading the books waits for no job and holds up none",
            r702,
        ),
    ]
}

fn r701(subject: Subject) -> Applied {
    refused_jobs_do_not_count(subject);
    let pool = pool(subject, 2, 64);
    let rounds = thread::often(ROUNDS) as u64;
    books_only_grow(&pool, || {
        (0..rounds).for_each(|_| submit_one_of_each(&pool));
    });
    withdraw_one(&pool);
    wait_until("every job in its column", &pool, || {
        let stats = pool.stats();
        stats.accepted == stats.finished() + stats.unstarted
    });
    let stats = pool.stats();
    assert_eq!(
        stats.accepted,
        5 * rounds + 3,
        "accepted, after {rounds} rounds of 5 and 3: {stats}"
    );
    assert_eq!(stats.completed, rounds + 2, "completed: {stats}");
    assert_eq!(stats.failed, rounds, "failed: {stats}");
    assert_eq!(stats.panicked, rounds, "panicked: {stats}");
    assert_eq!(stats.cancelled, rounds + 1, "cancelled: {stats}");
    assert_eq!(stats.expired, rounds, "expired: {stats}");
    assert_eq!(stats.abandoned + stats.unstarted, 0, "never ran: {stats}");
    assert_eq!(stats.queued + stats.running, 0, "a quiet pool: {stats}");
    Applied::Held
}

/// One job for each outcome that a job can have in a pool that stays open.
fn submit_one_of_each(pool: &impl Executor) {
    let cancelled = CancelToken::new();
    cancelled.cancel();
    let ok = |_: &JobContext<'_>| Ok::<_, Infallible>(());
    let room = "submit waits for room";
    pool.submit(ok).expect(room).detach();
    pool.execute(|_: &JobContext<'_>| Err::<(), _>("no ink"))
        .expect(room);
    // A panic, but the process's hook prints nothing.
    pool.execute(|_: &JobContext<'_>| -> Result<(), Infallible> { resume_unwind(Box::new("jam")) })
        .expect(room);
    pool.submit(ok.with_token(&cancelled)).expect(room).detach();
    // It does not wait for room, since its deadline has passed.
    loop {
        match pool.submit(ok.with_timeout(Duration::ZERO)) {
            Ok(handle) => break handle.detach(),
            Err(refused) => assert!(refused.is_full(), "the pool is open"),
        }
        pool.wait_idle();
    }
}

/// Cancels a queued job through its handle, while two jobs that complete later hold the two
/// workers.
fn withdraw_one(pool: &impl Executor) {
    pool.wait_idle();
    let (gate, started) = (Gate::new(), Count::new());
    let hold = |_| {
        let (pass, started) = (gate.pass(), started.clone());
        let held = pool.spawn(move || {
            started.add();
            pass.wait();
        });
        held.expect("the pool is open").detach();
    };
    (0..2).for_each(hold);
    started.wait_for(2);
    let withdrawn = pool.spawn(|| ()).expect("the pool is open");
    withdrawn.cancel();
    assert!(withdrawn.join().is_err(), "a cancelled job gave a value");
}

/// A full pool refuses repeatedly: at no moment does it count more jobs as accepted than it holds.
fn refused_jobs_do_not_count(subject: Subject) {
    let pool = pool(subject, 1, 2);
    let Some(capacity) = pool.capability().capacity else {
        return;
    };
    let gate = occupy(&pool, 1);
    while pool.try_execute(unit).is_ok() {}
    let accepted = pool.stats().accepted;
    let (refusals, refused) = (thread::often(REFUSALS), Count::new());
    books_only_grow(&pool, || {
        thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    for _ in 0..refusals {
                        pool.try_execute(unit).expect_err("it is full");
                    }
                    refused.add();
                });
            }
            while refused.get() < 2 {
                let stats = pool.stats();
                assert_eq!(stats.accepted, accepted, "a refused job counts: {stats}");
                assert!(stats.queued <= capacity as u64, "beyond the bound: {stats}");
                thread::yield_now();
            }
        });
    });
    gate.open();
}

fn unit(_: &JobContext<'_>) -> Result<(), Infallible> {
    Ok(())
}

fn r702(subject: Subject) -> Applied {
    read_while_busy(subject);
    read_within_user_code(subject);
    Applied::Held
}

/// All workers are in jobs, the queue is full, a submitter waits: the ledger can be read from
/// outside and from inside.
fn read_while_busy(subject: Subject) {
    let pool = pool(subject, 2, 1);
    let (gate, started) = (Gate::new(), Count::new());
    for _ in 0..2 {
        let (pass, started) = (gate.pass(), started.clone());
        pool.execute(move |ctx: &JobContext<'_>| {
            // It may run before its submitter has counted it.
            wait_until("the job in the books", ctx.executor(), || {
                ctx.executor().stats().running >= 1
            });
            started.add();
            pass.wait();
            Ok::<_, Infallible>(())
        })
        .expect("submit waits for room");
    }
    started.wait_for(2);
    pool.spawn(|| ()).expect("there is one place").detach();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.spawn(|| ()).expect("the gate opens").join());
        let stats = pool.stats();
        assert_eq!(stats.running, 2, "two jobs are at the gate: {stats}");
        assert!(stats.queued >= 1, "one job is queued: {stats}");
        gate.open();
        let waited = waiting.join().expect("the submitter does not panic");
        waited.expect("the job completes");
    });
}

fn read_within_user_code(subject: Subject) {
    within_user_code(subject, |pool| assert_sound(&pool.stats()), |_| ());
}

/// Looks at a pool where it would be most likely to hold a lock: in the observer of failures and in
/// the drops of jobs; and, by `in_job`, in a job.
pub(super) fn within_user_code(
    subject: Subject,
    look: fn(&TestedPool),
    in_job: fn(&JobContext<'_>),
) {
    let shared = Shared::<TestedPool>(Arc::default(), look);
    let seen = Count::new();
    let mut config = PoolConfig::default();
    config.set_workers(1);
    config.set_capacity(4);
    let (observed, count) = (shared.clone(), seen.clone());
    config.set_on_failure(move |_| {
        observed.look();
        count.add();
    });
    let pool = subject
        .build(config)
        .expect("a plain configuration is accepted");
    *shared.lock() = Some(pool.clone());

    let (gate, looks) = (Gate::new(), Looks(shared.clone(), seen.clone()));
    let pass = gate.pass();
    let failing = move |ctx: &JobContext<'_>| {
        let _looks_as_it_is_dropped = looks;
        pass.wait();
        in_job(ctx);
        Err::<(), _>("no ink")
    };
    let failing = pool.submit(failing.named("failing")).expect(ROOM);
    let looks = Looks(shared.clone(), seen.clone());
    let queued = pool.spawn(move || drop(looks)).expect(ROOM);
    queued.cancel();
    gate.open();
    assert!(ended(failing).is_err(), "a job that fails gave a value");
    // The drops of both jobs, and the observer of the one that failed on a worker.
    seen.wait_for(3);
    let held = shared.lock().take();
    drop(held);
}

/// A pool, once it is built, and how to look at it.
struct Shared<P>(Arc<Mutex<Option<P>>>, fn(&P));

impl<P> Shared<P> {
    fn lock(&self) -> MutexGuard<'_, Option<P>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        if let Some(pool) = &*self.lock() {
            (self.1)(pool);
        }
    }
}

impl<P> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1)
    }
}

/// Looks when it is dropped.
struct Looks<P>(Shared<P>, Count);

impl<P> Drop for Looks<P> {
    fn drop(&mut self) {
        self.0.look();
        self.1.add();
    }
}
