//! A production worker pool: bounded, with pluggable strategies, and a shutdown that says exactly
//! what it did not finish.
//!
//! Write a job once; choose who runs it by a cargo feature, by a value at run time, or live under
//! load.
//!
//! ```
//! use pool::{Pool, job_fn};
//! use std::time::Duration;
//!
//! let pool = Pool::builder().workers(3).queue_capacity(100).build()?;
//! let parsed = pool.submit(job_fn(|_ctx| "42".parse::<u32>()))?;
//! let failed = pool.submit(job_fn(|_ctx| "no".parse::<u32>()))?;
//! assert_eq!(parsed.join()?, 42);
//! assert!(failed.join().is_err());
//! let report = pool.shutdown(Duration::from_secs(30));
//! assert_eq!((report.completed(), report.failed()), (1, 1));
//! println!("{report}"); // its last line: safe to exit
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which backend
//! | choose | if |
//! |---|---|
//! | [`Backend::Channel`] | jobs come from outside and should start in order: the default |
//! | [`Backend::WorkStealing`] | jobs submit many jobs of their own |
//! | [`Backend::Rayon`] | the jobs use rayon's parallel iterators, or the process has a rayon pool already |
//! | [`Backend::Async`] | many jobs are futures that need tokio's timers and sockets |
//!
//! # Features
//! `channel` and `work-stealing` (the default), `rayon`, `async`. They add backends and change no
//! signature. So does `sim`, which is for tests: the module `sim` has what runs one under many
//! schedules, and [`Backend::Sim`] is a pool in it. `tokio-util` converts between [`CancelToken`]
//! and that crate's `CancellationToken`. `signals` adds `Drain`, which stops a server and its pool
//! within one limit at SIGTERM or Ctrl-C.
#![forbid(unsafe_code)]

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}

/// The guide's example of a simulation, compiled and run.
#[cfg(all(doctest, feature = "sim"))]
#[doc = include_str!("../../../docs/testing.md")]
mod testing {}

/// The guide for services, each of its examples compiled and run.
#[cfg(all(
    doctest,
    feature = "signals",
    feature = "channel",
    feature = "work-stealing"
))]
#[doc = include_str!("../../../docs/operating.md")]
mod operating {}

/// What the author of a backend, or of an executor, needs; [`pool_core::backend`].
pub use pool_core::backend;

mod adopted;
mod builder;
mod choice;
#[cfg(feature = "signals")]
mod drain;
mod environment;
mod pool;
mod strategy;

pub use builder::Builder;
pub use choice::{Backend, ParseBackendError};
#[cfg(feature = "signals")]
pub use drain::Drain;
pub use pool::Pool;

pub use pool_core::{
    AbortHandle, AsyncContext, AsyncJob, AsyncJobExt, Broadcast, BroadcastError, BuildError,
    CancelOnDrop, CancelToken, Capability, Configured, Cut, CutShort, DEFAULT_CAPACITY, Executor,
    ExecutorExt, InfallibleFn, InfallibleFuture, Interrupted, Job, JobContext, JobEnd, JobError,
    JobExt, JobFailure, JobHandle, JobId, JobInfo, JobOptions, JobSet, MAX_WORKERS, MIN_STACK, Map,
    MapUnordered, Observer, Outcome, Panic, PanicInfo, PoolPhase, Pools, Refusal, Refused, Room,
    RunningJob, Scope, ScopeError, Shutdown, ShutdownPolicy, ShutdownReport, Snapshot, StateError,
    Stats, StuckJob, SubmitAllError, SubmitError, Task, UnstartedJob, Wants, WithinPool,
    WorkerSnapshot, async_job_fn, infallible_fn, infallible_future, job_fn,
};

#[cfg(feature = "async")]
pub use pool_async::AsyncPool;
#[cfg(feature = "channel")]
pub use pool_channel::ChannelPool;
#[cfg(feature = "rayon")]
pub use pool_rayon::RayonPool;
/// Tests under schedules drawn from a seed, with virtual time: the crate `pool-sim`.
#[cfg(feature = "sim")]
pub use pool_sim as sim;
#[cfg(feature = "sim")]
pub use pool_sim::SimPool;
#[cfg(feature = "work-stealing")]
pub use pool_work_stealing::WorkStealingPool;

/// What most programs use, for `use pool::prelude::*`.
///
/// # Examples
///
/// ```
/// use pool::prelude::*;
///
/// let pool = Pool::builder().workers(2).build()?;
/// let checked = job_fn(|ctx| ctx.check()).named("checked");
/// pool.submit(checked)?.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod prelude {
    pub use crate::{
        AsyncContext, AsyncJob, AsyncJobExt, Backend, CancelToken, Executor, ExecutorExt,
        Interrupted, Job, JobContext, JobError, JobExt, JobHandle, JobOptions, JobSet, Pool,
        Shutdown, ShutdownPolicy, SubmitError, async_job_fn, infallible_fn, infallible_future,
        job_fn,
    };
}
