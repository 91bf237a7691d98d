//! A worker pool on a tokio runtime, its own or the caller's: closures where they may block, futures as the runtime's tasks.
//!
//! # When to use it
//! Where jobs are futures that need tokio's timers and sockets. `workers` bounds what runs at once: a closure holds its place while it
//! runs, a future from its start to its end, asleep or not. Where futures need no such bound, `tokio::spawn` alone is cheaper.
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
#![forbid(unsafe_code)]

mod engine;
mod runtime;

pub use engine::AsyncEngine;

/// Jobs on a tokio runtime. [`adopt`](pool_core::PoolBuilder::adopt) the caller's handle, or have a runtime built.
pub type AsyncPool = pool_core::WorkerPool<AsyncEngine>;
