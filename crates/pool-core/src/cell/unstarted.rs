//! The end of a job that never started, on the thread that cancels it, submits it too late, or
//! keeps the clock.
//!
//! Three things end a job so: its handle or an abort handle cancels it, its token or its deadline
//! ends it, or its task is dropped. The cell of a closure and that of a future share the steps:
//! [`Unstarted::take`] wins the start, and [`Unstarted::end`] does all that follows in one order.

use std::sync::Arc;

use crate::cell::drop_depth::{self, Nested};
use crate::cell::state::{Started, State};
use crate::cell::ticket::{DeadEntry, Ticket};
use crate::job::Terms;
use crate::job::id::JobId;
use crate::job::outcome::Outcome;
use crate::pool::lifecycle::Lifecycle;
use crate::pool::registry;

/// Whether the failure observer hears of the end; and whether the job may end so outside of a pool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tells {
    /// The observer is not told: the job's own handle cancelled it, or it was abandoned. The job
    /// may be in no pool.
    Nobody,
    /// The observer is told: the job came too late, or its token was cancelled. The job ends so
    /// only while a pool has it.
    Observer,
}

/// The right to end one job that never started. Its holder must call [`end`](Self::end): the job is
/// started, and no other side will end it.
pub(crate) struct Unstarted<'c> {
    /// The pool that accounts for the job. `None` if no pool has it, or the pool is gone: then
    /// nothing is recorded.
    life: Option<Arc<Lifecycle>>,
    /// How the job ends: cancelled, expired or abandoned.
    outcome: Outcome,
    /// Whether the observer is told.
    tells: Tells,
    /// The job's id, for the observer.
    id: JobId,
    /// The job's name, for the observer.
    name: Option<&'c str>,
}

impl<'c> Unstarted<'c> {
    /// Takes the right to end the job, and has its token and the pool's clock forget it. Returns
    /// `None` if it has started, or another side ends it.
    pub(crate) fn take(
        state: &State,
        id: JobId,
        terms: Option<&'c Terms>,
        outcome: Outcome,
        tells: Tells,
    ) -> Option<Self> {
        let Started { pool } = match tells {
            Tells::Nobody => state.start(),
            Tells::Observer => state.start_in_pool(),
        }?;
        let life = pool.and_then(registry::find);
        match (terms, &life) {
            (Some(terms), Some(life)) => terms.unwatch(id, life),
            (Some(terms), None) => terms.unwatch_token(id),
            (None, _) => {}
        }
        let name = terms.and_then(|terms| terms.name.as_deref());
        Some(Self {
            life,
            outcome,
            tells,
            id,
            name,
        })
    }

    /// Has the job's token and the pool's clock forget it once more. A pool that takes the job in
    /// at the moment of its end may have it watched after [`take`](Self::take).
    pub(crate) fn unwatch(&self, terms: Option<&Terms>) {
        if let (Some(terms), Some(life)) = (terms, &self.life) {
            terms.unwatch(self.id, life);
        }
    }

    /// Ends it in the order of all ends that are not on a worker: on record, its place in the queue
    /// free, told, published, counted as over, its captures dropped, with nothing held. Returns
    /// what `publish` returns. So a thread that learns of the end finds the place free (`R104`);
    /// submitters that wait are told of it once the end is published, since their wakers are user
    /// code.
    ///
    /// The handle's waker is the caller's to call after that, so that a thread that waited finds
    /// the captures gone.
    ///
    /// Where such ends are [too deep](drop_depth) in each other, the user's code, which is the
    /// observer and the captures, comes later.
    pub(crate) fn end<R>(
        self,
        ticket: &Ticket,
        publish: impl FnOnce() -> R,
        captures: impl FnOnce() + 'static,
    ) -> R {
        let Self {
            outcome, id, name, ..
        } = self;
        let life = self.life.as_ref();
        if let Some(life) = life {
            life.ledger.record(outcome, None);
        }
        // A task that is dropped has left its queue before.
        let released = life
            .filter(|_| outcome != Outcome::Abandoned)
            .and_then(|life| life.release(&DeadEntry::new(id, ticket)));
        let finish = move || {
            drop(released);
            captures();
        };
        let observer = life.filter(|_| self.tells == Tells::Observer);
        let nested = Nested::begin();
        if let (Some(life), Some(_)) = (observer, &nested) {
            life.hooks.observe_unfinished(outcome, id, name);
        }
        let published = publish();
        if let Some(life) = life {
            life.entry_over();
        }
        if nested.is_some() {
            finish();
        } else {
            let observer = observer.map(|life| observer_of(life, outcome, id, name));
            drop_depth::leave(move || {
                observer.into_iter().for_each(|tell| tell());
                finish();
            });
        }
        published
    }
}

/// Returns a closure that tells the observer of failures. It owns the pool and the name, so it can
/// be called after the cell is gone: where ends nest too deep, that is when the innermost end on
/// this thread has returned.
fn observer_of(
    life: &Arc<Lifecycle>,
    outcome: Outcome,
    id: JobId,
    name: Option<&str>,
) -> impl FnOnce() + use<> {
    let (life, name) = (Arc::clone(life), name.map(Box::<str>::from));
    move || life.hooks.observe_unfinished(outcome, id, name.as_deref())
}
