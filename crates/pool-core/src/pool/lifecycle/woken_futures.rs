//! `WokenFutures`: the futures of a pool that were woken. Their entries are in a list of their own,
//! which has no bound.

use std::mem;

use crossbeam_deque::Injector;

use super::Lifecycle;
use crate::cell::future::queue_side::WokenEntry;
use crate::queue::shared;
use crate::task::Task;

/// Also a hosted future that asks for a slot has an entry here. An entry of a future that was
/// polled elsewhere in the meantime is dead: it finds nothing to do.
pub(crate) struct WokenFutures {
    /// First in, first out.
    entries: Injector<Task>,
}

impl WokenFutures {
    pub(super) fn new() -> Self {
        Self {
            entries: Injector::new(),
        }
    }

    /// A woken future of `life` comes back; never refused (`R803`).
    pub(crate) fn requeue(&self, task: Task, life: &Lifecycle) {
        if life.phase.is_forked() {
            // Its slot is in the parent; what another thread was about to do to the list stays half
            // done.
            mem::forget(task);
            return;
        }
        self.entries.push(task);
        life.notify();
    }

    /// Takes the future that was woken first.
    #[inline]
    pub(crate) fn pop(&self) -> Option<Task> {
        shared::steal(&self.entries)
    }

    /// Checks up to `most` entries, and drops those of futures that have ended. The others go to
    /// the end, in order.
    ///
    /// Called by a worker on which some futures have ended whose entries may still lie here, so
    /// that these do not pile up.
    #[cold]
    pub(crate) fn drop_dead_entries(&self, most: usize, life: &Lifecycle) {
        for _ in 0..most.min(self.entries.len()) {
            let Some(task) = self.pop() else { return };
            let id = task.id();
            match task.into_payload::<WokenEntry>() {
                Ok(entry) if entry.0.is_ended() => drop(entry),
                Ok(entry) => self.requeue(Task::new(id, entry), life),
                Err(other) => self.requeue(other, life),
            }
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
