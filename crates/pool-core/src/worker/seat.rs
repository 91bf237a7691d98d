//! `Seat`: a place in a pool.

use std::fmt;
use std::sync::Arc;

use crate::pool::lifecycle::Lifecycle;

/// A place in a pool, without the thread that sits there.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(super) life: Arc<Lifecycle>,
    pub(super) index: usize,
}

impl Seat {
    /// The place of worker `index`.
    pub(crate) fn new(life: &Arc<Lifecycle>, index: usize) -> Self {
        Self {
            life: Arc::clone(life),
            index,
        }
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
