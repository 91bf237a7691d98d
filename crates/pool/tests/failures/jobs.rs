//! Rows 16, 26, 29, 30, 42 and 43: what jobs do to their own pool, and to each other.

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Instant;

use pool::{Backend, Job, JobContext, Pool};

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, builder, each_backend, ended, ends_clean, hold, nothing, on, value};
use crate::system::{in_status, threads};

/// 16: a worker is a thread, and a user's thread-local lasts as long as the thread; what the pool
/// itself keeps of a job does not (`R306`).
#[test]
fn a_thread_local_of_the_users_lasts_as_long_as_its_worker() {
    thread_local! {
        static SEEN: Cell<usize> = const { Cell::new(0) };
    }
    each_backend(|backend| {
        let see = || SEEN.replace(SEEN.get() + 1);
        for _ in 0..2 {
            let pool = on(backend, 1, 8);
            for before in 0..3 {
                let seen = value(pool.spawn(see).expect("there is room"));
                assert_eq!(seen, before, "{backend}: one worker is one thread");
            }
            ends_clean(&pool);
        }
    });
}

/// 26: nothing waits for its own end, and nothing is left.
#[test]
fn a_job_that_drops_the_last_handle_leaves_no_thread() {
    each_backend_in_a_child(|backend| {
        let before = threads();
        for is_future in [false, true] {
            let (release, released) = mpsc::channel::<()>();
            let pool = on(backend, 2, 16);
            let inner = pool.clone();
            let drops = move || {
                // Released by a message, or by a test that has failed.
                let _how = released.recv();
                drop(inner);
            };
            let dropping = if is_future {
                pool.spawn_future(async move { drops() })
                    .expect("there is room")
            } else {
                pool.spawn(drops).expect("there is room")
            };
            let queued: Vec<_> = (0..8).map(|n| pool.spawn(move || n)).collect();
            drop(pool);
            drop(release);
            value(dropping);
            let queued = queued
                .into_iter()
                .map(|it| value(it.expect("there was room")));
            assert_eq!(
                queued.sum::<i32>(),
                28,
                "{backend}: what was accepted has run"
            );
            let limit = Instant::now() + LIMIT;
            while threads() != before {
                assert!(
                    Instant::now() < limit,
                    "{backend}: {} threads are left",
                    threads() - before
                );
                thread::yield_now();
            }
        }
    });
}

/// 29 and 30: a worker that joins runs the job that it asked for and no other, so no other job on
/// its stack meets a lock that it holds.
#[test]
fn a_join_under_a_lock_meets_no_stranger() {
    each_backend(|backend| {
        let pool = on(backend, 1, 16);
        let lock = Arc::new(Mutex::new(0));
        let (in_parent, in_stranger) = (Arc::clone(&lock), Arc::clone(&lock));
        let stranger = move |_: &JobContext<'_>| {
            *in_stranger.lock().expect("nobody panics under it") += 1;
            Ok::<_, Infallible>(())
        };
        let parent = move |ctx: &JobContext<'_>| {
            let mut held = in_parent.lock().expect("nobody panics under it");
            // Queued before and after the child that is waited for.
            let first = ctx.submit(stranger.clone()).expect("there is room");
            let child = ctx.submit(|ctx: &JobContext<'_>| {
                let grandchild = ctx.submit(|_: &JobContext<'_>| Ok::<_, Infallible>(5));
                grandchild.expect("there is room").join()
            });
            let last = ctx.submit(stranger).expect("there is room");
            *held += child.expect("there is room").join().expect("it completes");
            Ok::<_, Infallible>([first, last])
        };
        for handle in value(pool.submit(parent).expect("there is room")) {
            value(handle);
        }
        assert_eq!(
            *lock.lock().expect("nobody panics under it"),
            7,
            "{backend}"
        );
        ends_clean(&pool);
    });
}

/// How often the system has put each thread of this process on a core, by the thread's name and id.
fn runs_by_thread() -> HashMap<String, u64> {
    let tasks = fs::read_dir("/proc/self/task").expect("the system lists threads");
    let paths = tasks.map(|task| task.expect("a thread is listed").path());
    paths
        .filter_map(|path| {
            let name = fs::read_to_string(path.join("comm")).ok()?;
            if !name.starts_with("herd-") {
                return None;
            }
            let status = path.join("status");
            let status = status.to_str().expect("a path of numbers");
            let switches = ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"];
            let runs = switches.map(|label| in_status(status, label)).iter().sum();
            Some((path.display().to_string(), runs))
        })
        .collect()
}

/// Waits until no worker has run between two looks, some time apart.
fn all_asleep() -> HashMap<String, u64> {
    let limit = Instant::now() + LIMIT;
    let mut before = runs_by_thread();
    let mut same = 0;
    while same < 5 {
        assert!(Instant::now() < limit, "the workers do not come to rest");
        // There is no event to wait for: this waits as long as a thread that is still awake needs
        // to show it.
        let (_kept, never) = mpsc::channel::<()>();
        let _limit = never.recv_timeout(std::time::Duration::from_millis(2));
        let now = runs_by_thread();
        same = if now == before { same + 1 } else { 0 };
        before = now;
    }
    before
}

/// 42: one job wakes one worker, which wakes the next only if there are more jobs.
#[test]
fn one_job_wakes_at_most_two_of_many_idle_workers() {
    const WORKERS: usize = 64;
    const ROUNDS: usize = 10;
    each_backend_in_a_child(|backend| {
        let pool = builder(backend, WORKERS).thread_name("herd").build();
        let pool = pool.expect("64 threads can be had");
        // A rayon thread that finds a job while no other thread searches wakes two more: rayon
        // chooses that, not the pool.
        let most = if backend == Backend::Rayon { 3 } else { 2 };
        for _ in 0..ROUNDS {
            let before = all_asleep();
            assert_eq!(before.len(), WORKERS, "{backend}: each worker is a thread");
            value(pool.spawn(|| ()).expect("there is room"));
            let after = all_asleep();
            let woken = after
                .iter()
                .filter(|(thread, runs)| before[*thread] != **runs);
            let woken = woken.count();
            assert!(woken <= most, "{backend}: {woken} workers woke for one job");
        }
        ends_clean(&pool);
    });
}

/// A job that submits itself again, and counts its starts until it is told to stop; a clone is
/// another one of the same kind.
#[derive(Clone, Default)]
struct PingPong {
    starts: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Job for PingPong {
    type Output = ();
    type Error = Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Infallible> {
        self.starts.fetch_add(1, Ordering::SeqCst);
        if !self.is_over.load(Ordering::SeqCst) {
            ctx.execute(self).expect("the pool is open");
        }
        Ok(())
    }
}

/// Stops the two also if the test fails, since a pool cannot drain them.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// 43: among a worker's own children, one that was queued before two that submit each other starts,
/// and so does one that comes later.
#[test]
fn two_jobs_that_submit_each_other_hold_up_no_third() {
    /// Starts of the two before that of the third: many times what any backend needs.
    const MOST: usize = 2048;
    each_backend(|backend| {
        let pool = on(backend, 1, 64);
        let one = PingPong::default();
        let stop = Stop(Arc::clone(&one.is_over));
        let count = Arc::clone(&one.starts);
        let third = move |_: &JobContext<'_>| Ok::<_, Infallible>(count.load(Ordering::SeqCst));
        let (before, later) = (third.clone(), third);
        let pair = [one.clone(), one];
        let parent = move |ctx: &JobContext<'_>| {
            let before = ctx.submit(before).expect("there is room");
            for one in pair {
                ctx.execute(one).expect("there is room");
            }
            Ok::<_, Infallible>((before, ctx.submit(later).expect("there is room")))
        };
        let (before, later) = value(pool.submit(parent).expect("there is room"));
        for third in [before, later] {
            let waited = value(third);
            assert!(waited <= MOST, "{backend}: {waited} starts came first");
        }
        drop(stop);
        ends_clean(&pool);
    });
}

/// 43: another worker starts the child of a long job, even if it is busy with its own chains.
#[test]
fn a_child_of_a_long_job_is_held_up_by_nobody() {
    each_backend(|backend| {
        let pool = on(backend, 2, 64);
        let one = PingPong::default();
        let stop = Stop(Arc::clone(&one.is_over));
        for _ in 0..4 {
            pool.execute(one.clone()).expect("the pool is open");
        }
        let parent = |ctx: &JobContext<'_>| {
            let (runs, ran) = mpsc::channel();
            let child = ctx.execute(move |_: &JobContext<'_>| {
                runs.send(()).expect("its parent waits");
                Ok::<_, Infallible>(())
            });
            child.expect("the pool is open");
            ran.recv_timeout(LIMIT).map_err(|_| "nobody started it")
        };
        value(pool.submit(parent).expect("the pool is open"));
        drop(stop);
        ends_clean(&pool);
    });
}

/// 43: a job that waits for its whole pool lends it its worker; a chain of its own children does
/// not keep that worker from what outsiders submitted.
#[test]
fn a_job_that_waits_for_quiet_comes_to_every_source() {
    each_backend(|backend| {
        let pool = on(backend, 1, 64);
        let (release, held) = hold(&pool);
        let (one, inner) = (PingPong::default(), pool.clone());
        let stop = Stop(Arc::clone(&one.is_over));
        let waits = pool.spawn(move || {
            inner.execute(one).expect("the pool is open");
            inner.wait_idle();
        });
        let stops = pool.spawn(move || drop(stop));
        drop(release);
        assert!(value(held));
        value(stops.expect("there is room"));
        value(waits.expect("there is room"));
        ends_clean(&pool);
    });
}

/// Submits its next one, until it is told to stop.
struct Chain {
    pool: Pool,
    is_over: Arc<AtomicBool>,
}

impl Job for Chain {
    type Output = ();
    type Error = Infallible;

    fn run(self, _: &JobContext<'_>) -> Result<(), Infallible> {
        if !self.is_over.load(Ordering::SeqCst) {
            let pool = self.pool.clone();
            pool.execute(self).expect("the pool is open");
        }
        Ok(())
    }
}

/// 28: a chain has filled its queue, and its next jobs are queued past the bound. It holds up
/// neither the queued job nor the one that waits for room.
#[test]
fn a_chain_past_the_bound_holds_up_nobody() {
    each_backend(|backend| {
        let pool = on(backend, 1, 1);
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Stop(Arc::clone(&is_over));
        let chain = Chain {
            pool: pool.clone(),
            is_over: Arc::clone(&is_over),
        };
        pool.execute(chain).expect("the pool is open");
        for _ in 0..3 {
            let other = pool.spawn(|| 7).expect("it gets a place");
            assert_eq!(value(other), 7);
        }
        drop(stop);
        ends_clean(&pool);
    });
}

/// How many jobs the queue holds after the innermost of many nested jobs, each run in place by the
/// one before, has submitted for long.
fn queued_by_the_innermost(pool: &Pool, depth: usize) -> u64 {
    const MANY: usize = 20_000;
    if depth == 0 {
        for _ in 0..MANY {
            let nothing = |_: &JobContext<'_>| Ok::<_, Infallible>(());
            pool.execute(nothing).expect("the pool is open");
        }
        return pool.stats().queued;
    }
    let inner = pool.clone();
    let child = pool.spawn(move || queued_by_the_innermost(&inner, depth - 1));
    // Without a limit, since such a join runs a child that is queued.
    let child = child.expect("the pool is open").join();
    child.expect("no job panics")
}

/// 14, 28: what one stack queues past the bound has a bound of its own.
#[test]
fn a_job_deep_in_others_that_submits_for_long_fills_no_memory() {
    each_backend(|backend| {
        let pool = on(backend, 1, 1);
        let inner = pool.clone();
        let deep = pool.spawn(move || {
            let filler = inner.spawn(|| ()).expect("there is room");
            let queued = queued_by_the_innermost(&inner, 200);
            filler.detach();
            queued
        });
        let queued = value(deep.expect("there is room"));
        assert!(queued <= 1500, "{backend}: {queued} jobs are queued");
        ends_clean(&pool);
    });
}

/// 31: an outcome that is not taken is dropped once, whenever its handle was dropped.
#[test]
fn a_result_is_dropped_once_whenever_its_handle_goes() {
    const JOBS: usize = 3000;
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    fn submit(pool: &Pool, drops: &Arc<AtomicUsize>, number: usize) {
        let result = Counted(Arc::clone(drops));
        let handle = if number.is_multiple_of(2) {
            pool.spawn(move || result).expect("submit waits for room")
        } else {
            pool.spawn_future(async move { result })
                .expect("submit waits for room")
        };
        match number % 5 {
            0 => drop(handle),
            1 => handle.detach(),
            2 => drop(ended(handle)),
            3 => {
                handle.cancel();
                drop(handle);
            }
            _ => {
                while !handle.is_finished() {
                    thread::yield_now();
                }
                drop(handle);
            }
        }
    }
    each_backend(|backend| {
        let pool = on(backend, 2, 16);
        let drops = Arc::new(AtomicUsize::new(0));
        (0..JOBS).for_each(|number| submit(&pool, &drops, number));
        ends_clean(&pool);
        drop(pool);
        assert_eq!(drops.load(Ordering::SeqCst), JOBS, "{backend}");
    });
}

/// 28: a job submits more than there is room for, in every way that waits.
#[test]
fn a_job_that_fills_its_own_queue_runs_the_rest_itself() {
    each_backend(|backend| {
        let pool = on(backend, 1, 1);
        let inner = pool.clone();
        let parent = move |ctx: &JobContext<'_>| {
            let by_context = (0..10).map(|_| ctx.submit(nothing).expect("it runs here"));
            let by_pool =
                (0..10).map(|_| inner.submit_timeout(nothing, LIMIT).expect("it runs here"));
            Ok::<_, Infallible>(by_context.chain(by_pool).collect::<Vec<_>>())
        };
        let children = value(pool.submit(parent).expect("there is room"));
        assert_eq!(children.into_iter().map(value).count(), 20, "{backend}");
        ends_clean(&pool);
    });
}

/// Three jobs, of an iterator that says that there are as many as can be.
struct Boastful(usize);

impl Iterator for Boastful {
    type Item = fn(&JobContext<'_>) -> Result<(), Infallible>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0 = self.0.checked_sub(1)?;
        Some(|_| Ok(()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

/// A batch ends with its iterator, whatever that says of its length.
#[test]
fn a_batch_takes_no_memory_for_what_its_iterator_only_promises() {
    each_backend(|backend| {
        let pool = on(backend, 2, 4);
        let handles = pool.submit_all(Boastful(3)).expect("room appears");
        assert_eq!(
            handles.into_iter().map(ended).filter(Result::is_ok).count(),
            3
        );
        ends_clean(&pool);
    });
}
