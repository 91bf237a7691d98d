//! Chapter 3: errors and panics are tracked, and the worker goes on.

use std::convert::Infallible;
use std::error::Error;
use std::panic::panic_any;
use std::time::Duration;

use pool_core::backend::PoolConfig;
use pool_core::{
    CancelToken, Executor, ExecutorExt, Job, JobContext, JobError, JobExt, Outcome, PanicInfo,
    Shutdown, ShutdownPolicy,
};

use super::bombs;
use crate::probe::{Count, Gate, Log, ended, meet, occupy, pool};
use crate::rule::{Applied, Rule};
use crate::subject::{Subject, TestedPool};
use crate::thread;

pub(crate) fn rules() -> Vec<Rule> {
    let required = Rule::required;
    vec![
        required(
            "R301",
            "an error is the job's outcome, and the worker goes on",
            r301,
        ),
        required(
            "R302",
            "a panic is the job's outcome, and the worker goes on",
            r302,
        ),
        required(
            "R303",
            "a panic in a drop costs no worker and no handle",
            bombs::r303,
        ),
        required("R304", "a hook that panics changes no outcome", r304),
        required(
            "R305",
            "a job whose handle is dropped runs and is counted",
            r305,
        ),
        required("R306", "nothing of a job is left for the next", r306),
    ]
}

const WORKERS: usize = 2;

/// An error type of a job's own that cannot be copied.
#[derive(Debug, PartialEq)]
struct NoInk {
    page: usize,
}

fn r301(subject: Subject) -> Applied {
    const PAGES: usize = 20;
    let pool = pool(subject, WORKERS, 64);
    let threads = meet(&pool, WORKERS);
    for page in 0..PAGES {
        let print = move |_: &JobContext<'_>| Err::<Infallible, _>(Box::new(NoInk { page }));
        let printing = pool.submit(print).expect("there is room");
        match ended(printing) {
            Err(JobError::Failed(error)) => assert_eq!(*error, NoInk { page }),
            other => panic!("an error became {other:?}"),
        }
        pool.execute(print).expect("there is room");
    }
    workers_remain(subject, &pool, threads);
    assert_eq!(pool.stats().failed, 2 * PAGES as u64);
    the_observer_is_told_what_an_error_says(subject);
    Applied::Held
}

/// A job that alone knows the text of its error.
struct Prints;

impl Job for Prints {
    type Output = ();
    type Error = NoInk;

    fn run(self, _ctx: &JobContext<'_>) -> Result<(), NoInk> {
        Err(NoInk { page: 5 })
    }

    fn error_text(error: &NoInk) -> Option<String> {
        Some(format!("no ink on page {}", error.page))
    }
}

/// What `on_failure` is told of jobs that end by themselves. An error may be of any type; if it has
/// a text, the hook gets it.
fn the_observer_is_told_what_an_error_says(subject: Subject) {
    let messages = Log::new();
    let noted = messages.clone();
    let mut config = PoolConfig::default();
    config.set_workers(1);
    config.set_capacity(64);
    config.set_on_failure(move |failure| noted.note(failure.message.map(str::to_owned)));
    config.add_describe_error(|error: &[u8; 2]| format!("{error:?}"));
    config.add_describe_error(|_: &u8| panic!("R301: the text of an error panics on purpose"));
    let pool = subject.build(config).expect("hooks are no mistake");

    fn fails<E: Send + 'static>(pool: &dyn Executor, error: E) {
        let job = |_: &JobContext<'_>| Err::<Infallible, _>(error);
        let handle = pool.submit(job).expect("there is room");
        assert!(matches!(ended(handle), Err(JobError::Failed(_))));
    }
    fails(&pool, "a literal");
    fails(&pool, "a string".to_owned());
    fails(&pool, std::io::Error::other("an I/O error"));
    let boxed: Box<dyn Error + Send + Sync> = "a boxed error".into();
    fails(&pool, boxed);
    fails(&pool, [1_u8, 2]);
    fails(&pool, 3_u8);
    fails(&pool, NoInk { page: 4 });
    let known = pool.submit(Prints.named("a page")).expect("there is room");
    assert!(matches!(ended(known), Err(JobError::Failed(_))));
    pool.execute(|_: &JobContext<'_>| Err::<Infallible, _>("unheard"))
        .expect("there is room");
    pool.wait_idle();
    let future = |_| async { Err::<Infallible, _>("of a future") };
    if pool.capability().async_jobs {
        let handle = pool.submit_future(future).expect("there is room");
        assert!(matches!(ended(handle), Err(JobError::Failed(_))));
    }
    let panics = pool.spawn(|| panic!("R301 panics on purpose"));
    assert!(matches!(
        ended(panics.expect("there is room")),
        Err(JobError::Panicked(_))
    ));
    pool.wait_idle();
    let mut expected = vec![
        Some("a literal"),
        Some("a string"),
        Some("an I/O error"),
        Some("a boxed error"),
        Some("[1, 2]"),
        None,
        None,
        Some("no ink on page 5"),
        Some("unheard"),
        Some("of a future"),
        Some("R301 panics on purpose"),
    ];
    if !pool.capability().async_jobs {
        expected.retain(|message| *message != Some("of a future"));
    }
    let heard = messages.take();
    let heard: Vec<_> = heard.iter().map(Option::as_deref).collect();
    assert_eq!(heard, expected);
}

/// Checks that as many workers run at once as before, and the same ones if the pool has its own
/// threads.
#[track_caller]
fn workers_remain(subject: Subject, pool: &TestedPool, mut before: Vec<(usize, thread::ThreadId)>) {
    let mut after = meet(pool, WORKERS);
    pool.wait_idle();
    assert_eq!(pool.stats().workers, WORKERS);
    if subject.capability().owns_threads {
        before.sort_by_key(|place| place.0);
        after.sort_by_key(|place| place.0);
        assert_eq!(after, before, "the workers go on; they are not replaced");
    }
}

fn r302(subject: Subject) -> Applied {
    let pool = pool(subject, WORKERS, 64);
    let threads = meet(&pool, WORKERS);
    let panicked = |job: fn()| -> PanicInfo {
        match ended(pool.spawn(job).expect("there is room")) {
            Err(JobError::Panicked(info)) => info,
            other => panic!("a panic became {other:?}"),
        }
    };

    let literal = panicked(|| panic!("R302 panics on purpose"));
    assert_eq!(literal.message(), "R302 panics on purpose");
    let payload = literal.into_payload();
    assert_eq!(payload.downcast_ref(), Some(&"R302 panics on purpose"));

    let formatted = panicked(|| panic!("R302 panics on page {}", std::hint::black_box(7)));
    assert_eq!(formatted.message(), "R302 panics on page 7");
    let payload = formatted.into_payload();
    assert_eq!(
        payload.downcast_ref::<String>().map(String::as_str),
        Some("R302 panics on page 7")
    );

    let custom = panicked(|| panic_any(NoInk { page: 3 }));
    assert!(
        !custom.message().is_empty(),
        "there is always something to log"
    );
    let payload = custom.into_payload();
    assert_eq!(payload.downcast_ref(), Some(&NoInk { page: 3 }));

    pool.execute(|_: &JobContext<'_>| -> Result<(), Infallible> {
        panic!("R302 panics without a handle")
    })
    .expect("there is room");
    for _ in 0..2 * WORKERS {
        panicked(|| panic!("R302 panics on every worker"));
    }
    workers_remain(subject, &pool, threads);
    assert_eq!(pool.stats().panicked, 4 + 2 * WORKERS as u64);
    Applied::Held
}

/// A pool in which every hook panics except the start hook, which would fail the build (`R109`).
/// The log has what the observer was told before it panicked.
fn pool_of_panicking_hooks(subject: Subject, observed: &Log<Outcome>) -> TestedPool {
    let mut config = PoolConfig::default();
    config.set_workers(WORKERS);
    config.set_capacity(64);
    let observed = observed.clone();
    config.set_on_failure(move |failure| {
        observed.note(failure.outcome);
        panic!("R304: the observer panics on purpose");
    });
    config.set_on_worker_stop(|_| panic!("R304: the stop of a worker panics on purpose"));
    subject
        .build(config)
        .expect("a hook that panics does not keep a pool from being built")
}

fn r304(subject: Subject) -> Applied {
    let observed = Log::new();
    let pool = pool_of_panicking_hooks(subject, &observed);
    let threads = meet(&pool, WORKERS);
    each_end_is_its_own(&pool);
    workers_remain(subject, &pool, threads);

    let report = pool.shutdown(ShutdownPolicy::drain());
    let columns = [
        report.failed(),
        report.panicked(),
        report.expired(),
        report.cancelled(),
    ];
    assert_eq!(columns, [2, 1, 1, 1], "{report}");
    assert!(
        report.balances() && report.is_clean() && report.is_safe_to_exit(),
        "{report}"
    );
    let mut observed = observed.take();
    observed.sort_by_key(|outcome| *outcome as u8);
    let expected = [
        Outcome::Failed,
        Outcome::Failed,
        Outcome::Panicked,
        Outcome::Cancelled,
        Outcome::Expired,
    ];
    assert_eq!(
        observed, expected,
        "the observer saw each, though it panicked each time"
    );
    Applied::Held
}

fn each_end_is_its_own(pool: &TestedPool) {
    let room = "there is room";
    let no_ink = |_: &JobContext<'_>| Err::<Infallible, _>("no ink");
    let failed = pool.submit(no_ink).expect(room);
    assert!(matches!(ended(failed), Err(JobError::Failed("no ink"))));
    pool.execute(no_ink).expect(room);

    let panicked = pool.spawn(|| panic!("R304 panics on purpose")).expect(room);
    let Err(JobError::Panicked(info)) = ended(panicked) else {
        panic!("a panic became something else");
    };
    assert_eq!(info.message(), "R304 panics on purpose");

    let nothing = |_: &JobContext<'_>| Ok::<_, Infallible>(());
    let late = pool
        .submit(nothing.with_deadline(thread::now()))
        .expect(room);
    assert!(matches!(ended(late), Err(JobError::Expired)));
    let token = CancelToken::new();
    token.cancel();
    let cancelled = pool.submit(nothing.with_token(&token)).expect(room);
    assert!(matches!(ended(cancelled), Err(JobError::Cancelled)));
    let completed = pool.spawn(|| 5).expect(room);
    assert_eq!(ended(completed).expect("it completes"), 5);
}

fn r305(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 8);
    let ran = Count::new();
    let job = || {
        let ran = ran.clone();
        move || ran.add()
    };
    // Before the start.
    let gate = occupy(&pool, 1);
    drop(pool.spawn(job()).expect("there is room"));
    pool.spawn(job()).expect("there is room").detach();
    gate.open();
    ran.wait_for(2);
    // While it runs.
    let (started, gate) = (Count::new(), Gate::new());
    let (starting, pass, running) = (started.clone(), gate.pass(), job());
    let handle = pool.spawn(move || {
        starting.add();
        pass.wait();
        running();
    });
    started.wait_for(1);
    drop(handle.expect("there is room"));
    gate.open();
    ran.wait_for(3);
    // After the end.
    let handle = pool.spawn(job()).expect("there is room");
    ran.wait_for(4);
    pool.wait_idle();
    assert!(handle.is_finished());
    drop(handle);

    let stats = pool.stats();
    // The one that held the gate was detached, too.
    assert_eq!((stats.accepted, stats.completed), (5, 5), "{stats}");
    Applied::Held
}

fn r306(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 8);
    sees_itself(&pool);
    let former: [fn(&TestedPool); 4] = [
        cancelled_while_running,
        expired_while_running,
        panicked_in_place,
        failed_under_a_name,
    ];
    for leave_something in former {
        leave_something(&pool);
        sees_itself(&pool);
    }
    Applied::Held
}

/// A job without a value finds none, and neither do its children, queued or in place.
fn sees_itself(pool: &TestedPool) {
    let inner = pool.clone();
    pool.wait_idle();
    let look = move |ctx: &JobContext<'_>| {
        has_nothing(ctx);
        // Only this job is in the pool: if an earlier one were still counted, this would wait for
        // it.
        inner.wait_idle();
        assert_eq!(inner.stats().running, 1, "a former job is known as running");
        let child = |ctx: &JobContext<'_>| {
            has_nothing(ctx);
            Ok::<_, Infallible>(ctx.id())
        };
        let queued = ctx.submit(child).expect("there is room");
        let id = queued.id();
        assert_eq!(queued.join().expect("it runs in place"), id);
        has_nothing(ctx);
        Ok::<_, Infallible>(ctx.id())
    };
    let handle = pool.submit(look).expect("there is room");
    let id = handle.id();
    assert_eq!(
        ended(handle).expect("it finds nothing"),
        id,
        "a job sees its own id"
    );
}

fn has_nothing(ctx: &JobContext<'_>) {
    assert!(!ctx.is_cancelled(), "a former job's cancellation is seen");
    assert_eq!(ctx.check(), Ok(()));
    assert_eq!(
        (ctx.name(), ctx.deadline(), ctx.remaining()),
        (None, None, None)
    );
}

fn cancelled_while_running(pool: &TestedPool) {
    let token = CancelToken::new();
    let own = token.clone();
    let job = move |ctx: &JobContext<'_>| {
        own.cancel();
        ctx.check().map_err(|_| "stopped")
    };
    let handle = pool.submit(job.with_token(&token)).expect("there is room");
    assert!(matches!(ended(handle), Err(JobError::Cancelled)));
}

fn expired_while_running(pool: &TestedPool) {
    let job = |ctx: &JobContext<'_>| {
        while ctx.remaining() != Some(Duration::ZERO) {
            thread::yield_now();
        }
        ctx.check().map_err(|_| "too late")
    };
    let handle = pool
        .submit(job.with_timeout(Duration::from_millis(20)))
        .expect("there is room");
    assert!(matches!(ended(handle), Err(JobError::Expired)));
}

/// A panic in a job that runs in place, and another in the job that runs it.
fn panicked_in_place(pool: &TestedPool) {
    let job = |ctx: &JobContext<'_>| -> Result<(), Infallible> {
        let child = |_: &JobContext<'_>| -> Result<(), Infallible> {
            panic!("R306: the child panics on purpose")
        };
        let child = ctx.submit(child.named("child")).expect("there is room");
        assert!(matches!(child.join(), Err(JobError::Panicked(_))));
        assert_eq!(ctx.name(), Some("parent"));
        panic!("R306: the parent panics on purpose");
    };
    let handle = pool.submit(job.named("parent")).expect("there is room");
    assert!(
        matches!(ended(handle), Err(JobError::Panicked(info)) if info.message().contains("the parent"))
    );
}

fn failed_under_a_name(pool: &TestedPool) {
    let job = |ctx: &JobContext<'_>| Err::<Infallible, _>(ctx.name().map(str::to_owned));
    let handle = pool.submit(job.named("named")).expect("there is room");
    assert!(matches!(ended(handle), Err(JobError::Failed(Some(name))) if name == "named"));
}
