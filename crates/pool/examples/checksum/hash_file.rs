//! The job: hash one file, and give up between two chunks once it is no longer wanted.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pool::{Job, JobContext, JobOptions};

/// Bytes read between two looks at the clock and at the cancellation: well under a millisecond of
/// hashing.
const CHUNK_BYTES: usize = 64 << 10;

/// Hashes the file at `path`, within `limit` from the job's start.
///
/// The limit is not the job's deadline, which counts from submission: a file must not be late
/// because the queue was long.
pub(crate) struct HashFile {
    path: PathBuf,
    limit: Option<Duration>,
}

impl HashFile {
    pub(crate) fn new(path: PathBuf, limit: Option<Duration>) -> Self {
        Self { path, limit }
    }

    /// `Err` once the file has taken too long, or the pool wants the job to stop.
    fn check(&self, ctx: &JobContext<'_>, start: Instant) -> io::Result<()> {
        ctx.check().map_err(io::Error::other)?;
        match self.limit {
            Some(limit) if start.elapsed() >= limit => Err(io::Error::new(
                ErrorKind::TimedOut,
                format!("took longer than {limit:?}"),
            )),
            _ => Ok(()),
        }
    }
}

impl Job for HashFile {
    type Output = blake3::Hash;
    type Error = io::Error;

    fn run(self, ctx: &JobContext<'_>) -> io::Result<blake3::Hash> {
        let start = Instant::now();
        let mut file = open_regular(&self.path)?;
        let mut hasher = blake3::Hasher::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            self.check(ctx, start)?;
            match file.read(&mut chunk) {
                Ok(0) => return Ok(hasher.finalize()),
                Ok(read) => drop(hasher.update(&chunk[..read])),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn options(&self) -> JobOptions {
        JobOptions::new().named(self.path.display().to_string())
    }
}

/// Opens the file if it is still a regular one: since the walk saw it, another process may have
/// replaced it with a pipe or a link.
fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("no longer a regular file"));
    }
    File::open(path)
}
