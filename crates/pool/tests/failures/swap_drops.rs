//! Drops of jobs that have ended by the time of a swap: they are user code, and may use the pool.

use std::convert::Infallible;
use std::time::Duration;

use pool::{JobContext, JobExt, Pool};

use crate::on::{LIMIT, each_backend, ends_clean, hold, nothing, on, value};

/// A drop that submits to the pool.
struct SubmitsOnDrop(Pool);

impl Drop for SubmitsOnDrop {
    fn drop(&mut self) {
        let submitted = self.0.try_execute(nothing);
        assert!(!submitted.is_err_and(|refused| refused.is_closed()));
    }
}

/// Jobs that expire while they are handed over drop what they captured after the swap, since such a
/// drop may wait for it.
#[test]
fn jobs_that_expire_during_a_swap_may_submit_in_their_drops() {
    const JOBS: u32 = 50;
    each_backend(|backend| {
        let pool = on(backend, 1, 256);
        for _ in 0..20 {
            let (release, held) = hold(&pool);
            let jobs = (0..JOBS).map(|n| {
                let captured = SubmitsOnDrop(pool.clone());
                let job = move |_: &JobContext<'_>| {
                    drop(captured);
                    Ok::<_, Infallible>(())
                };
                let limit = Duration::from_micros(u64::from(5 * n));
                pool.try_submit(job.with_timeout(limit)).ok()
            });
            let jobs: Vec<_> = jobs.collect();
            pool.swap(backend).expect("the backend can be built");
            drop(release);
            for job in jobs.into_iter().flatten() {
                // In time, or not.
                drop(job.join_timeout(LIMIT).expect("it is over"));
            }
            assert!(value(held));
        }
        ends_clean(&pool);
    });
}
