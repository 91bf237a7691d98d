//! R104, of jobs that end in the queue: each frees its place then, and no more than that.

use std::convert::Infallible;
use std::time::Duration;

use pool_core::{
    CancelToken, Executor, ExecutorExt, JobContext, JobError, JobExt, JobHandle, JobSet,
    SubmitError,
};

use super::{full, jobs};
use crate::probe::{Count, Gate, ended, occupy, pool, wait_until};
use crate::subject::Subject;
use crate::thread;

const CAPACITY: usize = 2;

/// Laps over a queue of two places.
const LAPS: usize = 20;

fn job(_: &JobContext<'_>) -> Result<(), Infallible> {
    Ok(())
}

type Handle = JobHandle<(), Infallible>;

/// Submits a job that must be taken in at once.
#[track_caller]
fn submit(pool: &dyn Executor) -> Handle {
    match pool.try_submit(job) {
        Ok(handle) => handle,
        Err(SubmitError::Full(_)) => panic!("a place is free: {}", pool.stats()),
        Err(SubmitError::Closed(_)) => panic!("the pool is open"),
    }
}

/// Submits a job and ends it in the queue, which resolves its handle.
type Way = (&'static str, fn(&dyn Executor));

const WAYS: [Way; 6] = [
    ("its handle", |pool| submit(pool).cancel()),
    ("an abort handle", |pool| {
        let handle = submit(pool);
        let abort = handle.abort_handle();
        handle.detach();
        abort.cancel();
    }),
    ("a guard that is dropped", |pool| {
        drop(submit(pool).cancel_on_drop());
    }),
    ("a set of jobs", |pool| {
        let mut set = JobSet::new(pool);
        set.push(submit(pool));
        set.cancel_all();
        assert!(matches!(set.join_next(), Some(Err(JobError::Cancelled))));
    }),
    ("its token", |pool| {
        let token = CancelToken::new();
        let job = pool.try_submit(job.with_token(&token));
        let handle = job.map_err(|_| ()).expect("a place is free");
        token.cancel();
        assert!(matches!(ended(handle), Err(JobError::Cancelled)));
    }),
    ("its deadline", |pool| {
        let job = pool.try_submit(job.with_timeout(Duration::from_millis(1)));
        let handle = job.map_err(|_| ()).expect("a place is free");
        assert!(matches!(ended(handle), Err(JobError::Expired)));
    }),
];

/// Checks that exactly this many places are free. Leaves the queue as it was.
#[track_caller]
fn are_free(pool: &dyn Executor, places: usize, after: &str) {
    let held: Vec<Handle> = (0..places).map(|_| submit(pool)).collect();
    let refused = pool.try_submit(job);
    assert!(
        matches!(refused, Err(SubmitError::Full(_))),
        "more than {places} places are free after an end by {after}: {}",
        pool.stats()
    );
    held.iter().for_each(JobHandle::cancel);
}

pub(super) fn an_end_in_the_queue_frees_a_place(subject: Subject) {
    for living in 0..CAPACITY {
        let pool = pool(subject, 1, CAPACITY);
        let gate = occupy(&pool, 1);
        let waiting: Vec<Handle> = (0..living).map(|_| submit(&pool)).collect();
        for _ in 0..LAPS {
            for (name, end) in WAYS {
                end(&pool);
                are_free(&pool, CAPACITY - living, name);
            }
            if subject.capability().async_jobs {
                let future = pool.try_spawn_future(std::future::pending::<()>());
                future.map_err(|_| ()).expect("a place is free").cancel();
                are_free(&pool, CAPACITY - living, "the handle of a future");
            }
        }
        gate.open();
        for handle in waiting {
            ended(handle).expect("the others run");
        }
    }
}

/// The children of a job end with it, those that wait in the queue of the worker that it holds too.
pub(super) fn an_end_of_a_parent_frees_places(subject: Subject) {
    let pool = pool(subject, 1, CAPACITY);
    for _ in 0..LAPS {
        let gate = Gate::new();
        let pass = gate.pass();
        let queued = Count::new();
        let has_queued = queued.clone();
        let handle = pool.submit(move |ctx: &JobContext<'_>| {
            let children = [(); CAPACITY].map(|()| ctx.submit(job).map_err(|_| ()));
            has_queued.add();
            pass.wait();
            drop(children);
            Ok::<_, Infallible>(())
        });
        let parent = handle.expect("the pool is open");
        queued.wait_for(1);
        let refused = pool.try_submit(job);
        full(refused);
        parent.cancel();
        are_free(&pool, CAPACITY, "a parent");
        gate.open();
        ended(parent).expect("it returns as it wants");
    }
}

/// A waiting submitter is called for a place that comes free so.
pub(super) fn an_end_in_the_queue_calls_who_waits(subject: Subject) {
    let pool = pool(subject, 1, 1);
    let gate = occupy(&pool, 1);
    for _ in 0..LAPS {
        let queued = submit(&pool);
        thread::scope(|threads| {
            let waiting = threads.spawn(|| pool.submit(job).expect("the pool is open"));
            wait_until("the submitter waits", &pool, || pool.room().has_line());
            queued.cancel();
            waiting.join().expect("it gets in").cancel();
        });
    }
    are_free(&pool, 1, "a handle");
    gate.open();
}

/// A job that ends while it is submitted keeps no place.
pub(super) fn an_end_on_the_way_in_keeps_no_place(subject: Subject) {
    let pool = pool(subject, 1, CAPACITY);
    let gate = occupy(&pool, 1);
    for _ in 0..jobs() {
        let token = CancelToken::new();
        thread::scope(|threads| {
            threads.spawn(|| token.cancel());
            let accepted = pool.try_submit(job.with_token(&token));
            let handle = accepted.map_err(|_| ()).expect("both places are free");
            assert!(matches!(ended(handle), Err(JobError::Cancelled)));
        });
        are_free(&pool, CAPACITY, "a token, on the way in");
    }
    gate.open();
}
