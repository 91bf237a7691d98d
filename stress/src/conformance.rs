//! `cargo xtask conformance`: a table of rules and backends, and one of the faulty executors that
//! the kit must catch.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::thread;

use anyhow::{Result, ensure};
use clap::Args;
use comfy_table::{Table, presets};
use pool::Backend;
use pool_conformance::{Rule, Verdict, faulty};

use crate::chosen;

#[derive(Args)]
pub(crate) struct Options {
    /// Runs only this backend
    #[arg(long)]
    backend: Option<Backend>,
    /// Runs only this rule, or all whose number begins with this: `R604`, `R6`. Then panics of jobs
    /// are shown
    #[arg(long)]
    rule: Option<String>,
    /// Runs the faulty executors even if a rule or backend is named
    #[arg(long)]
    faulty: bool,
}

impl Options {
    fn wants_broken(&self) -> bool {
        self.faulty || (self.backend.is_none() && self.rule.is_none())
    }

    fn wants(&self, rule: &Rule) -> bool {
        self.rule.as_ref().is_none_or(|wanted| {
            let start = rule.id.get(..wanted.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(wanted))
        })
    }
}

/// The columns of the table.
const BACKENDS: [Backend; 4] = [
    Backend::Channel,
    Backend::WorkStealing,
    Backend::Rayon,
    Backend::Async,
];

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.rule.is_none() {
        show_panics_of_main_alone();
    }
    let mut failures = rules(options)?;
    if options.wants_broken() {
        failures += faulty_executors();
    }
    ensure!(
        failures == 0,
        "the contract is not kept: {failures} failed, listed above; `--rule` shows where one panicked"
    );
    Ok(())
}

/// Rules make hundreds of jobs panic, on their own threads; the verdicts have what matters.
pub(crate) fn show_panics_of_main_alone() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if thread::current().name() == Some("main") {
            usual(panic);
        }
    }));
}

/// What is listed below the table.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<String>,
}

impl Tally {
    /// Counts a verdict and gives the word for its cell.
    fn count(&mut self, rule: &Rule, backend: Backend, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Passed => {
                self.passed += 1;
                "passed"
            }
            Verdict::Skipped(reason) => {
                self.skipped
                    .push(format!("{} {backend}: {reason}", rule.id));
                "skipped"
            }
            Verdict::Failed(reason) => {
                let text = format!("{} {backend} ({}): {reason}", rule.id, rule.title);
                self.failed.push(text);
                "FAILED"
            }
        }
    }

    fn print(&self) {
        list("failed", &self.failed);
        list("skipped", &self.skipped);
        let (failed, skipped) = (self.failed.len(), self.skipped.len());
        println!(
            "\nrules: {} passed, {failed} failed, {skipped} skipped",
            self.passed
        );
    }
}

fn rules(options: &Options) -> Result<usize> {
    let wanted = |column: &Backend| options.backend.is_none_or(|it| it == *column);
    let columns: Vec<Backend> = BACKENDS.into_iter().filter(wanted).collect();
    ensure!(
        !columns.is_empty(),
        "the table has no column for this backend"
    );
    let mut rules = pool_conformance::all();
    rules.retain(|rule| options.wants(rule));
    ensure!(!rules.is_empty(), "no rule has such a number");
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    let names = columns.iter().map(Backend::to_string);
    table.set_header(
        ["rule".to_owned(), "promise".to_owned()]
            .into_iter()
            .chain(names),
    );
    let mut tally = Tally::default();
    for rule in &rules {
        let mut row = vec![rule.id, rule.title];
        for &backend in &columns {
            announce(&format!("{} {backend}", rule.id));
            chosen::choose(backend);
            row.push(tally.count(rule, backend, chosen::run(rule)));
        }
        table.add_row(row);
    }
    announce("");
    println!("{table}");
    tally.print();
    Ok(tally.failed.len())
}

/// Returns how many the kit did not catch. Caught means by every rule that the flaw breaks, and by
/// none without the flaw.
fn faulty_executors() -> usize {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["faulty executor", "what it does", "caught by", "verdict"]);
    let executors = faulty::all();
    let mut missed = Vec::new();
    for executor in &executors {
        announce(executor.name);
        let by = executor.catch().by();
        let not_by = executor.rules.iter().filter(|rule| !by.contains(rule));
        missed.extend(not_by.map(|rule| format!("{} by {rule}", executor.name)));
        let is_caught = by.len() == executor.rules.len();
        let verdict = if is_caught { "caught" } else { "MISSED" };
        table.add_row([executor.name, executor.breaks, &by.join(" "), verdict]);
    }
    announce("the same without a flaw");
    let blamed = faulty::control().catch().by();
    announce("");
    println!("\n{table}");
    list("missed", &missed);
    list("caught although without a flaw", &blamed);
    println!(
        "\nfaulty executors: {}, {} rules missed one, {} blamed the sound one",
        executors.len(),
        missed.len(),
        blamed.len()
    );
    missed.len() + blamed.len()
}

fn list(what: &str, lines: &[impl AsRef<str>]) {
    if !lines.is_empty() {
        println!("\n{what}:");
    }
    for line in lines {
        println!("  {}", line.as_ref().replace('\n', "\n    "));
    }
}

/// Shows on a terminal what runs now; an empty text clears the line.
fn announce(text: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        // A terminal that is gone is no reason to stop.
        let _shown = write!(stderr, "\r{text:<60}\r").and_then(|()| stderr.flush());
    }
}
