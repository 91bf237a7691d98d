//! Tokens: futures that await one, generations of jobs each below the one before, and jobs that end
//! when they are submitted.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::task::{Context, Poll, Wake, Waker};

use pool::{CancelToken, JobContext, JobError, JobExt, Pool};

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, each_backend, ended, ends_clean, hold, nothing, on, value};
use crate::system::most_resident;

/// A future that reports its first poll, then awaits a token twice. What it holds is dropped with
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
    // Every other job names the service's token once more.
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

/// Reports that it was called.
struct Tells(Sender<()>);

impl Wake for Tells {
    fn wake(self: Arc<Self>) {
        // The test waits for it, or has failed already.
        let _heard = self.0.send(());
    }
}

/// A submission that waits for room, and a receiver that is told when it is woken.
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
