//! The queue's entry of a closure: how workers, swaps and shutdowns take it.
//!
//! Each of them asks the state first. An entry whose job was started elsewhere, by a canceller or
//! by a worker that joined it, does nothing: the winner of `start` accounts for the job.
//!
//! A swap moves the entry to another pool in one step that fails once the job is started, so the
//! books of two pools never both have it. A shutdown takes the entry out of the queue and gives the
//! job up; what the job captured is then a task of its own, which a worker drops.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::{CellEntry, CellRef, Content, JobCell};
use crate::cell::ticket::QueuedJob;
use crate::cell::unstarted::Tells;
use crate::job::id::JobId;
use crate::job::outcome::{Outcome, drop_contained};
use crate::job::{Job, Terms, kind_of};
use crate::pool::lifecycle::Lifecycle;
use crate::task::{Accepted, Changed, GivenUp, GivenUpAs, Payload, Remains};
use crate::worker::Worker;

/// The entry as the payload of its task.
impl<J: Job> Payload for CellEntry<J> {
    const IS_SHARED: bool = true;

    /// Runs the job on the worker that dequeued it, unless it was started elsewhere.
    ///
    /// The order is that of the module `closure`: the outcome is recorded, the hook is told and
    /// what nobody takes is dropped, the outcome is published, the handle is woken, the frame ends,
    /// and the job is counted as over.
    fn run(self, id: JobId, worker: &Worker) {
        let cell = self.cell();
        // The look spares a job that was claimed, as one's own children mostly are, a
        // read-modify-write.
        if cell.state.is_started() || cell.state.start().is_none() {
            return;
        }
        let frame = worker.begin(id, cell.name());
        match cell.run_started(worker, &frame) {
            Ok(value) => self.end(&frame, Ok(value)),
            Err(ended) => self.end_with_left(&frame, ended),
        }
        drop(frame);
        worker.over();
    }

    /// Ends the job as `Abandoned`, if it has not started: its task was dropped.
    fn abandon(self) {
        self.cell().end_unstarted(Outcome::Abandoned, Tells::Nobody);
    }

    /// Enters the job in the books of `life`, or says that a canceller has ended it before. A job
    /// with extras is reported as one to watch, since it may have terms.
    #[inline]
    fn accept(&self, life: &Lifecycle) -> Accepted {
        let cell = self.cell();
        if !cell.state.accept(life.id) {
            return Accepted::Ended(cell.state.outcome_or_cancelled());
        }
        match cell.extras.get() {
            None => Accepted::Yes,
            Some(_) => Accepted::ToWatch,
        }
    }

    /// Has the job's token and the clock of `life` call the cell as a waker. A job whose terms
    /// cannot end it is not watched.
    ///
    /// The waker is lent to the token (see `listed_waker`), and the side that starts the job takes
    /// it back. A handle may start the job while it changes its pool, and so before the token has
    /// the waker. Both threads lock the token's list: either the one that starts the job finds the
    /// waker there, or this one sees the start afterwards, and takes the waker back itself.
    fn watch(&self, life: &Lifecycle) -> Option<Waker> {
        let cell = self.cell();
        let terms = cell.terms().filter(|terms| terms.may_end())?;
        // SAFETY: the entry keeps the cell alive, and leaves it only once the job is started, or is
        // in no pool. Each start is followed by `unwatch`, while the one that has started the job
        // holds the cell; so is each way out of a pool.
        let waker = unsafe { CellRef::lent(self.0) };
        let due = terms.watch_unless_due(cell.id, life, waker);
        if cell.state.is_started() {
            terms.unwatch(cell.id, life);
        }
        due
    }

    /// Moves the job between pools, if it has not started. The clock of the old pool forgets it,
    /// and that of the new one watches it.
    fn change_pool(&self, from: &Lifecycle, to: Option<&Arc<Lifecycle>>) -> Changed {
        let cell = self.cell();
        cell.ticket.clear();
        let to_id = to.map(|life| life.id);
        if !cell.state.change_pool(Some(from.id), to_id) {
            return Changed::No;
        }
        let Some(terms) = cell.terms() else {
            return Changed::Yes(None);
        };
        terms.unwatch(cell.id, from);
        Changed::Yes(to.and_then(|life| self.watch(life)))
    }

    #[inline]
    fn queued_job(&self) -> Option<QueuedJob<'_>> {
        let JobCell { state, ticket, .. } = self.cell();
        Some(QueuedJob { state, ticket })
    }

    /// Ends the job as `Abandoned` for a pool that is at its end. The captures stay in the cell:
    /// they go into the task that is returned, so that a worker drops them later, in a frame with
    /// the job's name.
    fn give_up(self, id: JobId, life: &Lifecycle, ends: GivenUpAs) -> GivenUp {
        let cell = self.cell();
        if cell.state.start().is_none() {
            return GivenUp::TakenElsewhere;
        }
        if let Some(terms) = cell.terms() {
            terms.unwatch(id, life);
        }
        life.ledger.record_given_up(ends);
        let name = cell.terms().and_then(|terms| terms.name.clone());
        let ended = cell.state.end(Outcome::Abandoned);
        life.given_up_over(ends);
        // SAFETY: this is the end, and it says so.
        let waiter = ended.has_waiter.then(|| unsafe { cell.waiter.take() });
        GivenUp::Left(
            Outcome::Abandoned,
            Remains::task(id, name, Unrun(self)),
            waiter,
        )
    }

    fn name(&self) -> Option<&str> {
        self.cell().name()
    }

    fn kind(&self) -> &'static str {
        kind_of::<J>(J::kind)
    }

    fn terms(&self) -> Option<&Terms> {
        self.cell().terms()
    }

    /// Returns the deadline that the job was submitted with.
    fn deadline(&self) -> Option<Instant> {
        self.cell().terms()?.deadline
    }
}

/// An entry whose job was given up and is still in its cell. Its drop drops the job, with panics
/// contained, and leaves the cell.
struct Unrun<J: Job>(CellEntry<J>);

/// Drops the job on the thread that runs or drops the remains.
impl<J: Job> Drop for Unrun<J> {
    fn drop(&mut self) {
        let cell = self.0.cell();
        // The one that starts a job owns it, also after an end without a value.
        drop_contained(cell.replace(Content::Empty));
        drop(cell.take_extensions());
    }
}
