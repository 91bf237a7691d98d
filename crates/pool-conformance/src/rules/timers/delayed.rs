//! R1043 and R1044: jobs that are submitted once a time has passed.

use std::convert::Infallible;
use std::time::Duration;

use pool_core::{
    CancelToken, Executor, ExecutorExt, JobContext, JobError, JobExt, JobHandle, Shutdown,
    ShutdownPolicy, infallible_fn,
};

use super::SHORT;
use crate::probe::{
    Alive, AliveValue, Count, FAR, PATIENCE, ROOM, ended, occupy, pool, wait_until,
};
use crate::rule::Applied;
use crate::subject::Subject;
use crate::thread;

pub(super) fn r1043(subject: Subject) -> Applied {
    runs_once_when_it_is_due(subject);
    full_pool_loses_none(subject);
    a_swap_loses_none(subject);
    let pool = pool(subject, 1, 8);
    cancelled_before_it_is_due(&pool);
    timeout_counts_from_when_it_is_due(&pool);
    Applied::Held
}

fn runs_once_when_it_is_due(subject: Subject) {
    let pool = pool(subject, 2, 8);
    let ran = Count::new();
    let submit = |delay| {
        let (asked, ran) = (thread::now(), ran.clone());
        let job = infallible_fn(move || {
            ran.add();
            (asked + delay, thread::now())
        });
        pool.after(delay, job).expect("the pool is open")
    };
    let delays = [2 * SHORT, SHORT, Duration::ZERO, SHORT];
    let handles = delays.map(submit);
    for handle in handles {
        let (due, began) = ended(handle).expect("it runs");
        assert!(began >= due, "it ran before its time");
    }
    pool.wait_idle();
    assert_eq!(ran.get(), delays.len(), "one ran twice");
    assert_eq!(pool.stats().completed, 4);
}

/// They are due while the queue is full and the only worker is busy. None of them blocks the clock,
/// which then calls the next.
fn full_pool_loses_none(subject: Subject) {
    let pool = pool(subject, 1, 1);
    let gate = occupy(&pool, 1);
    let queued = pool.spawn(|| ()).expect("the one place");
    let later = [1, 2, 3].map(|n| {
        let job = infallible_fn(move || n);
        pool.after(n * SHORT, job).expect("the pool is open")
    });
    let token = CancelToken::new();
    let dead = infallible_fn(|| ()).with_deadline(thread::now() + 4 * SHORT);
    let dead = pool
        .after(FAR, dead.with_token(&token))
        .expect("the pool is open");
    let outcome = ended(dead);
    assert!(matches!(outcome, Err(JobError::Expired)), "{outcome:?}");
    assert!(
        !later.iter().any(JobHandle::is_finished),
        "no worker is free"
    );
    gate.open();
    ended(queued).expect("it runs");
    for (handle, n) in later.into_iter().zip(1..) {
        assert_eq!(ended(handle).expect("it runs"), n);
    }
}

fn a_swap_loses_none(subject: Subject) {
    let pool = pool(subject, 1, 8);
    let ran = Count::new();
    let submit = |delay| {
        let (asked, ran) = (thread::now(), ran.clone());
        let job = infallible_fn(move || {
            ran.add();
            thread::now() >= asked + delay
        });
        pool.after(delay, job).expect("the pool is open")
    };
    let (soon, never) = (submit(SHORT), submit(FAR));
    let Some(swapped) = pool.swap() else {
        return;
    };
    swapped.expect("it can be swapped");
    assert!(ended(soon).expect("it runs"), "it ran before its time");
    assert!(!never.is_finished(), "the swap ended it");
    pool.close();
    let outcome = ended(never);
    assert!(matches!(outcome, Err(JobError::Abandoned)), "{outcome:?}");
    assert_eq!(ran.get(), 1);
}

/// A job that is never to run.
fn unwanted(captured: AliveValue) -> impl FnOnce(&JobContext<'_>) -> Result<(), Infallible> + Send {
    move |_: &JobContext<'_>| {
        drop(captured);
        unreachable!("nobody wants it")
    }
}

/// By its handle it ends at once, and leaves nothing; by its token, promptly.
fn cancelled_before_it_is_due(pool: &impl Executor) {
    let alive = Alive::new();
    let before = pool.stats().accepted;
    let by_handle = pool.after(FAR, unwanted(alive.value())).expect(ROOM);
    assert_eq!(alive.count(), 1, "the job holds what it captured");
    by_handle.cancel();
    assert_eq!(alive.count(), 0, "cancel drops what the job captured");
    assert!(by_handle.is_finished(), "a cancelled job is over at once");
    let outcome = ended(by_handle);
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
    assert_eq!(pool.stats().accepted, before, "it was never in the pool");

    let token = CancelToken::new();
    let job = unwanted(alive.value()).with_token(&token);
    let by_token = pool.after(FAR, job).expect(ROOM);
    token.cancel();
    let outcome = ended(by_token);
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
    assert_eq!(alive.count(), 0);
}

fn timeout_counts_from_when_it_is_due(pool: &impl Executor) {
    let now = thread::now();
    let job = |ctx: &JobContext<'_>| Ok::<_, Infallible>(ctx.deadline());
    let handle = pool.after(SHORT, job.with_timeout(PATIENCE)).expect(ROOM);
    let deadline = ended(handle).expect("it is in time");
    assert!(
        deadline >= Some(now + SHORT + PATIENCE),
        "it counts too early"
    );
}

pub(super) fn r1044(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 8);
    let alive = Alive::new();
    let later: Vec<_> = (0..3)
        .map(|_| pool.after(FAR, unwanted(alive.value())).expect(ROOM))
        .collect();
    let never = pool.after(Duration::MAX, unwanted(alive.value()));
    let never = never.expect(ROOM);
    pool.wait_idle();
    let stats = pool.stats();
    assert_eq!((stats.accepted, stats.queued), (0, 0), "{stats}");
    pool.close();
    for handle in later.into_iter().chain([never]) {
        let outcome = ended(handle);
        assert!(matches!(outcome, Err(JobError::Abandoned)), "{outcome:?}");
    }
    wait_until("all captures are dropped", &pool, || alive.count() == 0);
    let refused = pool.after(SHORT, unwanted(alive.value()));
    let refused = refused.expect_err("the pool is closed");
    assert!(refused.is_closed(), "{refused:?}");
    assert_eq!(alive.count(), 1, "the job came back whole");
    drop(refused.into_job());
    let report = pool.shutdown(ShutdownPolicy::drain());
    assert!(report.balances() && report.is_clean(), "{report}");
    ended_with_the_last_handle(subject);
    raced_by_a_close(subject);
    Applied::Held
}

fn ended_with_the_last_handle(subject: Subject) {
    let pool = pool(subject, 1, 8);
    let alive = Alive::new();
    let handle = pool.after(FAR, unwanted(alive.value())).expect(ROOM);
    drop(pool);
    let outcome = ended(handle);
    assert!(matches!(outcome, Err(JobError::Abandoned)), "{outcome:?}");
    let limit = thread::now() + PATIENCE;
    while alive.count() > 0 {
        assert!(
            thread::now() < limit,
            "the pool is gone, and the captures are not"
        );
        thread::yield_now();
    }
}

/// Jobs are due at the moment of the close: each runs once, or is abandoned.
fn raced_by_a_close(subject: Subject) {
    for _ in thread::rounds(50) {
        let pool = pool(subject, 1, 8);
        let ran = Count::new();
        let handles = [0, 1, 2].map(|n| {
            let ran = ran.clone();
            let job = infallible_fn(move || ran.add());
            let handle = pool.after(Duration::from_micros(50 * n), job);
            handle.expect("the pool is open")
        });
        pool.close();
        let outcomes = handles.map(ended);
        let completed = outcomes.iter().filter(|it| it.is_ok()).count();
        let is_either = |it: &Result<_, _>| matches!(it, Ok(_) | Err(JobError::Abandoned));
        assert!(outcomes.iter().all(is_either), "{outcomes:?}");
        assert_eq!(ran.get(), completed, "one ran twice, or was lost");
    }
}
