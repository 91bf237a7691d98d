//! Where the outcome of a job meets its handle: one cell for a closure, one for a future.

pub(crate) mod closure;
pub(crate) mod drop_depth;
pub(crate) mod future;
pub(crate) mod poll_state;
pub(crate) mod raw_handle;
pub(crate) mod state;
pub(crate) mod unstarted;
pub(crate) mod waker_slot;
