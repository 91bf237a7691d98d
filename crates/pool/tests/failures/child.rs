//! Tests in a separate process: this binary, run again for one test and one backend.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pool::Backend;

/// The longest that a busy machine may need for what a quiet one does in seconds.
const LIMIT: Duration = Duration::from_secs(240);

/// Tells the binary which backend it is run again for.
const VARIABLE: &str = "POOL_FAILURES_CHILD";

/// What a child prints at its end: one that ran no test must not pass.
const DONE: &str = "the child is done";

/// How a child ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Both outputs.
    pub(crate) said: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn assert_done(&self) {
        let is_done = self.code == Some(0) && self.said.contains(DONE);
        assert!(
            is_done,
            "code {:?}, signal {:?}:\n{}",
            self.code, self.signal, self.said
        );
    }
}

/// The backend that this process is to test, if it is a child.
pub(crate) fn backend_of_this_child() -> Option<Backend> {
    let name = std::env::var(VARIABLE).ok()?;
    Some(name.parse().expect("the parent names a backend"))
}

/// Reports that the child has reached its end.
pub(crate) fn say_done() {
    say(DONE);
}

/// Says a line to the parent.
pub(crate) fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("the parent listens");
}

/// Runs `body`, a closure of the test that calls this, once for each backend in a separate process,
/// which must run to its end.
pub(crate) fn each_backend_in_a_child<F: FnOnce(Backend)>(body: F) {
    if let Some(backend) = backend_of_this_child() {
        body(backend);
        say_done();
        return;
    }
    for backend in Backend::available() {
        run_again::<F>(backend, |command| command).assert_done();
    }
}

/// Runs the test that has `Body` as a closure again, in a child.
pub(crate) fn run_again<Body>(
    backend: Backend,
    configure: impl FnOnce(&mut Command) -> &mut Command,
) -> Ended {
    let mut command = Command::new(std::env::current_exe().expect("a test knows where it is"));
    command
        .args([
            test_of::<Body>(),
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(VARIABLE, backend.name())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    configure(&mut command);
    finish(command, backend)
}

/// The name of the test that a closure is in: its path without the crate's name.
fn test_of<Body>() -> &'static str {
    let path = std::any::type_name::<Body>();
    let path = path.split("::{{closure}}").next().unwrap_or(path);
    path.split_once("::")
        .expect("a closure stands in a crate")
        .1
}

/// Runs a command to its end, within the limit.
fn finish(mut command: Command, backend: Backend) -> Ended {
    let mut child = command.spawn().expect("the test binary starts again");
    let (send, outputs) = mpsc::channel();
    let stdout = child.stdout.take().expect("it is piped");
    let stderr = child.stderr.take().expect("it is piped");
    let pipes: [Box<dyn Read + Send>; 2] = [Box::new(stdout), Box::new(stderr)];
    for mut pipe in pipes {
        let send = send.clone();
        thread::spawn(move || {
            let mut all = Vec::new();
            pipe.read_to_end(&mut all).expect("a pipe is readable");
            // Past the limit the receiver is gone.
            let _heard = send.send(String::from_utf8_lossy(&all).into_owned());
        });
    }
    let mut said = String::new();
    for _ in 0..2 {
        match outputs.recv_timeout(LIMIT) {
            Ok(output) => said += &output,
            Err(_) => {
                child.kill().expect("it is our child");
                panic!("the child of {backend} did not end within {LIMIT:?}:\n{said}");
            }
        }
    }
    let status = child.wait().expect("it is our child");
    Ended {
        code: status.code(),
        signal: status.signal(),
        said,
    }
}
