//! Back-pressure: a queue has a bound, and the submitter chooses what to do once it is reached.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::error::Error;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pool::{Pool, SubmitError};

fn main() -> Result<(), Box<dyn Error>> {
    // One worker, and room for two jobs that wait.
    let pool = Pool::builder().workers(1).queue_capacity(2).build()?;

    // The gate keeps the worker busy, so that what follows does not depend on timing.
    let (started, has_started) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let first = move || {
        started.send(()).expect("main waits for it");
        gate.recv()
    };
    // The error of a refusal contains the job. `anyhow` and others cannot hold it if the job is not
    // `Sync`, for example because it captures a receiver.
    let first = pool.spawn(first).map_err(SubmitError::without_job)?;
    has_started.recv()?;
    pool.spawn(|| println!("second"))?.detach();
    pool.spawn(|| println!("third"))?.detach();
    assert_eq!(pool.stats().queued, 2);

    // Refuse: `try_` never waits. The job comes back inside the error.
    let refused = pool.try_submit(|_: &pool::JobContext<'_>| Ok::<_, ()>("fourth"));
    let error = refused.expect_err("there is no room");
    assert!(error.is_full());
    println!("refused: {error}");

    // Wait for a while: the job comes back after the time, not before.
    let late = pool.submit_timeout(error.into_job(), Duration::from_millis(10));
    let job = late.expect_err("there is still no room").into_job();

    // Wait: this thread sleeps until the worker takes a job out of the queue. Waiting submitters
    // are served in order of arrival.
    let fourth = thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.submit(job));
        open.send(()).expect("the first job waits for it");
        waiting.join().expect("submit does not panic")
    })?;
    assert_eq!(fourth.join().expect("it cannot fail"), "fourth");
    first.join()??;

    let report = pool.shutdown(Duration::from_secs(10));
    assert_eq!(report.completed(), 4);
    println!("{report}");
    Ok(())
}
