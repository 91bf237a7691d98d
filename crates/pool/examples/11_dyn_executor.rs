//! A library that needs somewhere to run jobs: it takes `&dyn Executor`, and its user chooses the
//! pool.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::error::Error;
use std::time::Duration;

use pool::{Executor, ExecutorExt, JobError, Pool};

/// Counts the words of each text on the workers of the caller's pool. A library needs only the
/// crate `pool-core` for this.
fn count_words(executor: &dyn Executor, texts: Vec<String>) -> Result<usize, Box<dyn Error>> {
    let counts = executor.map(texts, |text| text.split_whitespace().count());
    let mut sum = 0;
    for count in counts {
        match count {
            Ok(count) => sum += count,
            // The pool was closed before this text's job was accepted. The library chooses what to
            // do then.
            Err(JobError::Abandoned) => return Err("the pool is closed".into()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sum)
}

fn main() -> Result<(), Box<dyn Error>> {
    let texts = || vec!["to be or not".to_owned(), "to be".to_owned()];

    // The user's pool, with the user's choice of workers, bound and backend.
    let pool = Pool::builder().workers(2).queue_capacity(10).build()?;
    assert_eq!(count_words(&pool, texts())?, 6);
    println!("six words, counted on {}", pool.backend());

    // A job of the same pool can call the library too: it does not wait for the worker that it
    // occupies.
    let inner = pool.clone();
    let nested =
        pool.spawn(move || count_words(&inner, texts()).map_err(|error| error.to_string()))?;
    assert_eq!(nested.join()?, Ok(6));

    pool.close();
    let error = count_words(&pool, texts()).expect_err("the pool is closed");
    println!("after the close: {error}");

    let report = pool.shutdown(Duration::from_secs(10));
    assert!(report.is_clean());
    println!("{report}");
    Ok(())
}
