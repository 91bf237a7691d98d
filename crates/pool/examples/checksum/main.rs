//! Hashes every file below a folder with BLAKE3, one job for each file, and stops cleanly on
//! Ctrl-C.
//!
//! ```text
//! cargo run --release --example checksum -- --backend work-stealing --workers 8 FOLDER
//! ```
//!
//! Standard output holds `b3sum`'s line for each file, sorted by path; everything else goes to
//! standard error. Exit codes: 0 all files hashed; 1 some not; 2 wrong usage; 130 and 143
//! interrupted by Ctrl-C or SIGTERM.
//!
//! The main thread walks and submits, and waits when the queue is full, so no more jobs are queued
//! than its capacity, however large the folder. A file that takes too long is stopped between two
//! chunks; a read that hangs inside the system cannot be stopped, and the shutdown's report names
//! it.
#![expect(
    clippy::print_stderr,
    reason = "a command line tool speaks to its user there"
)]

mod args;
mod hash_file;
mod interrupts;
mod progress;
mod tally;
mod walk;

use std::process::ExitCode;

use anyhow::Context;
use pool::{BuildError, Executor, Pool, ShutdownPolicy};

use crate::args::Args;
use crate::hash_file::HashFile;
use crate::interrupts::Interrupts;
use crate::progress::Progress;
use crate::tally::Tally;
use crate::walk::Found;

fn main() -> ExitCode {
    let args = Args::read();
    let pool = build(&args).unwrap_or_else(|error| args::exit_with(&error.to_string()));
    match run(&args, &pool) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("checksum: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build(args: &Args) -> Result<Pool, BuildError> {
    let mut builder = Pool::builder()
        .queue_capacity(args.queue)
        .thread_name("checksum");
    if let Some(workers) = args.workers {
        builder = builder.workers(workers);
    }
    if let Some(backend) = args.backend {
        builder = builder.backend(backend);
    }
    builder.build()
}

/// Returns the exit code.
fn run(args: &Args, pool: &Pool) -> anyhow::Result<u8> {
    let progress = Progress::show(pool);
    let interrupts = Interrupts::watch(pool, args.grace, progress.bar())
        .context("cannot listen for Ctrl-C and SIGTERM")?;
    let (folder, workers) = (args.folder.display(), pool.stats().workers);
    eprintln!(
        "hashing {folder} on {} with {workers} workers",
        pool.backend()
    );
    let tally = submit_all(args, pool);
    // An interrupt shuts the pool down as well, with a limit: the shorter limit holds, and both
    // calls give the same report.
    let report = pool.shutdown(ShutdownPolicy::drain());
    progress.end();
    let summary = tally.finish(&report);
    summary
        .print_hashes()
        .context("cannot write the hashes to standard output")?;
    let signal = interrupts.end();
    if signal.is_some() {
        eprintln!("{report}");
    }
    summary.print_failures();
    Ok(match signal {
        Some(signal) => interrupts::exit_code(signal),
        None => u8::from(!summary.is_complete()),
    })
}

/// Submits a job for each file, until the walk ends or the pool is closed.
fn submit_all(args: &Args, pool: &Pool) -> Tally {
    let mut tally = Tally::default();
    for found in walk::walk(&args.folder) {
        match found {
            Found::Bad { path, reason } if !pool.is_closed() => tally.fail(path, reason),
            Found::Bad { .. } => break,
            Found::File(path) => {
                let job = HashFile::new(path.clone(), args.timeout);
                match pool.submit(job) {
                    Ok(handle) => tally.expect(path, handle),
                    Err(_closed) => break,
                }
            }
        }
    }
    tally
}
