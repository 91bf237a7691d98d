//! Chapter 8: futures next to closures, polled by one thread at a time, woken from anywhere,
//! starving no other job.

mod polls;
mod wakes;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use pool_core::{
    AsyncContext, Executor, ExecutorExt, JobContext, JobError, Shutdown, ShutdownPolicy,
};

use crate::polling::Signal;
use crate::probe::{Count, Gate, PATIENCE, pool, wait_until};
use crate::rule::{Applied, Kind, Rule};
use crate::subject::Subject;
use crate::thread;

pub(crate) fn rules() -> Vec<Rule> {
    let rule = |id, title, test| Rule::new(id, title, Kind::ASYNC_JOBS, test);
    vec![
        rule(
            "R801",
            "futures and closures share workers, bound, ledger and shutdown",
            r801,
        ),
        rule(
            "R802",
            "a future is polled by one thread at a time, and never after its end",
            polls::r802,
        ),
        rule(
            "R803",
            "a wake is never refused and never lost, from any thread, at any time",
            wakes::r803,
        ),
        rule(
            "R804",
            "a future that wakes itself without end starves nobody",
            r804,
        ),
    ]
}

fn r801(subject: Subject) -> Applied {
    same_workers(subject);
    same_bound_and_shutdown(subject);
    same_ledger(subject);
    Applied::Held
}

/// A closure runs next to a future that sleeps, on the same thread if one worker can do both.
fn same_workers(subject: Subject) {
    let workers = workers_beside_a_sleeper(subject);
    let pool = pool(subject, workers, 4);
    let signal = Signal::default();
    let asleep = signal.clone();
    let future = pool.spawn_future(async move {
        let before = thread::current().id();
        asleep.await;
        (before, thread::current().id())
    });
    let future = future.expect("there is room");
    signal.wait_for_sleeper();
    let closure = pool.spawn(|| thread::current().id());
    let closure = closure.expect("there is room").join();
    let closure = closure.expect("it completes");
    signal.fire();
    let (before, after) = future.join().expect("it was woken");
    if workers == 1 && pool.capability().owns_threads {
        assert_eq!(before, closure, "a future began on another thread");
        assert_eq!(after, closure, "a future went on on another thread");
    }
}

/// Both take a slot in the queue, a full queue refuses both, and the report names both among the
/// jobs that did not start.
fn same_bound_and_shutdown(subject: Subject) {
    let pool = pool(subject, workers_beside_a_sleeper(subject), 2);
    let never = Signal::default();
    let asleep = pool.spawn_future(never.clone()).expect("there is room");
    never.wait_for_sleeper();
    let (gate, started) = (Gate::new(), Count::new());
    let (pass, begun) = (gate.pass(), started.clone());
    let held = pool.spawn(move || {
        begun.add();
        pass.wait();
    });
    let held = held.expect("there is room");
    started.wait_for(1);

    let closure = pool.spawn(|| 1).expect("the first place");
    let future = pool.spawn_future(async { 2 }).expect("the second place");
    if pool.capability().capacity.is_some() {
        let refused = pool.try_submit_future(ready).map(drop);
        assert!(refused.is_err_and(|error| error.is_full()), "a third place");
        let refused = pool
            .try_submit(|_: &JobContext<'_>| Ok::<_, Infallible>(()))
            .map(drop);
        assert!(refused.is_err_and(|error| error.is_full()), "a third place");
    }
    pool.close();
    let refused = pool.try_submit_future(ready).map(drop);
    assert!(
        refused.is_err_and(|error| error.is_closed()),
        "a future got into a closed pool"
    );

    let report = pool.shutdown(ShutdownPolicy::now());
    assert!(report.balances(), "the report does not balance: {report}");
    assert_eq!(report.accepted(), 4, "two ran, two did not: {report}");
    assert_eq!(report.unstarted(), 2, "one of each kind: {report}");
    drop(report.take_unstarted());
    assert!(matches!(closure.join(), Err(JobError::Abandoned)));
    assert!(matches!(future.join(), Err(JobError::Abandoned)));
    gate.open();
    held.join().expect("a running closure runs to its end");
    let cancelled = asleep.join();
    assert!(
        matches!(cancelled, Err(JobError::Cancelled)),
        "a sleeping future is cancelled by a shutdown"
    );
}

async fn ready(_ctx: AsyncContext) -> Result<(), Infallible> {
    Ok(())
}

fn same_ledger(subject: Subject) {
    let pool = pool(subject, 2, 16);
    let failing = pool.submit_future(|_: AsyncContext| async { Err::<(), _>("no ink") });
    let failing = failing.expect("there is room").join();
    assert!(matches!(failing, Err(JobError::Failed("no ink"))));
    // A panic, but the process's hook prints nothing.
    let jammed = pool.spawn_future(async { resume_unwind(Box::new("jam")) });
    let jammed: Result<(), _> = jammed.expect("there is room").join();
    assert!(matches!(jammed, Err(JobError::Panicked(panic)) if panic.message() == "jam"));
    let signal = Signal::default();
    let asleep = pool.spawn_future(signal.clone()).expect("there is room");
    signal.wait_for_sleeper();
    asleep.cancel();
    assert!(matches!(asleep.join(), Err(JobError::Cancelled)));
    let future = pool.spawn_future(async { 1 }).expect("there is room");
    let closure = pool.spawn(|| 2).expect("there is room");
    assert_eq!(future.join().expect("it completes"), 1);
    assert_eq!(closure.join().expect("it completes"), 2);
    wait_until("five finished jobs", &pool, || pool.stats().finished() == 5);
    let stats = pool.stats();
    let columns = [
        stats.completed,
        stats.failed,
        stats.panicked,
        stats.cancelled,
    ];
    assert_eq!(columns, [2, 1, 1, 1], "each in its own column: {stats}");
    assert_eq!(stats.accepted, 5, "{stats}");
}

fn r804(subject: Subject) -> Applied {
    let pool = pool(subject, workers_beside_a_sleeper(subject), 4);
    let over = Flag::default();
    let guard = over.set_on_drop();
    let (spins, started) = (over.clone(), Count::new());
    let begun = started.clone();
    let restless = poll_fn(move |cx| {
        begun.add();
        if spins.is_set() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    let restless = pool.spawn_future(restless).expect("there is room");
    started.wait_for(1);
    for round in 0..thread::often(50) {
        let closure = pool.spawn(|| ()).expect("submit waits for room");
        let future = pool.spawn_future(twice()).expect("submit waits for room");
        let closure = closure.join_timeout(PATIENCE);
        assert!(closure.is_ok(), "a closure starved in round {round}");
        let future = future.join_timeout(PATIENCE);
        assert!(future.is_ok(), "a future starved in round {round}");
    }
    assert!(!restless.is_finished(), "it spins until it is told");
    drop(guard);
    restless.join().expect("it ends when told");
    Applied::Held
}

/// The fewest workers with which a closure runs while a future sleeps: one, or two if a future
/// keeps its worker slot until it ends, which an executor may choose.
///
/// If a busy machine makes this misread the choice, the rules get one worker too many, which fails
/// nothing.
pub(super) fn workers_beside_a_sleeper(subject: Subject) -> usize {
    let pool = pool(subject, 1, 4);
    let signal = Signal::default();
    let asleep = pool.spawn_future(signal.clone()).expect("there is room");
    signal.wait_for_sleeper();
    let closure = pool.spawn(|| ()).expect("there is room");
    let needs_one = closure.join_timeout(Duration::from_secs(1)).is_ok();
    signal.fire();
    asleep.join().expect("it was woken");
    if needs_one { 1 } else { 2 }
}

/// Suspends once, and wakes itself.
fn twice() -> impl Future<Output = ()> + Send {
    let mut is_second = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut is_second, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// A flag that threads poll.
#[derive(Clone, Default)]
struct Flag(Arc<AtomicBool>);

impl Flag {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Sets the flag when dropped, so that a failed test leaves no thread spinning.
    fn set_on_drop(&self) -> impl Drop + use<> {
        SetOnDrop(self.clone())
    }
}

struct SetOnDrop(Flag);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::SeqCst);
    }
}
