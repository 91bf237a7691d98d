//! `cargo xtask soak`: many threads use and end one pool after the other, by every way in, and each
//! job's history is checked against the contract.

mod books;
mod crowd;
mod jobs;
mod neighbours;
mod round;
mod submitter;
#[cfg(test)]
mod tests;
mod watch;
mod world;

use std::fs;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pool::Backend;

use watch::Watched;

/// Growth that a leaking pool shows within seconds, and the allocator's caches never do.
const MAX_GROWTH_KIB: u64 = 24 * 1024;
/// Below this many rounds the memory is not stable yet.
const WARM_UP: usize = 100;
/// How often the memory is read, in rounds.
const EVERY: usize = 10;
/// How much the number of mappings may grow over the rounds: allocators and thread libraries keep a
/// few.
const MAX_NEW_MAPPINGS: u64 = 64;
/// One round in this many has several pools that use each other.
const NEIGHBOURS: u64 = 4;
/// In one round in this many, which is none of those, most jobs end in the queue.
const CROWD: u64 = 9;

#[derive(Args)]
pub(crate) struct Options {
    /// One backend, or all of them one after the other
    #[arg(long, default_value = "all")]
    backend: Which,
    /// Seconds in all
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The seed of the first round; each round takes the next. If there is none, it is drawn and
    /// printed
    #[arg(long)]
    seed: Option<u64>,
}

/// The backends that are soaked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    One(Backend),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let one = text.parse::<Backend>().map_err(|error| error.to_string());
        one.map(Self::One)
    }
}

impl Which {
    fn backends(self) -> Vec<Backend> {
        match self {
            Self::All => Backend::ALL.to_vec(),
            Self::One(backend) => vec![backend],
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(|| u64::from(fastrand::u32(..)));
    let backends = options.backend.backends();
    let each = Duration::from_secs(options.seconds) / u32::try_from(backends.len())?;
    println!(
        "soak: seed {seed}, {:.0} s on each backend",
        each.as_secs_f64()
    );
    for backend in backends {
        let replay = format!("cargo xtask soak --backend {backend}");
        let watched = Watched::default();
        watched.while_watched(&replay, || soak(backend, each, seed, &watched))?;
    }
    Ok(())
}

fn soak(backend: Backend, time: Duration, seed: u64, watched: &Watched) -> Result<()> {
    let start = Instant::now();
    let bar = ProgressBar::new(time.as_secs());
    bar.set_style(ProgressStyle::with_template(
        "{prefix:>14} {bar:30} {pos}/{len} s  {msg}",
    )?);
    bar.set_prefix(backend.to_string());
    let (mut rounds, mut jobs) = (0_usize, 0);
    let mut memory = Memory::default();
    while start.elapsed() < time || rounds == 0 {
        let seed = seed.wrapping_add(rounds as u64);
        let run = if seed.is_multiple_of(NEIGHBOURS) {
            neighbours::run
        } else if seed.is_multiple_of(CROWD) {
            crowd::run
        } else {
            round::run
        };
        let tally = run(backend, seed, watched).with_context(|| {
            format!("round {rounds} broke a promise; replay: cargo xtask soak --backend {backend} --seed {seed}")
        })?;
        rounds += 1;
        jobs += tally.jobs;
        if rounds.is_multiple_of(EVERY) {
            memory.read()?;
            let seconds = start.elapsed().as_secs_f64();
            bar.set_position(seconds as u64);
            bar.set_message(format!(
                "{rounds} rounds, {jobs} jobs, {:.0}/s, {} MiB",
                jobs as f64 / seconds,
                memory.last() / 1024
            ));
        }
    }
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "  {backend:<14} {rounds} rounds, {jobs} jobs, {:.0} a second; memory {}",
        jobs as f64 / seconds,
        memory.told()
    );
    memory.check()
}

/// The memory of the process over the rounds, in KiB, and its mappings.
#[derive(Debug, Default)]
struct Memory {
    kib: Vec<u64>,
    mappings: Vec<u64>,
}

impl Memory {
    fn read(&mut self) -> Result<()> {
        let maps = fs::read_to_string("/proc/self/maps")?;
        self.mappings.push(maps.lines().count() as u64);
        let status = fs::read_to_string("/proc/self/status")?;
        let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmRSS:")) else {
            bail!("the system does not say how much memory this process has");
        };
        let kib = line.trim().trim_end_matches("kB").trim().parse()?;
        self.kib.push(kib);
        Ok(())
    }

    fn last(&self) -> u64 {
        self.kib.last().copied().unwrap_or(0)
    }

    fn told(&self) -> String {
        match levels(&self.kib).zip(levels(&self.mappings)) {
            Some(((first, last), (few, many))) => format!(
                "{} MiB early, {} MiB late; {few} mappings early, {many} late",
                first / 1024,
                last / 1024
            ),
            None => format!("{} MiB, too few rounds to tell a trend", self.last() / 1024),
        }
    }

    fn check(&self) -> Result<()> {
        let levels = levels(&self.kib).zip(levels(&self.mappings));
        let Some(((first, last), (few, many))) = levels else {
            return Ok(());
        };
        ensure!(
            many < few + MAX_NEW_MAPPINGS,
            "the mappings grew from {few} to {many} over the rounds"
        );
        ensure!(
            last < first + MAX_GROWTH_KIB,
            "the memory grew from {first} to {last} KiB over the rounds"
        );
        Ok(())
    }
}

/// Once a value is stable: the median of the first quarter, and of the last.
fn levels(values: &[u64]) -> Option<(u64, u64)> {
    let warm = values.get(WARM_UP / EVERY..)?;
    let quarter = warm.len() / 4;
    if quarter == 0 {
        return None;
    }
    let (first, last) = (&warm[..quarter], &warm[warm.len() - quarter..]);
    Some((middle(first), middle(last)))
}

fn middle(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
