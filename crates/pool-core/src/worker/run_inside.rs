//! What a worker does while its pool is cancelled, which is to drop what the pool has given up; how
//! it leaves, and how it submits by then.

use std::sync::Arc;

use super::current;
use crate::job::outcome::drop_contained;
use crate::pool::engine::Engine;
use crate::submit::error::Refused;
use crate::task::Task;
use crate::worker::{StepOutcome, Worker};

impl Worker {
    /// Does one thing that is left, if there is one. Tasks that are still queued do not start.
    #[cold]
    pub(crate) fn step_at_end<E: Engine>(&self, engine: &E) -> StepOutcome {
        let life = self.life();
        if life.is_forked() {
            return StepOutcome::Nothing; // what is queued is the parent's
        }
        if life.chores.are_left() {
            // Somebody else looks for the next: this one may take for ever.
            self.found(engine);
            if life.chores.do_one(self) {
                return StepOutcome::Ran;
            }
        }
        if self.run_woken() {
            return StepOutcome::Ran;
        }
        self.run_queued(engine)
    }

    /// Whether this worker's generation of its pool was swapped out, and is over: no job is on the
    /// stack, so the worker submits as any thread outside. It may wait for room in the newest
    /// generation as well, since nobody waits for it to leave.
    ///
    /// A worker of a generation that a failed swap has not published must not wait: the swap waits
    /// for it, and may keep the worker that would make room.
    pub(crate) fn is_outside(&self) -> bool {
        self.life().phase.is_stopped() && self.life().ending.stops_when_quiet()
    }

    /// What becomes of a task that this worker may not queue: it runs here, or is refused once the
    /// pool is cancelling. It comes back from a worker that is outside.
    pub(crate) fn run_inside(&self, task: Task) -> Result<Result<(), Refused<Task>>, Task> {
        match self.run_inline(task) {
            Err(task) if self.is_outside() => Err(task),
            run => Ok(run.map_err(Refused::Closed)),
        }
    }

    /// The thread ends: tells the hook, and drops the state.
    pub(crate) fn leave(self) {
        if self.life().is_forked() {
            // The hooks and the state are the parent's.
            std::mem::forget(self);
            return;
        }
        let life = Arc::clone(self.life());
        let index = self.index();
        life.hooks.stop(index);
        current::clear();
        drop_contained(self);
        life.worker_gone(index);
    }
}
