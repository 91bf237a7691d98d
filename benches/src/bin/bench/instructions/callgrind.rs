//! `Callgrind`: counts the instructions of a process, and those that lock a cache line.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::locked;
use crate::root;

/// What a process executed, with all its threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    pub(super) instructions: u64,
    /// `None` if the processor's instructions are not told apart.
    pub(super) locked: Option<u64>,
}

/// Valgrind's callgrind, which is installed on this machine.
pub(super) struct Callgrind {
    /// Where each run leaves its counts.
    counts: PathBuf,
}

impl Callgrind {
    /// If there is none, an error that says what to install.
    pub(super) fn find() -> Result<Self> {
        match Command::new("valgrind").arg("--version").output() {
            Ok(output) => ensure!(
                output.status.success(),
                "`valgrind --version` fails: {}",
                output.status
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!(
                    "instructions are counted by valgrind, which is not installed: `apt install valgrind`, or your system's package of it"
                )
            }
            Err(error) => return Err(error).context("could not start `valgrind`"),
        }
        let directory = root().join("target/bench");
        fs::create_dir_all(&directory)?;
        Ok(Self {
            counts: directory.join(format!("callgrind-{}.out", std::process::id())),
        })
    }

    /// All instructions of all threads of a program, from start to end.
    pub(super) fn count(&self, program: &Path, arguments: &[&str]) -> Result<Count> {
        let output = Command::new("valgrind")
            .arg("--tool=callgrind")
            .args([
                "--dump-instr=yes",
                "--compress-pos=no",
                "--compress-strings=no",
            ])
            .arg(format!("--callgrind-out-file={}", self.counts.display()))
            .arg(program)
            .args(arguments)
            .output()
            .context("could not start `valgrind`")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let arguments = arguments.join(" ");
        ensure!(
            output.status.success(),
            "{} {arguments}: {}\n{said}",
            program.display(),
            output.status
        );
        let text = fs::read_to_string(&self.counts).context("callgrind left no counts")?;
        let total = total(&text);
        Ok(Count {
            instructions: total
                .with_context(|| format!("callgrind left no total for {arguments}"))?,
            locked: locked::count(&text)?,
        })
    }
}

impl Drop for Callgrind {
    fn drop(&mut self) {
        // It may never have been written.
        let _removed = fs::remove_file(&self.counts);
    }
}

/// The total of the first event in callgrind's output, which is the instructions.
fn total(text: &str) -> Option<u64> {
    let mut totals = text.lines().filter_map(|line| line.strip_prefix("totals:"));
    totals.next_back()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_first_number_of_the_last_line_of_totals() {
        let text = "events: Ir Dr\nfn=(1) main\n1 5 2\nsummary: 7 3\n\ntotals: 9886854 12\n";
        assert_eq!(total(text), Some(9_886_854));
        assert_eq!(total("totals: 1\ntotals: 2\n"), Some(2));
    }

    #[test]
    fn what_has_no_total_has_none() {
        assert_eq!(total(""), None);
        assert_eq!(total("totals: many\n"), None);
    }
}
