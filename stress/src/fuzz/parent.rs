//! Runs programs in separate processes, and shrinks those that fail.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Which;
use super::books::lock;
use super::generate::generate;
use super::plant::Plant;
use super::program::Program;
use super::shrink::shrink;

/// A process that does not end itself is killed this long after its own limit.
const KILLED_AFTER: Duration = Duration::from_secs(40);
/// The limit of a program that is being shrunk, in seconds: it takes some milliseconds.
const SHRINK_PATIENCE: u64 = 3;
/// The runs of a program to find out how often it fails, and the most runs of one reduction.
const SAMPLES: usize = 16;
const MAX_RUNS: usize = 40;
/// Between two looks at a process.
const MOMENT: Duration = Duration::from_micros(300);

#[derive(Args)]
pub(crate) struct Options {
    /// How many programs
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first one's seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Which backend the pools have, or `mixed`
    #[arg(long, default_value = "mixed")]
    backend: Which,
    /// Minutes to run, instead of how many programs
    #[arg(long)]
    minutes: Option<f64>,
    /// How many processes at once; by default as many as there are processors
    #[arg(long)]
    jobs: Option<usize>,
    /// How many programs a process runs, one after the other
    #[arg(long, default_value_t = 1)]
    batch: u64,
    /// Seconds after which a program hangs
    #[arg(long, default_value_t = 20)]
    patience: u64,
    /// The most seconds that shrinking takes for each kind of failure
    #[arg(long, default_value_t = 90)]
    shrink_seconds: u64,
    /// Goes on after this many failures
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// Makes the first pool of each program break a promise, to see that it is found
    #[arg(long)]
    plant: Option<Plant>,
    /// A program to shrink, as `fuzz-run` takes it
    #[arg(long)]
    program: Option<PathBuf>,
}

/// One failure of a program.
#[derive(Debug, Clone)]
struct Failed {
    seed: u64,
    class: String,
    told: String,
}

/// The result of a process.
enum Ran {
    Passed,
    Failed(Failed),
}

struct Parent<'a> {
    options: &'a Options,
    program: PathBuf,
    folder: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("fuzz-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let parent = Parent {
        options,
        program: std::env::current_exe().context("this program has no path")?,
        folder,
    };
    let result = match &options.program {
        Some(path) => parent.shrink_file(path),
        None => parent.hunt(),
    };
    fs::remove_dir_all(&parent.folder)?;
    result
}

impl Parent<'_> {
    fn jobs(&self) -> usize {
        let all = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.options.jobs.unwrap_or_else(all).max(1)
    }

    fn hunt(&self) -> Result<()> {
        let options = self.options;
        let start = Instant::now();
        let limit = options
            .minutes
            .map(|minutes| start + Duration::from_secs_f64(minutes * 60.0));
        let next = AtomicU64::new(options.from);
        let end = match limit {
            Some(_) => u64::MAX,
            None => options.from + options.seeds,
        };
        let done = AtomicU64::new(0);
        let failed: Mutex<Vec<Failed>> = Mutex::default();
        let bar = ProgressBar::new(options.seeds);
        bar.set_style(ProgressStyle::with_template("{bar:30} {pos}  {msg}")?);
        thread::scope(|scope| {
            for job in 0..self.jobs() {
                let (next, done, failed, bar) = (&next, &done, &failed, &bar);
                scope.spawn(move || {
                    let is_over = || {
                        limit.is_some_and(|limit| Instant::now() >= limit)
                            || lock(failed).len() >= options.failures
                    };
                    while !is_over() {
                        let first = next.fetch_add(options.batch, SeqCst);
                        if first >= end {
                            break;
                        }
                        let count = options.batch.min(end - first);
                        for failure in self.run_seeds(job, first, count) {
                            bar.println(format!("seed {}: {}", failure.seed, failure.class));
                            lock(failed).push(failure);
                        }
                        bar.set_position(done.fetch_add(count, SeqCst) + count);
                    }
                });
            }
        });
        bar.finish_and_clear();
        let done = done.load(SeqCst);
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        println!(
            "fuzz: {done} programs of {}, {:.0} a minute",
            options.backend,
            done as f64 / minutes
        );
        self.tell(&lock(&failed))
    }

    /// Shrinks and prints one failure of each class.
    fn tell(&self, failed: &[Failed]) -> Result<()> {
        if failed.is_empty() {
            return Ok(());
        }
        let mut classes: BTreeMap<&str, Vec<&Failed>> = BTreeMap::new();
        for failure in failed {
            classes.entry(&failure.class).or_default().push(failure);
        }
        for (class, failures) in &classes {
            let seeds: Vec<_> = failures.iter().map(|it| it.seed.to_string()).collect();
            println!("\n── {class}: seeds {}", seeds.join(", "));
            let first = failures[0];
            println!("{}", first.told);
            let program = generate(first.seed, self.options.backend.0);
            self.shrink_and_print(&program, class)?;
        }
        bail!(
            "{} programs failed, in {} ways",
            failed.len(),
            classes.len()
        );
    }

    fn shrink_file(&self, path: &Path) -> Result<()> {
        let program = super::read(&path.to_owned())?;
        for _ in 0..SAMPLES * 4 {
            if let Ran::Failed(failure) = self.run_program(0, &program) {
                println!("{}", failure.told);
                self.shrink_and_print(&program, &failure.class)?;
                bail!("the program fails: {}", failure.class);
            }
        }
        println!("the program has not failed");
        Ok(())
    }

    fn shrink_and_print(&self, program: &Program, class: &str) -> Result<()> {
        let limit = Instant::now() + Duration::from_secs(self.options.shrink_seconds);
        let failures = self.count_failures(program, class);
        println!("it failed {failures} of {SAMPLES} times that it ran again");
        let small = if self.options.shrink_seconds == 0 {
            program.clone()
        } else {
            let runs = (3 * SAMPLES / failures.max(1)).clamp(4, MAX_RUNS);
            shrink(program.clone(), limit, |it| self.fails(it, class, runs))
        };
        println!(
            "the smallest program found, of {} operations:\n{small}",
            small.size()
        );
        let name = format!("fuzz-{class}-{}.json", fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        fs::write(&path, serde_json::to_string(&small)?)?;
        let plant = self.options.plant.map(|it| format!(" --plant {it}"));
        println!(
            "replay: cargo xtask fuzz-run --times 200 --program {}{}",
            path.display(),
            plant.unwrap_or_default()
        );
        Ok(())
    }

    fn count_failures(&self, program: &Program, class: &str) -> usize {
        let left = AtomicUsize::new(SAMPLES);
        let failures = AtomicUsize::new(0);
        self.on_all(|job| {
            while take_one(&left) {
                if self.fails_once(job, program, class) {
                    failures.fetch_add(1, SeqCst);
                }
            }
        });
        failures.into_inner()
    }

    /// Whether one of several runs fails in the same way.
    fn fails(&self, program: &Program, class: &str, runs: usize) -> bool {
        let left = AtomicUsize::new(runs);
        let failures = AtomicUsize::new(0);
        self.on_all(|job| {
            while failures.load(SeqCst) == 0 && take_one(&left) {
                if self.fails_once(job, program, class) {
                    failures.fetch_add(1, SeqCst);
                }
            }
        });
        failures.into_inner() > 0
    }

    fn on_all(&self, act: impl Fn(usize) + Sync) {
        thread::scope(|scope| {
            for job in 0..self.jobs() {
                let act = &act;
                scope.spawn(move || act(job));
            }
        });
    }

    fn fails_once(&self, job: usize, program: &Program, class: &str) -> bool {
        match self.run_program(job, program) {
            Ran::Failed(failure) => failure.class == class,
            Ran::Passed => false,
        }
    }

    fn run_program(&self, job: usize, program: &Program) -> Ran {
        let path = self.folder.join(format!("program{job}"));
        let text = serde_json::to_string(program).unwrap_or_default();
        if let Err(error) = fs::write(&path, text) {
            eprintln!("error: cannot write {path:?}: {error}");
            return Ran::Passed;
        }
        let patience = SHRINK_PATIENCE.min(self.options.patience);
        let mut command = self.command(patience);
        command.arg("--no-stacks").arg("--program").arg(path);
        self.run_command(job, command, patience)
    }

    /// Runs seeds in one process, and what is left after a failure in another.
    fn run_seeds(&self, job: usize, first: u64, count: u64) -> Vec<Failed> {
        let mut failures = Vec::new();
        let (mut next, end) = (first, first + count);
        while next < end {
            let patience = self.options.patience;
            let mut command = self.command(patience);
            command
                .arg("--backend")
                .arg(self.options.backend.to_string())
                .arg("--seed")
                .arg(next.to_string())
                .arg("--count")
                .arg((end - next).to_string());
            match self.run_command(job, command, patience) {
                Ran::Passed => break,
                Ran::Failed(mut failure) => {
                    failure.seed = failure.seed.clamp(next, end - 1);
                    next = failure.seed + 1;
                    failures.push(failure);
                }
            }
        }
        failures
    }

    fn command(&self, patience: u64) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("fuzz-run")
            .arg("--patience")
            .arg(patience.to_string());
        if let Some(plant) = self.options.plant {
            command.arg("--plant").arg(plant.to_string());
        }
        command
    }

    fn run_command(&self, job: usize, mut command: Command, patience: u64) -> Ran {
        let path = self.folder.join(format!("output{job}"));
        let ended = File::create(&path)
            .and_then(|file| Ok((file.try_clone()?, file)))
            .and_then(|(out, err)| {
                command.stdin(Stdio::null()).stdout(out).stderr(err);
                wait(command, Duration::from_secs(patience) + KILLED_AFTER)
            });
        let told = fs::read(&path).unwrap_or_default();
        let told = String::from_utf8_lossy(&told).into_owned();
        let class = match ended {
            Ok(Some(status)) if status.success() => return Ran::Passed,
            Ok(Some(status)) => {
                class_of(&told).unwrap_or_else(|| format!("crash-{}", short(status)))
            }
            Ok(None) => class_of(&told).unwrap_or_else(|| "killed".to_owned()),
            Err(error) => format!("not-started: {error}"),
        };
        let last_seed = told
            .lines()
            .filter_map(|line| line.strip_prefix("seed ")?.parse().ok())
            .next_back();
        Ran::Failed(Failed {
            seed: last_seed.unwrap_or_default(),
            class,
            told,
        })
    }
}

fn short(status: process::ExitStatus) -> String {
    status
        .to_string()
        .chars()
        .filter(|it| it.is_ascii_alphanumeric())
        .collect()
}

/// The class of the first finding that a process has reported.
fn class_of(told: &str) -> Option<String> {
    let finding = told
        .lines()
        .find_map(|line| line.strip_prefix("finding "))?;
    Some(finding.split(':').next()?.to_owned())
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
        .is_ok()
}

/// Waits for a process; one that does not end within the limit is killed.
fn wait(mut command: Command, limit: Duration) -> std::io::Result<Option<process::ExitStatus>> {
    let mut child = command.spawn()?;
    let limit = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(MOMENT);
    }
}
