//! What the tests of the rules share: events with a limit, jobs that block, counters of live
//! values.

use std::convert::Infallible;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use pool_core::backend::PoolConfig;
use pool_core::machine::{self, Thread};
use pool_core::{
    Executor, ExecutorExt, Interrupted, JobContext, JobError, JobHandle, ShutdownReport, Stats,
};

#[cfg(feature = "rules")]
use crate::subject::{Subject, TestedPool};
use crate::thread::{self, ThreadId};

/// The limit of every single wait. Only a hang meets it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What the contract calls promptly.
pub(crate) const PROMPT: Duration = Duration::from_secs(1);

/// A limit that no rule waits for.
pub(crate) const FAR: Duration = Duration::from_secs(3600);

/// The message for a submission that must succeed, since the pool has free slots.
pub(crate) const ROOM: &str = "there is room";

/// How long to watch a wait that must not end yet.
pub(crate) const WINDOW: Duration = Duration::from_millis(50);

/// `workers` and `capacity`, and all else by default.
pub(crate) fn plain(workers: usize, capacity: usize) -> PoolConfig {
    let mut config = PoolConfig::default();
    config.set_workers(workers);
    config.set_capacity(capacity);
    config
}

/// A pool of `workers` and `capacity`.
///
/// # Panics
/// If the executor refuses: the rule fails.
#[cfg(feature = "rules")]
pub(crate) fn pool(subject: Subject, workers: usize, capacity: usize) -> TestedPool {
    let config = plain(workers, capacity);
    subject
        .build(config)
        .expect("a plain configuration is accepted")
}

/// Has `workers` jobs wait at a gate, and returns once all of them run: the pool has no worker
/// left.
///
/// # Panics
/// If the pool refuses them, or does not start them.
pub fn occupy(pool: &dyn Executor, workers: usize) -> Gate {
    let (gate, started) = (Gate::new(), Count::new());
    for _ in 0..workers {
        let (pass, started) = (gate.pass(), started.clone());
        let held = pool.spawn(move || {
            started.add();
            pass.wait();
        });
        held.expect("an open pool takes a job").detach();
    }
    started.wait_for(workers);
    gate
}

/// Submits `workers` jobs that wait for each other, so they end only if that many run at once.
/// Returns where each ran: the worker's index and the thread's id.
///
/// # Panics
/// If they do not all run at once.
pub fn meet(pool: &dyn Executor, workers: usize) -> Vec<(usize, ThreadId)> {
    let here = Count::new();
    let come = |_| {
        let here = here.clone();
        let job = move |ctx: &JobContext<'_>| {
            here.add();
            here.wait_for(workers);
            Ok::<_, Infallible>((ctx.worker(), thread::current().id()))
        };
        pool.submit(job).expect("an open pool takes a job")
    };
    let handles: Vec<_> = (0..workers).map(come).collect();
    let met = handles.into_iter().map(ended);
    met.map(|place| place.expect("as many jobs run at once as there are workers"))
        .collect()
}

/// Waits for the outcome of a job.
///
/// # Errors
/// As the handle's.
///
/// # Panics
/// After [`PATIENCE`].
pub fn ended<T, E>(handle: JobHandle<T, E>) -> Result<T, JobError<E>> {
    handle
        .join_timeout(PATIENCE)
        .unwrap_or_else(|handle| panic!("{handle:?} has no outcome after {PATIENCE:?}"))
}

/// Calls `wait`, which must not return before `release` was called.
pub(crate) fn returns_only_after<R>(release: impl FnOnce() + Send, wait: impl FnOnce() -> R) -> R {
    thread::scope(|threads| {
        let returned = Count::new();
        let seen = returned.clone();
        let releaser = threads.spawn(move || {
            let is_waiting = !seen.reaches(1, Some(WINDOW));
            release();
            is_waiting
        });
        let result = wait();
        returned.add();
        let is_waiting = releaser.join().expect("the release is no test");
        assert!(is_waiting, "it returned with jobs unfinished");
        result
    })
}

/// Waits until the clock has passed `when`, which no event tells.
pub(crate) fn let_pass(when: Instant) {
    Count::new().stays_below(1, when.saturating_duration_since(thread::now()));
}

/// For a job: runs until it is asked to stop, and says how it was asked.
pub(crate) fn until_interrupted(ctx: &JobContext<'_>) -> Interrupted {
    let limit = thread::now() + PATIENCE;
    loop {
        if let Err(interrupted) = ctx.check() {
            return interrupted;
        }
        assert!(thread::now() < limit, "nobody asked the job to stop");
        thread::yield_now();
    }
}

/// The report, with a column for each way to end; the last is for jobs that did not start.
pub(crate) fn columns_of(report: &ShutdownReport) -> [u64; 7] {
    [
        report.completed(),
        report.failed(),
        report.panicked(),
        report.cancelled(),
        report.expired(),
        report.abandoned(),
        report.unstarted(),
    ]
}

/// Reads the stats repeatedly while `act` runs: no count falls, and no more jobs end than were
/// accepted.
///
/// # Panics
/// If the stats are wrong, with their values.
pub(crate) fn books_only_grow<R>(pool: &(impl Executor + ?Sized), act: impl FnOnce() -> R) -> R {
    let is_over = Count::new();
    thread::scope(|threads| {
        let reader = threads.spawn(|| {
            let mut former = pool.stats();
            while is_over.get() == 0 {
                let now = pool.stats();
                assert_sound(&now);
                assert!(
                    is_grown(&former, &now),
                    "a count fell: {former}, and later {now}"
                );
                former = now;
                thread::yield_now();
            }
        });
        let result = {
            let _over = CountAtEnd(&is_over);
            act()
        };
        if let Err(panic) = reader.join() {
            resume_unwind(panic);
        }
        result
    })
}

/// Counts when it is dropped, also by a panic.
struct CountAtEnd<'a>(&'a Count);

impl Drop for CountAtEnd<'_> {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// Whether no count has fallen between two reads of a pool's stats (`R701`).
pub fn is_grown(former: &Stats, now: &Stats) -> bool {
    let counts = |stats: &Stats| {
        [
            stats.accepted,
            stats.completed,
            stats.failed,
            stats.panicked,
            stats.cancelled,
            stats.expired,
            stats.abandoned,
            stats.unstarted,
            stats.refused_full,
            stats.refused_closed,
            stats.swaps,
        ]
    };
    let pairs = counts(former).into_iter().zip(counts(now));
    pairs.into_iter().all(|(former, now)| former <= now)
}

/// No more jobs ended than were accepted. A negative difference would show as a count near the
/// maximum, or as a panic.
pub(crate) fn assert_sound(stats: &Stats) {
    let out = [
        stats.finished(),
        stats.unstarted,
        stats.queued,
        stats.running,
    ];
    let sum = out.iter().try_fold(0_u64, |sum, n| sum.checked_add(*n));
    assert!(
        sum.is_some_and(|sum| sum <= stats.accepted),
        "more in and out of the pool than it accepted: {stats}"
    );
}

/// Polls a future by hand, once. `woken` counts the wakes that follow.
pub fn poll_once<T: Future + ?Sized>(future: Pin<&mut T>, woken: &Count) -> Poll<T::Output> {
    let waker = Waker::from(Arc::new(CountWakes(woken.clone())));
    future.poll(&mut Context::from_waker(&waker))
}

/// Polls a future until it is ready, and polls again only after a wake.
///
/// # Panics
/// After [`PATIENCE`] without a wake.
pub fn ready<T: Future + ?Sized>(mut future: Pin<&mut T>) -> T::Output {
    let woken = Count::new();
    loop {
        let seen = woken.get();
        if let Poll::Ready(output) = poll_once(future.as_mut(), &woken) {
            return output;
        }
        woken.wait_for(seen + 1);
    }
}

struct CountWakes(Count);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.add();
    }
}

/// What threads saw, in the order in which they recorded it.
#[derive(Debug)]
pub struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Log<T> {
    /// Empty.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Adds an entry.
    pub fn note(&self, entry: T) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push(entry);
    }

    /// Takes the entries so far.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A count that threads can wait for.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<Mutex<Counted>>);

#[derive(Debug, Default)]
struct Counted {
    count: usize,
    /// Threads to wake at each event. They park outside the lock.
    waiting: Vec<Thread>,
}

impl Count {
    /// Zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, and returns the sum.
    pub fn add(&self) -> usize {
        let mut counted = self.lock();
        counted.count += 1;
        let (count, waiting) = (counted.count, std::mem::take(&mut counted.waiting));
        drop(counted);
        waiting.iter().for_each(Thread::unpark);
        count
    }

    /// The current count.
    pub fn get(&self) -> usize {
        self.lock().count
    }

    /// Checks for `time` that the count stays below `goal`.
    ///
    /// # Panics
    /// As soon as it reaches `goal`.
    pub fn stays_below(&self, goal: usize, time: Duration) {
        let is_reached = self.reaches(goal, Some(time));
        assert!(!is_reached, "saw {} events, too early", self.get());
    }

    /// Waits until it is at least `goal`.
    ///
    /// # Panics
    /// After [`PATIENCE`], with the count that was reached.
    pub fn wait_for(&self, goal: usize) {
        let is_reached = self.reaches(goal, Some(PATIENCE));
        assert!(
            is_reached,
            "waited for {goal} events and saw {}",
            self.get()
        );
    }

    /// Waits for at most `time` until the count is at least `goal`. Returns whether it is.
    pub(crate) fn reaches(&self, goal: usize, time: Option<Duration>) -> bool {
        let limit = time.and_then(|time| thread::now().checked_add(time));
        loop {
            let mut counted = self.lock();
            if counted.count >= goal {
                return true;
            }
            counted.waiting.push(machine::current());
            drop(counted);
            if limit.is_some_and(|limit| thread::now() >= limit) {
                return self.get() >= goal;
            }
            machine::park(limit);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A gate that jobs wait at until it is opened. Its drop opens it too, so a failed test leaves no
/// job behind.
#[derive(Debug, Default)]
pub struct Gate(Count);

impl Gate {
    /// Closed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the gate for good.
    pub fn open(&self) {
        self.0.add();
    }

    /// For a job: waits here.
    pub fn pass(&self) -> Pass {
        Pass(self.0.clone())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

/// A job's side of a [`Gate`].
#[derive(Debug, Clone)]
pub struct Pass(Count);

impl Pass {
    /// Waits until the gate is open.
    pub fn wait(&self) {
        self.0.wait_for(1);
    }
}

/// Counts values that are alive: made, and not yet dropped.
#[derive(Debug, Clone, Default)]
pub struct Alive(Arc<AtomicUsize>);

impl Alive {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// A value that counts until it is dropped.
    pub fn value(&self) -> AliveValue {
        self.0.fetch_add(1, Ordering::SeqCst);
        AliveValue(Arc::clone(&self.0))
    }

    /// How many are alive.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// See [`Alive::value`].
#[derive(Debug)]
pub struct AliveValue(Arc<AtomicUsize>);

impl Drop for AliveValue {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Polls until `is_so` returns true; for states that no event announces.
///
/// # Panics
/// After [`PATIENCE`], with what was waited for and the pool's stats.
pub fn wait_until(what: &str, pool: &dyn Executor, is_so: impl Fn() -> bool) {
    let limit = thread::now() + PATIENCE;
    while !is_so() {
        assert!(
            thread::now() < limit,
            "waited in vain for: {what}; the pool: {}",
            pool.stats()
        );
        thread::yield_now();
    }
}
