//! An example run as a child process, watched through its output, with a limit on every wait.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The longest that a busy machine may need for what a quiet one does in well under a second.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A running example. Its drop ends it.
pub(crate) struct Running {
    name: String,
    child: Ends,
    stdout: JoinHandle<Vec<u8>>,
    lines: Receiver<String>,
    stderr: String,
}

/// A process that does not outlive its test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _is_there = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// The result of an example. `code` is `None` if a signal ended it.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The example's command. `cargo test` builds examples next to the tests.
pub(crate) fn command(name: &str) -> Command {
    let test = std::env::current_exe().expect("a test knows where it is");
    let profile: PathBuf = test
        .ancestors()
        .nth(2)
        .expect("tests lie in `deps`")
        .to_owned();
    let path = profile.join("examples").join(name);
    assert!(
        path.is_file(),
        "{} is not there: `cargo build -p pool --examples` builds it",
        path.display()
    );
    let mut command = Command::new(path);
    command.env_remove("POOL_BACKEND");
    command
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let mut stdout = child.stdout.take().expect("it is piped");
        let stdout = thread::spawn(move || {
            let mut all = Vec::new();
            stdout.read_to_end(&mut all).expect("a pipe is readable");
            all
        });
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stderr.split(b'\n') {
                let line = line.expect("a pipe is readable");
                if sender
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    return;
                }
            }
        });
        Self {
            name,
            child: Ends(child),
            stdout,
            lines,
            stderr: String::new(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// Whether it has not ended.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.0.try_wait().expect("it is our child").is_none()
    }

    /// Sends a signal by its name. One that has ended is still there until it is waited for.
    pub(crate) fn send(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.0.id());
        let sent = Command::new("sh").args(["-c", &kill]).status();
        assert!(sent.expect("there is a shell").success(), "{kill}");
    }

    /// Waits for a line on standard error that holds `text`, and returns it.
    pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
        loop {
            match self.next_line() {
                Some(line) if line.contains(text) => return line,
                Some(_) => {}
                None => panic!("{} ended without {text:?}:\n{}", self.name, self.stderr),
            }
        }
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> Finished {
        while self.next_line().is_some() {}
        let status = self.child.0.wait().expect("it is our child");
        let stdout = self.stdout.join().expect("the reader does not panic");
        Finished {
            code: status.code(),
            #[cfg(unix)]
            signal: std::os::unix::process::ExitStatusExt::signal(&status),
            #[cfg(not(unix))]
            signal: None,
            stdout: String::from_utf8(stdout).expect("the examples print UTF-8"),
            stderr: self.stderr,
        }
    }

    /// The next line of standard error; `None` at its end, which is the process's end as well.
    fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => {
                writeln!(self.stderr, "{line}").expect("a string grows");
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                self.child.0.kill().expect("it is our child");
                panic!("{} said nothing for {LIMIT:?}:\n{}", self.name, self.stderr);
            }
        }
    }
}
