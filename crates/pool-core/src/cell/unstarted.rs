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
use crate::pool::observer::{KeptJob, Observed};
use crate::pool::registry;
use crate::worker::current_index;

/// Whether the observer of failures hears of the end, as the other observers always do; and whether
/// the job may end so outside of a pool.
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
    /// The job's id, for the observer of failures.
    id: JobId,
    /// The job's name, for the observer of failures.
    name: Option<&'c str>,
    /// The job, for the other observers, if the pool has any.
    observed: Option<KeptJob>,
}

impl<'c> Unstarted<'c> {
    /// Takes the right to end the job, and has its token and the pool's clock forget it. Returns
    /// `None` if it has started, or another side ends it.
    pub(crate) fn take(
        state: &State,
        id: JobId,
        terms: Option<&'c Terms>,
        kind: impl FnOnce() -> &'static str,
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
        let observed = life.as_ref().and_then(|life| {
            life.hooks.keep(|| Observed {
                id,
                terms,
                kind: kind(),
                worker: current_index(life),
                life,
            })
        });
        Some(Self {
            observed,
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
        let tells_failure =
            |life: &Lifecycle| self.tells == Tells::Observer && life.hooks.hears_failures();
        let hearer = life.filter(|life| self.observed.is_some() || tells_failure(life));
        let mut tell = hearer.map(|life| Tell {
            life: Arc::clone(life),
            outcome,
            id,
            name: name.map(Box::<str>::from),
            tells: self.tells,
            observed: self.observed,
        });
        let nested = Nested::begin();
        if nested.is_some() {
            tell.take().into_iter().for_each(Tell::tell);
        }
        let published = publish();
        if let Some(life) = life {
            life.entry_over();
        }
        if nested.is_some() {
            finish();
        } else {
            drop_depth::leave(move || {
                tell.into_iter().for_each(Tell::tell);
                finish();
            });
        }
        published
    }
}

/// Tells those that hear of the end. It owns the pool and the name, so it can be called after the
/// cell is gone: where ends nest too deep, that is when the innermost end on this thread has
/// returned.
struct Tell {
    life: Arc<Lifecycle>,
    outcome: Outcome,
    id: JobId,
    name: Option<Box<str>>,
    /// Whether the observer of failures is told.
    tells: Tells,
    observed: Option<KeptJob>,
}

impl Tell {
    fn tell(self) {
        let life = &self.life;
        if self.tells == Tells::Observer {
            let name = self.name.as_deref();
            life.hooks.observe_unfinished(self.outcome, self.id, name);
        }
        if let Some(observed) = self.observed {
            observed.ended(life, self.outcome);
        }
    }
}
