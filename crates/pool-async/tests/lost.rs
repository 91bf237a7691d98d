//! An adopted runtime is shut down by its owner: no thread is left to run jobs, and no handle waits
//! forever.

use std::time::Duration;

use pool_async::AsyncPool;
use pool_core::JobError;
use tokio::runtime::Builder;

/// The slowest test machine wakes a thread within this time.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn jobs_for_a_runtime_that_is_gone_are_abandoned() {
    for workers in 1..=3 {
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let builder = AsyncPool::builder().workers(workers);
        let pool = builder.adopt(runtime.handle().clone()).build().unwrap();
        runtime.shutdown_timeout(LONG);
        // Each job may cost the pool one worker slot; the pool closes with the last.
        let handles: Vec<_> = (0..=workers)
            .map_while(|_| pool.spawn(|| ()).ok())
            .collect();
        assert!(!handles.is_empty(), "the pool could not know before");
        for handle in handles {
            let outcome = handle.join_timeout(LONG);
            let outcome = outcome.unwrap_or_else(|_| panic!("{workers} workers: {pool:?}"));
            assert!(matches!(outcome, Err(JobError::Abandoned)), "{outcome:?}");
        }
        assert!(pool.spawn(|| ()).is_err(), "the pool is closed");
    }
}
