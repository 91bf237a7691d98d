//! What a simulation is to a test: repeatable, in its own time, and with an end.

use std::time::Duration;

use pool_sim::{SimPool, Simulation};

fn pool(workers: usize) -> SimPool {
    SimPool::builder()
        .workers(workers)
        .queue_capacity(8)
        .build()
        .expect("the simulation gives threads")
}

#[test]
fn jobs_run_and_the_same_seed_gives_the_same_trace() {
    let run = |seed| {
        let ran = Simulation::new(seed).try_run(|_| {
            let pool = pool(3);
            let handles: Vec<_> = (0..20)
                .map(|n| pool.spawn(move || n * 2).unwrap())
                .collect();
            let sum: i32 = handles.into_iter().map(|it| it.join().unwrap()).sum();
            let future = pool.spawn_future(async { 1 }).unwrap();
            let report = pool.shutdown(Duration::from_secs(1));
            assert!(report.is_clean(), "{report}");
            sum + future.join().unwrap()
        });
        let ran = ran.unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(ran.value, 381);
        assert_eq!(ran.left_behind, 0);
        ran.trace.to_string()
    };
    let first = run(1);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
}
