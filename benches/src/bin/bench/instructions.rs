//! `--instructions`: how many instructions a job costs on each backend, for each way in, and how
//! many of them lock a cache line, against a committed baseline.

mod callgrind;
mod locked;

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
use callgrind::{Callgrind, Count};

/// Where the baseline is, from the root.
const BASELINE: &str = "benches/results/instructions.json";
/// The ways in; `bench-instructions` has the same.
const WAYS: [&str; 12] = [
    "execute",
    "submit-join",
    "spawn-inside",
    "tree",
    "future",
    // How the pool is operated: what the ways above do not pay.
    "execute-observed",
    "execute-observed-twice",
    "execute-timed",
    "execute-metrics",
    "execute-metrics-probe",
    "execute-tracing-info",
    "execute-tracing-debug",
];
/// A way without a pool, as if `none` were a backend: what the others are compared with.
const BARE: [&str; 2] = ["none", "tree"];
/// Two numbers of jobs: the difference excludes the start and the end of the process.
const JOBS: [u32; 2] = [10_000, 30_000];
/// The number of counts, of which the least is used: switches between threads sometimes add
/// instructions, and never remove any.
const COUNTS: usize = 3;
/// Changes of a count of instructions up to this part count as none. Counts repeat within 0.2 %,
/// those of futures on tokio within 2.5 %.
const TOLERANCE: f64 = 0.03;
/// Changes of a count of locked instructions up to this many count as none.
const LOCKED_TOLERANCE: f64 = 0.3;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gauge {
    Instructions,
    /// Instructions that lock a cache line.
    Locked,
}

/// What a job costs: by backend, by way in.
type Costs = BTreeMap<String, BTreeMap<String, f64>>;

/// Counts, and what they depend on besides the code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Counts {
    rustc: String,
    target: String,
    instructions: Costs,
    /// Those of them that lock a cache line; empty on a processor where they are not counted.
    #[serde(default, skip_serializing_if = "Costs::is_empty")]
    locked: Costs,
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
    gauge: Gauge,
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
    println!("for a job, least of {COUNTS} counts\n{}", as_table(&rows));
    let Some(baseline) = baseline else {
        bail!("there is no baseline at {BASELINE}; `--accept` writes it");
    };
    judge(&rows, &differences(&counts, &baseline))
}

/// Every way in on every backend.
fn count(callgrind: &Callgrind) -> Result<Counts> {
    // Without peers, since their dependencies would switch on features of shared crates.
    let program = runner::build("bench-instructions", "operated")?;
    let of_backend = |backend: Backend| WAYS.map(|way| [backend.name(), way]);
    let backends = Backend::available().into_iter();
    let all_ways: Vec<_> = backends.flat_map(of_backend).chain([BARE]).collect();
    let bar = ProgressBar::new(all_ways.len() as u64);
    let mut all = Counts {
        rustc: environment::rustc(),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        instructions: Costs::new(),
        locked: Costs::new(),
    };
    for [backend, way] in all_ways {
        bar.inc(1);
        let of = |jobs: u32| counts(callgrind, &program, [way, backend, &jobs.to_string()]);
        let [few, many] = JOBS;
        let counts = [of(few)?, of(many)?];
        all.add(backend, way, counts)
            .with_context(|| format!("{way} on {backend}"))?;
    }
    bar.finish_and_clear();
    Ok(all)
}

fn counts(callgrind: &Callgrind, program: &Path, arguments: [&str; 3]) -> Result<Vec<Count>> {
    let count = |_| callgrind.count(program, &arguments);
    (0..COUNTS).map(count).collect()
}

/// What one more job costs, from the counts for few jobs and for many; of each, the least.
#[expect(
    clippy::cast_precision_loss,
    reason = "far fewer instructions than 53 bits count"
)]
fn a_job(few: &[u64], many: &[u64]) -> Result<f64> {
    let more = many.iter().min().zip(few.iter().min());
    let more = more.and_then(|(many, few)| many.checked_sub(*few));
    let more = more.with_context(|| {
        format!(
            "more jobs took fewer instructions, {many:?} instead of {few:?}: the counts are broken"
        )
    })?;
    Ok(more as f64 / f64::from(JOBS[1] - JOBS[0]))
}

impl Gauge {
    const ALL: [Self; 2] = [Self::Instructions, Self::Locked];

    fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Locked => "locked instructions",
        }
    }

    /// `None` if this processor's are not counted.
    fn read(self, count: &Count) -> Option<u64> {
        match self {
            Self::Instructions => Some(count.instructions),
            Self::Locked => count.locked,
        }
    }

    fn costs(self, counts: &Counts) -> &Costs {
        match self {
            Self::Instructions => &counts.instructions,
            Self::Locked => &counts.locked,
        }
    }

    fn costs_mut(self, counts: &mut Counts) -> &mut Costs {
        match self {
            Self::Instructions => &mut counts.instructions,
            Self::Locked => &mut counts.locked,
        }
    }

    /// How far a count may be from this one without having changed.
    fn tolerance(self, then: f64) -> f64 {
        match self {
            Self::Instructions => then * TOLERANCE,
            Self::Locked => LOCKED_TOLERANCE,
        }
    }

    /// The digits after the point that a count keeps.
    fn digits(self) -> usize {
        match self {
            Self::Instructions => 1,
            Self::Locked => 2,
        }
    }

    fn text(self, cost: f64) -> String {
        format!("{cost:.*}", self.digits())
    }

    fn change(self, now: f64, then: f64) -> String {
        match self {
            Self::Instructions => format!("{:+.1} %", (now / then - 1.0) * 100.0),
            Self::Locked => format!("{:+.2}", now - then),
        }
    }
}

impl Counts {
    /// Adds what a job costs, from the counts for few jobs and for many.
    fn add(&mut self, backend: &str, way: &str, [few, many]: [Vec<Count>; 2]) -> Result<()> {
        for gauge in Gauge::ALL {
            let read = |counts: &[Count]| -> Option<Vec<u64>> {
                counts.iter().map(|it| gauge.read(it)).collect()
            };
            let (Some(few), Some(many)) = (read(&few), read(&many)) else {
                continue;
            };
            let cost = gauge.text(a_job(&few, &many)?).parse()?;
            let ways = gauge.costs_mut(self).entry(backend.to_owned()).or_default();
            ways.insert(way.to_owned(), cost);
        }
        Ok(())
    }

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
    let of = |gauge: Gauge| rows_of(gauge, gauge.costs(now), then.map(|it| gauge.costs(it)));
    Gauge::ALL.into_iter().flat_map(of).collect()
}

fn rows_of(gauge: Gauge, now: &Costs, then: Option<&Costs>) -> Vec<Row> {
    let then = |backend: &str, way: &str| then?.get(backend)?.get(way).copied();
    let mut rows = Vec::new();
    for (backend, ways) in now {
        rows.extend(ways.iter().map(|(way, &now)| {
            let then = then(backend, way);
            Row {
                gauge,
                backend: backend.clone(),
                way: way.clone(),
                now,
                then,
                verdict: verdict(gauge, now, then),
            }
        }));
    }
    rows
}

fn verdict(gauge: Gauge, now: f64, then: Option<f64>) -> Verdict {
    match then {
        None => Verdict::New,
        Some(then) if now > then + gauge.tolerance(then) => Verdict::Worse,
        Some(then) if now < then - gauge.tolerance(then) => Verdict::Better,
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
    let tolerance = format!("{} % or {LOCKED_TOLERANCE} locked", TOLERANCE * 100.0);
    println!(
        "{better} better, {worse} worse, {new} without a baseline, the rest within {tolerance}"
    );
    if better > 0 || new > 0 {
        println!("`--accept` makes these counts the baseline");
    }
    if !differences.is_empty() {
        println!("warning: the baseline is of another compiler or target, so nothing fails");
        differences.iter().for_each(|line| println!("  {line}"));
        return Ok(());
    }
    ensure!(worse == 0, "{worse} counts grew by more than {tolerance}");
    Ok(())
}

fn as_table(rows: &[Row]) -> Table {
    let mut table = table::new();
    table.set_header(["count", "backend", "way", "baseline", "now", "change", ""]);
    for row in rows {
        let gauge = row.gauge;
        let text = |cost: Option<f64>| cost.map_or_else(String::new, |it| gauge.text(it));
        let change = |then: f64| gauge.change(row.now, then);
        let word = match row.verdict {
            Verdict::Better => "better",
            Verdict::Same => "",
            Verdict::Worse => "WORSE",
            Verdict::New => "new",
        };
        table.add_row([
            gauge.name().to_owned(),
            row.backend.clone(),
            row.way.clone(),
            text(row.then),
            text(Some(row.now)),
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
        with_locked(execute, 4.0)
    }

    fn with_locked(execute: f64, locked: f64) -> Counts {
        let costs = |cost| {
            let ways = BTreeMap::from([("execute".to_owned(), cost)]);
            Costs::from([("channel".to_owned(), ways)])
        };
        Counts {
            rustc: "rustc 1.88.0".to_owned(),
            target: "x86_64-linux".to_owned(),
            instructions: costs(execute),
            locked: costs(locked),
        }
    }

    fn judged(now: &Counts, then: &Counts) -> Result<()> {
        judge(&rows(now, Some(then)), &differences(now, then))
    }

    #[test]
    fn the_cost_of_a_job_is_a_difference_divided() {
        let least = |count: u64| [count + 500, count, count + 1];
        assert_eq!(a_job(&least(1_000_000), &least(3_000_000)).unwrap(), 100.0);
        let error = a_job(&least(2), &least(1)).unwrap_err().to_string();
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
    fn a_cost_keeps_the_digits_of_its_gauge() {
        let count = |instructions, locked| {
            vec![Count {
                instructions,
                locked: Some(locked),
            }]
        };
        let mut all = with_locked(0.0, 0.0);
        let counted = [count(0, 10), count(1_230_999, 80_331)];
        all.add("channel", "execute", counted).unwrap();
        assert_eq!(all, with_locked(61.5, 4.02));
    }

    #[test]
    fn a_locked_instruction_more_fails_and_a_part_of_one_does_not() {
        let then = with_locked(100.0, 4.0);
        assert!(judged(&with_locked(100.0, 5.0), &then).is_err());
        assert!(judged(&with_locked(100.0, 4.31), &then).is_err());
        assert!(judged(&with_locked(100.0, 4.29), &then).is_ok());
        assert!(judged(&with_locked(100.0, 3.0), &then).is_ok());
    }

    #[test]
    fn a_baseline_from_before_the_locked_counts_is_read_and_they_are_new() {
        let mut old = counts(100.0);
        old.locked.clear();
        let text = serde_json::to_string(&old).unwrap();
        assert!(!text.contains("locked"), "{text}");
        let old: Counts = serde_json::from_str(&text).unwrap();
        let rows = rows(&counts(100.0), Some(&old));
        assert_eq!(
            [rows[0].verdict, rows[1].verdict],
            [Verdict::Same, Verdict::New]
        );
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
        let verdict = |now| verdict(Gauge::Instructions, now, Some(100.0));
        assert_eq!([96.0, 98.0].map(verdict), [Verdict::Better, Verdict::Same]);
    }

    #[test]
    fn a_baseline_that_was_never_written_is_none() {
        assert_eq!(
            Counts::read(Path::new("/no/such/baseline.json")).unwrap(),
            None
        );
    }
}
