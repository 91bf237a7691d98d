//! Worker state: an expensive value, made once for each worker and borrowed by each of its jobs;
//! and a worker that cannot make it.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::cell::RefCell;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pool::{JobContext, JobError, Pool, StateError};

/// Stands for a connection, a parser, a large buffer. It belongs to one thread, so it needs no
/// lock.
struct Connection {
    requests: usize,
}

impl Connection {
    fn open(server: &str) -> Result<Self, String> {
        match server {
            "db.example" => Ok(Self { requests: 0 }),
            _ => Err(format!("there is no server {server:?}")),
        }
    }
}

/// Uses the connection of the worker that runs the job.
fn request(ctx: &JobContext<'_>) -> Result<usize, StateError> {
    ctx.with_state_mut(|connection: &mut Connection| {
        connection.requests += 1;
        connection.requests
    })
}

/// A trap: a job that joins or submits a child may run it in place, on its own stack, where its
/// parent has already taken the state. `with_state_mut` returns an error then; a `RefCell` that
/// both borrow by `ctx.state()` would panic. Give the state back first.
fn request_twice(ctx: &JobContext<'_>) -> Result<usize, StateError> {
    let while_taken = ctx.with_state_mut(|_: &mut Connection| {
        let child = ctx.submit(request).map_err(|_| "the pool is closed");
        child.map(|child| child.join())
    })?;
    assert!(matches!(
        while_taken,
        Ok(Err(JobError::Failed(StateError::Taken)))
    ));
    request(ctx)
}

fn main() -> Result<(), Box<dyn Error>> {
    let stopped = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&stopped);
    let pool = Pool::builder()
        .workers(2)
        // Runs on each worker before its first job; what it returns is the worker's state. In a
        // `RefCell`, a job can borrow it mutably.
        .try_on_worker_start(|_worker| Connection::open("db.example").map(RefCell::new))
        // Runs on each worker after its last job.
        .on_worker_stop(move |_worker| {
            counter.fetch_add(1, Ordering::SeqCst);
        })
        .build()?;

    // Twenty jobs on two workers: one of the two connections serves ten or more.
    let mut busiest = 0;
    for handle in pool.submit_all((0..20).map(|_| request))? {
        busiest = busiest.max(handle.join()?);
    }
    assert!(busiest >= 10);
    println!("one connection served {busiest} of 20 requests");

    // With one worker, the child of a job runs in place.
    let alone = Pool::builder()
        .workers(1)
        .on_worker_start(|_worker| RefCell::new(Connection { requests: 0 }))
        .build()?;
    assert_eq!(alone.submit(request_twice)?.join()?, 1);

    // A worker that cannot start fails the build, and nothing is left running.
    let refused = Pool::builder()
        .workers(2)
        .try_on_worker_start(|_worker| Connection::open("nowhere.example"))
        .build();
    let error = refused.expect_err("there is no such server");
    println!("not built: {error}");

    let report = pool.shutdown(Duration::from_secs(10));
    assert!(report.is_safe_to_exit());
    assert_eq!(stopped.load(Ordering::SeqCst), 2);
    println!("both workers stopped\n{report}");
    Ok(())
}
