//! `Pace`: how long the jobs of a worker last, on average over all that it ran between two sleeps.
//!
//! A worker that found a job wakes others for those that are still queued. How many, and how soon,
//! depends on what a wake costs next to a job. The clock is read where the worker has just slept,
//! and where it gives up its core for the first time as it finds nothing, so jobs pay nothing.
//!
//! What is measured contains the worker's searches as well, except for the last one, so the average
//! is a rough one.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// What one worker measures of its jobs. Used by its own thread alone.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the worker last woke, and how many jobs had ended on it by then.
    since: Cell<Option<(Instant, u64)>>,
}

impl Pace {
    /// Notes that the worker has slept, and that many jobs had ended on it by then.
    pub(super) fn begin(&self, now: Instant, ended: u64) {
        self.since.set(Some((now, ended)));
    }

    /// Returns how long jobs lasted on average since the worker woke. It is about to sleep, and has
    /// had nothing to do since `now`. `None`: none has ended.
    pub(super) fn end(&self, now: Instant, ended: u64) -> Option<Duration> {
        let (since, ended_before) = self.since.take()?;
        let jobs = u32::try_from(ended.wrapping_sub(ended_before)).unwrap_or(u32::MAX);
        now.saturating_duration_since(since).checked_div(jobs)
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::time::{Duration, Instant};

    use super::Pace;

    #[test]
    fn the_average_is_of_the_jobs_since_the_last_sleep() {
        let (pace, start, second) = (Pace::default(), Instant::now(), Duration::from_secs(1));
        pace.begin(start, 7);
        assert_eq!(pace.end(start + second, 8), Some(second));
        pace.begin(start, 8);
        assert_eq!(pace.end(start + second, 10), Some(second / 2));
    }

    #[test]
    fn a_sleep_without_a_beginning_or_without_a_job_teaches_nothing() {
        let (pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.end(start + Duration::from_secs(1), 1), None);
        pace.begin(start, 1);
        assert_eq!(pace.end(start + Duration::from_secs(1), 1), None);
    }
}
