//! `TakenOut`: tasks that were taken out of the queue before they started: they are abandoned, or
//! kept for the report.
//!
//! # Why the report misses none
//! From its pop to its end in the books a task is in no queue and in no worker's frame. So a thread
//! says that it takes tasks out before it does, and the report is not made until that is over
//! ([`Taking`]). No job, destructor or handle's waker runs meanwhile: first all of the tasks are
//! ended in the books and for their handles, then those that wait for a handle are woken, and what
//! the jobs captured is left to the workers. A waker that does not return holds up those that its
//! thread has yet to call.

use std::sync::Arc;
use std::task::Waker;

use super::Lifecycle;
use crate::job::outcome::{Outcome, drop_contained, wake_contained};
use crate::pool::observer::{KeptJob, Observed};
use crate::pool::registry;
use crate::pool::report::UnstartedJob;
use crate::sys::sync::LockExt;
use crate::task::{GivenUp, GivenUpAs, Task, ToldLater};

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

    /// Ends all that waits for a worker of `life`, which has none: what `take` takes out of the
    /// queue, and the futures that were woken. What is queued is abandoned; or given up, if a
    /// shutdown has ended the grace. Calls no user code, except for the wakers of those that watch
    /// the pool.
    #[cold]
    pub(super) fn end_all_without_workers(
        life: &Lifecycle,
        mut take: impl FnMut() -> Vec<Task>,
    ) -> Unheard {
        let mut all = Unheard::default();
        loop {
            let queued = if life.is_cancelling() {
                Self::give_up(life, &mut take)
            } else {
                Self::abandon(life, || {
                    let mut all = life.take_pinned();
                    all.extend(take());
                    all
                })
            };
            let woken = Self::abandon(life, || life.woken.take_all());
            if queued.is_none() && woken.is_none() {
                break;
            }
            queued.into_iter().chain(woken).for_each(|it| all.add(it));
        }
        all
    }

    /// Gives up all that `take` takes out: it is called until it finds nothing.
    #[cold]
    pub(crate) fn give_up_all(life: &Lifecycle, mut take: impl FnMut() -> Vec<Task>) {
        while Self::give_up_some(life, &mut take) {}
    }

    /// Gives up what `take` takes out at the end of `life`: the jobs are abandoned, or kept as
    /// tasks for the report if a shutdown asked for it. Returns false if it finds nothing.
    pub(crate) fn give_up_some(life: &Lifecycle, take: impl FnOnce() -> Vec<Task>) -> bool {
        let unheard = Self::give_up(life, take);
        let has_taken = unheard.is_some();
        unheard.into_iter().for_each(|it| it.tell(life));
        has_taken
    }

    /// Does the same, with what is pinned, and leaves it to the caller to tell. `None`: there is
    /// nothing.
    fn give_up(life: &Lifecycle, take: impl FnOnce() -> Vec<Task>) -> Option<Unheard> {
        let pinned = Self::give_up_pinned(life, || life.take_pinned());
        let queued = Self::give_up_queued(life, take);
        let all = pinned.into_iter().chain(queued);
        all.reduce(|mut all, unheard| {
            all.add(unheard);
            all
        })
    }

    /// Gives up tasks that were pinned to a worker each. They are not kept for the report: another
    /// pool would run them on any of its workers.
    fn give_up_pinned(life: &Lifecycle, take: impl FnOnce() -> Vec<Task>) -> Option<Unheard> {
        let (taken, _taking) = Self::take(life, take)?;
        Some(taken.end(life, GivenUpAs::Unstarted))
    }

    /// Gives up one that a worker has taken out of its list as the grace ended.
    pub(crate) fn give_up_one_pinned(life: &Lifecycle, task: Task) {
        if life.phase.is_forked() {
            // As in `Lifecycle::give_up`.
            return std::mem::forget(task);
        }
        let unheard = Self::give_up_pinned(life, || vec![task]);
        unheard.into_iter().for_each(|it| it.tell(life));
    }

    /// Gives up what was queued.
    fn give_up_queued(life: &Lifecycle, take: impl FnOnce() -> Vec<Task>) -> Option<Unheard> {
        let (taken, taking) = Self::take(life, take)?;
        if !taking.keeps {
            return Some(taken.end(life, GivenUpAs::Unstarted));
        }
        let unstarted = taken.take_off_the_books(life);
        let late = life.ending.progress.lock_unpoisoned().keep(unstarted);
        Some(Self::new(late).end(life, GivenUpAs::OffTheBooks))
    }

    /// Abandons what `take` takes out, since no worker is left to run it. `None`: there is nothing.
    fn abandon(life: &Lifecycle, take: impl FnOnce() -> Vec<Task>) -> Option<Unheard> {
        let (taken, _taking) = Self::take(life, take)?;
        Some(taken.end(life, GivenUpAs::Abandoned))
    }

    /// Takes some out. `None`: there is nothing, or this is a forked child, where nothing is
    /// touched: the parent's copies are run there.
    fn take<'a>(
        life: &'a Lifecycle,
        take: impl FnOnce() -> Vec<Task>,
    ) -> Option<(Self, Taking<'a>)> {
        if life.phase.is_forked() {
            return None;
        }
        let mut taking = Taking::begin(life);
        let tasks = take();
        taking.has_taken = !tasks.is_empty();
        taking.has_taken.then_some((Self { tasks }, taking))
    }

    /// Ends the jobs in the books and for their handles, and leaves the rest to the workers. The
    /// taking is over after that.
    fn end(self, life: &Lifecycle, ends: GivenUpAs) -> Unheard {
        let (mut unheard, remains) = self.end_here(life, ends);
        unheard.has_left = life.chores.leave_remains(remains);
        unheard
    }

    /// Ends the jobs in the books and for their handles. What is left of them is the caller's, to
    /// be dropped where user code may run.
    fn end_here(self, life: &Lifecycle, ends: GivenUpAs) -> (Unheard, Vec<Task>) {
        let mut unheard = Unheard::default();
        let mut notes = Vec::with_capacity(self.tasks.len());
        let observed_by = life.hooks.observers().and_then(|_| registry::find(life.id));
        let give_up = |task: Task| {
            let (id, note) = (task.id(), UnstartedJob::of(&task));
            let job = life.hooks.keep(|| Observed::task(&task, life));
            let (outcome, left) = match task.give_up(life, ends) {
                GivenUp::Left(outcome, remains, waiter) => {
                    unheard.waiters.extend(waiter);
                    (outcome, Some(remains))
                }
                GivenUp::Bare => (Outcome::Abandoned, None),
                GivenUp::TakenElsewhere if ends == GivenUpAs::OffTheBooks => {
                    // Its handle ended it while no pool had it.
                    (Outcome::Cancelled, None)
                }
                GivenUp::TakenElsewhere => {
                    unheard.kept.extend(job);
                    return None;
                }
            };
            notes.push(note);
            match (job, &observed_by) {
                (Some(job), Some(life)) => {
                    Some(ToldLater::task(id, job, outcome, Arc::clone(life), left))
                }
                _ => left,
            }
        };
        // What is left of each lies where its task lay.
        let remains: Vec<Task> = self.tasks.into_iter().filter_map(give_up).collect();
        if ends != GivenUpAs::Abandoned {
            life.ending.progress.lock_unpoisoned().note_unstarted(notes);
        }
        (unheard, remains)
    }

    /// Abandons all of them, which no other pool has taken in. What is left of them is dropped
    /// here: a pool that is not being cancelled has its workers do no such chores.
    pub(crate) fn abandon_all(self, life: &Lifecycle) {
        if !self.tasks.is_empty() {
            let (unheard, remains) = self.end_here(life, GivenUpAs::Abandoned);
            life.tell_watchers();
            unheard.tell(life);
            remains.into_iter().for_each(drop_contained);
        }
    }

    /// What is left to be run: a job that was cancelled meanwhile is in the books already, and has
    /// nothing left to run.
    fn take_off_the_books(self, life: &Lifecycle) -> Vec<Task> {
        let tasks = self.tasks.into_iter();
        let unstarted: Vec<Task> = tasks
            .filter(|task| task.change_pool(life, None).is_changed())
            .collect();
        life.ledger.give_back(unstarted.len() as u64);
        unstarted
    }
}

/// Jobs that were taken out are ended, and those whom that concerns have not heard of it.
#[derive(Default)]
#[must_use = "somebody may wait"]
pub(super) struct Unheard {
    /// Those that wait for the handles.
    waiters: Vec<Waker>,
    /// Shares of what jobs carry that were ended elsewhere, whose drop may run user code.
    kept: Vec<KeptJob>,
    /// Whether something was left to be dropped.
    has_left: bool,
}

impl Unheard {
    fn add(&mut self, other: Self) {
        self.waiters.extend(other.waiters);
        self.kept.extend(other.kept);
        self.has_left |= other.has_left;
    }

    /// Wakes those that wait, and a worker to tell the observers and drop what is left; if there is
    /// none any more, that is done here. Called with no task being taken out on this thread.
    pub(super) fn tell(self, life: &Lifecycle) {
        if self.has_left {
            life.notify();
        }
        self.waiters.into_iter().for_each(wake_contained);
        drop(self.kept);
        if self.has_left {
            life.chores.drop_late_remains(life);
        }
    }
}

/// Tasks are being taken out on this thread, and go into the books; no report is made meanwhile.
/// The drop tells those that wait for that.
struct Taking<'a> {
    life: &'a Lifecycle,
    /// Whether the tasks are kept for the report.
    keeps: bool,
    has_taken: bool,
}

impl<'a> Taking<'a> {
    /// Begins, before the first task is taken out.
    fn begin(life: &'a Lifecycle) -> Self {
        Self {
            life,
            keeps: life.ending.progress.lock_unpoisoned().begin_taking(),
            has_taken: false,
        }
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        let progress = &self.life.ending.progress;
        let is_awaited = progress.lock_unpoisoned().end_taking(self.has_taken);
        if self.has_taken || is_awaited {
            self.life.tell_watchers();
        }
    }
}
