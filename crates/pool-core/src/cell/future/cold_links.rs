//! `Links`: whom a future that is suspended is tied to, under one lock.

use std::sync::Arc;
use std::task::Waker;

use super::awaits::Awaits;
use crate::job::id::JobId;
use crate::pool::lifecycle::Lifecycle;
use crate::worker::Awaited;
use crate::worker::slot_request::Seeking;

/// Whom a future that is suspended is tied to.
#[derive(Default)]
pub(super) struct Links {
    /// Its pool: there from the first suspension to the end.
    pub(super) pool: Option<Arc<Lifecycle>>,
    /// A job of the pool that waits for it and may poll it.
    pub(super) helper: Option<Waker>,
    /// The task of a runtime. Its future's wakes go there by themselves; this one is for a
    /// canceller.
    pub(super) host: Option<Waker>,
    /// What it waits for itself, if it ever waited for its own pool.
    pub(super) waits: Option<Box<Waits>>,
}

impl Links {
    /// What the future with these links awaits.
    pub(super) fn awaits_of(&self, id: JobId) -> Vec<Arc<dyn Awaited>> {
        let awaits = self.waits.as_ref().map(|waits| waits.awaits.alive());
        let own = awaits
            .into_iter()
            .flatten()
            .filter(|it| it.is_awaited_by(id));
        own.cloned().collect()
    }
}

/// What a suspended future waits for in its own pool.
#[derive(Default)]
pub(super) struct Waits {
    pub(super) awaits: Awaits,
    /// Where it waited for a token last.
    pub(super) seeking: Option<Arc<Seeking>>,
}
