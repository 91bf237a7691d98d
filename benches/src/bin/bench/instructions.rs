//! `--instructions`: how many instructions a job costs on each backend, for each way in, against a
//! committed baseline.

mod callgrind;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use comfy_table::Table;
use indicatif::ProgressBar;
use pool::Backend;
use serde::{Deserialize, Serialize};

use super::{environment, runner, table};
use crate::root;
use callgrind::Callgrind;

/// Where the baseline is, from the root.
const BASELINE: &str = "benches/results/instructions.json";
/// The ways in; `bench-instructions` has the same.
const WAYS: [&str; 4] = ["execute", "submit-join", "spawn-inside", "future"];
/// Two numbers of jobs: the difference excludes the start and the end of the process.
const JOBS: [u32; 2] = [10_000, 30_000];
/// The number of counts, of which the least is used: switches between threads sometimes add
/// instructions, and never remove any.
const COUNTS: usize = 3;
/// Changes up to this part count as none. Counts repeat within 0.2 %, those of futures on tokio
/// within 2.5 %.
const TOLERANCE: f64 = 0.03;

/// Counts, and what they depend on besides the code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Counts {
    rustc: String,
    target: String,
    /// Instructions for a job: by backend, by way in.
    instructions: BTreeMap<String, BTreeMap<String, f64>>,
}

/// The verdict on a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Better,
    Same,
    Worse,
    /// The baseline has no such count.
    New,
}

/// A count and its baseline.
#[derive(Debug, PartialEq)]
struct Row {
    backend: String,
    way: String,
    now: f64,
    then: Option<f64>,
    verdict: Verdict,
}

pub(crate) fn run(is_accepted: bool) -> Result<()> {
    let file = root().join(BASELINE);
    let callgrind = Callgrind::find()?;
    let counts = count(&callgrind)?;
    if is_accepted {
        return counts.write(&file);
    }
    let baseline = Counts::read(&file)?;
    let rows = rows(&counts, baseline.as_ref());
    println!(
        "instructions for a job, least of {COUNTS} counts\n{}",
        as_table(&rows)
    );
    let Some(baseline) = baseline else {
        bail!("there is no baseline at {BASELINE}; `--accept` writes it");
    };
    judge(&rows, &differences(&counts, &baseline))
}

/// Every way in on every backend.
fn count(callgrind: &Callgrind) -> Result<Counts> {
    // Without peers, since their dependencies would switch on features of shared crates.
    let program = runner::build("bench-instructions", "")?;
    let backends = Backend::available();
    let bar = ProgressBar::new((backends.len() * WAYS.len()) as u64);
    let mut instructions = BTreeMap::new();
    for backend in backends {
        let mut ways = BTreeMap::new();
        for way in WAYS {
            bar.inc(1);
            let of = |jobs: u32| {
                counts(
                    callgrind,
                    &program,
                    [way, backend.name(), &jobs.to_string()],
                )
            };
            let [few, many] = JOBS;
            let each = a_job(of(few)?, of(many)?).with_context(|| format!("{way} on {backend}"))?;
            ways.insert(way.to_owned(), each);
        }
        instructions.insert(backend.name().to_owned(), ways);
    }
    bar.finish_and_clear();
    Ok(Counts {
        rustc: environment::rustc(),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        instructions,
    })
}

fn counts(callgrind: &Callgrind, program: &Path, arguments: [&str; 3]) -> Result<[u64; COUNTS]> {
    let mut counts = [0; COUNTS];
    for count in &mut counts {
        *count = callgrind.count(program, &arguments)?;
    }
    Ok(counts)
}

/// What one more job costs, to a tenth, from the least counts for few jobs and for many.
#[expect(
    clippy::cast_precision_loss,
    reason = "far fewer instructions than 53 bits count"
)]
fn a_job(few: [u64; COUNTS], many: [u64; COUNTS]) -> Result<f64> {
    let least = |counts: [u64; COUNTS]| counts.into_iter().min();
    let more = least(many).zip(least(few));
    let more = more.and_then(|(many, few)| many.checked_sub(few));
    let more = more.with_context(|| {
        format!(
            "more jobs took fewer instructions, {many:?} instead of {few:?}: the counts are broken"
        )
    })?;
    let each = more as f64 / f64::from(JOBS[1] - JOBS[0]);
    Ok((each * 10.0).round() / 10.0)
}

impl Counts {
    /// `None` if there is no file.
    fn read(file: &Path) -> Result<Option<Self>> {
        if !file.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let counts = serde_json::from_str(&text);
        Ok(Some(counts.with_context(|| {
            format!("{} is no baseline", file.display())
        })?))
    }

    fn write(&self, file: &PathBuf) -> Result<()> {
        let directory = file.parent().context("the baseline has a directory")?;
        fs::create_dir_all(directory)?;
        let text = format!("{}\n", serde_json::to_string_pretty(self)?);
        fs::write(file, text).with_context(|| format!("could not write {}", file.display()))?;
        println!("baseline: {}", file.display());
        Ok(())
    }
}

fn rows(now: &Counts, then: Option<&Counts>) -> Vec<Row> {
    let then = |backend: &str, way: &str| then?.instructions.get(backend)?.get(way).copied();
    let mut rows = Vec::new();
    for (backend, ways) in &now.instructions {
        rows.extend(ways.iter().map(|(way, &now)| {
            let then = then(backend, way);
            Row {
                backend: backend.clone(),
                way: way.clone(),
                now,
                then,
                verdict: verdict(now, then),
            }
        }));
    }
    rows
}

fn verdict(now: f64, then: Option<f64>) -> Verdict {
    match then {
        None => Verdict::New,
        Some(then) if now > then * (1.0 + TOLERANCE) => Verdict::Worse,
        Some(then) if now < then * (1.0 - TOLERANCE) => Verdict::Better,
        Some(_) => Verdict::Same,
    }
}

/// What changed since the baseline other than the code.
fn differences(now: &Counts, then: &Counts) -> Vec<String> {
    let pairs = [
        ("compiler", &then.rustc, &now.rustc),
        ("target", &then.target, &now.target),
    ];
    let differing = pairs.into_iter().filter(|(_, then, now)| then != now);
    differing
        .map(|(what, then, now)| format!("{what}: {then}, now {now}"))
        .collect()
}

/// Fails if a count grew and only the code can be the cause.
fn judge(rows: &[Row], differences: &[String]) -> Result<()> {
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let [worse, better, new] = [Verdict::Worse, Verdict::Better, Verdict::New].map(count);
    println!(
        "{better} better, {worse} worse, {new} without a baseline, the rest within {} %",
        TOLERANCE * 100.0
    );
    if better > 0 || new > 0 {
        println!("`--accept` makes these counts the baseline");
    }
    if !differences.is_empty() {
        println!("warning: the baseline is of another compiler or target, so nothing fails");
        differences.iter().for_each(|line| println!("  {line}"));
        return Ok(());
    }
    ensure!(
        worse == 0,
        "{worse} counts grew by more than {} %",
        TOLERANCE * 100.0
    );
    Ok(())
}

fn as_table(rows: &[Row]) -> Table {
    let mut table = table::new();
    table.set_header(["backend", "way", "baseline", "now", "change", ""]);
    for row in rows {
        let change = |then: f64| format!("{:+.1} %", (row.now / then - 1.0) * 100.0);
        let word = match row.verdict {
            Verdict::Better => "better",
            Verdict::Same => "",
            Verdict::Worse => "WORSE",
            Verdict::New => "new",
        };
        table.add_row([
            row.backend.clone(),
            row.way.clone(),
            row.then
                .map_or_else(String::new, |then| format!("{then:.1}")),
            format!("{:.1}", row.now),
            row.then.map_or_else(String::new, change),
            word.to_owned(),
        ]);
    }
    table::align(&mut table);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(execute: f64) -> Counts {
        let ways = BTreeMap::from([("execute".to_owned(), execute)]);
        Counts {
            rustc: "rustc 1.88.0".to_owned(),
            target: "x86_64-linux".to_owned(),
            instructions: BTreeMap::from([("channel".to_owned(), ways)]),
        }
    }

    fn judged(now: &Counts, then: &Counts) -> Result<()> {
        judge(&rows(now, Some(then)), &differences(now, then))
    }

    #[test]
    fn the_cost_of_a_job_is_a_difference_divided() {
        let least = |count: u64| [count + 500, count, count + 1];
        assert_eq!(a_job(least(1_000_000), least(3_000_000)).unwrap(), 100.0);
        assert_eq!(a_job(least(0), least(1_230_999)).unwrap(), 61.5);
        let error = a_job(least(2), least(1)).unwrap_err().to_string();
        assert!(
            error.contains("[501, 1, 2] instead of [502, 2, 3]"),
            "{error}"
        );
    }

    #[test]
    fn a_count_that_grew_fails_and_one_that_shrank_does_not() {
        assert!(judged(&counts(104.0), &counts(100.0)).is_err());
        assert!(judged(&counts(102.0), &counts(100.0)).is_ok());
        assert!(judged(&counts(50.0), &counts(100.0)).is_ok());
    }

    #[test]
    fn under_another_compiler_a_count_that_grew_is_a_warning() {
        let mut now = counts(200.0);
        now.rustc = "rustc 1.99.0".to_owned();
        assert!(judged(&now, &counts(100.0)).is_ok());
        assert_eq!(
            differences(&now, &counts(1.0)),
            ["compiler: rustc 1.88.0, now rustc 1.99.0"]
        );
    }

    #[test]
    fn a_count_without_a_baseline_is_new() {
        assert_eq!(rows(&counts(1.0), None)[0].verdict, Verdict::New);
        assert_eq!(verdict(96.0, Some(100.0)), Verdict::Better);
        assert_eq!(verdict(98.0, Some(100.0)), Verdict::Same);
    }

    #[test]
    fn a_baseline_that_was_never_written_is_none() {
        assert_eq!(
            Counts::read(Path::new("/no/such/baseline.json")).unwrap(),
            None
        );
    }
}
