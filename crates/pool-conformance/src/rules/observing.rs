//! Chapter 10: what a service sees of its jobs, and what travels with them.

mod ends;
mod values;

use std::convert::Infallible;
use std::task::Poll;
use std::time::Duration;

use pool_core::backend::PoolConfig;
use pool_core::{
    Executor, ExecutorExt, JobContext, JobEnd, JobExt, JobId, JobInfo, JobOptions, Observer, Panic,
    Shutdown, ShutdownPolicy, Wants,
};

use crate::probe::{Count, Log, ROOM, ended, occupy, wait_until};
use crate::rule::{Applied, Rule};
use crate::subject::{Subject, TestedPool};
use crate::thread;

pub(crate) fn rules() -> Vec<Rule> {
    let required = Rule::required;
    vec![
        required(
            "R1001",
            "an observer hears of one end for each accepted job",
            ends::r1001,
        ),
        required(
            "R1002",
            "an observer sees each run begin and end on its thread",
            r1002,
        ),
        required(
            "R1003",
            "an observer sees each submission and adds to its options",
            r1003,
        ),
        required("R1004", "an observer that panics changes no outcome", r1004),
        required(
            "R1005",
            "a job carries its values to its end and children inherit",
            values::r1005,
        ),
        required(
            "R1006",
            "a pool closes at a panic if it is asked to and runs what it has",
            r1006,
        ),
        required(
            "R1007",
            "a job that runs past a limit is told of then and as it ends",
            r1007,
        ),
    ]
}

fn observed_pool(subject: Subject, workers: usize, observer: impl Observer) -> TestedPool {
    let mut config = PoolConfig::default();
    config.set_workers(workers);
    config.set_capacity(64);
    config.add_observer(observer);
    subject
        .build(config)
        .expect("an observer keeps no pool from being built")
}

/// Records on which thread each run began and ended, in order.
#[derive(Clone)]
struct Runs(Log<(JobId, Step, thread::ThreadId)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Enter,
    Exit,
    Ended,
}

impl Runs {
    fn note(&self, job: &JobInfo<'_>, step: Step) {
        self.0.note((job.id, step, thread::current().id()));
    }
}

impl Observer for Runs {
    fn enter(&self, job: &JobInfo<'_>) {
        self.note(job, Step::Enter);
    }

    fn exit(&self, job: &JobInfo<'_>) {
        self.note(job, Step::Exit);
    }

    fn ended(&self, job: &JobInfo<'_>, _end: &JobEnd<'_>) {
        self.note(job, Step::Ended);
    }
}

/// A job that panics, one within another, one that never runs; and a future of two polls.
fn r1002(subject: Subject) -> Applied {
    let runs = Runs(Log::new());
    let pool = observed_pool(subject, 1, runs.clone());
    let parent = |ctx: &JobContext<'_>| {
        let child = ctx.spawn(|| ()).expect("the pool is open");
        Ok::<_, Infallible>(child.join().is_ok())
    };
    let panics = pool.spawn(|| panic!("R1002 panics on purpose"));
    assert!(ended(panics.expect(ROOM)).is_err());
    assert!(matches!(ended(pool.submit(parent).expect(ROOM)), Ok(true)));
    let late = |_: &JobContext<'_>| Ok::<_, Infallible>(());
    let late = pool.submit(late.with_deadline(thread::now())).expect(ROOM);
    let never_ran = late.id();
    assert!(ended(late).is_err());
    pool.wait_idle();
    let steps = runs.0.take();
    assert!(
        steps
            .iter()
            .all(|it| it.0 != never_ran || it.1 == Step::Ended)
    );
    assert_eq!(nested_runs(steps), 3);
    if pool.capability().async_jobs {
        each_poll_is_a_run(&pool, &runs);
    }
    Applied::Held
}

/// Checks that the runs of one worker are nested, each on one thread, and that a job ends after
/// them. Returns how many there are.
fn nested_runs(steps: Vec<(JobId, Step, thread::ThreadId)>) -> usize {
    let (mut open, mut runs) = (Vec::new(), 0);
    for (id, step, thread) in steps {
        match step {
            Step::Enter => open.push((id, thread)),
            Step::Exit => {
                assert_eq!(open.pop(), Some((id, thread)), "an exit of another run");
                runs += 1;
            }
            Step::Ended => assert!(open.iter().all(|it| it.0 != id), "it ended while it ran"),
        }
    }
    assert!(open.is_empty(), "a run without an end: {open:?}");
    runs
}

fn each_poll_is_a_run(pool: &impl Executor, runs: &Runs) {
    let mut is_second = false;
    let twice = std::future::poll_fn(move |cx| {
        if std::mem::replace(&mut is_second, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    assert!(ended(pool.spawn_future(twice).expect(ROOM)).is_ok());
    pool.wait_idle();
    let steps = runs.0.take();
    let order: Vec<_> = steps.iter().map(|it| it.1).collect();
    let (enter, exit) = (Step::Enter, Step::Exit);
    assert_eq!(order, [enter, exit, enter, exit, Step::Ended]);
    nested_runs(steps);
}

/// What the observer of submissions adds.
struct Origin(thread::ThreadId);

/// Adds the thread of the submission to each job, and asks for times.
struct Origins(Log<bool>);

impl Observer for Origins {
    fn submitted(&self, options: &mut JobOptions) {
        let origin = Origin(thread::current().id());
        *options = std::mem::take(options).with_extension(origin);
    }

    fn ended(&self, job: &JobInfo<'_>, end: &JobEnd<'_>) {
        let is_complete = job.extension::<Origin>().is_some() && end.waited.is_some();
        self.0.note(is_complete && end.ran.is_some());
    }

    fn wants(&self) -> Wants {
        Wants::TIMES
    }
}

fn r1003(subject: Subject) -> Applied {
    let ends = Log::new();
    let pool = observed_pool(subject, 1, Origins(ends.clone()));
    let here = thread::current().id();
    let origin_of = |ctx: &JobContext<'_>| {
        let origin = ctx.extension::<Origin>().map(|origin| origin.0);
        Ok::<_, Infallible>((origin, thread::current().id()))
    };
    let ways_in = [
        pool.submit(origin_of),
        pool.try_submit(origin_of),
        pool.submit_timeout(origin_of, Duration::from_secs(60)),
    ];
    for handle in ways_in {
        let (origin, _) = ended(handle.expect(ROOM)).expect("it returns");
        assert_eq!(origin, Some(here), "the observer saw the submission");
    }
    let parent = move |ctx: &JobContext<'_>| {
        let child = ctx.submit(origin_of).expect("the pool is open");
        Ok::<_, Infallible>((child.join(), thread::current().id()))
    };
    let (child, parents) = ended(pool.submit(parent).expect(ROOM)).expect("it returns");
    let (origin, _) = child.expect("it returns");
    assert_eq!(origin, Some(parents), "a child is submitted by its parent");
    let mut jobs = 5;
    if pool.capability().async_jobs {
        let future = |ctx: pool_core::AsyncContext| async move {
            Ok::<_, Infallible>(ctx.extension::<Origin>().map(|origin| origin.0))
        };
        let origin = ended(pool.submit_future(future).expect(ROOM));
        assert_eq!(origin.expect("it returns"), Some(here));
        jobs += 1;
    }
    pool.wait_idle();
    assert_eq!(ends.take(), vec![true; jobs], "each end has its times");
    Applied::Held
}

/// Panics in every call, and is told of each end nevertheless.
struct Panics(Count);

impl Observer for Panics {
    /// With the options taken out.
    fn submitted(&self, options: &mut JobOptions) {
        *options = JobOptions::new();
        panic!("R1004: the observer panics on purpose");
    }

    fn enter(&self, _job: &JobInfo<'_>) {
        panic!("R1004: the observer panics on purpose");
    }

    fn exit(&self, _job: &JobInfo<'_>) {
        panic!("R1004: the observer panics on purpose");
    }

    fn ended(&self, _job: &JobInfo<'_>, _end: &JobEnd<'_>) {
        self.0.add();
        panic!("R1004: the observer panics on purpose");
    }
}

fn r1004(subject: Subject) -> Applied {
    let heard = Count::new();
    let pool = observed_pool(subject, 1, Panics(heard.clone()));
    assert!(matches!(ended(pool.spawn(|| 42).expect(ROOM)), Ok(42)));
    let fails = |_: &JobContext<'_>| Err::<(), _>("R1004 fails on purpose");
    let failed = ended(pool.submit(fails).expect(ROOM));
    assert!(matches!(failed, Err(pool_core::JobError::Failed(_))));
    let gate = occupy(&pool, 1);
    let cancelled = pool.spawn(|| 43).expect(ROOM);
    cancelled.cancel();
    assert!(matches!(
        ended(cancelled),
        Err(pool_core::JobError::Cancelled)
    ));
    let late = |_: &JobContext<'_>| Ok::<_, Infallible>(());
    let late = pool.submit(late.with_deadline(thread::now())).expect(ROOM);
    let late = ended(late);
    assert!(
        matches!(late, Err(pool_core::JobError::Expired)),
        "it keeps its options"
    );
    gate.open();
    pool.wait_idle();
    let report = pool.shutdown(ShutdownPolicy::drain());
    let columns = [
        report.completed(),
        report.failed(),
        report.cancelled(),
        report.expired(),
    ];
    assert_eq!(columns, [2, 1, 1, 1], "{report}");
    assert!(report.balances() && report.is_safe_to_exit(), "{report}");
    heard.wait_for(5);
    // Five submissions, three runs of two calls each, five ends.
    each_panic_is_counted(&pool, 16);
    Applied::Held
}

/// A panic is counted as it is caught: after what the hook did before it, and perhaps by a thread
/// that nobody has waited for.
fn each_panic_is_counted(pool: &impl Executor, panics: u64) {
    let counted = || pool.stats().hook_panics;
    wait_until("each panic is counted", pool, || counted() >= panics);
    assert_eq!(counted(), panics, "each panic is counted once");
}

fn r1006(subject: Subject) -> Applied {
    let mut config = PoolConfig::default();
    config.set_workers(1);
    config.set_capacity(8);
    config.set_on_panic(Panic::Close);
    let pool = subject
        .build(config)
        .expect("a plain configuration is accepted");
    let gate = occupy(&pool, 1);
    let fails = |_: &JobContext<'_>| Err::<(), _>("R1006 fails on purpose");
    let failed = pool.submit(fails).expect(ROOM);
    let panics = pool
        .spawn(|| panic!("R1006 panics on purpose"))
        .expect(ROOM);
    let queued = pool.spawn(|| 42).expect(ROOM);
    assert!(!pool.is_closed());
    gate.open();
    assert!(ended(failed).is_err());
    assert!(ended(panics).is_err());
    assert!(pool.is_closed(), "it is closed before the handle resolves");
    assert!(pool.spawn(|| 43).is_err_and(|refused| refused.is_closed()));
    assert!(matches!(ended(queued), Ok(42)), "what was accepted runs");
    Applied::Held
}

fn r1007(subject: Subject) -> Applied {
    let (events, heard) = (Log::new(), Count::new());
    let (told, seen) = (events.clone(), heard.clone());
    let mut config = PoolConfig::default();
    config.set_workers(1);
    config.set_capacity(8);
    config.set_stuck_after(Duration::from_millis(2), move |job| {
        told.note((job.id, job.name.map(str::to_owned), job.has_ended));
        assert!(job.running_for >= Duration::from_millis(2), "{job}");
        seen.add();
        panic!("R1007: the hook panics on purpose");
    });
    let pool = subject
        .build(config)
        .expect("a plain configuration is accepted");
    let wait = heard.clone();
    let stuck = move |_: &JobContext<'_>| {
        wait.wait_for(1); // it ends only after it was told of
        Ok::<_, Infallible>(())
    };
    let stuck = pool.submit(stuck.named("stuck")).expect(ROOM);
    let id = stuck.id();
    assert!(ended(stuck).is_ok());
    heard.wait_for(2);
    let name = Some("stuck".to_owned());
    assert_eq!(events.take(), [(id, name.clone(), false), (id, name, true)]);
    pool.wait_idle();
    each_panic_is_counted(&pool, 2);
    short_jobs_are_not_told_of(subject);
    Applied::Held
}

fn short_jobs_are_not_told_of(subject: Subject) {
    let heard = Count::new();
    let seen = heard.clone();
    let mut config = PoolConfig::default();
    config.set_workers(1);
    config.set_capacity(64);
    config.set_stuck_after(Duration::from_secs(3600), move |_| {
        seen.add();
    });
    let pool = subject
        .build(config)
        .expect("a plain configuration is accepted");
    for _ in 0..50 {
        assert!(ended(pool.spawn(|| ()).expect(ROOM)).is_ok());
    }
    pool.shutdown(ShutdownPolicy::drain());
    assert_eq!(heard.get(), 0);
}
