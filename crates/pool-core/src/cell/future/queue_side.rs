//! A future's entries in queues: the first, and those of its wakes.
//!
//! A submission queues one `AsyncEntry` in the pool's queue, which may refuse it. From the first
//! suspension on the future comes back as a `WokenEntry` in the pool's list of woken futures, which
//! refuses nothing. At most one woken entry of a future is queued at a time.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use crate::cell::future::Polled;
use crate::cell::ticket::QueuedJob;
use crate::job::Terms;
use crate::job::id::JobId;
use crate::pool::lifecycle::Lifecycle;
use crate::task::{Accepted, Changed, GivenUp, GivenUpAs, Payload};
use crate::worker::Worker;

/// The queue's first entry of a future. A worker that dequeues it polls for the first time; a host
/// takes the cell out of it. Dropped through `abandon`, it ends the job as `Abandoned`.
pub(crate) struct AsyncEntry(pub(crate) Arc<dyn Polled>);

/// The entry of a future that was woken, in the list of woken futures. It is stale if a helper has
/// polled since.
pub(crate) struct WokenEntry(pub(crate) Arc<dyn Polled>);

/// The entry as the payload of its task; each method forwards to the cell.
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

    fn queued_job(&self) -> Option<QueuedJob<'_>> {
        Some(self.0.queued_job())
    }

    /// Ends the job as `Abandoned`, if it has not started, and returns what it captured as a task.
    fn give_up(self, _id: JobId, life: &Lifecycle, ends: GivenUpAs) -> GivenUp {
        self.0.give_up(life, ends)
    }

    fn name(&self) -> Option<&str> {
        self.0.name()
    }

    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn terms(&self) -> Option<&Terms> {
        self.0.terms()
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }

    /// Returns true: an async runtime can host the job.
    fn is_async(&self) -> bool {
        true
    }
}

/// The entry as the payload of its task. Its job has started, so it stays in the pool that started
/// it.
impl Payload for WokenEntry {
    /// Polls the future on the worker that dequeued the entry, unless the entry is stale.
    fn run(self, _id: JobId, worker: &Worker) {
        self.0.run_woken(worker);
    }

    /// Ends the job as `Cancelled`, if the future is due: nobody is left to poll it.
    fn abandon(self) {
        self.0.abandon_woken();
    }

    /// Ends the job as `Cancelled`, if the future is due. It has started, so it counts so whatever
    /// others are given up as.
    fn give_up(self, _id: JobId, life: &Lifecycle, _ends: GivenUpAs) -> GivenUp {
        self.0.give_up_woken(life)
    }

    fn name(&self) -> Option<&str> {
        self.0.name()
    }

    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn terms(&self) -> Option<&Terms> {
        self.0.terms()
    }

    fn is_async(&self) -> bool {
        true
    }
}
