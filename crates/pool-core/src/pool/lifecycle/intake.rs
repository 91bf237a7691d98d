//! `Submission`: a job on its way into a pool.
//!
//! # A submission at the moment of the close
//! It enters the ledger, reads the phase, and only then pushes its task. The closer writes the
//! phase and then reads the ledger. A light fence on the one side and a heavy one on the other
//! (`asymmetric_fence`) stand between. So either the submission reads `draining` and leaves,
//! refused, or the closer counts it as in flight and waits for it.
//!
//! A submission whose push comes after the queue was taken out reads the phase again, finds the
//! pool cancelling, or without a worker, and takes the queue out itself. So no task is left in a
//! queue that nobody will look at.

use std::sync::Arc;
use std::task::Waker;

use super::Lifecycle;
use super::phase::Phase;
use super::taken_out::TakenOut;
use crate::job::outcome::Outcome;
use crate::pool::ledger::Writing;
use crate::pool::observer::Observed;
use crate::submit::room::Room;
use crate::sys::asymmetric_fence::light;
use crate::task::Task;
use crate::worker::current_index;

/// A submission that has entered the ledger. It ends in one of the steps that take it by value.
///
/// In steps, and not with the push as a closure, so that the task stays where it was made until it
/// is in its queue.
#[must_use]
pub(crate) struct Submission<'a> {
    /// The ledger's stripe of the thread that submits.
    ///
    /// It is one stripe's for the whole submission, so the entry and its end are counted in one
    /// place.
    books: Writing<'a>,
}

impl<'a> Submission<'a> {
    /// Begins a submission to `life`. `None`: intake has ended. The caller pushes the task and then
    /// says [`pushed`](Self::pushed), or [`refuse`](Self::refuse)s it.
    #[inline(always)]
    pub(crate) fn begin(life: &'a Lifecycle) -> Option<Self> {
        // ORDERING: the partner of the fence is the heavy one in `AtomicPhase::end_intake`.
        Self::enter(life, current_index(life), Phase::Draining)
    }

    /// Enters a job that its submitter, `worker` of this pool, is going to run itself. `None`: the
    /// pool no longer takes any.
    #[inline]
    pub(crate) fn begin_inline(life: &'a Lifecycle, worker: usize) -> Option<Self> {
        // ORDERING: the partner of the fence is the heavy one in `Lifecycle::cancel`.
        Self::enter(life, Some(worker), Phase::Cancelling)
    }

    /// Enters the ledger, and then looks whether the pool has reached `end`, the first phase that
    /// refuses this submission.
    #[inline(always)]
    fn enter(life: &'a Lifecycle, worker: Option<usize>, end: Phase) -> Option<Self> {
        let books = life.ledger.writing(worker);
        let submission = Self { books };
        if may_enter(life, books, 1, end) {
            return Some(submission);
        }
        submission.refuse(life);
        None
    }

    /// The job is the pool's.
    #[inline]
    pub(crate) fn accept(self) {
        self.books.accept();
    }

    /// The task is in its queue: counts it, and wakes a worker, if one is needed. `take_queued`
    /// empties the queue; it is called only if the pool ended while this submission was on its way.
    #[inline(always)]
    pub(crate) fn pushed(
        self,
        life: &Arc<Lifecycle>,
        about_queued: impl FnOnce() -> usize,
        take_queued: impl FnMut() -> Vec<Task>,
    ) {
        self.accept();
        arrived(life, about_queued, take_queued);
    }

    /// There was no room for the task.
    #[cold]
    pub(crate) fn refuse(self, life: &Lifecycle) {
        self.books.refuse(1);
        life.tell_watchers();
    }

    /// The job was cancelled after its task was given back, and the task is submitted again: the
    /// job is accepted, and over, and the observers hear of it. `left` is as in [`ends_on_arrival`](Self::ends_on_arrival).
    #[cold]
    pub(crate) fn over_on_arrival(
        self,
        life: &Lifecycle,
        task: &Task,
        outcome: Outcome,
        left: Option<&Room>,
    ) {
        self.books.accept();
        self.books.end(outcome);
        left.into_iter().for_each(Room::freed);
        life.tell_watchers();
        if let Some(observers) = life.hooks.observers() {
            observers.ended(&Observed::task(task, life), outcome, None);
        }
    }

    /// The job comes after its deadline, or its token is cancelled. It ends here and now, and takes
    /// no place in the queue: what its end calls may submit another.
    ///
    /// `left`: the room of the queue that the job was on its way into. Its submitter may have been
    /// called because a place is free there, or have counted on a spare one, and takes none. `None`
    /// for a job that was to run on its submitter: no place was kept for it.
    #[cold]
    pub(crate) fn ends_on_arrival(self, due: Waker, task: Task, left: Option<&Room>) {
        self.accept();
        if let Some(job) = task.queued_job() {
            job.takes_no_place();
        }
        // Before what the end calls, which may wait for a place.
        left.into_iter().for_each(Room::freed);
        due.wake();
        drop(task);
    }
}

/// Jobs that another pool hands over, and that have entered the ledger. Nothing here runs user
/// code, or wakes anybody: the caller says [`arrived`], once it holds no lock.
#[must_use]
pub(crate) struct Adoption<'a> {
    life: &'a Lifecycle,
    books: Writing<'a>,
    jobs: u64,
}

impl<'a> Adoption<'a> {
    /// Enters `jobs`. `None`: intake has ended.
    pub(crate) fn begin(life: &'a Lifecycle, jobs: u64) -> Option<Self> {
        let books = life.ledger.writing(current_index(life));
        if may_enter(life, books, jobs, Phase::Draining) {
            return Some(Self { life, books, jobs });
        }
        books.refuse(jobs);
        None
    }

    /// `adopted` of the jobs are in the queue; the others have ended on their way.
    pub(crate) fn end(self, adopted: u64) {
        self.life.ledger.adopt(adopted);
        self.books.refuse(self.jobs - adopted);
    }
}

/// Enters `jobs` into the ledger, and then looks whether the pool still takes them: it has not
/// reached `end`, the first phase that refuses them. See the head of this file.
#[inline(always)]
fn may_enter(life: &Lifecycle, books: Writing<'_>, jobs: u64, end: Phase) -> bool {
    books.enter(jobs);
    light();
    !life.phase.has_reached(end)
}

/// The task is counted and in its queue: wakes a worker, and gives the queue up if the pool was
/// cancelled while the push was on its way.
#[inline(always)]
pub(crate) fn arrived(
    life: &Arc<Lifecycle>,
    about_queued: impl FnOnce() -> usize,
    take_queued: impl FnMut() -> Vec<Task>,
) {
    life.notify_of_queued(about_queued);
    // ORDERING: `notify_of_queued` begins with a light fence, after the push; its partners, in
    // `Lifecycle::cancel` and in `AtomicPhase::end_intake`, stand before the queue is taken out:
    // either this side sees the phase, or that side sees the task.
    if life.phase.is_closed() {
        arrived_late(life, take_queued);
    }
}

/// The pool was closed while the push was on its way. If it is cancelled, or has lost its last
/// worker, that may have taken the queue out too early for this task.
#[cold]
pub(super) fn arrived_late(life: &Arc<Lifecycle>, take_queued: impl FnMut() -> Vec<Task>) {
    if life.phase.is_cancelling() {
        TakenOut::give_up_all(life, take_queued);
    } else if life.ending.is_deserted() {
        TakenOut::end_all_without_workers(life, take_queued).tell(life);
    }
}
