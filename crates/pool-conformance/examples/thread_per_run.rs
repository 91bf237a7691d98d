//! Tests an executor on foreign threads against the contract: a function that starts a thread, and
//! every rule.
//!
//! `cargo run --example thread_per_run`; the exit code says whether all rules hold. The
//! `spawn_blocking` of another runtime can replace `thread::Builder` directly.

mod verdicts;

use std::process::ExitCode;
use std::thread;

use pool_conformance::Fixture;
use pool_core::BuildError;
use pool_core::backend::{PoolConfig, SpawnPool};

/// Starts a thread for each run of a worker. A run ends as soon as there is nothing to do.
fn start_thread(run: Box<dyn FnOnce() + Send>) {
    // If the system refuses a thread, the run is dropped and the pool has one worker less.
    let _started = thread::Builder::new().name("run".to_owned()).spawn(run);
}

/// Tells the kit how to build it.
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
