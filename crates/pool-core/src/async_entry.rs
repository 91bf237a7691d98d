//! A future's entries in queues: the first, and those of its wakes.

use std::sync::Arc;

use crate::async_cell::{Driver, Polled};
use crate::id::JobId;
use crate::lifecycle::Lifecycle;
use crate::outcome::Outcome;
use crate::task::{Payload, Ran};
use crate::worker::Worker;

/// The queue's first entry of a future.
pub(crate) struct AsyncEntry(pub(crate) Arc<dyn Polled>);

/// The entry of a future that was woken, among those that cannot be refused.
pub(crate) struct WokenEntry(pub(crate) Arc<dyn Polled>);

impl Payload for AsyncEntry {
    fn run(self, id: JobId, worker: &Worker) -> Ran {
        if !self.0.start() {
            return self.0.settle_popped(worker.life());
        }
        let frame = worker.begin(id, self.0.name());
        self.0.poll_at(worker, Some(frame), Driver::Popper)
    }

    fn abandon(self) {
        if self.0.start() {
            self.0.end_unpolled(Outcome::Abandoned);
        }
    }

    fn sort_out(self, life: &Arc<Lifecycle>) -> Option<Self> {
        if !self.0.is_started() {
            return Some(self);
        }
        if self.0.settle_popped(life) == Ran::Over {
            life.entry_over();
        }
        None
    }

    fn name(&self) -> Option<&str> {
        self.0.name()
    }

    fn is_async(&self) -> bool {
        true
    }
}

impl Payload for WokenEntry {
    fn run(self, _id: JobId, worker: &Worker) -> Ran {
        // Not a frame, since the job is noted as away; but it is on this worker's stack.
        worker.nested(|| self.0.poll_at(worker, None, Driver::Woken))
    }

    fn abandon(self) {
        self.0.end_unpolled(Outcome::Cancelled);
    }

    fn sort_out(self, _life: &Arc<Lifecycle>) -> Option<Self> {
        Some(self)
    }

    fn name(&self) -> Option<&str> {
        self.0.name()
    }

    fn is_async(&self) -> bool {
        true
    }
}
