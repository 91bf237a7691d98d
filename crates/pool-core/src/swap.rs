//! What the crate `pool` needs to swap one backend for another (`pool/hand_over.rs`,
//! `pool/front.rs`). No part of the public API.

pub use crate::pool::front::{Front, FrontRef};
pub use crate::pool::hand_over::{Adopted, HandOver, Retired};
pub use crate::pool::shutdown::{end_as_one, end_as_one_blocking};
pub use crate::pool::stats::Tally;
pub use crate::sys::published::Published;

use std::sync::Arc;

use crate::pool::config::PoolConfig;
use crate::pool::lifecycle::Lifecycle;
use crate::submit::executor::Pools;

/// Has a pool of this configuration begin paused, as the next generation of one that is.
pub fn begin_paused(config: &mut PoolConfig) {
    config.is_paused = true;
}

/// The lives of the pools, oldest first.
pub fn lives(pools: &Pools) -> &[Arc<Lifecycle>] {
    pools.lives()
}
