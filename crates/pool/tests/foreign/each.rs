//! Runs a test on every backend that is compiled in, each time against a limit, so that a hang
//! fails and says where.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use pool::{Backend, Interrupted, JobContext, Pool, ShutdownPolicy, ShutdownReport};
use pool_conformance::probe::{PATIENCE, wait_until};

/// Time limit for one test on one backend. It is far above what any takes, even on a busy machine:
/// only a hang meets it.
const LIMIT: Duration = Duration::from_secs(120);

/// The message for a submission that must succeed, since the pool has free slots.
pub(crate) const ROOM: &str = "there is room";

/// Runs `test` on each backend in turn, on a thread of its own.
///
/// # Panics
/// If the test panics, or has not ended by the limit; with the backend's name.
pub(crate) fn on_each_backend(test: impl Fn(Backend) + Send + Sync + 'static) {
    let test = Arc::new(test);
    for backend in Backend::available() {
        let (test, (over, is_over)) = (Arc::clone(&test), mpsc::channel());
        let body = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| test(backend)));
            // Past the limit the receiver is gone.
            let _heard = over.send(ended.is_ok());
        };
        let body = thread::Builder::new().spawn(body);
        let body = body.expect("the system gives the test a thread");
        match is_over.recv_timeout(LIMIT) {
            Ok(true) => body.join().expect("the body catches its own panic"),
            Ok(false) => panic!("on {backend}: see the panic above"),
            Err(RecvTimeoutError::Timeout) => panic!("on {backend}: no end after {LIMIT:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("on {backend}: the test vanished"),
        }
    }
}

/// A pool of `workers` and `capacity`.
pub(crate) fn pool(backend: Backend, workers: usize, capacity: usize) -> Pool {
    let builder = Pool::builder().backend(backend).workers(workers);
    let pool = builder.queue_capacity(capacity).build();
    pool.unwrap_or_else(|error| panic!("{backend}: {error}"))
}

/// Drains the pool, and checks that every accepted job ran to its end and nothing of the pool is
/// left.
#[track_caller]
pub(crate) fn ends_clean(pool: &Pool) -> ShutdownReport {
    let report = pool.shutdown(ShutdownPolicy::drain());
    assert!(report.balances() && report.is_clean(), "{report}");
    nothing_runs(pool, &report);
    report
}

/// Nothing of the pool runs after this report. Its last workers may still be leaving, on a busy
/// machine.
#[track_caller]
pub(crate) fn nothing_runs(pool: &Pool, report: &ShutdownReport) {
    assert!(report.still_running().is_empty(), "{report}");
    wait_until("every worker has left", pool, || pool.stats().workers == 0);
}

/// For a job: runs until it is asked to stop, and says how it was asked.
pub(crate) fn until_interrupted(ctx: &JobContext<'_>) -> Interrupted {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Err(interrupted) = ctx.check() {
            return interrupted;
        }
        assert!(Instant::now() < limit, "nobody asked the job to stop");
        thread::yield_now();
    }
}

/// A closure as a job that cannot fail and sees its context.
pub(crate) fn job<T>(
    body: impl FnOnce(&JobContext<'_>) -> T + Send + 'static,
) -> impl FnOnce(&JobContext<'_>) -> Result<T, Infallible> + Send + 'static {
    move |ctx: &JobContext<'_>| Ok(body(ctx))
}
