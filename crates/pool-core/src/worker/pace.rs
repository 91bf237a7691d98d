//! `Pace`: how long the jobs of a worker last, on average over all that it ran between two sleeps.
//!
//! What a wake costs next to a job decides how many workers are woken, and how soon (see `hints`).
//! The clock is read where the worker has just slept, and where it gives up its core for the first
//! time as it finds nothing, so jobs pay nothing.
//!
//! What is measured contains the worker's searches as well, except for the last one, and each look
//! counts as a job, also one in vain. So the average is a rough one. A worker that was woken in
//! vain has no job to tell of.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// What one worker measures of its jobs. Used by its own thread alone.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the worker last woke, and how many times it had looked for a job by then.
    since: Cell<Option<(Instant, u32)>>,
    /// Whether it has found a job since.
    has_found: Cell<bool>,
}

impl Pace {
    /// Notes that the worker has slept, and had looked for jobs that many times by then.
    pub(super) fn begin(&self, now: Instant, looks: u32) {
        self.since.set(Some((now, looks)));
        self.has_found.set(false);
    }

    /// Notes that the worker has found a job.
    pub(super) fn found(&self) {
        self.has_found.set(true);
    }

    /// Returns how long jobs lasted on average since the worker woke. It is about to sleep, and has
    /// had nothing to do since `now`. `None`: it was woken in vain.
    pub(super) fn end(&self, now: Instant, looks: u32) -> Option<Duration> {
        let (since, looks_before) = self.since.take().filter(|_| self.has_found.get())?;
        let looks = looks.wrapping_sub(looks_before).max(1);
        Some(now.saturating_duration_since(since) / looks)
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::time::{Duration, Instant};

    use super::Pace;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_average_is_of_the_looks_since_the_last_sleep() {
        let (pace, start) = (Pace::default(), Instant::now());
        pace.begin(start, u32::MAX);
        pace.found();
        assert_eq!(pace.end(start + SECOND, 0), Some(SECOND));
        pace.begin(start, 8);
        pace.found();
        assert_eq!(pace.end(start + SECOND, 10), Some(SECOND / 2));
    }

    #[test]
    fn a_sleep_without_a_beginning_or_without_a_job_teaches_nothing() {
        let (pace, start) = (Pace::default(), Instant::now());
        pace.found();
        assert_eq!(pace.end(start + SECOND, 1), None);
        pace.begin(start, 1);
        assert_eq!(pace.end(start + SECOND, 1), None);
    }
}
