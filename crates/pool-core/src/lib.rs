//! The contract of a production worker pool, and all that its backends share.
//!
//! # When to use this crate
//! To write a library that takes *somewhere to run jobs* without choosing for its user: accept `&dyn Executor` and call the
//! methods of [`ExecutorExt`]. To write a backend: implement [`Engine`] and hand out [`WorkerPool`]s of it. To run jobs, use the
//! crate `pool`, which has the backends.
//!
//! # What is where
//! | you write | you get |
//! |---|---|
//! | [`Job`], [`AsyncJob`] | [`JobHandle`], [`Outcome`], [`JobError`], [`JobContext`] |
//! | [`Engine`]: a queue and its threads | [`WorkerPool`]: intake, deadlines, cancellation, panics, ledger, shutdown |
//!
//! **pool-core owns the life of a job; a backend owns where and when it runs.** Whatever must hold on every backend is here once.
//!
//! # Guarantees
//! The rules `R101` to `R903` of the contract, each a test in `pool-conformance`. The first of them: an accepted job reaches
//! exactly one outcome, whatever a backend, a job, a hook, a caller or a shutdown does.

mod abort;
mod async_cell;
mod async_entry;
mod away;
mod barrier;
mod boxed;
mod builder;
mod capability;
mod cell;
mod clock;
mod config;
mod context;
mod engine;
mod error;
mod error_text;
mod executor;
mod fork;
mod forked;
mod front;
mod hand_over;
mod handle;
mod hooks;
mod hosted;
mod id;
mod idle;
mod inherent;
mod job;
mod job_set;
mod ledger;
mod lifecycle;
mod loan;
#[doc(hidden)]
pub mod machine;
mod map;
#[cfg(all(test, pool_loom))]
mod models;
mod nesting;
mod outcome;
mod places;
mod plain;
mod published;
mod queue;
mod reach;
mod registry;
mod report;
mod ring;
mod room;
mod scope;
mod seeking;
mod shutdown;
mod slab;
mod slot;
mod source;
mod state;
mod stats;
#[cfg(test)]
mod still;
mod sync;
mod task;
mod thread_number;
mod threads;
mod ticket;
mod token;
mod turn;
mod unstarted;
mod unwind;
mod visit;
mod wait;
mod waiter;
mod worker;
mod worker_state;

pub use abort::AbortHandle;
pub use boxed::{BoxedTask, Boxes};
pub use builder::PoolBuilder;
pub use capability::Capability;
pub use config::{DEFAULT_CAPACITY, LEAST_STACK, MOST_WORKERS, PoolConfig};
pub use context::{AsyncContext, JobContext};
pub use engine::{Engine, WorkerPool};
pub use error::{BuildError, Refused, SubmitAllError, SubmitError};
pub use executor::{Executor, ExecutorExt};
pub use front::{Front, FrontDoor};
pub use hand_over::{Adopted, HandOver, Retired};
pub use handle::{CancelOnDrop, JobHandle};
pub use hooks::JobFailure;
pub use hosted::{Lent, host_futures, lose_token};
pub use id::JobId;
pub use job::{AsyncJob, AsyncJobExt, Configured, Job, JobExt, JobOptions};
pub use job_set::JobSet;
pub use lifecycle::Lifecycle;
pub use map::{Map, MapUnordered};
pub use outcome::{Interrupted, JobError, Outcome, PanicInfo};
pub use places::Places;
pub use published::Published;
pub use queue::{QueuedBy, SharedQueue};
pub use report::{Cut, CutShort, RunningJob, ShutdownReport, UnstartedJob};
pub use room::Room;
pub use scope::{Scope, ScopeError};
pub use shutdown::{Shutdown, ShutdownPolicy, end_as_one, end_as_one_blocking};
pub use stats::{Stats, Tally};
pub use task::{Held, Task, TaskPlace};
pub use threads::Threads;
pub use token::CancelToken;
pub use visit::{
    Left, Residents, STAY, Visited, after_this_job, is_within_a_job, move_in, move_out,
    put_to_sleep, visit, visit_between_chains,
};
pub use wait::{Blocked, when_blocked};
pub use worker::{Errand, Step, Worker};
pub use worker_state::StateError;
