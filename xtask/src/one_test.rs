//! One test of a test binary in its own process: if a mutant makes it hang or causes undefined
//! behaviour, no other test is affected.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// How often a running test is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The result of one run of one test.
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

/// Runs it, and gives up after `limit`.
///
/// # Errors
/// The binary does not start, or has no such test.
pub(crate) fn run_within(mut command: Command, limit: Duration) -> Result<(Verdict, String)> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start {}", command.get_program().display()))?;
    let stdout = read_as_it_comes(child.stdout.take());
    let stderr = read_as_it_comes(child.stderr.take());
    let end = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            return Ok((Verdict::NoEnd, format!("no end within {limit:?}")));
        }
        thread::sleep(LOOK);
    };
    let said = stdout.join().unwrap_or_default();
    ensure!(said.contains("running 1 test"), "it ran no test");
    let verdict = if status.success() {
        Verdict::Passed
    } else {
        Verdict::Failed
    };
    Ok((verdict, said + &stderr.join().unwrap_or_default()))
}

/// On a thread: otherwise a test that prints more than a pipe holds would wait for its reader.
fn read_as_it_comes(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // Whatever was read before an error is shown.
        let _read = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Calls a function for each item, on as many threads as there are cores; collects the results.
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
    use std::process::Command;
    use std::time::Duration;

    use anyhow::Result;

    use super::{Verdict, run_within};

    fn run(script: &str) -> Result<(Verdict, String)> {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        run_within(shell, Duration::from_secs(60))
    }

    #[test]
    fn a_test_that_was_not_run_is_neither_passed_nor_failed() {
        assert!(run("echo running 0 tests").is_err());
        let verdict = |end| run(&format!("echo running 1 test; {end}")).unwrap().0;
        assert_eq!(verdict("true"), Verdict::Passed);
        assert_eq!(verdict("exit 101"), Verdict::Failed);
        // A signal: the mutant caused undefined behaviour.
        assert_eq!(verdict("kill -SEGV $$"), Verdict::Failed);
    }

    #[test]
    fn a_test_that_prints_more_than_a_pipe_holds_comes_to_its_end() {
        let zeros = "head -c 2000000 /dev/zero";
        let (verdict, said) = run(&format!("echo running 1 test; {zeros}; {zeros} >&2")).unwrap();
        assert_eq!(verdict, Verdict::Passed);
        assert!(said.len() > 4_000_000, "{} bytes were read", said.len());
    }
}
