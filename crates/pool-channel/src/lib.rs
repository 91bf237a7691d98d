//! A worker pool whose threads share one bounded queue, first in, first out.
//!
//! # When to use it
//! The default choice for a service: jobs from outside, of any length, in order of arrival, under
//! back-pressure. If jobs submit many jobs of their own, `pool-work-stealing` moves less between
//! cores.
//!
//! ```
//! use pool_channel::ChannelPool;
//! use pool_core::ExecutorExt;
//!
//! let pool = ChannelPool::builder().workers(3).queue_capacity(100).build()?;
//! let answer = pool.spawn(|| 6 * 7)?;
//! assert_eq!(answer.join()?, 42);
//! let report = pool.shutdown(std::time::Duration::from_secs(1));
//! assert!(report.is_safe_to_exit());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod engine;

pub use engine::ChannelEngine;

/// Threads on one bounded queue.
pub type ChannelPool = pool_core::backend::WorkerPool<ChannelEngine>;
