//! The futures of a pool that were woken: their entries are in a list of their own, which has no bound.

use std::mem;
use std::sync::Arc;

use super::Lifecycle;
use crate::cell::future::queue_side::WokenEntry;
use crate::queue::shared;
use crate::task::Task;

impl Lifecycle {
    /// A woken future comes back; never refused (`R803`).
    pub(crate) fn requeue(self: &Arc<Self>, task: Task) {
        if self.is_forked() {
            // Its place is in the parent; what another thread was about to do to the list stays half done.
            mem::forget(task);
            return;
        }
        self.woken.push(task);
        self.notify();
    }

    #[inline]
    pub(crate) fn pop_woken(&self) -> Option<Task> {
        shared::steal(&self.woken)
    }

    /// Checks up to `most` entries of woken futures, and drops those of futures that have ended. The others go to the end, in order.
    #[cold]
    pub(crate) fn drop_dead_entries(self: &Arc<Self>, most: usize) {
        for _ in 0..most.min(self.woken.len()) {
            let Some(task) = self.pop_woken() else { return };
            let id = task.id();
            match task.into_payload::<WokenEntry>() {
                Ok(entry) if entry.0.is_ended() => drop(entry),
                Ok(entry) => self.requeue(Task::new(id, entry)),
                Err(other) => self.requeue(other),
            }
        }
    }

    /// Whether there is something for a worker that is in no queue: a future that was woken, or a chore at the end of the pool.
    #[inline]
    pub(crate) fn has_woken(&self) -> bool {
        !self.woken.is_empty() || self.has_chores()
    }
}
