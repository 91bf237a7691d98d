//! Worker state: what is costly to make, made once for each worker and lent to each of its jobs.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::cell::RefCell;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pool::{JobContext, Pool};

/// Stands for a connection, a parser, a large buffer. It is one thread's alone, so it needs no lock.
struct Connection {
    requests: RefCell<usize>,
}

/// Uses the connection of whichever worker runs the job.
fn request(ctx: &JobContext<'_>) -> Result<usize, String> {
    let connection: &Connection = ctx.state().ok_or("this worker has no connection")?;
    let mut requests = connection.requests.borrow_mut();
    *requests += 1;
    Ok(*requests)
}

fn main() -> Result<(), Box<dyn Error>> {
    let stopped = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&stopped);
    let pool = Pool::builder()
        .workers(2)
        // Runs on each worker before its first job; what it returns is the worker's state.
        .on_worker_start(|_worker| Connection {
            requests: RefCell::new(0),
        })
        // Runs on each worker after its last job.
        .on_worker_stop(move |_worker| {
            counter.fetch_add(1, Ordering::SeqCst);
        })
        .build()?;

    // Twenty jobs on two workers: one of the two connections serves ten or more.
    let mut busiest = 0;
    for handle in pool.submit_all((0..20).map(|_| request))? {
        busiest = busiest.max(handle.join().map_err(|error| error.to_string())?);
    }
    assert!(busiest >= 10);
    println!("one connection served {busiest} of 20 requests");

    let report = pool.shutdown(Duration::from_secs(10));
    assert!(report.is_safe_to_exit());
    assert_eq!(stopped.load(Ordering::SeqCst), 2);
    println!("both workers stopped\n{report}");
    Ok(())
}
