//! Chapter 6: a pool ends in order, within its limits, and says what became of every job.

mod cut_short;
mod inside;
mod last_handle;
mod limits;
mod nested;
mod remains;
mod report;
mod unstarted;

use std::convert::Infallible;
use std::time::Duration;

use pool_core::{
    AsyncContext, Executor, ExecutorExt, JobContext, JobError, JobExt, JobHandle, Shutdown,
    ShutdownPolicy, SubmitError,
};

use crate::polling::block_on;
use crate::probe::{
    Alive, AliveValue, Count, FAR, ROOM, ended, occupy, pool, returns_only_after, wait_until,
};
use crate::rule::{Applied, Kind, Rule};
use crate::subject::Subject;
use crate::thread;
use inside::{r607, r609};
use last_handle::r610;
use limits::{r604, r612};
pub(super) use nested::who_wait_for_quiet_at_once;
use remains::r611;
use report::{r605, r608};
use unstarted::r606;

pub(crate) fn rules() -> Vec<Rule> {
    let all = Kind::Required;
    vec![
        Rule::new(
            "R601",
            "a closed pool refuses, and lets blocked submitters go",
            all,
            r601,
        ),
        Rule::new("R602", "what was accepted before the close runs", all, r602),
        Rule::new("R603", "a submission races the close", all, r603),
        Rule::new("R604", "one limit holds, whatever hangs", all, r604),
        Rule::new(
            "R605",
            "the report balances, and names what was cut short",
            all,
            r605,
        ),
        Rule::new(
            "R606",
            "unstarted jobs resolve, or are handed back",
            all,
            r606,
        ),
        Rule::new("R607", "children while draining", all, r607),
        Rule::new("R608", "one report for all callers", all, r608),
        Rule::new(
            "R609",
            "shutdown inside its own jobs, at any depth",
            all,
            r609,
        ),
        Rule::new(
            "R610",
            "the last handle drains, or returns inside",
            all,
            r610,
        ),
        Rule::new("R611", "nothing is left", all, r611),
        Rule::new("R612", "shutdown blocks no runtime", Kind::ASYNC_JOBS, r612),
    ]
}

fn r601(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 2);
    let gate = occupy(&pool, 1);
    let alive = Alive::new();
    if pool.capability().capacity.is_some() {
        while pool.try_execute(unit).is_ok() {}
        let submit_blocked = || blocked_submitters(&pool, &alive);
        let refused = returns_only_after(|| pool.close(), submit_blocked);
        assert_eq!(alive.count(), refused.len(), "each job came back");
        drop(refused);
    }
    pool.close();
    assert!(pool.is_closed());
    every_way_in_refuses(&pool, &alive);
    if pool.capability().async_jobs {
        every_way_in_refuses_futures(&pool, &alive);
    }
    assert_eq!(alive.count(), 0, "nobody else holds a refused job");
    let accepted = pool.stats().accepted;
    gate.open();
    let report = pool.shutdown(ShutdownPolicy::drain());
    assert_eq!(
        (report.completed(), report.accepted()),
        (accepted, accepted)
    );
    Applied::Held
}

fn unit(_: &JobContext<'_>) -> Result<(), Infallible> {
    Ok(())
}

/// A job that holds what it captured until it is over.
fn holding(captured: AliveValue) -> impl FnOnce(&JobContext<'_>) -> Result<(), Infallible> + Send {
    move |_: &JobContext<'_>| {
        drop(captured);
        Ok(())
    }
}

/// The job that a closed pool gave back.
fn refused<J, T>(result: Result<T, SubmitError<J>>) -> J {
    match result {
        Err(SubmitError::Closed(job)) => job,
        Err(SubmitError::Full(_)) => panic!("a closed pool said it is full"),
        Ok(_) => panic!("a closed pool accepted a job"),
    }
}

/// Submits in every way that waits for room, and returns the jobs once the pool has closed.
fn blocked_submitters(pool: &impl Executor, alive: &Alive) -> Vec<impl Sized> {
    let ways: [fn(&_, _) -> _; 4] = [
        |pool, job| refused(ExecutorExt::submit(pool, job)),
        |pool, job| refused(ExecutorExt::submit_timeout(pool, job, FAR)),
        |pool, job| refused(ExecutorExt::execute(pool, job)),
        |pool, job| refused(block_on(ExecutorExt::submit_async(pool, job))),
    ];
    thread::scope(|threads| {
        let submitters = ways.map(|way| {
            let job = holding(alive.value());
            threads.spawn(move || way(pool, job))
        });
        let join = |it: thread::ScopedJoinHandle<'_, _>| it.join().expect("it is refused");
        submitters.into_iter().map(join).collect()
    })
}

fn every_way_in_refuses(pool: &impl Executor, alive: &Alive) {
    let job = || holding(alive.value());
    drop(refused(pool.submit(job())));
    drop(refused(pool.try_submit(job())));
    drop(refused(pool.submit_timeout(job(), FAR)));
    drop(refused(block_on(pool.submit_async(job()))));
    drop(refused(pool.execute(job())));
    drop(refused(pool.try_execute(job())));
    let captured = alive.value();
    drop(refused(pool.spawn(move || drop(captured))));
    match pool.submit_all([job(), job(), job()]) {
        Err(error) => {
            assert_eq!((error.accepted.len(), error.rest.len()), (0, 2));
            drop(refused::<_, ()>(Err(error.refused)));
        }
        Ok(_) => panic!("a closed pool accepted a batch"),
    }
}

fn every_way_in_refuses_futures(pool: &impl Executor, alive: &Alive) {
    let job = || {
        let captured = alive.value();
        move |_: AsyncContext| async move {
            drop(captured);
            Ok::<_, Infallible>(())
        }
    };
    drop(refused(pool.submit_future(job())));
    drop(refused(pool.try_submit_future(job())));
    let captured = alive.value();
    drop(refused(pool.spawn_future(async move { drop(captured) })));
}

fn r602(subject: Subject) -> Applied {
    let closed = pool(subject, 2, 64);
    let (gate, other) = (occupy(&closed, 1), occupy(&closed, 1));
    let handles = submit_mixed(&closed);
    closed.close();
    gate.open();
    other.open();
    for handle in handles {
        assert!(ended(handle).is_ok(), "an accepted job runs after a close");
    }
    for policy in [ShutdownPolicy::drain(), ShutdownPolicy::new(FAR)] {
        let pool = pool(subject, 2, 64);
        let (gate, other) = (occupy(&pool, 1), occupy(&pool, 1));
        let handles = submit_mixed(&pool);
        let release = || {
            gate.open();
            other.open();
        };
        let report = returns_only_after(release, || pool.shutdown(policy));
        let expected = handles.len() as u64 + 2;
        assert!(report.is_clean() && report.balances(), "{report}");
        assert_eq!(report.completed(), expected, "{report}");
        for handle in handles {
            assert!(handle.is_finished() && ended(handle).is_ok());
        }
    }
    Applied::Held
}

/// Closures and, if the pool runs them, futures that yield.
fn submit_mixed(pool: &impl Executor) -> Vec<JobHandle<(), Infallible>> {
    let mut handles: Vec<_> = (0..20).map(|_| pool.submit(unit).expect(ROOM)).collect();
    if pool.capability().async_jobs {
        let future = || pool.spawn_future(tokio::task::yield_now()).expect(ROOM);
        handles.extend((0..20).map(|_| future()));
    }
    handles
}

fn r603(subject: Subject) -> Applied {
    let soon = Duration::from_millis(2);
    for round in 0..thread::often(60).max(6) {
        let policy = match round % 3 {
            0 => ShutdownPolicy::drain(),
            1 => ShutdownPolicy::new(soon),
            _ => ShutdownPolicy::now(),
        };
        close_under_load(&pool(subject, 2, 8), policy, round % 2 == 0);
    }
    Applied::Held
}

fn close_under_load(pool: &(impl Executor + Shutdown), policy: ShutdownPolicy, waits: bool) {
    let ran = Count::new();
    let (handles, report) = thread::scope(|threads| {
        let submitters: Vec<_> = (0..4)
            .map(|_| threads.spawn(|| submit_until_closed(pool, &ran, waits)))
            .collect();
        wait_until("submitters are at it", pool, || pool.stats().accepted >= 20);
        let report = pool.shutdown(policy);
        let join = |it: thread::ScopedJoinHandle<'_, Vec<_>>| it.join().expect("no panic");
        let handles: Vec<_> = submitters.into_iter().flat_map(join).collect();
        (handles, report)
    });
    let accepted = handles.len() as u64;
    assert!(report.balances(), "{report}");
    assert_eq!(report.accepted(), accepted, "{report}");
    let is_drained = policy == ShutdownPolicy::drain();
    let unstarted = report.unstarted();
    drop(report);
    let mut completed = 0;
    for handle in handles {
        match ended(handle) {
            Ok(()) => completed += 1,
            Err(JobError::Abandoned) if !is_drained => {}
            Err(error) => panic!("an accepted job ended as {error:?}"),
        }
    }
    pool.wait_idle();
    let stats = pool.stats();
    assert_eq!(
        stats.accepted, accepted,
        "jobs accepted by the books: {stats}"
    );
    assert_eq!(ran.get(), completed, "jobs that ran, and that completed");
    assert_eq!(accepted - completed as u64, unstarted, "{stats}");
}

fn submit_until_closed(
    pool: &impl Executor,
    ran: &Count,
    waits: bool,
) -> Vec<JobHandle<(), Infallible>> {
    let mut handles = Vec::new();
    loop {
        let runs = ran.clone();
        let job = move |_: &JobContext<'_>| {
            runs.add();
            Ok(())
        };
        // With a deadline, submission takes longer: the job is registered with its token and the
        // clock.
        let submitted = match (waits, handles.len() % 2 == 0) {
            (true, true) => pool.submit(job).map_err(is_closed),
            (true, false) => pool.submit(job.with_timeout(FAR)).map_err(is_closed),
            (false, true) => pool.try_submit(job).map_err(is_closed),
            (false, false) => pool.try_submit(job.with_timeout(FAR)).map_err(is_closed),
        };
        match submitted {
            Ok(handle) => handles.push(handle),
            Err(false) => thread::yield_now(),
            Err(true) => return handles,
        }
    }
}

fn is_closed<J>(refused: SubmitError<J>) -> bool {
    matches!(refused, SubmitError::Closed(_))
}
