//! What the statistics and the report of a pool are read off: its ledger, its roster, and the jobs
//! off their worker.

use super::Lifecycle;
use crate::pool::ledger::Column;
use crate::pool::off_worker::Frozen;
use crate::pool::running::RunningJob;
use crate::pool::stats::{Stats, Tally};
use crate::submit::refusals::Refusal;
use crate::sys::machine;

/// How often the counts are read while they show more jobs running than are accepted.
const MAX_LOOKS: usize = if cfg!(pool_loom) { 0 } else { 64 };

impl Tally {
    /// The counts of `life`, whose queue has that many tasks beyond the bound. Blocks no worker.
    ///
    /// A job that runs before its submitter has counted it would not show, so the submitter is
    /// given a moment to do so.
    pub(crate) fn of(life: &Lifecycle, beyond_bound: u64) -> Self {
        for _ in 0..MAX_LOOKS {
            let tally = Self::look(life, beyond_bound);
            if !tally.runs_uncounted() {
                return tally;
            }
            if life.ledger.is_nothing_on_its_way() {
                break;
            }
            machine::yield_now();
        }
        Self::look(life, beyond_bound)
    }

    /// One pass over the counts, which other threads change meanwhile.
    fn look(life: &Lifecycle, beyond_bound: u64) -> Self {
        let running = life.roster.running() + life.off_worker.len();
        Self {
            counts: Stats {
                running: running as u64,
                workers: life.roster.alive(),
                hook_panics: life.hooks.panics(),
                refused_full: life.room.refusals.get(Refusal::Full),
                refused_closed: life.room.refusals.get(Refusal::Closed),
                ..life.ledger.counts()
            },
            beyond_bound,
        }
    }
}

/// What an end of a pool leaves, at one moment as far as suspended futures go.
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

impl Leftovers {
    /// The notes of jobs off their worker are locked meanwhile, so none of these ends. Jobs on
    /// workers go on: `is_still` and `is_ending` say whether that shows.
    pub(crate) fn of(life: &Lifecycle) -> Self {
        let frozen = life.off_worker.freeze();
        let before = life.stats();
        let (running, on_record) = running_jobs(life, &frozen);
        let mut stats = life.stats();
        let is_still = (before.finished(), before.unstarted) == (stats.finished(), stats.unstarted);
        let is_ending = !on_record.is_empty();
        for column in on_record {
            let count = column.of_stats(&mut stats);
            *count = count.saturating_sub(1);
        }
        Self {
            is_still,
            is_ending,
            stats,
            running,
        }
    }
}

/// The jobs of whose code something runs or sleeps; and the columns of those among them whose end
/// is on record already.
fn running_jobs(life: &Lifecycle, off_worker: &Frozen<'_>) -> (Vec<RunningJob>, Vec<Column>) {
    let now = life.age.nanos();
    let mut jobs: Vec<RunningJob> = Vec::new();
    let mut on_record = Vec::new();
    for (worker, status) in life.roster.statuses.iter().enumerate() {
        for frame in status.frames() {
            on_record.extend(frame.record);
            jobs.push(RunningJob::in_frame(frame, worker, now));
        }
    }
    off_worker.append_to(&mut jobs, now);
    (jobs, on_record)
}
