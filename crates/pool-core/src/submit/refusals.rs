//! What a pool knows of jobs that it did not take in, and of the waits for a place: its counts, and
//! what its observers hear.
//!
//! # What is counted
//! A job that comes back to its submitter, once, by the reason that the call gives. A try that
//! fails is no refusal: a submitter that waits tries many times, a child that finds no room runs in
//! place, and a map holds its input back. So nothing is counted where a queue is found full. It is
//! counted where the answer of a whole submission is known, in the cold functions that only those
//! that found no room pass (`admit`, `Admission`); a job that is taken in passes none of it.
//!
//! Nothing is refused that was dropped on its way: a submission future, or a map with an input that
//! it holds back. The jobs of a batch behind the refused one were never tried. A bare
//! [`try_accept`](crate::Executor::try_accept) is a try: a decorator makes one for each try of a
//! submission, and cannot know which is the last.
//!
//! # Where it is counted
//! In the room that the executor shows. All generations of a pool share it, so a swap changes no
//! count, and a decorator shows that of its pool. So what a decorator turns away is counted as its
//! pool's. The counts lie apart from what each submission looks at: threads that try again and
//! again slow each other down, and nobody else.
//!
//! # Who is told, and when
//! The observers of that room, on the thread that submits or polls, after it has counted, and with
//! the task still there, which has the job's name and values. By then the submitter has left the
//! line: an observer that submits to the pool is never in line behind its own caller. No lock is
//! held, a panic is contained and counted, and a forked child tells nobody.
//!
//! A job that is refused has not ended. Its token may be cancelled meanwhile; it comes back all the
//! same.
//!
//! # Waits
//! A wait begins when the first try has found no room, and ends with the last one. A child that
//! runs in place waits for nothing, and what it runs for is no wait. The clock is read on this path
//! alone, and only if an observer wants to know.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::pool::lifecycle::Lifecycle;
use crate::pool::observer::{Observed, Observers};
use crate::submit::error::Refused;
use crate::submit::executor::{Executor, newest_life};
use crate::sys::machine;
use crate::task::Task;

/// Why a job came back to its submitter.
///
/// [`Observer::refused`](crate::Observer::refused) gets one; [`Stats`](crate::Stats) counts by it.
///
/// # Examples
/// ```
/// use pool_core::Refusal;
///
/// assert_eq!(Refusal::ALL.map(|reason| reason.to_string()), ["full", "closed"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There was no room, for as long as the submitter was willing to wait.
    Full,
    /// Intake has ended for good, or a decorator turned the job away.
    Closed,
}

impl Refusal {
    /// Both reasons.
    pub const ALL: [Self; 2] = [Self::Full, Self::Closed];

    fn of<T>(refused: &Refused<T>) -> Self {
        match refused {
            Refused::Full(_) => Self::Full,
            Refused::Closed(_) => Self::Closed,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Closed => "closed",
        })
    }
}

/// How many jobs came back, by reason.
#[derive(Debug, Default)]
pub(crate) struct RefusalCounts {
    full: AtomicU64,
    closed: AtomicU64,
}

impl RefusalCounts {
    pub(crate) fn get(&self, reason: Refusal) -> u64 {
        self.count(reason).load(Ordering::Relaxed)
    }

    fn count(&self, reason: Refusal) -> &AtomicU64 {
        match reason {
            Refusal::Full => &self.full,
            Refusal::Closed => &self.closed,
        }
    }
}

/// Counts a job that is about to come back to its submitter, and tells the observers.
#[cold]
pub(crate) fn came_back<E: Executor + ?Sized>(executor: &E, refused: &Refused<Task>) {
    let reason = Refusal::of(refused);
    let (Refused::Full(task) | Refused::Closed(task)) = refused;
    came_back_as(executor, reason, |observers, life| {
        observers.refused(&Observed::task(task, life), reason);
    });
}

/// The same for a job of which there may be no task: `tell` tells the observers.
#[cold]
pub(crate) fn came_back_as<E: Executor + ?Sized>(
    executor: &E,
    reason: Refusal,
    tell: impl FnOnce(&Observers, &Lifecycle),
) {
    let room = executor.room();
    room.refusals.count(reason).fetch_add(1, Ordering::Relaxed);
    if let Some(observers) = room.observers()
        && let Some(life) = newest_life(executor)
    {
        tell(observers, &life);
    }
}

/// Counts and tells of a submission that has ended, if its job comes back.
#[inline(always)]
pub(crate) fn told<E: Executor + ?Sized>(
    executor: &E,
    submitted: Result<(), Refused<Task>>,
) -> Result<(), Refused<Task>> {
    if let Err(refused) = &submitted {
        came_back(executor, refused);
    }
    submitted
}

/// A wait for a place, as far as an observer wants to know of it.
#[derive(Debug, Default)]
pub(crate) struct RoomWait {
    since: Option<Instant>,
}

impl RoomWait {
    /// The first try has found no room.
    pub(crate) fn begin<E: Executor + ?Sized>(executor: &E) -> Self {
        let observers = executor.room().observers();
        let wants = observers.is_some_and(Observers::wants_room_waits);
        Self {
            since: wants.then(machine::now),
        }
    }

    /// For how long it has lasted. `None`: nobody wants to know, or there is no wait.
    pub(crate) fn elapsed(&self) -> Option<Duration> {
        let since = self.since?;
        Some(machine::now().saturating_duration_since(since))
    }
}

/// Tells the observers for how long a submitter has waited, which has left the line.
pub(crate) fn waited<E: Executor + ?Sized>(executor: &E, waited: Option<Duration>) {
    if let Some(waited) = waited
        && let Some(observers) = executor.room().observers()
        && newest_life(executor).is_some_and(|life| !life.is_forked())
    {
        observers.waited_for_room(waited);
    }
}
