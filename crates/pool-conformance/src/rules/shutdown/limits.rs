//! R604 and R612: drain, cancel, abandon, each for as long as the policy says, whichever caller
//! waits for it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use pool_core::{
    Executor, ExecutorExt, Interrupted, JobContext, JobError, JobExt, JobHandle, Shutdown,
    ShutdownPolicy, ShutdownReport,
};

use super::{submit_mixed, unit};
use crate::polling::block_on;
use crate::probe::{
    Alive, Count, FAR, Gate, PROMPT, Pass, ROOM, ended, let_pass, occupy, pool, ready,
    until_interrupted,
};
use crate::rule::Applied;
use crate::subject::Subject;
use crate::thread;

const GRACE: Duration = Duration::from_millis(60);
const CANCEL_GRACE: Duration = Duration::from_millis(40);

pub(super) fn r604(subject: Subject) -> Applied {
    over_as_soon_as_drained(&pool(subject, 2, 64));
    cancels_once_the_grace_is_over(&pool(subject, 1, 8));
    gives_up_what_never_returns(&pool(subject, 1, 8));
    gives_up_captures_that_hang(&pool(subject, 2, 8));
    if subject.capability().async_jobs {
        drops_what_sleeps(&pool(subject, 1, 8));
        gives_up_drops_that_hang(&pool(subject, 4, 8));
    }
    Applied::Held
}

/// Returns the report, which must come within a second after `least`, and not before it.
fn shut_down_after(
    pool: &impl Shutdown,
    policy: ShutdownPolicy,
    least: Duration,
) -> ShutdownReport {
    let start = thread::now();
    let report = pool.shutdown(policy);
    let took = thread::since(start);
    assert!(
        took >= least,
        "over after {took:?}, before {least:?}: {report}"
    );
    assert!(took <= least + PROMPT, "over only after {took:?}: {report}");
    report
}

fn over_as_soon_as_drained(pool: &(impl Executor + Shutdown)) {
    let handles = submit_mixed(pool);
    let policy = ShutdownPolicy::new(FAR).cancel_grace(FAR);
    let report = shut_down_after(pool, policy, Duration::ZERO);
    assert_eq!(report.completed(), handles.len() as u64, "{report}");
}

/// A job that asks whether it should stop, and stops; what is queued behind it comes back.
fn cancels_once_the_grace_is_over(pool: &(impl Executor + Shutdown)) {
    let (ran, started) = (Count::new(), Count::new());
    let begun = started.clone();
    let polite = move |ctx: &JobContext<'_>| {
        begun.add();
        match until_interrupted(ctx) {
            Interrupted::Cancelled => Ok(thread::now()),
            other => Err(other),
        }
    };
    let polite = pool.submit(polite).expect(ROOM);
    started.wait_for(1);
    let queued: Vec<_> = (0..3)
        .map(|_| {
            let runs = ran.clone();
            pool.spawn(move || runs.add()).expect(ROOM)
        })
        .collect();
    let start = thread::now();
    let policy = ShutdownPolicy::new(GRACE).cancel_grace(FAR);
    let report = shut_down_after(pool, policy, GRACE);
    let asked_at = ended(polite).expect("it stops in its own way");
    assert!(asked_at >= start + GRACE, "cancelled within the grace");
    assert_eq!((report.completed(), report.unstarted()), (1, 3), "{report}");
    assert!(report.still_running().is_empty(), "{report}");
    drop(report);
    for handle in queued {
        assert!(matches!(ended(handle), Err(JobError::Abandoned)));
    }
    assert_eq!(ran.get(), 0, "a queued job ran after the grace");
}

/// Submits a job named "stuck" that waits at the gate, and waits for its start.
pub(super) fn submit_stuck(pool: &impl Executor, gate: &Gate) -> JobHandle<usize, Infallible> {
    let (pass, started) = (gate.pass(), Count::new());
    let begun = started.clone();
    let stuck = move |ctx: &JobContext<'_>| {
        begun.add();
        pass.wait();
        Ok(ctx.worker())
    };
    let handle = pool.submit(stuck.named("stuck")).expect(ROOM);
    started.wait_for(1);
    handle
}

fn gives_up_what_never_returns(pool: &(impl Executor + Shutdown)) {
    let gate = Gate::new();
    let stuck = submit_stuck(pool, &gate);
    let queued = pool.submit(unit).expect(ROOM);
    let policy = ShutdownPolicy::new(GRACE).cancel_grace(CANCEL_GRACE);
    let report = shut_down_after(pool, policy, GRACE + CANCEL_GRACE);
    is_given_up(&report, &stuck);
    assert_eq!(report.unstarted(), 1, "{report}");
    assert_eq!(report.unstarted_jobs()[0].id, queued.id());
    assert!(matches!(ended(queued), Err(JobError::Abandoned)));
    gate.open();
    assert!(
        ended(stuck).is_ok(),
        "a job that was given up may still end"
    );
}

fn is_given_up(report: &ShutdownReport, stuck: &JobHandle<usize, Infallible>) {
    assert!(report.balances() && !report.is_clean(), "{report}");
    assert!(!report.is_safe_to_exit(), "{report}");
    let [job] = report.still_running() else {
        panic!("one job still runs: {report}");
    };
    assert_eq!((job.id, job.name.as_deref()), (stuck.id(), Some("stuck")));
}

fn drops_what_sleeps(pool: &(impl Executor + Shutdown)) {
    let (alive, polled) = (Alive::new(), Count::new());
    let (captured, begun) = (alive.value(), polled.clone());
    let asleep = async move {
        begun.add();
        std::future::pending::<()>().await;
        drop(captured);
    };
    let asleep = pool.spawn_future(asleep).expect(ROOM);
    polled.wait_for(1);
    let policy = ShutdownPolicy::new(GRACE).cancel_grace(FAR);
    let report = shut_down_after(pool, policy, GRACE);
    assert_eq!((report.cancelled(), alive.count()), (1, 0), "{report}");
    assert!(matches!(ended(asleep), Err(JobError::Cancelled)));
}

/// Its drop waits at a gate.
struct SlowDrop(Pass, Count);

impl Drop for SlowDrop {
    fn drop(&mut self) {
        self.1.add();
        self.0.wait();
    }
}

/// Three futures whose drop does not return. The limit holds, and neither the caller nor the thread
/// that wakes them drops one.
fn gives_up_drops_that_hang(pool: &(impl Executor + Shutdown)) {
    let (gate, polled, dropping) = (Gate::new(), Count::new(), Count::new());
    let sleepers = [(); 3].map(|()| {
        let (slow, begun) = (SlowDrop(gate.pass(), dropping.clone()), polled.clone());
        let asleep = async move {
            begun.add();
            std::future::pending::<()>().await;
            drop(slow);
        };
        pool.spawn_future(asleep).expect(ROOM)
    });
    polled.wait_for(3);
    let policy = ShutdownPolicy::new(GRACE).cancel_grace(CANCEL_GRACE);
    let report = shut_down_after(pool, policy, GRACE + CANCEL_GRACE);
    assert!(report.balances() && !report.is_safe_to_exit(), "{report}");
    assert_eq!(report.still_running().len(), 3, "{report}");
    assert_eq!(report.cut_short().len(), 3, "{report}");
    gate.open();
    for sleeper in sleepers {
        assert!(matches!(ended(sleeper), Err(JobError::Cancelled)));
    }
    dropping.wait_for(3);
}

/// Jobs that do not start, and whose captures hang as they are dropped.
fn gives_up_captures_that_hang(pool: &(impl Executor + Shutdown)) {
    let (gate, dropping) = (Gate::new(), Count::new());
    let hold = Gate::new();
    let stuck = submit_stuck(pool, &hold);
    let second = occupy(pool, 1);
    let queued = [(); 2].map(|()| {
        let slow = SlowDrop(gate.pass(), dropping.clone());
        pool.spawn(move || drop(slow)).expect(ROOM)
    });
    let policy = ShutdownPolicy::new(GRACE).cancel_grace(CANCEL_GRACE);
    let release = thread::now() + GRACE + CANCEL_GRACE / 2;
    let report = thread::scope(|threads| {
        threads.spawn(|| {
            // Within the cancel grace, if the machine is quick: then a worker hangs in a drop at
            // the limit.
            let_pass(release);
            second.open();
        });
        shut_down_after(pool, policy, GRACE + CANCEL_GRACE)
    });
    assert!(report.balances() && !report.is_safe_to_exit(), "{report}");
    for handle in queued {
        assert!(matches!(ended(handle), Err(JobError::Abandoned)));
    }
    gate.open();
    hold.open();
    assert!(ended(stuck).is_ok());
    dropping.wait_for(2);
}

pub(super) fn r612(subject: Subject) -> Applied {
    gives_way_to_another_future(&pool(subject, 1, 8));
    if !thread::is_simulated() {
        // No runtime runs in a simulation.
        others_make_progress(&pool(subject, 1, 8));
        dropped_and_resumed(&pool(subject, 1, 8));
    }
    limits_hold_as_well(&pool(subject, 1, 8));
    Applied::Held
}

/// The shutdown can end only if another future on the same thread is polled.
fn gives_way_to_another_future(pool: &(impl Executor + Shutdown)) {
    let gate = occupy(pool, 1);
    let mut polls_left = 10;
    let mut shutdown = pin!(pool.shutdown_async(ShutdownPolicy::drain()));
    let both = poll_fn(|cx| {
        if polls_left > 0 {
            polls_left -= 1;
            cx.waker().wake_by_ref();
        } else {
            gate.open();
        }
        shutdown.as_mut().poll(cx)
    });
    let report = ready(pin!(both));
    assert_eq!((report.completed(), report.accepted()), (1, 1), "{report}");
}

/// The shutdown can end only if another task on the same thread is polled.
fn others_make_progress(pool: &(impl Executor + Shutdown)) {
    let gate = occupy(pool, 1);
    let report = block_on(async {
        let other = tokio::spawn(async move {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            gate.open();
        });
        let report = pool.shutdown_async(ShutdownPolicy::drain()).await;
        other.await.expect("the other task does not panic");
        report
    });
    assert_eq!((report.completed(), report.accepted()), (1, 1), "{report}");
}

fn dropped_and_resumed(pool: &(impl Executor + Shutdown)) {
    let gate = occupy(pool, 1);
    let report = block_on(async {
        let shutdown = pool.shutdown_async(ShutdownPolicy::drain());
        let limited = tokio::time::timeout(Duration::from_millis(20), shutdown).await;
        assert!(limited.is_err(), "it waits for the job");
        assert!(pool.is_closed(), "half done is closed");
        gate.open();
        pool.shutdown_async(ShutdownPolicy::drain()).await
    });
    assert!(report.is_clean() && report.balances(), "{report}");
}

fn limits_hold_as_well(pool: &(impl Executor + Shutdown)) {
    let gate = Gate::new();
    let stuck = submit_stuck(pool, &gate);
    let policy = ShutdownPolicy::new(GRACE).cancel_grace(CANCEL_GRACE);
    let start = thread::now();
    let report = block_on(pool.shutdown_async(policy));
    let (took, least) = (thread::since(start), GRACE + CANCEL_GRACE);
    assert!(took >= least, "over after {took:?}, before {least:?}");
    assert!(took <= least + PROMPT, "over only after {took:?}");
    is_given_up(&report, &stuck);
    gate.open();
    assert!(ended(stuck).is_ok());
}
