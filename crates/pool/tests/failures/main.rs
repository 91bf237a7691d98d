//! Every way in which a pool is known to fail, survived on every backend: the tests that
//! RELIABILITY.md names next to the contract's rules.
//!
//! A number in a test's comment is its row there. Linux alone: they read `/proc`, set limits on the
//! process, fork it.
#![cfg(target_os = "linux")]

mod chains;
mod child;
mod durations;
mod ending;
mod fork;
mod jobs;
mod many;
mod memory;
mod on;
mod panics;
mod reactor;
mod refused;
mod room;
mod sets;
mod shutdown;
mod start;
mod swap_drops;
mod swap_ends;
mod swaps;
mod system;
mod tokens;
mod wakers;
