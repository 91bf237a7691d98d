//! `Links`: what a suspended future keeps under one lock: its pool, the wakers of its helper and
//! its host, and what it awaits. Futures that end at their first poll need none of it.

use std::sync::Arc;
use std::task::Waker;

use super::awaits::Awaits;
use crate::job::id::JobId;
use crate::pool::lifecycle::Lifecycle;
use crate::worker::Awaited;
use crate::worker::slot_request::Seeking;

/// What a suspended future is tied to. No waker is called or dropped under the lock, since that is
/// the user's code; it is cloned there.
#[derive(Default)]
pub(super) struct Links {
    /// The pool that accounts for the job, whose list of woken futures a wake uses. There from the
    /// first suspension on a worker to the end; a hosted future has none.
    pub(super) pool: Option<Arc<Lifecycle>>,
    /// The waker of a job of the same pool that waits for this one and may poll it. There is room
    /// for one: the last that polled the handle.
    pub(super) helper: Option<Waker>,
    /// The waker of the runtime's task that hosts the future. The future's own wakes go there by
    /// themselves; this one is for a canceller.
    pub(super) host: Option<Waker>,
    /// What the future waits for itself, if it ever waited for its own pool.
    pub(super) waits: Option<Box<Waits>>,
}

impl Links {
    /// Returns what future `id`, whose links these are, awaits. A job whose handle another future
    /// has polled since is left out.
    pub(super) fn awaits_of(&self, id: JobId) -> Vec<Arc<dyn Awaited>> {
        let awaits = self.waits.as_ref().map(|waits| waits.awaits.alive());
        let own = awaits
            .into_iter()
            .flatten()
            .filter(|it| it.is_awaited_by(id));
        own.cloned().collect()
    }
}

/// What a suspended future waits for in its own pool, for its helpers.
#[derive(Default)]
pub(super) struct Waits {
    /// The jobs of its own pool that it has awaited.
    pub(super) awaits: Awaits,
    /// The inbox at which it waited for a slot last. It may be closed by now.
    pub(super) seeking: Option<Arc<Seeking>>,
}
