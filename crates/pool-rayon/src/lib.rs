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
///
/// On threads of its own, each thread is a worker: it has the configured name and stack, and runs
/// the hooks. On an adopted pool the threads are the caller's, and none of that applies; `workers`
/// is the number of its threads unless it is given, and may not be larger.
///
/// # Examples
///
/// ```
/// use pool_core::BuildError;
/// use pool_rayon::RayonPool;
/// use std::sync::Arc;
///
/// let pool = RayonPool::builder().workers(2).build()?; // on threads of its own
/// assert_eq!(pool.spawn(rayon::current_num_threads)?.join()?, 2);
///
/// let threads = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build()?);
/// let refused = RayonPool::builder().workers(3).adopt(threads).build();
/// assert!(matches!(refused, Err(BuildError::Engine { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type RayonPool = pool_core::backend::WorkerPool<RayonEngine>;
