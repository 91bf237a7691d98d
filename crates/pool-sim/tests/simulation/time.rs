//! The pool's own clock in virtual time: sleeps of hours, and jobs for later.

use std::time::Duration;

use pool_core::{
    AsyncContext, JobContext, JobError, JobExt, Shutdown, ShutdownPolicy, infallible_fn,
};
use pool_sim::{SimPool, check, thread};

const HOUR: Duration = Duration::from_secs(3600);

/// The simulation's clock passes over them: each ends at its hour.
#[test]
fn virtual_time_drives_sleeps_and_delayed_jobs() {
    check(0..100, |sim| {
        let pool = SimPool::builder().workers(4).queue_capacity(4);
        let pool = pool.build().expect("the simulation gives threads");
        let is_at = |hours| {
            let late = sim.elapsed().checked_sub(hours * HOUR).expect("too early");
            assert!(late < HOUR / 60, "{late:?} after {hours} hours");
        };
        let nap = |ctx: &JobContext<'_>| ctx.sleep(2 * HOUR);
        let closure = pool.submit(nap).unwrap();
        let nap = |ctx: AsyncContext| async move { ctx.sleep(HOUR).await };
        let future = pool.submit_future(nap).unwrap();
        let later = pool.after(3 * HOUR, infallible_fn(|| ())).unwrap();
        let never = pool.after(Duration::MAX, infallible_fn(|| ())).unwrap();
        let endless = |ctx: &JobContext<'_>| ctx.sleep(Duration::MAX);
        let expired = pool.submit(endless.with_timeout(4 * HOUR)).unwrap();
        future.join().unwrap();
        is_at(1);
        closure.join().unwrap();
        is_at(2);
        later.join().unwrap();
        is_at(3);
        assert!(matches!(expired.join(), Err(JobError::Expired)));
        is_at(4);
        let asleep = pool.submit(endless).unwrap();
        while pool.stats().running < 1 {
            thread::yield_now();
        }
        let report = Shutdown::shutdown(&pool, ShutdownPolicy::new(HOUR).cancel_grace(HOUR));
        is_at(5);
        assert_eq!(report.cancelled(), 1, "{report}");
        assert!(matches!(asleep.join(), Err(JobError::Cancelled)));
        assert!(matches!(never.join(), Err(JobError::Abandoned)));
    });
}
