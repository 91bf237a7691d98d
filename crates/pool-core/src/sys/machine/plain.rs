//! The machine itself: every call is `std`'s.
//!
//! This is what the pools are built on without the feature `sim`. The functions for a simulator are
//! here as well, and do nothing, so that their callers need no `cfg`.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Point;

pub use std::thread::{
    JoinHandle, Scope, ScopedJoinHandle, Thread, current, scope, spawn, yield_now,
};

/// Returns whether a simulator runs the calling thread: never, without the feature `sim`.
#[inline(always)]
pub fn is_simulated() -> bool {
    false
}

/// Returns what the clock says.
#[inline(always)]
pub fn now() -> Instant {
    Instant::now()
}

/// Marks a place in the pool's code for a simulator. Does nothing here.
#[inline(always)]
pub fn point(_point: Point) {}

/// Sleeps until the thread is unparked, or until the limit; it may return early.
pub fn park(limit: Option<Instant>) {
    match limit {
        None => thread::park(),
        Some(limit) => thread::park_timeout(limit.saturating_duration_since(Instant::now())),
    }
}

/// Sleeps for `time`. An unpark does not end it.
pub fn sleep(time: Duration) {
    thread::sleep(time);
}

/// Returns the next number for a job, where a simulator numbers them: `None` here.
#[inline(always)]
pub fn next_job() -> Option<u64> {
    None
}

/// Returns a choice among `options`, where a simulator makes them: `None` here.
#[inline(always)]
pub fn draw(_options: usize) -> Option<usize> {
    None
}

/// Returns how many turns the threads of a simulation have had: `None` here.
#[inline(always)]
pub fn turns() -> Option<u64> {
    None
}

/// Locks, whether or not another thread panicked while it held the lock. To be used where no code
/// that may panic can leave the data half-changed.
#[inline]
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a thread with a name, and with a stack of `stack_size` bytes, or of the system's default
/// size. The handle may be dropped: the thread then goes on by itself.
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

/// Waits for the end of a thread, unless it is the caller. A panic of the thread is not passed on.
pub fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != thread::current().id() {
        // What panicked there was reported by the panic hook.
        let _ended = thread.join();
    }
}
