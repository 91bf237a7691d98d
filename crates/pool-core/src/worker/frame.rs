//! `Frame`: the note that a job is on a worker's stack.

use super::Worker;
use crate::job::outcome::Outcome;
use crate::pool::ledger::Column;

/// The note that a job runs at a worker's place.
pub(crate) struct Frame<'w> {
    pub(super) worker: &'w Worker,
    pub(super) is_listed: bool,
}

impl Frame<'_> {
    /// The job's end is on record; what is left to run is user code that it leaves behind. A report
    /// that finds the frame counts the job once: as one that still runs.
    pub(crate) fn is_on_record(&self, outcome: Outcome) {
        self.note_record(Column::of(outcome));
    }

    /// The same for a job that never ran.
    pub(crate) fn is_unstarted_on_record(&self) {
        self.note_record(Column::UNSTARTED);
    }

    fn note_record(&self, column: Column) {
        self.worker.0.status.note_record(self.is_listed, column);
    }
}

impl Drop for Frame<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.worker.0.status.end(self.is_listed);
    }
}
