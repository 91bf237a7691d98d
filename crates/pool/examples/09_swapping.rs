//! Swapping: another backend takes over under load; every job runs once and every handle resolves.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pool::{Backend, Pool};

/// Jobs given to each backend in turn.
const JOBS: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo features decide which backends exist; a value decides which one runs.
    let backends = Backend::available();
    let pool = Pool::builder().workers(2).queue_capacity(100).build()?;
    let runs = Arc::new(AtomicUsize::new(0));

    let mut handles = Vec::new();
    for backend in &backends {
        // Queued jobs move to the new backend; running jobs go on where they are. The swap waits
        // for no job.
        pool.swap(*backend)?;
        assert_eq!(pool.backend(), *backend);
        for id in 0..JOBS {
            let runs = Arc::clone(&runs);
            handles.push(pool.spawn(move || {
                runs.fetch_add(1, Ordering::Relaxed);
                id
            })?);
        }
        println!("{JOBS} jobs submitted on {backend}");
    }

    let all = handles.len();
    for (position, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.join()?, position % JOBS);
    }
    assert_eq!(runs.load(Ordering::Relaxed), all);

    // The stats are those of the whole pool: a job that moved is counted once.
    let report = pool.shutdown(Duration::from_secs(10));
    assert_eq!(report.accepted(), (JOBS * backends.len()) as u64);
    assert_eq!(report.accepted(), report.completed());
    println!("{report}");
    Ok(())
}
