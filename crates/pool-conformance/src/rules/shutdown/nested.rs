//! R609 and R506: jobs of one pool that wait for it to end, or to be idle, at once and within each
//! other.

use std::pin::pin;
use std::time::Duration;

use pool_core::{
    Executor, ExecutorExt, JobContext, JobError, JobHandle, Shutdown, ShutdownPolicy,
    ShutdownReport,
};

use super::super::futures::workers_beside_a_sleeper;
use super::report::fingerprint;
use crate::polling::Signal;
use crate::probe::{Count, Gate, ROOM, ended, pool, ready, until_interrupted};
use crate::rule::Applied;
use crate::subject::{Subject, TestedPool};

/// How a job waits for the end of its pool.
type End<P> = fn(&P, ShutdownPolicy) -> ShutdownReport;

/// How a job waits for its pool to be idle.
type Idle<P> = fn(&P);

pub(super) fn ends_within_ends(subject: Subject) {
    let limited = ShutdownPolicy::new(Duration::from_millis(20)).cancel_grace(Duration::ZERO);
    let ends: [End<TestedPool>; 2] = [
        |pool, policy| pool.shutdown(policy),
        |pool, policy| ready(pin!(pool.shutdown_async(policy))),
    ];
    for end in ends {
        for policy in [ShutdownPolicy::drain(), limited] {
            in_place(&pool(subject, 1, 8), policy, end);
        }
        let one = pool(subject, 1, 8);
        if takes_in_order(&one) {
            an_impatient_one_in_place(&one, end);
            asks_what_it_runs_in_place_to_stop(&pool(subject, 1, 8), end);
        }
    }
}

/// Whether one worker takes what outsiders have queued in order, so that it is known which job runs
/// which in place. Some backends that promise no order do.
fn takes_in_order(pool: &impl Executor) -> bool {
    let capability = pool.capability();
    capability.fifo || ["work-stealing", "rayon", "async"].contains(&capability.name)
}

/// Each of three jobs of the only worker shuts the pool down, and the first two run the next one in
/// place meanwhile.
fn in_place<P: Executor + Shutdown + Clone + 'static>(
    pool: &P,
    policy: ShutdownPolicy,
    end: End<P>,
) {
    let gate = Gate::new();
    let jobs: Vec<_> = (0..3)
        .map(|_| ends_after(pool, policy, end, &gate))
        .collect();
    gate.open();
    let reports: Vec<_> = jobs.into_iter().filter_map(|job| ended(job).ok()).collect();
    let first = reports.first().map(fingerprint);
    for report in &reports {
        assert!(report.balances() && report.accepted() == 3, "{report}");
        assert_eq!(Some(fingerprint(report)), first, "{report}");
    }
    assert!(!reports.is_empty(), "the job that ran first has its report");
}

/// A job that ends its own pool once the gate is open.
fn ends_after<P: Executor + Shutdown + Clone + 'static>(
    pool: &P,
    policy: ShutdownPolicy,
    end: End<P>,
    gate: &Gate,
) -> JobHandle<ShutdownReport, std::convert::Infallible> {
    let (inner, pass) = (pool.clone(), gate.pass());
    let job = move || {
        pass.wait();
        end(&inner, policy)
    };
    pool.spawn(job).expect(ROOM)
}

/// The outer one would wait forever. The one that it runs in place has a limit, so neither does.
fn an_impatient_one_in_place<P: Executor + Shutdown + Clone + 'static>(pool: &P, end: End<P>) {
    let gate = Gate::new();
    let patient = ends_after(pool, ShutdownPolicy::drain(), end, &gate);
    let impatient = ends_after(pool, ShutdownPolicy::now(), end, &gate);
    let behind = pool.spawn(|| ()).expect(ROOM);
    gate.open();
    let reports = [patient, impatient].map(|job| ended(job).expect("the shutdown returns"));
    assert_eq!(fingerprint(&reports[0]), fingerprint(&reports[1]));
    assert!(ended(behind).is_err(), "it did not start");
}

/// A job beneath another one on the stack cannot check the time. Its limit still holds: the other
/// is asked to stop.
fn asks_what_it_runs_in_place_to_stop<P>(pool: &P, end: End<P>)
where
    P: Executor + Shutdown + Clone + 'static,
{
    let gate = Gate::new();
    let policy = ShutdownPolicy::new(Duration::from_millis(20));
    let job = ends_after(pool, policy, end, &gate);
    let polite = pool.submit(|ctx: &JobContext<'_>| {
        until_interrupted(ctx);
        Err::<(), _>("asked to stop")
    });
    let polite = polite.expect(ROOM);
    gate.open();
    let report = ended(job).expect("the shutdown returns");
    assert!(report.balances() && report.accepted() == 2, "{report}");
    assert!(
        ended(polite).is_err(),
        "it was asked to stop, or did not start"
    );
}

/// R506: jobs that wait for the pool to be idle leave each other out, and also those that wait for
/// its end.
pub(crate) fn who_wait_for_quiet_at_once(subject: Subject) -> Applied {
    let idles: [Idle<TestedPool>; 2] = [
        |pool| pool.wait_idle(),
        |pool| ready(pin!(pool.wait_idle_async())),
    ];
    for idle in idles {
        at_once(&pool(subject, 3, 8), idle);
        at_once(&pool(subject, 1, 8), idle);
        beside_an_end(&pool(subject, 2, 8), idle);
        if pool(subject, 1, 8).capability().async_jobs {
            beside_one_that_the_end_cancels(
                &pool(subject, workers_beside_a_sleeper(subject), 8),
                idle,
            );
        }
    }
    Applied::Held
}

/// A worker ends what sleeps; the only worker left waits for the pool to be idle.
fn beside_one_that_the_end_cancels<P: Executor + Shutdown + Clone + 'static>(
    pool: &P,
    idle: Idle<P>,
) {
    let never = Signal::default();
    let asleep = pool.spawn_future(never.clone()).expect(ROOM);
    never.wait_for_sleeper();
    let gate = Gate::new();
    let begun = Count::new();
    let (inner, pass, begins) = (pool.clone(), gate.pass(), begun.clone());
    let waits = pool.spawn(move || {
        begins.add();
        pass.wait();
        idle(&inner);
    });
    begun.wait_for(1);
    let report = pool.shutdown(ShutdownPolicy::now());
    assert!(report.balances() && report.accepted() == 2, "{report}");
    gate.open();
    assert!(ended(waits.expect(ROOM)).is_ok(), "the pool is quiet");
    let asleep = ended(asleep);
    assert!(matches!(asleep, Err(JobError::Cancelled)), "{asleep:?}");
}

fn at_once<P: Executor + Shutdown + Clone + 'static>(pool: &P, idle: Idle<P>) {
    let gate = Gate::new();
    let waiting: Vec<_> = (0..3).map(|_| idles_after(pool, idle, &gate)).collect();
    let other = Count::new();
    let ran = other.clone();
    pool.spawn(move || ran.add()).expect(ROOM).detach();
    gate.open();
    for job in waiting {
        assert!(
            ended(job).is_ok(),
            "the pool is quiet but for those who wait"
        );
    }
    other.wait_for(1);
}

fn idles_after<P: Executor + Shutdown + Clone + 'static>(
    pool: &P,
    idle: Idle<P>,
    gate: &Gate,
) -> JobHandle<(), std::convert::Infallible> {
    let (inner, pass) = (pool.clone(), gate.pass());
    let job = move || {
        pass.wait();
        idle(&inner);
    };
    pool.spawn(job).expect(ROOM)
}

/// One job waits for the pool to be idle, another for its end: the first returns, and the second
/// finds it over.
fn beside_an_end<P: Executor + Shutdown + Clone + 'static>(pool: &P, idle: Idle<P>) {
    let gate = Gate::new();
    let waits = idles_after(pool, idle, &gate);
    let end: End<P> = |pool, policy| pool.shutdown(policy);
    let ends = ends_after(pool, ShutdownPolicy::drain(), end, &gate);
    gate.open();
    assert!(
        ended(waits).is_ok(),
        "the pool is quiet but for those who wait"
    );
    let report = ended(ends).expect("the shutdown returns");
    assert!(report.balances() && report.accepted() == 2, "{report}");
}
