//! Whose ledger a job belongs to, for the jobs that end elsewhere than where their entry was popped.
//!
//! A job that a joiner claimed, or a canceller ended, has left its entry in a queue. Two sides meet here: the **popper**,
//! who finds the entry's job taken, and the **ender**, who has just ended it. Each takes the lock once; whoever comes
//! second records the outcome with the pool of the popper. The ender ends the job before it takes the lock, so a popper who
//! comes second sees the end; a popper who comes first leaves its pool for the ender. The same holds for a future, whose
//! popper leaves its pool as well when the future suspends.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use crate::id::JobId;
use crate::lifecycle::Lifecycle;
use crate::outcome::Outcome;
use crate::state::State;
use crate::sync::{LockExt, Mutex};
use crate::task::Ran;

#[derive(Default)]
pub(crate) struct Home(Mutex<Option<Arc<Lifecycle>>>);

impl Home {
    /// The popper's side: the entry's job was taken by somebody else.
    pub(crate) fn settle_popped(
        &self,
        life: &Arc<Lifecycle>,
        id: JobId,
        name: Option<&str>,
        state: &State,
        waker: Option<Waker>,
    ) -> Ran {
        let mut home = self.0.lock_unpoisoned();
        match state.outcome() {
            Some(outcome) => {
                life.record(outcome);
                Ran::Over
            }
            None => {
                life.leave(id, name, life.nanos(), waker);
                *home = Some(Arc::clone(life));
                Ran::Elsewhere
            }
        }
    }

    /// The ender's side, after the job has ended.
    pub(crate) fn settle_claimed(&self, id: JobId, outcome: Outcome) {
        let popped_by = self.0.lock_unpoisoned().take();
        if let Some(life) = popped_by {
            life.come_back(id, outcome);
            life.entry_over();
        }
    }

    /// The popper of a future that suspends leaves its pool, where the future's end is recorded.
    pub(crate) fn set(&self, life: &Arc<Lifecycle>) {
        *self.0.lock_unpoisoned() = Some(Arc::clone(life));
    }

    /// The ender of a popped future, before it publishes.
    pub(crate) fn take(&self) -> Option<Arc<Lifecycle>> {
        self.0.lock_unpoisoned().take()
    }

    pub(crate) fn get(&self) -> Option<Arc<Lifecycle>> {
        self.0.lock_unpoisoned().clone()
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Home(..)")
    }
}
