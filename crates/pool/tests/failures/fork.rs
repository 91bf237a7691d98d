//! Row 17: a forked child has none of the pool's threads. It is told so, and waits for nothing.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use pool::{Backend, BuildError, Executor, JobContext, JobError, Pool, PoolPhase, SubmitError};

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, builder, ended, ends_clean, hold, nothing, on, value};
use crate::system::{exit_unless, fork_and_go_on, survives_a_fork};

/// The job that a refusal hands back, from a pool that is closed forever.
#[track_caller]
fn closed<J, T>(refused: Result<T, SubmitError<J>>) -> J {
    match refused {
        Err(SubmitError::Closed(job)) => job,
        Err(SubmitError::Full(_)) => panic!("it will never have room"),
        Ok(_) => panic!("nobody would run it"),
    }
}

/// Every way into a pool that belongs to the parent.
fn every_way_in_is_refused(pool: &Pool) {
    assert_eq!(closed(pool.spawn(|| 7))(), 7, "the job comes back whole");
    let _whole = closed(pool.submit(nothing));
    let _whole = closed(pool.try_submit(nothing));
    let _whole = closed(pool.submit_timeout(nothing, LIMIT));
    let _whole = closed(pool.execute(nothing));
    let _whole = closed(pool.spawn_future(async {}));
    let mut waiting = pin!(pool.submit_async(nothing));
    match waiting
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(refused) => drop(closed(refused)),
        Poll::Pending => panic!("it would wait for ever"),
    }
    let outcomes = pool.map(0..2, |input| input);
    for outcome in outcomes {
        assert!(matches!(outcome, Err(JobError::Abandoned)));
    }
    let scoped = pool.scope(|scope| drop(closed(scope.spawn(|| ()))));
    assert!(scoped.is_ok(), "{scoped:?}");
    assert!(matches!(pool.swap(pool.backend()), Err(BuildError::Closed)));
    let changed = pool.reconfigure(|_| ());
    assert!(matches!(changed, Err(BuildError::Closed)));
    let refused = pool.broadcast(|_| ()).map(drop);
    assert!(refused.is_err_and(|refused| refused.is_closed()));
    pool.pause();
    pool.resume();
    assert!(!pool.is_paused());
}

/// What a child does with a pool that it inherits. Each call returns.
fn ends_in_the_child(pool: Pool) {
    every_way_in_is_refused(&pool);
    assert!(pool.running().is_empty(), "nothing runs here");
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.phase, PoolPhase::Forked, "{snapshot}");
    assert!(snapshot.workers.is_empty(), "{snapshot}");
    pool.wait_idle();
    pool.close();
    let report = pool.shutdown(LIMIT);
    assert!(report.is_forked() && report.balances(), "{report}");
    assert!(report.is_safe_to_exit(), "{report}");
    assert!(report.to_string().contains("forked child"), "{report}");
    drop((format!("{pool:?}"), pool));
}

#[test]
fn a_forked_child_is_refused_and_ends() {
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 1, 1);
        let (release, released) = mpsc::channel::<()>();
        let held = pool.spawn(move || released.recv()).expect("there is room");
        let queued = pool.spawn(|| 3);
        thread::scope(|threads| {
            // At the fork, one thread is in line for a slot, and one waits for the pool to be idle.
            // Neither is just starting, since that takes a lock of the standard library.
            let (start, started) = mpsc::channel();
            let (waits, starts) = (start.clone(), start);
            let copy = pool.clone();
            let in_line = threads.spawn(move || {
                starts.send(()).expect("the test listens");
                copy.submit_timeout(nothing, LIMIT).map(drop)
            });
            let copy = pool.clone();
            threads.spawn(move || {
                waits.send(()).expect("the test listens");
                copy.wait_idle();
            });
            for _ in 0..2 {
                started.recv_timeout(LIMIT).expect("the thread starts");
            }
            while pool.try_submit(nothing).is_ok() {}
            let copy = pool.clone();
            assert!(survives_a_fork(|| ends_in_the_child(copy)), "{backend}");
            assert!(survives_a_fork(|| {
                let own = on(backend, 2, 4);
                let sum: i32 = own.map(1..=4, |n| n).map(|n| n.expect("it runs")).sum();
                assert_eq!(sum, 10, "a pool of the child's own is as any other");
                ends_clean(&own);
            }));
            // The parent's pool has noticed nothing.
            release.send(()).expect("the job waits for it");
            let in_line = in_line.join().expect("it waits for room");
            assert!(in_line.is_ok(), "{backend}");
        });
        assert!(value(held).is_ok());
        if let Ok(queued) = queued {
            assert_eq!(value(queued), 3);
        }
        ends_clean(&pool);
    });
}

/// Submitters at a full queue, futures, waits for the pool to be idle, and swaps: each lock is held
/// by some thread at some of the forks. The child drops the last handle, too.
#[test]
fn a_fork_at_any_moment_takes_no_lock_with_it() {
    const FORKS: usize = 80;
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 2, 1);
        let is_over = AtomicBool::new(false);
        let until_the_end = |act: &dyn Fn()| {
            while !is_over.load(Ordering::Relaxed) {
                act();
            }
        };
        let open = "the pool is open";
        thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| until_the_end(&|| _ = pool.execute(nothing).expect(open)));
            }
            threads.spawn(|| {
                until_the_end(&|| {
                    let future = pool.spawn_future(async { 1 }).expect(open);
                    assert_eq!(value(future), 1);
                });
            });
            threads.spawn(|| until_the_end(&|| pool.wait_idle()));
            threads.spawn(|| {
                until_the_end(&|| {
                    pool.swap(backend).expect(open);
                    (0..200).for_each(|_| _ = pool.execute(nothing).expect(open));
                });
            });
            let _over = Over(&is_over);
            for _ in 0..FORKS {
                let survives = survives_a_fork(|| {
                    // SAFETY: the child ends without a return from here, so its copy is dropped
                    // once.
                    ends_in_the_child(unsafe { std::ptr::read(&raw const pool) });
                    // Nor does a pool that the child builds meet a held lock.
                    let own = on(backend, 1, 4);
                    assert_eq!(value(own.spawn(|| 7).expect("there is room")), 7);
                });
                assert!(survives, "{backend}");
            }
        });
        ends_clean(&pool);
    });
}

/// Signals the end when it is dropped, also by a test that has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Calls `act` repeatedly on this many threads, for as long as `forks` runs.
fn meanwhile(callers: usize, act: impl Fn() + Sync, forks: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    let (begun, begins) = mpsc::channel();
    thread::scope(|threads| {
        for _ in 0..callers {
            let (begun, act, is_over) = (begun.clone(), &act, &is_over);
            threads.spawn(move || {
                begun.send(()).expect("the test listens");
                while !is_over.load(Ordering::Relaxed) {
                    act();
                }
            });
        }
        let _over = Over(&is_over);
        for _ in 0..callers {
            begins.recv_timeout(LIMIT).expect("the thread starts");
        }
        forks();
    });
}

/// Forks this often, and the child ends the pool, of which it holds the last handle.
fn fork_often(pool: &Pool, forks: usize) {
    for _ in 0..forks {
        let survives = survives_a_fork(|| {
            // SAFETY: the child ends without a return from here, so its copy is dropped once.
            ends_in_the_child(unsafe { std::ptr::read(pool) });
        });
        assert!(survives, "{}", pool.backend());
    }
}

/// A thread holds the lock of the line for room nearly all the time.
#[test]
fn a_fork_leaves_the_line_of_submitters_alone() {
    const IN_LINE: usize = 3000;
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 1, 1);
        let (release, held) = hold(&pool);
        while pool.try_submit(nothing).is_ok() {}
        let mut in_line: Vec<_> = (0..IN_LINE)
            .map(|_| Box::pin(pool.submit_async(nothing)))
            .collect();
        for submission in &mut in_line {
            let polled = submission
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "{backend}: the queue is full");
        }
        meanwhile(1, || pool.room().wake_all(), || fork_often(&pool, 10));
        drop(in_line);
        drop(release);
        assert!(value(held));
        ends_clean(&pool);
    });
}

/// A swap that moves very many jobs is under way nearly all the time: no thread of the child will
/// ever publish the next generation.
#[test]
fn a_fork_in_the_middle_of_a_swap_waits_for_no_next_backend() {
    const QUEUED: usize = 20_000;
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 1, QUEUED);
        // Each generation's one worker waits in the first job that it takes.
        let gate = Arc::new(RwLock::new(()));
        let closed_gate = gate.write().expect("nobody panics under it");
        for _ in 0..QUEUED {
            let gate = Arc::clone(&gate);
            let waits = move || drop(gate.read());
            pool.spawn(waits).expect("there is room").detach();
        }
        meanwhile(
            1,
            || pool.swap(backend).expect("the pool is open"),
            || fork_often(&pool, 8),
        );
        drop(closed_gate);
        ends_clean(&pool);
    });
}

/// The end of an engine takes locks of a runtime that other users of the runtime hold.
#[test]
fn a_drop_in_a_forked_child_leaves_the_runtime_alone() {
    each_backend_in_a_child(|backend| {
        if backend != Backend::Async {
            return;
        }
        let pool = on(backend, 2, 4);
        let handle = value(
            pool.spawn(tokio::runtime::Handle::current)
                .expect("there is room"),
        );
        let crowd = || {
            let last = (0..50)
                .map(|_| handle.spawn_blocking(|| ()))
                .reduce(|_, newer| newer);
            handle
                .block_on(last.expect("there are some"))
                .expect("it runs");
        };
        // Several, so that at nearly every moment one of them holds the runtime's lock, or was
        // preempted while holding it.
        meanwhile(8, crowd, || fork_often(&pool, 300));
        ends_clean(&pool);
    });
}

#[test]
fn a_job_that_forks_has_no_pool_in_the_child() {
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 1, 4);
        let inner = pool.clone();
        let forks = move |ctx: &JobContext<'_>| {
            let (queued, copy) = (inner.spawn(|| 5), inner.clone());
            let survives = survives_a_fork(|| {
                let _whole = closed(ctx.submit(nothing));
                let _whole = closed(ctx.execute(nothing));
                ends_in_the_child(copy);
            });
            queued.map(|queued| (survives, queued)).map_err(|_| "full")
        };
        let (survives, queued) = value(pool.submit(forks).expect("there is room"));
        assert!(survives, "{backend}");
        assert_eq!(value(queued), 5, "the parent's job is run by the parent");
        ends_clean(&pool);
    });
}

/// Ends the process if it is dropped in another process.
struct Parents(u32);

impl Drop for Parents {
    fn drop(&mut self) {
        exit_unless(self.0, 4);
    }
}

/// On the backends whose threads belong to the pool: the runtime decides how its own threads go on
/// in the child.
#[test]
fn a_worker_that_is_forked_runs_and_drops_nothing_of_its_parents() {
    each_backend_in_a_child(|backend| {
        if !matches!(backend, Backend::Channel | Backend::WorkStealing) {
            return;
        }
        let parent = std::process::id();
        let pool = builder(backend, 1)
            .on_worker_start(move |_| Parents(parent))
            .on_worker_stop(move |_| exit_unless(parent, 5))
            .build()
            .unwrap_or_else(|error| panic!("{backend}: {error}"));
        let forks = move |ctx: &JobContext<'_>| {
            let held = Parents(parent);
            let queued = ctx.submit(move |_: &JobContext<'_>| {
                exit_unless(parent, 3);
                drop(held);
                Ok::<_, Infallible>(6)
            });
            Ok::<_, Infallible>((fork_and_go_on(), queued.expect("there is room")))
        };
        let (code, queued) = value(pool.submit(forks).expect("there is room"));
        assert_eq!(
            code,
            Some(0),
            "{backend}: its one thread ends, and the child with it"
        );
        assert_eq!(
            value(queued),
            6,
            "{backend}: the parent's job is run by the parent"
        );
        ends_clean(&pool);
    });
}

#[test]
fn a_handle_from_before_the_fork_comes_back_at_its_limit() {
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 1, 4);
        let (release, released) = mpsc::channel::<()>();
        let held = pool.spawn(move || released.recv()).expect("there is room");
        let mut held = Some(held);
        let survives = survives_a_fork(|| {
            let handle = held.take().expect("this is the child's copy");
            let ended = handle.join_timeout(Duration::from_millis(20));
            std::mem::forget(ended.expect_err("the job is the parent's"));
        });
        assert!(survives, "{backend}");
        drop(release);
        let held = held.expect("this is the parent's copy");
        assert!(ended(held).expect("the job ends").is_err());
    });
}
