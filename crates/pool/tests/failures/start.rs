//! Rows 5, 7 and 57 to 60: parts of a pool's build fail, or close the pool, and a worker's state is
//! needed twice.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use pool::{AsyncContext, Backend, BuildError, JobContext, JobError, MIN_STACK, Pool, StateError};

use crate::child::each_backend_in_a_child;
use crate::on::{builder, each_backend, ended, ends_clean, nothing, value};
use crate::refused::threads_come_back_to;
use crate::system::threads;

/// 57: a worker that cannot start fails the build; those that had started have stopped.
#[test]
fn a_start_hook_that_fails_fails_the_build_and_leaves_nothing() {
    each_backend_in_a_child(|backend| {
        let before = threads();
        for panics in [false, true] {
            let (starts, stops) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (started, stopped) = (Arc::clone(&starts), Arc::clone(&stops));
            let refused = builder(backend, 4)
                .try_on_worker_start(move |index| {
                    if index == 2 {
                        assert!(!panics, "no database");
                        return Err("no database");
                    }
                    started.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
                .on_worker_stop(move |_| {
                    stopped.fetch_add(1, Ordering::SeqCst);
                })
                .build();
            let error = refused.expect_err("worker 2 has no database").to_string();
            let expected = if panics {
                "`on_worker_start` panicked on worker 2: no database"
            } else {
                "`on_worker_start` failed on worker 2: no database"
            };
            assert_eq!(error, expected, "{backend}");
            threads_come_back_to(before);
            assert_eq!(starts.load(Ordering::SeqCst), 3, "{backend}");
            assert_eq!(stops.load(Ordering::SeqCst), 3, "{backend}");
        }
    });
}

/// 57: a swap whose workers cannot start changes nothing.
#[test]
fn a_start_hook_that_fails_in_a_swap_leaves_the_old_backend() {
    each_backend_in_a_child(|from| {
        for to in Backend::available() {
            let starts = AtomicUsize::new(0);
            let pool = builder(from, 2)
                .try_on_worker_start(move |index| {
                    // The two of the first backend, and one more.
                    match starts.fetch_add(1, Ordering::SeqCst) {
                        0..3 => Ok(index),
                        _ => Err("no more connections".to_owned()),
                    }
                })
                .build()
                .expect("there are connections for two");
            let before = threads();
            let error = pool.swap(to).expect_err("a swap needs two more");
            assert!(
                matches!(error, BuildError::WorkerStart { .. })
                    && error.to_string().contains("no more connections"),
                "{from} to {to}: {error}"
            );
            threads_come_back_to(before);
            assert_eq!(pool.backend(), from);
            assert_eq!(value(pool.spawn(|| 6).expect("the old one goes on")), 6);
            ends_clean(&pool);
        }
    });
}

/// 58: a stack on which no worker could start is an error; the smallest allowed one is large
/// enough.
#[test]
fn a_stack_that_is_too_small_is_an_error() {
    each_backend_in_a_child(|backend| {
        let before = threads();
        for bytes in [0, 1, 4 << 10, 16 << 10, MIN_STACK - 1] {
            let refused = builder(backend, 2).stack_size(bytes).build();
            let error = refused.expect_err("no worker starts on that").to_string();
            let least = MIN_STACK.to_string();
            assert!(
                error.contains(&bytes.to_string()) && error.contains(&least),
                "{backend}: {error}"
            );
        }
        threads_come_back_to(before);
        let pool = builder(backend, 2)
            .stack_size(MIN_STACK)
            .on_worker_start(|index| index)
            .build()
            .unwrap_or_else(|error| panic!("{backend}: {error}"));
        assert_eq!(value(pool.spawn(|| 6).expect("there is room")), 6);
        let future = pool.spawn_future(async { std::future::ready(7).await });
        assert_eq!(value(future.expect("there is room")), 7);
        let joins = |ctx: &JobContext<'_>| {
            let child = ctx.submit(nothing).expect("there is room");
            child.join().map_err(|error| error.to_string())
        };
        value(pool.submit(joins).expect("there is room"));
        let panics = pool.spawn(|| panic!("on a small stack"));
        let panicked = ended(panics.expect("there is room"));
        assert!(matches!(panicked, Err(JobError::Panicked(_))), "{backend}");
        ends_clean(&pool);
    });
}

/// A pool whose workers each count in a cell.
fn counting(backend: Backend) -> Pool {
    let pool = builder(backend, 1).on_worker_start(|_| RefCell::new(0_u32));
    pool.build()
        .unwrap_or_else(|error| panic!("{backend}: {error}"))
}

/// 59: a child that runs in place, within a job that has taken the worker's state, is told so.
#[test]
fn a_state_that_is_taken_is_an_error_and_no_panic() {
    each_backend(|backend| {
        let pool = counting(backend);
        let counts = |ctx: &JobContext<'_>| {
            ctx.with_state_mut(|count: &mut u32| {
                *count += 1;
                *count
            })
        };
        assert_eq!(value(pool.submit(counts).expect("there is room")), 1);
        let parent = move |ctx: &JobContext<'_>| {
            let within = ctx.with_state_mut(|_: &mut u32| {
                let child = ctx.submit(counts).expect("there is room");
                child.join().map_err(JobError::into_failed)
            })?;
            assert!(matches!(within, Err(Ok(StateError::Taken))), "{within:?}");
            let after = ctx.submit(counts).expect("there is room").join();
            Ok::<_, StateError>(after.expect("the state is free again"))
        };
        assert_eq!(value(pool.submit(parent).expect("there is room")), 2);

        let other = |ctx: &JobContext<'_>| ctx.with_state_mut(|_: &mut String| ());
        let other = ended(pool.submit(other).expect("there is room"));
        assert!(
            matches!(other, Err(JobError::Failed(StateError::Missing))),
            "{backend}: {other:?}"
        );
        // A closure that panics gives the state back.
        let panics = |ctx: &JobContext<'_>| {
            ctx.with_state_mut(|_: &mut u32| std::panic::resume_unwind(Box::new(())))
        };
        let panicked = ended(
            pool.submit::<fn(&JobContext<'_>) -> Result<(), StateError>>(panics)
                .expect("there is room"),
        );
        assert!(matches!(panicked, Err(JobError::Panicked(_))));
        assert_eq!(value(pool.submit(counts).expect("there is room")), 3);
        ends_clean(&pool);
    });
}

/// 60: what a future gets from its context holds wherever it is polled.
#[test]
fn a_future_has_its_workers_state_and_submits_children() {
    each_backend(|backend| {
        let pool = counting(backend);
        let asks = |ctx: AsyncContext| async move {
            let count = |count: &mut u32| {
                *count += 1;
                *count
            };
            let seen = ctx.with_state(|count: &RefCell<u32>| *count.borrow());
            let worker = ctx.worker();
            let first = ctx.with_state_mut(count);
            let child = ctx.submit(|ctx: &JobContext<'_>| Ok::<_, Infallible>(ctx.worker()));
            ctx.execute(nothing).expect("the pool is open");
            let second = ctx.with_state_mut(count);
            let child = child.expect("the pool is open");
            Ok::<_, Infallible>(((worker, seen, first, second), child))
        };
        let (asked, child) = value(pool.submit_future(asks).expect("there is room"));
        let expected = if backend == Backend::Async {
            // Threads that run no hook poll its futures.
            let none = Err(StateError::Missing);
            (Some(0), None, none, none)
        } else {
            (Some(0), Some(0), Ok(1), Ok(2))
        };
        assert_eq!(value(child), 0, "{backend}: the index of the one worker");
        assert_eq!(asked, expected, "{backend}");
        pool.wait_idle();
        assert_eq!(pool.stats().completed, 3, "{backend}");
        ends_clean(&pool);
    });
}

/// 60: a context that is used outside its job, and after its pool, has no worker and submits to the
/// pool as any thread does.
#[test]
fn a_context_that_left_its_future_is_no_worker() {
    each_backend(|backend| {
        let pool = counting(backend);
        let leaves = |ctx: AsyncContext| async move { Ok::<_, Infallible>(ctx) };
        let ctx = value(pool.submit_future(leaves).expect("there is room"));
        assert_eq!(ctx.worker(), None);
        assert_eq!(ctx.with_state(|_: &RefCell<u32>| ()), None);
        let child = ctx.submit(|ctx: &JobContext<'_>| Ok::<_, Infallible>(ctx.worker()));
        assert_eq!(value(child.expect("the pool is open")), 0, "{backend}");
        ends_clean(&pool);
        drop(pool);
        let late = ctx.submit(nothing).expect_err("the pool has ended");
        assert!(late.is_closed(), "{backend}");
    });
}

/// 5: an `on_failure` hook gets the text to log, also for error types that the builder describes.
#[test]
fn the_observer_of_failures_is_told_what_the_error_says() {
    each_backend(|backend| {
        let (send, messages) = std::sync::mpsc::channel();
        let pool = builder(backend, 1)
            .describe_error(|error: &anyhow::Error| format!("{error:#}"))
            .on_failure(move |failure| {
                let message = failure.message.map(str::to_owned);
                send.send(message).expect("the test listens");
            })
            .build()
            .unwrap_or_else(|error| panic!("{backend}: {error}"));
        let failing = |_: &JobContext<'_>| {
            let cause = anyhow::anyhow!("disk full");
            Err::<(), _>(cause.context("the upload failed"))
        };
        let error = ended(pool.submit(failing).expect("there is room")).expect_err("it fails");
        let told = messages.recv().expect("the hook was called");
        assert_eq!(told.as_deref(), Some("the upload failed: disk full"));

        // The handle's error shows the cause as well, and only once.
        assert_eq!(error.to_string(), "the job failed: the upload failed");
        let whole = "the job failed: the upload failed: disk full";
        assert_eq!(format!("{error:#}"), whole);
        assert_eq!(
            format!("{:#}", error.flatten::<anyhow::Error>()),
            &whole[16..]
        );
        ends_clean(&pool);
    });
}

/// 5: `?` can report a refusal, whatever the job captures.
#[test]
fn a_refusal_goes_by_question_mark_for_a_job_that_is_not_sync() {
    fn spawn(pool: &Pool) -> anyhow::Result<u32> {
        let own = Cell::new(4);
        let handle = pool
            .spawn(move || own.get())
            .map_err(pool::SubmitError::without_job)?;
        Ok(handle.join()?)
    }
    fn boxed(pool: &Pool) -> Result<u32, Box<dyn Error + Send + Sync>> {
        let own = Cell::new(4);
        let jobs = [move |_: &JobContext<'_>| Ok::<_, String>(own.get())];
        let handles = pool
            .submit_all(jobs)
            .map_err(|error| error.without_jobs())?;
        handles.into_iter().map(|handle| Ok(handle.join()?)).sum()
    }
    each_backend(|backend| {
        let pool = counting(backend);
        assert_eq!(spawn(&pool).expect("it is open"), 4, "{backend}");
        assert_eq!(boxed(&pool).expect("it is open"), 4, "{backend}");
        ends_clean(&pool);
        let error = spawn(&pool).expect_err("it is closed");
        let refused = error.downcast_ref::<pool::SubmitError<()>>();
        assert!(refused.is_some_and(pool::SubmitError::is_closed));
        assert!(boxed(&pool).is_err());
    });
}

/// 7: the start hooks of the next backend are user code, and may close the pool that swaps to it.
#[test]
fn a_start_hook_closes_the_pool_that_is_being_swapped() {
    each_backend_in_a_child(|backend| {
        let swapped = Arc::new(OnceLock::<Pool>::new());
        let own = Arc::clone(&swapped);
        let hook = move |_worker| {
            // The first backend starts before there is a pool to close.
            own.get().map(Pool::close);
        };
        let pool = Pool::builder().backend(backend).workers(2);
        let pool = pool.on_worker_start(hook).build().expect("it starts");
        let handle = pool.spawn(|| 6).expect("the pool is open");
        let _only = swapped.set(pool.clone());
        let refused = pool.swap(backend).expect_err("it was closed meanwhile");
        assert!(
            matches!(refused, BuildError::Closed),
            "{backend}: {refused}"
        );
        assert_eq!(value(handle), 6);
        ends_clean(&pool);
    });
}
