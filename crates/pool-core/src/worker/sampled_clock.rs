//! `SampledClock`: gives each job the time of its start, and reads the system's clock only once for
//! many short jobs.

use std::cell::Cell;

use crate::pool::lifecycle::Lifecycle;

/// The most jobs that one reading of the clock serves, for the reports' "running for".
const MAX_JOBS_A_READING: u32 = 64;
/// How long the jobs since the last reading may have taken in sum for readings to become fewer.
const BUSY_NANOS: u64 = 100_000;

/// A clock read seldom while jobs are short and for each job while they are long.
///
/// A reading serves the next jobs for as long as the last batch of them was short in sum, and at
/// most 64 of them. So a job's start is never noted too late, and too early by at most what the
/// jobs since the last reading took, and the looks between them. A worker that has slept reads
/// anew.
#[derive(Default)]
pub(crate) struct SampledClock {
    /// What the clock said last, in nanoseconds of the pool's age.
    reading: Cell<u64>,
    /// How many more jobs the reading serves.
    jobs_left: Cell<u32>,
    /// How many jobs the reading was to serve when it was taken. It about doubles while jobs are
    /// short, and falls to zero at a long one.
    batch: Cell<u32>,
}

impl SampledClock {
    /// Returns the start of the job that was begun last.
    pub(crate) fn last_reading(&self) -> u64 {
        self.reading.get()
    }

    /// The worker has slept: the next job reads the clock.
    pub(super) fn forget(&self) {
        self.jobs_left.set(0);
    }

    /// Returns the start of a job that begins now: the last reading, if that may serve one more,
    /// otherwise a new one. `life` gives the age.
    #[inline]
    pub(crate) fn now(&self, life: &Lifecycle) -> u64 {
        let left = self.jobs_left.get();
        if left > 0 {
            self.jobs_left.set(left - 1);
            return self.reading.get();
        }
        self.read(life)
    }

    /// Reads the clock, and decides how many jobs the reading serves.
    #[cold]
    fn read(&self, life: &Lifecycle) -> u64 {
        let now = life.age.nanos();
        let is_busy = now - self.reading.replace(now) < BUSY_NANOS;
        let batch = if is_busy {
            (self.batch.get() * 2 + 1).min(MAX_JOBS_A_READING)
        } else {
            0
        };
        self.batch.set(batch);
        self.jobs_left.set(batch);
        now
    }
}
