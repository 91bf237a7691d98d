//! What a pool shows and shares while it is swapped from backend to backend, and on engines that it
//! adopts.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pool::{AsyncContext, Backend, JobContext, JobExt, JobHandle, JobId, Pool, RunningJob};

/// Only a hang meets it.
const LIMIT: Duration = Duration::from_secs(30);

/// How often the pool is swapped while others look.
const SWAPS: usize = 40;

/// What the jobs share. It says when it is dropped.
struct Album(mpsc::Sender<()>);

impl Drop for Album {
    fn drop(&mut self) {
        let _gone = self.0.send(());
    }
}

fn value<T, E>(handle: JobHandle<T, E>) -> T {
    match handle.join_timeout(LIMIT) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => panic!("it ended as {:?}", error.outcome()),
        Err(_) => panic!("it has not ended after {LIMIT:?}"),
    }
}

/// Says that the test is over as it is dropped, also by one that has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A job that runs until the sender is dropped, and has started when this returns.
fn hold(pool: &Pool, name: &str) -> (JobHandle<(), Infallible>, mpsc::Sender<()>) {
    let (release, held) = mpsc::channel::<()>();
    let (start, started) = mpsc::channel();
    let job = move |_: &JobContext<'_>| {
        let _gone = start.send(());
        let _released = held.recv();
        Ok(())
    };
    let handle = pool.submit(job.named(name.to_owned())).expect("it is open");
    started.recv_timeout(LIMIT).expect("it starts");
    (handle, release)
}

fn ids(running: &[RunningJob]) -> Vec<JobId> {
    running.iter().map(|job| job.id).collect()
}

/// Where the album lies.
fn address(album: &Album) -> usize {
    std::ptr::from_ref(album) as usize
}

fn seen(ctx: &JobContext<'_>) -> Result<usize, Infallible> {
    Ok(address(ctx.shared()))
}

fn seen_by_a_future(pool: &Pool) -> JobHandle<usize, Infallible> {
    let future = |ctx: AsyncContext| async move {
        tokio::task::yield_now().await;
        Ok(address(ctx.shared()))
    };
    pool.submit_future(future).expect("it is open")
}

#[test]
fn jobs_of_all_generations_are_shown_until_they_are_over() {
    let pool = Pool::builder().workers(2).build().expect("plain");
    let mut held = vec![hold(&pool, "first")];
    for backend in Backend::available() {
        pool.swap(backend).expect("it can be built");
        held.push(hold(&pool, backend.name()));
    }
    let expected: Vec<JobId> = held.iter().map(|(handle, _)| handle.id()).collect();
    assert_eq!(ids(&pool.running()), expected, "the oldest first");
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.backend, pool.backend().name(), "{snapshot}");
    let text = snapshot.to_string();
    for backend in Backend::available() {
        let is_of = |worker: &&pool::WorkerSnapshot| worker.backend == backend.name();
        let workers = snapshot.workers.iter().filter(is_of);
        let jobs = workers.flat_map(|worker| &worker.jobs);
        let mut names = jobs.filter_map(|job| job.name.as_deref());
        assert!(names.any(|name| name == backend.name()), "{text}");
        assert!(text.contains(&format!("`{backend}`")), "{text}");
    }
    while let Some((handle, release)) = held.pop() {
        drop(release);
        value(handle);
        assert_eq!(pool.running().len(), held.len());
    }
}

#[test]
fn a_long_job_is_seen_in_each_look_whatever_is_swapped_meanwhile() {
    let pool = Pool::builder().workers(2).build().expect("plain");
    let (handle, release) = hold(&pool, "long");
    let is_over = AtomicBool::new(false);
    let is_over = &is_over;
    thread::scope(|threads| {
        let looks = threads.spawn(|| {
            let mut looks = 0;
            while !is_over.load(Ordering::Relaxed) {
                let running = pool.running();
                assert!(ids(&running).contains(&handle.id()), "{running:?}");
                let snapshot = pool.snapshot();
                assert!(snapshot.running().any(|job| job.id == handle.id()));
                looks += 1;
            }
            looks
        });
        threads.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let short =
                    |ctx: &JobContext<'_>| ctx.spawn(|| 7).map_err(drop)?.join().map_err(drop);
                let joined = pool.submit(short).expect("it is open");
                let id = joined.id();
                assert_eq!(value(joined), 7);
                assert!(!ids(&pool.running()).contains(&id), "it was joined");
            }
        });
        let over = Over(is_over);
        for backend in Backend::available().iter().cycle().take(SWAPS) {
            pool.swap(*backend).expect("it can be built");
        }
        drop(over);
        assert!(looks.join().expect("it is seen each time") > 0);
    });
    drop(release);
    value(handle);
}

#[test]
fn one_value_serves_all_backends_of_a_pool_and_goes_with_the_last() {
    let (drops, dropped) = mpsc::channel();
    let pool = Pool::builder().workers(2).share(Album(drops)).build();
    let pool = pool.expect("plain");
    let first = value(pool.submit(seen).expect("it is open"));
    let (handle, release) = hold(&pool, "of the first backend");
    for backend in Backend::available() {
        pool.swap(backend).expect("it can be built");
        assert_eq!(
            value(pool.submit(seen).expect("it is open")),
            first,
            "{backend}"
        );
        assert_eq!(value(seen_by_a_future(&pool)), first, "{backend}");
        let parent = |ctx: &JobContext<'_>| ctx.submit(seen).map_err(drop)?.join().map_err(drop);
        let child = pool.submit(parent).expect("it is open");
        assert_eq!(value(child), first, "a child on {backend}");
    }
    assert!(dropped.try_recv().is_err(), "the pool is there");
    drop(release);
    value(handle);
    drop(pool);
    let gone = dropped.recv_timeout(LIMIT);
    assert!(gone.is_ok(), "nobody can ask for it any more");
    assert!(dropped.try_recv().is_err(), "it is dropped once");
}

#[cfg(all(feature = "rayon", feature = "async"))]
#[test]
fn jobs_on_adopted_engines_see_what_the_pool_shares() {
    let (drops, dropped) = mpsc::channel();
    let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    let threads = std::sync::Arc::new(threads.expect("two threads can be had"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("a runtime without input and output needs nothing");
    let builder = Pool::builder().workers(2).share(Album(drops));
    let builder = builder.adopt_rayon(threads);
    let builder = builder.adopt_tokio(runtime.handle().clone());
    let pool = builder.backend(Backend::Rayon).build().expect("plain");
    let first = value(pool.submit(seen).expect("it is open"));
    for backend in [Backend::Rayon, Backend::Async] {
        pool.swap(backend).expect("the engine is there");
        assert_eq!(
            value(pool.submit(seen).expect("it is open")),
            first,
            "{backend}"
        );
        assert_eq!(value(seen_by_a_future(&pool)), first, "{backend}");
        let (handle, release) = hold(&pool, "adopted");
        let running = pool.running();
        let on = running.iter().find(|job| job.id == handle.id());
        assert!(on.is_some_and(|job| job.worker.is_some()), "{running:?}");
        drop(release);
        value(handle);
    }
    drop(pool);
    let gone = dropped.recv_timeout(LIMIT);
    assert!(gone.is_ok(), "the engines keep no value");
}

#[test]
fn a_context_that_outlives_its_pool_keeps_the_value() {
    let (drops, dropped) = mpsc::channel();
    let pool = Pool::builder().workers(1).share(Album(drops)).build();
    let pool = pool.expect("plain");
    let gives = |ctx: AsyncContext| async move { Ok::<_, Infallible>(ctx) };
    let ctx = value(pool.submit_future(gives).expect("it is open"));
    drop(pool);
    assert!(ctx.try_shared::<Album>().is_some());
    assert!(dropped.try_recv().is_err(), "the context shows it");
    drop(ctx);
    assert!(dropped.recv_timeout(LIMIT).is_ok());
}

/// The time since the start is never too short. A worker that has slept does not count its sleep,
/// although short jobs share a reading of the clock.
#[test]
fn a_job_that_comes_after_a_long_sleep_has_not_run_for_long() {
    let pool = Pool::builder().workers(1).build().expect("plain");
    (0..200).for_each(|_| pool.spawn(|| ()).expect("it is open").detach());
    pool.wait_idle();
    let limit = Instant::now() + LIMIT;
    while pool.snapshot().asleep == 0 {
        assert!(Instant::now() < limit, "the worker does not sleep");
        thread::yield_now();
    }
    let asleep = Instant::now();
    while asleep.elapsed() < Duration::from_millis(300) {
        thread::park_timeout(Duration::from_millis(50));
    }
    let before = Instant::now();
    let (handle, release) = hold(&pool, "late");
    let running = pool.running();
    let most = before.elapsed();
    assert!(running[0].running_for <= most, "{} of {most:?}", running[0]);
    drop(release);
    value(handle);
}
