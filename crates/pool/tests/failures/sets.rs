//! Rows 61 and 62: jobs that are cancelled together, or with the task that waits for them.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};

use pool::{JobContext, JobError, JobSet, Pool};

use crate::on::{LIMIT, each_backend, ended, ends_clean, hold, on, value};

/// A job that runs until it is asked to stop.
fn until_cancelled(ctx: &JobContext<'_>) -> Result<u32, &'static str> {
    let limit = std::time::Instant::now() + LIMIT;
    while ctx.check().is_ok() {
        assert!(std::time::Instant::now() < limit, "nobody cancelled it");
        std::thread::yield_now();
    }
    Err("stopped")
}

struct Tells(mpsc::Sender<()>);

impl Wake for Tells {
    fn wake(self: Arc<Self>) {
        // A receiver that is gone has its outcome.
        let _heard = self.0.send(());
    }
}

/// Drives a future as a runtime does, within the limit.
fn drive<F: Future>(future: F) -> F::Output {
    let (send, woken) = mpsc::channel();
    let waker = Waker::from(Arc::new(Tells(send)));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        woken.recv_timeout(LIMIT).expect("it is woken in time");
    }
}

#[test]
fn a_set_gives_outcomes_as_jobs_end() {
    each_backend(|backend| {
        let pool = on(backend, 2, 64);
        let mut set = JobSet::new(&pool);
        for n in 0..40_u32 {
            set.spawn(move || n).expect("the pool is open");
            set.spawn_future(async move { n })
                .expect("the pool is open");
        }
        let mut sum = 0;
        while let Some(outcome) = set.join_next() {
            sum += outcome.expect("it completes");
        }
        assert_eq!((sum, set.len()), (2 * 780, 0), "{backend}");
        assert!(set.join_next().is_none() && set.is_empty());

        // The first that ends comes first.
        let (release, held) = hold(&pool);
        let mut set = JobSet::new(&pool);
        let slow = set.push(held);
        set.spawn(|| false).expect("the pool is open");
        assert!(
            !drive(set.join_next_async())
                .expect("two are in it")
                .expect("it completes")
        );
        drop(release);
        assert!(
            drive(set.join_next_async())
                .expect("one is in it")
                .expect("it completes")
        );
        assert!(
            drive(set.join_next_async()).is_none(),
            "{slow:?} was the last"
        );
        drop(set);
        ends_clean(&pool);
    });
}

#[test]
fn a_set_in_a_job_runs_its_jobs_in_place_in_linear_time() {
    const JOBS: u64 = 20_000;
    each_backend(|backend| {
        let pool = on(backend, 1, 64);
        let inner = pool.clone();
        let parent = pool.spawn(move || {
            let mut set = JobSet::new(&inner);
            for n in 0..JOBS {
                set.spawn(move || n).expect("the pool is open");
            }
            let mut sum = 0;
            while let Some(outcome) = set.join_next() {
                sum += outcome.expect("it completes");
            }
            sum
        });
        let sum = value(parent.expect("there is room"));
        assert_eq!(sum, JOBS * (JOBS - 1) / 2, "{backend}");
        ends_clean(&pool);
    });
}

/// The wait blocks the only worker, although the job is a future: so it makes progress on the set's
/// jobs itself, on a thread where closures may block.
#[test]
fn a_set_in_a_future_makes_progress_on_its_jobs() {
    each_backend(|backend| {
        let pool = on(backend, 1, 64);
        let inner = pool.clone();
        let sum = pool.spawn_future(async move {
            let mut set = JobSet::new(&inner);
            for n in 0..4_u32 {
                set.spawn(move || n).expect("there is room");
                let child = inner.spawn_future(yields(n)).expect("there is room");
                let awaits = async move { child.await.expect("it completes") };
                set.spawn_future(awaits).expect("there is room");
                set.spawn_future(yields(n)).expect("there is room");
            }
            let mut sum = 0;
            while let Some(outcome) = set.join_next() {
                sum += outcome.expect("it completes");
            }
            sum
        });
        assert_eq!(value(sum.expect("there is room")), 3 * 6, "{backend}");
        ends_clean(&pool);
    });
}

/// Suspends once, and is woken by another thread.
async fn yields(n: u32) -> u32 {
    let mut is_woken = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_woken, true) {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        std::thread::spawn(move || waker.wake());
        Poll::Pending
    })
    .await;
    n
}

/// A future that is polled by one that blocks on it blocks on others in turn; so does one that a
/// closure joins.
#[test]
fn a_set_in_a_future_that_is_helped_makes_progress_on_its_jobs() {
    each_backend(|backend| {
        let pool = on(backend, 1, 64);
        let outer = pool.spawn_future(nested_sets(pool.clone(), 3));
        assert_eq!(value(outer.expect("there is room")), 3, "{backend}");
        let inner = pool.clone();
        let joiner = pool.spawn(move || {
            let future = inner.spawn_future(nested_sets(inner.clone(), 2));
            future.expect("there is room").join().expect("it completes")
        });
        assert_eq!(value(joiner.expect("there is room")), 2, "{backend}");
        ends_clean(&pool);
    });
}

/// A future that blocks on a set of one that does the same, this many deep.
fn nested_sets(pool: Pool, depth: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            return yields(0).await;
        }
        let mut set = JobSet::new(&pool);
        let inner = nested_sets(pool.clone(), depth - 1);
        set.spawn_future(inner).expect("there is room");
        let below = set.join_next().expect("the set has a job");
        below.expect("it completes") + 1
    })
}

/// The first error leaves the function, and cancels the rest.
fn first_error(pool: &Pool) -> Result<(), JobError<&'static str>> {
    let mut set = JobSet::new(pool);
    set.submit(until_cancelled).expect("the pool is open");
    let failing = |_: &JobContext<'_>| Err::<u32, _>("the first");
    set.submit(failing).expect("the pool is open");
    set.submit_future(|_| pending::<Result<u32, &'static str>>())
        .expect("the pool is open");
    while let Some(outcome) = set.join_next() {
        outcome?;
    }
    Ok(())
}

#[test]
fn a_set_that_is_dropped_cancels_the_rest() {
    each_backend(|backend| {
        let pool = on(backend, 2, 64);
        let error = first_error(&pool).expect_err("one fails");
        assert!(matches!(error, JobError::Failed("the first")), "{backend}");
        pool.wait_idle();
        let stats = pool.stats();
        assert_eq!(
            (stats.failed, stats.cancelled),
            (1, 2),
            "{backend}: {stats}"
        );

        let (release, held) = hold(&pool);
        let (other, also_held) = hold(&pool);
        let mut set = JobSet::new(&pool);
        for n in 0..8 {
            set.spawn(move || n).expect("the pool is open");
        }
        set.cancel_all();
        assert_eq!(set.len(), 8, "their outcomes are still to be taken");
        for _ in 0..8 {
            let outcome = set.join_next().expect("it was not taken");
            assert!(matches!(outcome, Err(JobError::Cancelled)), "{backend}");
        }
        set.spawn(|| 8).expect("the pool is open");
        set.detach_all();
        drop((set, release, other));
        assert!(value(held) && value(also_held));
        pool.wait_idle();
        assert_eq!(pool.stats().cancelled, 10, "{backend}: a detached one runs");
        ends_clean(&pool);
    });
}

#[test]
fn a_handle_may_cancel_its_job_as_it_is_dropped() {
    each_backend(|backend| {
        let pool = on(backend, 1, 64);
        let running = pool.submit(until_cancelled).expect("there is room");
        let running = running.cancel_on_drop();
        let queued = pool.spawn(|| 1).expect("there is room").cancel_on_drop();
        assert!(!queued.is_finished());
        let kept = pool.spawn(|| 2).expect("there is room").cancel_on_drop();
        let kept = kept.into_handle();
        // A caller that is dropped in the middle of its wait.
        let mut waits = Box::pin(queued);
        let polled = waits.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        drop(waits);
        drop(running);
        assert_eq!(value(kept), 2, "{backend}");
        pool.wait_idle();
        let stats = pool.stats();
        assert_eq!(
            (stats.cancelled, stats.completed),
            (2, 1),
            "{backend}: {stats}"
        );

        let late = pool.spawn(|| 3).expect("there is room").cancel_on_drop();
        let late = late.join_timeout(LIMIT).expect("it ends");
        assert_eq!(late.expect("it completes"), 3);
        ends_clean(&pool);
    });
}

/// 61: a handle that has given its outcome never panics: polled again, waited for, cancelled, or in
/// a guard's drop.
#[test]
fn a_handle_that_gave_its_outcome_bears_every_call() {
    struct Guard(pool::JobHandle<u32, Infallible>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.cancel();
        }
    }
    each_backend(|backend| {
        let pool = on(backend, 1, 4);
        let mut guard = Guard(pool.spawn(|| 7).expect("there is room"));
        let seven = drive(poll_fn(|cx| std::pin::Pin::new(&mut guard.0).poll(cx)));
        assert_eq!(seven.expect("it completes"), 7);
        assert!(guard.0.is_finished());
        assert!(drive(&mut guard.0).is_err(), "it gave its outcome");
        drop(guard);
        let mut handle = pool.spawn(|| 8).expect("there is room");
        assert_eq!(drive(&mut handle).expect("it completes"), 8);
        let error = ended(handle).expect_err("it gave its outcome");
        assert!(error.to_string().contains("taken"), "{backend}: {error}");
        ends_clean(&pool);
    });
}

/// 62: an abort handle outlives its handle, whatever happened to that, and keeps no result.
#[test]
fn an_abort_handle_works_after_its_handle_went_and_keeps_no_result() {
    each_backend(|backend| {
        let pool = on(backend, 1, 64);
        let (release, held) = hold(&pool);
        // Queued, and its handle dropped.
        let closure = pool.spawn(|| 1).expect("there is room");
        let future = pool.spawn_future(async { 2 }).expect("there is room");
        let aborts = [closure.abort_handle(), future.abort_handle()];
        assert_eq!(aborts[0].id(), closure.id());
        closure.detach();
        drop(future);
        for abort in &aborts {
            assert!(!abort.is_finished());
            abort.clone().cancel();
            assert!(abort.is_finished(), "{backend}: it had not started");
        }
        drop(release);
        assert!(value(held));
        pool.wait_idle();
        assert_eq!(pool.stats().cancelled, 2, "{backend}");

        // Running, and its handle dropped.
        let running = pool.submit(until_cancelled).expect("there is room");
        let sleeping = pool.spawn_future(pending::<()>()).expect("there is room");
        let aborts = [running.abort_handle(), sleeping.abort_handle()];
        drop((running, sleeping));
        aborts.iter().for_each(pool::AbortHandle::cancel);
        pool.wait_idle();
        assert_eq!(pool.stats().cancelled, 4, "{backend}");

        // Ended, with its outcome taken or not.
        let result = Arc::new(());
        for is_taken in [false, true] {
            let (one, other) = (Arc::clone(&result), Arc::clone(&result));
            let closure = pool.spawn(move || one).expect("there is room");
            let future = pool.spawn_future(async { other }).expect("there is room");
            let aborts = [closure.abort_handle(), future.abort_handle()];
            pool.wait_idle();
            if is_taken {
                drop((value(closure), value(future)));
            } else {
                drop((closure, future));
            }
            assert_eq!(Arc::strong_count(&result), 1, "{backend}: {is_taken}");
            assert!(aborts.iter().all(pool::AbortHandle::is_finished));
            aborts.iter().for_each(pool::AbortHandle::cancel);
        }
        ends_clean(&pool);
    });
}
