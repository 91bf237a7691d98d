//! Row 10: a pool on threads that somebody else lends loses its workers, one by one, as no more
//! threads come. With the last of them every job ends, asleep or not, and nobody waits for it in
//! vain.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use pool::backend::{Spawn, SpawnPool};
use pool::{Cut, Executor, JobError, JobHandle, JobId, ShutdownPolicy, ShutdownReport};
use tokio::sync::oneshot;

use crate::on::{LIMIT, ended, nothing};

/// Lends a new thread for each run, until it has no more.
#[derive(Clone, Default)]
struct Lender {
    is_spent: Arc<AtomicBool>,
    /// Runs that have not returned.
    runs: Arc<AtomicUsize>,
}

impl Spawn for Lender {
    fn spawn(&self, run: Box<dyn FnOnce() + Send>) {
        if self.is_spent.load(Ordering::SeqCst) {
            return drop(run);
        }
        let runs = Arc::clone(&self.runs);
        runs.fetch_add(1, Ordering::SeqCst);
        thread::spawn(move || {
            run();
            runs.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

impl Lender {
    /// Waits until all threads are back: every worker of `pool` sleeps.
    fn has_all_back(&self, pool: &Lent) {
        wait_until(pool, || self.runs.load(Ordering::SeqCst) == 0);
    }

    /// Lends no thread from here on.
    fn ends(&self) {
        self.is_spent.store(true, Ordering::SeqCst);
    }
}

type Lent = SpawnPool<Lender>;
type Handle<T> = JobHandle<T, Infallible>;

/// A pool that is not dropped: its drop would wait for the jobs, also where the test has failed.
fn lent(workers: usize) -> (Lent, Lender) {
    let (pool, lender) = lent_and_dropped(workers);
    std::mem::forget(pool.clone());
    (pool, lender)
}

fn lent_and_dropped(workers: usize) -> (Lent, Lender) {
    let lender = Lender::default();
    let pool = SpawnPool::builder().workers(workers).queue_capacity(64);
    let pool = pool.adopt(lender.clone()).build();
    (pool.expect("there is a lender"), lender)
}

/// Futures that have started, and sleep.
fn asleep<F>(pool: &Lent, futures: impl IntoIterator<Item = F>) -> Vec<Handle<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    let spawn = |future| pool.spawn_future(future).expect("the pool is open");
    let handles: Vec<_> = futures.into_iter().map(spawn).collect();
    wait_until(pool, || {
        let stats = pool.stats();
        stats.queued == 0 && stats.running == handles.len() as u64
    });
    handles
}

/// Submits until the last worker is lost. The jobs complete on a thread that was lent before, or
/// are abandoned.
fn lose_all_workers(pool: &Lent, lender: &Lender) {
    lender.ends();
    let mut lost = Vec::new();
    wait_until(pool, || {
        lost.extend(pool.try_submit(nothing));
        pool.stats().workers == 0
    });
    for handle in lost {
        let end = ended(handle);
        assert!(matches!(end, Ok(()) | Err(JobError::Abandoned)), "{end:?}");
    }
}

#[track_caller]
fn wait_until(pool: &Lent, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < limit, "{}", pool.stats());
        thread::yield_now();
    }
}

/// Does something that may block on another thread, and waits for the end of it.
#[track_caller]
fn in_time<R: Send + 'static>(what: &str, act: impl FnOnce() -> R + Send + 'static) -> R {
    let (send, done) = mpsc::channel();
    thread::spawn(move || drop(send.send(act())));
    let done = done.recv_timeout(LIMIT);
    done.unwrap_or_else(|_| panic!("{what} does not return"))
}

fn is_cancelled<T, E>(end: Result<T, JobError<E>>) -> bool {
    matches!(end, Err(JobError::Cancelled))
}

/// The report of a pool without workers, which names these futures as cancelled.
#[track_caller]
fn reports(pool: &Lent, policy: ShutdownPolicy, cancelled: &[JobId]) -> ShutdownReport {
    let pool = pool.clone();
    let report = in_time("the shutdown", move || pool.shutdown(policy));
    assert!(report.balances() && report.is_safe_to_exit(), "{report}");
    assert!(!report.is_clean(), "{report}");
    let cut = report.cut_short().iter();
    let mut cut: Vec<_> = cut.filter(|it| it.how == Cut::Cancelled).collect();
    cut.sort_by_key(|it| it.id);
    let cut: Vec<_> = cut.iter().map(|it| it.id).collect();
    assert_eq!(cut, cancelled, "{report}");
    report
}

fn ids<T>(handles: &[Handle<T>]) -> Vec<JobId> {
    let mut ids: Vec<_> = handles.iter().map(JobHandle::id).collect();
    ids.sort();
    ids
}

/// Counts its drop.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn futures_that_sleep_end_with_the_last_worker() {
    for workers in 1..=3 {
        let (pool, lender) = lent(workers);
        let dropped = Arc::new(AtomicUsize::new(0));
        let sleep = |_| {
            let counted = Counted(Arc::clone(&dropped));
            async move {
                let _counted = counted;
                pending::<()>().await;
            }
        };
        let sleepers = asleep(&pool, (0..20).map(sleep));
        let ids = ids(&sleepers);
        lose_all_workers(&pool, &lender);
        for sleeper in sleepers {
            assert!(is_cancelled(ended(sleeper)), "{workers} workers");
        }
        let waits = pool.clone();
        in_time("the wait for quiet", move || waits.wait_idle());
        wait_until(&pool, || dropped.load(Ordering::SeqCst) == 20);
        assert!(pool.spawn(|| ()).is_err(), "the pool is closed");
        reports(&pool, ShutdownPolicy::drain(), &ids);
    }
}

#[test]
fn a_wake_that_no_thread_comes_for_ends_its_future() {
    let (pool, lender) = lent(1);
    let (wake, woken) = oneshot::channel::<()>();
    let mut sleeper = asleep(&pool, [woken]);
    let ids = ids(&sleeper);
    lender.has_all_back(&pool);
    lender.ends();
    wake.send(()).expect("the future sleeps");
    assert!(is_cancelled(ended(sleeper.remove(0))));
    reports(&pool, ShutdownPolicy::drain(), &ids);
}

/// Wakes that race the loss: each future completes on a thread that was there, or is cancelled.
#[test]
fn a_wake_that_races_the_loss_of_the_last_worker_is_answered() {
    for _ in 0..100 {
        let (pool, lender) = lent(2);
        let (wakes, woken): (Vec<_>, Vec<_>) = (0..8).map(|_| oneshot::channel::<()>()).unzip();
        let sleepers = asleep(&pool, woken);
        lender.has_all_back(&pool);
        thread::scope(|threads| {
            threads.spawn(|| {
                for wake in wakes {
                    // One whose future was dropped is too late.
                    let _sent = wake.send(());
                }
            });
            lose_all_workers(&pool, &lender);
        });
        for sleeper in sleepers {
            let end = ended(sleeper);
            assert!(matches!(end, Ok(_) | Err(JobError::Cancelled)), "{end:?}");
        }
        let report = in_time("the shutdown", move || pool.shutdown(LIMIT));
        assert!(report.balances() && report.is_safe_to_exit(), "{report}");
    }
}

#[test]
fn the_last_handle_of_a_pool_without_workers_goes_at_once() {
    let (pool, lender) = lent_and_dropped(2);
    let sleepers = asleep(&pool, (0..4).map(|_| pending::<()>()));
    lose_all_workers(&pool, &lender);
    in_time("the drop", move || drop(pool));
    for sleeper in sleepers {
        assert!(is_cancelled(ended(sleeper)));
    }
}

/// The shutdown itself asks for a thread to end the future, and finds that none comes.
#[test]
fn a_shutdown_that_no_thread_comes_for_ends_what_sleeps() {
    let (pool, lender) = lent(2);
    let sleepers = asleep(&pool, (0..4).map(|_| pending::<()>()));
    let ids = ids(&sleepers);
    lender.has_all_back(&pool);
    lender.ends();
    let policy = ShutdownPolicy::new(Duration::ZERO).cancel_grace(LIMIT);
    let report = reports(&pool, policy, &ids);
    assert!(report.took() < LIMIT, "{report}");
    for sleeper in sleepers {
        assert!(is_cancelled(ended(sleeper)));
    }
}

/// Cancels at the same moment: both sides may have to end the futures.
#[test]
fn a_shutdown_that_races_the_loss_of_the_last_worker_ends_what_sleeps() {
    for _ in 0..100 {
        let (pool, lender) = lent(2);
        let sleepers = asleep(&pool, (0..4).map(|_| pending::<()>()));
        let ids = ids(&sleepers);
        thread::scope(|threads| {
            threads.spawn(|| {
                lender.ends();
                while pool.try_submit(nothing).is_ok() {}
            });
            let policy = ShutdownPolicy::new(Duration::ZERO).cancel_grace(LIMIT);
            let inside = pool.clone();
            let report = in_time("the shutdown", move || inside.shutdown(policy));
            assert!(report.balances() && report.is_safe_to_exit(), "{report}");
            let named = |id| report.cut_short().iter().any(|it| it.id == id);
            assert!(ids.iter().copied().all(named), "{report}");
        });
        for sleeper in sleepers {
            assert!(is_cancelled(ended(sleeper)));
        }
    }
}

/// Each awaits the one before, and holds the sender that the one after waits for. So each end ends
/// the next two, on a small stack.
#[test]
fn a_chain_of_futures_that_end_with_the_last_worker_needs_no_stack() {
    const LENGTH: usize = 20_000;
    let (pool, lender) = lent(1);
    let (first, mut woken) = oneshot::channel::<()>();
    let mut before = pool.spawn_future(pending::<()>()).expect("it is open");
    for _ in 0..LENGTH {
        let (wakes_next, next) = oneshot::channel::<()>();
        let signal = std::mem::replace(&mut woken, next);
        let link = async move {
            let _wakes_next = wakes_next;
            tokio::select! {
                _ = before => {}
                _ = signal => {}
            }
        };
        before = pool.spawn_future(link).expect("it is open");
    }
    wait_until(&pool, || pool.stats().running > LENGTH as u64);
    let small = thread::Builder::new().stack_size(256 * 1024);
    let inside = pool.clone();
    let loses = small.spawn(move || lose_all_workers(&inside, &lender));
    loses
        .expect("a thread")
        .join()
        .expect("its stack is enough");
    assert!(is_cancelled(ended(before)));
    drop(first);
    let waits = pool.clone();
    in_time("the wait for quiet", move || waits.wait_idle());
}

/// What a future captured may use the pool as it is dropped, and wait for it.
#[test]
fn what_ends_with_the_last_worker_may_wait_for_the_pool() {
    struct Waits(Lent, mpsc::Sender<u64>);
    impl Drop for Waits {
        fn drop(&mut self) {
            self.0.wait_idle();
            let is_refused = self.0.spawn(|| ()).is_err();
            let running = self.0.stats().running;
            // The test listens, or has failed.
            let _heard = self.1.send(running + u64::from(!is_refused));
        }
    }
    let (pool, lender) = lent(2);
    let (send, heard) = mpsc::channel();
    let sleep = |_| {
        let waits = Waits(pool.clone(), send.clone());
        async move {
            let _waits = waits;
            pending::<()>().await;
        }
    };
    let sleepers = asleep(&pool, (0..4).map(sleep));
    let inside = pool.clone();
    in_time("the loss", move || lose_all_workers(&inside, &lender));
    for sleeper in sleepers {
        assert!(is_cancelled(ended(sleeper)));
        assert_eq!(heard.recv_timeout(LIMIT), Ok(0), "none is in flight");
    }
}

/// A future that shuts its own pool down sleeps in that as the last worker is lost.
#[test]
fn a_future_that_waits_for_the_end_of_its_pool_ends_with_the_last_worker() {
    let (pool, lender) = lent(2);
    let inside = pool.clone();
    let shuts_down = async move {
        inside.shutdown_async(ShutdownPolicy::drain()).await;
    };
    let mut sleeper = asleep(&pool, [pending::<()>()]);
    let mut waiter = vec![pool.spawn_future(shuts_down).expect("it is open")];
    wait_until(&pool, || pool.is_closed() && pool.stats().queued == 0);
    let ids = [ids(&sleeper), ids(&waiter)].concat();
    // It is closed: the workers are resumed by wakes alone.
    lender.has_all_back(&pool);
    lender.ends();
    let policy = ShutdownPolicy::new(Duration::ZERO).cancel_grace(LIMIT);
    reports(&pool, policy, &ids);
    assert!(is_cancelled(ended(sleeper.remove(0))));
    assert!(is_cancelled(ended(waiter.remove(0))));
}
