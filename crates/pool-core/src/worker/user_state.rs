//! The worker's state, borrowed by one job at a time.

use std::any::Any;
use std::cell::RefCell;

/// Why a job does not get its worker's state for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// `on_worker_start` made no such state, or this thread runs no hook: one of an adopted engine,
    /// or one that only polls futures.
    #[error(
        "this worker has no state of that type: `on_worker_start` has to return a `RefCell` of it, and runs on a pool's own workers only"
    )]
    Missing,
    /// A job further up on this thread's stack has the state, and runs the asking one in place.
    #[error(
        "the worker's state is taken by a job that runs this one in place: do not join, submit or wait while the state is taken"
    )]
    Taken,
}

/// Calls `use_it` with the `S` in a worker's `RefCell<S>`, borrowed for the call.
///
/// # Errors
/// [`StateError::Missing`] if `state` is no `RefCell<S>`, and [`StateError::Taken`] if it is
/// borrowed.
pub(crate) fn lend<S: Any, R>(
    state: Option<&dyn Any>,
    use_it: impl FnOnce(&mut S) -> R,
) -> Result<R, StateError> {
    let cell: &RefCell<S> = state
        .and_then(<dyn Any>::downcast_ref)
        .ok_or(StateError::Missing)?;
    let mut state = cell.try_borrow_mut().map_err(|_| StateError::Taken)?;
    Ok(use_it(&mut state))
}
