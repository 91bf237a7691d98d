//! `Seat`: a place in a pool, which a worker takes.

use std::fmt;
use std::sync::Arc;

use crate::pool::lifecycle::Lifecycle;

/// A place in a pool, without the thread that sits there. It keeps the life of the pool, so a
/// worker's pool outlives it.
#[derive(Clone)]
pub(crate) struct Seat {
    /// The life of the pool.
    pub(super) life: Arc<Lifecycle>,
    /// The index of the seat, from 0: of its status, its stripe in the books, and its flag among
    /// the seats.
    pub(super) index: usize,
}

impl Seat {
    /// Returns the place of worker `index`. It does not take the seat: on borrowed threads `Seats`
    /// does.
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
