//! An executor on somebody else's threads, held to the contract: a function that starts a thread,
//! and every rule.
//!
//! `cargo run --example thread_per_run`; the exit code says whether all rules hold. Another
//! runtime's `spawn_blocking` takes the place of `thread::Builder` as it is.

mod verdicts;

use std::process::ExitCode;
use std::thread;

use pool_conformance::Fixture;
use pool_core::BuildError;
use pool_core::backend::{PoolConfig, SpawnPool};

/// A thread for each run of a worker, which ends as soon as there is nothing to do.
fn start_thread(run: Box<dyn FnOnce() + Send>) {
    // A thread that the system refuses drops the run, and the pool has one worker less.
    let _started = thread::Builder::new().name("run".to_owned()).spawn(run);
}

/// How the kit builds it.
struct ThreadPerRun;

impl Fixture for ThreadPerRun {
    type Pool = SpawnPool<fn(Box<dyn FnOnce() + Send>)>;

    fn build(config: PoolConfig) -> Result<Self::Pool, BuildError> {
        Self::Pool::builder()
            .config(config)
            .adopt(start_thread)
            .build()
    }
}

fn main() -> ExitCode {
    verdicts::print::<ThreadPerRun>()
}
