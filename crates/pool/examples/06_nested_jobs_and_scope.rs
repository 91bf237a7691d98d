//! Jobs that submit jobs, and jobs that borrow: neither can hang the pool, even with one worker and
//! room for one job.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::error::Error;
use std::time::Duration;

use pool::{JobContext, JobError, Pool, SubmitError};

/// Sums a range by halves, each half a child of this job.
fn sum(from: u64, to: u64) -> impl FnOnce(&JobContext<'_>) -> Result<u64, String> + Send + 'static {
    move |ctx| {
        if to - from <= 10 {
            return Ok((from..to).sum());
        }
        let middle = from + (to - from) / 2;
        // A child inherits this job's cancellation and deadline. If the queue is full, it runs here
        // at once.
        let left = ctx
            .submit(boxed(from, middle))
            .map_err(|error| error.to_string())?;
        let right = ctx
            .submit(boxed(middle, to))
            .map_err(|error| error.to_string())?;
        // A join inside a job runs the child here if no worker has begun it. So one worker is
        // enough for any depth.
        let value = |error: JobError<String>| error.to_string();
        Ok(left.join().map_err(value)? + right.join().map_err(value)?)
    }
}

type Boxed = Box<dyn FnOnce(&JobContext<'_>) -> Result<u64, String> + Send>;

/// A recursive job has to break the recursion of its own type.
fn boxed(from: u64, to: u64) -> Boxed {
    Box::new(sum(from, to))
}

fn main() -> Result<(), Box<dyn Error>> {
    let pool = Pool::builder().workers(1).queue_capacity(1).build()?;
    let total = pool
        .submit(sum(0, 1000))?
        .join()
        .map_err(|error| error.to_string())?;
    assert_eq!(total, 499_500);
    println!("the sum below 1000 is {total}");

    // A scope's jobs borrow from this stack. It returns once all of them have ended, so what they
    // borrow outlives them.
    let text = String::from("one two three");
    let mut lengths = [0; 3];
    pool.scope(|scope| {
        for (word, length) in text.split(' ').zip(&mut lengths) {
            scope
                .spawn(move || *length = word.len())
                .map_err(SubmitError::into_job)
                .unwrap_or_else(|job| job());
        }
    })?;
    assert_eq!(lengths, [3, 3, 5]);
    println!("{text:?} has words of {lengths:?} letters");

    let report = pool.shutdown(Duration::from_secs(10));
    assert!(report.is_clean());
    println!("{report}");
    Ok(())
}
