//! R606: jobs that did not start resolve when the shutdown returns, or are handed back.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use pool_core::{
    Executor, ExecutorExt, JobContext, JobError, JobExt, JobHandle, JobId, Refused, Shutdown,
    ShutdownPolicy, Task,
};

use crate::probe::{Alive, Count, FAR, ROOM, ended, occupy, poll_once, pool};
use crate::rule::Applied;
use crate::subject::Subject;
use crate::thread::{self, ThreadId};

pub(super) fn r606(subject: Subject) -> Applied {
    resolve_by_default(subject);
    run_elsewhere(subject);
    dropped_with_the_report(subject);
    resolve_with_a_call_that_is_dropped(subject);
    Applied::Held
}

/// The first pool's only worker stays busy, so whatever happens to its jobs happens in the second.
fn run_elsewhere(subject: Subject) {
    let (first, second) = (pool(subject, 1, 8), pool(subject, 1, 8));
    let gate = occupy(&first, 1);
    let (alive, ran) = (Alive::new(), Count::new());
    let mut handles = submit_values(&first, &alive, &ran);
    let tasks = every_task(&first, &handles);
    let (dropped, cancelled) = (handles.remove(0), handles.remove(0));
    cancelled.cancel();
    for task in tasks {
        if task.id() != dropped.id() {
            let task = refused_when_closed(&first, task);
            second.try_accept(task).expect(ROOM);
        }
    }
    assert!(matches!(ended(dropped), Err(JobError::Abandoned)));
    assert!(matches!(ended(cancelled), Err(JobError::Cancelled)));
    let values = handles.into_iter().map(ended);
    let values: Vec<_> = values.map(|value| value.expect("it runs")).collect();
    assert_eq!(values, (2..2 + values.len()).collect::<Vec<_>>());
    second.wait_idle();
    let stats = second.stats();
    let expected = (values.len() as u64 + 1, values.len() as u64, 1);
    assert_eq!(
        (stats.accepted, stats.completed, stats.cancelled),
        expected,
        "{stats}"
    );
    assert_eq!((ran.get(), alive.count()), (2, 0), "(ran, alive)");
    gate.open();
}

/// Four closures and, if the pool runs them, a future; each returns its position in the line.
fn submit_values(
    pool: &impl Executor,
    alive: &Alive,
    ran: &Count,
) -> Vec<JobHandle<usize, Infallible>> {
    let closure = |value: usize| {
        let (runs, captured) = (ran.clone(), alive.value());
        let job = move || {
            runs.add();
            drop(captured);
            value
        };
        pool.spawn(job).expect(ROOM)
    };
    let mut handles: Vec<_> = (0..4).map(closure).collect();
    if pool.capability().async_jobs {
        let captured = alive.value();
        let future = async move {
            tokio::task::yield_now().await;
            drop(captured);
            4
        };
        handles.push(pool.spawn_future(future).expect(ROOM));
    }
    handles
}

/// Shuts the pool down and takes its tasks, which belong to the handles.
fn every_task(
    pool: &(impl Executor + Shutdown),
    handles: &[JobHandle<usize, Infallible>],
) -> Vec<Task> {
    let ids: Vec<JobId> = handles.iter().map(JobHandle::id).collect();
    let report = pool.shutdown(ShutdownPolicy::now().hand_back());
    let tasks = report.take_unstarted();
    let mut found: Vec<JobId> = tasks.iter().map(Task::id).collect();
    if !pool.capability().fifo {
        found.sort_unstable();
    }
    assert_eq!(found, ids, "the report holds every unstarted job");
    assert_eq!(report.unstarted(), ids.len() as u64);
    assert!(
        report.take_unstarted().is_empty(),
        "the first to take them gets them"
    );
    tasks
}

fn refused_when_closed(pool: &impl Executor, task: Task) -> Task {
    match pool.try_accept(task) {
        Err(Refused::Closed(task)) => task,
        other => panic!("the pool is closed, and said {other:?}"),
    }
}

fn dropped_with_the_report(subject: Subject) {
    let pool = pool(subject, 1, 8);
    let gate = occupy(&pool, 1);
    let (alive, ran) = (Alive::new(), Count::new());
    let handles: Vec<_> = (0..3)
        .map(|_| {
            let (runs, captured) = (ran.clone(), alive.value());
            let job = move || {
                runs.add();
                drop(captured);
            };
            pool.spawn(job).expect(ROOM)
        })
        .collect();
    let report = pool.shutdown(ShutdownPolicy::now().hand_back());
    let copy = report.clone();
    drop(report);
    assert!(
        handles.iter().all(|handle| !handle.is_finished()),
        "a copy is left"
    );
    drop(copy);
    assert_eq!(
        alive.count(),
        0,
        "a dropped task drops what its job captured"
    );
    for handle in handles {
        assert!(matches!(ended(handle), Err(JobError::Abandoned)));
    }
    gate.open();
    drop(pool);
    assert_eq!(ran.get(), 0);
}

/// Records on which thread it is dropped.
struct Noted(Arc<Mutex<Vec<ThreadId>>>, Count);

impl Drop for Noted {
    fn drop(&mut self) {
        let mut threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(thread::current().id());
        drop(threads);
        self.1.add();
    }
}

/// The only worker is busy, and the report is kept; the handles still resolve. The worker drops
/// what the jobs captured.
fn resolve_by_default(subject: Subject) {
    let pool = pool(subject, 1, 8);
    let gate = occupy(&pool, 1);
    let (threads, dropped, ran) = (Arc::default(), Count::new(), Count::new());
    let submit = |_| {
        let (captured, runs) = (Noted(Arc::clone(&threads), dropped.clone()), ran.clone());
        let job = move |_: &JobContext<'_>| {
            runs.add();
            drop(captured);
            Ok::<_, Infallible>(())
        };
        pool.submit(job.named("unstarted")).expect(ROOM)
    };
    let handles: Vec<_> = (0..3).map(submit).collect();
    let report = pool.shutdown(ShutdownPolicy::now());
    for (handle, named) in handles.into_iter().zip(report.unstarted_jobs()) {
        assert_eq!(
            (handle.id(), "unstarted"),
            (named.id, named.name.as_deref().unwrap_or(""))
        );
        assert!(
            handle.is_finished(),
            "it resolves when the shutdown returns"
        );
        assert!(matches!(ended(handle), Err(JobError::Abandoned)));
    }
    assert_eq!(
        (report.unstarted(), report.take_unstarted().len()),
        (3, 0),
        "{report}"
    );
    gate.open();
    dropped.wait_for(3);
    let threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
    let own = thread::current().id();
    assert!(
        !threads.contains(&own),
        "the caller dropped what a job captured"
    );
    assert_eq!(ran.get(), 0, "a job ran after the grace");
}

/// A call that is dropped in its cancel phase leaves every job resolved, even if one of them keeps
/// a handle to the pool.
fn resolve_with_a_call_that_is_dropped(subject: Subject) {
    for policy in [ShutdownPolicy::now(), ShutdownPolicy::now().hand_back()] {
        let pool = pool(subject, 1, 8);
        let gate = occupy(&pool, 1);
        let (alive, inner) = (Alive::new(), pool.clone());
        let captured = alive.value();
        let queued = pool.spawn(move || drop((captured, inner))).expect(ROOM);
        {
            let mut shutdown = pin!(pool.shutdown_async(policy.cancel_grace(FAR)));
            assert!(poll_once(shutdown.as_mut(), &Count::new()).is_pending());
        }
        assert!(matches!(ended(queued), Err(JobError::Abandoned)));
        gate.open();
        let report = pool.shutdown(ShutdownPolicy::drain());
        assert!(report.balances() && report.is_safe_to_exit(), "{report}");
        assert_eq!((report.completed(), report.unstarted()), (1, 1), "{report}");
        assert_eq!(alive.count(), 0, "what it captured is gone");
    }
}
