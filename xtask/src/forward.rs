//! Commands that are programs of other packages: built and run with unchanged arguments.
//!
//! They need the pools, and xtask must not depend on them: it builds in seconds, even from scratch.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::root;

/// The program's own arguments, including `--help`.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// The command's own; `cargo xtask COMMAND --help` lists them
    #[arg(
        value_name = "ARGUMENTS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    arguments: Vec<OsString>,
}

/// Samples and compares; optimised, like what it samples.
pub(crate) fn bench(own: &Arguments) -> Result<()> {
    let mut command = run("benches", "bench");
    command.args(["--release", "--features", "runner", "--"]);
    exec(command.args(&own.arguments))
}

/// Checks the pools against the contract, in one of several ways.
pub(crate) fn stress(way: &str, own: &Arguments) -> Result<()> {
    let mut command = run("stress", "stress");
    exec(command.args(["--", way]).args(&own.arguments))
}

/// Stays in the caller's directory, since arguments may name files relative to it.
fn run(package: &str, program: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .args(["--package", package, "--bin", program]);
    command
}

/// Replaces this process, so that exit codes and signals are the program's. Returns only on
/// failure.
#[cfg(unix)]
fn exec(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec()).context("could not start cargo")
}

/// Ends with the program's exit code.
#[cfg(not(unix))]
fn exec(command: &mut Command) -> Result<()> {
    let status = command.status().context("could not start cargo")?;
    std::process::exit(status.code().unwrap_or(1))
}
