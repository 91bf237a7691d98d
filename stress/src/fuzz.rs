//! `cargo xtask fuzz`: random programs over pools, each in its own process under a watchdog.
//!
//! The contract is their oracle; a failing program is shrunk and printed.

mod actor;
mod books;
mod child;
mod columns;
mod ending;
mod future;
mod generate;
mod handle;
mod handling;
mod jobs;
mod many;
mod mend;
mod parent;
mod place;
mod plant;
mod pools;
mod program;
mod record;
mod rules;
mod shrink;
mod submit;
#[cfg(test)]
mod tests;
mod timer;
mod told;
mod watchdog;
mod world;

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use pool::Backend;

use generate::{Backends, generate};
use plant::Plant;
use program::{Engine, Program};
use watchdog::Watchdog;

pub(crate) use parent::{Options, run};

/// Pools of one backend, or of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Which(Backends);

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "mixed" {
            return Ok(Self(Backends::Mixed));
        }
        let engine = match text.parse::<Backend>().map_err(|it| it.to_string())? {
            Backend::Channel => Engine::Channel,
            Backend::WorkStealing => Engine::WorkStealing,
            Backend::Rayon => Engine::Rayon,
            Backend::Async => Engine::Async,
            other => return Err(format!("no program runs on `{other}`")),
        };
        Ok(Self(Backends::One(engine)))
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Backends::Mixed => "mixed",
            Backends::One(Engine::Channel) => "channel",
            Backends::One(Engine::WorkStealing) => "work-stealing",
            Backends::One(Engine::Rayon) => "rayon",
            Backends::One(_) => "async",
        })
    }
}

#[derive(Args)]
pub(crate) struct ChildOptions {
    /// The program's seed, and the first of `count`
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many programs this process runs, one after the other; it ends with the first that fails
    #[arg(long, default_value_t = 1)]
    count: u64,
    #[arg(long, default_value = "mixed")]
    backend: Which,
    /// The program, instead of the seed's
    #[arg(long)]
    program: Option<PathBuf>,
    /// How often the program runs
    #[arg(long, default_value_t = 1)]
    times: u64,
    /// Seconds after which a program hangs
    #[arg(long, default_value_t = 20)]
    patience: u64,
    /// Prints no stacks
    #[arg(long)]
    no_stacks: bool,
    /// Makes the first pool break a promise
    #[arg(long)]
    plant: Option<Plant>,
    /// Prints each program before it runs
    #[arg(long)]
    print: bool,
}

/// `cargo xtask fuzz-run`: runs programs in this process.
pub(crate) fn run_here(options: &ChildOptions) -> Result<()> {
    child::install_hook();
    let patience = Duration::from_secs(options.patience);
    let dog = Watchdog::start(patience, !options.no_stacks);
    for seed in options.seed..options.seed + options.count {
        let program = match &options.program {
            Some(path) => read(path)?,
            None => generate(seed, options.backend.0),
        };
        if options.print {
            println!("{program}");
        }
        for _ in 0..options.times {
            println!("seed {seed}");
            let findings = child::run(&program, options.plant, &dog);
            for finding in &findings {
                println!("finding {}: {}", finding.class, finding.what);
            }
            if !findings.is_empty() {
                bail!(
                    "the program of seed {seed} breaks {} promises",
                    findings.len()
                );
            }
        }
    }
    Ok(())
}

fn read(path: &PathBuf) -> Result<Program> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))?;
    let program: Program = serde_json::from_str(&text)?;
    if let Err(unfair) = rules::Facts::of(&program).check() {
        bail!("the program is not fair: {unfair}");
    }
    Ok(program)
}
