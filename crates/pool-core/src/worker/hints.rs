//! `Hints`: what the workers of a pool have learned together of its jobs and of the cores.
//!
//! Where jobs last long, a wake costs little next to one. Three things that pay for short jobs are
//! wrong there:
//! - **One wake after the other.** A worker that finds a job wakes two others, not one, as long as
//!   more jobs are queued than workers search.
//! - **Counting on one searcher for all jobs.** It is one thread, and if another one has its core,
//!   it comes milliseconds later. So a submitter wakes a worker too, on the same condition.
//! - **Yields in a search.** Where others keep the core, a yield lasts as long as their turn, and
//!   submitters count on the worker meanwhile. So after a yield of [`LONG_YIELD`], the next
//!   searches of all workers do without.
//!
//! What is learned is a hint: it is read and written without order, and where it is wrong, it costs
//! a wake too many, or one that comes later.

use std::time::Duration;

use crate::sys::sync::{AtomicBool, AtomicU32, Ordering};

/// Jobs that last at least this long are long: to wake two workers takes much less.
const LONG_JOB: Duration = Duration::from_micros(25);

/// A yield that lasts at least this long has cost a job that came meanwhile more than a wake.
const LONG_YIELD: Duration = Duration::from_micros(50);

/// How many searches do without yields after a long one.
const SEARCHES_WITHOUT_YIELDS: u32 = 256;

/// What the workers of a pool have learned. Used by all of them, and read by submitters.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// Whether the last worker that went to sleep had long jobs.
    are_jobs_long: AtomicBool,
    /// How many searches are still to do without yields, about.
    without_yields: AtomicU32,
}

impl Hints {
    /// Whether jobs last so long that a wake costs little next to one.
    pub(crate) fn are_jobs_long(&self) -> bool {
        self.are_jobs_long.load(Ordering::Relaxed)
    }

    /// Notes how long jobs lasted on average on a worker that is about to sleep.
    pub(super) fn note_jobs(&self, average: Duration) {
        let are_long = average >= LONG_JOB;
        // Mostly nothing changes, and the line stays where it is.
        if self.are_jobs_long() != are_long {
            self.are_jobs_long.store(are_long, Ordering::Relaxed);
        }
    }

    /// Notes how long a yield lasted.
    pub(super) fn note_yield(&self, lasted: Duration) {
        if lasted >= LONG_YIELD && self.are_jobs_long() {
            self.without_yields
                .store(SEARCHES_WITHOUT_YIELDS, Ordering::Relaxed);
        }
    }

    /// Whether the search that begins now may yield. Counts it, after a long yield.
    pub(super) fn may_yield(&self) -> bool {
        let left = self.without_yields.load(Ordering::Relaxed);
        if left == 0 {
            return true;
        }
        // Not in one step: if another thread comes in between, some searches more do without.
        self.without_yields.store(left - 1, Ordering::Relaxed);
        !self.are_jobs_long()
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::time::Duration;

    use super::{Hints, LONG_JOB, LONG_YIELD, SEARCHES_WITHOUT_YIELDS};

    #[test]
    fn the_jobs_of_the_last_sleeper_count() {
        let hints = Hints::default();
        assert!(!hints.are_jobs_long(), "nothing is known");
        hints.note_jobs(LONG_JOB);
        assert!(hints.are_jobs_long());
        hints.note_jobs(LONG_JOB - Duration::from_nanos(1));
        assert!(!hints.are_jobs_long());
    }

    #[test]
    fn searches_do_without_yields_for_a_while_after_a_long_one() {
        let hints = Hints::default();
        hints.note_jobs(LONG_JOB);
        hints.note_yield(LONG_YIELD - Duration::from_nanos(1));
        assert!(hints.may_yield());
        hints.note_yield(LONG_YIELD);
        for _ in 0..SEARCHES_WITHOUT_YIELDS {
            assert!(!hints.may_yield());
        }
        assert!(hints.may_yield());
    }

    #[test]
    fn where_jobs_are_short_searches_yield_whatever_it_takes() {
        let hints = Hints::default();
        hints.note_yield(LONG_YIELD);
        assert!(hints.may_yield());
        hints.note_jobs(LONG_JOB);
        hints.note_yield(LONG_YIELD);
        hints.note_jobs(Duration::ZERO);
        assert!(hints.may_yield());
    }
}
