//! R210: a job's body runs on a worker of the pool that accepted it, whichever thread waits for it.

use std::convert::Infallible;
use std::sync::Arc;

use pool_core::backend::PoolConfig;
use pool_core::{Executor, ExecutorExt, JobContext};

use crate::probe::{Count, PATIENCE, ROOM, ended, occupy, ready};
use crate::rule::Applied;
use crate::subject::{Subject, TestedPool};
use crate::thread::{self, ThreadId};

/// What a worker's start hook leaves as its state: the number of its pool, and its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WorkerOf {
    pool: usize,
    thread: ThreadId,
}

/// A pool of `workers` with one slot in its queue, whose workers know that they belong to pool
/// number `pool`.
fn pool(subject: Subject, pool: usize, workers: usize) -> Arc<TestedPool> {
    let mut config = PoolConfig::default();
    config.set_workers(workers);
    config.set_capacity(1);
    config.set_on_worker_start(move |_| WorkerOf {
        pool,
        thread: thread::current().id(),
    });
    Arc::new(
        subject
            .build(config)
            .expect("a plain configuration is accepted"),
    )
}

/// A closure that returns where it runs: its worker's state, and its thread.
fn where_it_runs(ctx: &JobContext<'_>) -> Result<(Option<WorkerOf>, ThreadId), Infallible> {
    Ok((ctx.state::<WorkerOf>().copied(), thread::current().id()))
}

/// Checks that a closure ran on a worker of pool number `pool`. The state shows it if workers have
/// threads of their own.
fn is_on_worker_of(subject: Subject, pool: usize, (worker, thread): (Option<WorkerOf>, ThreadId)) {
    if subject.capability().owns_threads {
        let expected = WorkerOf { pool, thread };
        assert_eq!(worker, Some(expected), "a job of pool {pool} ran elsewhere");
    }
}

pub(crate) fn r210(subject: Subject) -> Applied {
    let (here, there) = (pool(subject, 1, 1), pool(subject, 2, 1));
    let other = Arc::clone(&there);
    let joined = here.spawn(move || other.submit(where_it_runs).expect(ROOM).join());
    let joined = ended(joined.expect(ROOM)).expect("it completes");
    is_on_worker_of(subject, 2, joined.expect("it completes"));
    let other = Arc::clone(&there);
    let awaited = here.spawn(move || {
        let child = other.submit(where_it_runs).expect(ROOM);
        ready(std::pin::pin!(child))
    });
    let awaited = ended(awaited.expect(ROOM)).expect("it completes");
    is_on_worker_of(subject, 2, awaited.expect("it completes"));
    for _ in 0..thread::often(50) {
        joined_while_its_pool_is_busy(&here, &there);
    }
    if subject.capability().async_jobs {
        for workers in [1, 2] {
            children_of_a_future(subject, workers);
        }
    }
    Applied::Held
}

/// The thread that joins it gets to it before its own pool can.
fn joined_while_its_pool_is_busy<P: Executor + 'static>(here: &Arc<P>, there: &Arc<P>) {
    let gate = occupy(&**there, 1);
    let joins = Count::new();
    let (other, is_about_to) = (Arc::clone(there), joins.clone());
    let joined = here.spawn(move || {
        let child = other.submit(where_it_runs).expect(ROOM);
        is_about_to.add();
        child.join()
    });
    joins.wait_for(1);
    gate.open();
    let (worker, thread) = ended(joined.expect(ROOM))
        .expect("it completes")
        .expect("it completes");
    if there.capability().owns_threads {
        let expected = WorkerOf { pool: 2, thread };
        assert_eq!(worker, Some(expected), "its joiner ran it");
    }
}

/// A future makes closures run: some that it awaits, some that it joins, some for which there is no
/// room, and some that run while it waits for the whole pool.
fn children_of_a_future(subject: Subject, workers: usize) {
    let pool = pool(subject, 3, workers);
    let inside = Arc::clone(&pool);
    let parent = pool.spawn_future(async move {
        let mut places = Vec::new();
        places.push(inside.submit(where_it_runs).expect(ROOM).await);
        places.push(inside.submit(where_it_runs).expect(ROOM).join());
        let submit = |_| inside.submit(where_it_runs).expect("it waits for nothing");
        let children: Vec<_> = (0..4).map(submit).collect();
        for child in children {
            places.push(child.await);
        }
        let children: Vec<_> = (0..4).map(submit).collect();
        inside.wait_idle_async().await;
        for child in children {
            places.push(child.await);
        }
        places
    });
    let places = parent.expect(ROOM).join_timeout(PATIENCE);
    let places = places.unwrap_or_else(|_| panic!("it hangs: {}", pool.stats()));
    for place in places.expect("it completes") {
        is_on_worker_of(subject, 3, place.expect("it completes"));
    }
}
