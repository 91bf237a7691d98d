//! Every known way in which a pool fails, survived on every backend: the tests that RELIABILITY.md
//! names besides the contract's rules.
//!
//! A number in a test's comment is its row there. The tests run only on Linux: they read `/proc`,
//! set limits on the process, and fork it.
#![cfg(target_os = "linux")]

mod broadcasts;
mod chains;
mod child;
mod durations;
mod ending;
mod fork;
mod in_place;
mod jobs;
mod lost;
mod many;
mod memory;
mod observers;
mod on;
mod panics;
mod pauses;
mod reactor;
mod reconfigures;
mod refused;
mod room;
mod sets;
mod shutdown;
mod start;
mod swap_drops;
mod swap_ends;
mod swap_places;
mod swaps;
mod system;
mod tokens;
mod wakers;
