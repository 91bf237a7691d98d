//! When a probe is sent, by counts that are made up.

use std::sync::Arc;

use pool::Pool;
use pool_core::Stats;

use super::Prober;

/// The counts of a pool, with that many jobs queued.
fn counts(accepted: u64, queued: u64) -> Stats {
    let mut stats = Stats::default();
    (stats.accepted, stats.queued) = (accepted, queued);
    stats
}

#[test]
fn a_probe_that_the_counts_still_have_as_queued_is_no_reason_for_another() {
    let pool = Pool::builder().workers(1).build().expect("there is one");
    let mut prober = Prober::new(&pool.stats(), Arc::default());
    prober.look(&pool, &counts(1, 0));
    assert_eq!(pool.stats().accepted, 1, "a job had arrived");
    pool.wait_idle();
    let seen = prober.look(&pool, &counts(2, 1));
    assert!(seen.delay.is_some());
    assert_eq!(pool.stats().accepted, 1, "what is queued may be the probe");
    prober.look(&pool, &counts(2, 1));
    assert_eq!(pool.stats().accepted, 2, "a job waits");
}

#[test]
fn jobs_that_wait_have_the_next_probe_sent_as_one_is_answered() {
    let pool = Pool::builder().workers(1).build().expect("there is one");
    let mut prober = Prober::new(&pool.stats(), Arc::default());
    prober.look(&pool, &counts(5, 5));
    pool.wait_idle();
    assert!(prober.look(&pool, &counts(6, 5)).delay.is_some());
    assert_eq!(pool.stats().accepted, 2);
}
