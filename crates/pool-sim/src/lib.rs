//! Worker pools under schedules drawn from a seed, with virtual time.
#![forbid(unsafe_code)]

mod check;
mod engine;
mod random;
mod schedule;
mod sim;
mod simulation;
mod state;
mod trace;
mod world;

pub use check::check;
pub use engine::SimEngine;
pub use schedule::{ParseScheduleError, Schedule};
pub use sim::Sim;
pub use simulation::{Failure, Ran, Simulation, VARIABLE};
pub use trace::Trace;

/// Workers of a simulation, on a queue that they take from as the seed says.
pub type SimPool = pool_core::WorkerPool<SimEngine>;
