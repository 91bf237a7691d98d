//! Shutdowns: their limits, their reports, and what happens to the tasks that they hand back.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use pool::{Outcome, ShutdownPolicy, ShutdownReport, Stats, Task};

use super::actor::{Actor, Wait};
use super::books::{Books, Mark, Of, Record};
use super::columns::Columns;
use super::future::poll_once_and_drop;
use super::handle::block_on;
use super::place::{Lending, runs_here};
use super::pools::AnyPool;
use super::program::{How, Limit, Op, Program};

/// How long a shutdown may take past its limit.
const PROMPTLY: Duration = Duration::from_millis(1500);

/// The policy of a shutdown in a program. To resubmit what did not start, it has to ask for the
/// tasks.
fn policy_for(limit: Limit, resubmit: Option<u8>) -> ShutdownPolicy {
    let policy = policy_of(limit);
    match resubmit {
        Some(_) => policy.hand_back(),
        None => policy,
    }
}

pub(super) fn policy_of(limit: Limit) -> ShutdownPolicy {
    let millis = |it: u16| Duration::from_millis(u64::from(it));
    match limit {
        Limit::Now => ShutdownPolicy::now(),
        Limit::Within(grace, cancel) => {
            ShutdownPolicy::new(millis(grace)).cancel_grace(millis(cancel))
        }
        Limit::Drain => ShutdownPolicy::drain(),
    }
}

/// When a shutdown has to be over.
fn longest(limit: Limit) -> Option<Duration> {
    match limit {
        Limit::Now => Some(PROMPTLY),
        Limit::Within(grace, cancel) => {
            Some(PROMPTLY + Duration::from_millis(u64::from(grace) + u64::from(cancel)))
        }
        Limit::Drain => None,
    }
}

/// From now on jobs of the pool may be cut short.
pub(super) fn begin(books: &Books, pool: u8, limit: Limit) {
    let book = books.pool(pool);
    book.is_ending.store(true, SeqCst);
    if limit != Limit::Drain {
        book.is_cut.store(true, SeqCst);
    }
    // A job that ends its own pool is left out of the wait, and may be cancelled then.
    for record in books.records() {
        if record.owner() == pool && runs_here(record.number) {
            record.mark(Mark::MayBeCancelled);
        }
    }
}

impl Actor {
    pub(super) fn shutdown(&self, op: &Op) {
        let Op::Shutdown {
            pool,
            limit,
            how,
            resubmit,
        } = *op
        else {
            return;
        };
        let Some(lease) = self.pool(pool) else { return };
        begin(&self.world.books, pool, limit);
        let _wait = Wait::begin(self, pool);
        let start = Instant::now();
        let ending = lease.pool().ending();
        let policy = policy_for(limit, resubmit);
        let lending = Lending::begin(&self.world, pool);
        let report = match how {
            How::Blocks => Some(ending.shutdown(policy)),
            How::Awaits => Some(block_on(pin!(ending.shutdown_async(policy)))),
            How::PolledOnce => poll_once_and_drop(ending.shutdown_async(policy)),
        };
        drop(lending);
        self.ended(pool, limit, start, report, resubmit);
    }

    pub(super) async fn shutdown_async(&self, op: &Op) {
        let Op::Shutdown {
            pool,
            limit,
            how: How::Awaits | How::Blocks,
            resubmit,
        } = *op
        else {
            return self.shutdown(op);
        };
        let Some(lease) = self.pool(pool) else { return };
        begin(&self.world.books, pool, limit);
        if let Some(record) = self.record.as_ref().filter(|it| it.owner() == pool) {
            record.mark(Mark::Alone);
        }
        let _wait = Wait::begin(self, pool);
        let start = Instant::now();
        let policy = policy_for(limit, resubmit);
        let report = lease.pool().ending().shutdown_async(policy).await;
        self.ended(pool, limit, start, Some(report), resubmit);
    }

    pub(super) fn ended(
        &self,
        pool: u8,
        limit: Limit,
        start: Instant,
        report: Option<ShutdownReport>,
        resubmit: Option<u8>,
    ) {
        let books = &self.world.books;
        let took = start.elapsed();
        if longest(limit).is_some_and(|longest| took > longest) {
            let what = format!("a shutdown of pool {pool}, {limit:?}, took {took:?}");
            books.found("late", what);
        }
        let Some(report) = report else { return };
        check_report(books, pool, &report);
        for task in report.take_unstarted() {
            self.hand_on(task, resubmit);
        }
    }

    /// Submits a task that was handed back to a pool above its own, if it waits for no job;
    /// otherwise drops it. In a pool below, all workers may wait for this very job, and the caller
    /// would close the cycle.
    fn hand_on(&self, task: Task, to: Option<u8>) {
        let Some(record) = self.world.books.of_id(task.id()) else {
            return drop(task);
        };
        self.world.books.given_back(&record);
        let owner = record.owner();
        let to = to.filter(|&to| to > owner && is_leaf(&self.world.program, &record));
        let lease = to.and_then(|to| self.pool(to));
        if let (Some(to), Some(lease)) = (to, lease) {
            record.move_to(to);
            let Err(refused) = lease.pool().executor().try_accept(task) else {
                return;
            };
            drop(lease);
            record.move_back(owner);
            record.mark(Mark::Dropped);
            drop(refused);
        } else {
            record.mark(Mark::Dropped);
            drop(task);
        }
    }
}

/// A job that neither waits for others nor submits any.
fn is_leaf(program: &Program, record: &Arc<Record>) -> bool {
    let Some(job) = program.jobs.get(record.number as usize) else {
        return false;
    };
    let is_quiet = |op: &Op| matches!(op, Op::Work(_) | Op::Sleep(_) | Op::Yield | Op::Check);
    job.ops.iter().all(is_quiet) && job.holds.is_empty()
}

fn check_report(books: &Books, pool: u8, report: &ShutdownReport) {
    if !report.balances() {
        let what = format!("the report of pool {pool} does not balance: {report:?}");
        books.found("report", what);
    }
    let counts = Counts::of_report(report);
    books.reported(pool, counts);
}

/// The columns of a pool's report or statistics, in one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    accepted: u64,
    /// In the order of [`Outcome::ALL`]; the unstarted are with the abandoned.
    ended: [u64; 6],
    going_on: u64,
}

impl Counts {
    fn of_report(report: &ShutdownReport) -> Self {
        Self {
            accepted: report.accepted(),
            ended: [
                report.completed(),
                report.failed(),
                report.panicked(),
                report.cancelled(),
                report.expired(),
                report.abandoned() + report.unstarted(),
            ],
            going_on: report.still_running().len() as u64,
        }
    }

    pub(super) fn of_stats(stats: &Stats) -> Self {
        Self {
            accepted: stats.accepted,
            ended: [
                stats.completed,
                stats.failed,
                stats.panicked,
                stats.cancelled,
                stats.expired,
                stats.abandoned + stats.unstarted,
            ],
            going_on: stats.queued + stats.running,
        }
    }

    /// Nothing goes on any more.
    pub(super) fn is_whole(&self) -> bool {
        self.going_on == 0
    }

    /// Checks the counts against the histories; `is_last`: nothing goes on any more.
    pub(super) fn check(
        &self,
        books: &Books,
        pool: u8,
        (who, columns): (&str, &Columns),
        is_last: bool,
    ) {
        let mut wrong = Vec::new();
        let (least, most) = (columns.accepted, columns.accepted + columns.perhaps);
        let slack = if is_last { 0 } else { self.going_on };
        if self.accepted > most || (is_last && self.accepted < least) {
            wrong.push(format!("accepted {}, not {least} to {most}", self.accepted));
        }
        if is_last && self.going_on > 0 {
            wrong.push(format!("{} queued or running", self.going_on));
        }
        for (outcome, said) in Outcome::ALL.into_iter().zip(self.ended) {
            let (least, most) = columns.range(outcome);
            if said > most || (is_last && said + slack < least) {
                wrong.push(format!("{outcome} {said}, not {least} to {most}"));
            }
        }
        let sum = self.ended.iter().sum::<u64>() + self.going_on;
        if sum != self.accepted {
            wrong.push(format!("a sum of {sum}, not {}", self.accepted));
        }
        if !wrong.is_empty() {
            let what = format!("{who} of pool {pool} says {}", wrong.join("; "));
            books.found("books", what);
        }
    }
}

/// Waits until a pool's statistics say that nothing goes on, and checks them against the histories.
pub(super) fn check_stats(books: &Books, pool: u8, handle: &AnyPool, limit: Duration) {
    let limit = Instant::now() + limit;
    let mut stats = handle.stats();
    while stats.queued + stats.running > 0 && Instant::now() < limit {
        std::thread::sleep(Duration::from_micros(200));
        stats = handle.stats();
    }
    let columns = books.columns(pool, Of::Ledger);
    Counts::of_stats(&stats).check(books, pool, ("the ledger", &columns), true);
}
