//! The end of a pool: how its phase moves on, and what becomes of the tasks that are still queued then.

use std::any::Any;
use std::sync::Arc;

use super::{Lifecycle, Phase};
use crate::job::id::JobId;
use crate::sys::asymmetric_fence::heavy;
use crate::sys::machine::{self, Point};
use crate::sys::sync::{LockExt, Ordering};
use crate::task::{GivenUp, GivenUpAs, Task};

/// See [`Lifecycle::ends_with_others`].
pub(crate) struct EndsWithOthers(Arc<Lifecycle>);

impl Drop for EndsWithOthers {
    fn drop(&mut self) {
        // ORDERING: Release, as in `end_is_told`, which has the same partner.
        self.0.ends_with_others.fetch_sub(1, Ordering::Release);
        self.0.roster.let_leave(&self.0.phase);
    }
}

impl Lifecycle {
    /// Whether the grace is over: queued jobs no longer start, and running ones are asked to stop.
    #[inline]
    pub fn is_cancelling(&self) -> bool {
        self.phase.is_cancelling()
    }

    /// Whether future `id` is to be dropped because the pool is being cancelled.
    #[inline]
    pub(crate) fn cancels(&self, id: JobId) -> bool {
        self.is_cancelling() && !self.excluded_waiters.awaits_end(id)
    }

    /// Whether this process is a forked child, and the pool its parent's: nothing of it runs here, and nothing ever will.
    #[inline]
    pub fn is_forked(&self) -> bool {
        self.phase.is_forked()
    }

    // --- from one phase to the next ---------------------------------------------------------------------------------

    /// Ends intake. Idempotent.
    pub fn close(&self) {
        if self.is_forked() {
            return;
        }
        self.phase.end_intake();
        self.room.wake_all();
    }

    /// The grace is over: queued jobs will not start, running ones are asked to stop, suspended futures are dropped. Takes a time that does
    /// not depend on how many these are, and runs no code of the user's; so whoever keeps the time may call it. Idempotent.
    pub(crate) fn begin_cancel(&self) {
        if !self.phase.advance(Phase::Cancelling) {
            return;
        }
        machine::point(Point::CancelAll);
        self.chores.begin();
        self.off_worker.wake_hosts();
        self.roster.resume_sleepers();
    }

    /// The same, and gives up what is queued.
    pub(crate) fn cancel(self: &Arc<Self>, queued: impl FnOnce() -> Vec<Task>) {
        self.begin_cancel();
        // ORDERING: partner is the light fence in the `notify` of `pushed`. Each caller has its own, since each goes on to take the queue
        // out.
        heavy();
        self.take_out(queued());
    }

    /// The workers end as soon as there is nothing left for them. Idempotent.
    pub fn stop(&self) {
        if !self.phase.advance(Phase::Stopped) {
            return;
        }
        machine::point(Point::Stop);
        self.roster.resume_sleepers();
        self.quiescence.wake_watchers(&self.phase);
        self.owners.tell_front(self); // all workers may be lost already
    }

    /// Whether a worker that has found nothing may leave: the pool has stopped, nothing is left to be done, and no future will need a worker
    /// in order to see the end.
    pub fn may_leave(&self) -> bool {
        match self.phase.load() {
            Phase::Forked => true,
            // In this order: who is told of the end is woken before.
            Phase::Stopped => {
                (self.is_end_told() || !self.excluded_waiters.does_a_future_await_end())
                    && !self.has_woken()
            }
            _ => false,
        }
    }

    /// Whether all who wait for the end of the whole pool have been told.
    fn is_end_told(&self) -> bool {
        // ORDERING: Acquire, see `end_is_told`.
        self.is_end_told.load(Ordering::Acquire)
            && self.ends_with_others.load(Ordering::Acquire) == 0
    }

    /// This is one of several parts of a pool that end one after the other, until what comes back is dropped: its own end is not all that is
    /// waited for.
    pub(crate) fn ends_with_others(self: &Arc<Self>) -> EndsWithOthers {
        self.ends_with_others.fetch_add(1, Ordering::SeqCst);
        EndsWithOthers(Arc::clone(self))
    }

    /// All who wait for the end have been told of it: futures among them were woken, and are in the list of the woken ones.
    pub(crate) fn end_is_told(&self) {
        // ORDERING: Release pairs with the Acquire in `may_leave`: who sees it sees the futures that were woken before.
        self.is_end_told.store(true, Ordering::Release);
        self.roster.let_leave(&self.phase);
    }

    /// Nobody is left to shut the pool down: it stops once it is quiet.
    pub(crate) fn stop_when_quiet(&self) {
        self.close();
        self.stops_when_quiet.store(true, Ordering::SeqCst);
        self.tell_watchers();
    }

    /// Whether the pool stops by itself.
    pub(crate) fn stops_when_quiet(&self) -> bool {
        self.stops_when_quiet.load(Ordering::SeqCst)
    }

    /// Keeps `engine` until every worker has left: whoever sleeps needs it to be woken, and may be all that is left.
    pub(crate) fn hold(&self, engine: Arc<dyn Any + Send + Sync>) {
        *self.held.lock_unpoisoned() = Some(engine);
        self.release_if_deserted();
    }

    /// Called after a worker has been counted out, and after an engine was left here: the second of the two finds the other.
    pub(super) fn release_if_deserted(&self) {
        if self.roster.alive() > 0 {
            return;
        }
        let held = self.held.lock_unpoisoned().take();
        // The caller holds the engine as well, or is none of its threads.
        drop(held);
    }

    // --- what did not start -----------------------------------------------------------------------------------------

    /// Gives up what was queued: the jobs are abandoned, or kept as tasks for the report if a shutdown asked for it.
    pub(crate) fn take_out(self: &Arc<Self>, tasks: Vec<Task>) {
        if self.is_forked() {
            // The parent's copies are run there; these must not even be dropped, which would be the end of what they hold.
            tasks.into_iter().for_each(std::mem::forget);
            return;
        }
        if !self.ending.lock_unpoisoned().begin_taking() {
            self.abandon(tasks, GivenUpAs::Unstarted);
            return;
        }
        // No user code runs up to the end of the taking: whoever makes the report waits for it.
        let unstarted = self.take_off_the_books(tasks);
        let late = self.ending.lock_unpoisoned().keep(unstarted);
        self.tell_watchers();
        self.abandon(late, GivenUpAs::OffTheBooks);
    }

    /// Resolves jobs as abandoned, and leaves what they captured to the workers.
    fn abandon(self: &Arc<Self>, tasks: Vec<Task>, ends: GivenUpAs) {
        let mut remains = Vec::with_capacity(tasks.len());
        for task in tasks {
            let (id, name) = (task.id(), task.name().map(Box::from));
            if let GivenUp::Left(left) = task.give_up(self, ends) {
                self.ending.lock_unpoisoned().note_unstarted(id, name);
                remains.push(left);
            }
        }
        self.chores.leave_remains(remains, self);
    }

    /// A task that an engine holds outside its queue, once the pool is cancelling: it did not start.
    #[cold]
    pub fn give_up(self: &Arc<Self>, task: Task) {
        self.take_out(vec![task]);
    }

    /// Worker `index` was lost with the threads that were lent to it. With the last one the pool closes, and what is queued is
    /// abandoned: nobody is left to run it.
    pub fn worker_lost(self: &Arc<Self>, index: usize, queued: impl FnOnce() -> Vec<Task>) {
        self.worker_gone(index);
        if self.roster.alive() == 0 && !self.phase.is_stopped() {
            self.close();
            for task in queued() {
                if let GivenUp::Left(remains) = task.give_up(self, GivenUpAs::Abandoned) {
                    drop(remains);
                }
            }
        }
    }

    /// Takes tasks off the books: what is left to be run, for somebody else to run. A job that was cancelled meanwhile is in the books
    /// already, and has nothing left to run.
    pub(crate) fn hand_over(self: &Arc<Self>, tasks: Vec<Task>) -> Vec<Task> {
        let unstarted = self.take_off_the_books(tasks);
        self.tell_watchers();
        unstarted
    }

    fn take_off_the_books(self: &Arc<Self>, tasks: Vec<Task>) -> Vec<Task> {
        let unstarted: Vec<Task> = tasks
            .into_iter()
            .filter(|task| task.change_pool(self, None).is_changed())
            .collect();
        for _ in &unstarted {
            self.ledger.record_unstarted();
            self.ledger.over(None);
        }
        unstarted
    }

    // --- what was cut short -----------------------------------------------------------------------------------------

    /// Notes a job that gives up as cancelled, if the end of the pool is why: neither its handle nor its token asked.
    #[cold]
    pub(crate) fn note_if_cut_short(&self, id: JobId, name: Option<&str>, was_asked: bool) {
        if !was_asked && self.is_cancelling() && !self.is_forked() {
            let name = name.map(Box::from);
            self.ending.lock_unpoisoned().note_cut_short(id, name);
        }
    }
}
