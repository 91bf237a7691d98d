//! `cargo xtask ci`: what continuous integration runs; with `--deep`, every check of this
//! repository.

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::steps::{Step, cargo, run_all};
use crate::{minimal, root, sanitize, test};

/// The oldest compiler that the workspace's manifest promises.
const MSRV: &str = env!("CARGO_PKG_RUST_VERSION");
/// One quick sample of one workload, as the benches are built.
const SMOKE: &str = "xtask bench --quick --only empty --samples 1";
/// How long the deep form soaks all backends together.
const DEEP_SOAK: &str = "xtask soak --backend all --seconds 480";
/// How long the deep form runs random programs.
const DEEP_FUZZ: &str = "xtask fuzz --backend mixed --minutes 20";

#[derive(Args)]
pub(crate) struct Options {
    /// The deep forms too: hours on a small machine
    #[arg(long)]
    deep: bool,
}

/// Everything that a change must pass. The tests run every workload of the benches on every
/// contestant, without optimization; their figures would mean nothing on a shared machine.
pub(crate) fn run(options: &Options) -> Result<()> {
    test::run()?;
    test::run_rest()?;
    if options.deep {
        deep()?;
    }
    Ok(())
}

fn deep() -> Result<()> {
    let mut not_checked = Vec::new();
    run_all(&[
        Step::cargo(SMOKE),
        Step::cargo("xtask loom --deep"),
        Step::cargo("xtask mutants"),
        Step::cargo(DEEP_SOAK),
        Step::cargo(DEEP_FUZZ),
    ])?;
    sanitize::run()?;
    run_all(&dependencies(&mut not_checked)?)?;
    minimal::run()?;
    run_all(&compatibility(&mut not_checked)?)?;
    for what in not_checked {
        println!("NOT checked: {what}");
    }
    Ok(())
}

/// Features in every combination; licences, bans, sources and advisories of all dependencies.
fn dependencies(not_checked: &mut Vec<String>) -> Result<Vec<Step>> {
    install("hack")?;
    install("deny")?;
    let mut steps = vec![
        Step::cargo("hack check -p pool --feature-powerset"),
        Step::cargo("deny --all-features check licenses bans sources"),
    ];
    let fetched = quietly(cargo().args(["deny", "fetch", "db"]))?;
    if fetched {
        steps.push(Step::cargo(
            "deny --all-features check --disable-fetch advisories",
        ));
    } else {
        not_checked.push("advisories: their database cannot be fetched from here".to_owned());
    }
    Ok(steps)
}

/// The API against the last release, and the oldest compiler that is promised.
fn compatibility(not_checked: &mut Vec<String>) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    match last_tag()? {
        Some(tag) => {
            install("semver-checks")?;
            let check = format!(
                "semver-checks --workspace --exclude xtask --exclude benches --exclude stress --exclude abort --baseline-rev {tag}"
            );
            steps.push(Step::cargo(&check));
        }
        None => {
            not_checked.push("the API against the last release: there is no tag yet".to_owned())
        }
    }
    if quietly(Command::new("rustup").args(["run", MSRV, "rustc", "--version"]))? {
        let check = format!("run {MSRV} cargo check --all-features --target-dir target/msrv");
        steps.push(Step::program("rustup", &check));
    } else {
        not_checked.push(format!(
            "the build with Rust {MSRV}, which is not installed (rustup toolchain install {MSRV}); clippy has looked for newer parts of `std`"
        ));
    }
    Ok(steps)
}

/// Checks that cargo has a subcommand.
fn install(name: &str) -> Result<()> {
    if quietly(cargo().args([name, "--version"]))? {
        return Ok(());
    }
    let package = format!("cargo-{name}");
    println!("installing {package}, which is missing");
    let status = cargo().args(["install", &package, "--locked"]).status()?;
    if !status.success() {
        bail!("{package} is missing and cannot be installed: cargo install {package} --locked");
    }
    Ok(())
}

/// Whether a command succeeds.
fn quietly(command: &mut Command) -> Result<bool> {
    match command.current_dir(root()).output() {
        Ok(output) => Ok(output.status.success()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("could not start a command"),
    }
}

fn last_tag() -> Result<Option<String>> {
    let output = Command::new("git")
        .args(["describe", "--tags", "--abbrev=0"])
        .current_dir(root())
        .output()
        .context("could not start git")?;
    let tag = String::from_utf8(output.stdout)?.trim().to_owned();
    Ok((output.status.success() && !tag.is_empty()).then_some(tag))
}
