//! `cargo xtask bench`: samples in fresh processes, contestants taking turns, and a table.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use benches::{Entry, Measure, Sample, Workload};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::root;
use crate::steps::cargo;

/// Samples of each contestant where the user names no number.
const SAMPLES: usize = 15;
/// The same, for a quick run.
const QUICK_SAMPLES: usize = 3;

#[derive(Args)]
pub(crate) struct Options {
    /// Small samples, and few: shows that all works, measures little
    #[arg(long)]
    quick: bool,
    /// Runs this workload alone
    #[arg(long, value_name = "WORKLOAD")]
    only: Option<Workload>,
    /// How many samples of each contestant
    #[arg(long)]
    samples: Option<NonZero<usize>>,
    /// Workers of each contestant [default: what the system grants in parallel]
    #[arg(long)]
    workers: Option<NonZero<usize>>,
    /// Where the raw samples are written
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
}

impl Options {
    /// One quick sample of one workload.
    pub(crate) fn smoke() -> Self {
        Self {
            quick: true,
            only: Some(Workload::Empty),
            samples: Some(NonZero::<usize>::MIN),
            workers: None,
            out: PathBuf::from("target/bench"),
        }
    }

    fn workloads(&self) -> Vec<Workload> {
        self.only
            .map_or_else(|| Workload::ALL.to_vec(), |only| vec![only])
    }

    fn samples(&self) -> usize {
        let usual = if self.quick { QUICK_SAMPLES } else { SAMPLES };
        self.samples.map_or(usual, NonZero::get)
    }

    fn workers(&self) -> usize {
        let granted = || thread::available_parallelism().map_or(1, NonZero::get);
        self.workers.map_or_else(granted, NonZero::get)
    }

    fn size(&self, workload: Workload) -> usize {
        if self.quick {
            workload.quick_size()
        } else {
            workload.full_size()
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let program = build()?;
    let mut all = Vec::new();
    for workload in options.workloads() {
        let samples = sample(&program, workload, options)?;
        println!("\n{}", head(workload, options));
        println!("{}", table(&samples));
        all.extend(samples);
    }
    println!("\n* without a bound: it never waits for room, and so has less to do.");
    let file = write(options, all)?;
    println!("raw samples: {}", file.display());
    Ok(())
}

/// What cargo says of a program that it has built.
#[derive(serde::Deserialize)]
struct Built {
    executable: Option<PathBuf>,
}

fn build() -> Result<PathBuf> {
    let output = cargo()
        .args(["build", "--release", "-p", "benches", "--features", "peers"])
        .args(["--bin", "bench-sample"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("could not start `cargo build`")?;
    ensure!(output.status.success(), "the benches do not build");
    let said = String::from_utf8(output.stdout)?;
    said.lines()
        .filter_map(|line| serde_json::from_str::<Built>(line).ok()?.executable)
        .next_back()
        .context("cargo named no program")
}

/// All samples of a workload. Each round starts with another contestant, so that none always has the same neighbour in time.
fn sample(program: &Path, workload: Workload, options: &Options) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for round in 0..options.samples() {
        let mut order = Entry::ALL;
        order.rotate_left(round % Entry::ALL.len());
        for entry in order {
            samples.push(one(program, workload, entry, options)?);
        }
    }
    Ok(samples)
}

fn one(program: &Path, workload: Workload, entry: Entry, options: &Options) -> Result<Sample> {
    let output = Command::new(program)
        .args([workload.name(), entry.name()])
        .args([options.size(workload), options.workers()].map(|number| number.to_string()))
        .stderr(Stdio::inherit())
        .output()
        .context("could not start a sample")?;
    let status = output.status;
    ensure!(status.success(), "{workload} on {entry}: {status}");
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{workload} on {entry} printed no sample"))
}

fn head(workload: Workload, options: &Options) -> String {
    format!(
        "{workload}: {} jobs, {} workers, {} samples each; nanoseconds for a job",
        options.size(workload),
        options.workers(),
        options.samples()
    )
}

/// A contestant's samples, summed up.
struct Row {
    entry: Entry,
    median: f64,
    least: f64,
    most: f64,
}

impl Row {
    fn of(entry: Entry, samples: &[Sample]) -> Option<Self> {
        let own = samples
            .iter()
            .filter(|sample| sample.contestant == entry.name());
        let mut nanos: Vec<f64> = own
            .filter_map(|sample| sample.measures.get(Measure::TIME_PER_JOB.name).copied())
            .collect();
        nanos.sort_by(f64::total_cmp);
        Some(Self {
            entry,
            median: median(&nanos)?,
            least: *nanos.first()?,
            most: *nanos.last()?,
        })
    }
}

/// The middle of sorted figures; between the two middle ones of an even number.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(*upper);
    }
    Some((sorted[sorted.len() / 2 - 1] + upper) / 2.0)
}

fn table(samples: &[Sample]) -> Table {
    let mut rows: Vec<Row> = Entry::ALL
        .into_iter()
        .filter_map(|entry| Row::of(entry, samples))
        .collect();
    rows.sort_by(|a, b| a.median.total_cmp(&b.median));
    let best = rows.first().map_or(f64::NAN, |row| row.median);
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["contestant", "median", "min..max", "to the best"]);
    for row in rows {
        let mark = if row.entry.is_bounded() { "" } else { " *" };
        table.add_row([
            format!("{}{mark}", row.entry),
            format!("{:.1}", row.median),
            format!("{:.1}..{:.1}", row.least, row.most),
            format!("{:.2}", row.median / best),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The file of raw samples.
#[derive(Serialize)]
struct Record {
    system: String,
    parallelism: usize,
    samples: Vec<Sample>,
}

fn write(options: &Options, samples: Vec<Sample>) -> Result<PathBuf> {
    let directory = root().join(&options.out);
    fs::create_dir_all(&directory)
        .with_context(|| format!("could not make {}", directory.display()))?;
    let record = Record {
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        parallelism: thread::available_parallelism().map_or(1, NonZero::get),
        samples,
    };
    let file = directory.join("samples.json");
    fs::write(&file, serde_json::to_vec_pretty(&record)?)
        .with_context(|| format!("could not write {}", file.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use benches::Measures;

    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
    }

    #[test]
    fn a_table_puts_the_fastest_first_and_the_others_beside_it() {
        let sample = |entry: Entry, nanos| Sample {
            workload: "empty".to_owned(),
            contestant: entry.to_string(),
            size: 10,
            workers: 2,
            measures: Measures::from([(Measure::TIME_PER_JOB.name.to_owned(), nanos / 10.0)]),
        };
        let samples = [
            sample(Entry::Channel, 3000.0),
            sample(Entry::PeerMpsc, 1000.0),
            sample(Entry::Channel, 2000.0),
            sample(Entry::Channel, 9000.0),
        ];
        let text = table(&samples).to_string();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(2)
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        assert_eq!(
            rows[0][1..5],
            ["peer-mpsc *", "100.0", "100.0..100.0", "1.00"]
        );
        assert_eq!(rows[1][1..5], ["channel", "300.0", "200.0..900.0", "3.00"]);
    }
}
