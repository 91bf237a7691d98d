//! How a worker behaves while its pool is paused, cancelled or stopped: what it does instead of
//! starting jobs, how the jobs on its stack still submit, and how it leaves.

use std::sync::Arc;

use super::current;
use crate::job::outcome::drop_contained;
use crate::pool::engine::{Engine, take_some_queued};
use crate::pool::lifecycle::TakenOut;
use crate::queue::TaskQueue;
use crate::submit::error::Refused;
use crate::sys::machine::{self, Point};
use crate::task::{Task, TaskRef};
use crate::worker::{StepOutcome, Worker};

impl Worker {
    /// Does the part of [`step`](Self::step) that comes before the queue: runs what is pinned to
    /// this worker; and while queued jobs are held back, goes on with those that have started, or
    /// with the end of the pool. `None`: the queue comes next.
    #[cold]
    pub(super) fn step_beside_queue<E: Engine>(&self, engine: &E) -> Option<StepOutcome> {
        if self.life().is_cancelling() {
            return Some(self.step_at_end(engine));
        }
        self.0.past_bound.set(0); // a new stack
        if self.run_pinned(engine) {
            return Some(self.step_taken());
        }
        self.life()
            .phase
            .is_paused()
            .then(|| self.step_paused(engine))
    }

    /// Does the step of a worker whose pool is paused.
    fn step_paused<E: Engine>(&self, engine: &E) -> StepOutcome {
        let _woken_come_first = self.begin_look();
        if self.run_woken() || self.run_stolen(engine) {
            self.step_taken()
        } else {
            self.step_chore(engine)
        }
    }

    /// Whether a task is pinned to the thread of this worker. Out of date at once.
    #[inline]
    pub(crate) fn has_pinned(&self) -> bool {
        let home = self.0.home.get();
        home.is_some_and(|home| self.life().pinned.waits_for(home))
    }

    /// Runs one task that is pinned to the thread of this worker. False: there is none.
    #[cold]
    pub(crate) fn run_pinned<E: Engine>(&self, engine: &E) -> bool {
        let life = self.life();
        let take = |home| life.pinned.take(home, &life.phase);
        let Some(task) = self.0.home.get().and_then(take) else {
            return false;
        };
        machine::point(Point::Took(task.id()));
        self.found(engine);
        if life.is_cancelling() {
            TakenOut::give_up_one_pinned(life, task);
            return true;
        }
        let id = task.id();
        task.run(self);
        machine::point(Point::Done(id));
        true
    }

    /// Does a chore, if there is one: a worker that has nothing to run may drop what jobs left that
    /// never started, also in a pool that goes on.
    #[cold]
    pub(super) fn step_chore<E: Engine>(&self, engine: &E) -> StepOutcome {
        if !self.life().has_chores() {
            return StepOutcome::Nothing;
        }
        // Another worker looks for the next: this chore may never end.
        self.found(engine);
        if self.life().chores.do_one(self) {
            StepOutcome::Ran
        } else {
            StepOutcome::Nothing
        }
    }

    /// Does one thing that is left, if there is one: a chore, a woken future, or to give up some of
    /// the tasks that are still queued. None of them starts.
    #[cold]
    pub(crate) fn step_at_end<E: Engine>(&self, engine: &E) -> StepOutcome {
        let life = self.life();
        if life.is_forked() {
            return StepOutcome::Nothing; // what is queued is the parent's
        }
        if self.step_chore(engine) == StepOutcome::Ran {
            return StepOutcome::Ran;
        }
        if self.run_woken() {
            return self.step_taken();
        }
        machine::point(Point::Look);
        if engine.queue().is_empty() {
            return StepOutcome::Nothing;
        }
        self.found(engine);
        if TakenOut::give_up_some(life, || take_some_queued(engine)) {
            StepOutcome::Ran
        } else {
            StepOutcome::Nothing
        }
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

    /// Does what is due for a task that this worker may not queue: runs it in place, or refuses it
    /// once the pool is cancelling.
    ///
    /// # Errors
    /// The worker is [outside](Self::is_outside) its generation: the task, which the caller submits
    /// as any thread does. The inner error is the refusal, with the task.
    pub(crate) fn run_inside(&self, task: TaskRef<'_>) -> Result<Result<(), Refused<Task>>, Task> {
        match self.run_inline(task) {
            Err(task) if self.is_outside() => Err(task),
            run => Ok(run.map_err(Refused::Closed)),
        }
    }

    /// Ends the thread's work: runs `on_worker_stop`, drops the state, and counts the worker out.
    /// In a forked child none of these happens.
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
