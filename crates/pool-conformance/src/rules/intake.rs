//! Chapter 1: what is accepted ends once, and what is refused comes back.

mod chains;
mod extremes;
mod freed;
pub(super) mod line;

use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pool_core::backend::PoolConfig;
use pool_core::{
    AsyncContext, AsyncJob, DEFAULT_CAPACITY, Executor, ExecutorExt, Job, JobContext, JobHandle,
    Refused, Shutdown, ShutdownPolicy, SubmitError,
};

use super::{outcomes, waiting, workers};
use crate::probe::{Alive, AliveValue, Count, Log, PATIENCE, ended, occupy, pool, ready};
use crate::rule::{Applied, Kind, Rule};
use crate::subject::{Subject, TestedPool};
use crate::thread;

pub(crate) fn rules() -> Vec<Rule> {
    let required = Rule::required;
    vec![
        required("R101", "an accepted job has one outcome", outcomes::r101),
        required("R102", "a refused job comes back whole", r102),
        required("R103", "a job's body runs at most once", r103),
        Rule::new(
            "R104",
            "no more jobs wait than the capacity allows",
            Kind::Optional("bounded", |capability| capability.capacity.is_some()),
            r104,
        ),
        required(
            "R105",
            "each way in waits as it says, and never past the job's deadline",
            waiting::r105,
        ),
        required(
            "R106",
            "a dropped `submit_async` submits nothing",
            waiting::r106,
        ),
        required(
            "R107",
            "nobody waits for room for ever, whoever else waits or submits",
            waiting::r107,
        ),
        required(
            "R108",
            "a job that fills its own pool does not hang",
            waiting::r108,
        ),
        required(
            "R109",
            "a wrong configuration is an error value",
            workers::r109,
        ),
        required("R110", "a batch says how far it got in", r110),
        Rule::new(
            "R111",
            "a capacity is a bound, whatever its size",
            Kind::Optional("bounded", |capability| capability.capacity.is_some()),
            extremes::r111,
        ),
        required(
            "R112",
            "a thread that ends can still submit",
            extremes::r112,
        ),
        required(
            "R113",
            "chains of jobs have any length, open or draining, and no endless stack",
            chains::r113,
        ),
    ]
}

/// A job with a payload that cannot be copied.
#[derive(Debug)]
struct Letter {
    text: String,
    alive: AliveValue,
}

impl Letter {
    fn new(text: &str, alive: &Alive) -> Self {
        Self {
            text: text.to_owned(),
            alive: alive.value(),
        }
    }
}

impl Job for Letter {
    type Output = String;
    type Error = Infallible;

    fn run(self, _ctx: &JobContext<'_>) -> Result<String, Infallible> {
        drop(self.alive);
        Ok(self.text)
    }
}

/// The same, as a future.
struct Telegram(Letter);

impl AsyncJob for Telegram {
    type Output = String;
    type Error = Infallible;

    async fn run(self, _ctx: AsyncContext) -> Result<String, Infallible> {
        Ok(self.0.text)
    }
}

fn r102(subject: Subject) -> Applied {
    full_gives_back(subject);
    closed_gives_back(subject);
    refused_task_is_the_same(subject);
    Applied::Held
}

/// Returns the job in a refusal, which must be the submitted one, and the only one.
#[track_caller]
fn full<J, H>(result: Result<H, SubmitError<J>>) -> J {
    match result {
        Err(SubmitError::Full(job)) => job,
        Err(SubmitError::Closed(_)) => panic!("the pool is open, yet it said `Closed`"),
        Ok(_) => panic!("a full pool accepted a job"),
    }
}

#[track_caller]
fn closed<J, H>(result: Result<H, SubmitError<J>>) -> J {
    match result {
        Err(SubmitError::Closed(job)) => job,
        Err(SubmitError::Full(_)) => panic!("the pool is closed, yet it said `Full`"),
        Ok(_) => panic!("a closed pool accepted a job"),
    }
}

fn full_gives_back(subject: Subject) {
    let alive = Alive::new();
    let letter = |text| Letter::new(text, &alive);
    let pool = pool(subject, 1, 1);
    let gate = occupy(&pool, 1);
    let queued = pool.spawn(|| ()).expect("one place is free");

    let first = full(pool.try_submit(letter("first")));
    let second = full(pool.try_execute(letter("second")));
    let third = full(pool.submit_timeout(letter("third"), Duration::from_millis(1)));
    let texts = [&first, &second, &third].map(|letter| letter.text.as_str());
    assert_eq!(texts, ["first", "second", "third"]);
    assert_eq!(alive.count(), 3, "each refused job exists once");
    if subject.capability().async_jobs {
        let telegram = full(pool.try_submit_future(Telegram(letter("fourth"))));
        assert_eq!(telegram.0.text, "fourth");
    }

    gate.open();
    ended(queued).expect("the queued job runs");
    let again = pool.submit(first).expect("there is room now");
    assert_eq!(ended(again).expect("it still runs"), "first");
}

fn closed_gives_back(subject: Subject) {
    let alive = Alive::new();
    let letter = |text| Letter::new(text, &alive);
    let pool = pool(subject, 1, 1);
    pool.close();

    let async_way = Box::pin(pool.submit_async(letter("f")));
    let back = [
        closed(pool.submit(letter("a"))),
        closed(pool.try_submit(letter("b"))),
        closed(pool.execute(letter("c"))),
        closed(pool.try_execute(letter("d"))),
        closed(pool.submit_timeout(letter("e"), PATIENCE)),
        closed(ready({ async_way }.as_mut())),
    ];
    let texts: String = back.iter().map(|letter| letter.text.as_str()).collect();
    assert_eq!(texts, "abcdef");
    assert_eq!(alive.count(), back.len(), "each refused job exists once");
    assert_eq!(closed(pool.spawn(|| 6 * 7))(), 42);
    if subject.capability().async_jobs {
        let telegram = closed(pool.submit_future(Telegram(letter("g"))));
        assert_eq!(telegram.0.text, "g");
        assert_eq!(
            ready(Box::pin(closed(pool.spawn_future(async { 5 }))).as_mut()),
            5
        );
    }
    assert_eq!(pool.stats().accepted, 0, "a refusal is not accepted");
}

/// The erased form of a job comes back unchanged too.
fn refused_task_is_the_same(subject: Subject) {
    let source = pool(subject, 1, 1);
    let gate = occupy(&source, 1);
    let handle = source.spawn(|| "moved").expect("one place is free");
    let report = source.shutdown(ShutdownPolicy::now().hand_back());
    let task = report.take_unstarted().pop().expect("one did not start");
    assert_eq!(task.id(), handle.id());

    let target = pool(subject, 1, 1);
    let held = occupy(&target, 1);
    target.spawn(|| ()).expect("one place is free").detach();
    let Err(Refused::Full(task)) = Executor::try_accept(&target, task) else {
        panic!("a full pool must say `Full`");
    };
    let Err(Refused::Closed(task)) = Executor::try_accept(&source, task) else {
        panic!("a closed pool must say `Closed`");
    };
    assert_eq!(task.id(), handle.id());
    held.open();
    gate.open();
    target.wait_idle();
    Executor::try_accept(&target, task).expect("there is room");
    assert_eq!(ended(handle).expect("it runs in the other pool"), "moved");
}

const SUBMITTERS: usize = 4;

/// Jobs of each submitter.
fn jobs() -> usize {
    thread::often(1000)
}

fn r103(subject: Subject) -> Applied {
    let pool = pool(subject, 3, 16);
    let runs: Arc<Vec<AtomicUsize>> = Arc::new(
        (0..SUBMITTERS * jobs())
            .map(|_| AtomicUsize::new(0))
            .collect(),
    );
    thread::scope(|threads| {
        for submitter in 0..SUBMITTERS {
            let (pool, runs) = (&pool, &runs);
            threads.spawn(move || submit_contested(pool, submitter, runs));
        }
    });
    pool.wait_idle();
    for (job, runs) in runs.iter().enumerate() {
        let runs = runs.load(Ordering::SeqCst);
        let may_be_cancelled = job % 4 == 3;
        let is_right = if may_be_cancelled {
            runs <= 1
        } else {
            runs == 1
        };
        assert!(is_right, "the body of job {job} ran {runs} times");
    }
    Applied::Held
}

/// Jobs that several sides compete for: the queue's workers, a parent that joins, a canceller.
fn submit_contested(pool: &TestedPool, submitter: usize, runs: &Arc<Vec<AtomicUsize>>) {
    for job in (submitter * jobs())..((submitter + 1) * jobs()) {
        let own = Arc::clone(runs);
        let body = move || own[job].fetch_add(1, Ordering::SeqCst);
        match job % 4 {
            0 => drop(pool.spawn(body).expect("the pool is open")),
            1 => {
                let parent = move |ctx: &JobContext<'_>| {
                    let child = ctx.submit(move |_: &JobContext<'_>| Ok::<_, Infallible>(body()));
                    child.expect("the pool is open").join()
                };
                ended(pool.submit(parent).expect("the pool is open")).expect("the child ran");
            }
            2 => {
                let job = move |_: &JobContext<'_>| Ok::<_, Infallible>(body());
                pool.execute(job).expect("the pool is open");
            }
            _ => {
                let handle = pool.spawn(body).expect("the pool is open");
                handle.cancel();
                let ran = ended(handle).is_ok();
                assert_eq!(usize::from(ran), runs[job].load(Ordering::SeqCst));
            }
        }
    }
}

const CAPACITY: usize = 5;

fn r104(subject: Subject) -> Applied {
    given_capacity_is_exact(subject);
    default_is_documented(subject);
    never_more_under_load(subject);
    freed::an_end_in_the_queue_frees_a_place(subject);
    freed::an_end_of_a_parent_frees_places(subject);
    freed::an_end_in_the_queue_calls_who_waits(subject);
    freed::an_end_on_the_way_in_keeps_no_place(subject);
    Applied::Held
}

fn given_capacity_is_exact(subject: Subject) {
    let pool = pool(subject, 2, CAPACITY);
    let claimed = Executor::capability(&pool).capacity;
    assert_eq!(
        claimed,
        Some(CAPACITY),
        "the capability says what was given"
    );
    let gate = occupy(&pool, 2);
    let accepted = AtomicUsize::new(0);
    thread::scope(|threads| {
        for _ in 0..SUBMITTERS {
            threads.spawn(|| {
                for _ in 0..2 * CAPACITY {
                    let got_in = [
                        pool.try_submit(|_: &JobContext<'_>| Ok::<_, Infallible>(()))
                            .is_ok(),
                        pool.try_execute(|_: &JobContext<'_>| Ok::<_, Infallible>(()))
                            .is_ok(),
                        pool.submit_timeout(
                            |_: &JobContext<'_>| Ok::<_, Infallible>(()),
                            Duration::ZERO,
                        )
                        .is_ok(),
                    ];
                    let got_in = got_in.into_iter().filter(|got_in| *got_in).count();
                    accepted.fetch_add(got_in, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(accepted.into_inner(), CAPACITY);
    assert_eq!(pool.stats().queued, CAPACITY as u64);
    gate.open();
}

fn default_is_documented(subject: Subject) {
    let mut config = PoolConfig::default();
    config.set_workers(1);
    let pool = subject
        .build(config)
        .expect("the defaults are a right configuration");
    let gate = occupy(&pool, 1);
    let accepted = (0..=DEFAULT_CAPACITY)
        .take_while(|_| {
            pool.try_submit(|_: &JobContext<'_>| Ok::<_, Infallible>(()))
                .is_ok()
        })
        .count();
    assert_eq!(accepted, DEFAULT_CAPACITY);
    gate.open();
}

/// While the pool is busy, a dequeued job may not have reached its first line yet; this many more
/// are allowed for.
fn never_more_under_load(subject: Subject) {
    const WORKERS: usize = 2;
    let pool = pool(subject, WORKERS, CAPACITY);
    let (accepted, started) = (Count::new(), Count::new());
    thread::scope(|threads| {
        for _ in 0..SUBMITTERS {
            threads.spawn(|| {
                for _ in 0..jobs() {
                    let starting = started.clone();
                    pool.spawn(move || starting.add())
                        .expect("the pool is open")
                        .detach();
                    accepted.add();
                    // In this order, a start between the two reads makes the difference smaller,
                    // not larger.
                    let accepted = accepted.get();
                    let waiting = accepted.saturating_sub(started.get());
                    assert!(waiting <= CAPACITY + WORKERS, "{waiting} jobs waited");
                }
            });
        }
    });
    started.wait_for(SUBMITTERS * jobs());
}

fn r110(subject: Subject) -> Applied {
    batch_is_admitted_in_order(subject);
    refused_batch_comes_back(subject);
    Applied::Held
}

fn outputs<T, E: Debug>(handles: Vec<JobHandle<T, E>>) -> Vec<T> {
    let outputs = handles.into_iter().map(ended);
    outputs.map(|end| end.expect("it completes")).collect()
}

fn batch_is_admitted_in_order(subject: Subject) {
    let pool = pool(subject, 1, 2);
    let started = Log::new();
    let jobs = (0..20).map(|number: usize| {
        let started = started.clone();
        move |_: &JobContext<'_>| {
            started.note(number);
            Ok::<_, Infallible>(number)
        }
    });
    let handles = pool.submit_all(jobs).expect("room appears, job by job");
    let in_order = Vec::from_iter(0..20);
    assert_eq!(outputs(handles), in_order);
    if subject.capability().fifo {
        assert_eq!(started.take(), in_order, "jobs are admitted in order");
    }
}

fn refused_batch_comes_back(subject: Subject) {
    let first_pool = pool(subject, 1, 2);
    let jobs = (0..10).map(|number| {
        if number == 4 {
            first_pool.close();
        }
        move |_: &JobContext<'_>| Ok::<_, Infallible>(number)
    });
    let cut_short = first_pool
        .submit_all(jobs)
        .expect_err("the pool was closed half-way");
    assert!(cut_short.refused.is_closed());
    assert_eq!(outputs(cut_short.accepted), [0, 1, 2, 3]);

    let second_pool = pool(subject, 1, 10);
    let given_back = std::iter::once(cut_short.refused.into_job()).chain(cut_short.rest);
    let handles = second_pool
        .submit_all(given_back)
        .expect("the second pool is open");
    assert_eq!(outputs(handles), [4, 5, 6, 7, 8, 9]);
}
