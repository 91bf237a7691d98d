//! What the threads and the future of one `Drain` know of its stop.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use pool_core::CancelToken;

/// How far the stop is, as tokens. A clone is the same stop.
#[derive(Clone)]
pub(super) struct Stop {
    /// Cancelled when it begins.
    pub(super) stopping: CancelToken,
    /// Cancelled by the second signal: the limit is over.
    pub(super) hurrying: CancelToken,
    /// Below `hurrying`, and cancelled also once the pool has ended.
    pub(super) giving_up: CancelToken,
    /// When the limit began.
    pub(super) start: Arc<OnceLock<Instant>>,
}

impl Stop {
    pub(super) fn new(stopping: CancelToken) -> Self {
        let hurrying = CancelToken::new();
        Self {
            stopping,
            giving_up: hurrying.child(),
            hurrying,
            start: Arc::default(),
        }
    }

    /// Begins the limit, unless it has begun. Returns when it did.
    pub(super) fn begin(&self) -> Instant {
        *self.start.get_or_init(Instant::now)
    }
}
