//! Engines that a caller lends to a pool, and settings from the environment if the code has none.
#![cfg(all(feature = "rayon", feature = "async"))]

use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pool::backend::SpawnPool;
use pool::{Backend, BuildError, Executor, ExecutorExt, JobError, Pool, infallible_fn};

const LIMIT: Duration = Duration::from_secs(20);

fn threads(prefix: &'static str, count: usize) -> Arc<rayon::ThreadPool> {
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .thread_name(move |index| format!("{prefix}-{index}"));
    Arc::new(threads.build().expect("the system has a few threads"))
}

/// The name of the thread that runs a closure of the pool.
fn runs_on(pool: &Pool) -> String {
    let name = pool.spawn(|| thread::current().name().map(str::to_owned));
    let name = name.expect("the pool is open").join().expect("it runs");
    name.unwrap_or_default()
}

#[test]
fn a_pool_is_on_the_adopted_rayon_threads_whenever_it_is_on_rayon() {
    let lent = threads("lent", 3);
    let pool = Pool::builder()
        .adopt_rayon(Arc::clone(&lent))
        .build()
        .expect("the threads are there");
    assert_eq!(pool.backend(), Backend::Rayon);
    assert_eq!(pool.capability().workers, 3, "as many as it has threads");
    assert!(!pool.capability().owns_threads);
    assert!(runs_on(&pool).starts_with("lent-"));
    pool.swap(Backend::Channel).expect("the pool is open");
    assert!(!runs_on(&pool).starts_with("lent-"));
    pool.swap(Backend::Rayon).expect("the pool is open");
    assert!(runs_on(&pool).starts_with("lent-"));
    assert!(pool.shutdown(LIMIT).is_clean());
    assert_eq!(lent.install(|| 6 * 7), 42, "it is the caller's");
}

/// A pool with a bound of its own on the threads of another one, of each backend: a spawner that
/// calls each run in a job.
#[test]
fn a_pool_whose_runs_are_jobs_of_another_pool_gets_its_jobs_done() {
    const JOBS: usize = 200;
    for backend in [
        Backend::Channel,
        Backend::WorkStealing,
        Backend::Rayon,
        Backend::Async,
    ] {
        let shared = Pool::builder().backend(backend).workers(2).build();
        let shared = Arc::new(shared.expect("the system has a few threads"));
        let outer = Arc::clone(&shared);
        let spawner = move |run: Box<dyn FnOnce() + Send>| {
            drop(outer.execute(infallible_fn(run)));
        };
        let inner = SpawnPool::builder().workers(2).queue_capacity(8);
        let inner = inner.adopt(spawner).build().expect("there is a spawner");
        let handles: Vec<_> = (0..JOBS)
            .map(|number| inner.spawn(move || number).expect("room appears"))
            .collect();
        for (number, handle) in handles.into_iter().enumerate() {
            let Ok(outcome) = handle.join_timeout(LIMIT) else {
                panic!("{backend}: job {number} is not run: {}", inner.stats());
            };
            assert_eq!(outcome.expect("it completes"), number);
        }
        assert!(inner.shutdown(LIMIT).is_clean());
        assert!(shared.shutdown(LIMIT).is_clean());
    }
}

#[test]
fn a_pool_is_on_the_adopted_runtime_whenever_it_is_on_tokio() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("lent")
        .enable_time()
        .build()
        .expect("the system has a thread");
    let pool = Pool::builder()
        .workers(2)
        .adopt_tokio(runtime.handle().clone())
        .build()
        .expect("the runtime is there");
    assert_eq!(pool.backend(), Backend::Async);
    let own = runtime.handle().id();
    let here = || async { tokio::runtime::Handle::current().id() };
    let id = pool.spawn_future(here()).expect("the pool is open").join();
    assert_eq!(id.expect("it runs"), own);
    pool.swap(Backend::WorkStealing).expect("the pool is open");
    pool.swap(Backend::Async).expect("the pool is open");
    let id = pool.spawn_future(here()).expect("the pool is open").join();
    assert_eq!(id.expect("it runs"), own);
    assert!(pool.shutdown(LIMIT).is_clean());
}

#[test]
fn the_backend_that_is_chosen_comes_before_the_one_that_is_adopted() {
    let lent = threads("unused", 1);
    let pool = Pool::builder()
        .workers(2)
        .backend(Backend::Channel)
        .adopt_rayon(lent)
        .build()
        .expect("a plain configuration");
    assert_eq!(pool.backend(), Backend::Channel);
    let refused = pool.swap(Backend::Rayon).expect_err("two on one thread");
    assert!(matches!(refused, BuildError::Engine { .. }), "{refused}");
    assert_eq!(
        pool.spawn(|| 1).expect("it is as it was").join().ok(),
        Some(1)
    );
}

#[test]
fn a_pool_that_lost_its_runtime_stays_closed() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("the system has a thread");
    let pool = Pool::builder()
        .workers(1)
        .adopt_tokio(runtime.handle().clone())
        .build()
        .expect("the runtime is there");
    drop(runtime);
    let lost = pool.spawn(|| 1).expect("the pool has not noticed");
    assert!(matches!(lost.join(), Err(JobError::Abandoned)));
    assert!(pool.spawn(|| 1).is_err_and(|refused| refused.is_closed()));
    let refused = pool.swap(Backend::Channel).expect_err("it is closed");
    assert!(matches!(refused, BuildError::Closed), "{refused}");
    assert!(pool.is_closed());
}

/// Runs this test again in a process with `POOL_WORKERS`.
fn with_workers(test: &str, workers: &str) {
    let this = std::env::current_exe().expect("this program lies somewhere");
    let status = Command::new(this)
        .args([test, "--exact"])
        .env("POOL_WORKERS", workers)
        .status();
    assert!(status.expect("it starts").success());
}

#[test]
fn the_number_of_workers_comes_from_the_environment_unless_the_code_says() {
    if std::env::var_os("POOL_WORKERS").is_none() {
        let test = "the_number_of_workers_comes_from_the_environment_unless_the_code_says";
        return with_workers(test, "7");
    }
    let pool = Pool::builder().build().expect("a plain configuration");
    assert_eq!(pool.capability().workers, 7);
    let pool = Pool::builder().workers(2).build();
    assert_eq!(pool.expect("a plain configuration").capability().workers, 2);
}

#[test]
fn a_number_of_workers_that_is_none_is_an_error() {
    if std::env::var_os("POOL_WORKERS").is_none() {
        for none in ["many", "0", "", "99999999"] {
            with_workers("a_number_of_workers_that_is_none_is_an_error", none);
        }
        return;
    }
    let refused = Pool::builder().build().expect_err("it is no number");
    let text = refused.to_string();
    assert!(text.contains("POOL_WORKERS"), "{text}");
}
