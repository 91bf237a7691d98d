//! The outcome of each file: open handles first, then hashes and reasons.

use std::collections::{HashSet, VecDeque};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use pool::{JobError, JobHandle, JobId, ShutdownReport};

type Handle = JobHandle<blake3::Hash, io::Error>;

/// Gathers outcomes while jobs are still being submitted, so that finished ones keep no handle.
#[derive(Default)]
pub(crate) struct Tally {
    pending: VecDeque<(PathBuf, Handle)>,
    summary: Summary,
}

/// Every file that was accepted, or found and not acceptable.
#[derive(Default)]
pub(crate) struct Summary {
    hashed: Vec<(PathBuf, blake3::Hash)>,
    failed: Vec<(PathBuf, String)>,
    /// Files whose job an interrupt ended, before or after its start.
    interrupted: usize,
}

impl Tally {
    /// Counts on the outcome of a job that was just submitted.
    pub(crate) fn expect(&mut self, path: PathBuf, handle: Handle) {
        while self
            .pending
            .front()
            .is_some_and(|(_, handle)| handle.is_finished())
        {
            let (path, done) = self.pending.pop_front().expect("the front was looked at");
            self.summary.add(path, done.join());
        }
        self.pending.push_back((path, handle));
    }

    /// Records something that could not become a job.
    pub(crate) fn fail(&mut self, path: PathBuf, reason: String) {
        self.summary.failed.push((path, reason));
    }

    /// Settles what is left once the pool has ended. A join would wait only for a job that still
    /// runs.
    pub(crate) fn finish(mut self, report: &ShutdownReport) -> Summary {
        let still_running: HashSet<JobId> =
            report.still_running().iter().map(|job| job.id).collect();
        for (path, handle) in self.pending {
            if still_running.contains(&handle.id()) {
                let reason = "given up: it does not return".to_owned();
                self.summary.failed.push((path, reason));
                handle.detach();
            } else {
                self.summary.add(path, handle.join());
            }
        }
        let by_bytes = |a: &PathBuf, b: &PathBuf| a.as_os_str().cmp(b.as_os_str());
        self.summary.hashed.sort_by(|(a, _), (b, _)| by_bytes(a, b));
        self.summary.failed.sort_by(|(a, _), (b, _)| by_bytes(a, b));
        self.summary
    }
}

impl Summary {
    fn add(&mut self, path: PathBuf, outcome: Result<blake3::Hash, JobError<io::Error>>) {
        match outcome {
            Ok(hash) => self.hashed.push((path, hash)),
            Err(JobError::Cancelled | JobError::Abandoned) => self.interrupted += 1,
            Err(JobError::Failed(error)) => self.failed.push((path, error.to_string())),
            Err(error) => self.failed.push((path, error.to_string())),
        }
    }

    /// Whether every file was hashed.
    pub(crate) fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.interrupted == 0
    }

    /// Writes the hashes to standard output, as `b3sum` does.
    pub(crate) fn print_hashes(&self) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        for (path, hash) in &self.hashed {
            writeln!(out, "{}", line(path, hash))?;
        }
        out.flush()
    }

    /// Lists on standard error what was not hashed, and why.
    pub(crate) fn print_failures(&self) {
        for (path, reason) in &self.failed {
            eprintln!("failed: {}: {reason}", escape(path));
        }
        let (hashed, failed) = (self.hashed.len(), self.failed.len());
        eprintln!(
            "{hashed} hashed, {failed} failed, {} interrupted",
            self.interrupted
        );
    }
}

/// A line as `b3sum` prints it: if the path had to be escaped, it begins with a backslash.
fn line(path: &Path, hash: &blake3::Hash) -> String {
    let shown = path.to_string_lossy();
    let escaped = escape(path);
    let mark = if shown == escaped { "" } else { "\\" };
    format!("{mark}{hash}  {escaped}")
}

/// The path on one line, whatever characters it contains.
fn escape(path: &Path) -> String {
    path.to_string_lossy()
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}
