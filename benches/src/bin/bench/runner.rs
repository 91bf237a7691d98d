//! Takes the samples: each in its own process, contestants in turn, with a progress bar.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use benches::{Entry, Measure, Measures, Sample, float};
use indicatif::{ProgressBar, ProgressStyle};

use super::calls::Calls;
use super::plan::Point;
use super::record::{Failure, Scale};
use super::stalls::{Stalls, Told};
use super::steadiness::Steadiness;
use super::words;
use crate::child::{self, ChildError};
use crate::root;

/// The result of a run.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) samples: Vec<Sample>,
    pub(crate) failures: Vec<Failure>,
    /// The steady price of moving a cache line, in nanoseconds, if it was watched, and how many
    /// samples were taken at another price.
    pub(crate) line: (Option<f64>, usize),
    /// How often the machine stalled, if that was watched.
    pub(crate) stalls: Told,
}

/// What cargo says about a program that it has built.
#[derive(serde::Deserialize)]
struct Built {
    executable: Option<PathBuf>,
}

/// Builds a program of the benches with these features, and returns its path.
pub(crate) fn build(program: &str, features: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args([
            "build",
            "--release",
            "-p",
            "benches",
            "--features",
            features,
        ])
        .args(["--bin", program])
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

/// Takes samples with one program, each within the same limit.
#[derive(Debug)]
pub(crate) struct Runner {
    program: PathBuf,
    limit: Duration,
    bar: ProgressBar,
    taken: Taken,
    steadiness: Option<Steadiness>,
    stalls: Option<Stalls>,
    calls: Option<Calls>,
}

impl Runner {
    pub(crate) fn new(program: &Path, limit: Duration) -> Self {
        Self {
            program: program.to_owned(),
            limit,
            bar: ProgressBar::hidden(),
            taken: Taken::default(),
            steadiness: None,
            stalls: None,
            calls: None,
        }
    }

    /// Takes one more sample of each contestant at each point, in which system calls are counted.
    pub(crate) fn counting(mut self, calls: Option<Calls>) -> Self {
        self.calls = calls;
        self
    }

    /// Takes samples while the machine is steady, as far as possible.
    pub(crate) fn steady(mut self) -> Self {
        self.steadiness = Steadiness::begin(&self.program);
        self
    }

    /// Takes a sample again if the machine stalled during it.
    pub(crate) fn retaking(mut self) -> Self {
        self.stalls = Some(Stalls::begin());
        self
    }

    /// Samples every point, whatever fails on the way.
    pub(crate) fn run(mut self, points: &[Point]) -> Taken {
        let counted = |point: &Point| self.calls.as_ref().map_or(0, |_| point.counted());
        let samples = points.iter().map(|it| it.total() + counted(it));
        self.bar = bar(samples.sum());
        for (number, point) in points.iter().enumerate() {
            if self.bar.is_hidden() {
                println!("[{}/{}] {}", number + 1, points.len(), title(point));
            }
            self.point(point);
        }
        self.bar.finish_and_clear();
        if let Some(steadiness) = &self.steadiness {
            self.taken.line = steadiness.told();
        }
        if let Some(stalls) = &self.stalls {
            self.taken.stalls = stalls.told();
        }
        self.taken
    }

    /// A contestant that hung is left out of the rest of the point: one lost limit is enough.
    fn point(&mut self, point: &Point) {
        let mut out = Vec::new();
        for round in 0..point.samples {
            for entry in point.order(round) {
                if !out.contains(&entry) && self.sample(point, entry) == Outcome::Hung {
                    out.push(entry);
                }
                self.bar.inc(1);
            }
        }
        if let Some(calls) = self.calls.take() {
            for &entry in point.entries.iter().take(point.counted()) {
                if !out.contains(&entry) {
                    self.count(&calls, point, entry);
                }
                self.bar.inc(1);
            }
            self.calls = Some(calls);
        }
    }

    /// A sample in which system calls are counted, and nothing else: counting takes time.
    fn count(&mut self, calls: &Calls, point: &Point, entry: Entry) {
        let arguments = arguments(point, entry);
        let counted = calls.count(&self.program, &arguments, self.limit);
        let sample = |counted| {
            let each = float(counted) / float(point.workload.jobs(point.size));
            let measure = Measure::SYSTEM_CALLS_PER_JOB.name.to_owned();
            Sample {
                workload: point.workload.to_string(),
                contestant: entry.to_string(),
                size: point.size,
                workers: point.workers,
                capacity: point.capacity,
                measures: Measures::from([(measure, each)]),
            }
        };
        self.keep(point, entry, counted.map(sample));
    }

    fn sample(&mut self, point: &Point, entry: Entry) -> Outcome {
        self.bar.set_message(format!("{} on {entry}", title(point)));
        let arguments = arguments(point, entry);
        let (mut steadiness, mut stalls) = (self.steadiness.take(), self.stalls.take());
        let mut watched = || match &mut stalls {
            Some(stalls) => stalls.take(|| self.once(point, &arguments)),
            None => self.once(point, &arguments),
        };
        let taken = match &mut steadiness {
            Some(steadiness) => steadiness.take(watched),
            None => watched(),
        };
        (self.steadiness, self.stalls) = (steadiness, stalls);
        self.keep(point, entry, taken)
    }

    /// Keeps a sample, or why there is none.
    fn keep(&mut self, point: &Point, entry: Entry, taken: Result<Sample, ChildError>) -> Outcome {
        let error = match taken {
            Ok(sample) => {
                self.taken.samples.push(sample);
                return Outcome::Taken;
            }
            Err(error) => error,
        };
        let failure = Failure {
            workload: point.workload.to_string(),
            contestant: entry.to_string(),
            command: format!(
                "{} {}",
                self.program.display(),
                arguments(point, entry).join(" ")
            ),
            reason: error.to_string(),
        };
        self.tell(&failure);
        self.taken.failures.push(failure);
        match error {
            ChildError::Hung(_) => Outcome::Hung,
            ChildError::Failed(_) => Outcome::Failed,
        }
    }

    fn once(&self, point: &Point, arguments: &[String]) -> Result<Sample, ChildError> {
        let mut command = Command::new(&self.program);
        let printed = child::output(command.args(arguments), self.limit)?;
        let sample: Result<Sample> = serde_json::from_str(printed.trim())
            .with_context(|| format!("it printed no sample but `{}`", printed.trim()));
        let sample = sample.map_err(ChildError::Failed)?;
        check(&sample, point).map_err(ChildError::Failed)?;
        Ok(sample)
    }

    fn tell(&self, failure: &Failure) {
        let text = format!("failed: {}\n  {}", failure.command, failure.reason);
        self.bar.suspend(|| eprintln!("{text}"));
    }
}

/// The arguments of the program that takes a sample.
fn arguments(point: &Point, entry: Entry) -> Vec<String> {
    let mut arguments = vec![
        point.workload.name().to_owned(),
        entry.name().to_owned(),
        point.size.to_string(),
        point.workers.to_string(),
    ];
    arguments.extend(point.capacity.map(|it| it.to_string()));
    arguments
}

/// A sample has every measure of its workload.
fn check(sample: &Sample, point: &Point) -> Result<()> {
    for measure in point.workload.measures() {
        let figure = sample.measures.get(measure.name);
        let figure = figure.with_context(|| format!("the sample has no {}", measure.name))?;
        ensure!(
            figure.is_finite(),
            "the sample's {} is {figure}",
            measure.name
        );
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Taken,
    Failed,
    Hung,
}

fn title(point: &Point) -> String {
    let scale = Scale {
        size: point.size,
        workers: point.workers,
        capacity: point.capacity,
    };
    format!("{} ({})", point.workload, words::scale(scale))
}

fn bar(samples: usize) -> ProgressBar {
    let template = "{bar:30} {pos}/{len} samples, {eta} left: {msg}";
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    let bar = ProgressBar::new(samples as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use benches::Workload;

    use super::*;

    /// A program of the tests that replaces `bench-sample`.
    fn program(name: &str, script: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("bench-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    fn point(samples: usize) -> Point {
        Point {
            workload: Workload::Empty,
            size: 7,
            workers: 2,
            capacity: None,
            samples,
            entries: ["channel", "rayon"].map(|it| it.parse().unwrap()).to_vec(),
        }
    }

    const GOOD: &str = r#"echo "{\"workload\":\"$1\",\"contestant\":\"$2\",\"size\":$3,\"workers\":$4,\"measures\":{\"time-per-job\":5,\"time-per-job-warm\":4,\"cpu-per-job\":9,\"sleeps-per-job\":0}}""#;

    #[test]
    fn each_contestant_is_sampled_in_each_round() {
        let program = program("good", GOOD);
        let taken = Runner::new(&program, Duration::from_secs(600)).run(&[point(2)]);
        assert_eq!(taken.failures, []);
        let names: Vec<&str> = taken
            .samples
            .iter()
            .map(|it| it.contestant.as_str())
            .collect();
        assert_eq!(names, ["channel", "rayon", "rayon", "channel"]);
        assert_eq!((taken.samples[0].size, taken.samples[0].workers), (7, 2));
    }

    /// The machine is steady at first, except for one lucky look, and then not while the first
    /// sample is taken.
    #[test]
    fn a_sample_on_a_machine_that_moved_is_taken_again() {
        let script = format!(
            r#"case $1 in
floor-*) echo >>"$0.looks"; price=30
    case $(wc -l <"$0.looks") in 1) price=15;; 33 | 34 | 35) price=200;; esac
    echo "{{\"workload\":\"$1\",\"contestant\":\"$2\",\"size\":$3,\"workers\":$4,\"measures\":{{\"time-per-job\":$price}}}}"
    exit;;
esac
echo >>"$0.samples"
{GOOD}"#
        );
        let program = program("moves", &script);
        let runner = Runner::new(&program, Duration::from_secs(600)).steady();
        if runner.steadiness.is_none() {
            return; // one core: no line moves between cores
        }
        let taken = runner.run(&[point(1)]);
        assert_eq!(taken.samples.len(), 2);
        assert_eq!(taken.line, (Some(30.0), 0));
        let lines = |what: &str| {
            let file = program.with_file_name(format!("moves.{what}"));
            fs::read_to_string(file).unwrap().len()
        };
        assert_eq!(lines("samples"), 3, "the first was taken twice");
        assert_eq!(
            lines("looks"),
            10 * 3 + 2 + 3 + 3,
            "three where the price is not low, else one"
        );
    }

    #[test]
    fn a_failure_is_kept_with_its_command_and_the_run_goes_on() {
        let script = format!("[ $2 = channel ] && {{ echo broken >&2; exit 1; }}\n{GOOD}");
        let program = program("bad", &script);
        let taken = Runner::new(&program, Duration::from_secs(600)).run(&[point(2)]);
        assert_eq!((taken.samples.len(), taken.failures.len()), (2, 2));
        let failure = &taken.failures[0];
        assert!(
            failure.command.ends_with("bad empty channel 7 2"),
            "{failure:?}"
        );
        assert!(failure.reason.contains("broken"), "{failure:?}");
    }

    #[test]
    fn a_bound_is_the_last_argument() {
        let point = Point {
            capacity: Some(100),
            ..point(1)
        };
        let arguments = arguments(&point, point.entries[0]);
        assert_eq!(arguments, ["empty", "channel", "7", "2", "100"]);
        assert_eq!(title(&point), "empty (size 7, 2 workers, bound 100)");
    }

    #[test]
    fn one_that_hangs_is_waited_for_once() {
        let script = format!("[ $2 = rayon ] && exec sleep 100000\n{GOOD}");
        let program = program("hangs", &script);
        let taken = Runner::new(&program, Duration::from_secs(1)).run(&[point(3)]);
        assert_eq!(taken.failures.len(), 1, "{:?}", taken.failures);
        assert_eq!(taken.samples.len(), 3);
    }

    #[test]
    fn a_sample_without_its_measures_is_a_failure() {
        let program = program("bare", &GOOD.replace("time-per-job", "time-per-yob"));
        let taken = Runner::new(&program, Duration::from_secs(600)).run(&[point(1)]);
        assert_eq!((taken.samples.len(), taken.failures.len()), (0, 2));
        assert_eq!(taken.failures[0].reason, "the sample has no time-per-job");
    }

    #[test]
    fn what_is_no_sample_is_a_failure() {
        let program = program("noise", "echo hello");
        let taken = Runner::new(&program, Duration::from_secs(600)).run(&[point(1)]);
        assert_eq!(taken.failures.len(), 2);
        assert!(
            taken.failures[0].reason.contains("hello"),
            "{:?}",
            taken.failures
        );
    }
}
