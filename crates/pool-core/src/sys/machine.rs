//! The abstraction layer over what a thread asks of the machine it runs on: time, sleep, other
//! threads; so that a simulator can stand in for it.
//!
//! Without the feature `sim` every name here is `std`'s, or a call of it. With it, a thread that a
//! `Simulator` runs asks that one instead, and every other thread pays a look at a thread-local
//! flag. All code of this workspace that waits, reads the clock or starts a thread does so through
//! here. No part of the pool's contract: for backends, the conformance kit and the simulator alone.

#[cfg(not(feature = "sim"))]
mod plain;
#[cfg(feature = "sim")]
mod simulated;
#[cfg(feature = "sim")]
mod threads;

use std::time::{Duration, Instant};

use crate::job::id::JobId;

#[cfg(not(feature = "sim"))]
pub use plain::{
    JoinHandle, Scope, ScopedJoinHandle, Thread, current, draw, is_simulated, join, lock, next_job,
    now, park, point, scope, sleep, spawn, spawn_named, turns, yield_now,
};
#[cfg(feature = "sim")]
pub use simulated::{
    Simulator, Thread, current, draw, is_simulated, lock, next_job, now, park, point, simulate,
    sleep, this_simulation, turns, yield_now,
};
#[cfg(feature = "sim")]
pub use threads::{JoinHandle, Scope, ScopedJoinHandle, join, scope, spawn, spawn_named};

/// A place in the pool's code at which a simulator may let another thread go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A job is about to be pushed.
    Submit(JobId),
    /// It was, in the pool of this number, and nobody has been told yet.
    Pushed(JobId, u32),
    /// There was no place for it, or the pool was closed.
    Refused(JobId),
    /// A swap has moved it to another pool.
    Moved(JobId),
    /// A worker is about to look for a job.
    Look,
    /// It took one.
    Took(JobId),
    /// The job's own code begins, or a future's next poll. The one place where the simulator may
    /// panic: as the job would.
    Begin(JobId),
    /// A worker is done with a job, for now or for good.
    Done(JobId),
    /// A worker found nothing, and is about to say that it sleeps.
    Rest,
    /// A thread asks whether something is so, and may ask again and again.
    Ask,
    /// A thread is about to wait for a job's outcome.
    Join(JobId),
    /// A job was asked to stop.
    Cancel(JobId),
    /// The pool is closed to outsiders.
    Close,
    /// The grace is over: the pool is being cancelled.
    CancelAll,
    /// The workers of a pool are to end.
    Stop,
    /// Queued jobs are held back from here on.
    Pause,
    /// Queued jobs are not held back any more; the workers have not been told.
    Resume,
}

/// Returns the time since `start`, or zero if that is later than now.
#[inline]
pub fn since(start: Instant) -> Duration {
    now().saturating_duration_since(start)
}
