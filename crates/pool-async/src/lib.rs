//! A worker pool on a tokio runtime, its own or the caller's: closures where they may block,
//! futures as the runtime's tasks.
//!
//! # When to use it
//! Where jobs are futures that need tokio's timers and sockets. `workers` bounds what runs at once:
//! a closure holds its place while it runs, a future from its start to its end, asleep or not.
//! Where futures need no such bound, `tokio::spawn` alone is cheaper.
//!
//! ```
//! use pool_async::AsyncPool;
//! use pool_core::{AsyncContext, ExecutorExt};
//! use std::time::Duration;
//!
//! let pool = AsyncPool::builder().workers(4).build()?;
//! let slept = pool.spawn_future(async {
//!     tokio::time::sleep(Duration::from_millis(1)).await;
//!     42
//! })?;
//! assert_eq!(slept.join()?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where jobs run
//! Futures are tasks of the runtime. Closures run on threads of the pool's own, within the
//! runtime's context: `Handle::current()`, `block_on` and `block_in_place` work there, and each has
//! the worker's state. No closure ever runs on a thread that polls futures (`R210`): a full queue
//! takes the child of a future past its bound (`R108`), and a future that joins a closure has it
//! run on one of the threads for closures. Such children get no back-pressure.
//!
//! The pool's runtime is a whole one. Whatever works in `#[tokio::main]` works in a job, if the
//! program's own dependency on tokio has the feature for it, and however busy the workers are:
//! `workers` bounds the pool's jobs, and not tokio's own threads for files, names and
//! `spawn_blocking`. The pool starts one thread for each worker, with the configured name, and as
//! many that poll, but no more than the machine has cores, which are named `pool-poller`.
//!
//! # Futures that wait for their own pool
//! A future that awaits a handle of its own pool, `wait_idle_async` or `shutdown_async` gives its
//! place away until it is woken, so that what it waits for can run, with one worker too. From then
//! on it does so each time that it is suspended. A chain of such awaits may be as long as memory
//! allows. A future that waits in another way keeps its place, also where a job of the pool is
//! behind it: one that blocks in an executor of its own (`block_on`), or one that awaits a plain
//! `tokio::spawn` that awaits the handle. With as many of those as workers the pool stands still.
//!
//! # On a runtime of the caller's
//! Closures are its blocking tasks: they have no worker state and none of the configured names and
//! stacks, and share the blocking threads with all else that the process does there. A runtime with
//! fewer blocking threads than `workers` (`max_blocking_threads`) runs fewer closures at once. A
//! runtime of one thread polls nothing while that thread blocks, as in a blocking `shutdown`, which
//! then reports at its limit what could not run. One that is shut down before the pool ends its
//! futures as `Cancelled` and what is queued as `Abandoned`.
//!
//! # The end
//! The last handle closes the pool and waits for its jobs. Dropped within the runtime that the pool
//! runs on, by a task, by a job or in a `block_on`, it waits for nothing: the pool ends by itself
//! once its jobs are over (`R610`). `shutdown_async` is the way to wait there.
#![forbid(unsafe_code)]

mod engine;
mod runtime;

pub use engine::AsyncEngine;

/// Jobs on a tokio runtime. [`adopt`](pool_core::backend::PoolBuilder::adopt) the caller's handle,
/// or have a runtime built.
///
/// # Examples
///
/// ```
/// use pool_async::AsyncPool;
///
/// let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
/// let pool = AsyncPool::builder().workers(2).adopt(runtime.handle().clone()).build()?;
/// let answer = pool.spawn_future(async { tokio::task::spawn(async { 6 * 7 }).await })?;
/// assert_eq!(answer.join()??, 42); // by tasks of the caller's runtime
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type AsyncPool = pool_core::backend::WorkerPool<AsyncEngine>;
