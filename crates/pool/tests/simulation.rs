//! The facade in a simulation: `Backend::Sim` by value and by name, its errors, and a swap between simulated backends.
#![cfg(feature = "sim")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pool::sim::{Sim, Simulation, check};
use pool::{Backend, BuildError, JobContext, JobError, JobExt, Pool, ShutdownPolicy};

fn pool(workers: usize, capacity: usize) -> Pool {
    Pool::builder()
        .backend(Backend::Sim)
        .workers(workers)
        .queue_capacity(capacity)
        .build()
        .expect("the simulation gives threads")
}

#[test]
fn outside_of_a_simulation_it_is_an_error_that_says_where_it_can_be_built() {
    let error = Pool::builder().backend(Backend::Sim).build().unwrap_err();
    assert!(matches!(error, BuildError::Engine { engine: "sim", .. }));
    assert!(error.to_string().contains("pool_sim::check"), "{error}");
}

#[test]
fn it_has_a_name_and_is_nobodys_default() {
    assert_eq!("sim".parse(), Ok(Backend::Sim));
    assert_eq!(Backend::Sim.to_string(), "sim");
    assert!(Backend::Sim.is_available());
    assert!(!Backend::available().contains(&Backend::Sim));
    assert_ne!(Backend::default(), Backend::Sim);
}

/// What a user's test may hold: it names the backend, and nothing else of the simulation.
fn every_way(backend: Backend) {
    let pool = Pool::builder()
        .backend(backend)
        .workers(2)
        .queue_capacity(2)
        .build()
        .expect("two workers can be had");
    let sum: i32 = pool.map(0..10, |n| n * n).map(Result::unwrap).sum();
    assert_eq!(sum, 285);
    let slow = |ctx: &JobContext<'_>| {
        while ctx.check().is_ok() {}
        Err::<(), _>("too late")
    };
    let slow = pool
        .submit(slow.with_timeout(Duration::from_secs(1)))
        .unwrap();
    let future = pool.spawn_future(async { 7 }).unwrap();
    assert!(matches!(slow.join(), Err(JobError::Expired)));
    assert_eq!(future.join().unwrap(), 7);
    pool.wait_idle();
    let report = pool.shutdown(ShutdownPolicy::drain());
    assert!(report.is_clean() && report.is_safe_to_exit(), "{report}");
}

#[test]
fn a_users_test_swaps_it_in() {
    check(0..50, |_| every_way(Backend::Sim));
}

#[cfg(all(feature = "channel", feature = "work-stealing"))]
#[test]
fn other_backends_with_threads_of_their_own_take_turns_as_well() {
    check(0..50, |_| every_way(Backend::Channel));
    check(0..50, |_| every_way(Backend::WorkStealing));
}

#[cfg(feature = "channel")]
#[test]
fn a_swap_under_load_runs_every_job_once() {
    check(0..200, |_: &Sim| {
        let (pool, ran) = (pool(2, 2), Arc::new(AtomicUsize::new(0)));
        let submit = |pool: &Pool| {
            let handles = (0..5).map(|_| {
                let ran = Arc::clone(&ran);
                pool.spawn(move || ran.fetch_add(1, Ordering::SeqCst))
            });
            handles
                .map(|it| it.expect("a swap closes nothing"))
                .collect::<Vec<_>>()
        };
        pool::sim::thread::scope(|threads| {
            let before = threads.spawn(|| submit(&pool));
            pool.swap(Backend::Channel).expect("it can be swapped");
            let after = submit(&pool);
            pool.swap(Backend::Sim).expect("and back");
            let before = before.join().expect("no submission panics");
            for handle in before.into_iter().chain(after) {
                handle.join().expect("a job outlives a swap");
            }
        });
        assert_eq!(ran.load(Ordering::SeqCst), 10);
        assert_eq!(pool.shutdown(Duration::from_secs(1)).completed(), 10);
    });
}

#[test]
fn a_failure_names_its_schedule_and_the_command_that_replays_it() {
    let failing = |_: &Sim| assert!(pool(1, 1).spawn(|| false).unwrap().join().unwrap());
    let failure = Simulation::new(41).try_run(failing).unwrap_err();
    let text = failure.to_string();
    assert!(text.contains("under schedule 41"), "{text}");
    let command = "POOL_SIM_SEED=41 cargo test -p pool -- --exact a_failure_names_its_schedule_and_the_command_that_replays_it";
    assert!(text.ends_with(command), "{text}");
}
