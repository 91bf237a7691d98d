//! Values of any type that travel with a job.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use pool_core::{
    AsyncContext, AsyncJobExt, Executor, ExecutorExt, JobContext, JobExt, JobOptions, Shutdown,
    ShutdownPolicy,
};

use crate::probe::{Alive, AliveValue, ROOM, ended, occupy};
use crate::rule::Applied;
use crate::subject::Subject;

/// A value that counts while it is alive, with something to know it by.
struct Carried(
    u32,
    #[expect(dead_code, reason = "its drop counts")] AliveValue,
);

/// Another type, which is not inherited.
struct Own;

fn carried(ctx: &JobContext<'_>) -> Result<(Option<u32>, bool), Infallible> {
    let number = ctx.extension().map(|carried: &Carried| carried.0);
    Ok((number, ctx.extension::<Own>().is_some()))
}

fn options(number: u32, alive: &Alive) -> JobOptions {
    let value = Carried(number, alive.value());
    JobOptions::new()
        .with_inherited_extension(value)
        .with_extension(Own)
}

pub(super) fn r1005(subject: Subject) -> Applied {
    let alive = Alive::new();
    let pool = crate::probe::pool(subject, 1, 64);
    let parent = |ctx: &JobContext<'_>| {
        let here = carried(ctx)?;
        let child = ctx.submit(carried).expect("the pool is open").join();
        let other = Carried(2, Alive::new().value());
        let replaced = ctx.submit(carried.with_extension(other));
        let replaced = replaced.expect("the pool is open").join();
        let (a, b) = ctx.join(carried, carried);
        let nothing_else = ctx.extension::<u8>().is_none();
        Ok::<_, Infallible>((here, child, replaced, a, b, nothing_else))
    };
    let handle = pool
        .submit(parent.with_options(options(1, &alive)))
        .expect(ROOM);
    let seen = handle.join_timeout(Duration::from_secs(60));
    let (here, child, replaced, a, b, nothing_else) = seen.expect("it ends").expect("it returns");
    let all = (Some(1), true);
    assert_eq!(here, all, "a job sees its values");
    assert_eq!(
        child.expect("it returns"),
        (Some(1), false),
        "a child inherits one of them"
    );
    assert_eq!(
        replaced.expect("it returns").0,
        Some(2),
        "its own comes first"
    );
    assert_eq!((a, b), (Ok(all), Ok(all)), "a half is part of its job");
    assert!(nothing_else);
    pool.wait_idle();
    assert_eq!(alive.count(), 0, "the values went with the jobs");
    values_go_with_jobs_that_never_run(subject, &alive);
    if pool.capability().async_jobs {
        let future = |ctx: AsyncContext| async move {
            let number = ctx.extension().map(|carried: &Carried| carried.0);
            Ok::<_, Infallible>((number, ctx.extension::<Own>().is_some()))
        };
        let future = pool.submit_future(future.with_options(options(3, &alive)));
        assert_eq!(
            ended(future.expect(ROOM)).expect("it returns"),
            (Some(3), true)
        );
        pool.wait_idle();
        assert_eq!(alive.count(), 0, "the values went with the future");
    }
    Applied::Held
}

/// Cancelled in the queue, and given up by a shutdown; readable there as long as the job may start.
fn values_go_with_jobs_that_never_run(subject: Subject, alive: &Alive) {
    let pool = crate::probe::pool(subject, 1, 64);
    let gate = occupy(&pool, 1);
    let cancelled = pool
        .submit(carried.with_options(options(4, alive)))
        .expect(ROOM);
    assert_eq!(alive.count(), 1);
    cancelled.cancel();
    assert_eq!(alive.count(), 0, "a cancel drops what the job carries");
    let given_up = pool
        .submit(carried.with_options(options(5, alive)))
        .expect(ROOM);
    pool.execute(carried.with_options(options(6, alive)))
        .expect(ROOM);
    let report = pool.shutdown(ShutdownPolicy::now().hand_back());
    gate.open();
    let mut tasks = report.take_unstarted();
    let numbers = tasks.iter().map(|task| {
        let shared: Arc<Carried> = task.extension().expect("it may still start");
        shared.0
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [5, 6]);
    given_up.cancel();
    assert!(tasks[0].extension::<Carried>().is_none(), "it is over");
    tasks.clear();
    drop(report);
    assert_eq!(alive.count(), 0, "the values went with the tasks");
}
