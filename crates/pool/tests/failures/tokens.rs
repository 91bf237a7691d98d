//! Tokens: futures that await one, chains of jobs each of which is below the one before, and jobs that are over as they are submitted.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pool::{CancelToken, JobContext, JobError, JobExt, JobFailure, Pool};

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, builder, each_backend, ended, ends_clean, hold, nothing, on, value};
use crate::system::most_resident;

/// A future that says when it is first polled, then awaits a token, twice. What it holds goes with
/// it.
fn waits(
    token: &CancelToken,
    polled: Sender<()>,
    held: Sender<()>,
) -> impl Future<Output = bool> + Send + use<> {
    let token = token.clone();
    async move {
        let _held = held;
        polled.send(()).expect("the test listens");
        token.cancelled().await;
        // It is cancelled for good.
        token.cancelled().await;
        token.is_cancelled()
    }
}

#[test]
fn a_future_that_awaits_a_token_goes_on_when_that_is_cancelled() {
    each_backend(|backend| {
        let pool = on(backend, 3, 8);
        let service = CancelToken::new();
        let request = service.child();
        let (polled, told) = mpsc::channel();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let future = waits(&request, polled.clone(), mpsc::channel().0);
                pool.spawn_future(future).expect("there is room")
            })
            .collect();
        (0..3).for_each(|_| told.recv_timeout(LIMIT).expect("each is polled"));
        drop(request);
        service.cancel();
        assert!(waiting.into_iter().all(value), "{backend}");
        ends_clean(&pool);
    });
}

#[test]
fn a_future_that_leaves_a_token_is_not_kept_by_it() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let token = CancelToken::new();
        let ((polled, told), (held, gone)) = (mpsc::channel(), mpsc::channel());
        let future = waits(&token, polled, held);
        let handle = pool.spawn_future(future).expect("there is room");
        told.recv_timeout(LIMIT).expect("it is polled");
        handle.cancel();
        let left = gone.recv_timeout(LIMIT);
        assert_eq!(left, Err(RecvTimeoutError::Disconnected), "{backend}");
        assert!(matches!(ended(handle), Err(JobError::Cancelled)));
        token.cancel();
        ends_clean(&pool);
    });
}

/// A job that submits the next generation through its own context, `left` times.
fn generation(ctx: &JobContext<'_>, left: usize, service: &CancelToken, done: Sender<usize>) {
    if left == 0 {
        done.send(left).expect("the test listens");
        return;
    }
    let token = service.clone();
    let next = move |ctx: &JobContext<'_>| {
        generation(ctx, left - 1, &token, done);
        Ok::<_, std::convert::Infallible>(())
    };
    // Every other one names the service's token once more.
    let is_submitted = if left.is_multiple_of(2) {
        ctx.submit(next.with_token(service)).is_ok()
    } else {
        ctx.submit(next).is_ok()
    };
    assert!(is_submitted, "the pool is open");
}

fn run_generations(pool: &Pool, number: usize) {
    let (done, told) = mpsc::channel();
    let service = CancelToken::new();
    let token = service.clone();
    let first = move |ctx: &JobContext<'_>| {
        generation(ctx, number, &token, done);
        Ok::<_, std::convert::Infallible>(())
    };
    value(
        pool.submit(first.with_token(&service))
            .expect("there is room"),
    );
    assert_eq!(told.recv_timeout(LIMIT * 4).expect("the chain ends"), 0);
}

#[test]
fn generations_of_jobs_take_no_memory_and_no_stack() {
    const FEW: usize = 1_000;
    const MANY: usize = 150_000;
    const MOST: u64 = 8 << 20;
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 1, 8);
        run_generations(&pool, FEW);
        let before = most_resident();
        run_generations(&pool, MANY);
        let grown = most_resident() - before;
        assert!(grown <= MOST, "{backend}: {grown} bytes");
        ends_clean(&pool);
    });
}

/// Calls a closure as it is dropped.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(last) = self.0.take() {
            last();
        }
    }
}

/// Jobs that never start, each of which submits the next as it is dropped.
#[derive(Clone)]
struct Chain {
    pool: Pool,
    token: CancelToken,
    /// Each is cancelled by its handle.
    cancels: bool,
    left: usize,
    done: Sender<()>,
}

fn go_on(chain: Chain) {
    let Some(left) = chain.left.checked_sub(1) else {
        chain.done.send(()).expect("the test listens");
        return;
    };
    let next = Chain {
        left,
        ..chain.clone()
    };
    let again = OnDrop(Some(move || go_on(next)));
    let job = move |_: &JobContext<'_>| {
        drop(again);
        Ok::<_, std::convert::Infallible>(())
    };
    let handle = chain.pool.submit(job.with_token(&chain.token));
    let handle = handle.expect("there is room");
    if chain.cancels {
        handle.cancel();
    }
}

/// Row 28, of jobs that end where they are submitted or cancelled, which is on one stack.
#[test]
fn a_chain_of_jobs_that_never_start_needs_no_stack() {
    const JOBS: usize = 100_000;
    each_backend_in_a_child(|backend| {
        for cancels in [false, true] {
            // The place of one that was cancelled in the queue is free when the queue gets there.
            let pool = on(backend, 1, if cancels { JOBS } else { 1 });
            let (release, held) = hold(&pool);
            let (done, told) = mpsc::channel();
            let token = CancelToken::new();
            if !cancels {
                token.cancel();
            }
            go_on(Chain {
                pool: pool.clone(),
                token,
                cancels,
                left: JOBS,
                done,
            });
            told.recv_timeout(LIMIT).expect("the chain ends");
            drop(release);
            assert!(value(held));
            ends_clean(&pool);
        }
    });
}

/// The same by way of the observer of failures, which is told of a job that comes too late where that is submitted.
#[test]
fn a_chain_of_late_jobs_by_their_observer_needs_no_stack() {
    const JOBS: usize = 100_000;
    each_backend_in_a_child(|backend| {
        let late = |_: &JobContext<'_>| Ok::<_, std::convert::Infallible>(());
        let late = move || late.with_timeout(Duration::ZERO);
        let (pool, left) = (Arc::new(OnceLock::<Pool>::new()), AtomicUsize::new(JOBS));
        let of_hook = Arc::downgrade(&pool);
        let observe = move |_: &JobFailure<'_>| {
            let pool = of_hook.upgrade().expect("the test has it");
            if left.fetch_sub(1, Ordering::Relaxed) > 1 {
                let submitted = pool.get().map(|pool| pool.execute(late()).is_ok());
                assert_eq!(submitted, Some(true));
            }
        };
        let built = builder(backend, 1).queue_capacity(1).on_failure(observe);
        let pool = pool.get_or_init(|| built.build().expect("the backend can be built"));
        let (release, held) = hold(pool);
        pool.execute(late()).expect("it takes no place");
        assert_eq!(pool.stats().expired, JOBS as u64, "{backend}");
        drop(release);
        assert!(value(held));
        let report = pool.shutdown(LIMIT);
        assert_eq!(report.expired(), JOBS as u64, "{backend}: {report}");
        assert!(report.is_safe_to_exit(), "{backend}: {report}");
    });
}

/// Says that it was called.
struct Tells(Sender<()>);

impl Wake for Tells {
    fn wake(self: Arc<Self>) {
        // The test waits for it, or has failed already.
        let _heard = self.0.send(());
    }
}

/// A submission that waits for room; what comes with it is told when it is woken.
fn in_line<F: Future>(mut submission: Pin<&mut F>) -> Receiver<()> {
    let (send, woken) = mpsc::channel();
    let waker = Waker::from(Arc::new(Tells(send)));
    let polled = submission.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending(), "the queue is full");
    woken
}

/// Row 63: it was called for a place, and takes none.
#[test]
fn a_submission_whose_job_is_over_by_then_passes_its_place_on() {
    each_backend(|backend| {
        let pool = on(backend, 1, 1);
        let (release, held) = hold(&pool);
        let queued = pool.submit(nothing).expect("there is one place");
        let token = CancelToken::new();
        let mut first = pin!(pool.submit_async(nothing.with_token(&token)));
        let first_woken = in_line(first.as_mut());
        let mut second = pin!(pool.submit_async(nothing));
        let second_woken = in_line(second.as_mut());
        token.cancel();
        drop(release);
        first_woken.recv_timeout(LIMIT).expect("it is called first");
        let over = value_of(first.as_mut());
        assert!(matches!(ended(over), Err(JobError::Cancelled)), "{backend}");
        let passed_on = second_woken.recv_timeout(LIMIT);
        assert!(
            passed_on.is_ok(),
            "{backend}: the next in line is not called"
        );
        value(value_of(second.as_mut()));
        value(queued);
        assert!(value(held));
        ends_clean(&pool);
    });
}

/// What a submission that was called gives.
fn value_of<F: Future<Output = Result<T, E>>, T, E>(submission: Pin<&mut F>) -> T {
    match submission.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(handle)) => handle,
        Poll::Ready(Err(_)) => panic!("the pool is open"),
        Poll::Pending => panic!("there is a place"),
    }
}
