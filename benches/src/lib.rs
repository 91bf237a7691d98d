//! Workloads, written once, and the contestants that run them: the pool's backends and, with the
//! feature `peers`, other pools.
//!
//! One process measures one sample: `bench-sample WORKLOAD CONTESTANT SIZE WORKERS [CAPACITY]`
//! prints a [`Sample`] as a line of JSON. `cargo xtask bench` starts these processes, with the
//! contestants alternating, and compares the samples.
#![forbid(unsafe_code)]

mod contestant;
mod contestants;
mod counted;
mod entry;
mod latch;
mod measure;
mod meter;
mod sample;
mod setup;
mod spec;
mod system;
mod workload;
mod workloads;

pub use contestant::{Contestant, ForkJoin, Futures, Stop};
pub use counted::PIPES as COUNTER_PIPES;
pub use entry::{Entry, Kind};
pub use latch::Latch;
pub use measure::{Measure, Unit, float};
pub use sample::{Measures, Request, Sample, measure};
pub use spec::Scaling;
pub use workload::Workload;
