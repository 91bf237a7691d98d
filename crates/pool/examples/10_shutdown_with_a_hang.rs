//! A shutdown with a job that hangs: it still returns in time, and reports exactly what it did not
//! finish.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::convert::Infallible;
use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;

use pool::{Executor, JobContext, JobError, JobExt, Pool, ShutdownPolicy};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = Pool::builder().workers(1).build()?;

    // This job waits for something that never comes, and never checks whether it should stop.
    let (started, has_started) = mpsc::channel();
    let (_never, nothing) = mpsc::channel::<()>();
    let hangs = move |_: &JobContext<'_>| {
        started.send(()).expect("main waits for it");
        nothing.recv()
    };
    let hung = pool.submit(hangs.named("waits for a dead peer"))?;
    has_started.recv()?;
    let mut queued =
        pool.submit_all((0..3).map(|id| move |_: &JobContext<'_>| Ok::<_, Infallible>(id)))?;

    // Accepted jobs may finish within the grace; then running ones are asked to stop; then they are
    // given up. All of it takes a tenth of a second. Without `hand_back`, the jobs that did not
    // start would be abandoned by now, and their handles would say so.
    let policy = ShutdownPolicy::within(Duration::from_millis(100)).hand_back();
    let report = pool.shutdown(policy);
    println!("{report}");
    assert!(!report.is_clean() && !report.is_safe_to_exit() && report.balances());
    assert_eq!(
        report.still_running()[0].name.as_deref(),
        Some("waits for a dead peer")
    );
    assert_eq!(report.still_running()[0].id, hung.id());
    hung.detach();

    // Jobs that never started are in the report, since the policy asked for them. Submitted to
    // another pool, they run there, and their handles resolve.
    let mut unstarted = report.take_unstarted();
    assert_eq!(unstarted.len(), 3);
    let last = unstarted.pop().expect("there are three");
    let rescue = Pool::builder().workers(1).build()?;
    for task in unstarted {
        rescue.try_accept(task).expect("it is open and has room");
    }
    let dropped = queued.pop().expect("there are three");
    for (id, handle) in queued.into_iter().enumerate() {
        assert_eq!(handle.join()?, id);
    }

    // One that is dropped instead also resolves, as abandoned.
    drop(last);
    assert!(matches!(dropped.join(), Err(JobError::Abandoned)));

    println!(
        "the other pool: {}",
        rescue.shutdown(Duration::from_secs(10))
    );
    Ok(())
}
