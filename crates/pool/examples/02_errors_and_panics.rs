//! Jobs that fail: an error comes back unchanged, a panic with its message, and neither costs a
//! worker.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::error::Error;
use std::num::ParseIntError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool::{JobContext, JobError, JobExt, Outcome, Pool};

/// A job with its own error type. Every such function and closure is a job; the context tells it
/// about itself.
fn parse(text: &'static str) -> impl FnOnce(&JobContext<'_>) -> Result<i32, ParseIntError> {
    move |_| text.parse()
}

fn main() -> Result<(), Box<dyn Error>> {
    // The observer sees each job that did not complete, even if its handle was dropped: the place
    // to log. It is not told of those that their own handle cancelled before they started. It gets
    // the text of the panic or the error. An error type that the pool does not know has to be named
    // once: `.describe_error(|error: &anyhow::Error| format!("{error:#}"))`.
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&log);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(move |job| {
            let (name, why) = (job.name.unwrap_or("a job"), job.message.unwrap_or("?"));
            let line = format!("{name} {}: {why}", job.outcome);
            seen.lock().expect("no holder panics").push(line);
        })
        .build()?;

    // `submit` takes a job that may fail; `join` returns its value, or why there is none.
    assert_eq!(pool.submit(parse("42"))?.join()?, 42);
    let failed = pool.submit(parse("forty-two").named("a word"))?.join();
    match failed {
        Err(JobError::Failed(error)) => println!("the job's own error: {error}"),
        other => panic!("a word is no number: {other:?}"),
    }

    // A panic is caught. What the process prints about it comes from its panic hook, as for any
    // thread.
    let broken = pool.submit(
        (|_: &JobContext<'_>| -> Result<(), ParseIntError> { panic!("out of cheese") })
            .named("a bug"),
    )?;
    let error = broken.join().expect_err("it panicked");
    assert_eq!(error.outcome(), Outcome::Panicked);
    println!("{error}");

    // The one worker goes on.
    assert_eq!(pool.submit(parse("7"))?.join()?, 7);
    assert_eq!(
        *log.lock().expect("no holder panics"),
        [
            "a word failed: invalid digit found in string",
            "a bug panicked: out of cheese"
        ]
    );

    let report = pool.shutdown(Duration::from_secs(10));
    assert_eq!(
        (report.completed(), report.failed(), report.panicked()),
        (2, 1, 1)
    );
    println!("{report}");
    Ok(())
}
