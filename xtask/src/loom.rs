//! `cargo xtask loom`: the models of the hand-written protocols, and for each the mutants of the code that it must catch.

mod copy;
mod mutants;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::steps::cargo;
use mutants::{MUTANTS, Mutant};

/// Builds the models instead of the pool: a name of its own, so that no dependency follows it.
const CFG: &str = "--cfg pool_loom";
/// One target folder for the code and its copy: the dependencies are built once.
const TARGET: &str = "target/models";
/// How many preemptions a model explores: unless said otherwise, and with `--deep`.
const BOUND: usize = 2;
const DEEP_BOUND: usize = 4;
/// A model that neither passes nor fails for so long has lost its way. With `--deep` a model may take many minutes.
const LIMIT: Duration = Duration::from_secs(120);
const DEEP_LIMIT: Duration = Duration::from_secs(3600);
/// How often a running model is looked at.
const LOOK: Duration = Duration::from_millis(20);

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

/// What one run of one model came to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    NoEnd,
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
        .filter(|mutant| models.iter().any(|model| model == mutant.model))
        .collect();
    let copy = copy::with_mutants(MUTANTS)?;
    let mutated = build(&copy, copy::NAME)?;
    // What fails with every mutant off says nothing of those that are on.
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
        .filter(|mutant| models.iter().all(|model| model != mutant.model))
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
    let mutated: BTreeSet<&str> = MUTANTS.iter().map(|mutant| mutant.model).collect();
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

/// Builds the models of the workspace in a folder. Their binary.
fn build(workspace: &Path, package: &str) -> Result<String> {
    println!("building the models in {}", workspace.display());
    let output = cargo()
        .current_dir(workspace)
        .args(["test", "-p", package, "--release", "--lib", "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(crate::root().join(TARGET))
        .env("RUSTFLAGS", CFG)
        .stderr(Stdio::piped())
        .output()
        .context("could not start cargo")?;
    if !output.status.success() {
        bail!(
            "the models in {} do not build:\n{}",
            workspace.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let messages = String::from_utf8(output.stdout)?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| Some(message.get("executable")?.as_str()?.to_owned()))
        .context("cargo built no binary of the models")
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

/// Runs the models on the code as it is. The names of those that failed.
fn run_models(options: &Options, binary: &str, models: &[String]) -> Result<Vec<String>> {
    in_parallel(models, |model| {
        let start = Instant::now();
        let (verdict, said) = run_one(binary, model, None, options.bound(), options.limit())?;
        let took = start.elapsed().as_secs_f64();
        println!("  {:8} {took:>7.2} s  {model}", word(&verdict));
        if verdict == Verdict::Passed {
            return Ok(None);
        }
        println!("{said}");
        Ok(Some(model.clone()))
    })
}

/// Runs each mutant against its model, with the bound of every day. The names of those that were not caught.
fn run_mutants(binary: &str, mutants: &[&Mutant]) -> Result<Vec<String>> {
    in_parallel(mutants, |mutant| {
        let start = Instant::now();
        let (verdict, _) = run_one(binary, mutant.model, Some(mutant.name), BOUND, LIMIT)?;
        let took = start.elapsed().as_secs_f64();
        let is_caught = verdict == Verdict::Failed;
        let word = if is_caught { "caught" } else { "SURVIVED" };
        println!(
            "  {word:8} {took:>7.2} s  {}: {} ({})",
            mutant.name, mutant.what, mutant.model
        );
        Ok((!is_caught).then(|| mutant.name.to_owned()))
    })
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "FAILED",
        Verdict::NoEnd => "NO END",
    }
}

/// Runs one model in a process of its own: one that loses its way, or is led into undefined behaviour by a mutant, costs no other.
fn run_one(
    binary: &str,
    model: &str,
    mutant: Option<&str>,
    bound: usize,
    limit: Duration,
) -> Result<(Verdict, String)> {
    let mut child = Command::new(binary)
        .args(["--exact", model, "--nocapture"])
        .env("LOOM_MAX_PREEMPTIONS", bound.to_string())
        .envs(mutant.map(|name| (copy::VARIABLE, name)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start {binary}"))?;
    let end = Instant::now() + limit;
    while child.try_wait()?.is_none() {
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            return Ok((Verdict::NoEnd, format!("no end within {limit:?}")));
        }
        thread::sleep(LOOK);
    }
    let output = child.wait_with_output()?;
    verdict_of(&output).with_context(|| format!("the binary of the models has no {model}"))
}

/// What a test binary that was to run one test says of it. None if it ran none.
fn verdict_of(output: &Output) -> Option<(Verdict, String)> {
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if !said.contains("running 1 test") {
        return None;
    }
    let verdict = if output.status.success() {
        Verdict::Passed
    } else {
        Verdict::Failed
    };
    Some((verdict, format!("{said}{errors}")))
}

/// Does something for each item, as many at once as there are cores; gathers what it said of some.
fn in_parallel<T: Sync>(
    items: &[T],
    act: impl Fn(&T) -> Result<Option<String>> + Sync,
) -> Result<Vec<String>> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let gathered = Mutex::new(Ok(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = act(item);
                    let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
                    match (result, &mut *gathered) {
                        (Ok(said), Ok(all)) => all.extend(said),
                        (Err(error), Ok(_)) => *gathered = Err(error),
                        (_, Err(_)) => return,
                    }
                }
            });
        }
    });
    gathered
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
}
