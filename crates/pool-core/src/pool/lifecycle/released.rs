//! `Released`: the place that a job had in the queue as it ended there, on its way to a submitter.

use std::fmt;
use std::sync::Arc;

use super::Lifecycle;
use crate::cell::ticket::DeadEntry;
use crate::job::outcome::drop_contained;
use crate::pool::by_life::Reached;
use crate::task::Task;

/// What the queue of a pool gave up for a job that ended there. Its drop tells the next submitter
/// in line of the place, and drops the tasks that came out: user code, with nothing held.
#[must_use = "its drop runs user code"]
pub(crate) struct Released {
    life: Arc<Lifecycle>,
    /// Whether a place came free.
    is_free: bool,
    /// Entries whose jobs are over.
    tasks: Vec<Task>,
    /// The last that holds it may drop what is queued.
    _engine: Arc<dyn Reached>,
}

impl Lifecycle {
    /// Frees the place of a job that ended in the queue of this pool, if it has one there. The
    /// place can be taken when this returns. Runs no user code. `None`: the pool's engine is gone,
    /// or this is a forked child, in which no lock is taken.
    pub(crate) fn release(self: &Arc<Self>, entry: &DeadEntry<'_>) -> Option<Released> {
        if self.is_forked() {
            return None;
        }
        let engine = self.owners.engine()?;
        let mut tasks = Vec::new();
        let is_free = engine.release(entry, &mut tasks);
        Some(Released {
            life: Arc::clone(self),
            is_free,
            tasks,
            _engine: engine,
        })
    }
}

impl Drop for Released {
    fn drop(&mut self) {
        if self.is_free {
            self.life.room().freed();
        }
        self.tasks.drain(..).for_each(drop_contained);
    }
}

impl fmt::Debug for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Released")
            .field("is_free", &self.is_free)
            .finish_non_exhaustive()
    }
}
