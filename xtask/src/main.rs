//! The project's tasks: `cargo xtask test`, `conformance`, `sim`, `bench`, `tidy` and `ci`.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person who started it"
)]

mod bench;
mod ci;
mod conformance;
mod sim;
mod steps;
mod test;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that a change must pass; stops at the first failure
    Test,
    /// Every rule of the contract on every backend, and the executors that the kit must catch
    Conformance(conformance::Options),
    /// Every rule under schedules drawn from seeds, and how soon the broken executors are found
    Sim(sim::Options),
    /// The workloads on the backends and their peers, each sample in a process of its own
    Bench(bench::Options),
    /// The checks of the repository that no compiler makes
    Tidy,
    /// What the continuous integration runs: `test`, and one quick sample of the benches
    Ci,
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Test => test::run(),
        Task::Conformance(options) => conformance::run(&options),
        Task::Sim(options) => sim::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Tidy => tidy::run(),
        Task::Ci => ci::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace, wherever the task was started.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in the workspace")
}
