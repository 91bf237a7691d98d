//! A worker pool with a deque for each worker, and stealing between them.
//!
//! # When to use it
//! Where jobs submit jobs of their own: a child goes onto its submitter's deque and is run there,
//! warm, unless an idle worker steals it. Jobs from outside go through a shared injector. There is
//! no order of starts; where that matters use `pool-channel`.
//!
//! ```
//! use pool_core::ExecutorExt;
//! use pool_work_stealing::WorkStealingPool;
//!
//! let pool = WorkStealingPool::builder().workers(2).build()?;
//! let child_of = pool.clone();
//! let parent = pool.spawn(move || child_of.spawn(|| 42).map(|child| child.join()))?;
//! assert!(matches!(parent.join()?, Ok(Ok(42))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod engine;

pub use engine::WorkStealingEngine;

/// Threads with a deque each. [`builder`](pool_core::backend::WorkerPool::builder) configures one;
/// it adopts nothing.
pub type WorkStealingPool = pool_core::backend::WorkerPool<WorkStealingEngine>;
