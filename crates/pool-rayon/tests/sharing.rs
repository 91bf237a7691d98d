//! Pools that share the threads of one rayon pool, next to rayon's own work.

use std::sync::Arc;
use std::time::Duration;

use pool_rayon::RayonPool;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Only a hang meets it.
const LIMIT: Duration = Duration::from_secs(30);

fn adopted(threads: &Arc<ThreadPool>, workers: usize) -> RayonPool {
    RayonPool::builder()
        .workers(workers)
        .adopt(Arc::clone(threads))
        .build()
        .expect("the threads are there")
}

/// Submits a tree of jobs from inside, and returns the number of its leaves.
fn leaves(pool: &RayonPool, depth: u32) -> usize {
    if depth == 0 {
        return 1;
    }
    let halves = [0, 1].map(|_| {
        let inner = pool.clone();
        let half = pool.spawn(move || leaves(&inner, depth - 1));
        half.expect("the pool is open")
    });
    halves
        .into_iter()
        .map(|half| half.join().expect("no job panics"))
        .sum()
}

#[test]
fn pools_on_the_same_threads_keep_apart() {
    let threads = ThreadPoolBuilder::new().num_threads(3).build();
    let threads = Arc::new(threads.expect("three threads can be had"));
    for _ in 0..20 {
        let pools = [1, 2, 3].map(|workers| adopted(&threads, workers));
        let trees: Vec<_> = pools
            .iter()
            .map(|pool| {
                let inner = pool.clone();
                pool.spawn(move || leaves(&inner, 6)).expect("it is open")
            })
            .collect();
        for tree in trees {
            let ended = tree.join_timeout(LIMIT).expect("it ends");
            assert_eq!(ended.expect("no job panics"), 64);
        }
        for pool in pools {
            let report = pool.shutdown(LIMIT);
            assert!(report.is_clean() && report.balances(), "{report}");
        }
    }
}

/// A thread that once ran the pool's jobs, and now runs rayon's, submits: the pool's one worker may
/// be on another thread.
#[test]
fn a_rayon_thread_outside_of_a_run_submits_as_anybody() {
    let threads = ThreadPoolBuilder::new().num_threads(3).build();
    let threads = Arc::new(threads.expect("three threads can be had"));
    let pool = adopted(&threads, 1);
    for round in 0..300 {
        let (own, inner) = (pool.clone(), pool.clone());
        let (plain, visit) = threads.join(
            move || own.spawn(move || round).expect("it is open"),
            move || inner.spawn(|| rayon::join(|| 1, || 2)).expect("it is open"),
        );
        let plain = plain.join_timeout(LIMIT).expect("it starts");
        assert_eq!(plain.expect("no job panics"), round);
        let visit = visit.join_timeout(LIMIT).expect("it starts");
        assert_eq!(visit.expect("no job panics"), (1, 2));
    }
    let report = pool.shutdown(LIMIT);
    assert!(report.is_clean() && report.balances(), "{report}");
}
