//! What the author of a backend needs, and a user of pools does not.
//!
//! A backend is an [`Engine`]: a queue and the threads that empty it. [`WorkerPool`] makes a whole
//! pool of it: intake, deadlines, cancellation, panics, counts and shutdown are here once, for
//! every backend.
//!
//! | your engine's workers are | use |
//! |---|---|
//! | whatever calls a closure: a runtime, a thread for each run | [`SpawnPool`], without an engine of yours |
//! | threads of its own | [`Threads`], with [`SharedQueue`] or [`StealingQueue`] or a [`TaskQueue`] of yours |
//! | threads that somebody else lends for a time | [`run_on_borrowed_thread`], [`put_to_sleep`] and [`Lifecycle::resume_with`] |
//! | threads of its own, next to a runtime that polls futures | [`RegisteredThreads`], [`host_futures`] |
//!
//! Such a pool is an [`Executor`](crate::Executor) and a [`Shutdown`](crate::Shutdown) of its own
//! type. The crate `pool` chooses and swaps between its own backends alone.
//!
//! The kit in the crate `pool-conformance` says whether the pool keeps the contract. Its example
//! `own_executor` is a whole backend, and `thread_per_run` is a whole pool on a [`Spawn`].

pub use crate::cell::ticket::DeadEntry;
pub use crate::pool::builder::PoolBuilder;
pub use crate::pool::config::PoolConfig;
pub use crate::pool::engine::{Engine, WorkerPool};
pub use crate::pool::lifecycle::Lifecycle;
pub use crate::pool::spawn_engine::{Spawn, SpawnEngine, SpawnPool};
pub use crate::queue::TaskQueue;
pub use crate::queue::permits::Permits;
pub use crate::queue::shared::{QueuedBy, SharedQueue};
pub use crate::queue::stealing::StealingQueue;
pub use crate::task::boxed::{BoxedTask, Boxes};
pub use crate::task::{TaskPlace, TaskRef};
pub use crate::worker::borrowed::{
    BorrowedRun, Continuation, RegisteredThreads, STAY, after_this_job, deregister_thread,
    is_within_a_job, put_to_sleep, register_thread, run_between_hosts, run_on_borrowed_thread,
    run_pinned,
};
pub use crate::worker::future_host::{SlotInTransit, host_futures, lose_slot};
pub use crate::worker::park::{Blocked, when_blocked};
pub use crate::worker::threads::Threads;
pub use crate::worker::{DeferredAction, StepOutcome, Worker};
