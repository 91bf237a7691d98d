//! Any sequence of operations on a pool, on every backend, comes to what a plain sequential model of it says.

mod model;

use std::panic::resume_unwind;
use std::thread;

use pool::{
    Backend, BuildError, Executor, JobContext, JobError, JobHandle, Outcome, Pool, ShutdownPolicy,
    ShutdownReport, SubmitError,
};
use pool_conformance::probe::{Count, Gate, Log, PATIENCE, wait_until};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use model::{Ends, Intake, Model};

/// Sequences for each backend: some seconds in all.
const CASES: u32 = 96;
const MOST_OPERATIONS: usize = 40;
/// How long a failing sequence is shortened: one that hangs waits for its limit each time.
const SHRINK_MILLIS: u32 = 30_000;
/// The seed of a run that is to be repeated, as a number.
const SEED: &str = "POOL_PROPERTY_SEED";

/// One step of a user. Indices are taken modulo what there is.
#[derive(Debug, Clone)]
enum Operation {
    TrySubmit(Ends),
    /// Waits for room, so it is a step only where there is some, or the pool has closed.
    Submit(Ends),
    Cancel(usize),
    LetGo(usize),
    Swap(usize),
    Close,
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    Drains,
    GivesBackAndDrops,
    GivesBackAndRunsElsewhere,
}

/// What becomes of the jobs that were given back.
#[derive(Debug, Clone, Copy)]
enum Becomes {
    Abandoned,
    Run,
}

#[derive(Debug, Clone)]
struct Case {
    workers: usize,
    capacity: usize,
    operations: Vec<Operation>,
    ending: Ending,
}

fn ends() -> impl Strategy<Value = Ends> {
    prop_oneof![
        3 => Just(Ends::Completes),
        1 => Just(Ends::Fails),
        1 => Just(Ends::Panics),
        2 => Just(Ends::Heeds),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => ends().prop_map(Operation::TrySubmit),
        4 => ends().prop_map(Operation::Submit),
        4 => any::<usize>().prop_map(Operation::Cancel),
        6 => any::<usize>().prop_map(Operation::LetGo),
        1 => any::<usize>().prop_map(Operation::Swap),
        1 => Just(Operation::Close),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let ending = prop_oneof![
        Just(Ending::Drains),
        Just(Ending::GivesBackAndDrops),
        Just(Ending::GivesBackAndRunsElsewhere),
    ];
    let parts = (
        1..3_usize,
        1..5_usize,
        vec(operation(), 1..MOST_OPERATIONS),
        ending,
    );
    parts.prop_map(|(workers, capacity, operations, ending)| Case {
        workers,
        capacity,
        operations,
        ending,
    })
}

type Handle = JobHandle<usize, usize>;

/// A pool and its model, side by side.
struct Pair {
    pool: Pool,
    model: Model,
    workers: usize,
    /// By number; taken once they were joined.
    handles: Vec<Option<Handle>>,
    gates: Vec<Gate>,
    started: Count,
    starts: Log<usize>,
    known_starts: usize,
}

impl Pair {
    fn new(backend: Backend, case: &Case) -> Self {
        let pool = Pool::builder()
            .backend(backend)
            .workers(case.workers)
            .queue_capacity(case.capacity)
            .build();
        Self {
            pool: pool.expect("a plain configuration is accepted"),
            model: Model::new(case.workers, case.capacity),
            workers: case.workers,
            handles: Vec::new(),
            gates: Vec::new(),
            started: Count::new(),
            starts: Log::new(),
            known_starts: 0,
        }
    }

    fn apply(&mut self, operation: &Operation) {
        match *operation {
            Operation::TrySubmit(ends) => self.submit(ends, Pool::try_submit),
            Operation::Submit(ends) => {
                if matches!(self.model.intake(), Intake::Accepted | Intake::Closed) {
                    self.submit(ends, Pool::submit);
                }
            }
            Operation::Cancel(index) => self.cancel(index),
            Operation::LetGo(index) => self.let_go(index),
            Operation::Swap(index) => self.swap(index),
            Operation::Close => {
                self.pool.close();
                self.model.close();
            }
        }
        self.settle();
    }

    fn submit<F>(&mut self, ends: Ends, by: F)
    where
        F: FnOnce(&Pool, GatedJob) -> Result<Handle, SubmitError<GatedJob>>,
    {
        let gate = Gate::new();
        let number = self.handles.len();
        let (starts, started, pass) = (self.starts.clone(), self.started.clone(), gate.pass());
        let job = move |ctx: &JobContext<'_>| {
            starts.note(number);
            started.add();
            pass.wait();
            match ends {
                Ends::Completes => Ok(number),
                Ends::Fails => Err(number),
                // As a panic, without the print of the process's hook.
                Ends::Panics => resume_unwind(Box::new(number)),
                Ends::Heeds => ctx.check().map(|()| number).map_err(|_| number),
            }
        };
        let submitted = by(&self.pool, Box::new(job));
        let expected = self.model.intake();
        let seen = match submitted {
            Ok(handle) => {
                self.handles.push(Some(handle));
                self.gates.push(gate);
                self.model.accept(ends);
                Intake::Accepted
            }
            Err(SubmitError::Full(_)) => Intake::Full,
            Err(SubmitError::Closed(_)) => Intake::Closed,
        };
        let is_either = expected == Intake::Unsure && seen != Intake::Closed;
        assert!(
            is_either || seen == expected,
            "{seen:?}, not {expected:?}: {:?}",
            self.model
        );
    }

    fn cancel(&mut self, index: usize) {
        if self.handles.is_empty() {
            return;
        }
        let number = index % self.handles.len();
        let Some(handle) = &self.handles[number] else {
            return;
        };
        handle.cancel();
        if let Some(outcome) = self.model.cancel(number) {
            assert!(
                self.handles[number]
                    .as_ref()
                    .is_some_and(JobHandle::is_finished)
            );
            self.join(number, outcome);
        }
    }

    fn let_go(&mut self, index: usize) {
        let running = self.model.running();
        if running.is_empty() {
            return;
        }
        let number = running[index % running.len()];
        self.gates[number].open();
        let outcome = self.model.let_go(number);
        self.join(number, outcome);
    }

    fn swap(&mut self, index: usize) {
        let backends = Backend::available();
        let swapped = self.pool.swap(backends[index % backends.len()]);
        if self.model.swap() {
            swapped.expect("an open pool can be swapped");
        } else {
            assert!(matches!(swapped, Err(BuildError::Closed)), "{swapped:?}");
        }
    }

    /// Waits until every job that must start has started, and no other.
    fn settle(&mut self) {
        let due = self.model.due();
        self.started.wait_for(self.known_starts + due);
        let starts = self.starts.take();
        assert_eq!(starts.len(), due, "{starts:?} started: {:?}", self.model);
        self.known_starts += due;
        let is_in_order = self.workers == 1 && self.pool.capability().fifo;
        for number in starts {
            self.model
                .start(number, is_in_order)
                .unwrap_or_else(|wrong| panic!("{wrong}"));
        }
        self.model.settle();
        let (queued, running) = (
            self.model.queued() as u64,
            self.model.running().len() as u64,
        );
        wait_until("the books to say what the model says", &self.pool, || {
            let stats = self.pool.stats();
            stats.queued == queued && stats.running == running
        });
    }

    fn join(&mut self, number: usize, expected: Outcome) {
        let handle = self.handles[number].take().expect("it is joined once");
        let Ok(said) = handle.join_timeout(PATIENCE) else {
            panic!("job {number} has no outcome: {:?}", self.model);
        };
        assert_eq!(
            outcome_of(number, &said),
            expected,
            "job {number}: {:?}",
            self.model
        );
    }

    fn end(mut self, ending: Ending) {
        match ending {
            Ending::Drains => {
                self.gates.iter().for_each(Gate::open);
                self.model.drain();
                let report = self.pool.shutdown(ShutdownPolicy::drain());
                self.check(&report, 0, 0);
            }
            Ending::GivesBackAndDrops => self.give_back(Becomes::Abandoned, drop),
            Ending::GivesBackAndRunsElsewhere => self.give_back(Becomes::Run, |tasks| {
                let next = Pool::builder()
                    .workers(1)
                    .queue_capacity(tasks.len() + 1)
                    .build();
                let next = next.expect("a plain configuration is accepted");
                for task in tasks {
                    next.try_execute(task).expect("there is room");
                }
                let report = next.shutdown(ShutdownPolicy::drain());
                assert!(report.is_clean(), "{report}");
            }),
        }
        for number in 0..self.model.jobs() {
            if self.handles[number].is_some() {
                let outcome = self.model.outcome(number).expect("all have ended");
                self.join(number, outcome);
            }
        }
    }

    /// Ends the pool with its running jobs held: they are named, and what is queued comes back for `take`.
    fn give_back(&mut self, becomes: Becomes, take: impl FnOnce(Vec<pool::Task>)) {
        let running = self.model.running();
        let unstarted = self.model.give_back();
        let report = self.pool.shutdown(ShutdownPolicy::now().hand_back());
        self.check(&report, unstarted.len(), running.len());
        let mut named: Vec<_> = report.still_running().iter().map(|job| job.id).collect();
        let id = |&number: &usize| self.handles[number].as_ref().map(JobHandle::id);
        let mut expected: Vec<_> = running.iter().filter_map(id).collect();
        named.sort_unstable();
        expected.sort_unstable();
        assert_eq!(named, expected, "those that still run are named");
        self.gates.iter().for_each(Gate::open);
        for number in running {
            self.model.let_go(number);
        }
        let tasks = report.take_unstarted();
        let given: Vec<_> = tasks.iter().map(pool::Task::id).collect();
        let ids: Vec<_> = unstarted.iter().filter_map(id).collect();
        if self.pool.capability().fifo && self.workers == 1 {
            assert_eq!(given, ids, "what is given back is in order");
        }
        take(tasks);
        for number in unstarted {
            match becomes {
                Becomes::Abandoned => self.model.set_outcome(number, Outcome::Abandoned),
                Becomes::Run => {
                    self.model.let_go(number);
                }
            }
        }
    }

    fn check(&self, report: &ShutdownReport, unstarted: usize, running: usize) {
        assert!(report.balances(), "{report}");
        let model = &self.model;
        let expected = [
            model.jobs() as u64,
            model.ended(Outcome::Completed),
            model.ended(Outcome::Failed),
            model.ended(Outcome::Panicked),
            model.ended(Outcome::Cancelled),
            unstarted as u64,
            running as u64,
        ];
        let seen = [
            report.accepted(),
            report.completed(),
            report.failed(),
            report.panicked(),
            report.cancelled(),
            report.unstarted(),
            report.still_running().len() as u64,
        ];
        assert_eq!(seen, expected, "{report}\n{model:?}");
    }
}

impl Drop for Pair {
    /// A failed case leaves nothing behind that the next would wait for: a pool that is merely dropped drains without a limit.
    fn drop(&mut self) {
        self.gates.iter().for_each(Gate::open);
        if thread::panicking() {
            self.pool.shutdown(ShutdownPolicy::now());
        }
    }
}

type GatedJob = Box<dyn FnOnce(&JobContext<'_>) -> Result<usize, usize> + Send>;

/// The outcome that a handle gives, whose value is the job's own number.
fn outcome_of(number: usize, said: &Result<usize, JobError<usize>>) -> Outcome {
    match said {
        Ok(value) => {
            assert_eq!(*value, number, "the value of another job");
            Outcome::Completed
        }
        Err(JobError::Failed(error)) => {
            assert_eq!(*error, number, "the error of another job");
            Outcome::Failed
        }
        Err(error) => error.outcome(),
    }
}

/// Runs the cases of a seed, which is told where one of them fails.
fn holds_on(backend: Backend) {
    if !backend.is_available() {
        return;
    }
    let given = std::env::var(SEED).ok();
    let seed = given.map_or_else(rand_seed, |text| text.parse().expect("a seed is a number"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_time: SHRINK_MILLIS,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let checked = TestRunner::new_with_rng(config, rng).run(&case(), |case| {
        let mut pair = Pair::new(backend, &case);
        for operation in &case.operations {
            pair.apply(operation);
        }
        pair.end(case.ending);
        Ok(())
    });
    if let Err(failed) = checked {
        panic!("on {backend}, with {SEED}={seed}: {failed}");
    }
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(())
}

#[test]
fn a_channel_pool_does_what_its_model_says() {
    holds_on(Backend::Channel);
}

#[test]
fn a_work_stealing_pool_does_what_its_model_says() {
    holds_on(Backend::WorkStealing);
}

#[test]
fn a_rayon_pool_does_what_its_model_says() {
    holds_on(Backend::Rayon);
}

#[test]
fn an_async_pool_does_what_its_model_says() {
    holds_on(Backend::Async);
}
