//! The end of a job that never started, on the thread that cancels it, submits it too late, or
//! keeps the clock.

use std::sync::Arc;

use crate::cell::drop_depth::{self, Nested};
use crate::cell::state::{Started, State};
use crate::job::Terms;
use crate::job::id::JobId;
use crate::job::outcome::Outcome;
use crate::pool::lifecycle::Lifecycle;
use crate::pool::registry;

/// Whether the observer of failures hears of the end; and whether the job may end so outside of a
/// pool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tells {
    /// Its own handle cancelled it, or it was abandoned.
    Nobody,
    /// It came too late, or its token was cancelled.
    Observer,
}

/// A job that the caller is to end, and nobody else.
pub(crate) struct Unstarted<'c> {
    /// The pool that has it in its books, if one has.
    life: Option<Arc<Lifecycle>>,
    outcome: Outcome,
    tells: Tells,
    id: JobId,
    name: Option<&'c str>,
}

impl<'c> Unstarted<'c> {
    /// Takes the right to end the job, whose token and deadline have no say from then on. None if
    /// it has started, or another ends it.
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
        if let (Some(terms), Some(life)) = (terms, &life) {
            terms.unwatch(id, life);
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

    /// Ends it in the order of all ends that are not on a worker: on record, told, published,
    /// counted as over, its captures dropped, with nothing held. The handle's waker is the caller's
    /// to call after that, so that a thread that waited finds the captures gone.
    ///
    /// Where such ends are [too deep](drop_depth) in each other, the user's code, which is the
    /// observer and the captures, comes later.
    pub(crate) fn end<R>(
        self,
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
            captures();
        } else {
            let observer = observer.map(|life| observer_of(life, outcome, id, name));
            drop_depth::leave(move || {
                observer.into_iter().for_each(|tell| tell());
                captures();
            });
        }
        published
    }
}

/// Tells the observer of failures, when it is called.
fn observer_of(
    life: &Arc<Lifecycle>,
    outcome: Outcome,
    id: JobId,
    name: Option<&str>,
) -> impl FnOnce() + use<> {
    let (life, name) = (Arc::clone(life), name.map(Box::<str>::from));
    move || life.hooks.observe_unfinished(outcome, id, name.as_deref())
}
