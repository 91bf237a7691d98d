//! R605 and R608: the report names every job once, and is the same for all callers.

use std::convert::Infallible;
use std::time::Duration;

use pool_core::{
    Executor, ExecutorExt, JobContext, JobExt, JobHandle, JobId, Shutdown, ShutdownPolicy,
    ShutdownReport,
};

use super::cut_short::cut_short;
use super::limits::submit_stuck;
use super::unit;
use crate::channel::channel;
use crate::polling::block_on;
use crate::probe::{Count, FAR, Gate, PATIENCE, ROOM, columns_of, ended, occupy, pool};
use crate::rule::Applied;
use crate::subject::Subject;
use crate::thread;

pub(super) fn r605(subject: Subject) -> Applied {
    every_column(&pool(subject, 1, 16));
    a_job_within_a_job(&pool(subject, 1, 16));
    cut_short(subject);
    Applied::Held
}

/// Eight jobs that ended, at least one of each kind; then queued jobs, and running jobs.
fn every_column(pool: &(impl Executor + Shutdown)) {
    for handle in [pool.submit(unit), pool.submit(unit)] {
        assert!(ended(handle.expect(ROOM)).is_ok());
    }
    for _ in 0..2 {
        let failing = pool.submit(|_: &JobContext<'_>| Err::<(), _>("no ink"));
        assert!(ended(failing.expect(ROOM)).is_err());
    }
    let panicking = pool.spawn(|| panic!("a column of its own"));
    assert!(ended::<(), _>(panicking.expect(ROOM)).is_err());
    let gate = occupy(pool, 1);
    let expired = pool.submit(unit.with_timeout(Duration::ZERO)).expect(ROOM);
    let cancelled = pool.submit(unit).expect(ROOM);
    cancelled.cancel();
    gate.open();
    assert!(ended(expired).is_err() && ended(cancelled).is_err());

    let gate = Gate::new();
    let stuck = submit_stuck(pool, &gate);
    let seen = thread::now();
    let unstarted: Vec<_> = (0..3).map(|_| pool.submit(unit).expect(ROOM)).collect();
    let cancelled = pool.submit(unit).expect(ROOM);
    cancelled.cancel();
    let known_for = thread::since(seen);
    let report = pool.shutdown(ShutdownPolicy::now());
    assert_eq!(columns_of(&report), [3, 2, 1, 2, 1, 0, 3], "{report}");
    assert_eq!(report.still_running().len(), 1, "{report}");
    assert_eq!(report.accepted(), 13, "{report}");
    assert!(report.balances(), "{report}");
    let job = &report.still_running()[0];
    assert_eq!((job.id, job.name.as_deref()), (stuck.id(), Some("stuck")));
    assert!(job.running_for >= known_for, "{job}");
    let worker = job.worker;
    let mut named: Vec<_> = report.unstarted_jobs().iter().map(|job| job.id).collect();
    named.sort_unstable();
    assert_eq!(
        named,
        unstarted.iter().map(JobHandle::id).collect::<Vec<_>>()
    );
    gate.open();
    assert_eq!(Some(ended(stuck).expect("it ends")), worker);
}

/// Parent and child are on one stack; both still run, each counted once.
fn a_job_within_a_job(pool: &(impl Executor + Shutdown)) {
    let (gate, (send, mut child_id)) = (Gate::new(), channel());
    let pass = gate.pass();
    let child = move |ctx: &JobContext<'_>| {
        send.send(ctx.id());
        pass.wait();
        Ok::<_, Infallible>(())
    };
    let parent = move |ctx: &JobContext<'_>| ctx.submit(child.named("child")).expect(ROOM).join();
    let parent = pool.submit(parent.named("parent")).expect(ROOM);
    let child = child_id.recv_timeout(PATIENCE).expect("the child starts");
    let report = pool.shutdown(ShutdownPolicy::now());
    assert!(report.balances() && report.accepted() == 2, "{report}");
    let mut running: Vec<_> = report
        .still_running()
        .iter()
        .map(|job| (job.name.as_deref(), job.id))
        .collect();
    running.sort_unstable();
    let expected = [(Some("child"), child), (Some("parent"), parent.id())];
    assert_eq!(running, expected, "{report}");
    gate.open();
    assert!(ended(parent).is_ok());
}

pub(super) fn r608(subject: Subject) -> Applied {
    let pool = pool(subject, 2, 8);
    let gate = Gate::new();
    assert!(ended(pool.submit(unit).expect(ROOM)).is_ok());
    let stuck = [submit_stuck(&pool, &gate), submit_stuck(&pool, &gate)];
    let queued: Vec<_> = (0..3).map(|_| pool.submit(unit).expect(ROOM)).collect();
    let reports = shut_down_from_everywhere(&pool);
    let first = fingerprint(&reports[0]);
    assert_eq!(
        (reports[0].unstarted(), reports[0].still_running().len()),
        (3, 2)
    );
    for report in &reports {
        assert!(report.balances(), "{report}");
        assert_eq!(fingerprint(report), first);
    }
    gate.open();
    for handle in stuck {
        assert!(ended(handle).is_ok());
    }
    for policy in [ShutdownPolicy::drain(), ShutdownPolicy::now()] {
        let again = fingerprint(&pool.shutdown(policy));
        assert_eq!(again, first, "a report does not change afterwards");
    }
    let tasks: Vec<_> = reports
        .iter()
        .map(|report| report.take_unstarted().len())
        .collect();
    assert_eq!(
        tasks.iter().sum::<usize>(),
        queued.len(),
        "each task once: {tasks:?}"
    );
    Applied::Held
}

/// Eight callers, blocking and async, with long and short limits; the shortest limits hold for all.
fn shut_down_from_everywhere(pool: &(impl Executor + Shutdown)) -> Vec<ShutdownReport> {
    let soon = ShutdownPolicy::new(Duration::from_millis(20)).cancel_grace(Duration::ZERO);
    let policies = [
        ShutdownPolicy::drain(),
        ShutdownPolicy::drain().cancel_grace(FAR),
        ShutdownPolicy::new(FAR).cancel_grace(FAR),
        ShutdownPolicy::new(FAR),
        soon,
        ShutdownPolicy::new(Duration::from_millis(30)),
        soon.cancel_grace(Duration::from_millis(10)),
        ShutdownPolicy::now(),
    ]
    .map(ShutdownPolicy::hand_back);
    let is_async = pool.capability().async_jobs;
    let (all, here) = (policies.len(), &Count::new());
    thread::scope(|threads| {
        let call = |(caller, policy): (usize, ShutdownPolicy)| {
            threads.spawn(move || {
                here.add();
                here.wait_for(all);
                if is_async && caller % 2 == 0 {
                    block_on(pool.shutdown_async(policy))
                } else {
                    pool.shutdown(policy)
                }
            })
        };
        let callers: Vec<_> = policies.into_iter().enumerate().map(call).collect();
        let reports = callers.into_iter().map(|it| it.join().expect("no panic"));
        reports.collect()
    })
}

/// Every figure of a report.
pub(super) fn fingerprint(report: &ShutdownReport) -> (u64, [u64; 7], Vec<JobId>, usize, Duration) {
    let running = report.still_running().iter().map(|job| job.id).collect();
    (
        report.accepted(),
        columns_of(report),
        running,
        report.threads_left(),
        report.took(),
    )
}
