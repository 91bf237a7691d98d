//! `TakenOut`: tasks that were taken out of the queue before they started: they are abandoned, or
//! kept for the report.

use std::mem;
use std::sync::Arc;

use super::Lifecycle;
use crate::sys::sync::LockExt;
use crate::task::{GivenUp, GivenUpAs, Task};

/// Tasks that were taken out of the queue, and are still in the books.
///
/// None of them is in a queue: they are this value's alone, and each of its steps ends that.
#[must_use = "dropped, they resolve, and no report names them"]
pub(crate) struct TakenOut {
    tasks: Vec<Task>,
}

impl TakenOut {
    pub(crate) fn new(tasks: Vec<Task>) -> Self {
        Self { tasks }
    }

    /// Gives them up at the end of `life`: the jobs are abandoned, or kept as tasks for the report
    /// if a shutdown asked for it.
    pub(crate) fn give_up(self, life: &Arc<Lifecycle>) {
        if life.phase.is_forked() {
            // The parent's copies are run there; these must not even be dropped, which would be the
            // end of what they hold.
            self.tasks.into_iter().for_each(mem::forget);
            return;
        }
        if !life.ending.progress.lock_unpoisoned().begin_taking() {
            self.abandon(life, GivenUpAs::Unstarted);
            return;
        }
        // No user code runs up to the end of the taking: the report waits for it.
        let unstarted = self.take_off_the_books(life);
        let late = life.ending.progress.lock_unpoisoned().keep(unstarted);
        life.tell_watchers();
        Self::new(late).abandon(life, GivenUpAs::OffTheBooks);
    }

    /// Resolves the jobs as abandoned, and leaves what they captured to the workers.
    fn abandon(self, life: &Arc<Lifecycle>, ends: GivenUpAs) {
        let mut remains = Vec::with_capacity(self.tasks.len());
        for task in self.tasks {
            let (id, name) = (task.id(), task.name().map(Box::from));
            if let GivenUp::Left(left) = task.give_up(life, ends) {
                life.ending
                    .progress
                    .lock_unpoisoned()
                    .note_unstarted(id, name);
                remains.push(left);
            }
        }
        life.chores.leave_remains(remains, life);
    }

    /// Takes them off the books of `life`, for somebody else to run.
    pub(crate) fn hand_over(self, life: &Arc<Lifecycle>) -> Vec<Task> {
        let unstarted = self.take_off_the_books(life);
        life.tell_watchers();
        unstarted
    }

    /// What is left to be run: a job that was cancelled meanwhile is in the books already, and has
    /// nothing left to run.
    fn take_off_the_books(self, life: &Arc<Lifecycle>) -> Vec<Task> {
        let tasks = self.tasks.into_iter();
        let unstarted: Vec<Task> = tasks
            .filter(|task| task.change_pool(life, None).is_changed())
            .collect();
        for _ in &unstarted {
            life.ledger.record_unstarted();
            life.ledger.over(None);
        }
        unstarted
    }
}
