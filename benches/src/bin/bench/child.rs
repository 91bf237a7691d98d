//! A process that must print and end within a limit.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The most output of a failed process that is passed on.
const SAID: usize = 400;

/// Why there is no output.
#[derive(Debug)]
pub(crate) enum ChildError {
    /// It was still running at the limit, and was ended.
    Hung(Duration),
    /// It failed, or could not be started or read.
    Failed(anyhow::Error),
}

impl std::fmt::Display for ChildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hung(limit) => write!(
                f,
                "no end after {} s, and so not asked again here",
                limit.as_secs_f64()
            ),
            Self::Failed(error) => write!(f, "{error:#}"),
        }
    }
}

/// Returns what the process prints; the process is killed if it has not closed its output by the
/// limit.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Result<String, ChildError> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("could not start it");
    let mut child = child.map_err(ChildError::Failed)?;
    let printed = gather(child.stdout.take());
    let said = gather(child.stderr.take());
    let Ok(printed) = printed.recv_timeout(limit) else {
        end(&mut child).map_err(ChildError::Failed)?;
        return Err(ChildError::Hung(limit));
    };
    let status = child.wait().context("could not wait for it");
    let status = status.map_err(ChildError::Failed)?;
    check(status, &said).map_err(ChildError::Failed)?;
    Ok(printed)
}

fn end(child: &mut Child) -> Result<()> {
    child.kill().context("could not end it")?;
    child.wait().context("could not wait for its end")?;
    Ok(())
}

fn check(status: ExitStatus, said: &Receiver<String>) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let said = said.recv().unwrap_or_default();
    let said: String = said.trim().chars().take(SAID).collect();
    bail!("{status}: {said}")
}

/// Reads a pipe to its end, on a thread, so that a full pipe does not block the process.
fn gather(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (send, text) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // Whatever was read before an error is shown.
        let _read = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        // The receiver is gone after the limit.
        let _sent = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    text
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_is_printed_comes_back() {
        let text = output(&mut shell("echo one; echo two >&2; echo three"), LONG).unwrap();
        assert_eq!(text, "one\nthree\n");
    }

    #[test]
    fn a_bad_end_is_told_with_what_was_said() {
        let error = output(&mut shell("echo oh no >&2; exit 3"), LONG).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ChildError::Failed(_)));
        assert!(text.contains('3') && text.contains("oh no"), "{text}");
    }

    #[test]
    fn a_process_without_end_is_killed() {
        let mut command = shell("exec sleep 100000");
        let error = output(&mut command, Duration::from_millis(20)).unwrap_err();
        assert!(matches!(error, ChildError::Hung(_)), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let error = output(&mut Command::new("/no/such/program"), LONG).unwrap_err();
        assert!(error.to_string().contains("could not start"), "{error}");
    }

    #[test]
    fn more_than_a_pipe_holds_comes_through() {
        let text = output(
            &mut shell("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero"),
            LONG,
        );
        assert_eq!(text.unwrap().len(), 300_000);
    }
}
