//! `cargo xtask bench`: samples in fresh processes, with contestants alternating; tables, a report,
//! and what changed since another run.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the program talks to the person who started it"
)]

mod calls;
mod child;
mod compare;
mod environment;
mod instructions;
#[cfg(test)]
mod made_up;
mod plan;
mod readme;
mod record;
mod report;
mod runner;
mod stalls;
mod statistics;
mod steadiness;
mod summary;
mod table;
mod words;

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use benches::{Entry, Workload};
use clap::Parser;

use calls::Calls;
use environment::Environment;
use plan::Wishes;
use record::Record;
use runner::Runner;
use summary::Summary;

/// Samples of each contestant if the user gives no number.
const SAMPLES: usize = 15;
/// The same, for a quick run.
const QUICK_SAMPLES: usize = 3;
/// How long a sample may take, in seconds.
const LIMIT_S: u64 = 60;
/// Changes up to this many per cent are noise.
const THRESHOLD: f64 = 10.0;

/// The workloads on the backends and their peers, each sample in its own process
#[derive(Parser)]
#[command(name = "bench", bin_name = "cargo xtask bench")]
struct Options {
    /// Few and small samples: shows that everything works, measures little
    #[arg(long)]
    quick: bool,
    /// Runs only this workload; may be given several times
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<Workload>,
    /// Runs only these contestants, separated by commas
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    contestants: Vec<Entry>,
    /// How many samples of each contestant; heavy workloads take a part of them
    #[arg(long)]
    samples: Option<NonZero<usize>>,
    /// Workers of each contestant [default: what suits the workload]
    #[arg(long)]
    workers: Option<NonZero<usize>>,
    /// The bound of each contestant that has one [default: what suits the workload, and several
    /// where the cost depends on it]
    #[arg(long)]
    capacity: Option<NonZero<usize>>,
    /// Seconds after which a sample is ended and counted as failed
    #[arg(long, value_name = "SECONDS", default_value_t = LIMIT_S)]
    limit: u64,
    /// Where the raw samples and the report are written
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
    /// Compares two runs, each a directory or its file of samples, and measures nothing
    ///
    /// A change is reported if the 95 % interval of the ratio of medians excludes 1 and the ratio
    /// is over the threshold. The speed of a machine differs, and changes by the hour; a peer's
    /// code does not. So each time is also divided by that of the steadiest peer in both runs. On
    /// one machine a change must show both as measured and relative to the peer. Between machines,
    /// told apart by processor and cores, it must show relative to the peer; without a common peer
    /// no times are compared.
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    compare: Option<Vec<PathBuf>>,
    /// Draws the report of a run again, from its directory or file of samples, and measures nothing
    #[arg(long, value_name = "RUN", conflicts_with = "compare")]
    redraw: Option<PathBuf>,
    /// Counts the instructions of a job on each backend, for each way in, with valgrind, and those
    /// that lock a cache line; fails if a count grew beyond the baseline
    #[arg(long, conflicts_with_all = ["compare", "redraw"])]
    instructions: bool,
    /// With --instructions: makes the counts the baseline
    #[arg(long, requires = "instructions")]
    accept: bool,
    /// Writes the figures in the README again, from the committed run
    #[arg(long, conflicts_with_all = ["compare", "redraw", "instructions"])]
    readme: bool,
    /// With --compare: changes up to this many per cent are noise
    #[arg(long, value_name = "PER CENT", default_value_t = THRESHOLD)]
    threshold: f64,
}

impl Options {
    fn wishes(&self) -> Wishes {
        let usual = if self.quick { QUICK_SAMPLES } else { SAMPLES };
        Wishes {
            workloads: or_all(&self.only, Workload::ALL),
            entries: or_all(&self.contestants, Entry::ALL),
            samples: self.samples.map_or(usual, NonZero::get),
            workers: self.workers.map(NonZero::get),
            capacity: self.capacity.map(NonZero::get),
            granted: thread::available_parallelism().map_or(1, NonZero::get),
            quick: self.quick,
        }
    }
}

/// The named ones, in the order of all; if none is named, all.
fn or_all<T: Copy + PartialEq>(named: &[T], all: &[T]) -> Vec<T> {
    let is_wanted = |it: &T| named.is_empty() || named.contains(it);
    all.iter().copied().filter(is_wanted).collect()
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if let Some([old, new]) = options.compare.as_deref() {
        return compare::run(old, new, options.threshold);
    }
    if options.instructions {
        return instructions::run(options.accept);
    }
    if options.readme {
        return readme::rewrite();
    }
    if let Some(run) = &options.redraw {
        return finish(options, &Record::read(run)?);
    }
    sample(options)
}

/// Takes the samples, and shows and writes the results, even if some failed.
fn sample(options: &Options) -> Result<()> {
    let wishes = options.wishes();
    let program = runner::build("bench-sample", "peers")?;
    let points = wishes.points();
    ensure!(
        !points.is_empty(),
        "none of these contestants takes part in these workloads"
    );
    let mut environment = Environment::now(options.quick);
    if let Some(load) = environment.other_work() {
        eprintln!("warning: the machine is busy (load {load:.1}); samples will spread");
    }
    let limit = Duration::from_secs(options.limit);
    let calls = Calls::find();
    if calls.is_none() {
        eprintln!("system calls are not counted: that needs `perf`, and the right to trace them");
    }
    let counts_calls = calls.is_some();
    let runner = Runner::new(&program, limit).counting(calls);
    let runner = if options.quick {
        runner
    } else {
        runner.steady().retaking()
    };
    let taken = runner.run(&points);
    environment.ended();
    (environment.line_ns, environment.unsteady) = taken.line;
    environment.retaken = taken.stalls.retaken;
    environment.stalled = taken.stalls.stalled;
    let mut record = Record {
        environment,
        workloads: wishes.workload_infos(counts_calls),
        contestants: wishes.contestant_infos(),
        failures: taken.failures,
        samples: taken.samples,
    };
    record.round();
    finish(options, &record)?;
    let failed = record.failures.len();
    ensure!(
        failed == 0,
        "{failed} samples failed; they are listed above"
    );
    Ok(())
}

/// Shows a run and writes it to files.
fn finish(options: &Options, record: &Record) -> Result<()> {
    let summaries = summary::summaries(record);
    show(record, &summaries);
    let directory = root().join(&options.out);
    fs::create_dir_all(&directory)
        .with_context(|| format!("could not make {}", directory.display()))?;
    println!("\nraw samples: {}", record.write(&directory)?.display());
    let report = report::write(record, &summaries, &directory)?;
    println!("report: {}", report.display());
    Ok(())
}

fn show(record: &Record, summaries: &[Summary<'_>]) {
    for summary in summaries {
        println!("\n{}\n{}", table::head(summary), table::workload(summary));
        if let Some(bounds) = table::bounds(record, summary) {
            println!("\n{bounds}");
        }
    }
    println!("\n{}", table::LEGEND);
    println!(
        "\nThe best of ours beside the best peer\n{}",
        table::duels(summaries)
    );
    for failure in &record.failures {
        println!("\nfailed: {}\n  {}", failure.command, failure.reason);
    }
}

/// The root of the workspace, wherever the program was started.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("benches lies in the workspace")
}
