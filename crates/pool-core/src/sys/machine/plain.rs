//! The machine itself: every call is `std`'s.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Point;

pub use std::thread::{
    JoinHandle, Scope, ScopedJoinHandle, Thread, current, scope, spawn, yield_now,
};

/// Whether a simulator runs the calling thread.
#[inline(always)]
pub fn is_simulated() -> bool {
    false
}

/// What the clock says.
#[inline(always)]
pub fn now() -> Instant {
    Instant::now()
}

/// Nothing.
#[inline(always)]
pub fn point(_point: Point) {}

/// Sleeps until unparked, or until the limit; it may return early.
pub fn park(limit: Option<Instant>) {
    match limit {
        None => thread::park(),
        Some(limit) => thread::park_timeout(limit.saturating_duration_since(Instant::now())),
    }
}

/// Sleeps for so long, whoever unparks it.
pub fn sleep(time: Duration) {
    thread::sleep(time);
}

/// The next number for a job, where a simulator numbers them.
#[inline(always)]
pub fn next_job() -> Option<u64> {
    None
}

/// A choice among `options`, where a simulator makes them.
#[inline(always)]
pub fn draw(_options: usize) -> Option<usize> {
    None
}

/// How many turns the threads of a simulation have had.
#[inline(always)]
pub fn turns() -> Option<u64> {
    None
}

/// Locks, whether or not another thread panicked while it held the lock.
#[inline]
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a thread with a name, and a stack size if not the system's.
///
/// # Errors
/// The system refused the thread.
pub fn spawn_named<T: Send + 'static>(
    name: String,
    stack_size: Option<usize>,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let mut thread = thread::Builder::new().name(name);
    if let Some(bytes) = stack_size {
        thread = thread.stack_size(bytes);
    }
    thread.spawn(body)
}

/// Waits for the end of a thread, unless it is the caller.
pub fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != thread::current().id() {
        // What panicked there was reported by the panic hook.
        let _ended = thread.join();
    }
}
