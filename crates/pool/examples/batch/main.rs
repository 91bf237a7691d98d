//! A batch: hashes items and stores the results in SQLite, by one connection for each worker.
//!
//! ```text
//! cargo run -p pool --example batch -- results.db --items 1000
//! ```
//!
//! A write that meets a locked database is tried again, after a delay that a cancellation or a
//! deadline ends (`ctx.sleep`). The exit code is that of the pool's report: 0 if every item is
//! stored, 1 if some are not. A second run stores what is missing.
#![expect(clippy::print_stdout, reason = "a program tells what it did")]

mod store;

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use pool::{JobContext, JobExt, Pool, ShutdownPolicy};

use store::{Faults, Store, put_with_retries};

/// Hashes items, and stores the results
#[derive(Parser)]
struct Args {
    /// The database; made if it is not there
    database: PathBuf,
    /// How many items there are
    #[arg(long, default_value_t = 1000)]
    items: u64,
    /// Workers; without it, as many as the system grants
    #[arg(long)]
    workers: Option<usize>,
    /// Fails the first writes of every Nth item, to show how they are tried again; 0: of none
    #[arg(long, default_value_t = 0)]
    fail_every: u64,
    /// How often each of those fails
    #[arg(long, default_value_t = 1)]
    fail_times: u32,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let faults = Faults {
        every: args.fail_every,
        times: args.fail_times,
    };
    Store::create(&args.database)
        .with_context(|| format!("cannot use {}", args.database.display()))?;
    let database = args.database.clone();
    // Submitters wait while 64 items are queued: a batch of any size takes the memory of these.
    let builder = Pool::builder()
        .queue_capacity(64)
        .try_on_worker_start(move |_worker| Store::open(&database).map(RefCell::new));
    let pool = match args.workers {
        Some(workers) => builder.workers(workers),
        None => builder,
    };
    let pool = pool.build()?;

    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} items, {eta} left")?;
    let bar = ProgressBar::new(args.items).with_style(style);
    let mut waiting = Vec::new();
    for item in 0..args.items {
        let job = move |ctx: &JobContext<'_>| put_with_retries(ctx, item, faults);
        waiting.push((item, pool.submit(job.named(format!("item {item}")))?));
        bar.set_position(pool.stats().finished());
    }
    for (item, handle) in waiting {
        if let Err(error) = handle.join() {
            bar.suspend(|| println!("item {item} is not stored: {error:#}"));
        }
        bar.set_position(pool.stats().finished());
    }
    bar.finish_and_clear();
    let report = pool.shutdown(ShutdownPolicy::drain());
    println!("{report}");
    Ok(ExitCode::from(report.exit_code()))
}
