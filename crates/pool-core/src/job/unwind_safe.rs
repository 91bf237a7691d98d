//! `UnwindSafe` for what a user holds of a pool, so that a closure that runs under `catch_unwind`
//! may capture it.
//!
//! These types are whole before and after an unwinding, whichever code panics. What they share
//! changes in single atomic steps, or under locks whose holders run no user code; a value of the
//! user's that they hold (an outcome, a job) is handed out whole or not at all. Those that jobs are
//! shown by reference (a worker's state, what a pool shares, what a job carries) are the user's to
//! keep whole: jobs run contained, so a panic in one of them is no news to those.

use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::job::JobOptions;
use crate::job::abort_handle::AbortHandle;
use crate::job::cancel_token::CancelToken;
use crate::job::context::{AsyncContext, JobContext};
use crate::job::handle::{CancelOnDrop, JobHandle};
use crate::job::job_set::JobSet;
use crate::pool::builder::PoolBuilder;
use crate::pool::config::PoolConfig;
use crate::pool::engine::{Engine, WorkerPool};
use crate::pool::lifecycle::Lifecycle;
use crate::pool::report::ShutdownReport;
use crate::submit::error::BuildError;
use crate::submit::room::Room;
use crate::task::Task;

macro_rules! unwind_safe {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<$($generics)*> UnwindSafe for $type {}
        impl<$($generics)*> RefUnwindSafe for $type {}
    )*};
}

unwind_safe! {
    [E: Engine] WorkerPool<E>;
    [E: Engine] PoolBuilder<E>;
    [] PoolConfig;
    [] JobOptions;
    [] BuildError;
    [T, E] JobHandle<T, E>;
    [T, E] CancelOnDrop<T, E>;
    [] AbortHandle;
    [T, E] JobSet<'_, T, E>;
    [] CancelToken;
    [] JobContext<'_>;
    [] AsyncContext;
    [] ShutdownReport;
    [] Task;
    [] Room;
    [] Lifecycle;
}
