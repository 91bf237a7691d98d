//! The contract of a production worker pool, and all that its backends share.
//!
//! # When to use this crate
//! To write a library that takes *somewhere to run jobs* without choosing for its user: accept
//! `&dyn Executor` and call the methods of [`ExecutorExt`]. To write a backend: see [`backend`]. To
//! run jobs, use the crate `pool`, which has the backends.
//!
//! # What is where
//! | you write | you get |
//! |---|---|
//! | [`Job`], [`AsyncJob`] | [`JobHandle`], [`Outcome`], [`JobError`], [`JobContext`] |
//! | [`Engine`](backend::Engine): a queue and its threads | [`WorkerPool`](backend::WorkerPool): intake, deadlines, cancellation, panics, ledger, shutdown |
//!
//! **pool-core owns the life of a job; a backend owns where and when it runs.** Whatever must hold
//! on every backend is here once.
//!
//! # Guarantees
//! The rules of the contract, from `R101` on, each a test in `pool-conformance`. The first of them:
//! an accepted job reaches exactly one outcome, whatever a backend, a job, a hook, a caller or a
//! shutdown does.

mod cell;
mod job;
mod pool;
mod queue;
mod submit;
mod sys;
mod task;
#[cfg(test)]
mod testing;
mod worker;

pub mod backend;
#[doc(hidden)]
pub mod swap;

#[doc(hidden)]
pub use sys::atfork::set_in_forked_children;
#[doc(hidden)]
pub use sys::machine;

pub use job::abort_handle::AbortHandle;
pub use job::adapters::{AsyncJobExt, Configured, JobExt};
pub use job::cancel_token::CancelToken;
pub use job::context::{AsyncContext, JobContext};
pub use job::handle::{CancelOnDrop, JobHandle};
pub use job::id::JobId;
pub use job::job_fn::{
    InfallibleFn, InfallibleFuture, async_job_fn, infallible_fn, infallible_future, job_fn,
};
pub use job::job_set::JobSet;
pub use job::outcome::{Interrupted, JobError, Outcome, PanicInfo};
pub use job::{AsyncJob, Job, JobOptions};
pub use pool::capability::Capability;
pub use pool::config::{DEFAULT_CAPACITY, MAX_WORKERS, MIN_STACK};
pub use pool::hooks::{JobFailure, Panic};
pub use pool::lifecycle::Phase as PoolPhase;
pub use pool::observer::{JobEnd, JobInfo, Observer, Wants};
pub use pool::report::{Cut, CutShort, ShutdownReport, UnstartedJob};
pub use pool::running::RunningJob;
pub use pool::shutdown::{Shutdown, ShutdownPolicy};
pub use pool::snapshot::{Snapshot, WorkerSnapshot};
pub use pool::stats::Stats;
pub use pool::stuck::StuckJob;
pub use submit::broadcast::{Broadcast, BroadcastError, WithinPool};
pub use submit::error::{BuildError, Refused, SubmitAllError, SubmitError};
pub use submit::executor::{Executor, ExecutorExt, Pools};
pub use submit::map::{Map, MapUnordered};
pub use submit::refusals::Refusal;
pub use submit::room::Room;
pub use submit::scope::{Scope, ScopeError};
pub use task::Task;
pub use worker::user_state::StateError;
