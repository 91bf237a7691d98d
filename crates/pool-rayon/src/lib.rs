//! A worker pool on a rayon thread pool, its own or the caller's.
//!
//! # When to use it
//! Where jobs use rayon's parallel iterators or `join`: they run on the same threads. Rayon alone
//! is the better choice for work that needs none of the rest: no bound, no handles, no deadlines,
//! no shutdown with a report. What a job submits stays on its thread unless another is idle, as in
//! rayon; so there is no order of starts.
//!
//! ```
//! use std::sync::Arc;
//! use pool_core::ExecutorExt;
//! use pool_rayon::RayonPool;
//!
//! let threads = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build()?);
//! let pool = RayonPool::builder().workers(2).adopt(Arc::clone(&threads)).build()?;
//! let (a, b) = pool.spawn(|| rayon::join(|| 6, || 7))?.join()?;
//! assert_eq!(a * b, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod engine;
mod threads;

pub use engine::RayonEngine;

/// Jobs on a rayon thread pool. [`adopt`](pool_core::backend::PoolBuilder::adopt) the caller's, or
/// have one built.
pub type RayonPool = pool_core::backend::WorkerPool<RayonEngine>;
