//! `Pace`: how long the jobs of a worker last, on average over all that it ran between two sleeps.
//!
//! A worker that found a job wakes others for those that are still queued. How many, and how soon,
//! depends on what a wake costs next to a job. The clock is read where the worker has just slept,
//! and where it gives up its core for the first time as it finds nothing, so jobs pay nothing.
//!
//! What is measured contains the worker's searches as well, except for the last one, and each look
//! counts as a job, also one in vain. So the average is a rough one.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Jobs that last at least this long are long: to wake two workers takes much less.
const LONG: Duration = Duration::from_micros(25);

/// What one worker has learned of its jobs. Used by its own thread alone.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the worker last woke, and how many times it had looked for a job by then.
    since: Cell<Option<(Instant, u32)>>,
    /// How long jobs lasted on average before the last sleep.
    average: Cell<Duration>,
}

impl Pace {
    /// Notes that the worker has slept, and had looked for jobs that many times by then.
    pub(super) fn begin(&self, now: Instant, looks: u32) {
        self.since.set(Some((now, looks)));
    }

    /// Notes that the worker is about to sleep, and has had nothing to do since `now`.
    pub(super) fn end(&self, now: Instant, looks: u32) {
        if let Some((since, looks_before)) = self.since.take() {
            let looks = looks.wrapping_sub(looks_before).max(1);
            self.average
                .set(now.saturating_duration_since(since) / looks);
        }
    }

    /// Returns whether jobs were long before the last sleep.
    pub(super) fn is_long(&self) -> bool {
        self.average.get() >= LONG
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LONG, Pace};

    #[test]
    fn the_average_of_the_jobs_since_the_last_sleep_counts() {
        let (pace, start) = (Pace::default(), Instant::now());
        assert!(!pace.is_long(), "nothing is known");
        pace.begin(start, u32::MAX);
        pace.end(start + LONG, 0);
        assert!(pace.is_long());
        pace.begin(start, 0);
        assert!(pace.is_long(), "nothing new is known");
        pace.end(start + LONG, 2);
        assert!(!pace.is_long(), "two jobs took as long");
    }

    #[test]
    fn a_sleep_without_a_beginning_teaches_nothing() {
        let (pace, start) = (Pace::default(), Instant::now());
        pace.end(start + Duration::from_secs(1), 1);
        assert!(!pace.is_long());
    }
}
