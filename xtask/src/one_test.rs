//! One test of a test binary in a process of its own: one that loses its way, or is led into undefined behaviour by a mutant, costs no other.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// How often a running test is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What one run of one test came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
    NoEnd,
}

impl Verdict {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NoEnd => "NO END",
        }
    }
}

/// A test binary that cargo has built.
#[derive(Debug)]
pub(crate) struct Executable {
    /// The manifest of its package.
    pub(crate) manifest: String,
    /// The name of its target.
    pub(crate) target: String,
    pub(crate) file: String,
}

/// Builds what a `cargo test` in a workspace would run.
pub(crate) fn build_tests(mut cargo_test: Command, workspace: &Path) -> Result<Vec<Executable>> {
    println!("building the tests in {}", workspace.display());
    let output = cargo_test
        .current_dir(workspace)
        .args(["--no-run", "--message-format", "json-render-diagnostics"])
        .stderr(Stdio::piped())
        .output()
        .context("could not start cargo")?;
    ensure!(
        output.status.success(),
        "the tests in {} do not build:\n{}",
        workspace.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    executables_of(&output)
}

/// The binaries that cargo says it has built, in its JSON messages.
fn executables_of(output: &Output) -> Result<Vec<Executable>> {
    let messages = str::from_utf8(&output.stdout)?.lines();
    let messages = messages.filter_map(|it| serde_json::from_str::<serde_json::Value>(it).ok());
    Ok(messages
        .filter_map(|message| {
            let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
            Some(Executable {
                manifest: text(message.get("manifest_path")?)?,
                target: text(message.get("target")?.get("name")?)?,
                file: text(message.get("executable")?)?,
            })
        })
        .collect())
}

/// The command that runs one test.
pub(crate) fn test_of(binary: &str, test: &str) -> Command {
    let mut command = Command::new(binary);
    command.args(["--exact", test, "--nocapture"]);
    command
}

/// Runs it, and gives it up after `limit`.
///
/// # Errors
/// The binary does not start, or has no such test.
pub(crate) fn run_within(mut command: Command, limit: Duration) -> Result<(Verdict, String)> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start {}", command.get_program().display()))?;
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
    verdict_of(&output).context("it ran no test")
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
pub(crate) fn in_parallel<T: Sync>(
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{ExitStatus, Output};

    use super::{Verdict, verdict_of};

    fn output(status: i32, said: &str) -> Output {
        Output {
            status: ExitStatus::from_raw(status),
            stdout: said.into(),
            stderr: Vec::new(),
        }
    }

    #[test]
    fn a_test_that_was_not_run_is_neither_passed_nor_failed() {
        assert!(verdict_of(&output(0, "running 0 tests\n")).is_none());
        let verdict = |status| verdict_of(&output(status, "running 1 test\n")).map(|it| it.0);
        assert_eq!(verdict(0), Some(Verdict::Passed));
        assert_eq!(verdict(101 << 8), Some(Verdict::Failed));
        // A signal: the mutant led into undefined behaviour.
        assert_eq!(verdict(11), Some(Verdict::Failed));
    }
}
