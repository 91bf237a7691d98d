//! R610: the last handle ends its pool, wherever it is dropped.

use std::convert::Infallible;

use pool_core::{Executor, ExecutorExt, JobContext, JobError, Shutdown, ShutdownPolicy};

use super::submit_mixed;
use crate::polling::Signal;
use crate::probe::{Count, Gate, ROOM, ended, occupy, pool, returns_only_after};
use crate::rule::Applied;
use crate::subject::Subject;

pub(super) fn r610(subject: Subject) -> Applied {
    let first = pool(subject, 2, 64);
    let (gate, other) = (occupy(&first, 1), occupy(&first, 1));
    let handles = submit_mixed(&first);
    drop(first.clone());
    assert!(!first.is_closed(), "another handle is left");
    let release = || {
        gate.open();
        other.open();
    };
    returns_only_after(release, || drop(first));
    for handle in handles {
        assert!(handle.is_finished(), "drained before the drop returned");
        assert!(ended(handle).is_ok());
    }
    on_its_own_worker(pool(subject, 1, 64), false);
    if subject.capability().async_jobs {
        on_its_own_worker(pool(subject, 1, 64), true);
    }
    goes_with_what_was_captured(pool(subject, 1, 8));
    if subject.capability().async_jobs {
        while_a_future_sleeps(pool(subject, 2, 8));
    }
    Applied::Held
}

/// A job has the last handle; the jobs behind it on the only worker still run.
fn on_its_own_worker<P: Executor + Shutdown + Clone + 'static>(pool: P, is_future: bool) {
    let (gate, started, inner) = (Gate::new(), Count::new(), pool.clone());
    let (pass, begun) = (gate.pass(), started.clone());
    let body = move || {
        begun.add();
        pass.wait();
        drop(inner);
    };
    let dropping = if is_future {
        pool.spawn_future(async move {
            tokio::task::yield_now().await;
            body();
        })
        .expect(ROOM)
    } else {
        pool.spawn(body).expect(ROOM)
    };
    started.wait_for(1);
    let handles = submit_mixed(&pool);
    drop(pool);
    gate.open();
    assert!(ended(dropping).is_ok(), "the drop returns");
    for handle in handles {
        assert!(ended(handle).is_ok(), "what was accepted runs");
    }
}

/// The last handle is in the captures of a job that a shutdown did not start. A worker drops them,
/// and waits for nothing.
fn goes_with_what_was_captured<P: Executor + Shutdown + Clone + 'static>(pool: P) {
    let gate = occupy(&pool, 1);
    let inner = pool.clone();
    let (alone, dropped) = (Count::new(), Count::new());
    let seen = dropped.clone();
    let counts = CountDrop(alone.clone());
    let captures = move |_: &JobContext<'_>| {
        drop((inner, counts));
        seen.add();
        Ok::<_, Infallible>(())
    };
    let captures = pool.submit(captures).expect(ROOM);
    let report = pool.shutdown(ShutdownPolicy::now());
    assert_eq!(report.unstarted(), 1, "{report}");
    drop(pool);
    assert!(matches!(ended(captures), Err(JobError::Abandoned)));
    gate.open();
    alone.wait_for(1);
    assert_eq!(dropped.get(), 0, "the job did not run");
}

/// Counts its drop.
struct CountDrop(Count);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// The last handle is dropped with a job, while a future sleeps: jobs in flight keep the pool until
/// they end.
fn while_a_future_sleeps<P: Executor + Shutdown + Clone + 'static>(pool: P) {
    let signal = Signal::default();
    let asleep = pool.spawn_future(signal.clone()).expect(ROOM);
    signal.wait_for_sleeper();
    let (gate, inner) = (Gate::new(), pool.clone());
    let pass = gate.pass();
    let dropping = pool.spawn(move || {
        pass.wait();
        drop(inner);
    });
    let dropping = dropping.expect(ROOM);
    drop(pool);
    gate.open();
    assert!(ended(dropping).is_ok(), "the drop returns");
    signal.fire();
    assert!(ended(asleep).is_ok(), "the future is polled to its end");
}
