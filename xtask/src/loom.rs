//! `cargo xtask loom`: the models of the hand-written protocols, and for each the mutants of the
//! code that it must catch.

mod copy;
mod mutants;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::mutant::{Mutant, VARIABLE};
use crate::one_test::{Verdict, build_tests, in_parallel, run_within, test_of};
use crate::steps::cargo;
use mutants::MUTANTS;

/// Builds the models instead of the pool. The name is unique, so no dependency reacts to it.
const CFG: &str = "--cfg pool_loom";
/// One target folder for the code and its copy, so the dependencies are built once.
const TARGET: &str = "target/models";
/// How many preemptions a model explores: by default, and with `--deep`.
const BOUND: usize = 2;
const DEEP_BOUND: usize = 4;
/// A model that neither passes nor fails within this time hangs. With `--deep` a model may take
/// many minutes.
const LIMIT: Duration = Duration::from_secs(120);
const DEEP_LIMIT: Duration = Duration::from_secs(3600);

#[derive(Args)]
pub(crate) struct Options {
    /// Explores more preemptions: minutes instead of seconds
    #[arg(long)]
    deep: bool,
    /// Runs the models whose names contain this, and their mutants
    #[arg(long)]
    model: Option<String>,
}

impl Options {
    fn wants(&self, model: &str) -> bool {
        self.model
            .as_ref()
            .is_none_or(|wanted| model.contains(wanted))
    }

    fn bound(&self) -> usize {
        if self.deep { DEEP_BOUND } else { BOUND }
    }

    fn limit(&self) -> Duration {
        if self.deep { DEEP_LIMIT } else { LIMIT }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = build(crate::root(), "pool-core")?;
    let models: Vec<String> = models_of(&binary)?
        .into_iter()
        .filter(|model| options.wants(model))
        .collect();
    ensure!(!models.is_empty(), "no model has such a name");
    check_that_each_has_a_mutant(&models)?;
    if options.model.is_none() {
        check_that_each_has_a_model(&models)?;
    }
    let failures = run_models(options, &binary, &models)?;
    ensure!(
        failures.is_empty(),
        "{} of {} models failed: {}",
        failures.len(),
        models.len(),
        failures.join(", ")
    );
    let wanted: Vec<&Mutant> = MUTANTS
        .iter()
        .filter(|mutant| models.iter().any(|model| model == mutant.by))
        .collect();
    let copy = copy::with_mutants(MUTANTS)?;
    let mutated = build(&copy, copy::NAME)?;
    // A model that fails with every mutant off says nothing about the mutants.
    let failures = run_models(options, &mutated, &models)?;
    ensure!(
        failures.is_empty(),
        "the copy fails with every mutant off: {}",
        failures.join(", ")
    );
    let survivors = run_mutants(&mutated, &wanted)?;
    ensure!(
        survivors.is_empty(),
        "{} of {} mutants survived: {}",
        survivors.len(),
        wanted.len(),
        survivors.join(", ")
    );
    println!(
        "\nloom: {} models passed with {} preemptions, and caught {} mutants",
        models.len(),
        options.bound(),
        wanted.len()
    );
    Ok(())
}

/// A mutant of a model that is gone would never be run.
fn check_that_each_has_a_model(models: &[String]) -> Result<()> {
    let gone: Vec<&str> = MUTANTS
        .iter()
        .filter(|mutant| models.iter().all(|model| model != mutant.by))
        .map(|mutant| mutant.name)
        .collect();
    ensure!(
        gone.is_empty(),
        "the models of these mutants are gone: {}",
        gone.join(", ")
    );
    Ok(())
}

/// A model that no mutant makes fail proves nothing.
fn check_that_each_has_a_mutant(models: &[String]) -> Result<()> {
    let mutated: BTreeSet<&str> = MUTANTS.iter().map(|mutant| mutant.by).collect();
    let without: Vec<&str> = models
        .iter()
        .map(String::as_str)
        .filter(|model| !mutated.contains(model))
        .collect();
    ensure!(
        without.is_empty(),
        "no mutant for {}: add one to xtask/src/loom/mutants.rs",
        without.join(", ")
    );
    Ok(())
}

/// Builds the models of the workspace in a folder. Returns their binary.
fn build(workspace: &Path, package: &str) -> Result<String> {
    let mut command = cargo();
    command
        .args(["test", "-p", package, "--release", "--lib"])
        .arg("--target-dir")
        .arg(crate::root().join(TARGET))
        .env("RUSTFLAGS", CFG);
    let built = build_tests(command, workspace)?.into_iter().next();
    Ok(built.context("cargo built no binary of the models")?.file)
}

/// The names of the models in a binary.
fn models_of(binary: &str) -> Result<Vec<String>> {
    let output = Command::new(binary)
        .args(["--list", "--format", "terse"])
        .output()
        .with_context(|| format!("could not start {binary}"))?;
    let listed = String::from_utf8(output.stdout)?;
    let tests = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    Ok(tests
        .filter(|name| name.split("::").any(|part| part == "models"))
        .map(str::to_owned)
        .collect())
}

/// Runs the models on the unchanged code. Returns the names of those that failed.
fn run_models(options: &Options, binary: &str, models: &[String]) -> Result<Vec<String>> {
    in_parallel(models, |model| {
        let start = Instant::now();
        let (verdict, said) = run_one(binary, model, None, options.bound(), options.limit())?;
        let took = start.elapsed().as_secs_f64();
        println!("  {:8} {took:>7.2} s  {model}", verdict.word());
        if verdict == Verdict::Passed {
            return Ok(None);
        }
        println!("{said}");
        Ok(Some(model.clone()))
    })
}

/// Runs each mutant against its model, with the default bound. Returns the names of those that were
/// not caught.
fn run_mutants(binary: &str, mutants: &[&Mutant]) -> Result<Vec<String>> {
    in_parallel(mutants, |mutant| {
        let start = Instant::now();
        let (verdict, _) = run_one(binary, mutant.by, Some(mutant.name), BOUND, LIMIT)?;
        let took = start.elapsed().as_secs_f64();
        let is_caught = verdict == Verdict::Failed;
        let word = if is_caught { "caught" } else { "SURVIVED" };
        println!(
            "  {word:8} {took:>7.2} s  {}: {} ({})",
            mutant.name, mutant.what, mutant.by
        );
        Ok((!is_caught).then(|| mutant.name.to_owned()))
    })
}

/// Runs one model.
fn run_one(
    binary: &str,
    model: &str,
    mutant: Option<&str>,
    bound: usize,
    limit: Duration,
) -> Result<(Verdict, String)> {
    let mut command = test_of(binary, model);
    command
        .env("LOOM_MAX_PREEMPTIONS", bound.to_string())
        .envs(mutant.map(|name| (VARIABLE, name)));
    run_within(command, limit).with_context(|| format!("the binary of the models has no {model}"))
}
