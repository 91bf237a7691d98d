//! `JobContext::join` on every backend: both halves run once, whatever happens to the job, its pool
//! and each other.

mod stealing;

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use pool::{Backend, JobContext, JobError, JobFailure, JobId, Outcome, Pool, ShutdownPolicy};

/// The slowest test machine wakes a thread within this time.
const LONG: Duration = Duration::from_secs(60);

fn on_each_backend(test: impl Fn(&Pool)) {
    for backend in Backend::available() {
        for workers in [1, 2, 3] {
            let pool = Pool::builder().backend(backend).workers(workers).build();
            let pool = pool.unwrap_or_else(|error| panic!("{backend}: {error}"));
            test(&pool);
            let report = pool.shutdown(LONG);
            assert!(report.is_clean(), "{backend}: {report}");
        }
    }
}

/// Tries until a half has become a job: the other workers may not be asleep yet, and on a busy
/// machine none may run for long.
fn sooner_or_later<R>(mut attempt: impl FnMut() -> Option<R>) -> R {
    let limit = Instant::now() + LONG;
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        assert!(Instant::now() < limit, "no half ever became a job");
        // For the worker that is to take a half.
        std::thread::yield_now();
    }
}

/// For a first half: leaves another worker the time to take the second.
fn let_others_come(_: &JobContext<'_>) {
    (0..100).for_each(|_| std::thread::yield_now());
}

/// Runs `body` as a job and waits for its value.
fn run<T: Send + 'static>(
    pool: &Pool,
    body: impl FnOnce(&JobContext<'_>) -> T + Send + 'static,
) -> Result<T, JobError<Infallible>> {
    let job = |ctx: &JobContext<'_>| Ok::<T, Infallible>(body(ctx));
    let handle = pool.submit(job).map_err(|_| "refused").unwrap();
    handle
        .join_timeout(LONG)
        .unwrap_or_else(|_| panic!("no end: {pool:?}"))
}

fn sum(ctx: &JobContext<'_>, numbers: &[u64]) -> u64 {
    if let [number] = numbers {
        return *number;
    }
    let (left, right) = numbers.split_at(numbers.len() / 2);
    let (left, right) = ctx.join(|ctx| sum(ctx, left), |ctx| sum(ctx, right));
    left + right
}

#[test]
fn halves_borrow_and_each_part_counts_once() {
    on_each_backend(|pool| {
        let total = run(pool, |ctx| {
            let numbers: Vec<u64> = (1..=5000).collect();
            sum(ctx, &numbers)
        });
        assert_eq!(total.unwrap(), 5000 * 5001 / 2);
    });
}

#[test]
fn halves_meet_where_a_worker_is_free() {
    for backend in Backend::available() {
        let pool = Pool::builder().backend(backend).workers(2).build().unwrap();
        let met = run(&pool, |ctx| {
            sooner_or_later(|| {
                let ((), there) = ctx.join(let_others_come, |ctx| ctx.id());
                (ctx.id() != there).then_some(())
            });
        });
        assert!(met.is_ok(), "{backend}: {met:?}");
    }
}

#[test]
fn a_panic_of_either_half_comes_out_after_both_are_over() {
    on_each_backend(|pool| {
        for panicking in ["a", "b"] {
            let ran = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&ran);
            let seen = run(pool, move |ctx| {
                let half = |name: &str| {
                    count.fetch_add(1, Ordering::SeqCst);
                    assert_ne!(name, panicking, "as planned");
                };
                let joined =
                    catch_unwind(AssertUnwindSafe(|| ctx.join(|_| half("a"), |_| half("b"))));
                (joined.is_err(), count.load(Ordering::SeqCst))
            });
            let (is_err, at_the_end) = seen.unwrap();
            assert!(is_err, "the panic of {panicking} is lost");
            // A second half that had not started does not start after the panic of the first.
            assert!(at_the_end == 2 || panicking == "a");
            assert_eq!(
                ran.load(Ordering::SeqCst),
                at_the_end,
                "a half outlived the join"
            );
        }
    });
}

#[test]
fn both_halves_of_a_cancelled_job_run() {
    on_each_backend(|pool| {
        let (started, is_started) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let job = move |ctx: &JobContext<'_>| {
            started.send(()).unwrap();
            may_go_on.recv().unwrap();
            assert!(ctx.is_cancelled());
            Ok::<_, Infallible>(ctx.join(|_| 1, |_| 2))
        };
        let handle = pool.submit(job).map_err(|_| "refused").unwrap();
        is_started.recv_timeout(LONG).unwrap();
        handle.cancel();
        go_on.send(()).unwrap();
        assert_eq!(handle.join().unwrap(), (1, 2));
    });
}

/// A half that became a job has its own outcome, whichever thread runs it; its panic is also the
/// joiner's.
#[test]
fn what_a_half_was_told_elsewhere_counts_for_its_job() {
    for backend in Backend::available() {
        let pool = Pool::builder().backend(backend).workers(2).build().unwrap();
        let (is_elsewhere, elsewhere) = mpsc::channel();
        // The half gives up because it was asked to, and the job because its half did.
        let gives_up = move |ctx: &JobContext<'_>| -> Result<(), &'static str> {
            let here = ctx.id();
            loop {
                let (_, is_told) = ctx.join(let_others_come, |half| {
                    if half.id() == here {
                        return false;
                    }
                    is_elsewhere.send(()).unwrap();
                    while half.check().is_ok() {
                        std::thread::yield_now();
                    }
                    true
                });
                if is_told {
                    return Err("gave up");
                }
            }
        };
        let job = pool.submit(gives_up).map_err(|_| "refused").unwrap();
        elsewhere.recv_timeout(LONG).expect("a half became a job");
        job.cancel();
        let outcome = job.join_timeout(LONG).expect("it ends");
        assert!(
            matches!(outcome, Err(JobError::Cancelled)),
            "{backend}: {outcome:?}"
        );
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// Such a half is part of the job that waits for it, so it cannot wait for the end of that job.
#[test]
fn a_half_elsewhere_may_wait_for_its_whole_pool() {
    let waits: [fn(&Pool); 4] = [
        |pool| pool.wait_idle(),
        |pool| drop(pool.shutdown(ShutdownPolicy::drain())),
        |pool| block_on(pool.wait_idle_async()),
        |pool| drop(block_on(pool.shutdown_async(ShutdownPolicy::drain()))),
    ];
    for (backend, wait) in Backend::available()
        .into_iter()
        .flat_map(|it| waits.map(|wait| (it, wait)))
    {
        let pool = Pool::builder().backend(backend).workers(3).build().unwrap();
        let inner = pool.clone();
        let has_waited = run(&pool, move |ctx| {
            let parent = ctx.id();
            // A half of a half, each on its own worker if one is free.
            let innermost = |middle: JobId| {
                let inner = &inner;
                move |ctx: &JobContext<'_>| {
                    let is_elsewhere = ctx.id() != middle && middle != parent;
                    if is_elsewhere {
                        wait(inner);
                    }
                    is_elsewhere
                }
            };
            sooner_or_later(|| {
                let second =
                    |ctx: &JobContext<'_>| ctx.join(let_others_come, innermost(ctx.id())).1;
                ctx.join(let_others_come, second).1.then_some(())
            });
        });
        assert!(has_waited.is_ok(), "{backend}: {has_waited:?}");
    }
}

/// The joiner's worker runs a job in place, and then none for as long as the half waits.
#[test]
fn a_half_elsewhere_hears_of_what_ends_on_its_joiners_worker() {
    const NOT_YET: usize = 0;
    const HALF_RUNS: usize = 1;
    const TOO_LATE: usize = 2;
    const CHILD_RUNS: usize = 3;
    const HALF_WAITS: usize = 4;
    const HALF_IS_OVER: usize = 5;
    /// The other half reaches this stage, or the test fails.
    fn await_stage(stage: &AtomicUsize, wanted: usize) {
        let limit = Instant::now() + LONG;
        while stage.load(Ordering::SeqCst) != wanted {
            assert!(Instant::now() < limit, "stage {wanted} does not come");
            std::thread::yield_now();
        }
    }
    for backend in Backend::available() {
        let pool = Pool::builder().backend(backend).workers(2).build().unwrap();
        let inner = pool.clone();
        let rounds = run(&pool, move |ctx| {
            let met = AtomicUsize::new(0);
            sooner_or_later(|| {
                let stage = &Arc::new(AtomicUsize::new(NOT_YET));
                let enter =
                    |to| stage.compare_exchange(NOT_YET, to, Ordering::SeqCst, Ordering::SeqCst);
                ctx.join(
                    |_| {
                        (0..100).for_each(|_| std::thread::yield_now());
                        if enter(TOO_LATE).is_ok() {
                            return;
                        }
                        let of_child = Arc::clone(stage);
                        let child = inner.spawn(move || {
                            of_child.store(CHILD_RUNS, Ordering::SeqCst);
                            await_stage(&of_child, HALF_WAITS);
                        });
                        child.unwrap().join().unwrap();
                        await_stage(stage, HALF_IS_OVER);
                        met.fetch_add(1, Ordering::SeqCst);
                    },
                    |_| {
                        if enter(HALF_RUNS).is_ok() {
                            await_stage(stage, CHILD_RUNS);
                            block_on(async {
                                let mut wait = pin!(inner.wait_idle_async());
                                let is_pending =
                                    poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_pending()));
                                assert!(is_pending.await, "the child runs");
                                stage.store(HALF_WAITS, Ordering::SeqCst);
                                wait.await;
                            });
                            stage.store(HALF_IS_OVER, Ordering::SeqCst);
                        }
                    },
                );
                (met.load(Ordering::SeqCst) == 10).then_some(())
            });
        });
        assert!(rounds.is_ok(), "{backend}: {rounds:?}");
    }
}

#[test]
fn a_half_that_became_a_job_and_panics_is_counted_so() {
    for backend in Backend::available() {
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let observe = move |failure: &JobFailure<'_>| {
            let message = failure.message.map(str::to_owned);
            let tell = tell.lock().unwrap();
            tell.send((failure.outcome, message)).unwrap();
        };
        let builder = Pool::builder().backend(backend).workers(2);
        let pool = builder.on_failure(observe).build().unwrap();
        let message = run(&pool, |ctx| {
            let parent = ctx.id();
            let second = |ctx: &JobContext<'_>| {
                if ctx.id() != parent {
                    resume_unwind(Box::new("the half's own"));
                }
            };
            let join = || ctx.join(let_others_come, second);
            let payload = sooner_or_later(|| catch_unwind(AssertUnwindSafe(join)).err());
            payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        });
        assert_eq!(message.unwrap().as_deref(), Some("the half's own"));
        let heard = told.recv_timeout(LONG).unwrap();
        let message = Some("the half's own".to_owned());
        assert_eq!(heard, (Outcome::Panicked, message), "{backend}");
        let report = pool.shutdown(LONG);
        assert!(report.balances(), "{backend}: {report}");
        let stats = pool.stats();
        assert_eq!(stats.panicked, 1, "{backend}: {stats}");
        assert_eq!(stats.accepted, stats.completed + 1, "{backend}: {stats}");
        assert!(told.try_recv().is_err(), "{backend}: it is heard once");
    }
}

/// Whenever a half is taken, and however soon its joiner asks for it: a job that was made of it
/// calls it, or did not start. No job is counted as completed whose half ran elsewhere, or never.
#[test]
fn a_half_that_became_a_job_is_called_by_that_job() {
    /// How often a first half of each length is tried.
    const ROUNDS: usize = 256;
    for backend in Backend::available() {
        for (first_panics, spins) in (0..64).map(|spins| (spins % 2 == 0, spins)) {
            let pool = Pool::builder().backend(backend).workers(2).build().unwrap();
            let called = Arc::new(AtomicUsize::new(0));
            let calls = Arc::clone(&called);
            let joins = move |ctx: &JobContext<'_>| {
                let parent = ctx.id();
                for _ in 0..ROUNDS {
                    let first = |_: &JobContext<'_>| {
                        for _ in 0..spins {
                            std::hint::spin_loop();
                        }
                        if first_panics {
                            resume_unwind(Box::new("the first half's own"));
                        }
                    };
                    let second = |ctx: &JobContext<'_>| {
                        if ctx.id() != parent {
                            calls.fetch_add(1, Ordering::Relaxed);
                        }
                        resume_unwind(Box::new("the second half's own"));
                    };
                    let joined = catch_unwind(AssertUnwindSafe(|| ctx.join(first, second)));
                    assert!(joined.is_err());
                }
            };
            run(&pool, joins).unwrap();
            let report = pool.shutdown(LONG);
            let panicked = called.load(Ordering::Relaxed) as u64;
            assert_eq!(report.panicked(), panicked, "{backend}, {spins}: {report}");
            assert_eq!(report.completed(), 1, "{backend}, {spins}: {report}");
        }
    }
}
