//! What the tests share: pools on each backend, and time limits.

use std::convert::Infallible;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use pool::{Backend, Builder, JobContext, JobError, JobHandle, Pool};

/// The limit of every single wait. Only a hang meets it.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A builder of pools with `workers` workers.
pub(crate) fn builder(backend: Backend, workers: usize) -> Builder {
    Pool::builder().backend(backend).workers(workers)
}

/// A pool with `workers` workers and `capacity` slots.
pub(crate) fn on(backend: Backend, workers: usize, capacity: usize) -> Pool {
    builder(backend, workers)
        .queue_capacity(capacity)
        .build()
        .unwrap_or_else(|error| panic!("{backend}: {error}"))
}

/// Runs a test on every backend that is compiled in.
pub(crate) fn each_backend(test: impl Fn(Backend)) {
    Backend::available().into_iter().for_each(test);
}

/// The outcome of a job, within the limit.
#[track_caller]
pub(crate) fn ended<T, E>(handle: JobHandle<T, E>) -> Result<T, JobError<E>> {
    let ended = handle.join_timeout(LIMIT);
    ended.unwrap_or_else(|handle| panic!("{handle:?} has no outcome after {LIMIT:?}"))
}

/// The value of a job that completes.
#[track_caller]
pub(crate) fn value<T: Debug, E: Debug>(handle: JobHandle<T, E>) -> T {
    ended(handle).expect("the job completes")
}

/// A job that does nothing.
pub(crate) fn nothing(_: &JobContext<'_>) -> Result<(), Infallible> {
    Ok(())
}

/// A job that has started, and runs until the sender returned with it is dropped. It returns true
/// then.
#[track_caller]
pub(crate) fn hold(pool: &Pool) -> (Sender<()>, JobHandle<bool, Infallible>) {
    let (release, released) = mpsc::channel();
    let (start, started) = mpsc::channel();
    let held = pool.spawn(move || {
        start.send(()).expect("the test listens");
        released.recv().is_err()
    });
    started.recv_timeout(LIMIT).expect("the job starts");
    (release, held.expect("there was room"))
}

/// Polls again whenever it is woken, until the limit of the test.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let (mut future, limit) = (pin!(future), Instant::now() + LIMIT);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let left = limit.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "it is ready within the limit");
        thread::park_timeout(left);
    }
}

/// Ends the pool: every accepted job has ended, and nothing is left.
#[track_caller]
pub(crate) fn ends_clean(pool: &Pool) {
    let report = pool.shutdown(LIMIT);
    assert!(
        report.balances() && report.is_clean() && report.is_safe_to_exit(),
        "{}: {report}",
        pool.backend()
    );
}
