//! `cargo xtask sim`: the contract under schedules drawn from seeds, and how many seeds it takes to
//! find each faulty executor.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;
use comfy_table::{Table, presets};
use pool::Backend;
use pool::sim::{Failure, Simulation};
use pool_conformance::faulty::{self, Faulty};
use pool_conformance::{Rule, Verdict};

use crate::chosen;
use crate::conformance::show_panics_of_main_alone;

/// Default number of seeds for each rule: over ten thousand runs in all.
const SEEDS: u64 = 180;

/// Each faulty executor is found within the first number of seeds; the second number is tried to
/// count how many find it.
const BOUND: u64 = 10;
const TRIED: u64 = 50;

/// How many ordering constraints (the depth) priority schedules are drawn for.
const DEPTH: usize = 3;

/// Limits of a run against a faulty executor, which may hang by design.
const MAX_STEPS: u64 = 200_000;
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Args)]
pub(crate) struct Options {
    /// Seeds of each rule
    #[arg(long, default_value_t = SEEDS)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Only this rule, or all whose number begins with this: `R604`, `R6`
    #[arg(long)]
    rule: Option<String>,
    /// Draws priorities for every seed, not for every other one
    #[arg(long)]
    pct: bool,
    /// Which backend runs: `sim`, or one that has its own threads
    #[arg(long, default_value_t = Backend::Sim)]
    backend: Backend,
    /// Only the rules, not the executors that break them
    #[arg(long)]
    kit_alone: bool,
    /// Prints the whole trace of the first failure
    #[arg(long)]
    trace: bool,
}

impl Options {
    /// One seed is one rule on one schedule: a random walk for even seeds, priorities for odd ones;
    /// in every other pair, jobs start in order. `steps` is what the rule takes under the first
    /// walk.
    fn simulation(&self, seed: u64, steps: u64, rule: &str) -> Simulation {
        let mut simulation = Simulation::new(seed);
        if self.pct || !seed.is_multiple_of(2) {
            simulation = simulation.pct(DEPTH, steps);
        }
        if !(seed / 2).is_multiple_of(2) {
            simulation = simulation.fifo();
        }
        let pct = if self.pct { " --pct" } else { "" };
        let backend = self.backend;
        simulation.replay(format!(
            "cargo xtask sim --backend {backend} --rule {rule} --from {seed} --seeds 1{pct} --trace"
        ))
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    show_panics_of_main_alone();
    let backend = options.backend;
    chosen::choose_simulated(backend);
    if matches!(backend, Backend::Rayon | Backend::Async) {
        bail!("no simulator runs the threads of `{backend}`: say sim, channel or work-stealing");
    }
    let wanted = |rule: &Rule| {
        let wanted = options.rule.as_deref().unwrap_or_default();
        let start = rule.id.get(..wanted.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(wanted))
    };
    let rules: Vec<Rule> = pool_conformance::all().into_iter().filter(wanted).collect();
    ensure!(!rules.is_empty(), "no rule has such a number");
    let failures = kit(options, &rules);
    for failure in &failures {
        println!("\n{failure}");
    }
    if options.trace
        && let Some(failure) = failures.first()
    {
        println!("\nthe whole trace:\n{}", failure.trace);
    }
    let mut missed = 0;
    if options.rule.is_none() && options.from == 0 && !options.kit_alone {
        missed = faulty_executors();
    }
    let failed = failures.len();
    ensure!(
        failed + missed == 0,
        "{failed} rules failed under a schedule, {missed} faulty executors were missed; see above"
    );
    Ok(())
}

/// Runs every rule under every seed, one after the other, and returns the first failure of each
/// rule. Simulations in one process share its global state, such as that of swapped pools: if they
/// ran in parallel, the schedule of one would depend on another, not only on its seed.
fn kit(options: &Options, rules: &[Rule]) -> Vec<Failure> {
    let start = Instant::now();
    let mut done = Done::default();
    for rule in rules {
        done.add(run_rule(options, *rule));
    }
    done.skipped.sort();
    for skipped in &done.skipped {
        println!("skipped: {skipped}");
    }
    println!(
        "{} rules on {}, seeds {} to {}: {} runs of {} steps in {:.1} s, {} failed",
        rules.len(),
        options.backend,
        options.from,
        options.from.saturating_add(options.seeds).saturating_sub(1),
        done.runs,
        done.steps,
        start.elapsed().as_secs_f64(),
        done.failures.len(),
    );
    done.failures
}

#[derive(Default)]
struct Done {
    runs: u64,
    steps: u64,
    skipped: Vec<String>,
    failures: Vec<Failure>,
}

impl Done {
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.skipped.extend(other.skipped);
        self.failures.extend(other.failures);
    }
}

fn run_rule(options: &Options, rule: Rule) -> Done {
    let mut done = Done::default();
    let test = move || match chosen::run_here(&rule) {
        Verdict::Passed => None,
        Verdict::Skipped(reason) => Some(format!("{}: {reason}", rule.id)),
        Verdict::Failed(reason) => panic!("{} ({}): {reason}", rule.id, rule.title),
    };
    // The steps of a walk are the range over which the priorities change.
    let measured = Simulation::new(0).try_run(move |_| test());
    let steps = measured.map_or(1000, |ran| ran.steps);
    let mut reasons: Vec<(String, u64)> = Vec::new();
    for seed in options.from..options.from.saturating_add(options.seeds) {
        done.runs += 1;
        match options
            .simulation(seed, steps, rule.id)
            .try_run(move |_| test())
        {
            Ok(ran) => {
                done.steps += ran.steps;
                if let Some(reason) = ran.value {
                    count(&mut reasons, reason);
                }
            }
            Err(failure) => {
                done.failures.push(failure);
                break;
            }
        }
    }
    let told = reasons
        .into_iter()
        .map(|(reason, times)| format!("{reason} ({times} of {} runs)", done.runs));
    done.skipped = told.collect();
    done
}

fn count(reasons: &mut Vec<(String, u64)>, reason: String) {
    match reasons.iter_mut().find(|known| known.0 == reason) {
        Some(known) => known.1 += 1,
        None => reasons.push((reason, 1)),
    }
}

/// Returns how many were not found within the bound, or were found without a flaw.
fn faulty_executors() -> usize {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "faulty executor".to_owned(),
        "what it does".to_owned(),
        "rule".to_owned(),
        "found by seed".to_owned(),
        format!("seeds of {TRIED} that find it"),
    ]);
    let mut missed = 0;
    for executor in faulty::all() {
        for (rule, found) in executor.with_each_rule(seeds_that_find) {
            if !rule.can_be_simulated() {
                continue;
            }
            let first = found.first().map(|seed| seed + 1);
            if first.is_none_or(|first| first > BOUND) {
                missed += 1;
            }
            let first = first.map_or_else(|| "MISSED".to_owned(), |first| first.to_string());
            let share = found.len().to_string();
            table.add_row([executor.name, executor.breaks, rule.id, &first, &share]);
        }
    }
    println!("\n{table}");
    println!("each is to be found within {BOUND} seeds; {missed} were not");
    let blamed: usize = faulty::control()
        .with_each_rule(seeds_that_find)
        .into_iter()
        .filter(|(_, found)| !found.is_empty())
        .inspect(|(rule, _)| println!("{} blames the executor without a flaw", rule.id))
        .count();
    missed + blamed
}

fn seeds_that_find(rule: Rule) -> Vec<u64> {
    let finds = |seed: &u64| {
        let simulation = Simulation::new(0).most_steps(MAX_STEPS).patience(PATIENCE);
        let found = simulation.find(*seed..*seed + 1, move |_| {
            if let Verdict::Failed(reason) = Faulty::run_here(&rule) {
                panic!("{reason}");
            }
        });
        found.is_some()
    };
    (0..TRIED).filter(finds).collect()
}
