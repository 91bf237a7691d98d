//! The queue's entry of a closure: how workers, swaps and shutdowns take it.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::{CellEntry, CellRef, JobCell, Stage};
use crate::cell::unstarted::Tells;
use crate::job::Job;
use crate::job::id::JobId;
use crate::job::outcome::{Outcome, drop_contained, outcome_of, wake_contained};
use crate::pool::lifecycle::Lifecycle;
use crate::task::{Accepted, Changed, GivenUp, GivenUpAs, Payload, Remains};
use crate::worker::Worker;

impl<J: Job> Payload for CellEntry<J> {
    const IS_SHARED: bool = true;

    fn run(self, id: JobId, worker: &Worker) {
        let cell = self.cell();
        // The look spares a job that was claimed, as one's own children mostly are, a
        // read-modify-write.
        if cell.state.is_started() || cell.state.start().is_none() {
            return;
        }
        let frame = worker.begin(id, cell.name());
        let (resolution, leftover) = cell.run_started(worker);
        let outcome = outcome_of(&resolution);
        JobCell::<J>::drop_leftover(&frame, outcome, leftover);
        self.end(resolution, || {
            if JobCell::<J>::may_run_code(outcome) {
                frame.is_on_record(outcome);
            }
        });
        drop(frame);
        worker.over();
    }

    fn abandon(self) {
        self.cell().end_unstarted(Outcome::Abandoned, Tells::Nobody);
    }

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

    fn watch(&self, life: &Lifecycle) -> Option<Waker> {
        let cell = self.cell();
        let terms = cell.terms().filter(|terms| terms.may_end())?;
        // SAFETY: the entry keeps the cell alive.
        let waker = unsafe { CellRef::new(self.0) }.into_waker();
        terms.watch_unless_due(cell.id, life, waker)
    }

    fn change_pool(&self, from: &Lifecycle, to: Option<&Arc<Lifecycle>>) -> Changed {
        let cell = self.cell();
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
        if ended.has_waiter {
            // SAFETY: this is the end, and it says so.
            wake_contained(unsafe { cell.waiter.take() });
        }
        GivenUp::Left(Remains::task(id, name, Unrun(self)))
    }

    fn name(&self) -> Option<&str> {
        self.cell().name()
    }

    fn deadline(&self) -> Option<Instant> {
        self.cell().terms()?.deadline
    }
}

/// An entry whose job was given up, still in its cell: dropped with this.
struct Unrun<J: Job>(CellEntry<J>);

impl<J: Job> Drop for Unrun<J> {
    fn drop(&mut self) {
        // The one that starts a job owns it, also after an end without a value.
        drop_contained(self.0.cell().replace(Stage::Empty));
    }
}
