//! What may be captured by a closure that `catch_unwind` runs: all that a user holds of a pool.
//!
//! An unwinding finds and leaves these types whole, whoever panics. What they share changes in single
//! atomic steps, or under locks whose holders run no user code; a value of the user's that they hold
//! (an outcome, a job) is handed out whole or not at all, and never shown by reference.

use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::abort::AbortHandle;
use crate::builder::PoolBuilder;
use crate::config::PoolConfig;
use crate::context::{AsyncContext, JobContext};
use crate::engine::{Engine, WorkerPool};
use crate::error::BuildError;
use crate::handle::{CancelOnDrop, JobHandle};
use crate::job_set::JobSet;
use crate::lifecycle::Lifecycle;
use crate::report::ShutdownReport;
use crate::room::Room;
use crate::task::Task;
use crate::token::CancelToken;

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
