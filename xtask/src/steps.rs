//! Commands that must succeed one after the other, shown as they would be typed.

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::root;

/// One command, of cargo or of another program.
pub(crate) struct Step {
    /// `None`: cargo.
    program: Option<&'static str>,
    variables: Vec<(&'static str, String)>,
    arguments: Vec<String>,
}

impl Step {
    /// `cargo` with these arguments, separated by spaces.
    pub(crate) fn cargo(arguments: &str) -> Self {
        Self {
            program: None,
            variables: Vec::new(),
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// Another program with these arguments, separated by spaces.
    pub(crate) fn program(name: &'static str, arguments: &str) -> Self {
        Self {
            program: Some(name),
            ..Self::cargo(arguments)
        }
    }

    /// Sets a variable of the command's environment.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    fn run(&self) -> Result<()> {
        let mut command = match self.program {
            None => cargo(),
            Some(name) => in_root(Command::new(name)),
        };
        let status = command
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
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
        for (name, value) in &self.variables {
            write!(f, "{name}='{value}' ")?;
        }
        let program = self.program.unwrap_or("cargo");
        write!(f, "{program} {}", self.arguments.join(" "))
    }
}

/// The cargo that started this task, in the root of the workspace.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    in_root(Command::new(cargo))
}

fn in_root(mut command: Command) -> Command {
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
