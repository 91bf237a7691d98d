//! An immediate end: jobs that ran and jobs that came back add up, and no waiting thread is
//! forgotten.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pool::{JobContext, JobError, Pool, ShutdownPolicy};
use pool_conformance::probe::{Count, Gate, PATIENCE, ended, poll_once, wait_until};

use crate::each::{ROOM, job, nothing_runs, on_each_backend, pool, until_interrupted};

/// Immediate, but with time for jobs that are asked to stop.
fn at_once() -> ShutdownPolicy {
    ShutdownPolicy::now().cancel_grace(PATIENCE).hand_back()
}

#[test]
fn what_ran_and_what_came_back_is_what_was_submitted() {
    const JOBS: usize = 5;
    on_each_backend(|backend| {
        for workers in 1..=3 {
            let pool = pool(backend, workers, 10);
            let (ran, started) = (Count::new(), Count::new());
            for _ in 0..JOBS {
                let (ran, started) = (ran.clone(), started.clone());
                let waits = move |ctx: &JobContext<'_>| {
                    started.add();
                    until_interrupted(ctx);
                    ran.add();
                };
                pool.submit(job(waits)).expect(ROOM).detach();
            }
            started.wait_for(workers);
            let stats = pool.stats();
            assert_eq!(
                (stats.running, stats.completed),
                (workers as u64, 0),
                "{stats}"
            );
            let report = pool.shutdown(at_once());
            assert!(report.balances(), "{report}");
            nothing_runs(&pool, &report);
            assert_eq!(report.unstarted(), (JOBS - workers) as u64, "{report}");
            assert_eq!(report.take_unstarted().len(), JOBS - workers);
            assert_eq!(report.completed(), workers as u64, "{report}");
            assert_eq!(ran.get(), workers, "a job that came back ran");
        }
    });
}

/// The same at any moment, with threads that submit, and with futures among the jobs.
#[test]
fn whenever_the_end_comes_each_job_ran_or_came_back() {
    const ROUNDS: usize = 30;
    on_each_backend(|backend| {
        for round in 0..ROUNDS {
            let pool = pool(backend, 2, 8);
            let (ran, submitted) = (Arc::new(AtomicUsize::new(0)), Count::new());
            let came_back = thread::scope(|threads| {
                for submitter in 0..2 {
                    let (pool, ran, submitted) = (&pool, &ran, &submitted);
                    threads
                        .spawn(move || submit_until_closed(pool, submitter == 0, ran, submitted));
                }
                submitted.wait_for(1 + round);
                let report = pool.shutdown(at_once());
                assert!(report.balances(), "{report}");
                nothing_runs(&pool, &report);
                report.take_unstarted().len()
            });
            wait_until("the books are closed", &pool, || {
                let stats = pool.stats();
                stats.accepted == stats.finished() + stats.unstarted
            });
            let (ran, stats) = (ran.load(Ordering::SeqCst), pool.stats());
            assert_eq!(stats.completed, ran as u64, "{stats}");
            // A job that was submitted while the pool ended may be abandoned, and a future that was
            // about to be polled for the first time may be cancelled, instead of coming back.
            assert!(came_back as u64 <= stats.unstarted, "{came_back}: {stats}");
            let never_ran = stats.unstarted + stats.abandoned + stats.cancelled;
            assert_eq!(stats.accepted, ran as u64 + never_ran, "{stats}");
            assert_eq!(stats.accepted, submitted.get() as u64, "{stats}");
        }
    });
}

fn submit_until_closed(pool: &Pool, as_closures: bool, ran: &Arc<AtomicUsize>, submitted: &Count) {
    loop {
        let ran = Arc::clone(ran);
        let count = move || {
            ran.fetch_add(1, Ordering::SeqCst);
        };
        let is_in = if as_closures {
            pool.spawn(count).is_ok()
        } else {
            pool.spawn_future(async move { count() }).is_ok()
        };
        if !is_in {
            return;
        }
        submitted.add();
    }
}

/// Ways to wait for a pool or for a job of it.
const WAYS: usize = 8;

/// Threads for each way.
const WAITERS: usize = 6;

#[test]
fn nobody_who_waits_is_left_behind() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 1);
        let started = Count::new();
        let begun = started.clone();
        let running = move |ctx: &JobContext<'_>| {
            begun.add();
            until_interrupted(ctx);
        };
        pool.submit(job(running)).expect(ROOM).detach();
        started.wait_for(1);
        let (waiting, released) = (Count::new(), Count::new());
        thread::scope(|threads| {
            for way in 0..WAYS {
                for _ in 0..WAITERS {
                    let (pool, waiting, released) = (&pool, &waiting, &released);
                    threads.spawn(move || {
                        waiting.add();
                        wait_somehow(pool, way);
                        released.add();
                    });
                }
            }
            waiting.wait_for(WAYS * WAITERS);
            // Some wait for a slot, one waits in the queue; the end reaches each, wherever it is.
            let report = pool.shutdown(at_once());
            assert!(report.balances(), "{report}");
            drop(report);
            released.wait_for(WAYS * WAITERS);
        });
    });
}

/// Returns only once the pool has ended; before that, its only worker is busy and its only slot is
/// taken.
fn wait_somehow(pool: &Pool, way: usize) {
    let nothing = |_: &JobContext<'_>| Ok::<_, Infallible>(());
    let block_on = |future| {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime
            .expect("a runtime without a driver")
            .block_on(future)
    };
    match way {
        // For a job that was queued, or refused.
        0 => drop(pool.submit(nothing).map(|handle| never_ran(handle.join()))),
        1 => drop(pool.submit(nothing).map(|handle| never_ran(ended(handle)))),
        2 => drop(pool.submit(nothing).map(|handle| {
            let awaited: Pin<Box<dyn Future<Output = ()>>> =
                Box::pin(async { never_ran(handle.await) });
            block_on(awaited);
        })),
        3 => drop(pool.submit_timeout(nothing, PATIENCE)),
        4 => pool.map(0..1, |_| ()).for_each(never_ran),
        5 => pool.map_unordered(0..1, |_| ()).for_each(never_ran),
        6 => pool.wait_idle(),
        _ => drop(pool.scope(|scope| {
            let _either = scope.spawn(|| ());
        })),
    }
}

#[track_caller]
fn never_ran(outcome: Result<(), JobError<Infallible>>) {
    assert!(matches!(outcome, Err(JobError::Abandoned)), "{outcome:?}");
}

/// A job that ignores its cancellation is given up, and its waiters wait on: for the job, not for
/// the pool.
#[test]
fn who_waits_for_a_job_that_was_given_up_gets_its_result() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 4);
        let gate = Gate::new();
        let (pass, started) = (gate.pass(), Count::new());
        let begun = started.clone();
        let deaf = pool.spawn(move || {
            begun.add();
            pass.wait();
            7
        });
        let mut deaf = deaf.expect(ROOM);
        started.wait_for(1);
        let report = pool.shutdown(ShutdownPolicy::now());
        assert_eq!(report.still_running().len(), 1, "{report}");
        let woken = Count::new();
        assert!(
            poll_once(Pin::new(&mut deaf), &woken).is_pending(),
            "it waits at the gate"
        );
        gate.open();
        woken.wait_for(1);
        assert_eq!(ended(deaf).expect("it completes"), 7);
    });
}
