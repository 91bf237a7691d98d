//! One end for each job, however it came about.

use std::collections::HashMap;
use std::convert::Infallible;
use std::task::Poll;

use pool_core::{
    AsyncJobExt, CancelToken, Executor, ExecutorExt, Interrupted, JobContext, JobEnd, JobExt,
    JobHandle, JobId, JobInfo, Observer, Outcome, Shutdown, ShutdownPolicy,
};

use super::observed_pool;
use crate::probe::{Count, Log, PATIENCE, ROOM, ended, occupy};
use crate::rule::Applied;
use crate::subject::Subject;
use crate::thread;

/// Records every end.
#[derive(Clone)]
struct Ends {
    log: Log<(JobId, Outcome)>,
    heard: Count,
}

impl Ends {
    fn new() -> Self {
        let (log, heard) = (Log::new(), Count::new());
        Self { log, heard }
    }

    /// Waits until `jobs` ends were heard, and returns how each job ended.
    #[track_caller]
    fn of(&self, jobs: u64) -> HashMap<JobId, Outcome> {
        self.heard.wait_for(jobs as usize);
        let mut ends = HashMap::new();
        for (id, outcome) in self.log.take() {
            let former = ends.insert(id, outcome);
            assert_eq!(former, None, "{id} ended twice, the second time {outcome}");
        }
        assert_eq!(ends.len() as u64, jobs);
        ends
    }
}

impl Observer for Ends {
    fn ended(&self, job: &JobInfo<'_>, end: &JobEnd<'_>) {
        self.log.note((job.id, end.outcome));
        self.heard.add();
    }
}

pub(super) fn r1001(subject: Subject) -> Applied {
    each_end_is_heard(subject);
    ends_of_queued_jobs_are_heard(subject);
    ends_at_shutdown_are_heard(subject);
    a_job_that_is_handed_back_ends_where_it_runs(subject);
    if subject.capability().async_jobs {
        ends_of_futures_are_heard(subject);
    }
    Applied::Held
}

/// How many jobs of each outcome were heard of.
fn count(ends: &HashMap<JobId, Outcome>, outcome: Outcome) -> u64 {
    ends.values().filter(|end| **end == outcome).count() as u64
}

/// What was heard is what the books say, and complete.
#[track_caller]
fn agrees_with_the_books(
    pool: &(impl Executor + Shutdown),
    ends: &Ends,
) -> HashMap<JobId, Outcome> {
    pool.wait_idle();
    let stats = pool.stats();
    let heard = ends.of(stats.accepted);
    let columns = [
        (stats.completed, Outcome::Completed),
        (stats.failed, Outcome::Failed),
        (stats.panicked, Outcome::Panicked),
        (stats.cancelled, Outcome::Cancelled),
        (stats.expired, Outcome::Expired),
        (stats.abandoned, Outcome::Abandoned),
    ];
    for (expected, outcome) in columns {
        assert_eq!(count(&heard, outcome), expected, "{outcome}: {stats}");
    }
    pool.shutdown(ShutdownPolicy::drain());
    assert_eq!(
        ends.heard.get() as u64,
        stats.accepted,
        "an end was told again"
    );
    heard
}

fn each_end_is_heard(subject: Subject) {
    let ends = Ends::new();
    let pool = observed_pool(subject, 2, ends.clone());
    let completed = pool.spawn(|| 42).expect(ROOM);
    let completed_id = completed.id();
    assert!(ended(completed).is_ok());
    pool.execute(|_: &JobContext<'_>| Ok::<_, Infallible>(()))
        .expect(ROOM);
    let fails = |_: &JobContext<'_>| Err::<(), _>("R1001 fails on purpose");
    assert!(ended(pool.submit(fails.named("fails")).expect(ROOM)).is_err());
    assert!(
        ended(
            pool.spawn(|| panic!("R1001 panics on purpose"))
                .expect(ROOM)
        )
        .is_err()
    );
    // A child that its parent joins, perhaps before another worker has it.
    let parent = |ctx: &JobContext<'_>| {
        let child = ctx.spawn(|| 7).expect("the pool is open");
        Ok::<_, Infallible>(ended(child).is_ok())
    };
    assert!(matches!(ended(pool.submit(parent).expect(ROOM)), Ok(true)));
    let halves = |ctx: &JobContext<'_>| Ok::<_, Infallible>(ctx.join(|_| 1, |_| 2));
    assert!(ended(pool.submit(halves).expect(ROOM)).is_ok());
    let squares: Vec<_> = pool.map(0..10_u64, |n| n * n).collect();
    assert!(squares.iter().all(Result::is_ok));
    let scope = pool.scope(|scope| scope.spawn(|| ()).is_ok());
    assert!(matches!(scope, Ok(true)));
    let heard = agrees_with_the_books(&pool, &ends);
    assert_eq!(heard.get(&completed_id), Some(&Outcome::Completed));
}

/// Jobs that end while they are queued, or as they arrive: by a handle, a token, a deadline.
fn ends_of_queued_jobs_are_heard(subject: Subject) {
    let ends = Ends::new();
    let pool = observed_pool(subject, 1, ends.clone());
    let gate = occupy(&pool, 1);
    let token = CancelToken::new();
    let idle = |_: &JobContext<'_>| Ok::<_, Infallible>(());
    let by_handle = pool.submit(idle).expect(ROOM);
    by_handle.cancel();
    let by_token = pool.submit(idle.with_token(&token)).expect(ROOM);
    pool.execute(idle.with_token(&token)).expect(ROOM);
    token.cancel();
    let on_arrival = pool.submit(idle.with_token(&token)).expect(ROOM);
    let late = pool.submit(idle.with_deadline(thread::now())).expect(ROOM);
    let ids = [by_handle.id(), by_token.id(), on_arrival.id(), late.id()];
    for handle in [by_handle, by_token, on_arrival, late] {
        assert!(ended(handle).is_err(), "it never ran");
    }
    gate.open();
    let heard = agrees_with_the_books(&pool, &ends);
    let outcomes = ids.map(|id| heard[&id]);
    let [cancelled, expired] = [Outcome::Cancelled, Outcome::Expired];
    assert_eq!(outcomes, [cancelled, cancelled, cancelled, expired]);
}

/// Jobs that a shutdown gives up, with a handle and without, and ones that it cuts short.
fn ends_at_shutdown_are_heard(subject: Subject) {
    let ends = Ends::new();
    let pool = observed_pool(subject, 1, ends.clone());
    let started = Count::new();
    let starts = started.clone();
    let gives_up = move |ctx: &JobContext<'_>| {
        starts.add();
        loop {
            ctx.check()?;
            thread::yield_now();
        }
        #[expect(unreachable_code, reason = "it says the type")]
        Ok::<(), Interrupted>(())
    };
    let running = pool.submit(gives_up).expect(ROOM);
    started.wait_for(1);
    let unwanted = |_: &JobContext<'_>| Ok::<_, Infallible>(());
    let queued = pool.submit(unwanted.named("queued")).expect(ROOM);
    pool.execute(unwanted.named("named")).expect(ROOM);
    pool.execute(unwanted).expect(ROOM);
    let ids = [running.id(), queued.id()];
    let report = pool.shutdown(ShutdownPolicy::now());
    assert_eq!(report.accepted(), 4, "{report}");
    let heard = ends.of(4);
    let outcomes = ids.map(|id| heard[&id]);
    assert_eq!(outcomes, [Outcome::Cancelled, Outcome::Abandoned]);
    assert_eq!(count(&heard, Outcome::Abandoned), 3);
}

/// It ends in the second pool: there it runs, or is found to be cancelled.
fn a_job_that_is_handed_back_ends_where_it_runs(subject: Subject) {
    let (first, second) = (Ends::new(), Ends::new());
    let pool = observed_pool(subject, 1, first.clone());
    let gate = occupy(&pool, 1);
    let runs = pool.spawn(|| 42).expect(ROOM);
    let cancelled = pool.spawn(|| 43).expect(ROOM);
    let ids = [runs.id(), cancelled.id()];
    let report = pool.shutdown(ShutdownPolicy::now().hand_back());
    gate.open();
    cancelled.cancel();
    let other = observed_pool(subject, 1, second.clone());
    for task in report.take_unstarted() {
        assert!(other.try_accept(task).is_ok(), "it has room");
    }
    assert!(matches!(ended(runs), Ok(42)));
    let heard = agrees_with_the_books(&other, &second);
    let outcomes = ids.map(|id| heard[&id]);
    assert_eq!(outcomes, [Outcome::Completed, Outcome::Cancelled]);
    // The one that held the first pool's worker.
    assert!(first.of(1).keys().all(|id| !ids.contains(id)));
}

fn ends_of_futures_are_heard(subject: Subject) {
    let ends = Ends::new();
    let pool = observed_pool(subject, 1, ends.clone());
    assert!(ended(pool.spawn_future(async { 42 }).expect(ROOM)).is_ok());
    let fails = |_| async { Err::<(), _>("R1001 fails on purpose") };
    assert!(ended(pool.submit_future(fails.named("fails")).expect(ROOM)).is_err());
    let suspended = suspended(&pool);
    let id = suspended.id();
    suspended.cancel();
    assert!(ended(suspended).is_err());
    let heard = agrees_with_the_books(&pool, &ends);
    assert_eq!(heard[&id], Outcome::Cancelled);
    futures_at_a_shutdown(subject);
}

/// A future that has been polled, and waits forever.
fn suspended(pool: &impl Executor) -> JobHandle<(), Infallible> {
    let polled = Count::new();
    let polls = polled.clone();
    let future = std::future::poll_fn(move |_| {
        polls.add();
        Poll::<()>::Pending
    });
    let suspended = pool.spawn_future(future).expect(ROOM);
    polled.wait_for(1);
    suspended
}

/// One that is suspended, and one that is queued.
fn futures_at_a_shutdown(subject: Subject) {
    let ends = Ends::new();
    let pool = observed_pool(subject, 1, ends.clone());
    let suspended = suspended(&pool);
    let keeps_slot = pool.capability().name == "async";
    let gate = (!keeps_slot).then(|| occupy(&pool, 1));
    let queued = pool.spawn_future(async { 42 }).expect(ROOM);
    let ids = [suspended.id(), queued.id()];
    thread::scope(|scope| {
        scope.spawn(|| pool.shutdown(ShutdownPolicy::now().cancel_grace(PATIENCE)));
        assert!(ended(queued).is_err(), "it is given up");
        drop(gate);
        assert!(ended(suspended).is_err(), "it is dropped");
    });
    let heard = ends.of(pool.stats().accepted);
    let outcomes = ids.map(|id| heard[&id]);
    assert_eq!(outcomes, [Outcome::Cancelled, Outcome::Abandoned]);
}
