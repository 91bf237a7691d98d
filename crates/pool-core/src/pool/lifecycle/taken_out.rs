//! `TakenOut`: tasks that were taken out of the queue before they started: they are abandoned, or
//! kept for the report.

use std::mem;
use std::sync::Arc;

use super::Lifecycle;
use crate::pool::report::UnstartedJob;
use crate::sys::sync::LockExt;
use crate::task::{GivenUp, GivenUpAs, Task};

/// How many jobs are noted for the report at once.
const NOTED_AT_ONCE: usize = 256;

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

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Gives up all that `take` takes out: it is called until it finds nothing.
    #[cold]
    pub(crate) fn give_up_all(life: &Arc<Lifecycle>, take: impl FnMut() -> Vec<Task>) {
        let some = std::iter::repeat_with(take).take_while(|tasks| !tasks.is_empty());
        some.for_each(|tasks| Self::new(tasks).give_up(life));
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
    ///
    /// There may be millions. What is left of each lies where its task lay, and the notes of a
    /// handful are added to the report at once: the lock is not held while a waker of the user's is
    /// called.
    fn abandon(self, life: &Arc<Lifecycle>, ends: GivenUpAs) {
        let mut notes = Vec::with_capacity(NOTED_AT_ONCE.min(self.tasks.len()));
        let give_up = |task: Task| {
            let (id, name) = (task.id(), task.name().map(Box::from));
            let left = match task.give_up(life, ends) {
                GivenUp::Left(left) => Some(left),
                GivenUp::Bare => None,
                GivenUp::TakenElsewhere => return None,
            };
            notes.push(UnstartedJob { id, name });
            if notes.len() == NOTED_AT_ONCE {
                let progress = &life.ending.progress;
                progress.lock_unpoisoned().note_unstarted(&mut notes);
            }
            left
        };
        let remains: Vec<Task> = self.tasks.into_iter().filter_map(give_up).collect();
        let progress = &life.ending.progress;
        progress.lock_unpoisoned().note_unstarted(&mut notes);
        life.tell_watchers();
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
        life.ledger.give_back(unstarted.len() as u64);
        unstarted
    }
}
