//! Rows 25, 26 and 39: ends that come from within, by an exit, or past their limit.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pool::{Backend, JobContext, JobError, Pool, ShutdownPolicy};

use crate::child::{backend_of_this_child, run_again};
use crate::on::{LIMIT, each_backend, ended, nothing, on, value};

/// What the handler of a child's exit prints once its wait is over.
const HANDLED: &str = "the handler has returned";

/// The code with which a job exits.
const CODE: i32 = 7;

static POOL: Mutex<Option<Pool>> = Mutex::new(None);

fn take_pool() -> Pool {
    let pool = POOL.lock().unwrap_or_else(PoisonError::into_inner).take();
    pool.expect("the test has left it there")
}

/// Runs the calling test again for each backend, in a process in which `exit` makes a job exit
/// while others run and wait. The exit calls `handler` on the worker's thread. One worker has
/// nothing to do.
fn exits_in_a_child<Body>(_body: Body, exit: fn(&Pool), handler: extern "C" fn()) {
    if let Some(backend) = backend_of_this_child() {
        let pool = on(backend, 4, 8);
        *POOL.lock().unwrap_or_else(PoisonError::into_inner) = Some(pool.clone());
        // SAFETY: the handler is a function that does not unwind: a panic there aborts the process,
        // and the test notices.
        let refused = unsafe { libc::atexit(handler) };
        assert_eq!(refused, 0, "the handler is registered");
        let asleep = pool.spawn(|| thread::park_timeout(Duration::from_millis(50)));
        asleep.expect("there is room").detach();
        exit(&pool);
        for _ in 0..4 {
            pool.submit(nothing).expect("there is room").detach();
        }
        MAY_EXIT.store(true, Ordering::SeqCst);
        drop(pool);
        loop {
            thread::park();
        }
    }
    for backend in Backend::available() {
        let ended = run_again::<Body>(backend, |command| command);
        assert!(
            ended.code == Some(CODE) && ended.said.contains(HANDLED),
            "{backend}: code {:?}, signal {:?}:\n{}",
            ended.code,
            ended.signal,
            ended.said
        );
    }
}

/// Set once all jobs are submitted: an exit closes the pool.
static MAY_EXIT: AtomicBool = AtomicBool::new(false);

/// Waits until all jobs are submitted.
fn await_the_others() {
    while !MAY_EXIT.load(Ordering::SeqCst) {
        thread::yield_now();
    }
}

/// A job exits.
fn in_a_job(pool: &Pool) {
    let exits = pool.spawn(|| {
        await_the_others();
        std::process::exit(CODE)
    });
    exits.expect("there is room").detach();
}

/// A half of a job exits, once another worker has taken it.
fn in_a_half(pool: &Pool) {
    let exits = pool.submit(|ctx: &JobContext<'_>| -> Result<Infallible, Infallible> {
        await_the_others();
        let limit = Instant::now() + LIMIT;
        let here = thread::current().id();
        while Instant::now() < limit {
            let (begin, begun) = mpsc::channel();
            let first = |_: &JobContext<'_>| {
                // A worker that takes the other half does so by then, or in the next round.
                begun.recv_timeout(Duration::from_millis(20)).is_ok()
            };
            let second = move |_: &JobContext<'_>| {
                if thread::current().id() != here {
                    begin.send(()).expect("the job waits for this half");
                    std::process::exit(CODE);
                }
            };
            ctx.join(first, second);
        }
        // The signal tells the parent that no worker took a half.
        std::process::abort()
    });
    exits.expect("there is room").detach();
}

fn say_handled() {
    let said = writeln!(std::io::stdout(), "{HANDLED}");
    said.expect("the parent listens");
}

/// The job that has called `exit` never ends, so no wait there includes it.
#[test]
fn a_wait_for_quiet_in_a_handler_of_an_exit_inside_a_job_returns() {
    extern "C" fn handler() {
        let pool = take_pool();
        pool.wait_idle();
        let stats = pool.stats();
        assert_eq!((stats.completed, stats.running), (5, 1), "{stats}");
        std::mem::forget(pool);
        say_handled();
    }
    exits_in_a_child(|| (), in_a_job, handler);
}

#[test]
fn a_drain_in_a_handler_of_an_exit_inside_a_job_returns() {
    extern "C" fn handler() {
        let pool = take_pool();
        let report = pool.shutdown(ShutdownPolicy::drain());
        assert_eq!(report.still_running().len(), 1, "{report}");
        assert_eq!(report.completed(), 5, "{report}");
        say_handled();
    }
    exits_in_a_child(|| (), in_a_job, handler);
}

/// The half never ends, and so neither does the job that joins it, on another worker.
#[test]
fn a_wait_for_quiet_in_a_handler_of_an_exit_inside_a_half_returns() {
    extern "C" fn handler() {
        let pool = take_pool();
        pool.wait_idle();
        // Halves that no worker took are jobs that have completed.
        let stats = pool.stats();
        assert_eq!(stats.running, 2, "{stats}");
        assert!(stats.completed >= 5 && stats.queued == 0, "{stats}");
        std::mem::forget(pool);
        say_handled();
    }
    exits_in_a_child(|| (), in_a_half, handler);
}

#[test]
fn a_drain_in_a_handler_of_an_exit_inside_a_half_returns() {
    extern "C" fn handler() {
        let pool = take_pool();
        let report = pool.shutdown(ShutdownPolicy::drain());
        assert_eq!(report.still_running().len(), 2, "{report}");
        assert!(report.completed() >= 5, "{report}");
        say_handled();
    }
    exits_in_a_child(|| (), in_a_half, handler);
}

#[test]
fn a_shutdown_in_a_handler_of_an_exit_inside_a_job_does_not_wait_for_its_limit() {
    extern "C" fn handler() {
        let start = Instant::now();
        let report = take_pool().shutdown(LIMIT * 10);
        assert!(start.elapsed() < LIMIT, "{report}");
        say_handled();
    }
    exits_in_a_child(|| (), in_a_job, handler);
}

#[test]
fn the_last_handle_in_a_handler_of_an_exit_inside_a_job_returns() {
    extern "C" fn handler() {
        drop(take_pool());
        say_handled();
    }
    exits_in_a_child(|| (), in_a_job, handler);
}

/// A future that sleeps forever, and records the thread on which it is dropped.
struct Sleeper(Arc<Mutex<Vec<ThreadId>>>);

impl Future for Sleeper {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let mut threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(thread::current().id());
    }
}

/// What is left at the limit is not the caller's to drop.
#[test]
fn the_caller_of_a_shutdown_drops_no_future() {
    const SLEEPERS: usize = 64;
    each_backend(|backend| {
        let pool = on(backend, 2, SLEEPERS);
        let threads = Arc::default();
        let sleepers: Vec<_> = (0..SLEEPERS)
            .map(|_| pool.spawn_future(Sleeper(Arc::clone(&threads))))
            .map(|handle| handle.expect("there is room"))
            .collect();
        // On a runtime a future holds its worker while it sleeps.
        while pool.stats().running < 2 {
            thread::yield_now();
        }
        let report = pool.shutdown(ShutdownPolicy::now());
        assert!(report.balances(), "{backend}: {report}");
        for sleeper in sleepers {
            let end = ended(sleeper);
            let is_over = matches!(end, Err(JobError::Cancelled | JobError::Abandoned));
            assert!(is_over, "{backend}: {end:?}");
        }
        drop(pool);
        let threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!threads.contains(&thread::current().id()), "{backend}");
    });
}

/// The thread that cancels the job drops it, and the last handle with it: the job has ended by
/// then.
#[test]
fn the_last_handle_may_go_with_a_job_that_is_cancelled() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (release, released) = mpsc::channel::<()>();
        let held = pool.spawn(move || {
            // Released by the drop of the sender.
            let _how = released.recv();
        });
        let inner = pool.clone();
        let holding = pool.spawn(move || drop(inner)).expect("there is room");
        drop(pool);
        drop(release);
        holding.cancel();
        let end = ended(holding);
        assert!(
            matches!(end, Ok(()) | Err(JobError::Cancelled)),
            "{backend}: {end:?}"
        );
        value(held.expect("there was room"));
    });
}

/// A local of a worker's thread may hold the last handle of the pool.
#[test]
fn the_last_handle_may_go_with_a_workers_thread() {
    thread_local! {
        static KEPT: OnceLock<Pool> = const { OnceLock::new() };
    }
    each_backend(|backend| {
        let pool = on(backend, 2, 8);
        let inner = pool.clone();
        let keeps = pool.spawn(move || KEPT.with(|kept| kept.set(inner).is_ok()));
        assert!(value(keeps.expect("there is room")), "{backend}");
        let report = pool.shutdown(LIMIT);
        assert!(report.is_clean(), "{backend}: {report}");
    });
}

/// The only thread of a runtime waits in a blocking shutdown, so the pool's futures there cannot be
/// polled. The limit still holds.
#[cfg(feature = "async")]
#[test]
fn a_blocking_shutdown_on_the_one_thread_of_a_runtime_keeps_its_limit() {
    const TOTAL: Duration = Duration::from_millis(200);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be had");
    runtime.block_on(async {
        let pool = pool::AsyncPool::builder()
            .workers(2)
            .adopt(tokio::runtime::Handle::current())
            .build()
            .expect("the runtime is there");
        let asleep = pool.spawn_future(pending::<()>()).expect("there is room");
        tokio::task::yield_now().await;
        let start = Instant::now();
        let report = pool.shutdown(TOTAL);
        let took = start.elapsed();
        assert!(report.balances() && !report.is_clean(), "{report}");
        assert!(took < TOTAL * 2, "{took:?}: {report}");
        drop(asleep);
    });
}

/// A caller that asks a second time after a shutdown with a hung job gets the same report at once,
/// and the job may still end.
#[test]
fn a_job_that_hangs_past_the_limit_may_end_later() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (release, released) = mpsc::channel::<()>();
        let (start, started) = mpsc::channel();
        let hangs = pool.submit(move |_: &JobContext<'_>| {
            start.send(()).expect("the test listens");
            let _how = released.recv();
            Ok::<_, Infallible>(())
        });
        started.recv_timeout(LIMIT).expect("the job starts");
        let queued = pool.submit(nothing).expect("there is room");
        let report = pool.shutdown(Duration::from_millis(50));
        assert_eq!(report.exit_code(), 3, "{backend}: {report}");
        let end = queued.join();
        assert!(
            matches!(end, Err(JobError::Abandoned)),
            "{backend}: {end:?}"
        );
        let again = pool.shutdown(ShutdownPolicy::drain());
        assert_eq!(again.to_string(), report.to_string(), "{backend}");
        drop(release);
        value(hangs.expect("there was room"));
    });
}
