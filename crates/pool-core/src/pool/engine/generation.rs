//! A pool as one generation of a pool that is swapped.

use std::sync::Arc;

use super::{Engine, WorkerPool, have_arrived, take_some_queued};
use crate::pool::hand_over::{Adopted, HandOver, Retired};
use crate::pool::shutdown;
use crate::pool::stats::Tally;
use crate::queue::TaskQueue;

impl<E: Engine> HandOver for WorkerPool<E> {
    fn retire(&self) -> Retired {
        let life = self.life();
        life.phase.end_intake();
        life.ledger.await_submissions();
        Retired::new(self.engine().queue().take_all(), life)
    }

    fn adopt(&self, retired: Retired) -> Adopted {
        let engine = Arc::clone(self.engine());
        let push_all = |tasks| self.engine().queue().push_unbounded(tasks);
        let arrived = move || have_arrived(&*engine);
        retired.move_to(self.life(), push_all, arrived)
    }

    fn leave(&self) {
        let life = self.life();
        life.ending
            .hold(Arc::clone(self.engine()) as _, &life.roster);
        life.ending.stop_when_quiet(life);
    }

    /// Ends the pool as its last handle goes: drains it without a limit, unless the calling thread
    /// is one that the pool needs, and otherwise has it stop by itself once it is quiet.
    fn end(&self) {
        self.0.end();
    }

    fn needs_this_thread(&self) -> bool {
        self.0.needs_this_thread()
    }

    fn pause(&self) {
        self.life().pause();
    }

    fn end_pause(&self) -> bool {
        self.life().end_pause()
    }

    fn end_pauses(&self) {
        shutdown::end_pauses(self.life());
    }

    fn resume_after_pause(&self) {
        self.life().resume_after_pause();
    }

    fn is_paused(&self) -> bool {
        self.life().phase.is_paused()
    }

    fn cancel_if_due(&self) {
        if self.life().is_cancelling() {
            self.life().cancel(|| take_some_queued(&**self.engine()));
        }
    }

    fn tally(&self) -> Tally {
        self.0.0.tally()
    }
}
