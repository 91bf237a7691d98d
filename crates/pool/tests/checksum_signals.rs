//! The example `checksum` and signals, at more moments than in its own tests: row 36 of
//! RELIABILITY.md.
//!
//! Only on Linux, which shows which files a process has open.
#![cfg(target_os = "linux")]

mod example_binary;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use example_binary::{LIMIT, Running, command};
use pool::Backend;

/// Bytes of a file that takes a moment to hash, and of one that no machine hashes while a test
/// runs. Neither has blocks on the disk.
const SLOW_BYTES: u64 = 1 << 25;
const ENDLESS_BYTES: u64 = 1 << 40;

/// A folder for one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("checksum-signals-{test}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("the target folder is writable");
        Self(path)
    }

    fn write(&self, name: &str, bytes: u64) {
        let file = File::create(self.0.join(name)).expect("writable");
        file.set_len(bytes).expect("files may have holes");
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("the target folder's name is UTF-8")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is below the target folder, and is removed with that.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// Waits until the process has the file open.
fn wait_until_open(run: &Running, file: &Path) {
    let limit = Instant::now() + LIMIT;
    let opened = format!("/proc/{}/fd", run.id());
    let is_open = || {
        let entries = fs::read_dir(&opened).expect("the process is there");
        let mut files = entries.flatten();
        files.any(|fd| fs::read_link(fd.path()).is_ok_and(|path| path == file))
    };
    while !is_open() {
        assert!(Instant::now() < limit, "{} was not opened", file.display());
        thread::yield_now();
    }
}

/// The number before a word of the report.
fn number(report: &str, word: &str) -> u64 {
    let counts = report
        .lines()
        .find(|line| line.starts_with("  ") && line.contains(" completed"));
    let counts = counts.unwrap_or_else(|| panic!("there is no report in:\n{report}"));
    let part = counts
        .split(", ")
        .find_map(|part| part.trim().strip_suffix(word));
    let part = part.unwrap_or_else(|| panic!("no {word} in {counts}"));
    part.trim().parse().expect("a number")
}

#[test]
fn accepted_files_are_finished_within_the_grace() {
    for backend in Backend::available() {
        let folder = Folder::new(&format!("grace-{backend}"));
        for name in ["a", "b", "c", "d"] {
            folder.write(name, SLOW_BYTES);
        }
        let mut command = command("checksum");
        command.args([
            "--backend",
            backend.name(),
            "--workers",
            "1",
            "--grace",
            "3600",
        ]);
        command.arg(folder.path());
        let run = Running::start(command);
        wait_until_open(&run, &folder.0.join("a"));
        run.send("TERM");
        let run = run.finish();
        assert_eq!(run.code, Some(143), "{backend}:\n{}", run.stderr);
        for word in ["cancelled", "unstarted", "still running"] {
            assert_eq!(
                number(&run.stderr, word),
                0,
                "{backend}: {word}:\n{}",
                run.stderr
            );
        }
        let completed = number(&run.stderr, "completed");
        assert!(completed >= 1, "{backend}:\n{}", run.stderr);
        assert_eq!(
            run.stdout.lines().count() as u64,
            completed,
            "{backend}:\n{}",
            run.stderr
        );
    }
}

#[test]
fn a_signal_at_any_moment_of_the_start_ends_it() {
    let folder = Folder::new("start");
    folder.write("endless", ENDLESS_BYTES);
    for round in 0..24 {
        let mut command = command("checksum");
        command.args(["--grace", "0", "--workers", "2", folder.path()]);
        let run = Running::start(command);
        // Later each time, by as many looks as there were rounds before.
        for _ in 0..round * round {
            thread::yield_now();
        }
        run.send("TERM");
        let run = run.finish();
        // Before it listens, the signal ends it; after that it handles the signal itself.
        assert!(
            matches!(run.code, None | Some(143)),
            "{:?}:\n{}",
            run.code,
            run.stderr
        );
    }
}

#[test]
fn it_is_terminated_though_it_was_told_to_ignore_interrupts() {
    let folder = Folder::new("ignore");
    folder.write("endless", ENDLESS_BYTES);
    let checksum = command("checksum");
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' INT; exec \"$0\" --grace 0 \"$1\""]);
    shell.arg(checksum.get_program()).arg(folder.path());
    let mut run = Running::start(shell);
    run.wait_for_line("hashing ");
    wait_until_open(&run, &folder.0.join("endless"));
    run.send("TERM");
    let run = run.finish();
    assert_eq!(run.code, Some(143), "{}", run.stderr);
}
