//! `cargo xtask mutants`: weakened variants of pool-core, each of which a named test must notice. A
//! rule whose test no mutant fails proves nothing.

mod list;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::minimal::copy;
use crate::mutant::{Mutant, VARIABLE, put_into};
use crate::one_test::{Executable, Verdict, build_tests, in_parallel, run_within, test_of};
use crate::steps::cargo;
use list::MUTANTS;

/// Below the root: the copy of the crates, and its build.
const FOLDER: &str = "target/mutants-of-rules";
/// A test that has not ended by then hangs: each takes seconds.
const LIMIT: Duration = Duration::from_secs(90);

#[derive(Args)]
pub(crate) struct Options {
    /// Runs the mutants whose names or tests contain this
    #[arg(long)]
    only: Option<String>,
}

/// The test that must notice a mutant: `PACKAGE TARGET TEST`.
#[derive(Debug, Clone, Copy)]
struct Noticer<'m> {
    package: &'m str,
    target: &'m str,
    test: &'m str,
}

impl<'m> Noticer<'m> {
    fn of(mutant: &'m Mutant) -> Result<Self> {
        let parts: Vec<&str> = mutant.by.split(' ').collect();
        let [package, target, test] = parts[..] else {
            bail!(
                "the mutant {} names no package, target and test: {:?}",
                mutant.name,
                mutant.by
            );
        };
        Ok(Self {
            package,
            target,
            test,
        })
    }

    fn run(&self, built: &[Executable], mutant: Option<&str>) -> Result<(Verdict, String)> {
        let manifest = format!("crates/{}/Cargo.toml", self.package);
        let executable = built
            .iter()
            .find(|it| it.target == self.target && it.manifest.ends_with(&manifest))
            .with_context(|| format!("cargo built no {} of {}", self.target, self.package))?;
        let mut command = test_of(&executable.file, self.test);
        command.envs(mutant.map(|name| (VARIABLE, name)));
        run_within(command, LIMIT)
            .with_context(|| format!("{} of {}: {}", self.target, self.package, self.test))
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let is_wanted = |mutant: &&Mutant| {
        let wanted = options.only.as_ref();
        wanted.is_none_or(|it| mutant.name.contains(it) || mutant.by.contains(it))
    };
    let mutants: Vec<&Mutant> = MUTANTS.iter().filter(is_wanted).collect();
    ensure!(!mutants.is_empty(), "no mutant has such a name or test");
    let folder = crate::root().join(FOLDER);
    copy(&folder)?;
    put_into(&folder.join("crates/pool-core"), MUTANTS)?;
    let built = build(&folder)?;
    let failures = in_parallel(&mutants, |mutant| try_one(mutant, &built))?;
    ensure!(
        failures.is_empty(),
        "{} of {} mutants: {}",
        failures.len(),
        mutants.len(),
        failures.join(", ")
    );
    println!("\nmutants: {} caught", mutants.len());
    Ok(())
}

/// Builds the tests that must notice mutants.
fn build(folder: &Path) -> Result<Vec<Executable>> {
    let mut command = cargo();
    command
        .arg("test")
        .arg("--all-features")
        .arg("--target-dir")
        .arg(folder.join("target"));
    let noticers: Vec<_> = MUTANTS.iter().map(Noticer::of).collect::<Result<_>>()?;
    let packages: BTreeSet<&str> = noticers.iter().map(|it| it.package).collect();
    let targets: BTreeSet<&str> = noticers.iter().map(|it| it.target).collect();
    for package in packages {
        command.args(["-p", package]);
    }
    for target in targets {
        command.args(["--test", target]);
    }
    build_tests(command, folder)
}

/// What is wrong with a mutant: it survives, or its test fails without it.
fn try_one(mutant: &Mutant, built: &[Executable]) -> Result<Option<String>> {
    let noticer = Noticer::of(mutant)?;
    let start = Instant::now();
    let (sound, said) = noticer.run(built, None)?;
    let (verdict, _) = noticer.run(built, Some(mutant.name))?;
    let (word, is_wrong) = match (&sound, verdict) {
        (Verdict::Passed, Verdict::Failed) => ("caught", false),
        (Verdict::Passed, Verdict::NoEnd) => ("hangs", false),
        (Verdict::Passed, Verdict::Passed) => ("SURVIVED", true),
        _ => ("NO PROOF", true),
    };
    let took = start.elapsed().as_secs_f64();
    let Mutant { name, what, by, .. } = mutant;
    println!("  {word:8} {took:>7.2} s  {name}: {what} ({by})");
    if sound != Verdict::Passed {
        println!("without the mutant:\n{said}");
    }
    Ok(is_wrong.then(|| format!("{name} {}", word.to_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::{MUTANTS, Noticer};
    use crate::mutant::check;

    #[test]
    fn mutants_have_names_of_their_own_and_a_test_and_fit() {
        check(MUTANTS);
        for mutant in MUTANTS {
            Noticer::of(mutant).unwrap();
        }
    }
}
