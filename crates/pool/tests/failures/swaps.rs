//! Row 56: hundreds of swaps under load: what they leave, where children go, and what the stats
//! show meanwhile.

use std::convert::Infallible;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pool::{Backend, ExecutorExt, JobContext, JobExt, Pool, ShutdownPolicy, Stats};

use pool_conformance::probe::is_grown;

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, each_backend, ended, ends_clean, hold, nothing, on, value};
use crate::system::threads;

/// How many swaps must leave nothing, unless `POOL_SWAPS` says another number.
const SWAPS: usize = 300;

/// Submits on this many threads while `act` runs, and returns once they have ended.
pub(crate) fn under_load(pool: &Pool, submitters: usize, act: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|threads| {
        for _ in 0..submitters {
            threads.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let job = |ctx: &JobContext<'_>| ctx.execute(nothing).map(drop).map_err(drop);
                    pool.execute(job).expect("the pool is open");
                    let handle = pool.spawn(|| 7).expect("the pool is open");
                    assert_eq!(value(handle), 7);
                    let future = pool.spawn_future(async { 8 });
                    assert_eq!(value(future.expect("the pool is open")), 8);
                }
            });
        }
        let _over = Over(&is_over);
        act();
    });
}

/// Signals the end when it is dropped, also by a test that has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Swaps this often, to one backend after the other, and finally to `last`.
fn swap_around(pool: &Pool, swaps: usize, last: Backend) {
    let backends = Backend::available();
    for backend in backends.iter().cycle().take(swaps - 1) {
        pool.swap(*backend).expect("the backend can be built");
    }
    pool.swap(last).expect("the backend can be built");
}

/// What the process uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) threads: usize,
    pub(crate) mappings: usize,
    pub(crate) bytes: usize,
}

pub(crate) fn held() -> Held {
    // SAFETY: it counts what the allocator has given out.
    let allocated = unsafe { libc::mallinfo2() };
    let maps = fs::read_to_string("/proc/self/maps").expect("the system lists mappings");
    Held {
        threads: threads(),
        mappings: maps.lines().count(),
        bytes: allocated.uordblks + allocated.hblkhd,
    }
}

/// Waits until the process has at most this much: threads that have ended are still listed for a
/// moment.
#[track_caller]
pub(crate) fn wait_for(most: Held) -> Held {
    let limit = Instant::now() + LIMIT;
    loop {
        let now = held();
        let is_less =
            now.threads <= most.threads && now.mappings <= most.mappings && now.bytes <= most.bytes;
        if is_less {
            return now;
        }
        assert!(Instant::now() < limit, "{now:?} instead of {most:?}");
        thread::yield_now();
    }
}

#[test]
fn hundreds_of_swaps_leave_nothing_of_the_old_backends() {
    each_backend_in_a_child(|backend| {
        let swaps = std::env::var("POOL_SWAPS").map_or(SWAPS, |swaps| {
            swaps.parse().expect("POOL_SWAPS is a number of swaps")
        });
        let pool = on(backend, 4, 64);
        // What all swaps together allocate once: caches of stacks, arenas, memory of threads.
        under_load(&pool, 2, || swap_around(&pool, 40, backend));
        pool.wait_idle();
        let limit = Instant::now() + LIMIT;
        while pool.stats().workers > 4 {
            assert!(Instant::now() < limit, "{}", pool.stats());
            thread::yield_now();
        }
        let before = held();
        under_load(&pool, 2, || swap_around(&pool, swaps, backend));
        pool.wait_idle();
        wait_for(Held {
            threads: before.threads,
            mappings: before.mappings + 40,
            bytes: before.bytes + (512 << 10),
        });
        ends_clean(&pool);
    });
}

/// Where a job ran.
fn here(_: &JobContext<'_>) -> Result<ThreadId, Infallible> {
    Ok(thread::current().id())
}

#[test]
fn children_of_a_long_job_run_on_the_newest_backend() {
    const ROUNDS: usize = 50;
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (ask, asked) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let (start, started) = mpsc::channel();
        let outer = pool.clone();
        let long = move |ctx: &JobContext<'_>| {
            start.send(()).expect("the test listens");
            let open = "a swap closes nothing";
            let own = thread::current().id();
            while let Ok(()) = asked.recv() {
                let (send, thread) = mpsc::channel();
                let executed = move |_: &JobContext<'_>| send.send(thread::current().id());
                ctx.execute(executed).map_err(drop).expect(open);
                let submitted = [
                    ctx.submit(here).expect(open),
                    ctx.executor().submit(here).expect(open),
                    outer.submit(here).expect(open),
                ];
                tell.send((own, thread, submitted))
                    .expect("the test listens");
            }
            Ok::<_, Infallible>(ctx.executor().stats().accepted)
        };
        let long = pool.submit(long).expect("there is room");
        started.recv_timeout(LIMIT).expect("it starts");
        for backend in Backend::available().iter().cycle().take(ROUNDS) {
            pool.swap(*backend).expect("the backend can be built");
            ask.send(()).expect("the job listens");
            let (own, executed, submitted) = told.recv_timeout(LIMIT).expect("the job goes on");
            let executed = executed.recv_timeout(LIMIT);
            let executed = executed.unwrap_or_else(|error| panic!("{backend}: {error}; {pool:?}"));
            for thread in submitted.into_iter().map(value).chain([executed]) {
                assert_ne!(
                    thread, own,
                    "{backend}: it ran in place, on the old backend"
                );
            }
        }
        drop(ask);
        let accepted = value(long);
        assert_eq!(accepted, 1 + 4 * ROUNDS as u64, "the books of all backends");
        ends_clean(&pool);
    });
}

/// Reads the stats for as long as `act` runs, and compares each with the one before.
fn books_only_grow(pool: &Pool, capacity: u64, past_bound: u64, act: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|threads| {
        let reader = threads.spawn(|| {
            let mut former = pool.stats();
            while !is_over.load(Ordering::Relaxed) {
                let now = pool.stats();
                assert_grown(&former, &now);
                assert!(now.queued <= capacity + past_bound, "too many: {now}");
                assert_eq!(now.unstarted, 0, "nothing was given back: {now}");
                former = now;
            }
        });
        {
            let _over = Over(&is_over);
            act();
        }
        reader.join().expect("the books are right");
    });
}

#[track_caller]
fn assert_grown(former: &Stats, now: &Stats) {
    assert!(is_grown(former, now), "a count fell: {former}, then {now}");
    let out = now.finished() + now.unstarted + now.queued + now.running;
    assert!(out <= now.accepted, "more than was accepted: {now}");
}

#[test]
fn a_full_pool_that_refuses_counts_nothing() {
    const CAPACITY: usize = 4;
    each_backend(|backend| {
        let pool = on(backend, 1, CAPACITY);
        let (release, held) = hold(&pool);
        while pool.try_submit(nothing).is_ok() {}
        let accepted = pool.stats().accepted;
        let (refused, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let refuse = || {
            while !is_over.load(Ordering::Relaxed) {
                assert!(pool.try_submit(nothing).is_err(), "{backend}: it is full");
                refused.fetch_add(1, Ordering::Relaxed);
            }
        };
        thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(refuse);
            }
            let _over = Over(&is_over);
            books_only_grow(&pool, CAPACITY as u64, 0, || {
                while refused.load(Ordering::Relaxed) < 20_000 {
                    let stats = pool.stats();
                    assert_eq!(stats.accepted, accepted, "{backend}: {stats}");
                }
            });
        });
        drop(release);
        assert!(value(held));
        ends_clean(&pool);
    });
}

#[test]
fn books_only_grow_while_backends_are_swapped() {
    const CAPACITY: usize = 16;
    each_backend(|backend| {
        let pool = on(backend, 2, CAPACITY);
        books_only_grow(&pool, CAPACITY as u64, 0, || {
            under_load(&pool, 2, || swap_around(&pool, 20, backend));
        });
        pool.wait_idle();
        let stats = pool.stats();
        assert_eq!(stats.accepted, stats.completed, "{backend}: {stats}");
        assert_eq!((stats.adopted, stats.handed_over), (0, 0), "{stats}");
        ends_clean(&pool);
    });
}

#[test]
fn a_swap_shows_in_no_count() {
    const QUEUED: usize = 50_000;
    const WORKERS: u64 = 1;
    each_backend(|backend| {
        let pool = on(backend, 1, QUEUED);
        // Each backend's one worker waits in the first job that it takes.
        let gate = Arc::new(RwLock::new(()));
        let closed_gate = gate.write().expect("nobody panics under it");
        for _ in 0..QUEUED {
            let gate = Arc::clone(&gate);
            let waits = move || drop(gate.read());
            pool.spawn(waits).expect("there is room").detach();
        }
        let accepted = QUEUED as u64;
        let is_over = AtomicBool::new(false);
        thread::scope(|threads| {
            let reader = threads.spawn(|| {
                let mut looks = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let stats = pool.stats();
                    let counts = (stats.accepted, stats.finished(), stats.unstarted);
                    assert_eq!(counts, (accepted, 0, 0), "{backend}: {stats}");
                    assert_eq!(stats.queued + stats.running, accepted, "{backend}: {stats}");
                    looks += 1;
                }
                looks
            });
            {
                let _over = Over(&is_over);
                for next in Backend::available() {
                    pool.swap(next).expect("the backend can be built");
                }
            }
            let looks = reader.join().expect("the books show no swap");
            assert!(looks > 10, "{backend}: read {looks} times");
        });
        drop(closed_gate);
        pool.wait_idle();
        let stats = pool.stats();
        assert_eq!(stats.completed, accepted, "{backend}: {stats}");
        assert!(stats.workers as u64 >= WORKERS);
        ends_clean(&pool);
    });
}

/// A job for each backend, all of which hang, on that many generations.
fn a_hang_on_each(pool: &Pool) -> (Vec<mpsc::Sender<()>>, Vec<String>) {
    let mut holds = Vec::new();
    let mut names = Vec::new();
    for backend in Backend::available() {
        pool.swap(backend).expect("the backend can be built");
        let (release, released) = mpsc::channel::<()>();
        let (start, started) = mpsc::channel();
        let job = move |_: &JobContext<'_>| {
            start.send(()).expect("the test listens");
            released.recv()
        };
        let name = format!("hangs on {backend}");
        let handle = pool.submit(job.named(name.clone()));
        handle.expect("there is room").detach();
        started.recv_timeout(LIMIT).expect("the job starts");
        holds.push(release);
        names.push(name);
    }
    (holds, names)
}

#[test]
fn a_shutdown_names_the_jobs_of_all_backends_within_one_limit() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (holds, mut names) = a_hang_on_each(&pool);
        let policy = ShutdownPolicy::new(Duration::from_millis(300));
        let policy = policy.cancel_grace(Duration::from_millis(200));
        let start = Instant::now();
        let report = pool.shutdown(policy);
        assert!(start.elapsed() < Duration::from_secs(3), "{report}");
        let running = report.still_running().iter();
        let mut named: Vec<_> = running.filter_map(|job| job.name.as_deref()).collect();
        named.sort_unstable();
        names.sort_unstable();
        assert_eq!(named, names, "{report}");
        assert!(report.balances() && !report.is_safe_to_exit(), "{report}");
        assert_eq!(report.accepted(), names.len() as u64, "{report}");
        drop(holds);
        let limit = Instant::now() + LIMIT;
        while pool.stats().workers != 0 {
            assert!(Instant::now() < limit, "{}", pool.stats());
            thread::yield_now();
        }
        let again = pool.shutdown(policy);
        assert_eq!(again.still_running(), report.still_running(), "{again}");
        assert_eq!(again.accepted(), report.accepted(), "{again}");
    });
}

#[test]
fn a_drop_and_a_wait_for_quiet_await_the_jobs_of_all_backends() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (holds, names) = a_hang_on_each(&pool);
        let stats = pool.stats();
        assert_eq!(stats.running, names.len() as u64, "{backend}: {stats}");
        let (tell, told) = mpsc::channel();
        let copy = pool.clone();
        let waiter = thread::spawn(move || {
            copy.wait_idle();
            tell.send("idle").expect("the test listens");
            copy
        });
        let early = told.recv_timeout(Duration::from_millis(50));
        assert!(early.is_err(), "{backend}: jobs still run");
        let (last, others) = (holds.into_iter(), pool.spawn(|| 5).expect("there is room"));
        last.for_each(drop);
        told.recv_timeout(LIMIT).expect("it becomes idle");
        assert_eq!(value(others), 5);
        drop(waiter.join().expect("it does not panic"));
        let (holds, _names) = a_hang_on_each(&pool);
        let (tell, told) = mpsc::channel();
        let dropper = thread::spawn(move || {
            drop(pool);
            tell.send("dropped").expect("the test listens");
        });
        // The newest first: the oldest is the last that the drop waits for.
        for hold in holds.into_iter().rev() {
            let early = told.recv_timeout(Duration::from_millis(30));
            assert!(early.is_err(), "{backend}: jobs still run");
            drop(hold);
        }
        told.recv_timeout(LIMIT).expect("the drop returns");
        dropper.join().expect("it does not panic");
    });
}

/// A future of an old backend that sleeps is woken long after the swap, and ends there.
#[test]
fn a_future_of_an_old_backend_sleeps_as_long_as_it_likes() {
    each_backend(|backend| {
        for next in Backend::available() {
            let pool = on(backend, 1, 8);
            let (send, mut receive) = tokio::sync::mpsc::channel::<u32>(1);
            let (start, started) = mpsc::channel();
            let sleeper = async move {
                start.send(()).expect("the test listens");
                receive.recv().await
            };
            let sleeper = pool.spawn_future(sleeper).expect("there is room");
            started.recv_timeout(LIMIT).expect("it starts");
            for _ in 0..3 {
                pool.swap(next).expect("the backend can be built");
                assert_eq!(value(pool.spawn(|| 1).expect("there is room")), 1);
            }
            send.try_send(9).expect("the future waits");
            assert_eq!(ended(sleeper).expect("it ends"), Some(9), "{backend}");
            ends_clean(&pool);
        }
    });
}

/// Two swaps at a time find the pool open: what one of them retires, the other one follows.
#[test]
fn swaps_at_the_same_time_all_succeed() {
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 1, 8);
        under_load(&pool, 1, || {
            thread::scope(|threads| {
                for _ in 0..3 {
                    threads.spawn(|| swap_around(&pool, SWAPS / 10, backend));
                }
            });
        });
        ends_clean(&pool);
    });
}
