//! A clock for the starts of jobs, most of which are too short for one.

use std::cell::Cell;

use crate::pool::lifecycle::Lifecycle;

/// Jobs after which the clock is read for the reports' "running for", and the time below which that
/// is often enough.
const MOST_JOBS_A_READING: u32 = 64;
const BUSY_NANOS: u64 = 100_000;

/// A clock read seldom while jobs are short and for each job while they are long.
///
/// A reading serves the next jobs for as long as the last batch of them was short in sum, and at
/// most 64 of them. So a job's start is never noted too late, and too early by at most what the
/// jobs since the last reading took.
#[derive(Default)]
pub(crate) struct SampledClock {
    reading: Cell<u64>,
    jobs_left: Cell<u32>,
    batch: Cell<u32>,
}

impl SampledClock {
    /// What it said last.
    pub(crate) fn last_reading(&self) -> u64 {
        self.reading.get()
    }

    #[inline]
    pub(crate) fn now(&self, life: &Lifecycle) -> u64 {
        let left = self.jobs_left.get();
        if left > 0 {
            self.jobs_left.set(left - 1);
            return self.reading.get();
        }
        self.read(life)
    }

    #[cold]
    fn read(&self, life: &Lifecycle) -> u64 {
        let now = life.age.nanos();
        let is_busy = now - self.reading.replace(now) < BUSY_NANOS;
        let batch = if is_busy {
            (self.batch.get() * 2 + 1).min(MOST_JOBS_A_READING)
        } else {
            0
        };
        self.batch.set(batch);
        self.jobs_left.set(batch);
        now
    }
}
