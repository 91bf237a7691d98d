//! What a program knows about each of its jobs, and what must hold for it: the oracle.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pool::{JobId, Outcome};

use super::columns::{Columns, possible};
use super::ending::Counts;
use super::record::encode;

pub(super) use super::record::{Mark, Record};
use crate::intake::Intake;

/// How many findings to report for one program.
const MAX_TOLD: usize = 12;
/// How many events to keep, and how many of them to print.
const KEPT: usize = 2048;

/// One broken promise.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    /// One word, to tell findings apart.
    pub(super) class: &'static str,
    pub(super) what: String,
}

/// What is known about a pool in addition to its jobs.
#[derive(Debug, Default)]
pub(super) struct PoolBook {
    pub(super) workers: usize,
    pub(super) capacity: usize,
    pub(super) prefix: String,
    /// Its workers have no state: the threads belong to the caller.
    pub(super) is_adopted: bool,
    pub(super) bodies: AtomicUsize,
    /// It is swapped at some point: several generations run at once.
    pub(super) is_swapped: bool,
    /// Jobs of its own may be queued past the bound.
    pub(super) may_exceed: bool,
    /// A shutdown that may cut jobs short has begun.
    pub(super) is_cut: AtomicBool,
    /// Any end has begun.
    pub(super) is_ending: AtomicBool,
    /// Waits for the whole pool by its own jobs: those begun, and those going on.
    pub(super) waits_begun: AtomicU64,
    pub(super) waits_going_on: AtomicU64,
    /// Halves that may have become jobs, and how many of them panicked.
    pub(super) halves: AtomicU64,
    pub(super) halves_panicked: AtomicU64,
}

/// Which columns: those of a report leave out jobs that came in while it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Ledger,
    Report,
}

/// All histories of a program.
#[derive(Debug)]
pub(super) struct Books {
    start: Instant,
    pub(super) pools: Vec<PoolBook>,
    records: Mutex<Vec<Arc<Record>>>,
    findings: Mutex<Vec<Finding>>,
    reports: Mutex<Vec<(u8, Counts)>>,
    events: Mutex<Vec<(u64, String)>>,
}

impl Books {
    /// Books for a program, whose jobs keep their numbers.
    pub(super) fn new(pools: Vec<PoolBook>) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            pools,
            records: Mutex::default(),
            findings: Mutex::default(),
            reports: Mutex::default(),
            events: Mutex::default(),
        })
    }

    /// A job that is about to be submitted.
    pub(super) fn open(&self, number: Option<u16>, way: &'static str, pool: u8) -> Arc<Record> {
        let mut records = lock(&self.records);
        let number = number.map_or(10_000 + records.len() as u32, u32::from);
        let record = Arc::new(Record::new(number, way, pool));
        records.push(Arc::clone(&record));
        record
    }

    pub(super) fn pool(&self, pool: u8) -> &PoolBook {
        &self.pools[usize::from(pool)]
    }

    pub(super) fn accepted(&self, record: &Record) {
        if self.pool(record.pool).is_cut.load(SeqCst) {
            record.mark(Mark::Straggler);
        }
        record.intake.set(Intake::Accepted);
    }

    pub(super) fn refused(&self, record: &Record) {
        record.intake.set(Intake::Refused);
        if record.has_begun() {
            self.found("refused", format!("it was refused and has begun: {record}"));
        }
    }

    /// A body begins, or the future of a job is made.
    pub(super) fn begins(&self, record: &Record) {
        if record.begun.fetch_add(1, SeqCst) != 0 {
            self.found("twice", format!("it begins again: {record}"));
        }
        if self.pool(record.owner()).is_cut.load(SeqCst) {
            record.mark(Mark::Late);
        }
        if let Some(outcome) = record.outcome() {
            self.found("begun", format!("it begins after {outcome}: {record}"));
        }
        if record.intake() == Intake::Refused {
            self.found("refused", format!("it was refused and begins: {record}"));
        }
        if record.has(Mark::Past) {
            self.found("idle", format!("it begins after a wait_idle: {record}"));
        }
        if record.are_captures_dropped() {
            self.found("begun", format!("it begins without captures: {record}"));
        }
    }

    /// A body is about to return, with this outcome.
    pub(super) fn ends(&self, record: &Record, result: Outcome) {
        record.result.store(encode(result), SeqCst);
        if let Some(outcome) = record.outcome() {
            self.found("begun", format!("it still ran after {outcome}: {record}"));
        }
    }

    pub(super) fn body_begins(&self, pool: u8) {
        let book = self.pool(pool);
        let bodies = book.bodies.fetch_add(1, SeqCst) + 1;
        if !book.is_swapped && bodies > book.workers {
            let most = book.workers;
            self.found(
                "workers",
                format!("{bodies} bodies at once on the {most} workers of pool {pool}"),
            );
        }
    }

    pub(super) fn body_ends(&self, pool: u8) {
        self.pool(pool).bodies.fetch_sub(1, SeqCst);
    }

    pub(super) fn capture_dropped(&self, record: &Record) {
        if record.captures_dropped.fetch_add(1, SeqCst) != 0 {
            self.found("drops", format!("captures dropped again: {record}"));
        }
    }

    pub(super) fn result_made(&self, record: &Record) {
        record.results.fetch_add(1, SeqCst);
    }

    pub(super) fn result_dropped(&self, record: &Record) {
        if record.results_dropped.fetch_add(1, SeqCst) >= record.results.load(SeqCst) {
            self.found("drops", format!("a result dropped again: {record}"));
        }
    }

    /// What a handle said.
    pub(super) fn outcome(&self, record: &Record, outcome: Outcome) {
        if record.outcome.swap(encode(outcome), SeqCst) != 0 {
            self.found("twice", format!("it ended twice, now {outcome}: {record}"));
        }
        let result = record.result();
        let is_cut = self.pool(record.owner()).is_cut.load(SeqCst);
        let is_ending = self.pool(record.owner()).is_ending.load(SeqCst);
        let wrong = match outcome {
            Outcome::Completed | Outcome::Failed | Outcome::Panicked => {
                (result != Some(outcome)).then_some("its handle and itself disagree")
            }
            Outcome::Cancelled if !record.has(Mark::MayBeCancelled) && !is_cut => {
                Some("nobody has cancelled it")
            }
            Outcome::Expired if !record.has(Mark::MayExpire) => Some("it had no deadline"),
            Outcome::Abandoned if record.has_begun() && result.is_some() => {
                Some("it was abandoned, and it ran")
            }
            Outcome::Abandoned if !is_ending && !record.has(Mark::Dropped) => {
                Some("it was abandoned while its pool goes on")
            }
            Outcome::Cancelled | Outcome::Expired => {
                let is_other = result.is_some_and(|result| result != outcome);
                is_other.then_some("its handle and itself disagree")
            }
            Outcome::Abandoned => None,
        };
        if let Some(wrong) = wrong {
            self.found("outcome", format!("{wrong}: {record}"));
        }
    }

    /// The jobs of a pool that are accepted and not over: what a `wait_idle` from now on waits for.
    pub(super) fn unfinished(&self, pool: u8) -> Vec<Arc<Record>> {
        let is_it = |record: &&Arc<Record>| {
            record.owner() == pool && record.intake() == Intake::Accepted && !record.is_over()
        };
        lock(&self.records).iter().filter(is_it).cloned().collect()
    }

    /// All of `before` must be over now. Those that another end may have cut short are not looked
    /// at.
    pub(super) fn idle_was_reached(&self, pool: u8, before: &[Arc<Record>]) {
        let may_be_cut = |record: &Record| {
            record.has(Mark::MayBeCancelled)
                || record.has(Mark::MayExpire)
                || self.pool(pool).is_cut.load(SeqCst)
        };
        for record in before.iter().filter(|record| !may_be_cut(record)) {
            if record.has_begun() && !record.is_over() {
                let what = format!("a wait_idle of pool {pool} returned before its end: {record}");
                self.found("idle", what);
            } else if !record.has_begun() && record.owner() == pool {
                record.mark(Mark::Past);
            }
        }
    }

    /// The record of a task that was handed back.
    pub(super) fn of_id(&self, id: JobId) -> Option<Arc<Record>> {
        let records = lock(&self.records);
        let mut found = records.iter().filter(|it| it.id.get() == Some(&id));
        found.next().cloned()
    }

    /// A pool handed back a task.
    pub(super) fn given_back(&self, record: &Record) {
        if record.has_begun() && !record.has(Mark::Late) {
            self.found("begun", format!("it is given back and has begun: {record}"));
        }
    }

    pub(super) fn found(&self, class: &'static str, what: String) {
        self.note(format!("FOUND {class}: {what}"));
        let mut findings = lock(&self.findings);
        if findings.len() < MAX_TOLD {
            findings.push(Finding { class, what });
        }
    }

    /// A report of a pool's end. All of them are the same (`R608`).
    pub(super) fn reported(&self, pool: u8, counts: Counts) {
        let mut reports = lock(&self.reports);
        let other = reports
            .iter()
            .find(|(it, other)| *it == pool && *other != counts);
        if let Some((_, other)) = other {
            let what = format!("pool {pool} has reported {other:?}, and now {counts:?}");
            self.found("report", what);
        }
        reports.push((pool, counts));
    }

    /// Checks the reports of a pool against the histories, once all its jobs are over.
    pub(super) fn check_reports(&self, pool: u8) {
        let reports = lock(&self.reports).clone();
        for (_, counts) in reports.iter().filter(|(it, _)| *it == pool) {
            let columns = self.columns(pool, Of::Report);
            counts.check(self, pool, ("the report", &columns), counts.is_whole());
        }
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        lock(&self.findings).clone()
    }

    pub(super) fn note(&self, what: String) {
        let micros = self.start.elapsed().as_micros() as u64;
        let mut events = lock(&self.events);
        if events.len() < KEPT {
            events.push((micros, what));
        }
    }

    /// The last events, oldest first.
    pub(super) fn last_events(&self, count: usize) -> Vec<String> {
        let events = lock(&self.events);
        let skipped = events.len().saturating_sub(count);
        let tell = |(micros, what): &(u64, String)| format!("{micros:>8} us  {what}");
        events.iter().skip(skipped).map(tell).collect()
    }

    pub(super) fn records(&self) -> Vec<Arc<Record>> {
        lock(&self.records).clone()
    }

    /// Those that are neither refused nor over.
    pub(super) fn open_records(&self) -> Vec<Arc<Record>> {
        let mut records = self.records();
        records.retain(|it| !it.are_captures_dropped());
        records
    }

    /// Checks each history against the contract, once nothing is left of the pools.
    pub(super) fn check_histories(&self) {
        for record in self.records() {
            if let Some((class, wrong)) = self.what_is_wrong(&record) {
                self.found(class, format!("{wrong}: {record}"));
            }
        }
    }

    fn what_is_wrong(&self, record: &Record) -> Option<(&'static str, &'static str)> {
        let begun = record.begun.load(SeqCst);
        if record.captures_dropped.load(SeqCst) != 1 {
            return Some(("lost", "its captures are not dropped once"));
        }
        let (made, dropped) = (
            record.results.load(SeqCst),
            record.results_dropped.load(SeqCst),
        );
        let may_leak = record.has(Mark::Forgotten);
        if dropped > made || (dropped < made && !may_leak) {
            return Some(("drops", "its results are not dropped once"));
        }
        if record.intake() != Intake::Accepted {
            return None;
        }
        let is_cut = self.pool(record.pool).is_cut.load(SeqCst)
            || self.pool(record.owner()).is_cut.load(SeqCst)
            || record.has(Mark::Dropped);
        let may_be_cut = is_cut || record.has(Mark::MayBeCancelled) || record.has(Mark::MayExpire);
        if begun == 0 && !may_be_cut {
            return Some(("lost", "it was accepted and never ran"));
        }
        if begun > 0 && record.result().is_none() && !may_be_cut {
            return Some(("lost", "it began and was dropped before its end"));
        }
        None
    }

    /// What the columns of a pool's counts may say, by the histories of its jobs.
    pub(super) fn columns(&self, pool: u8, of: Of) -> Columns {
        let mut columns = Columns::default();
        for record in self.records() {
            let is_handed_on = record.has_passed(pool);
            if record.owner() != pool && !is_handed_on {
                continue;
            }
            let possible = if is_handed_on {
                vec![Outcome::Abandoned]
            } else {
                possible(&record)
            };
            match record.intake() {
                Intake::Refused => continue,
                Intake::Accepted if of == Of::Report && record.has(Mark::Straggler) => {
                    columns.perhaps += 1;
                    columns.add(&possible, true);
                    continue;
                }
                Intake::Accepted => columns.accepted += 1,
                Intake::Unknown if record.has_begun() => columns.accepted += 1,
                Intake::Unknown => {
                    columns.perhaps += 1;
                    columns.add(
                        &[Outcome::Cancelled, Outcome::Expired, Outcome::Abandoned],
                        true,
                    );
                    continue;
                }
            }
            columns.add(&possible, false);
        }
        let book = self.pool(pool);
        let (halves, panicked) = (book.halves.load(SeqCst), book.halves_panicked.load(SeqCst));
        columns.perhaps += halves;
        columns.halves(halves, panicked);
        columns
    }
}

pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
