//! The project's tasks: `cargo xtask test`, `conformance`, `loom`, `sim`, `soak`, `fuzz`,
//! `sanitize`, `bench`, `tidy` and `ci`.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person who started it"
)]

mod ci;
mod forward;
mod loom;
mod minimal;
mod mutant;
mod mutants;
mod one_test;
mod sanitize;
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
    /// What to run before each commit: format, lints, tests, docs; stops at the first failure
    Test,
    /// Every rule of the contract on every backend, and the faulty executors that the kit must
    /// catch
    Conformance(forward::Arguments),
    /// The models of the hand-written protocols, and for each the mutants of the code that it must
    /// catch
    Loom(loom::Options),
    /// Mutants of pool-core, each with the test that must notice it
    Mutants(mutants::Options),
    /// Pools that are used by every way in and ended at random moments, with each job's history
    /// checked against the contract
    Soak(forward::Arguments),
    /// Random programs over several pools, each in its own process, with the contract as their
    /// oracle; a failing program is shrunk
    Fuzz(forward::Arguments),
    /// Runs programs of `fuzz` in this process
    #[command(hide = true)]
    FuzzRun(forward::Arguments),
    /// Every rule under schedules drawn from seeds, and how many seeds find each faulty executor
    Sim(forward::Arguments),
    /// The workloads on the backends and their peers, each sample in its own process
    Bench(forward::Arguments),
    /// The checks of the repository that no compiler makes
    Tidy,
    /// The suite under the address and leak sanitizers, and a stress program under memcheck
    Sanitize,
    /// Everything that a change must pass, as continuous integration runs it
    Ci(ci::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Test => test::run(),
        Task::Conformance(own) => forward::stress("conformance", &own),
        Task::Loom(options) => loom::run(&options),
        Task::Mutants(options) => mutants::run(&options),
        Task::Soak(own) => forward::stress("soak", &own),
        Task::Fuzz(own) => forward::stress("fuzz", &own),
        Task::FuzzRun(own) => forward::stress("fuzz-run", &own),
        Task::Sim(own) => forward::stress("sim", &own),
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
