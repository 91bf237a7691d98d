//! The example `checksum` as a user meets it: its output, its errors, its exit codes, and its end
//! by a signal.
//!
//! On Linux alone: it takes any bytes as a file's name, and tells which files a process has open.
#![cfg(target_os = "linux")]

mod example_binary;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use example_binary::{Finished, LIMIT, Running, command};
use pool::Backend;

/// Bytes of a file that no machine hashes while a test runs. It has no blocks on the disk.
const ENDLESS_BYTES: u64 = 1 << 40;

/// A folder of one test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("checksum-{test}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("the target folder is writable");
        Self(path)
    }

    fn write(&self, name: &[u8], content: &[u8]) {
        let path = self.0.join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().expect("it is below the folder")).expect("writable");
        fs::write(path, content).expect("writable");
    }

    /// A file that is always being hashed when a signal comes.
    fn write_endless(&self, name: &str) {
        let file = File::create(self.0.join(name)).expect("writable");
        file.set_len(ENDLESS_BYTES).expect("files may have holes");
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("the target folder's name is UTF-8")
    }

    /// The line for a file whose name needs no escape.
    fn line(&self, name: &str, content: &[u8]) -> String {
        format!("{}  {}/{name}\n", blake3::hash(content), self.path())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is below the target folder, and goes with that.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

fn start(args: &[&str]) -> Running {
    let mut command = command("checksum");
    command.args(args);
    Running::start(command)
}

fn checksum(args: &[&str]) -> Finished {
    start(args).finish()
}

/// `None` for a name that needs no escape, otherwise how it is printed.
type Shown = Option<&'static str>;

/// Names in the order of their bytes, and how each is printed.
const NAMES: [(&[u8], Shown); 9] = [
    (b".hidden", None),
    (b"a", None),
    (b"a-b", None),
    (b"a.d/deep/er/file", None),
    (b"back\\slash", Some("back\\\\slash")),
    (b"car\rriage", Some("car\\rriage")),
    (b"new\nline", Some("new\\nline")),
    (b"not\xffutf-8", None),
    (b"white space ", None),
];

/// Writes the files and returns what is to be printed: with sizes on both sides of the example's
/// chunks.
fn fill(folder: &Folder) -> String {
    let sizes = [0, 1, 65_535, 65_536, 65_537, 300_000, 3, 4, 5];
    let mut expected = String::new();
    for ((name, shown), size) in NAMES.into_iter().zip(sizes) {
        let content: Vec<u8> = (0..size).map(|i: u32| (i % 251) as u8).collect();
        folder.write(name, &content);
        match shown {
            None => expected += &folder.line(&String::from_utf8_lossy(name), &content),
            Some(shown) => expected += &format!("\\{}", folder.line(shown, &content)),
        }
    }
    expected
}

#[test]
fn every_backend_prints_what_b3sum_would() {
    let folder = Folder::new("equal");
    let expected = fill(&folder);
    for backend in Backend::available() {
        for workers in ["1", "2", "64"] {
            let args = [
                "--backend",
                backend.name(),
                "--workers",
                workers,
                "--queue",
                "1",
            ];
            let run = checksum(&[&args[..], &[folder.path()]].concat());
            assert_eq!(
                run.code,
                Some(0),
                "{backend}, {workers} workers:\n{}",
                run.stderr
            );
            assert_eq!(run.stdout, expected, "{backend}, {workers} workers");
        }
    }
}

#[test]
fn many_more_files_than_room() {
    let folder = Folder::new("many");
    let mut expected = String::new();
    for id in 0..2_000 {
        let (name, content) = (format!("{id:04}"), format!("content of {id}"));
        folder.write(name.as_bytes(), content.as_bytes());
        expected += &folder.line(&name, content.as_bytes());
    }
    let run = checksum(&["--queue", "3", "--workers", "2", folder.path()]);
    assert_eq!((run.code, run.stdout), (Some(0), expected));
    assert!(
        run.stderr.contains("2000 hashed, 0 failed, 0 interrupted"),
        "{}",
        run.stderr
    );
}

#[test]
fn what_is_no_regular_file_is_listed_and_not_opened() {
    let folder = Folder::new("bad");
    folder.write(b"good", b"good");
    symlink("good", folder.0.join("link")).expect("writable");
    symlink("nowhere", folder.0.join("dangling")).expect("writable");
    let made = Command::new("mkfifo").arg(folder.0.join("pipe\n")).status();
    assert!(made.expect("mkfifo is there").success());

    let run = checksum(&[folder.path()]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(run.stdout, folder.line("good", b"good"));
    let failed: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.starts_with("failed: "))
        .collect();
    let dangling = format!(
        "failed: {}/dangling: a link that cannot be followed",
        folder.path()
    );
    let pipe = format!("failed: {}/pipe\\n: not a regular file", folder.path());
    assert_eq!(failed.len(), 2, "{}", run.stderr);
    assert!(failed[0].starts_with(&dangling), "{}", failed[0]);
    assert!(failed[1].starts_with(&pipe), "{}", failed[1]);
}

#[test]
fn a_file_over_its_time_is_listed() {
    let folder = Folder::new("late");
    folder.write(b"one", b"1");
    folder.write(b"two", b"");
    let run = checksum(&["--timeout", "0", folder.path()]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (Some(1), ""),
        "{}",
        run.stderr
    );
    for name in ["one", "two"] {
        let line = format!("failed: {}/{name}: took longer than", folder.path());
        assert!(run.stderr.contains(&line), "{}", run.stderr);
    }
}

#[test]
fn the_time_of_one_file_costs_no_other() {
    let folder = Folder::new("slow");
    folder.write_endless("a-endless");
    folder.write(b"b", b"behind it");
    let run = checksum(&["--workers", "1", "--timeout", "0.5", folder.path()]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(run.stdout, folder.line("b", b"behind it"));
    assert!(
        run.stderr.contains("a-endless: took longer than 500ms"),
        "{}",
        run.stderr
    );
}

#[test]
fn wrong_usage_says_what_would_be_right() {
    let folder = Folder::new("usage");
    folder.write(b"file", b"");
    let (path, file) = (folder.path(), folder.0.join("file"));
    let file = file.to_str().expect("it is UTF-8");
    let names: Vec<String> = Backend::available()
        .iter()
        .map(Backend::to_string)
        .collect();
    let cases: [(&[&str], &str); 8] = [
        (&[], "<FOLDER>"),
        (&["/no/such/folder"], "name a folder that exists"),
        (&[file], "is not a folder: name a folder"),
        (&["--backend", "magic", path], &names.join(", ")),
        (&["--workers", "0", path], "1 or more"),
        (&["--workers", "1000000", path], "the most is"),
        (&["--queue", "0", path], "1 or more"),
        (&["--timeout", "-1", path], "give seconds, 0 or more"),
    ];
    for (args, message) in cases {
        let run = checksum(args);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(run.stderr.contains(message), "{args:?}:\n{}", run.stderr);
    }
}

#[test]
fn a_wrong_environment_is_wrong_usage() {
    let folder = Folder::new("environment");
    let mut command = command("checksum");
    command.env("POOL_BACKEND", "magic").arg(folder.path());
    let run = Running::start(command).finish();
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("POOL_BACKEND"), "{}", run.stderr);
}

/// Waits until the process has the file open.
fn wait_until_open(run: &Running, file: &Path) {
    let limit = Instant::now() + LIMIT;
    let opened = format!("/proc/{}/fd", run.id());
    while Instant::now() < limit {
        let entries = fs::read_dir(&opened).expect("the process is there");
        if entries
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|path| path == file))
        {
            return;
        }
        thread::yield_now();
    }
    panic!("{} was not opened within {LIMIT:?}", file.display());
}

/// The numbers of a printed report, each with the word after it.
fn numbers(report: &str) -> impl Fn(&str) -> u64 {
    let counts = report
        .lines()
        .find(|line| line.starts_with("  ") && line.contains(" completed"))
        .unwrap_or_else(|| panic!("there is no report in:\n{report}"));
    let accepted = report
        .lines()
        .find_map(|line| line.strip_suffix(" jobs accepted"))
        .and_then(|line| line.rsplit(' ').next())
        .expect("a report says how many were accepted");
    let mut all = vec![("accepted".to_owned(), accepted.parse().expect("a number"))];
    for part in counts.trim().split(", ") {
        let (count, word) = part.split_once(' ').expect("a number and a word");
        all.push((word.to_owned(), count.parse().expect("a number")));
    }
    move |word| {
        let found = all.iter().find(|(name, _)| name == word);
        found.unwrap_or_else(|| panic!("no {word} in {all:?}")).1
    }
}

/// One signal while an endless file is being hashed, and no grace.
fn interrupt(backend: Backend, signal: &str) -> (Folder, Finished) {
    let folder = Folder::new(&format!("{signal}-{backend}"));
    folder.write(b"a", b"first");
    folder.write_endless("b-endless");
    folder.write(b"c", b"last");
    let args = [
        "--backend",
        backend.name(),
        "--workers",
        "1",
        "--grace",
        "0",
    ];
    let mut run = start(&[&args[..], &[folder.path()]].concat());
    run.wait_for_line("hashing ");
    wait_until_open(&run, &folder.0.join("b-endless"));
    run.send(signal);
    (folder, run.finish())
}

#[test]
fn a_signal_ends_the_work_with_a_report_that_balances() {
    for backend in Backend::available() {
        for (signal, code) in [("TERM", 143), ("INT", 130)] {
            let (folder, run) = interrupt(backend, signal);
            assert_eq!(
                run.code,
                Some(code),
                "{signal} on {backend}:\n{}",
                run.stderr
            );
            let count = numbers(&run.stderr);
            let words = "completed failed panicked cancelled expired abandoned unstarted";
            let ended: u64 = words.split(' ').map(&count).sum();
            assert_eq!(
                count("accepted"),
                ended + count("still running"),
                "{}",
                run.stderr
            );
            // The endless file was begun, and is in no other column.
            assert_eq!(
                count("cancelled") + count("still running"),
                1,
                "{}",
                run.stderr
            );
            // What was finished before is printed all the same.
            assert_eq!(
                run.stdout.lines().count() as u64,
                count("completed"),
                "{}",
                run.stderr
            );
            if backend == Backend::Channel {
                assert!(
                    run.stdout.starts_with(&folder.line("a", b"first")),
                    "{}",
                    run.stdout
                );
            }
        }
    }
}

#[test]
fn the_second_signal_stops_at_once() {
    let folder = Folder::new("twice");
    folder.write_endless("endless");
    let mut run = start(&["--grace", "3600", folder.path()]);
    run.wait_for_line("hashing ");
    wait_until_open(&run, &folder.0.join("endless"));
    run.send("TERM");
    run.wait_for_line("SIGTERM: accepted files have 3600s to finish");
    run.send("TERM");
    let run = run.finish();
    assert_eq!(run.code, Some(143), "{}", run.stderr);
    assert!(!run.stderr.contains("shutdown took"), "{}", run.stderr);
}
