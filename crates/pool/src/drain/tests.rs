//! The stop by a token, without signals: those are in `tests/drain`.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use pool_core::{CancelToken, Executor, JobError, JobHandle, ShutdownReport};

use super::{Drain, block_on};
use crate::{Backend, Pool};

/// The longest that a busy machine may need for what a quiet one does in well under a second.
const LIMIT: Duration = Duration::from_secs(120);

fn pool(backend: Backend) -> Pool {
    pool_of(backend, 1)
}

fn pool_of(backend: Backend, workers: usize) -> Pool {
    let builder = Pool::builder().backend(backend).workers(workers);
    builder.queue_capacity(8).build().expect("it is built")
}

/// A stop that has begun, with this limit.
fn stopped(limit: Duration) -> Drain {
    let stop = CancelToken::new();
    stop.cancel();
    Drain::on(&stop).expect("there are threads").limit(limit)
}

/// Keeps the only worker until the sender is dropped.
fn hold(pool: &Pool) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (start, started) = mpsc::channel();
    let job = move || {
        start.send(()).expect("the test waits");
        held.recv()
    };
    pool.spawn(job).expect("it is open").detach();
    started.recv_timeout(LIMIT).expect("it starts");
    release
}

/// The report of a run, which has a limit that fails.
#[track_caller]
fn run(drain: Drain, pool: &Pool) -> ShutdownReport {
    let (pool, (sender, ended)) = (pool.clone(), mpsc::channel());
    thread::spawn(move || sender.send(drain.run_blocking(&pool)));
    ended.recv_timeout(LIMIT).expect("it ends")
}

/// Ready once `is_so`, which it asks all the time.
fn until(is_so: impl Fn() -> bool + Send + 'static) -> impl Future<Output = ()> + Send {
    poll_fn(move |cx| {
        if is_so() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Sets a flag as it is dropped.
struct Noted(Arc<AtomicBool>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Notes what comes of a job as it is dropped, and waits for that.
struct Joins {
    job: Option<JobHandle<i32, Infallible>>,
    outcome: mpsc::Sender<Result<i32, JobError<Infallible>>>,
}

impl Drop for Joins {
    fn drop(&mut self) {
        let outcome = self.job.take().map(JobHandle::join);
        let _gone = outcome.map(|outcome| self.outcome.send(outcome));
    }
}

#[test]
fn the_server_ends_before_the_pool() {
    for backend in Backend::available() {
        let pool = pool(backend);
        let drain = stopped(LIMIT);
        let stopping = drain.stopping();
        let serving = pool.clone();
        let server = async move {
            stopping.cancelled().await;
            // A request in flight, of which more arrives.
            let reads = AtomicUsize::new(0);
            until(move || reads.fetch_add(1, Ordering::Relaxed) == 1000).await;
            let job = serving.spawn(|| 42).expect("the pool still takes jobs");
            assert_eq!(job.await.expect("it runs"), 42);
        };
        let report = run(drain.also(server), &pool);
        assert_eq!((report.accepted(), report.completed()), (1, 1), "{backend}");
        assert!(report.balances() && report.is_clean(), "{report}");
    }
}

#[test]
fn a_server_that_ends_begins_the_stop() {
    for backend in Backend::available() {
        let pool = pool(backend);
        let drain = Drain::on(&CancelToken::new()).expect("there are threads");
        let (stopping, giving_up) = (drain.stopping(), drain.giving_up());
        let other = stopping.cancelled();
        let drain = drain.limit(LIMIT).also(other);
        let report = run(drain.also(async { Err::<(), _>("no port") }), &pool);
        assert!(stopping.is_cancelled() && giving_up.is_cancelled());
        assert!(report.is_clean() && pool.is_closed(), "{report}");
    }
}

#[test]
fn handlers_give_up_after_the_pool_and_no_sooner() {
    for backend in Backend::available() {
        let pool = pool(backend);
        let drain = stopped(Duration::from_millis(400));
        let giving_up = drain.giving_up();
        let seen = Arc::new(Mutex::new(None));
        let (ended, saw) = (pool.clone(), Arc::clone(&seen));
        let server = async move {
            giving_up.cancelled().await;
            let stats = ended.stats();
            *saw.lock().expect("no panic") = Some((ended.is_closed(), stats.queued, stats.running));
        };
        let report = run(drain.also(server), &pool);
        assert!(report.is_clean(), "{report}");
        assert_eq!(*seen.lock().expect("no panic"), Some((true, 0, 0)));
    }
}

#[test]
fn one_limit_is_for_all() {
    for backend in Backend::available() {
        let pool = pool(backend);
        let release = hold(&pool);
        let queued = pool.spawn(|| 42).expect("there is room");
        let is_dropped = Arc::new(AtomicBool::new(false));
        let noted = Noted(Arc::clone(&is_dropped));
        let server = async move {
            let _noted = noted;
            pending::<()>().await;
        };
        let (limit, start) = (Duration::from_millis(400), Instant::now());
        let report = run(stopped(limit).also(server), &pool);
        let took = start.elapsed();
        assert!(limit <= took && took < LIMIT, "{backend}: {took:?}");
        assert!(is_dropped.load(Ordering::SeqCst), "the server is dropped");
        assert!(report.balances(), "{report}");
        let left = (report.still_running().len(), report.unstarted());
        assert_eq!((left, report.exit_code()), ((1, 1), 3), "{report}");
        assert!(matches!(queued.join(), Err(JobError::Abandoned)));
        drop(release);
    }
}

#[test]
fn the_limit_begins_with_the_signal() {
    const HOUR: Duration = Duration::from_secs(3600);
    for backend in Backend::available() {
        let pool = pool(backend);
        let release = hold(&pool);
        let drain = stopped(HOUR).also(pending::<()>());
        let Some(an_hour_ago) = Instant::now().checked_sub(HOUR) else {
            return; // The clock of this system begins with it.
        };
        let begun = drain.stop.start.set(an_hour_ago);
        begun.expect("it has not begun");
        let report = run(drain, &pool);
        assert_eq!(report.still_running().len(), 1, "{report}");
        drop(release);
    }
}

#[test]
fn servers_run_while_the_pool_drains() {
    for backend in Backend::available() {
        let pool = pool(backend);
        let release = hold(&pool);
        let closing = pool.clone();
        let server = async move {
            until(move || closing.is_closed()).await;
            drop(release);
        };
        let mut drain = stopped(LIMIT).also(server);
        let report = block_on(drain.end(&pool, Instant::now()));
        assert!(report.all_completed(), "{report}");
    }
}

#[test]
fn a_second_signal_ends_the_wait_at_once() {
    for backend in Backend::available() {
        for is_draining in [false, true] {
            let pool = pool(backend);
            let release = hold(&pool);
            let stop = CancelToken::new();
            stop.cancel();
            // Without a server the pool is at once waited for.
            let mut drain = Drain::on(&stop).expect("there are threads");
            drain = drain.limit(Duration::MAX);
            let (hurrying, closing) = (drain.stop.hurrying.clone(), pool.clone());
            let giving_up = drain.giving_up();
            if is_draining {
                thread::spawn(move || {
                    while !closing.is_closed() {
                        thread::yield_now();
                    }
                    hurrying.cancel();
                });
            } else {
                let server = async move {
                    hurrying.cancel();
                    pending::<()>().await;
                };
                drain = drain.also(server);
            }
            let report = run(drain, &pool);
            assert!(report.balances() && giving_up.is_cancelled(), "{report}");
            assert_eq!(report.still_running().len(), 1, "{report}");
            drop(release);
        }
    }
}

#[test]
fn a_server_may_wait_for_its_job_as_it_is_dropped() {
    for backend in Backend::available() {
        for workers in [1, 2] {
            let pool = pool_of(backend, workers);
            let releases: Vec<_> = (0..workers).map(|_| hold(&pool)).collect();
            let job = pool.spawn(|| 42).expect("there is room");
            a_second_signal_ends_it(&pool, job);
            drop(releases);
        }
    }
}

/// Stops a server whose drop joins the job, which does not start: it is abandoned.
fn a_second_signal_ends_it(pool: &Pool, job: JobHandle<i32, Infallible>) {
    let (outcome, joined) = mpsc::channel();
    let joins = Joins {
        job: Some(job),
        outcome,
    };
    let drain = stopped(Duration::MAX);
    let hurrying = drain.stop.hurrying.clone();
    let server = async move {
        let _joins = joins;
        hurrying.cancel();
        pending::<()>().await;
    };
    let report = run(drain.also(server), pool);
    assert!(report.balances(), "{report}");
    let outcome = joined.try_recv().expect("the server is dropped");
    assert!(matches!(outcome, Err(JobError::Abandoned)), "{outcome:?}");
}

#[test]
fn the_panic_of_a_server_goes_on_after_the_pool() {
    for backend in Backend::available() {
        let pool = pool(backend);
        let done = pool.spawn(|| 42).expect("there is room");
        let drain = Drain::on(&CancelToken::new()).expect("there are threads");
        let drain = drain.also(async { panic!("out of ink") });
        let run = catch_unwind(AssertUnwindSafe(|| drain.run_blocking(&pool)));
        let panic = run.expect_err("it goes on");
        assert_eq!(panic.downcast_ref(), Some(&"out of ink"));
        assert!(pool.is_closed() && done.is_finished());
    }
}

#[test]
fn a_pool_in_any_state_ends() {
    for backend in Backend::available() {
        let paused = pool(backend);
        paused.pause();
        let queued = paused.spawn(|| 42).expect("there is room");
        let report = run(stopped(LIMIT), &paused);
        assert!(report.all_completed(), "{report}");
        assert_eq!(queued.join().ok(), Some(42));

        let swapped = pool(backend);
        swapped.spawn(|| 42).expect("there is room").detach();
        swapped.swap(backend).expect("it is built");
        swapped
            .reconfigure(|config| config.set_workers(2))
            .expect("it is built");
        let report = run(stopped(LIMIT), &swapped);
        assert_eq!((report.accepted(), report.completed()), (1, 1), "{report}");

        let ended = pool(backend);
        let first = ended.shutdown(LIMIT);
        let report = run(stopped(LIMIT), &ended);
        assert_eq!(first.took(), report.took(), "the same report");
    }
}

#[test]
fn a_run_that_is_dropped_leaves_the_pool_open_before_the_stop() {
    for backend in Backend::available() {
        let pool = pool(backend);
        let is_dropped = Arc::new(AtomicBool::new(false));
        let noted = Noted(Arc::clone(&is_dropped));
        let drain = Drain::on(&CancelToken::new()).expect("there are threads");
        let drain = drain.also(async move {
            let _noted = noted;
            pending::<()>().await;
        });
        assert!(format!("{drain:?}").contains("servers: 1"), "{drain:?}");
        drop(drain.run(&pool));
        assert!(is_dropped.load(Ordering::SeqCst));
        let job = pool.spawn(|| 42).expect("it is open");
        assert_eq!(job.join().ok(), Some(42));
    }
}
