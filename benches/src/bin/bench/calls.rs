//! How many system calls a job makes: counted by `perf` in a sample of its own.
//!
//! `perf stat` counts the tracepoint that every system call passes, in all threads of the sample,
//! from the moment at which the sample says so. Nothing else counts them all without a stop at
//! each: `strace` stops the thread, which changes what the workers do, and the system's own figures
//! know sleeps alone. But the tracepoint is open only to a user whom the system lets trace, so a
//! run without that has no such figure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::child::{self, ChildError};

/// Every system call, whichever it is.
const EVENT: &str = "raw_syscalls:sys_enter";
/// The longest that the question may take whether there is a counter.
const LIMIT: Duration = Duration::from_secs(10);

/// A `perf` that may count.
#[derive(Debug)]
pub(crate) struct Calls {
    /// The pipes to `perf` and back, and what it counted.
    directory: PathBuf,
}

impl Calls {
    /// `None` if there is no `perf`, or it may not count.
    pub(crate) fn find() -> Option<Self> {
        let directory = format!("bench-calls-{}", std::process::id());
        let this = Self {
            directory: std::env::temp_dir().join(directory),
        };
        this.prepare().ok()?;
        let mut command = Command::new("perf");
        let command = command.args(["stat", "--field-separator", ",", "--event", EVENT]);
        let command = command.arg("--output").arg(this.counts()).arg("true");
        child::output(command, LIMIT).ok()?;
        this.counted().ok()?;
        Some(this)
    }

    /// The system calls in the measured part of a sample.
    pub(crate) fn count(
        &self,
        program: &Path,
        arguments: &[String],
        limit: Duration,
    ) -> Result<usize, ChildError> {
        let [control, answers] = self.pipes();
        let pipes = format!("{},{}", control.display(), answers.display());
        let mut command = Command::new("perf");
        command
            .args(["stat", "--field-separator", ",", "--event", EVENT])
            // It begins to count when it is told to.
            .args(["--delay", "-1", "--control"])
            .arg(format!("fifo:{pipes}"))
            .arg("--output")
            .arg(self.counts())
            .arg("--")
            .arg(program)
            .args(arguments)
            .env(benches::COUNTER_PIPES, pipes);
        child::output(&mut command, limit)?;
        self.counted().map_err(ChildError::Failed)
    }

    fn prepare(&self) -> Result<()> {
        fs::create_dir_all(&self.directory)?;
        let made = Command::new("mkfifo").args(self.pipes()).output()?;
        ensure!(made.status.success(), "no pipes: {}", made.status);
        Ok(())
    }

    fn pipes(&self) -> [PathBuf; 2] {
        ["control", "answers"].map(|name| self.directory.join(name))
    }

    fn counts(&self) -> PathBuf {
        self.directory.join("counts")
    }

    fn counted(&self) -> Result<usize> {
        let text = fs::read_to_string(self.counts())?;
        count(&text).with_context(|| format!("perf counted no system calls but wrote `{text}`"))
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        // What is left lies among temporary files.
        let _removed = fs::remove_dir_all(&self.directory);
    }
}

/// The number at the start of the line of the event.
fn count(text: &str) -> Option<usize> {
    let line = text.lines().find(|line| line.contains(EVENT))?;
    line.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_the_first_field_of_its_line() {
        let text = "# started on Mon\n\n29,,raw_syscalls:sys_enter,1004123,100.00,,\n";
        assert_eq!(count(text), Some(29));
    }

    #[test]
    fn an_event_that_was_not_counted_has_no_count() {
        assert_eq!(
            count("<not supported>,,raw_syscalls:sys_enter,0,100.00,,\n"),
            None
        );
        assert_eq!(count(""), None);
    }

    #[test]
    fn a_process_that_says_what_counts_is_counted_from_there() {
        let Some(calls) = Calls::find() else {
            return; // no `perf`, or none that may count
        };
        let script = r#"
            many() { i=0; while [ $i -lt 300 ]; do : >/dev/null; i=$((i + 1)); done; }
            control=${BENCH_COUNTER%,*} answers=${BENCH_COUNTER#*,}
            exec 3>"$control" 4<"$answers"
            many
            echo enable >&3; read -r _ <&4
            echo disable >&3; read -r _ <&4
            many
        "#;
        let arguments = ["-c".to_owned(), script.to_owned()];
        let counted = calls
            .count(Path::new("/bin/sh"), &arguments, LIMIT)
            .unwrap();
        assert!((1..300).contains(&counted), "{counted}");
    }
}
