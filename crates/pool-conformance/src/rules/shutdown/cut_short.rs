//! R605: what a shutdown cut short, by name, and what a process may make of it.

use std::convert::Infallible;
use std::time::Duration;

use pool_core::{
    AsyncContext, AsyncJobExt, Cut, Executor, ExecutorExt, JobContext, JobExt, Shutdown,
    ShutdownPolicy, ShutdownReport,
};

use super::unit;
use crate::probe::{Count, FAR, ROOM, ended, pool, until_interrupted};
use crate::subject::Subject;

pub(super) fn cut_short(subject: Subject) {
    nothing(&pool(subject, 1, 8));
    nothing_though_not_all_completed(&pool(subject, 1, 8));
    what_runs_and_what_waits(&pool(subject, 2, 8));
    if subject.capability().async_jobs {
        what_sleeps(&pool(subject, 2, 8));
    }
}

/// Every figure that a caller can decide by.
fn verdict(report: &ShutdownReport) -> (bool, bool, bool, u8) {
    (
        report.all_completed(),
        report.is_clean(),
        report.is_safe_to_exit(),
        report.exit_code(),
    )
}

/// How each job was cut short, by name, in alphabetical order.
fn named(report: &ShutdownReport) -> Vec<(&str, Cut)> {
    let name = |cut: &pool_core::CutShort| cut.name.as_deref().unwrap_or("").to_owned();
    let mut cuts: Vec<_> = report.cut_short().iter().collect();
    cuts.sort_by_key(|cut| name(cut));
    cuts.into_iter()
        .map(|cut| (cut.name.as_deref().unwrap_or(""), cut.how))
        .collect()
}

fn nothing(pool: &(impl Executor + Shutdown)) {
    pool.submit(unit).expect(ROOM).detach();
    let report = pool.shutdown(ShutdownPolicy::drain());
    assert_eq!(verdict(&report), (true, true, true, 0), "{report}");
    assert_eq!(named(&report), [], "{report}");
}

/// These jobs ended by themselves, not by the shutdown.
fn nothing_though_not_all_completed(pool: &(impl Executor + Shutdown)) {
    let failing = pool.submit(|_: &JobContext<'_>| Err::<(), _>("no ink"));
    assert!(ended(failing.expect(ROOM)).is_err());
    let cancelled = pool.submit(|ctx: &JobContext<'_>| {
        until_interrupted(ctx);
        Err::<(), _>("asked to stop")
    });
    let cancelled = cancelled.expect(ROOM);
    cancelled.cancel();
    assert!(ended(cancelled).is_err());
    let report = pool.shutdown(ShutdownPolicy::drain());
    assert_eq!(verdict(&report), (false, true, true, 1), "{report}");
    assert_eq!(named(&report), [], "{report}");
}

/// One stops when it is asked to, one completes anyway, and one did not start.
fn what_runs_and_what_waits(pool: &(impl Executor + Shutdown)) {
    let started = Count::new();
    let begun = started.clone();
    let polite = move |ctx: &JobContext<'_>| {
        begun.add();
        until_interrupted(ctx);
        Err::<(), _>("asked to stop")
    };
    let begun = started.clone();
    let stubborn = move |ctx: &JobContext<'_>| {
        begun.add();
        until_interrupted(ctx);
        Ok::<_, Infallible>(())
    };
    pool.execute(polite.named("polite")).expect(ROOM);
    let stubborn = pool.submit(stubborn.named("stubborn")).expect(ROOM);
    started.wait_for(2);
    pool.execute(unit.named("waiting")).expect(ROOM);
    let soon = Duration::from_millis(10);
    let report = pool.shutdown(ShutdownPolicy::new(soon).cancel_grace(FAR));
    assert_eq!(verdict(&report), (false, false, true, 2), "{report}");
    let expected = [("polite", Cut::Cancelled), ("waiting", Cut::Unstarted)];
    assert_eq!(named(&report), expected, "{report}");
    let text = report.to_string();
    assert!(text.contains("`polite`, cancelled"), "{text}");
    assert!(text.contains("`waiting`, not started"), "{text}");
    assert!(ended(stubborn).is_ok());
}

/// A future that sleeps is dropped; one that its handle had cancelled does not count for the
/// shutdown.
fn what_sleeps(pool: &(impl Executor + Shutdown)) {
    let polled = Count::new();
    let sleeper = |name: &'static str| {
        let begun = polled.clone();
        let asleep = move |_: AsyncContext| async move {
            begun.add();
            std::future::pending::<Result<(), Infallible>>().await
        };
        pool.submit_future(asleep.named(name)).expect(ROOM)
    };
    let (asleep, cancelled) = (sleeper("asleep"), sleeper("cancelled"));
    polled.wait_for(2);
    cancelled.cancel();
    let soon = Duration::from_millis(10);
    let report = pool.shutdown(ShutdownPolicy::new(soon).cancel_grace(FAR));
    assert_eq!(verdict(&report), (false, false, true, 2), "{report}");
    assert_eq!(named(&report), [("asleep", Cut::Cancelled)], "{report}");
    assert_eq!(report.cancelled(), 2, "{report}");
    assert!(ended(asleep).is_err() && ended(cancelled).is_err());
}
