//! Futures: as jobs next to closures, on the same workers; and a handle that is a future itself.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::error::Error;
use std::future;
use std::time::Duration;

use pool::{AsyncContext, AsyncJobExt, JobContext, Outcome, Pool};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = Pool::builder().workers(2).build()?;

    // A future may wait for other jobs, and blocks no thread meanwhile. On the backend `async` it
    // keeps its worker slot, so another one has to be free.
    let inner = pool.clone();
    let outer = pool.spawn_future(async move {
        let part = inner.spawn(|| 40).expect("the pool is open");
        part.await.expect("it does not fail") + 2
    })?;
    assert_eq!(outer.join()?, 42);

    // A future gets a context too. Past its deadline it is dropped while it waits, and needs no
    // check.
    let waits = |_ctx: AsyncContext| future::pending::<Result<(), String>>();
    let limited = pool.submit_future(waits.with_timeout(Duration::from_millis(20)))?;
    let error = limited.join().expect_err("it waits for ever");
    assert_eq!(error.outcome(), Outcome::Expired);
    println!("limited: {error}");

    // In async code nothing blocks: no wait for room, for a result or for the end.
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let report = runtime.block_on(async {
        let job = |_: &JobContext<'_>| "6".parse::<u32>().map(|six| six * 7);
        let answer = pool.submit_async(job).await?.await?;
        assert_eq!(answer, 42);
        println!("the answer: {answer}");
        pool.wait_idle_async().await;
        Ok::<_, Box<dyn Error>>(pool.shutdown_async(Duration::from_secs(10)).await)
    })?;
    assert_eq!((report.completed(), report.expired()), (3, 1));
    println!("{report}");
    Ok(())
}
