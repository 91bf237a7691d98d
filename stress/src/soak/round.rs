//! One round of the soak: a pool is built, used by many threads, and ended at a random moment in a
//! random way; nothing of it is left.

use std::fs;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;
use pool::{
    Backend, Executor, JobContext, Pool, Refused, ShutdownPolicy, ShutdownReport, Stats, Task,
};

use super::books::{Books, Counts, Limits};
use super::jobs::{SoakJob, take_back};
use super::submitter::{Submitter, block_on};
use super::watch::Watched;
use super::world::{Events, World};

/// How long the system may take to remove a joined thread from its lists, or a detached one to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a round ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Drains,
    Grace,
    Now,
    Awaited,
    FourAtOnce,
    FromAJob,
    LastHandleGoes,
}

impl Ending {
    const ALL: [Self; 7] = [
        Self::Drains,
        Self::Grace,
        Self::Now,
        Self::Awaited,
        Self::FourAtOnce,
        Self::FromAJob,
        Self::LastHandleGoes,
    ];
}

/// The result of a round.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) jobs: usize,
}

/// Runs the round of a seed. The error reports its failures.
pub(super) fn run(backend: Backend, seed: u64, watched: &Watched) -> Result<Tally> {
    let rng = &mut Rng::with_seed(seed);
    let threads = threads()?;
    let limits = Limits {
        workers: rng.usize(1..5),
        capacity: [1, 2, 3, 16, 64, 1024][rng.usize(0..6)],
        are_swapped: rng.bool(),
        are_split: rng.u8(0..4) == 0,
    };
    let world = Arc::new(World {
        pool: Pool::builder()
            .backend(backend)
            .workers(limits.workers)
            .queue_capacity(limits.capacity)
            .build()?,
        books: Books::new(limits),
        alarm: Arc::default(),
        events: Events::new(),
        is_over: AtomicBool::new(false),
        swaps: limits.are_swapped,
        splits: limits.are_split,
    });
    let ending = Ending::ALL[rng.usize(..Ending::ALL.len())];
    let books = Arc::clone(&world.books);
    let events = Arc::clone(&world.events);
    watched.begins(
        seed,
        &events,
        &world.pool,
        &format!("{backend}, {limits:?}, ends by {ending:?}"),
    );
    let alarm = Arc::clone(&world.alarm);
    let rings = {
        let alarm = Arc::clone(&alarm);
        thread::spawn(move || alarm.ring())
    };
    live(world, ending, rng, watched);
    // Jobs may outlive the last handle: futures among them sleep until they are woken.
    await_the_last(&books);
    alarm.end();
    if rings.join().is_err() {
        books.wrong("the alarm's thread panicked".to_owned());
    }
    books.check_histories();
    await_threads(threads, |what| books.wrong(what))?;
    let jobs = books.submitted();
    watched.ends();
    ensure!(
        !books.is_wrong(),
        "{backend}, {limits:?}, ended by {ending:?}:\n  {}\nthe last events:\n  {}",
        books.all_wrong().join("\n  "),
        events.told().join("\n  ")
    );
    Ok(Tally { jobs })
}

/// Uses the pool and ends it.
fn live(world: Arc<World>, ending: Ending, rng: &mut Rng, watched: &Watched) {
    let submitters: Vec<_> = (0..rng.usize(2..6))
        .map(|_| {
            let submitter = Submitter::new(Arc::clone(&world), rng.u64(..));
            thread::spawn(move || submitter.run())
        })
        .collect();
    let until = rng.usize(0..1500);
    while world.books.submitted() < until && !world.books.is_wrong() {
        thread::yield_now();
    }
    let reports = match ending {
        Ending::LastHandleGoes => Vec::new(),
        _ => end(&world, ending, rng),
    };
    world.is_over.store(true, SeqCst);
    // What did not start is dropped or run elsewhere, since a submitter may join a handle to it.
    let reported = reports.first().map(counts_of_report);
    if reported.is_some() {
        let tasks = check_reports(&world.books, &reports);
        let lost = |it: &ShutdownReport| it.abandoned() + it.unstarted();
        if ending == Ending::Drains && reports.iter().any(|it| lost(it) != 0) {
            let what = format!("a drain without a limit leaves jobs unrun: {reports:?}");
            world.books.wrong(what);
        }
        // The reports hold the tasks.
        drop(reports);
        hand_over(&world, tasks, rng);
    }
    for submitter in submitters {
        if submitter.join().is_err() {
            world.books.wrong("a submitter panicked".to_owned());
        }
    }
    if let Some(counts) = reported {
        check_stats(&world);
        world.books.check_counts("the report", counts);
    }
    watched.forgets_the_pool();
}

/// Ends the pool, while the submitters go on.
fn end(world: &Arc<World>, ending: Ending, rng: &mut Rng) -> Vec<ShutdownReport> {
    world.events.note(0, "the end begins");
    world.books.end_begins();
    let pool = &world.pool;
    let grace = Duration::from_micros(rng.u64(0..20_000));
    let one = match ending {
        Ending::Drains | Ending::LastHandleGoes => {
            if rng.bool() {
                pool.close();
                expect_closed(world, rng);
            }
            pool.shutdown(ShutdownPolicy::drain())
        }
        Ending::Grace => pool.shutdown(
            ShutdownPolicy::new(grace)
                .cancel_grace(PATIENCE)
                .hand_back(),
        ),
        Ending::Now => pool.shutdown(ShutdownPolicy::now().hand_back()),
        Ending::Awaited => block_on(pin!(
            pool.shutdown_async(ShutdownPolicy::new(grace).hand_back())
        )),
        Ending::FourAtOnce => return four_at_once(world, grace),
        Ending::FromAJob => from_a_job(world, grace),
    };
    world.events.note(0, "the report is there");
    vec![one]
}

/// A pool that has closed accepts nothing (`R601`).
fn expect_closed(world: &Arc<World>, rng: &mut Rng) {
    let job = SoakJob::new(world, rng, "submit after the close", 0);
    let record = Arc::clone(&job.payload.record);
    match world.pool.submit(job) {
        Ok(handle) => {
            handle.detach();
            world.books.wrong(format!("it was accepted: {record}"));
        }
        Err(refused) => {
            let is_closed = refused.is_closed();
            take_back(world, refused, &record);
            if !is_closed {
                world
                    .books
                    .wrong(format!("it was refused as by a full pool: {record}"));
            }
        }
    }
}

/// Concurrent shutdowns return the same report (`R608`).
fn four_at_once(world: &Arc<World>, grace: Duration) -> Vec<ShutdownReport> {
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let policy = ShutdownPolicy::new(grace * caller)
                    .cancel_grace(PATIENCE)
                    .hand_back();
                scope.spawn(move || world.pool.shutdown(policy))
            })
            .collect();
        callers
            .into_iter()
            .flat_map(|caller| caller.join())
            .collect()
    })
}

/// A job shuts its own pool down, and is left out of what that waits for (`R609`).
fn from_a_job(world: &Arc<World>, grace: Duration) -> ShutdownReport {
    let (send, receive) = mpsc::channel();
    let payload = world.books.open("execute", "shuts its pool down");
    let record = Arc::clone(&payload.record);
    let policy = ShutdownPolicy::new(grace)
        .cancel_grace(PATIENCE)
        .hand_back();
    let submitted = world.pool.execute({
        let world = Arc::clone(world);
        move |_: &JobContext<'_>| -> Result<(), ()> {
            let _body = super::jobs::Body::begin(&world);
            world.books.begins(&payload.record);
            // The thread that asked waits for it.
            let _received = send.send(world.pool.shutdown(policy));
            world.books.ends(&payload.record, pool::Outcome::Completed);
            Ok(())
        }
    });
    match submitted {
        Ok(_) => world.books.accepted(&record),
        Err(_) => world.books.refused(&record),
    }
    match receive.recv() {
        Ok(report) => report,
        // It never started: another thread closed the pool.
        Err(_) => world.pool.shutdown(policy),
    }
}

fn counts_of_report(report: &ShutdownReport) -> Counts {
    Counts {
        accepted: report.accepted(),
        completed: report.completed(),
        failed: report.failed(),
        panicked: report.panicked(),
        others: report.cancelled() + report.expired() + report.abandoned() + report.unstarted(),
        unstarted: report.unstarted(),
        still_running: report.still_running().len() as u64,
    }
}

fn counts_of_stats(stats: Stats) -> Counts {
    Counts {
        accepted: stats.accepted,
        completed: stats.completed,
        failed: stats.failed,
        panicked: stats.panicked,
        others: stats.cancelled + stats.expired + stats.abandoned + stats.unstarted,
        unstarted: stats.unstarted,
        still_running: stats.running + stats.queued,
    }
}

/// All reports balance and say the same; together they hand back what did not start.
fn check_reports(books: &Books, reports: &[ShutdownReport]) -> Vec<Task> {
    let first = reports.first().map(counts_of_report);
    for report in reports {
        if !report.balances() || Some(counts_of_report(report)) != first {
            books.wrong(format!("the reports do not balance or agree: {reports:?}"));
        }
    }
    let tasks: Vec<Task> = reports.iter().flat_map(|it| it.take_unstarted()).collect();
    if reports
        .iter()
        .any(|it| it.unstarted() != tasks.len() as u64)
    {
        books.wrong(format!("{} tasks came back: {reports:?}", tasks.len()));
    }
    tasks
}

/// What did not start is dropped, and resolves; or it is run by another pool (`R606`).
fn hand_over(world: &World, tasks: Vec<Task>, rng: &mut Rng) {
    if rng.bool() {
        return;
    }
    world.books.next_era();
    let next = Pool::builder()
        .backend(Backend::Channel)
        .workers(2)
        .queue_capacity(tasks.len() + 1)
        .build();
    match next {
        Err(error) => world.books.wrong(format!("no second pool: {error}")),
        Ok(next) => {
            for mut task in tasks {
                // The children of jobs that already run may have filled the queue.
                while let Err(refused) = next.try_accept(task) {
                    let Refused::Full(again) = refused else {
                        let wrong = "an open pool refused a task as closed";
                        world.books.wrong(wrong.to_owned());
                        break;
                    };
                    task = again;
                    thread::yield_now();
                }
            }
            let report = next.shutdown(ShutdownPolicy::drain());
            if !report.balances() || !report.is_safe_to_exit() {
                world.books.wrong(format!("the second pool: {report}"));
            }
        }
    }
}

/// Once nothing runs any more, the pool's counts and the books of its jobs agree.
fn check_stats(world: &World) {
    let limit = Instant::now() + PATIENCE;
    let mut stats = world.pool.stats();
    while stats.running + stats.queued > 0 && Instant::now() < limit {
        thread::yield_now();
        stats = world.pool.stats();
    }
    let counts = counts_of_stats(stats);
    if counts.still_running > 0 {
        let what = format!("jobs are still running after the end: {stats}");
        world.books.wrong(what);
    }
    world.books.check_counts("the ledger", counts);
}

/// Waits for the last payload: the pool that loses its last handle to a job of its own ends by
/// itself.
fn await_the_last(books: &Books) {
    let limit = Instant::now() + PATIENCE;
    while books.alive() > 0 && Instant::now() < limit {
        thread::yield_now();
    }
}

/// How many threads this process has.
pub(super) fn threads() -> Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// Waits until there are no more of them than before.
pub(super) fn await_threads(before: usize, mut wrong: impl FnMut(String)) -> Result<()> {
    let limit = Instant::now() + PATIENCE;
    loop {
        let now = threads()?;
        if now <= before {
            return Ok(());
        }
        if Instant::now() >= limit {
            wrong(format!(
                "{now} threads are left of {before} before the round"
            ));
            return Ok(());
        }
        thread::yield_now();
    }
}
