//! Cells: where the outcome of a job meets its handle. There is one kind of cell for a closure and
//! one for a future.
//!
//! # Parts
//! - `closure` is the cell of a closure, in memory from a slab. `future` is the cell of a future,
//!   in an `Arc`.
//! - `state` is the life of a job as one atomic word. Both kinds of cell have one, and each step
//!   from queued to ended is a transition of it.
//! - `ticket` says where in its queue a queued job lies.
//! - `poll_state` says which thread may poll a future. Only the cell of a future has one.
//! - `waker_slot` holds the waker of the thread or task that waits at the handle.
//! - `raw_handle` is the handle's end of a cell, without the type of the job.
//! - `unstarted` is the end of a job that never starts. `drop_depth` bounds the user code that such
//!   ends nest.
//!
//! # Which side does what
//! A cell has a queue side, which is the entry inside a `Task`, and a handle side, which is the
//! `RawHandle` inside a `JobHandle`. Each side has a file of its own in the folder of its kind. The
//! winner of `State::start` owns the job: it runs or drops it, decides the outcome, and accounts
//! for it in the pool that the state named.

pub(crate) mod closure;
pub(crate) mod drop_depth;
pub(crate) mod future;
pub(crate) mod poll_state;
pub(crate) mod raw_handle;
pub(crate) mod state;
pub(crate) mod ticket;
pub(crate) mod unstarted;
pub(crate) mod waker_slot;
