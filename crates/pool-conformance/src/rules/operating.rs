//! Chapter 10: what an operator changes while the pool runs: a pause, and the configuration.

use std::convert::Infallible;

use pool_core::{
    CancelToken, Executor, ExecutorExt, JobContext, JobError, JobExt, JobHandle, Shutdown,
};

use super::futures::workers_beside_a_sleeper;
use super::swapping::{PRODUCERS, runs_once_while};
use crate::polling::Signal;
use crate::probe::{Count, Gate, Log, PATIENCE, ROOM, WINDOW, ended, occupy, pool, wait_until};
use crate::rule::{Applied, Rule};
use crate::subject::Subject;
use crate::thread;

/// Why the rules of the pause do not apply.
const NO_PAUSE: Applied = Applied::NotHere("the executor has no pause");

/// How often a pause ends while workers go to sleep.
const PAUSES: usize = 400;

/// How many jobs come in during each of them.
const JOBS: usize = 3;

pub(crate) fn rules() -> Vec<Rule> {
    vec![
        Rule::required(
            "R1030",
            "a paused pool starts no queued job, and does all else",
            r1030,
        ),
        Rule::required("R1031", "after a pause every queued job runs", r1031),
        Rule::required(
            "R1032",
            "a pause holds up neither a shutdown nor a last drop",
            r1032,
        ),
        Rule::required(
            "R1033",
            "a reconfiguration under load runs every job once, in order, and keeps the bound",
            r1033,
        ),
    ]
}

type Handle = JobHandle<usize, Infallible>;

/// Submits a job that counts its start.
fn counted(pool: &impl Executor, started: &Count) -> Handle {
    let started = started.clone();
    pool.spawn(move || started.add()).expect(ROOM)
}

fn r1030(subject: Subject) -> Applied {
    let pool = pool(subject, 2, 4);
    let (child_is_queued, started) = (Count::new(), Count::new());
    let gate = occupy(&pool, 1);
    let parent = {
        let (pass, child_is_queued) = (gate.pass(), child_is_queued.clone());
        move |ctx: &JobContext<'_>| {
            let child = ctx.submit(|_: &JobContext<'_>| Ok::<_, Infallible>(1));
            child_is_queued.add();
            pass.wait();
            // Its own children are part of it: one that is queued, one that may find no room, and
            // the halves of a split.
            let queued = child.expect(ROOM).join().expect("it is claimed");
            let other = ctx.submit(|_: &JobContext<'_>| Ok::<_, Infallible>(2));
            let other = other.expect("inside its pool").join().expect("it runs");
            let (left, right) = ctx.join(|_| 3, |_| 4);
            Ok::<_, Infallible>(queued + other + left + right)
        }
    };
    let parent = pool.submit(parent).expect(ROOM);
    child_is_queued.wait_for(1);
    // All workers are busy, so none is about to take a job.
    if !pool.pause() {
        gate.open();
        return NO_PAUSE;
    }
    assert!(pool.pause(), "a pause is a flag");
    let mut queued: Vec<_> = (0..2).map(|_| counted(&pool, &started)).collect();
    ends_what_is_unwanted(&pool, &started);
    queued.push(counted(&pool, &started));
    takes_no_more_than_its_bound(&pool);
    gate.open();
    assert_eq!(ended(parent).expect("what runs goes on"), 10);
    started.stays_below(1, WINDOW);
    wait_until("what ran is over", &pool, || pool.stats().running == 0);
    assert_eq!(pool.stats().queued, 3, "{}", pool.stats());
    pool.resume();
    for handle in queued {
        ended(handle).expect("it runs after the pause");
    }
    if pool.capability().async_jobs {
        suspended_futures_go_on(subject);
    }
    Applied::Held
}

fn takes_no_more_than_its_bound(pool: &impl Executor) {
    if pool.capability().capacity.is_some() {
        let fifth = pool.try_submit(|_: &JobContext<'_>| Ok::<_, Infallible>(()));
        let is_full = fifth.map(drop).is_err_and(|refused| refused.is_full());
        assert!(is_full, "a paused pool keeps its bound");
    }
}

/// Queued jobs end by their tokens and at their deadlines, though no worker takes them.
fn ends_what_is_unwanted(pool: &impl Executor, started: &Count) {
    let token = CancelToken::new();
    let job = || {
        let started = started.clone();
        move |_: &JobContext<'_>| Ok::<_, Infallible>(started.add())
    };
    let unwanted = pool.submit(job().with_token(&token)).expect(ROOM);
    token.cancel();
    let outcome = ended(unwanted);
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
    let late = pool.submit(job().with_timeout(WINDOW / 10)).expect(ROOM);
    let outcome = ended(late);
    assert!(matches!(outcome, Err(JobError::Expired)), "{outcome:?}");
}

/// A future that was suspended before the pause runs, and goes on.
fn suspended_futures_go_on(subject: Subject) {
    let pool = pool(subject, workers_beside_a_sleeper(subject), 4);
    let signal = Signal::default();
    let asleep = pool.spawn_future(signal.clone()).expect(ROOM);
    signal.wait_for_sleeper();
    let gate = occupy(&pool, 1);
    assert!(pool.pause(), "it could before");
    let started = Count::new();
    let queued = counted(&pool, &started);
    gate.open();
    signal.fire();
    ended(asleep).expect("what has started goes on");
    started.stays_below(1, WINDOW);
    pool.resume();
    ended(queued).expect("it runs after the pause");
}

fn r1031(subject: Subject) -> Applied {
    let pool = pool(subject, 2, JOBS);
    if !pool.pause() {
        return NO_PAUSE;
    }
    let ran = Count::new();
    let mut jobs = 0;
    for round in thread::rounds(PAUSES) {
        pool.pause();
        // Workers look, or sleep, or are about to, as the jobs come and as the pause ends.
        thread::scope(|scope| {
            let submitter = scope.spawn(|| {
                let handles: Vec<_> = (0..JOBS).map(|_| counted(&pool, &ran)).collect();
                handles.into_iter().map(ended).collect::<Vec<_>>()
            });
            if round % 2 == 0 {
                wait_until("jobs that came in", &pool, || {
                    pool.stats().accepted > jobs as u64 + 1
                });
            }
            pool.resume();
            let outcomes = submitter.join().expect("the submitter waits for its jobs");
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        });
        jobs += JOBS;
        assert_eq!(ran.get(), jobs, "each job runs once");
    }
    Applied::Held
}

fn r1032(subject: Subject) -> Applied {
    let started = Count::new();
    let pool_of_one = || {
        let pool = pool(subject, 1, 4);
        let gate = occupy(&pool, 1);
        pool.pause().then(|| {
            let queued: Vec<_> = (0..3).map(|_| counted(&pool, &started)).collect();
            gate.open();
            (pool, queued)
        })
    };
    let Some((shut_down, queued)) = pool_of_one() else {
        return NO_PAUSE;
    };
    shut_down.close();
    started.stays_below(1, WINDOW);
    let report = shut_down.shutdown(PATIENCE.into());
    assert_eq!(report.completed(), 4, "{report}");
    assert!(report.balances(), "{report}");
    assert!(report.took() < PATIENCE, "{report}");
    queued
        .into_iter()
        .map(ended)
        .for_each(|it| _ = it.expect("it has run"));

    let (dropped, queued) = pool_of_one().expect("it could before");
    drop(dropped);
    queued
        .into_iter()
        .map(ended)
        .for_each(|it| _ = it.expect("the drop drains"));
    Applied::Held
}

fn r1033(subject: Subject) -> Applied {
    let pool = pool(subject, 2, PRODUCERS / 2);
    match pool.reconfigure(&mut |_| {}) {
        None => return Applied::NotHere("the executor cannot be reconfigured"),
        Some(first) => first.expect("an idle pool can be reconfigured"),
    }
    let capacities = [1, PRODUCERS, 2];
    runs_once_while(&pool, |number| {
        pool.reconfigure(&mut |config| {
            config.set_workers(1 + number % 3);
            config.set_capacity(capacities[number % capacities.len()]);
        })
    });
    the_bound_is_the_new_one(subject);
    Applied::Held
}

/// How many more jobs the pool takes in, up to `most`; they are left queued.
fn places(pool: &impl Executor, most: usize) -> usize {
    let nothing = |_: &JobContext<'_>| Ok::<_, Infallible>(());
    let is_taken = |_: &usize| pool.try_submit(nothing).map(JobHandle::detach).is_ok();
    (0..most).take_while(is_taken).count()
}

/// What is queued stays so in its order, whatever the new bound; and that one holds at once.
fn the_bound_is_the_new_one(subject: Subject) {
    let pool = pool(subject, 1, 4);
    let resized = |capacity| {
        let done = pool.reconfigure(&mut |config| config.set_capacity(capacity));
        done.expect("it could before")
            .expect("a busy pool can be reconfigured");
    };
    let (first, order) = (occupy(&pool, 1), Log::new());
    // The first of the queue keeps the next worker.
    let (second, started) = (Gate::new(), Count::new());
    let (pass, begun) = (second.pass(), started.clone());
    let blocker = pool.spawn(move || {
        begun.add();
        pass.wait();
    });
    blocker.expect(ROOM).detach();
    if !pool.capability().fifo {
        // No order is promised: the blocker must have been taken before others are there.
        resized(4);
        started.wait_for(1);
    }
    let queued: Vec<_> = (0..3)
        .map(|number| {
            let order = order.clone();
            pool.spawn(move || order.note(number)).expect(ROOM)
        })
        .collect();
    resized(2);
    if pool.capability().fifo {
        started.wait_for(1);
        assert_eq!(places(&pool, 1), 0, "3 are queued of 2: {}", pool.stats());
        assert_eq!(
            pool.stats().queued,
            3,
            "what is queued stays: {}",
            pool.stats()
        );
    }
    second.open();
    for handle in queued {
        ended(handle).expect("it outlives a reconfiguration");
    }
    if pool.capability().fifo {
        assert_eq!(order.take(), [0, 1, 2]);
    }
    first.open();
    pool.wait_idle();
    for capacity in [2, 6] {
        resized(capacity);
        let busy = occupy(&pool, 1);
        assert_eq!(places(&pool, 9), capacity, "{}", pool.stats());
        busy.open();
        pool.wait_idle();
    }
}
