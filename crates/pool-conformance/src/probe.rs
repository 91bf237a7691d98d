//! What the tests of the rules share: events with a limit, jobs that block, counters of live values.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pool_core::{Executor, PoolConfig};

use crate::fixture::Fixture;

/// The limit of every single wait. Only a hang meets it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A pool of `workers` and `capacity`.
///
/// # Panics
/// If the executor refuses: the rule fails.
pub fn pool<F: Fixture>(workers: usize, capacity: usize) -> F::Pool {
    let mut config = PoolConfig::default();
    config.set_workers(workers);
    config.set_capacity(capacity);
    F::build(config).expect("a plain configuration is accepted")
}

/// A count that threads wait on.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<(Mutex<usize>, Condvar)>);

impl Count {
    /// Zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, and returns the sum.
    pub fn add(&self) -> usize {
        let mut count = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        self.0.1.notify_all();
        *count
    }

    /// What it is now.
    pub fn get(&self) -> usize {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is at least `goal`.
    ///
    /// # Panics
    /// After [`PATIENCE`], with what it had come to.
    pub fn wait_for(&self, goal: usize) {
        let limit = Instant::now() + PATIENCE;
        let mut count = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *count < goal {
            let left = limit.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited for {goal} events and saw {}",
                *count
            );
            count = self
                .0
                .1
                .wait_timeout(count, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// A gate that jobs wait at until it is opened. Opened by its drop too, so that a failed test leaves no job behind.
#[derive(Debug, Default)]
pub struct Gate(Count);

impl Gate {
    /// Closed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everybody through, for good.
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

/// Waits until `is_so`, looking again and again; for states that nobody announces.
///
/// # Panics
/// After [`PATIENCE`], saying what was waited for and what the pool's books say.
pub fn wait_until(what: &str, pool: &dyn Executor, is_so: impl Fn() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(
            Instant::now() < limit,
            "waited in vain for: {what}; the pool: {}",
            pool.stats()
        );
        std::thread::yield_now();
    }
}
