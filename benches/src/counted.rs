//! `counted`: tells a program that counts the system calls of this process which part of it counts.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};

use anyhow::{Context, Result, ensure};

/// Names two pipes, separated by a comma, as in `perf stat --control fifo:CONTROL,ANSWERS`.
pub const PIPES: &str = "BENCH_COUNTER";

/// A counter in another process.
struct Counter {
    control: File,
    answers: BufReader<File>,
}

/// Runs the part that counts; nothing else if no program counts.
///
/// # Errors
/// If the program does not answer.
pub(crate) fn counted<T>(part: impl FnOnce() -> T) -> Result<T> {
    let Ok(pipes) = env::var(PIPES) else {
        return Ok(part());
    };
    let mut counter = Counter::open(&pipes)?;
    counter.tell("enable")?;
    let value = part();
    counter.tell("disable")?;
    Ok(value)
}

impl Counter {
    fn open(pipes: &str) -> Result<Self> {
        let names = pipes.split_once(',');
        let (control, answers) = names.with_context(|| format!("`{PIPES}` names two pipes"))?;
        Ok(Self {
            control: OpenOptions::new().write(true).open(control)?,
            answers: BufReader::new(File::open(answers)?),
        })
    }

    /// Returns once the command is carried out.
    fn tell(&mut self, command: &str) -> Result<()> {
        writeln!(self.control, "{command}")?;
        let mut answer = Vec::new();
        self.answers.read_until(b'\n', &mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        ensure!(answer.contains("ack"), "the counter answered `{answer}`");
        Ok(())
    }
}
