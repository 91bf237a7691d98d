//! Results: one handle, many handles, or one function over many inputs.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use pool::{JobError, Pool, SubmitError};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = Pool::builder().workers(3).build()?;

    // `map`: one job for each input, and the outcomes in the order of the inputs, whichever was
    // ready first.
    let words = ["a", "production", "worker", "pool"];
    let lengths: Vec<usize> = pool.map(words, str::len).collect::<Result<_, _>>()?;
    assert_eq!(lengths, [1, 10, 6, 4]);
    println!("lengths: {lengths:?}");

    // `map_unordered`: the same outcomes as they come.
    let squares: BTreeSet<u32> = pool
        .map_unordered(1..=4_u32, |n| n * n)
        .collect::<Result<_, _>>()?;
    assert_eq!(squares, BTreeSet::from([1, 4, 9, 16]));

    // Inputs are taken as there is room and as outcomes are taken, so they may be endless.
    let is_prime = |n: u32| (n, !(2..n).any(|divisor| n.is_multiple_of(divisor)));
    let primes = pool
        .map(2.., is_prime)
        .flatten()
        .filter(|(_, is_prime)| *is_prime);
    let primes: Vec<u32> = primes.map(|(n, _)| n).take(5).collect();
    assert_eq!(primes, [2, 3, 5, 7, 11]);
    println!("primes: {primes:?}");

    // Each outcome is separate: a job that panics does not affect the others.
    let outcomes: Vec<_> = pool.map([2_u32, 0, 5], |n| 10 / n).collect();
    assert!(matches!(
        outcomes[..],
        [Ok(5), Err(JobError::Panicked(_)), Ok(2)]
    ));

    // A limit for the wait, not for the job: after it the handle comes back, and can be asked
    // again.
    let (open, gate) = std::sync::mpsc::channel::<u32>();
    let slow = pool
        .spawn(move || gate.recv())
        .map_err(SubmitError::without_job)?;
    let slow = slow
        .join_timeout(Duration::from_millis(10))
        .expect_err("the gate is shut");
    open.send(17)?;
    assert_eq!(slow.join()?, Ok(17));

    // A handle that is not needed is dropped: the job still runs, and is counted.
    pool.spawn(|| println!("nobody waits for me"))?.detach();
    pool.wait_idle();
    // The map of primes was dropped: jobs that it had taken ahead and not started were cancelled.
    let stats = pool.stats();
    assert_eq!(stats.accepted, stats.finished(), "each job came to an end");
    assert_eq!(stats.panicked, 1);

    println!("{}", pool.shutdown(Duration::from_secs(10)));
    Ok(())
}
