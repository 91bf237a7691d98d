//! Tests of the fuzzer: its programs are fair, its oracle finds broken promises, its shrinker keeps
//! the failure.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use pool::Outcome;

use super::books::{Books, Mark, Of, PoolBook, Record};
use super::child;
use super::generate::{Backends, generate};
use super::plant::Plant;
use super::program::{
    Engine, Job, LastAct, Limit, OnDrop, Op, PoolSpec, Program, Script, Then, Way,
};
use super::rules::Facts;
use super::shrink::shrink;
use super::watchdog::Watchdog;

const SEEDS: u64 = 1500;

/// Programs of these tests end within this time, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn programs_are_fair_and_not_empty() {
    let mut sizes = Vec::new();
    for seed in 0..SEEDS {
        let program = generate(seed, Backends::Mixed);
        if let Err(unfair) = Facts::of(&program).check() {
            panic!("the program of seed {seed} is not fair, {unfair}:\n{program}");
        }
        sizes.push(program.size());
    }
    sizes.sort_unstable();
    assert!(sizes[sizes.len() / 2] >= 15, "they are small: {sizes:?}");
}

#[test]
fn a_seed_is_one_program() {
    for seed in 0..50 {
        let again = generate(seed, Backends::Mixed);
        assert_eq!(generate(seed, Backends::Mixed), again);
        let text = serde_json::to_string(&again).expect("a program is data");
        let read: Program = serde_json::from_str(&text).expect("it was written so");
        assert_eq!(read, again);
    }
}

/// A program with pools of two workers and one thread, and what that thread does.
fn program(pools: usize, ops: Vec<Op>, jobs: Vec<Job>) -> Program {
    let spec = PoolSpec {
        engine: Engine::Channel,
        workers: 2,
        capacity: 64,
        last: LastAct::Ends(Limit::Drain),
    };
    Program {
        pools: vec![spec; pools],
        threads: vec![Script {
            holds: Vec::new(),
            ops,
        }],
        jobs,
        tokens: 2,
        reaps_after: 0,
        joins_first: true,
    }
}

fn submit(pool: u8, job: u16, then: Then) -> Op {
    Op::Submit {
        pool,
        way: Way::Submit,
        job,
        then,
    }
}

fn job(ops: Vec<Op>) -> Job {
    Job {
        ops,
        ..Job::empty()
    }
}

fn is_fair(program: &Program) -> bool {
    Facts::of(program).check().is_ok()
}

#[test]
fn a_job_waits_only_for_jobs_above_it() {
    let waits_for = |waiter: usize, other: u16| {
        let mut jobs = vec![Job::empty(), Job::empty()];
        jobs[waiter].ops.push(Op::Handle {
            job: other,
            then: Then::Join,
        });
        let ops = vec![submit(0, 0, Then::Keep), submit(0, 1, Then::Keep)];
        program(1, ops, jobs)
    };
    assert!(is_fair(&waits_for(0, 1)));
    assert!(!is_fair(&waits_for(1, 0)), "each may wait for the other");
    assert!(!is_fair(&waits_for(0, 0)), "it waits for itself");
}

#[test]
fn a_job_waits_only_for_pools_above_its_own() {
    let waits_in = |own: u8, other: u8| {
        let jobs = vec![job(vec![submit(other, 1, Then::Join)]), Job::empty()];
        program(2, vec![submit(own, 0, Then::Keep)], jobs)
    };
    assert!(is_fair(&waits_in(0, 1)));
    assert!(is_fair(&waits_in(1, 1)));
    assert!(!is_fair(&waits_in(1, 0)));
}

#[test]
fn nobody_of_a_pool_waits_for_a_job_that_waits_for_all_of_it() {
    let waiting = job(vec![Op::WaitIdle(0)]);
    let outside = program(1, vec![submit(0, 0, Then::Join)], vec![waiting.clone()]);
    assert!(is_fair(&outside), "a thread may");
    let parent = |then| {
        let jobs = vec![job(vec![submit(0, 1, then)]), waiting.clone()];
        program(1, vec![submit(0, 0, Then::Keep)], jobs)
    };
    assert!(is_fair(&parent(Then::Keep)));
    assert!(!is_fair(&parent(Then::Join)));
    let above_the_parent = {
        let jobs = vec![
            job(vec![submit(0, 1, Then::Join)]),
            job(vec![submit(0, 2, Then::Keep)]),
            waiting.clone(),
        ];
        program(1, vec![submit(0, 0, Then::Keep)], jobs)
    };
    assert!(
        !is_fair(&above_the_parent),
        "it may run within the one that is waited for"
    );
}

#[test]
fn destructors_cancel_nothing_that_holds_a_pool() {
    let with = |holds| {
        let mut cancels = Job::empty();
        cancels.on_drop = OnDrop::CancelsJob(1);
        let mut cancelled = Job::empty();
        cancelled.holds = holds;
        let ops = vec![submit(0, 0, Then::Keep), submit(0, 1, Then::Keep)];
        program(1, ops, vec![cancels, cancelled])
    };
    assert!(is_fair(&with(Vec::new())));
    assert!(!is_fair(&with(vec![0])));
}

#[test]
fn the_smallest_program_is_found() {
    let swaps = |program: &Program| program.has(|op| matches!(op, Op::Swap(..)));
    let mut programs = (0..SEEDS).map(|seed| generate(seed, Backends::Mixed));
    let big = programs
        .find(|it| it.size() > 60 && swaps(it))
        .expect("some programs swap");
    let limit = Instant::now() + PATIENCE;
    let small = shrink(big, limit, swaps);
    assert_eq!(small.size(), 1, "{small}");
    assert_eq!((small.pools.len(), small.threads.len()), (1, 1), "{small}");
    assert!(is_fair(&small));
}

fn books() -> Arc<Books> {
    Books::new(vec![PoolBook {
        workers: 1,
        capacity: 1,
        ..PoolBook::default()
    }])
}

/// What the books find after these entries.
fn found(keep: impl FnOnce(&Arc<Books>)) -> Vec<&'static str> {
    let books = books();
    keep(&books);
    books.check_histories();
    books.findings().into_iter().map(|it| it.class).collect()
}

/// A job that completed, with all that belongs to it.
fn completes(books: &Arc<Books>) -> Arc<Record> {
    let record = books.open(Some(0), "Submit", 0);
    books.accepted(&record);
    books.begins(&record);
    books.capture_dropped(&record);
    books.ends(&record, Outcome::Completed);
    record
}

#[test]
fn a_history_that_keeps_the_contract_is_not_blamed() {
    let found = found(|books| {
        let record = completes(books);
        books.outcome(&record, Outcome::Completed);
    });
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn histories_that_break_the_contract_are_found() {
    type Keep = fn(&Arc<Books>);
    let cases: [(&str, Keep); 8] = [
        ("twice", |books| books.begins(&completes(books))),
        ("outcome", |books| {
            books.outcome(&completes(books), Outcome::Failed);
        }),
        ("outcome", |books| {
            books.outcome(&books.open(None, "Submit", 0), Outcome::Cancelled);
        }),
        ("lost", |books| {
            books.accepted(&books.open(None, "Submit", 0));
        }),
        ("drops", |books| books.capture_dropped(&completes(books))),
        ("workers", |books| {
            books.body_begins(0);
            books.body_begins(0);
        }),
        ("refused", |books| books.refused(&completes(books))),
        ("idle", |books| {
            let record = books.open(None, "Submit", 0);
            books.accepted(&record);
            let before = books.unfinished(0);
            books.idle_was_reached(0, &before);
            books.begins(&record);
        }),
    ];
    for (class, keep) in cases {
        let found = found(keep);
        assert!(found.contains(&class), "{class} is not found: {found:?}");
    }
}

#[test]
fn columns_follow_the_histories() {
    let books = books();
    completes(&books);
    let cut = books.open(None, "Execute", 0);
    books.accepted(&cut);
    cut.mark(Mark::MayBeCancelled);
    books.pools[0].is_cut.store(true, SeqCst);
    let columns = books.columns(0, Of::Ledger);
    assert_eq!(columns.accepted, 2);
    assert_eq!(columns.range(Outcome::Completed), (1, 1));
    assert_eq!(columns.range(Outcome::Cancelled), (0, 1));
    assert_eq!(columns.range(Outcome::Failed), (0, 0));
    books.accepted(&books.open(None, "Execute", 0));
    let (ledger, report) = (books.columns(0, Of::Ledger), books.columns(0, Of::Report));
    assert_eq!((ledger.accepted, ledger.perhaps), (3, 0));
    // It came in while the shutdown was going on.
    assert_eq!((report.accepted, report.perhaps), (2, 1));
}

/// Whatever happens to a job elsewhere, the pool that handed it back did not start it, even if it
/// came in late.
#[test]
fn a_job_that_was_handed_on_did_not_start_where_it_was() {
    let books = books();
    let record = completes(&books);
    record.mark(Mark::Straggler);
    record.move_to(1);
    let columns = books.columns(0, Of::Report);
    assert_eq!((columns.accepted, columns.perhaps), (0, 1));
    assert_eq!(columns.range(Outcome::Abandoned), (0, 1));
    assert_eq!(columns.range(Outcome::Completed), (0, 0));
}

/// A program that reveals each fault: many jobs that are joined, and a wait for the pool to be
/// idle.
fn simple() -> Program {
    let jobs: Vec<u16> = (0..12).collect();
    let mut ops: Vec<Op> = jobs.iter().map(|&job| submit(0, job, Then::Keep)).collect();
    ops.push(Op::WaitIdle(0));
    let works = job(vec![Op::Sleep(300)]);
    program(1, ops, vec![works; 12])
}

#[test]
fn planted_faults_are_found() {
    let dog = Watchdog::start(PATIENCE, false);
    let expected = [
        (Plant::DropsJob, "outcome"),
        (Plant::RunsElsewhere, "foreign"),
        (Plant::CountsTwice, "books"),
        (Plant::NeverWaits, "idle"),
    ];
    for (plant, class) in expected {
        let found = child::run(&simple(), Some(plant), &dog);
        let is_found = found.iter().any(|it| it.class == class);
        assert!(is_found, "{plant}: {found:?}");
    }
    let found = child::run(&simple(), None, &dog);
    assert!(found.is_empty(), "{found:?}");
}
