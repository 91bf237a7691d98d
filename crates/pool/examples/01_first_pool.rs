//! The first pool: three workers, five jobs, and an end that says whether it is safe to exit.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::error::Error;
use std::time::Duration;

use pool::Pool;

fn main() -> Result<(), Box<dyn Error>> {
    // Three workers exist and wait for jobs before `build` returns. At most 100 jobs may wait for
    // one of them.
    let pool = Pool::builder().workers(3).queue_capacity(100).build()?;
    assert_eq!(pool.stats().workers, 3);

    // `spawn` takes a closure and returns a handle. It returns at once, unless the queue is full.
    let mut handles = Vec::new();
    for number in 1..=5_u64 {
        handles.push(pool.spawn(move || number * number)?);
    }

    // From here on the pool takes no job; the closure comes back unchanged inside the error.
    pool.close();
    let refused = pool.spawn(|| 36).expect_err("the pool is closed");
    assert_eq!(refused.into_job()(), 36);

    // The jobs accepted before the close still run. `join` waits for one of them.
    let mut squares = Vec::new();
    for handle in handles {
        squares.push(handle.join()?);
    }
    assert_eq!(squares, [1, 4, 9, 16, 25]);
    println!("squares: {squares:?}");

    // Waits for up to ten seconds, and reports what happened to every job.
    let report = pool.shutdown(Duration::from_secs(10));
    assert_eq!((report.accepted(), report.completed()), (5, 5));
    assert!(report.is_safe_to_exit());
    println!("{report}");
    Ok(())
}
