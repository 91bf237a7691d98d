//! The programs that check the pools against the contract: `cargo xtask conformance`, `sim`,
//! `soak`, `fuzz` and `fuzz-run`.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the program talks to the person who started it"
)]

mod chosen;
mod conformance;
mod fuzz;
mod intake;
mod sim;
mod soak;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The programs that check the pools against the contract
#[derive(Parser)]
#[command(name = "stress", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    program: Program,
}

#[derive(Subcommand)]
enum Program {
    /// Every rule of the contract on every backend, and the faulty executors that the kit must
    /// catch
    Conformance(conformance::Options),
    /// Every rule under schedules drawn from seeds, and how soon the faulty executors are found
    Sim(sim::Options),
    /// Pools that are used by every way in and ended at random moments, with each job's history
    /// checked against the contract
    Soak(soak::Options),
    /// Random programs over several pools, each in its own process, with the contract as their
    /// oracle; a failing program is shrunk
    Fuzz(fuzz::Options),
    /// Runs programs of `fuzz` in this process
    FuzzRun(fuzz::ChildOptions),
}

fn main() -> ExitCode {
    let result = match Cli::parse().program {
        Program::Conformance(options) => conformance::run(&options),
        Program::Sim(options) => sim::run(&options),
        Program::Soak(options) => soak::run(&options),
        Program::Fuzz(options) => fuzz::run(&options),
        Program::FuzzRun(options) => fuzz::run_here(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
