//! Rows 25, 32 and 37: many callers end a pool, many wait for it, or none ends it.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use pool::{Executor, JobContext, JobError, JobHandle, Pool, ShutdownPolicy};

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, each_backend, ended, ends_clean, nothing, on, value};

/// A job that takes one of the pool's workers until it is released.
fn hold(pool: &Pool) -> (mpsc::Sender<()>, JobHandle<(), Infallible>) {
    let (release, released) = mpsc::channel::<()>();
    let (start, started) = mpsc::channel();
    let holds = move || {
        start.send(()).expect("the test listens");
        // Released by a message, or by a test that has failed.
        let _how = released.recv();
    };
    let held = pool.spawn(holds).expect("there is room");
    started.recv_timeout(LIMIT).expect("the job starts");
    (release, held)
}

/// 25: dropped and live clones make no difference.
#[test]
fn shutdowns_and_drops_from_everywhere_end_a_pool_once() {
    const CALLERS: usize = 8;
    each_backend(|backend| {
        for round in 0..10 {
            let pool = on(backend, 2, 64);
            let handles: Vec<_> = (0..32).map(|n| pool.spawn(move || n)).collect();
            let start = Arc::new(Barrier::new(CALLERS));
            let callers: Vec<_> = (0..CALLERS)
                .map(|caller| {
                    let (pool, start) = (pool.clone(), Arc::clone(&start));
                    thread::spawn(move || {
                        start.wait();
                        match (caller + round) % 4 {
                            0 => drop(pool.clone()),
                            1 => pool.close(),
                            _ => {
                                let report = pool.shutdown(LIMIT);
                                assert!(report.is_clean() && report.balances(), "{report}");
                                assert_eq!(report.completed(), 32, "{report}");
                            }
                        }
                    })
                })
                .collect();
            for caller in callers {
                caller.join().expect("no caller panics");
            }
            for (n, handle) in handles.into_iter().enumerate() {
                assert_eq!(value(handle.expect("there was room")), n, "{backend}");
            }
            ends_clean(&pool);
        }
    });
}

/// 25: the joiner waits for the shutdown, and the shutdown for the joiner: up to the limit.
#[test]
fn a_shutdown_in_a_job_that_another_joins_returns_at_its_limit() {
    each_backend(|backend| {
        let pool = on(backend, 2, 8);
        let inner = pool.clone();
        let parent = pool.spawn(move || {
            let (start, started) = mpsc::channel();
            let ends = inner.clone();
            let child = inner.spawn(move || {
                start.send(()).expect("the parent listens");
                let limit = ShutdownPolicy::new(Duration::from_millis(50));
                ends.shutdown(limit.cancel_grace(Duration::from_millis(50)))
            });
            started
                .recv_timeout(LIMIT)
                .expect("the other worker runs it");
            child.expect("there is room").join().expect("it returns")
        });
        let report = ended(parent.expect("there is room")).expect("the child returns");
        assert_eq!(report.still_running().len(), 2, "{backend}: {report}");
        assert!(report.balances(), "{backend}: {report}");
    });
}

/// 32: threads that wait for jobs that will not run are told so; none waits forever.
#[test]
fn a_shutdown_releases_all_who_wait() {
    const WAITERS: usize = 99;
    each_backend(|backend| {
        let pool = on(backend, 2, WAITERS);
        let (release, held) = hold(&pool);
        // Futures that sleep, and jobs behind them that do not start: one worker or slot is left
        // for the futures.
        let asleep = pool.spawn_future(pending::<()>()).expect("there is room");
        let (second, held_too) = {
            let (release, released) = mpsc::channel::<()>();
            let holds = move || released.recv().is_err();
            (release, pool.spawn(holds).expect("there is room"))
        };
        let (send, outcomes) = mpsc::channel();
        let waiters: Vec<_> = (0..WAITERS - 2)
            .map_while(|waiter| {
                let handle = pool.try_submit(nothing).ok()?;
                let send = send.clone();
                Some(thread::spawn(move || {
                    let outcome = match waiter % 3 {
                        0 => handle.join(),
                        1 => ended(handle),
                        _ => block_on(handle),
                    };
                    send.send(outcome).expect("the test listens");
                }))
            })
            .collect();
        let report = pool.shutdown(ShutdownPolicy::now());
        assert!(
            report.unstarted() >= waiters.len() as u64,
            "{backend}: {report}"
        );
        drop(report);
        for _ in &waiters {
            let outcome = outcomes.recv_timeout(LIMIT).expect("each is released");
            assert!(
                matches!(outcome, Err(JobError::Abandoned)),
                "{backend}: {outcome:?}"
            );
        }
        waiters
            .into_iter()
            .for_each(|it| it.join().expect("no waiter panics"));
        // No worker is free to drop the one that sleeps. It is named as still running until one is.
        drop((release, second));
        assert!(
            ended(asleep).is_err(),
            "{backend}: a future that slept is dropped"
        );
        value(held);
        let _either = ended(held_too);
    });
}

/// Runs a future on this thread, with tokio's simplest runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("it needs nothing").block_on(future)
}

/// 37: a static is never dropped, so the pool ends with the process, and its jobs stop where they
/// are.
#[test]
fn a_process_ends_with_a_static_pool_that_is_busy() {
    static POOL: OnceLock<Pool> = OnceLock::new();
    each_backend_in_a_child(|backend| {
        let pool = POOL.get_or_init(|| on(backend, 2, 16));
        // One that hangs, futures that sleep, and more than can start; held for as long as the
        // process lives.
        let (release, held) = hold(pool);
        std::mem::forget((release, held));
        for _ in 0..4 {
            pool.spawn_future(pending::<()>())
                .expect("there is room")
                .detach();
            pool.spawn(|| thread::park_timeout(Duration::MAX))
                .expect("there is room")
                .detach();
        }
        // The process's `main` returns now: the test waits for its end.
    });
}

/// A job that was handed back is in no pool. A parent that joins it does not run it, but waits for
/// the owner of the task. It runs once. The counts of the pool that handed it back do not change.
#[test]
fn a_child_that_was_given_back_runs_where_its_task_is_submitted_and_once() {
    each_backend(|backend| {
        let pool = on(backend, 1, 64);
        let (tell, is_there) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let parent = pool.submit(move |ctx: &JobContext<'_>| {
            let child = ctx.submit(move |_: &JobContext<'_>| {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(())
            });
            tell.send(()).map_err(|_| "the test is gone")?;
            gate.recv().map_err(|_| "the test is gone")?;
            let child = child.map_err(|_| "the pool is open")?;
            child.join().map_err(|_| "it runs elsewhere")
        });
        let parent = parent.expect("the pool is open");
        is_there.recv_timeout(LIMIT).expect("the parent runs");
        let report = pool.shutdown(ShutdownPolicy::now().hand_back());
        assert_eq!(
            (report.unstarted(), report.still_running().len()),
            (1, 1),
            "{backend}: {report}"
        );
        open.send(()).expect("the parent waits");
        let next = on(backend, 1, 8);
        for task in report.take_unstarted() {
            assert!(Executor::try_accept(&next, task).is_ok(), "{backend}");
        }
        let joined = parent.join_timeout(LIMIT);
        assert!(matches!(joined, Ok(Ok(()))), "{backend}: {joined:?}");
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{backend}");
        let stats = pool.stats();
        assert_eq!(
            (stats.completed, stats.unstarted),
            (1, 1),
            "{backend}: {stats}"
        );
    });
}

/// The value of a job, whatever its error type.
fn taken<T>(handle: JobHandle<T, Infallible>) -> T {
    let outcome = handle.join_timeout(LIMIT).expect("it ends in time");
    outcome.unwrap_or_else(|error| panic!("{error}"))
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

fn polled_once(mut wait: Wait) -> Wait {
    let polled = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "another job runs");
    wait
}

/// 27: a job is left out of a wait that it began for as long as it runs, whichever thread has the
/// wait by then.
#[test]
fn a_wait_that_outlives_its_job_leaves_nobody_else_out() {
    let begin: [fn(Pool) -> Wait; 2] = [
        |pool| Box::pin(async move { pool.wait_idle_async().await }),
        |pool| Box::pin(async move { drop(pool.shutdown_async(ShutdownPolicy::drain()).await) }),
    ];
    each_backend(|backend| {
        for begin in begin {
            let pool = on(backend, 2, 8);
            let (release, held) = hold(&pool);
            let inner = pool.clone();
            // The inner job runs in place: no other worker is free.
            let keeps = move || {
                let innermost = inner.clone();
                let child = inner.spawn(move || polled_once(begin(innermost)));
                let child = child.expect("there is room");
                let own = polled_once(begin(inner));
                (taken(child), own)
            };
            let kept = taken(pool.spawn(keeps).expect("there is room"));
            for _ in 0..2 {
                // A job runs that is in no wait, and the two that were in one have ended.
                drop(polled_once(Box::pin({
                    let pool = pool.clone();
                    async move { pool.wait_idle_async().await }
                })));
            }
            drop(release);
            value(held);
            // They may go on, on any thread.
            let (child, own) = kept;
            block_on(own);
            block_on(child);
            ends_clean(&pool);
        }
    });
}
