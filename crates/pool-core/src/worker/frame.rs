//! `Frame`: the note that a job is on a worker's stack.
//!
//! While a frame stands, reports and stats count the job as running here. It is dropped after
//! everything of the job has returned: its code, the hook, the drops of what nobody takes, and the
//! handle's waker. A future has a frame during its first poll, and again while its end runs. So the
//! end of a job is recorded, and told, within its frame.

use super::Worker;
use super::status::NotedAt;
use crate::job::outcome::Outcome;
use crate::pool::ledger::Column;

/// The note that a job runs at a worker's seat. Made by `Worker::begin`; its drop ends the note.
/// Frames of one worker end in the opposite order of their making.
pub(crate) struct Frame<'w> {
    /// The worker at whose seat the note is.
    pub(super) worker: &'w Worker,
    /// Where it is.
    pub(super) noted_at: NotedAt,
}

impl<'w> Frame<'w> {
    /// Returns the worker that the job is on.
    pub(crate) fn worker(&self) -> &'w Worker {
        self.worker
    }

    /// Notes that the job's end is on record with this outcome; what is left to run is user code
    /// that it leaves behind. A report that finds the frame counts the job once: as one that still
    /// runs.
    pub(crate) fn is_on_record(&self, outcome: Outcome) {
        self.note_record(Column::of(outcome));
    }

    /// Does the same for a job that never ran, and is on record as given back unstarted.
    pub(crate) fn is_unstarted_on_record(&self) {
        self.note_record(Column::UNSTARTED);
    }

    /// Notes the column in which the job stands.
    fn note_record(&self, column: Column) {
        self.worker.0.status.note_record(self.noted_at, column);
    }
}

impl Drop for Frame<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.worker.0.status.end(self.noted_at);
    }
}

impl Worker {
    /// Records an outcome in the pool's books, in this seat's stripe.
    #[inline]
    pub(crate) fn record(&self, outcome: Outcome) {
        self.0.status.stripe.record(outcome);
    }
}
