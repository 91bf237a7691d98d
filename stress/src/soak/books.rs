//! What a round of the soak knows about each of its jobs, and what must hold for it.

use std::fmt;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pool::{JobError, Outcome};

use crate::intake::{Intake, IntakeCell};

/// How many broken promises to report for one round.
const MAX_TOLD: usize = 20;

/// The history of one job.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) number: u64,
    /// The way in.
    pub(super) way: &'static str,
    /// What the job does.
    pub(super) does: &'static str,
    /// The pool of the round to which it was submitted, since a child goes where its parent runs.
    owner: u8,
    intake: IntakeCell,
    runs: AtomicU32,
    /// The pool of the round in which it began: the soaked one, or the one that took over what had
    /// not started.
    era: AtomicU8,
    /// It began after the pool's end had begun.
    is_late: AtomicBool,
    /// How its body ended, as the body recorded it.
    result: AtomicU8,
    /// What its handle said.
    outcome: AtomicU8,
    drops: AtomicU32,
    pub(super) is_polled: AtomicBool,
}

impl Record {
    fn intake(&self) -> Intake {
        self.intake.get()
    }

    fn runs(&self) -> u32 {
        self.runs.load(SeqCst)
    }

    fn result(&self) -> Option<Outcome> {
        decode(self.result.load(SeqCst))
    }

    fn outcome(&self) -> Option<Outcome> {
        decode(self.outcome.load(SeqCst))
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "job {} ({}, by {}): {:?}, ran {} times, ended by its own account {:?}, by its handle {:?}, dropped {} times",
            self.number,
            self.does,
            self.way,
            self.intake(),
            self.runs(),
            self.result(),
            self.outcome(),
            self.drops.load(SeqCst)
        )
    }
}

fn encode(outcome: Outcome) -> u8 {
    outcome as u8 + 1
}

fn decode(code: u8) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|&it| encode(it) == code)
}

/// All histories of a round.
#[derive(Debug)]
pub(super) struct Books {
    records: Mutex<Vec<Arc<Record>>>,
    wrong: Mutex<Vec<String>>,
    alive: AtomicUsize,
    accepted: AtomicU64,
    started: AtomicU64,
    bodies: AtomicUsize,
    era: AtomicU8,
    has_end_begun: AtomicBool,
    limits: Limits,
}

/// Threads of a round that may cancel jobs and are not workers: five submitters, the one that ends
/// the pool, the alarm's and the timer's.
const THREADS_BESIDE_WORKERS: usize = 8;

/// The limits of a pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) workers: usize,
    pub(super) capacity: usize,
    /// Several generations run and queue at once, each with its own limits.
    pub(super) are_swapped: bool,
    /// Jobs split themselves: the parts are jobs that only the pool counts.
    pub(super) are_split: bool,
}

/// What a job carries: its drop is recorded in the books.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) record: Arc<Record>,
    books: Arc<Books>,
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.record.drops.fetch_add(1, SeqCst);
        self.books.alive.fetch_sub(1, SeqCst);
    }
}

/// The counts of a pool, from its report or its statistics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) panicked: u64,
    /// Cancelled, expired, abandoned and not started.
    pub(super) others: u64,
    /// Those of the others that were handed back.
    pub(super) unstarted: u64,
    pub(super) still_running: u64,
}

impl Books {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            records: Mutex::default(),
            wrong: Mutex::default(),
            alive: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            started: AtomicU64::new(0),
            bodies: AtomicUsize::new(0),
            era: AtomicU8::new(1),
            has_end_begun: AtomicBool::new(false),
            limits,
        })
    }

    /// A job that is about to be submitted.
    pub(super) fn open(self: &Arc<Self>, way: &'static str, does: &'static str) -> Payload {
        let mut records = lock(&self.records);
        let record = Arc::new(Record {
            number: records.len() as u64,
            way,
            does,
            owner: self.era.load(SeqCst),
            intake: IntakeCell::default(),
            runs: AtomicU32::new(0),
            era: AtomicU8::new(0),
            is_late: AtomicBool::new(false),
            result: AtomicU8::new(0),
            outcome: AtomicU8::new(0),
            drops: AtomicU32::new(0),
            is_polled: AtomicBool::new(false),
        });
        records.push(Arc::clone(&record));
        drop(records);
        self.alive.fetch_add(1, SeqCst);
        Payload {
            record,
            books: Arc::clone(self),
        }
    }

    pub(super) fn accepted(&self, record: &Record) {
        record.intake.set(Intake::Accepted);
        self.accepted.fetch_add(1, SeqCst);
    }

    pub(super) fn refused(&self, record: &Record) {
        record.intake.set(Intake::Refused);
    }

    /// A body begins.
    pub(super) fn begins(&self, record: &Record) {
        if record.runs.fetch_add(1, SeqCst) != 0 {
            self.wrong(format!("it runs again: {record}"));
        }
        record.era.store(self.era.load(SeqCst), SeqCst);
        record
            .is_late
            .store(self.has_end_begun.load(SeqCst), SeqCst);
        // A map does not say which of its jobs were accepted, so they count on neither side.
        if !record.way.starts_with("map") {
            self.started.fetch_add(1, SeqCst);
        }
        if let Some(outcome) = record.outcome() {
            self.wrong(format!("it starts after its end as {outcome}: {record}"));
        }
        if record.intake() == Intake::Refused {
            self.wrong(format!("it was refused and starts: {record}"));
        }
    }

    /// A body is about to return, with this outcome.
    pub(super) fn ends(&self, record: &Record, result: Outcome) {
        record.result.store(encode(result), SeqCst);
        if let Some(outcome) = record.outcome() {
            self.wrong(format!("it runs after its end as {outcome}: {record}"));
        }
    }

    /// A thread has begun a closure, outside any other.
    pub(super) fn body_begins(&self) {
        let bodies = self.bodies.fetch_add(1, SeqCst) + 1;
        let is_one_pool = !self.limits.are_swapped && self.era.load(SeqCst) == 1;
        if is_one_pool && bodies > self.limits.workers {
            self.wrong(format!(
                "{bodies} bodies run at once on {} workers",
                self.limits.workers
            ));
        }
    }

    pub(super) fn body_ends(&self) {
        self.bodies.fetch_sub(1, SeqCst);
    }

    /// What a handle said. `value` is the job's value, if it has one.
    pub(super) fn outcome<E>(&self, record: &Record, said: &Result<u64, JobError<E>>) {
        let outcome = match said {
            Ok(number) => {
                if *number != record.number {
                    self.wrong(format!("a handle gave {number}: {record}"));
                }
                Outcome::Completed
            }
            Err(error) => error.outcome(),
        };
        if record.outcome.swap(encode(outcome), SeqCst) != 0 {
            self.wrong(format!("it ended twice, now as {outcome}: {record}"));
        }
    }

    /// Checks the bound: how many jobs are accepted and have neither begun nor been dropped, as far
    /// as can be told from outside.
    pub(super) fn check_bound(&self) {
        let accepted = self.accepted.load(SeqCst);
        let gone = self.started.load(SeqCst) + self.dropped_unstarted();
        let queued = accepted.saturating_sub(gone);
        if !self.limits.are_swapped && queued > self.bound() {
            self.wrong(format!(
                "{queued} jobs are accepted and not started, of {} at most",
                self.limits.capacity
            ));
        }
    }

    /// After a worker dequeues a job, a moment passes before its body begins. And after a thread
    /// ends a job unstarted, a moment passes before it drops the job, in which the queue may have
    /// given its slot to another.
    fn bound(&self) -> u64 {
        let may_end_jobs = self.limits.workers + THREADS_BESIDE_WORKERS;
        (self.limits.capacity + self.limits.workers + may_end_jobs) as u64
    }

    fn dropped_unstarted(&self) -> u64 {
        let records = lock(&self.records);
        let is_gone = |record: &&Arc<Record>| {
            let is_accepted = record.intake() == Intake::Accepted;
            is_accepted && record.runs() == 0 && record.drops.load(SeqCst) > 0
        };
        records.iter().filter(is_gone).count() as u64
    }

    /// From now on jobs may be handed back.
    pub(super) fn end_begins(&self) {
        self.has_end_begun.store(true, SeqCst);
    }

    /// From now on jobs begin in the pool that took over.
    pub(super) fn next_era(&self) {
        self.era.store(2, SeqCst);
    }

    pub(super) fn alive(&self) -> usize {
        self.alive.load(SeqCst)
    }

    pub(super) fn submitted(&self) -> usize {
        lock(&self.records).len()
    }

    pub(super) fn wrong(&self, what: String) {
        let mut wrong = lock(&self.wrong);
        if wrong.len() < MAX_TOLD {
            wrong.push(what);
        }
    }

    pub(super) fn is_wrong(&self) -> bool {
        !lock(&self.wrong).is_empty()
    }

    pub(super) fn all_wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }

    /// Checks each history against the contract, once nothing runs any more and every handle has
    /// been joined or dropped.
    pub(super) fn check_histories(&self) {
        let records = lock(&self.records).clone();
        for record in &records {
            if let Some(what) = what_is_wrong(record) {
                self.wrong(format!("{what}: {record}"));
            }
        }
        let alive = self.alive();
        if alive != 0 {
            self.wrong(format!("{alive} payloads are alive after the end"));
        }
    }

    /// Checks what a pool says against what its jobs said.
    ///
    /// A job that was handed back may still run within a job that joins it, for which the end did
    /// not wait: the pool counts it as not started.
    pub(super) fn check_counts(&self, who: &str, counts: Counts) {
        let records = lock(&self.records).clone();
        let of_outcome = |outcome| -> Vec<&Arc<Record>> {
            let is_it = |record: &&Arc<Record>| {
                record.era.load(SeqCst) == 1 && record.result() == Some(outcome)
            };
            records.iter().filter(is_it).collect()
        };
        let on_slot_thread: Vec<_> = records.iter().filter(|record| record.owner == 1).collect();
        let known =
            |record: &&&Arc<Record>| record.intake() == Intake::Accepted || record.runs() > 0;
        let accepted = on_slot_thread.iter().filter(known).count() as u64;
        let unknown =
            |record: &&&Arc<Record>| record.intake() == Intake::Unknown && record.runs() == 0;
        let perhaps = on_slot_thread.iter().filter(unknown).count() as u64;
        let running = counts.still_running;
        let check = |what: &str, least: u64, most: u64, said: u64| {
            if said < least || said > most {
                self.wrong(format!(
                    "{who} says {said} {what}; the jobs say {least} to {most}: {counts:?}"
                ));
            }
        };
        let split = if self.limits.are_split {
            u64::MAX / 2
        } else {
            0
        };
        check(
            "accepted",
            accepted,
            accepted + perhaps + split,
            counts.accepted,
        );
        for (what, outcome, said) in [
            ("completed", Outcome::Completed, counts.completed),
            ("failed", Outcome::Failed, counts.failed),
            ("panicked", Outcome::Panicked, counts.panicked),
        ] {
            let ended = of_outcome(outcome);
            let late = ended.iter().filter(|record| record.is_late.load(SeqCst));
            let given_back = counts.unstarted.min(late.count() as u64);
            let all = ended.len() as u64;
            let least = all.saturating_sub(running + given_back);
            check(what, least, all + split, said);
        }
        let sum = counts.completed + counts.failed + counts.panicked + counts.others + running;
        check("jobs in all columns", counts.accepted, counts.accepted, sum);
    }
}

/// The first promise that a finished history breaks.
fn what_is_wrong(record: &Record) -> Option<String> {
    let (intake, runs, result) = (record.intake(), record.runs(), record.result());
    let drops = record.drops.load(SeqCst);
    if drops != 1 {
        return Some(format!("its payload was dropped {drops} times"));
    }
    if intake == Intake::Refused {
        return (runs != 0).then(|| "it was refused and ran".to_owned());
    }
    if runs > 1 {
        return Some("it ran more than once".to_owned());
    }
    match (record.outcome(), result) {
        (None, _) => None,
        (Some(outcome @ (Outcome::Completed | Outcome::Failed | Outcome::Panicked)), result) => {
            (result != Some(outcome)).then(|| "its handle and itself disagree".to_owned())
        }
        (Some(_), Some(Outcome::Completed | Outcome::Failed | Outcome::Panicked)) => {
            Some("it ended by itself, and its handle says otherwise".to_owned())
        }
        (Some(outcome), Some(result)) => {
            (outcome != result).then(|| "it was interrupted in another way".to_owned())
        }
        (Some(_), None) => None,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
