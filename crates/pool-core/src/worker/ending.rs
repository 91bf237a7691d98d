//! What a worker does while its pool is cancelled, which is to drop what the pool has given up; and how it leaves.

use std::sync::Arc;

use super::current;
use crate::engine::Engine;
use crate::outcome::drop_contained;
use crate::worker::{Step, Worker};

impl Worker {
    /// Does one thing that is left, if there is one. Tasks that are still queued do not start.
    #[cold]
    pub(crate) fn step_at_end<E: Engine>(&self, engine: &E) -> Step {
        let life = self.life();
        if life.is_forked() {
            return Step::Nothing; // what is queued is the parent's
        }
        if life.has_chores() {
            // Somebody else looks for the next: this one may take for ever.
            self.found(engine);
            if life.do_a_chore(self) {
                return Step::Ran;
            }
        }
        if self.run_woken() {
            return Step::Ran;
        }
        self.run_queued(engine)
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
        life.hooks().stop(index);
        current::clear();
        drop_contained(self);
        life.worker_gone(index);
    }
}
