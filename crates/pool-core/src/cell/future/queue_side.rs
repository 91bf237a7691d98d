//! A future's entries in queues: the first, and those of its wakes.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use crate::cell::future::Polled;
use crate::job::id::JobId;
use crate::pool::lifecycle::Lifecycle;
use crate::task::{Accepted, Changed, GivenUp, GivenUpAs, Payload};
use crate::worker::Worker;

/// The queue's first entry of a future.
pub(crate) struct AsyncEntry(pub(crate) Arc<dyn Polled>);

/// The entry of a future that was woken, among those that cannot be refused.
pub(crate) struct WokenEntry(pub(crate) Arc<dyn Polled>);

impl Payload for AsyncEntry {
    const IS_SHARED: bool = true;

    fn run(self, _id: JobId, worker: &Worker) {
        self.0.run_first(worker);
    }

    fn abandon(self) {
        self.0.abandon();
    }

    fn accept(&self, life: &Lifecycle) -> Accepted {
        self.0.accept(life)
    }

    fn watch(&self, life: &Lifecycle) -> Option<Waker> {
        Arc::clone(&self.0).watch(life)
    }

    fn change_pool(&self, from: &Lifecycle, to: Option<&Arc<Lifecycle>>) -> Changed {
        Arc::clone(&self.0).change_pool(from, to)
    }

    fn give_up(self, _id: JobId, life: &Lifecycle, ends: GivenUpAs) -> GivenUp {
        self.0.give_up(life, ends)
    }

    fn name(&self) -> Option<&str> {
        self.0.name()
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }

    fn is_async(&self) -> bool {
        true
    }
}

impl Payload for WokenEntry {
    fn run(self, _id: JobId, worker: &Worker) {
        self.0.run_woken(worker);
    }

    fn abandon(self) {
        self.0.abandon_woken();
    }

    fn give_up(self, _id: JobId, _life: &Lifecycle, _ends: GivenUpAs) -> GivenUp {
        // It started long ago; dropped, it is cancelled.
        GivenUp::TakenElsewhere
    }

    fn name(&self) -> Option<&str> {
        self.0.name()
    }

    fn is_async(&self) -> bool {
        true
    }
}
