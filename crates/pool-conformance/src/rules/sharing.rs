//! Values that a pool shares with its jobs.

use std::convert::Infallible;
use std::sync::Arc;

use pool_core::backend::PoolConfig;
use pool_core::{
    AsyncContext, Executor, ExecutorExt, JobContext, JobError, JobExt, JobHandle, Shutdown,
    ShutdownPolicy,
};

use crate::polling::Signal;
use crate::probe::{Alive, AliveValue, Count, Gate, ROOM, ended, occupy, pool, wait_until};
use crate::rule::{Applied, Rule};
use crate::subject::{Subject, TestedPool};

pub(crate) fn rules() -> Vec<Rule> {
    vec![
        Rule::required(
            "R1023",
            "every job sees the values that the pool which runs it shares",
            r1023,
        ),
        Rule::required(
            "R1024",
            "a shared value is dropped once when the pool and its jobs are gone",
            r1024,
        ),
    ]
}

/// A value that a pool shares.
struct Album(&'static str);

/// A pool that shares an album, and nothing else.
fn with_album(subject: Subject, workers: usize, title: &'static str) -> TestedPool {
    let mut config = PoolConfig::default();
    config.set_workers(workers);
    config.set_capacity(16);
    config.share(Album(title));
    subject
        .build(config)
        .expect("a shared value is no reason to refuse")
}

/// What a job sees.
fn title(ctx: &JobContext<'_>) -> Result<&'static str, Infallible> {
    Ok(ctx.shared::<Album>().0)
}

#[track_caller]
fn sees<E>(handle: JobHandle<&'static str, E>, expected: &str) {
    match ended(handle) {
        Ok(seen) => assert_eq!(seen, expected),
        Err(error) => panic!("it sees nothing: {:?}", error.outcome()),
    }
}

fn r1023(subject: Subject) -> Applied {
    let pool = with_album(subject, 2, "holidays");
    sees(pool.submit(title).expect(ROOM), "holidays");
    sees(pool.submit(title.named("title")).expect(ROOM), "holidays");
    children_and_halves(&pool);
    futures(&pool);
    a_type_that_is_not_shared(&pool);
    pools_that_use_each_other(subject);
    a_task_that_is_handed_back(subject);
    on_each_backend(&pool);
    a_second_value_of_a_type(subject);
    Applied::Held
}

/// Children, whether they run in place or elsewhere, and halves.
fn children_and_halves(pool: &impl Executor) {
    let parent = |ctx: &JobContext<'_>| {
        let child = ctx.submit(title).expect(ROOM);
        let own = ctx.shared::<Album>().0;
        let (left, right) = ctx.join(|ctx| ctx.shared::<Album>().0, |ctx| ctx.shared::<Album>().0);
        assert_eq!([own, left, right], ["holidays"; 3]);
        child.join()
    };
    sees(pool.submit(parent).expect(ROOM), "holidays");
}

/// Before and after it was suspended, and its children.
fn futures(pool: &impl Executor) {
    if !pool.capability().async_jobs {
        return;
    }
    let signal = Signal::default();
    let asleep = signal.clone();
    let future = move |ctx: AsyncContext| async move {
        let album: &Album = ctx.shared();
        asleep.await;
        assert_eq!(album.0, ctx.shared::<Album>().0);
        let child = ctx.submit(title).expect(ROOM);
        child.await
    };
    let future = pool.submit_future(future).expect(ROOM);
    let _waker = signal.wait_for_sleeper();
    signal.fire();
    sees(future, "holidays");
}

/// Asked for, it is a panic of the job that says what is missing; tried, it is not there.
fn a_type_that_is_not_shared(pool: &impl Executor) {
    let tries = |ctx: &JobContext<'_>| Ok::<_, Infallible>(ctx.try_shared::<String>().is_none());
    assert!(ended(pool.submit(tries).expect(ROOM)).expect("it asks"));
    let asks = |ctx: &JobContext<'_>| Ok::<_, Infallible>(ctx.shared::<String>().len());
    let Err(JobError::Panicked(panic)) = ended(pool.submit(asks).expect(ROOM)) else {
        panic!("there is no string");
    };
    let text = panic.message();
    for part in ["alloc::string::String", ".share(value)"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

/// A job of one pool joins a job of another one: each sees the values of its own.
fn pools_that_use_each_other(subject: Subject) {
    let (outer, inner) = (
        with_album(subject, 1, "outer"),
        with_album(subject, 1, "inner"),
    );
    let other = inner.clone();
    let joins = move |ctx: &JobContext<'_>| {
        let theirs = other.submit(title).expect(ROOM).join()?;
        let own = ctx.shared::<Album>().0;
        assert_eq!(own, "outer");
        Ok::<_, JobError<Infallible>>(theirs)
    };
    sees(outer.submit(joins).expect(ROOM), "inner");
}

/// A job that one pool accepted and another one runs sees the values of the second.
fn a_task_that_is_handed_back(subject: Subject) {
    let (first, second) = (
        with_album(subject, 1, "first"),
        with_album(subject, 1, "second"),
    );
    let gate = occupy(&first, 1);
    let handle = first.submit(title).expect(ROOM);
    let asynchronous = first.capability().async_jobs.then(|| {
        let future = |ctx: AsyncContext| async move { title_of(&ctx) };
        first.submit_future(future).expect(ROOM)
    });
    let report = first.shutdown(ShutdownPolicy::now().hand_back());
    for task in report.take_unstarted() {
        let accepted = second.try_accept(task);
        assert!(accepted.is_ok(), "the second pool has room");
    }
    sees(handle, "second");
    if let Some(future) = asynchronous {
        sees(future, "second");
    }
    gate.open();
}

fn title_of(ctx: &AsyncContext) -> Result<&'static str, Infallible> {
    Ok(ctx.shared::<Album>().0)
}

/// A pool that is swapped shares the same values before and after.
fn on_each_backend(pool: &TestedPool) {
    let gate = Gate::new();
    let (pass, started) = (gate.pass(), Count::new());
    let count = started.clone();
    let address = |ctx: &JobContext<'_>| std::ptr::from_ref(ctx.shared::<Album>()) as usize;
    let held = move |ctx: &JobContext<'_>| {
        count.add();
        pass.wait();
        Ok::<_, Infallible>(address(ctx))
    };
    let held = pool.submit(held).expect(ROOM);
    started.wait_for(1);
    if let Some(swapped) = pool.swap() {
        swapped.expect("the other backend can be built");
    }
    let after = pool.submit(move |ctx: &JobContext<'_>| Ok::<_, Infallible>(address(ctx)));
    let after = ended(after.expect(ROOM)).expect("it sees the album");
    gate.open();
    assert_eq!(ended(held).expect("it sees the album"), after, "one value");
}

/// The later of two values of one type holds; a value of another type is apart.
fn a_second_value_of_a_type(subject: Subject) {
    let mut config = PoolConfig::default();
    config.set_workers(1);
    config.share(Album("first"));
    config.share(Arc::new(Album("apart")));
    config.share(Album("second"));
    let pool = subject
        .build(config)
        .expect("a shared value is no reason to refuse");
    sees(pool.submit(title).expect(ROOM), "second");
    let apart = |ctx: &JobContext<'_>| Ok::<_, Infallible>(ctx.shared::<Arc<Album>>().0);
    sees(pool.submit(apart).expect(ROOM), "apart");
}

fn r1024(subject: Subject) -> Applied {
    as_a_pool_is_dropped(subject);
    after_a_job_that_outlasts_the_shutdown(subject);
    a_value_that_has_a_pool(subject);
    Applied::Held
}

/// A pool of one worker that shares a value which counts while it is alive.
fn with_counted(subject: Subject, alive: &Alive) -> TestedPool {
    let mut config = PoolConfig::default();
    config.set_workers(1);
    config.share(alive.value());
    subject
        .build(config)
        .expect("a shared value is no reason to refuse")
}

fn as_a_pool_is_dropped(subject: Subject) {
    let alive = Alive::new();
    let pool = with_counted(subject, &alive);
    assert_eq!(alive.count(), 1, "the pool is there");
    let finds =
        |ctx: &JobContext<'_>| Ok::<_, Infallible>(ctx.try_shared::<AliveValue>().is_some());
    assert!(ended(pool.submit(finds).expect(ROOM)).expect("it looks"));
    assert_eq!(alive.count(), 1, "no job takes it along");
    drop(pool);
    is_gone(subject, &alive);
}

/// The shutdown gives a job up, which goes on, and still finds the value.
fn after_a_job_that_outlasts_the_shutdown(subject: Subject) {
    let alive = Alive::new();
    let pool = with_counted(subject, &alive);
    let (gate, started) = (Gate::new(), Count::new());
    let (pass, count) = (gate.pass(), started.clone());
    let held = move |ctx: &JobContext<'_>| {
        count.add();
        pass.wait();
        Ok::<_, Infallible>(ctx.try_shared::<AliveValue>().is_some())
    };
    let held = pool.submit(held).expect(ROOM);
    started.wait_for(1);
    let report = pool.shutdown(ShutdownPolicy::now());
    drop(pool);
    assert_eq!(report.still_running().len(), 1, "{report}");
    assert_eq!(alive.count(), 1, "a job may ask for it");
    gate.open();
    assert!(ended(held).expect("it goes on"), "the value is there");
    is_gone(subject, &alive);
}

/// Submits to a pool, waits for it and drops its last handle, as it is dropped itself.
struct HasPool<P: Executor>(P, Count);

impl<P: Executor> Drop for HasPool<P> {
    fn drop(&mut self) {
        let job = self.0.spawn(|| 42).expect("it is open");
        assert_eq!(ended(job).expect("it runs"), 42);
        self.0.wait_idle();
        self.1.add();
    }
}

/// The destructor of a value may use another pool, and end it; that it panics harms nobody.
fn a_value_that_has_a_pool(subject: Subject) {
    let dropped = Count::new();
    let mut config = PoolConfig::default();
    config.set_workers(1);
    config.share(HasPool(pool(subject, 1, 4), dropped.clone()));
    config.share(Bomb(dropped.clone()));
    let outer = subject
        .build(config)
        .expect("a shared value is no reason to refuse");
    outer.spawn(|| ()).expect(ROOM).detach();
    drop(outer);
    dropped.wait_for(2);
}

/// Panics as it is dropped, silently.
struct Bomb(Count);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.add();
        std::panic::resume_unwind(Box::new("a value's drop"));
    }
}

/// Workers that are on their way out hold the values for a moment.
fn is_gone(subject: Subject, alive: &Alive) {
    let bystander = pool(subject, 1, 1);
    wait_until("the drop of the value", &bystander, || alive.count() == 0);
}
