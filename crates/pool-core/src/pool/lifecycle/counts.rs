//! The books of a pool: what its statistics and its report are made of.

use std::time::Duration;

use super::Lifecycle;
use crate::pool::ledger::Column;
use crate::pool::off_worker::Frozen;
use crate::pool::report::RunningJob;
use crate::pool::stats::{Stats, Tally};
use crate::sys::machine;

/// How often the books are read that show more jobs running than are accepted.
const MOST_LOOKS: usize = if cfg!(pool_loom) { 0 } else { 64 };

impl Lifecycle {
    /// What is in the pool, and what went through it. Blocks no worker.
    pub fn stats(&self) -> Stats {
        self.tally(u64::MAX).stats(None)
    }

    /// What the stats are made of. The queue has so many tasks past the bound.
    ///
    /// A job that runs before its submitter has counted it would not show, so the submitter is given a moment to do so.
    pub(crate) fn tally(&self, past_bound: u64) -> Tally {
        for _ in 0..MOST_LOOKS {
            let tally = self.look(past_bound);
            if !tally.runs_uncounted() {
                return tally;
            }
            if self.ledger.is_nothing_on_its_way() {
                break;
            }
            machine::yield_now();
        }
        self.look(past_bound)
    }

    fn look(&self, past_bound: u64) -> Tally {
        let running = self.roster.running() + self.off_worker.len();
        Tally {
            counts: Stats {
                running: running as u64,
                workers: self.roster.alive(),
                hook_panics: self.hooks.panics(),
                ..self.ledger.counts()
            },
            past_bound,
        }
    }

    /// What an end of the pool leaves, at one moment as far as suspended futures go.
    pub(crate) fn leftovers(&self) -> Leftovers {
        let frozen = self.off_worker.freeze();
        let before = self.stats();
        let (running, on_record) = self.running_with(&frozen);
        let mut stats = self.stats();
        let is_still = (before.finished(), before.unstarted) == (stats.finished(), stats.unstarted);
        let is_ending = !on_record.is_empty();
        for column in on_record {
            let count = column.of_stats(&mut stats);
            *count = count.saturating_sub(1);
        }
        Leftovers {
            is_still,
            is_ending,
            stats,
            running,
        }
    }

    /// The jobs that have started and are not over.
    #[cfg(all(test, pool_loom))]
    pub(crate) fn running_jobs(&self) -> Vec<RunningJob> {
        self.running_with(&self.off_worker.freeze()).0
    }

    /// The jobs of whose code something runs or sleeps; and the columns of those among them whose end is on record already.
    fn running_with(&self, away: &Frozen<'_>) -> (Vec<RunningJob>, Vec<Column>) {
        let now = self.age.nanos();
        let mut jobs: Vec<RunningJob> = Vec::new();
        let mut on_record = Vec::new();
        for (worker, slot) in self.roster.slots.iter().enumerate() {
            for frame in slot.frames() {
                on_record.extend(frame.record);
                jobs.push(RunningJob {
                    id: frame.id,
                    name: frame.name,
                    worker: Some(worker),
                    running_for: Duration::from_nanos(now.saturating_sub(frame.since)),
                });
            }
        }
        away.append_to(&mut jobs, now);
        (jobs, on_record)
    }
}

/// See [`Lifecycle::leftovers`].
pub(crate) struct Leftovers {
    /// Nothing has ended meanwhile.
    pub(crate) is_still: bool,
    /// Some job is between its end on record and its last step.
    pub(crate) is_ending: bool,
    /// Without the jobs that are among the running ones.
    pub(crate) stats: Stats,
    /// Those included whose end is on record, and whose hooks or destructors run.
    pub(crate) running: Vec<RunningJob>,
}
