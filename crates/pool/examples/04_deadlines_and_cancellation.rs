//! Deadlines and cancellation: a job that is no longer wanted does not start, and a running one is
//! told.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;

use pool::{CancelToken, Interrupted, JobContext, JobExt, Outcome, Pool};

/// Works in small steps, and checks before each whether it should go on. It would never end by
/// itself.
fn endless(ctx: &JobContext<'_>) -> Result<(), Interrupted> {
    loop {
        ctx.check()?;
        std::hint::spin_loop();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let pool = Pool::builder().workers(1).build()?;

    // A limit of 20 ms from submission to the end: past it, `check` says so and the job ends as
    // expired.
    let limited = pool.submit(endless.with_timeout(Duration::from_millis(20)))?;
    let error = limited.join().expect_err("it never completes");
    assert_eq!(error.outcome(), Outcome::Expired);
    println!("limited: {error}");

    // A running job cannot be stopped from outside; it is asked to stop, and the same `check` tells
    // it.
    let (started, has_started) = mpsc::channel();
    let running = pool.submit(move |ctx: &JobContext<'_>| {
        started.send(()).expect("main waits for it");
        endless(ctx)
    })?;
    has_started.recv()?;

    // A queued job that is cancelled through its handle ends at once, long before its turn.
    let queued = pool.spawn(|| unreachable!("cancelled before its start"))?;
    queued.cancel();
    let error = queued.join().expect_err("it was cancelled");
    assert_eq!(error.outcome(), Outcome::Cancelled);

    // A token cancels every job that carries it, and children of the token too. A job sees it when
    // its turn comes.
    let request = CancelToken::new();
    let parts = pool.submit_all((0..3).map(|_| endless.with_token(&request)))?;
    request.cancel();

    running.cancel();
    for job in parts.into_iter().chain([running]) {
        let error = job.join().expect_err("it was cancelled");
        assert_eq!(error.outcome(), Outcome::Cancelled);
    }
    println!("neither the running job nor those behind it go on");

    let report = pool.shutdown(Duration::from_secs(10));
    assert_eq!((report.cancelled(), report.expired()), (5, 1));
    println!("{report}");
    Ok(())
}
