//! Chapter 4: cancellation and deadlines reach a job wherever it is, and reach nothing else.

mod children;
mod extremes;
mod suspended;

use std::convert::Infallible;
use std::fmt::Debug;
use std::time::Duration;

use pool_core::{
    AsyncContext, AsyncJobExt, CancelToken, Configured, Executor, ExecutorExt, Interrupted,
    JobContext, JobError, JobExt, JobHandle, JobOptions,
};

use crate::probe::{Alive, AliveValue, Count, Gate, PATIENCE, ROOM, ended, let_pass, occupy, pool};
use crate::rule::{Applied, Kind, Rule};
use crate::subject::Subject;
use crate::thread;
use children::r406;
use extremes::r407;
use suspended::r405;

pub(crate) fn rules() -> Vec<Rule> {
    let all = Kind::Required;
    vec![
        Rule::new("R401", "cancelled before its start", all, r401),
        Rule::new("R402", "cancelled after its start", all, r402),
        Rule::new("R403", "a late job never starts", all, r403),
        Rule::new("R404", "a job sees its deadline", all, r404),
        Rule::new(
            "R405",
            "an unwanted future is dropped",
            Kind::ASYNC_JOBS,
            r405,
        ),
        Rule::new("R406", "children inherit", all, r406),
        Rule::new("R407", "far and past deadlines", all, r407),
    ]
}

/// Tries longer and longer deadlines until the job starts in time: on a busy machine it may start
/// too late.
pub(super) fn in_time<R>(mut attempt: impl FnMut(Duration) -> Option<R>) -> R {
    let mut timeout = Duration::from_millis(50);
    while timeout < PATIENCE {
        if let Some(result) = attempt(timeout) {
            return result;
        }
        timeout *= 4;
    }
    panic!("a job with {timeout:?} to its deadline did not start")
}

fn r401(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 8);
    let gate = occupy(&pool, 1);
    let (alive, ran) = (Alive::new(), Count::new());
    cancelled_at_once(spawn_counted(&pool, &ran, alive.value()), &alive);
    if pool.capability().async_jobs {
        let (captured, runs) = (alive.value(), ran.clone());
        let future = move |_: AsyncContext| async move {
            runs.add();
            drop(captured);
            Ok::<_, Infallible>(())
        };
        cancelled_at_once(pool.submit_future(future).expect(ROOM), &alive);
    }
    gate.open();
    pool.wait_idle();
    assert_eq!(ran.get(), 0, "the body of a cancelled job ran");
    cancel_races_start(&pool);
    over_on_arrival(subject);
    Applied::Held
}

fn spawn_counted(
    pool: &impl Executor,
    ran: &Count,
    captured: AliveValue,
) -> JobHandle<(), Infallible> {
    let ran = ran.clone();
    let job = move || {
        ran.add();
        drop(captured);
    };
    pool.spawn(job).expect(ROOM)
}

/// The only worker is still busy, so the worker has done none of this.
fn cancelled_at_once<T: Debug, E: Debug>(handle: JobHandle<T, E>, alive: &Alive) {
    assert_eq!(alive.count(), 1, "the job holds what it captured");
    handle.cancel();
    assert_eq!(alive.count(), 0, "cancel drops what the job captured");
    assert!(handle.is_finished(), "a cancelled job is over at once");
    let outcome = ended(handle);
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
}

/// A job whose token is already cancelled, or whose deadline has passed, ends when it is submitted,
/// and is never queued.
fn over_on_arrival(subject: Subject) {
    let pool = pool(subject, 1, 1);
    let gate = occupy(&pool, 1);
    let token = CancelToken::new();
    token.cancel();
    let unwanted = |_: &JobContext<'_>| -> Result<(), Infallible> { unreachable!("it is over") };
    let future = |_: AsyncContext| async { unreachable!("it is over") };
    let cancelled = pool.try_submit(unwanted.with_token(&token));
    let late = pool.try_submit(unwanted.with_deadline(thread::now()));
    let mut over = vec![cancelled.expect("it takes no place"), late.expect(ROOM)];
    if pool.capability().async_jobs {
        over.push(pool.submit_future(future.with_token(&token)).expect(ROOM));
        let late = future.with_deadline(thread::now());
        over.push(pool.submit_future(late).expect(ROOM));
    }
    for (number, handle) in over.into_iter().enumerate() {
        assert!(handle.is_finished(), "it is over as it is submitted");
        match (number % 2, ended(handle)) {
            (0, Err(JobError::Cancelled)) | (1, Err(JobError::Expired)) => {}
            (_, outcome) => panic!("one that is over on arrival gave {outcome:?}"),
        }
    }
    assert_eq!(pool.stats().queued, 0);
    let queued = pool.try_submit(|_: &JobContext<'_>| Ok::<_, Infallible>(7));
    let queued = queued.expect("the one place is free");
    gate.open();
    assert!(matches!(ended(queued), Ok(7)));
}

/// Whichever side wins, body and outcome agree.
fn cancel_races_start(pool: &impl Executor) {
    let (alive, ran) = (Alive::new(), Count::new());
    let mut completed = 0;
    for _ in 0..thread::often(500) {
        let handle = spawn_counted(pool, &ran, alive.value());
        handle.cancel();
        match ended(handle) {
            Ok(()) => completed += 1,
            Err(error) => assert!(matches!(error, JobError::Cancelled), "{error:?}"),
        }
    }
    pool.wait_idle();
    assert_eq!(ran.get(), completed, "a job ran exactly if it completed");
    assert_eq!(alive.count(), 0);
}

fn r402(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 8);
    let token = CancelToken::new();
    let told = cancelled_midway(&pool, Some(&token), |ctx| ctx.check().map_err(|_| "told"));
    assert!(matches!(told, Err(JobError::Cancelled)), "{told:?}");
    let told = cancelled_midway(&pool, None, |ctx| ctx.check().map_err(|_| "told"));
    assert!(matches!(told, Err(JobError::Cancelled)), "{told:?}");
    let other = cancelled_midway(&pool, None, |ctx| {
        assert_eq!(ctx.check(), Err(Interrupted::Cancelled));
        Err::<(), _>("something else")
    });
    assert!(matches!(other, Err(JobError::Cancelled)), "{other:?}");
    let value = cancelled_midway(&pool, None, |ctx| {
        assert_eq!(ctx.check(), Err(Interrupted::Cancelled));
        Ok::<_, Infallible>(7)
    });
    assert!(matches!(value, Ok(7)), "{value:?}");
    let unasked = cancelled_midway(&pool, None, |_| Err::<(), _>("own"));
    assert!(
        matches!(unasked, Err(JobError::Failed("own"))),
        "{unasked:?}"
    );
    let panicked = cancelled_midway(&pool, None, |ctx| {
        let _told = ctx.check();
        if ctx.is_cancelled() {
            panic!("after a cancellation");
        }
        Ok::<_, Infallible>(())
    });
    assert!(
        matches!(panicked, Err(JobError::Panicked(_))),
        "{panicked:?}"
    );
    if pool.capability().async_jobs {
        futures_decide(&pool);
    }
    Applied::Held
}

/// Runs `body` in a job that was cancelled after its start: by `token`, otherwise by its handle.
fn cancelled_midway<T, E>(
    pool: &impl Executor,
    token: Option<&CancelToken>,
    body: impl FnOnce(&JobContext<'_>) -> Result<T, E> + Send + 'static,
) -> Result<T, JobError<E>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    let (gate, started) = (Gate::new(), Count::new());
    let (pass, begun) = (gate.pass(), started.clone());
    let job = move |ctx: &JobContext<'_>| {
        assert!(!ctx.is_cancelled() && ctx.check().is_ok(), "not cancelled");
        begun.add();
        pass.wait();
        assert!(ctx.is_cancelled(), "a cancellation is visible to the job");
        body(ctx)
    };
    let options = token.map_or_else(JobOptions::new, |token| JobOptions::new().with_token(token));
    let handle = pool.submit(Configured::new(job, options)).expect(ROOM);
    started.wait_for(1);
    match token {
        Some(token) => token.cancel(),
        None => handle.cancel(),
    }
    gate.open();
    ended(handle)
}

/// A future that never suspends decides for itself as well.
fn futures_decide(pool: &impl Executor) {
    for (asks, gives) in [(true, Err("e")), (true, Ok(7)), (false, Err("e"))] {
        let (gate, started) = (Gate::new(), Count::new());
        let (pass, begun) = (gate.pass(), started.clone());
        let job = move |ctx: AsyncContext| async move {
            begun.add();
            pass.wait();
            assert!(ctx.is_cancelled());
            assert!(!asks || ctx.check() == Err(Interrupted::Cancelled));
            gives
        };
        let handle = pool.submit_future(job).expect(ROOM);
        started.wait_for(1);
        handle.cancel();
        gate.open();
        let outcome = ended(handle);
        let is_right = match (asks, gives) {
            (_, Ok(value)) => matches!(outcome, Ok(got) if got == value),
            (true, Err(_)) => matches!(outcome, Err(JobError::Cancelled)),
            (false, Err(_)) => matches!(outcome, Err(JobError::Failed("e"))),
        };
        assert!(is_right, "asked: {asks}, gave {gives:?}: {outcome:?}");
    }
}

fn r403(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 8);
    let gate = occupy(&pool, 1);
    let (alive, ran) = (Alive::new(), Count::new());
    let deadline = thread::now() + Duration::from_millis(20);
    let (captured, runs) = (alive.value(), ran.clone());
    let job = move |_: &JobContext<'_>| {
        runs.add();
        drop(captured);
        Ok::<_, Infallible>(())
    };
    let closure = pool.submit(job.with_deadline(deadline)).expect(ROOM);
    let future = pool.capability().async_jobs.then(|| {
        let (captured, runs) = (alive.value(), ran.clone());
        let job = move |_: AsyncContext| async move {
            runs.add();
            drop(captured);
            Ok::<_, Infallible>(())
        };
        pool.submit_future(job.with_deadline(deadline)).expect(ROOM)
    });
    for handle in [Some(closure), future].into_iter().flatten() {
        // The only worker is still busy; the waiting thread is still told at the deadline.
        let outcome = handle.join_timeout(PATIENCE);
        let outcome = outcome.expect("a waiter is told at the deadline");
        assert!(matches!(outcome, Err(JobError::Expired)), "{outcome:?}");
    }
    gate.open();
    pool.wait_idle();
    assert_eq!(ran.get(), 0, "the body of an expired job ran");
    assert_eq!(alive.count(), 0, "an expired job drops what it captured");
    Applied::Held
}

fn r404(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 8);
    let unlimited = |ctx: &JobContext<'_>| Ok::<_, Infallible>((ctx.deadline(), ctx.remaining()));
    let seen = ended(pool.submit(unlimited).expect(ROOM));
    assert!(matches!(seen, Ok((None, None))), "{seen:?}");
    let told = past_deadline(&pool, |ctx| ctx.check().map_err(|_| "told"));
    assert!(matches!(told, Err(JobError::Expired)), "{told:?}");
    let other = past_deadline(&pool, |ctx| {
        assert_eq!(ctx.check(), Err(Interrupted::Expired));
        Err::<(), _>("something else")
    });
    assert!(matches!(other, Err(JobError::Expired)), "{other:?}");
    let value = past_deadline(&pool, |ctx| {
        assert_eq!(ctx.check(), Err(Interrupted::Expired));
        Ok::<_, Infallible>(7)
    });
    assert!(matches!(value, Ok(7)), "{value:?}");
    let unasked = past_deadline(&pool, |_| Err::<(), _>("own"));
    assert!(
        matches!(unasked, Err(JobError::Failed("own"))),
        "{unasked:?}"
    );
    Applied::Held
}

/// Runs `body` in a job that started before its deadline and has passed it.
fn past_deadline<T, E>(
    pool: &impl Executor,
    body: fn(&JobContext<'_>) -> Result<T, E>,
) -> Result<T, JobError<E>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    in_time(|timeout| {
        let started = Count::new();
        let begun = started.clone();
        let before = thread::now();
        let job = move |ctx: &JobContext<'_>| {
            begun.add();
            let deadline = ctx.deadline().expect("the job has a deadline");
            assert!(deadline >= before + timeout && deadline <= thread::now() + timeout);
            assert!(ctx.remaining().is_some_and(|left| left <= timeout));
            let checked = ctx.check();
            assert!(checked.is_ok() || thread::now() >= deadline, "not yet");
            let_pass(deadline);
            assert_eq!(ctx.remaining(), Some(Duration::ZERO));
            body(ctx)
        };
        let outcome = ended(pool.submit(job.with_timeout(timeout)).expect(ROOM));
        (started.get() == 1).then_some(outcome)
    })
}
