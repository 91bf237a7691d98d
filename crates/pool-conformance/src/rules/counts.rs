//! Chapter 10: what an operator counts: jobs that come back, waits for room, swaps, stuck jobs.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use pool_core::backend::PoolConfig;
use pool_core::{
    Executor, ExecutorExt, JobContext, JobError, JobExt, JobInfo, Observer, Refusal, Shutdown,
    ShutdownPolicy, SubmitError, Task, Wants, infallible_fn,
};

use crate::probe::{
    Count, FAR, Gate, Log, PATIENCE, ROOM, ended, let_pass, occupy, poll_once, pool, ready,
    wait_until,
};
use crate::rule::{Applied, Rule};
use crate::subject::{Subject, TestedPool};
use crate::thread;

/// A wait that passes.
const SHORT: Duration = Duration::from_millis(2);

pub(crate) fn rules() -> Vec<Rule> {
    vec![
        Rule::required(
            "R1060",
            "each job that comes back is counted and told of once, with its reason",
            r1060,
        ),
        Rule::required(
            "R1061",
            "an observer hears once for how long a submitter waited for room",
            r1061,
        ),
        Rule::required(
            "R1062",
            "a swap is counted once it is done, and changes no other count",
            r1062,
        ),
        Rule::required(
            "R1063",
            "a snapshot counts the jobs that are stuck until they end",
            r1063,
        ),
    ]
}

/// What an observer hears of submissions.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Refused(Refusal),
    Waited(Duration),
}

/// Notes it, and panics.
struct Clerk(Log<Heard>, Wants);

impl Observer for Clerk {
    fn refused(&self, job: &JobInfo<'_>, reason: Refusal) {
        assert!(!job.kind.is_empty());
        self.0.note(Heard::Refused(reason));
        panic!("R1060: the observer panics on purpose");
    }

    fn waited_for_room(&self, waited: Duration) {
        self.0.note(Heard::Waited(waited));
        panic!("R1061: the observer panics on purpose");
    }

    fn wants(&self) -> Wants {
        self.1
    }
}

/// A pool of one worker, and what its observer hears.
struct Watched {
    pool: TestedPool,
    heard: Log<Heard>,
    /// The counts of jobs that came back, as of the last check.
    seen: Cell<[u64; 2]>,
}

impl Watched {
    fn new(subject: Subject, capacity: usize, wants: Wants) -> Self {
        let heard = Log::new();
        let mut config = PoolConfig::default();
        config.set_workers(1);
        config.set_capacity(capacity);
        config.add_observer(Clerk(heard.clone(), wants));
        let pool = subject
            .build(config)
            .expect("an observer keeps no pool from being built");
        Self {
            pool,
            heard,
            seen: Cell::new([0, 0]),
        }
    }

    /// Fills its queue, behind the job that keeps its worker.
    fn fill(&self, capacity: usize) -> Gate {
        let gate = occupy(&self.pool, 1);
        for _ in 0..capacity {
            self.pool.execute(infallible_fn(|| ())).expect(ROOM);
        }
        gate
    }

    fn counts(&self) -> [u64; 2] {
        let stats = self.pool.stats();
        [stats.refused_full, stats.refused_closed]
    }

    /// Checks that `jobs` jobs came back since the last check, all for this reason.
    #[track_caller]
    fn came_back(&self, what: &str, reason: Refusal, jobs: usize) {
        let mut expected = self.seen.get();
        expected[reason as usize] += jobs as u64;
        assert_eq!(self.counts(), expected, "{what}: {}", self.pool.stats());
        self.seen.set(expected);
        let heard = self.heard.take();
        assert_eq!(heard.len(), jobs, "{what}: {heard:?}");
        let is_it = |heard: &Heard| *heard == Heard::Refused(reason);
        assert!(heard.iter().all(is_it), "{what}: {heard:?}");
    }

    /// Calls a way in of a full pool with jobs that have a deadline, until one comes back. One that
    /// is late by the time of a try ends instead, and is no refusal.
    #[track_caller]
    fn refuses_or_ends<T, J>(
        &self,
        what: &str,
        submit: impl Fn(&TestedPool) -> Result<T, SubmitError<J>>,
    ) {
        const TRIES: usize = 100;
        for _ in 0..TRIES {
            match submit(&self.pool) {
                Ok(_late) => self.came_back(what, Refusal::Full, 0),
                Err(refused) => {
                    assert!(refused.is_full(), "{what}");
                    return self.came_back(what, Refusal::Full, 1);
                }
            }
        }
        panic!("{what}: all {TRIES} jobs were late at their first try");
    }

    /// Calls a way in, by which one job comes back.
    #[track_caller]
    fn refuses<T, J>(
        &self,
        what: &str,
        reason: Refusal,
        submit: impl FnOnce(&TestedPool) -> Result<T, SubmitError<J>>,
    ) {
        match submit(&self.pool).map(drop).map_err(|it| it.without_job()) {
            Err(SubmitError::Full(())) if reason == Refusal::Full => {}
            Err(SubmitError::Closed(())) if reason == Refusal::Closed => {}
            other => panic!("{what}: {other:?}"),
        }
        self.came_back(what, reason, 1);
    }
}

fn nothing(_: &JobContext<'_>) -> Result<(), Infallible> {
    Ok(())
}

fn r1060(subject: Subject) -> Applied {
    const CAPACITY: usize = 2;
    let watched = Watched::new(subject, CAPACITY, Wants::ENDS);
    let pool = &watched.pool;
    if pool.capability().capacity.is_some() {
        comes_back_as_full(&watched, CAPACITY);
    }
    let task = task_handed_back(subject);
    assert_eq!(watched.counts()[1], 0);
    pool.close();
    comes_back_as_closed(&watched, task);
    let (counts, stats) = (watched.counts(), pool.stats());
    assert_eq!(stats.refused(), counts[0] + counts[1]);
    let report = pool.shutdown(ShutdownPolicy::drain());
    assert!(report.balances(), "no refusal is in it: {report}");
    // Each call of the observer has panicked, and no more.
    assert_eq!(pool.stats().hook_panics, counts[0] + counts[1]);
    children_come_back(subject);
    Applied::Held
}

fn comes_back_as_full(watched: &Watched, capacity: usize) {
    let full = Refusal::Full;
    let gate = watched.fill(capacity);
    assert_eq!(watched.counts(), [0, 0], "all were taken in");
    watched.refuses("try_submit", full, |pool| pool.try_submit(nothing));
    watched.refuses("try_execute", full, |pool| pool.try_execute(nothing));
    watched.refuses("try_spawn", full, |pool| pool.try_spawn(|| ()));
    // These wait, and try more than once.
    let late = || nothing.with_timeout(SHORT);
    watched.refuses("timeout", full, |pool| pool.submit_timeout(nothing, SHORT));
    watched.refuses_or_ends("deadline", |pool| pool.submit(late()));
    watched.refuses_or_ends("execute", |pool| pool.execute(late()));
    watched.refuses_or_ends("async", |pool| {
        ready(Box::pin(pool.submit_async(late())).as_mut())
    });
    if watched.pool.capability().async_jobs {
        watched.refuses("future", full, |pool| pool.try_spawn_future(async {}));
    }
    let mut dropped = Box::pin(watched.pool.submit_async(nothing));
    assert!(poll_once(dropped.as_mut(), &Count::new()).is_pending());
    drop(dropped);
    watched.came_back("a dropped submission", full, 0);
    let pool = &watched.pool;
    thread::scope(|threads| {
        threads.spawn(|| ended(pool.submit(nothing).expect("it gets in")));
        wait_until("a submitter in line", pool, || pool.room().has_line());
        gate.open();
    });
    pool.wait_idle();
    let inside = move |ctx: &JobContext<'_>| {
        let children = (0..3 * capacity).map(|_| ctx.execute(infallible_fn(|| ())));
        Ok::<_, Infallible>(children.filter(Result::is_err).count())
    };
    let refused = ended(watched.pool.submit(inside).expect(ROOM));
    assert_eq!(refused.expect("it returns"), 0);
    watched.pool.wait_idle();
    let outcomes = watched.pool.map(0..20, |n| n);
    assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
    watched.came_back("jobs that get in", full, 0);
}

fn comes_back_as_closed(watched: &Watched, task: Task) {
    let closed = Refusal::Closed;
    watched.refuses("submit", closed, |pool| pool.submit(nothing));
    watched.refuses("try_submit", closed, |pool| pool.try_submit(nothing));
    watched.refuses("execute", closed, |pool| pool.execute(nothing));
    watched.refuses("spawn", closed, |pool| pool.spawn(|| ()));
    watched.refuses("timeout", closed, |pool| pool.spawn_timeout(|| (), FAR));
    watched.refuses("async", closed, |pool| {
        ready(Box::pin(pool.submit_async(nothing)).as_mut())
    });
    watched.refuses("future", closed, |pool| pool.spawn_future(async {}));
    watched.refuses("after", closed, |pool| pool.after(FAR, nothing));
    let task = watched.pool.accept(task).expect_err("it is closed");
    watched.came_back("accept", closed, 1);
    let task = task.into_job();
    let task = watched.pool.accept_timeout(task, FAR).expect_err("closed");
    watched.came_back("accept_timeout", closed, 1);
    let accepted = ready(Box::pin(watched.pool.accept_async(task.into_job())).as_mut());
    let task = accepted.expect_err("it is closed");
    watched.came_back("accept_async", closed, 1);
    let tried = watched.pool.try_accept(task.into_job());
    assert!(tried.is_err());
    watched.came_back("a bare try", closed, 0);
    drop(tried);
    let scoped = watched.pool.scope(|scope| scope.spawn(|| ()).is_err());
    assert!(matches!(scoped, Ok(true)), "{scoped:?}");
    watched.came_back("a scope", closed, 1);
    let batch = watched.pool.submit_all([nothing; 3]);
    assert_eq!(batch.expect_err("it is closed").rest.len(), 2);
    watched.came_back("a batch, of which one was tried", closed, 1);
    let outcomes = watched.pool.map(0..3, |n| n);
    let is_lost = |outcome| matches!(outcome, Err(JobError::Abandoned));
    assert_eq!(outcomes.map(is_lost).filter(|it| *it).count(), 3);
    watched.came_back("the inputs of a map", closed, 3);
}

/// A task of another pool.
fn task_handed_back(subject: Subject) -> Task {
    let other = pool(subject, 1, 4);
    let gate = occupy(&other, 1);
    other.spawn(|| ()).expect(ROOM).detach();
    let other = &other;
    let report = thread::scope(|threads| {
        let policy = ShutdownPolicy::now().hand_back();
        let ending = threads.spawn(move || other.shutdown(policy));
        wait_until("the queue is taken out", other, || {
            other.stats().queued == 0
        });
        gate.open();
        ending.join().expect("the shutdown returns")
    });
    let task = report.take_unstarted().into_iter().next();
    task.expect("one job did not start")
}

/// A job of a pool that is cancelled may submit no child.
fn children_come_back(subject: Subject) {
    let watched = Watched::new(subject, 4, Wants::ENDS);
    let started = Count::new();
    let begun = started.clone();
    let parent = move |ctx: &JobContext<'_>| {
        begun.add();
        crate::probe::until_interrupted(ctx);
        Ok::<_, Infallible>(ctx.spawn(|| ()).is_err_and(|refused| refused.is_closed()))
    };
    let parent = watched.pool.submit(parent).expect(ROOM);
    started.wait_for(1);
    let _report = watched
        .pool
        .shutdown(ShutdownPolicy::now().cancel_grace(PATIENCE));
    assert!(matches!(ended(parent), Ok(true)));
    watched.came_back("a child", Refusal::Closed, 1);
}

/// The one wait that was heard of since the last look.
#[track_caller]
fn one_wait(heard: &Log<Heard>) -> Duration {
    match heard.take()[..] {
        [Heard::Waited(waited)] => waited,
        ref other => panic!("one wait: {other:?}"),
    }
}

fn r1061(subject: Subject) -> Applied {
    let watched = Watched::new(subject, 1, Wants::ROOM_WAITS);
    let (pool, heard) = (&watched.pool, &watched.heard);
    if pool.capability().capacity.is_none() {
        return Applied::NotHere("the queue has no bound");
    }
    let gate = watched.fill(1);
    assert_eq!(heard.take(), [], "there was room");
    thread::scope(|threads| {
        let waiting = threads.spawn(|| ended(pool.submit(nothing).expect("it gets in")));
        wait_until("a submitter in line", pool, || pool.room().has_line());
        let_pass(thread::now() + SHORT);
        gate.open();
        assert!(waiting.join().expect("no panic reaches it").is_ok());
    });
    assert!(one_wait(heard) >= SHORT, "of a thread");
    pool.wait_idle();

    let gate = watched.fill(1);
    let mut waiting = Box::pin(pool.submit_async(nothing));
    assert!(poll_once(waiting.as_mut(), &Count::new()).is_pending());
    let_pass(thread::now() + SHORT);
    let mut dropped = Box::pin(pool.submit_async(nothing));
    assert!(poll_once(dropped.as_mut(), &Count::new()).is_pending());
    drop(dropped);
    gate.open();
    assert!(ended(ready(waiting.as_mut()).expect("it gets in")).is_ok());
    assert!(one_wait(heard) >= SHORT, "of a future");
    pool.wait_idle();

    let gate = watched.fill(1);
    assert!(pool.try_spawn(|| ()).is_err());
    assert_eq!(heard.take(), [Heard::Refused(Refusal::Full)]);
    assert!(pool.submit_timeout(nothing, SHORT).is_err());
    match heard.take()[..] {
        [Heard::Waited(_), Heard::Refused(Refusal::Full)] => {}
        ref other => panic!("a wait, then a refusal: {other:?}"),
    }
    gate.open();
    pool.wait_idle();
    let inside = |ctx: &JobContext<'_>| {
        let children = (0..3).map(|_| ctx.execute(infallible_fn(|| ())));
        Ok::<_, Infallible>(children.filter(Result::is_ok).count())
    };
    assert!(matches!(ended(pool.submit(inside).expect(ROOM)), Ok(3)));
    pool.wait_idle();
    assert_eq!(heard.take(), [], "children wait for nothing");
    unwanted_waits_are_not_told_of(subject);
    Applied::Held
}

fn unwanted_waits_are_not_told_of(subject: Subject) {
    let watched = Watched::new(subject, 1, Wants::TIMES);
    let gate = watched.fill(1);
    assert!(watched.pool.submit_timeout(nothing, SHORT).is_err());
    assert_eq!(watched.heard.take(), [Heard::Refused(Refusal::Full)]);
    gate.open();
}

fn r1062(subject: Subject) -> Applied {
    let watched = Watched::new(subject, 1, Wants::ENDS);
    let pool = &watched.pool;
    let gate = watched.fill(1);
    assert!(pool.try_spawn(|| ()).is_err());
    assert_eq!(pool.stats().swaps, 0);
    let mut changes = 0;
    for round in 0..6 {
        let changed = match round % 2 {
            0 => pool.swap(),
            _ => pool.reconfigure(&mut |_| {}),
        };
        if let Some(changed) = changed {
            changed.expect("a busy pool can be changed");
            changes += 1;
        }
        assert_eq!(pool.stats().swaps, changes, "{}", pool.stats());
        assert_eq!(watched.counts(), [1, 0], "{}", pool.stats());
    }
    let refused = pool.reconfigure(&mut |config| config.set_workers(0));
    assert!(refused.is_none_or(|it| it.is_err()));
    assert_eq!(pool.stats().swaps, changes, "what fails changes nothing");
    gate.open();
    pool.wait_idle();
    assert_eq!(watched.heard.take(), [Heard::Refused(Refusal::Full)]);
    if changes == 0 {
        return Applied::NotHere("the executor cannot be swapped");
    }
    // Its generations are gone by now, or go.
    pool.close();
    watched.seen.set(watched.counts());
    watched.refuses("after its swaps", Refusal::Closed, |pool| pool.spawn(|| ()));
    assert_eq!(pool.stats().swaps, changes);
    Applied::Held
}

fn r1063(subject: Subject) -> Applied {
    let unwatched = pool(subject, 1, 4);
    assert_eq!(unwatched.snapshot().stuck, None);
    let heard = Count::new();
    let told = heard.clone();
    let mut config = PoolConfig::default();
    config.set_workers(1);
    config.set_capacity(4);
    config.set_stuck_after(SHORT, move |_| {
        told.add();
    });
    let pool = subject
        .build(config)
        .expect("a plain configuration is accepted");
    assert_eq!(pool.snapshot().stuck, Some(0));
    let gate = Gate::new();
    let pass = gate.pass();
    let stuck = pool.spawn(move || pass.wait()).expect(ROOM);
    heard.wait_for(1);
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.stuck, Some(1), "{snapshot}");
    assert!(snapshot.to_string().contains(", 1 stuck"), "{snapshot}");
    gate.open();
    ended(stuck).expect("it returns");
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.stuck, Some(0), "it has ended: {snapshot}");
    Applied::Held
}
