//! A child that finds no place in its own pool's queue runs on its submitter (`R108`), within
//! bounds (`R113`).

use super::Worker;
use crate::pool::lifecycle::Submission;
use crate::task::{Task, TaskRef};

/// How many jobs may be within each other on one stack before a child is queued instead of run in
/// place: 16 KiB for each of them in a stack of the usual 2 MiB.
pub(super) const MAX_IN_PLACE: usize = 128;
/// Children that one job queues so, past the bound: a job that submits without end takes no more
/// memory than this.
const MAX_PAST_BOUND: usize = 1024;
/// Jobs nested on one stack whose submitter had queued that many. Above this all their children are
/// queued, so at most 192 jobs run within each other by their submissions.
const MAX_BEYOND: usize = 64;

impl Worker {
    /// Whether something is queued in this worker's generation of the pool. Out of date at once.
    pub(crate) fn has_queued(&self) -> bool {
        self.0.host.has_queued()
    }

    /// Runs a task on its submitter, which is this worker (`R108`, `R607`). Refused once the pool
    /// is cancelling.
    ///
    /// A job whose child submits a child, and so on without end, would need a stack without end; so
    /// the innermost of many is queued past the bound, and they return. What is queued so takes
    /// turns with the rest of the queue.
    ///
    /// # What is bounded
    /// The stack: a child runs in place where fewer than 128 jobs are on it; or where its submitter
    /// has used up its quota past the bound, and so have fewer than 64 others on this stack. So at
    /// most 192 jobs are within each other by their submissions, whatever the graph of submissions.
    /// The memory: a job with fewer than 64 such submitters around it queues up to 1 024 children,
    /// however many it submits. One that has 64 of them around it queues all its children: as many
    /// as it submits itself, and that after the 64 have queued 1 024 each. A row of jobs of any
    /// length, each of which submits the next, has one entry in the queue at a time. On a thread
    /// where nothing may run in place, since it polls futures, all children are queued.
    pub(crate) fn run_inline(&self, task: TaskRef<'_>) -> Result<(), Task> {
        let Some(submission) = Submission::begin_inline(self.life(), self.index()) else {
            return Err(task.into_task());
        };
        match task.accept(self.life()) {
            Ok(None) => {}
            Ok(Some(due)) => {
                submission.ends_on_arrival(due, task.into_task(), None);
                return Ok(());
            }
            Err(outcome) => {
                submission.over_on_arrival(self.life(), &task, outcome, None);
                return Ok(());
            }
        }
        submission.accept();
        let (past_bound, beyond) = (self.0.past_bound.get(), self.0.beyond.get());
        let is_deep = self.own_jobs() >= MAX_IN_PLACE;
        let may_be_deeper = past_bound >= MAX_PAST_BOUND && beyond < MAX_BEYOND;
        if !self.may_run_in_place() || is_deep && !may_be_deeper {
            self.0.past_bound.set(past_bound + 1);
            self.0.host.queue_past_bound(task.into_task());
            return Ok(());
        }
        // The child has a quota of its own.
        self.0.past_bound.set(0);
        self.0.beyond.set(beyond + usize::from(is_deep));
        self.helping_apart(|| task.run(self));
        self.0.past_bound.set(past_bound);
        self.0.beyond.set(beyond);
        Ok(())
    }
}
