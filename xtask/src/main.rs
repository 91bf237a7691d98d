//! The project's tasks: `cargo xtask test`, `conformance`, `loom`, `sim`, `soak`, `fuzz`, `sanitize`, `bench`, `tidy` and `ci`.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person who started it"
)]

mod ci;
mod conformance;
mod forward;
mod fuzz;
mod intake;
mod loom;
mod minimal;
mod mutant;
mod mutants;
mod one_test;
mod sanitize;
mod sim;
mod soak;
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
    /// The models of the hand-written protocols, and for each the mutants of the code that it must catch
    Loom(loom::Options),
    /// Mutants of pool-core, each with the test that must notice it
    Mutants(mutants::Options),
    /// Pools that are used by every way in and ended at random moments, each job's history held against the contract
    Soak(soak::Options),
    /// Random programs over several pools, each in a process of its own, with the contract as their oracle; what fails is shrunk
    Fuzz(fuzz::Options),
    /// Runs programs of `fuzz` in this process
    #[command(hide = true)]
    FuzzRun(fuzz::ChildOptions),
    /// Every rule under schedules drawn from seeds, and how soon the broken executors are found
    Sim(sim::Options),
    /// The workloads on the backends and their peers, each sample in a process of its own
    #[command(disable_help_flag = true)]
    Bench(forward::Arguments),
    /// The checks of the repository that no compiler makes
    Tidy,
    /// The suite under the address and leak sanitizers, and a stress program under memcheck
    Sanitize,
    /// What the continuous integration runs: `test`, and one quick sample of the benches
    Ci(ci::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Test => test::run(),
        Task::Conformance(options) => conformance::run(&options),
        Task::Loom(options) => loom::run(&options),
        Task::Mutants(options) => mutants::run(&options),
        Task::Soak(options) => soak::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::FuzzRun(options) => fuzz::run_here(&options),
        Task::Sim(options) => sim::run(&options),
        Task::Bench(own) => forward::bench(&own),
        Task::Tidy => tidy::run(),
        Task::Sanitize => sanitize::run(),
        Task::Ci(options) => ci::run(&options),
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
