//! Runs one program in this process: builds its pools, runs it, ends it, and checks that nothing is
//! left.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::actor::Actor;
use super::books::{Books, Finding, PoolBook};
use super::ending::{begin, check_stats, policy_of};
use super::plant::Plant;
use super::pools::{AnyPool, Owned, build, prefix};
use super::program::{LastAct, Limit, OnDrop, Op, Program, REAPED, each_op};
use super::timer::Timer;
use super::watchdog::Watchdog;
use super::world::World;

/// How long the rest of a program may take to disappear.
const PATIENCE: Duration = Duration::from_secs(4);
/// Between two looks.
const MOMENT: Duration = Duration::from_micros(100);

/// Panics that the hook has seen: the unplanned ones.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts the unplanned panics, and prints them.
pub(super) fn install_hook() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, SeqCst);
        usual(info);
    }));
}

/// Runs a program. Returns the broken promises.
pub(super) fn run(program: &Program, plant: Option<Plant>, dog: &Watchdog) -> Vec<Finding> {
    Timer::global();
    let panics = PANICS.load(SeqCst);
    let before = Leftovers::now();
    let books = Books::new(books_of(program));
    let mut owned = Vec::new();
    let mut pools = Vec::new();
    for (index, spec) in program.pools.iter().enumerate() {
        match build(index, spec, plant) {
            Ok((pool, engine)) => {
                pools.push(pool);
                owned.extend(engine);
            }
            Err(error) => books.found("build", error),
        }
    }
    if pools.len() == program.pools.len() {
        let world = World::new(program.clone(), Arc::clone(&books), pools);
        dog.watch(&world);
        live(&world);
        end(&world, owned);
        dog.forget();
    }
    let seen = PANICS.load(SeqCst) - panics;
    if seen > 0 {
        books.found("panic", format!("{seen} panics that nobody has planned"));
    }
    // In this order: a job's captures may be dropped a moment before its end, and its thread ends
    // after it.
    before.check(&books);
    books.check_histories();
    let findings = books.findings();
    if !findings.is_empty() {
        println!("the last events:");
        for event in books.last_events(40) {
            println!("  {event}");
        }
    }
    findings
}

fn books_of(program: &Program) -> Vec<PoolBook> {
    let mut may_exceed = false;
    for list in program.lists() {
        each_op(list, &mut |op| {
            may_exceed |= matches!(op, Op::Shutdown { .. });
        });
    }
    let facts = super::rules::Facts::of(program);
    let book = |(index, spec): (usize, &super::program::PoolSpec)| {
        let pool = index as u8;
        let is_child = |owner: &super::rules::Owner| {
            let parent = owner.parent.and_then(|it| facts.pool_of(it));
            owner.pool == pool && parent.is_some()
        };
        let has_children = facts.homes.iter().flatten().any(is_child);
        let drops_submit = program
            .jobs
            .iter()
            .any(|job| [job.on_drop, job.on_result_drop].contains(&OnDrop::Submits(pool)));
        let is_swapped = program.has(|op| matches!(op, Op::Swap(it, _) if *it == pool));
        let maps = program.has(|op| matches!(op, Op::Map { .. } | Op::Fork { .. }));
        PoolBook {
            workers: usize::from(spec.workers),
            capacity: usize::from(spec.capacity),
            prefix: prefix(index),
            is_adopted: spec.engine.is_adopted(),
            is_swapped,
            may_exceed: has_children || drops_submit || is_swapped || maps || may_exceed,
            ..PoolBook::default()
        }
    };
    program.pools.iter().enumerate().map(book).collect()
}

/// Runs the threads of the program.
fn live(world: &Arc<World>) {
    let reaper = {
        let world = Arc::clone(world);
        let after = Duration::from_micros(u64::from(world.program.reaps_after));
        thread::spawn(move || {
            thread::sleep(after);
            world.tokens[usize::from(REAPED)].cancel();
        })
    };
    let mut threads = Vec::new();
    for (index, script) in world.program.threads.iter().enumerate() {
        let held = script.holds.iter().filter_map(|&pool| {
            let lease = world.borrow(pool)?;
            Some((pool, lease.pool().clone()))
        });
        let held = held.collect();
        let shared = Arc::clone(world);
        let run = move || {
            let actor = Actor::of_thread(&shared, index, held);
            // An outside thread is not interrupted.
            let _ran = actor.run(None, &shared.program.threads[index].ops);
        };
        let spawned = thread::Builder::new()
            .name(format!("outside{index}"))
            .spawn(run);
        match spawned {
            Ok(thread) => threads.push(thread),
            Err(error) => world.books.found("build", error.to_string()),
        }
    }
    for (index, thread) in threads.into_iter().enumerate() {
        world.main_is_at(format!("joins thread {index}"));
        if thread.join().is_err() {
            let what = format!("thread {index} panicked");
            world.books.found("panic", what);
        }
    }
    world.main_is_at("joins the reaper".to_owned());
    if reaper.join().is_err() {
        let what = "the reaper panicked".to_owned();
        world.books.found("panic", what);
    }
}

/// Ends the pools, one after the other.
fn end(world: &Arc<World>, owned: Vec<Owned>) {
    let main = Actor::of_thread(world, 0, Vec::new());
    if world.program.joins_first {
        join_kept(world, &main);
    }
    for (index, spec) in world.program.pools.iter().enumerate() {
        let pool = index as u8;
        world.main_is_at(format!("waits for those who have borrowed pool {pool}"));
        let Some(handle) = world.take_back(pool) else {
            continue;
        };
        world.main_is_at(format!("ends pool {pool}: {:?}", spec.last));
        last_act(world, pool, handle, spec.last);
    }
    if !world.program.joins_first {
        join_kept(world, &main);
    }
    world.main_is_at("waits until all jobs are over".to_owned());
    await_all(world);
    world.main_is_at("ends the engines that it owns".to_owned());
    for engine in owned {
        engine.end();
    }
}

fn last_act(world: &Arc<World>, pool: u8, handle: AnyPool, last: LastAct) {
    let books = &world.books;
    match last {
        LastAct::Drops => {
            begin(books, pool, Limit::Drain);
            drop(handle);
        }
        LastAct::Idles => {
            let before = books.unfinished(pool);
            pool::ExecutorExt::wait_idle(handle.executor());
            books.idle_was_reached(pool, &before);
            begin(books, pool, Limit::Drain);
            drop(handle);
        }
        LastAct::Ends(limit) => {
            begin(books, pool, limit);
            let report = handle.ending().shutdown(policy_of(limit));
            let actor = Actor::of_thread(world, 0, Vec::new());
            actor.ended(pool, limit, Instant::now(), Some(report), None);
            await_jobs_of(world, pool);
            check_stats(books, pool, &handle, PATIENCE);
            books.check_reports(pool);
            drop(handle);
        }
    }
}

/// Joins the handles that were kept to the end. Each of them resolves.
fn join_kept(world: &Arc<World>, main: &Actor) {
    for job in 0..world.program.jobs.len() as u16 {
        if let Some((record, handle)) = world.take_handle(job) {
            world.main_is_at(format!("joins {record}"));
            let said = handle.join();
            main.resolved(&record, said);
        }
    }
}

fn await_jobs_of(world: &World, pool: u8) {
    let limit = Instant::now() + PATIENCE;
    let is_open = || {
        let open = world.books.open_records();
        open.iter().any(|record| record.owner() == pool)
    };
    while is_open() && Instant::now() < limit {
        thread::sleep(MOMENT);
    }
}

/// Waits until all captures are dropped. Handles that a job or a drop has kept meanwhile are
/// dropped as well: they own results, which own the world.
fn await_all(world: &World) {
    let limit = Instant::now() + PATIENCE;
    let is_over = || world.books.open_records().is_empty();
    loop {
        let was_over = is_over();
        for job in 0..world.program.jobs.len() as u16 {
            drop(world.take_handle(job));
        }
        if was_over && is_over() || Instant::now() >= limit {
            return;
        }
        thread::sleep(MOMENT);
    }
}

/// What a pool may leave behind in a process.
struct Leftovers {
    threads: usize,
    files: usize,
}

impl Leftovers {
    fn now() -> Self {
        let count = |path| fs::read_dir(path).map_or(0, Iterator::count);
        Self {
            threads: count("/proc/self/task"),
            files: count("/proc/self/fd"),
        }
    }

    fn check(&self, books: &Books) {
        let limit = Instant::now() + PATIENCE;
        let mut now = Self::now();
        while (now.threads > self.threads || now.files > self.files) && Instant::now() < limit {
            thread::sleep(MOMENT);
            now = Self::now();
        }
        if now.threads > self.threads {
            let what = format!(
                "{} threads, not {}: {}",
                now.threads,
                self.threads,
                names().join(", ")
            );
            books.found("threads", what);
        }
        if now.files > self.files {
            let what = format!("{} open files, not {}", now.files, self.files);
            books.found("files", what);
        }
    }
}

/// The names of this process's threads.
fn names() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
    let name = |task: std::io::Result<fs::DirEntry>| {
        let name = fs::read_to_string(task.ok()?.path().join("comm")).ok()?;
        Some(name.trim().to_owned())
    };
    tasks.filter_map(name).collect()
}
