//! Commands that must succeed one after the other, shown as one would type them.

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::root;

/// One cargo command.
pub(crate) struct Step {
    variable: Option<(&'static str, &'static str)>,
    arguments: Vec<String>,
}

impl Step {
    /// `cargo` with these arguments, parted by blanks.
    pub(crate) fn cargo(arguments: &str) -> Self {
        Self {
            variable: None,
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// Sets a variable of the command's environment.
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.variable = Some((name, value));
        self
    }

    fn run(&self) -> Result<()> {
        let mut command = cargo();
        let status = command
            .args(&self.arguments)
            .envs(self.variable)
            .status()
            .with_context(|| format!("could not start `{self}`"))?;
        if !status.success() {
            bail!("{status}");
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, value)) = self.variable {
            write!(f, "{name}='{value}' ")?;
        }
        write!(f, "cargo {}", self.arguments.join(" "))
    }
}

/// The cargo that started this task, in the root of the workspace.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    command
}

/// Runs the steps in order, up to the first that fails, and counts.
pub(crate) fn run_all(steps: &[Step]) -> Result<()> {
    let mut passed = Vec::new();
    for step in steps {
        println!("\n── {step}");
        let start = Instant::now();
        if let Err(error) = step.run() {
            summarise(&passed);
            println!("  FAILED            {step}");
            println!("{} passed, 1 failed", passed.len());
            bail!("this step failed: {error:#}\n\n    {step}\n");
        }
        passed.push((step, start.elapsed()));
    }
    summarise(&passed);
    println!("{} passed, 0 failed", passed.len());
    Ok(())
}

fn summarise(passed: &[(&Step, Duration)]) {
    println!("\n── summary");
    for (step, took) in passed {
        println!("  passed {:>8.1} s  {step}", took.as_secs_f64());
    }
}
