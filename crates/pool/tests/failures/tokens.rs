//! Tokens: futures that await one, and chains of jobs each of which is below the one before.

use std::future::Future;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};

use pool::{CancelToken, JobContext, JobError, JobExt, Pool};

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, each_backend, ended, ends_clean, on, value};
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
