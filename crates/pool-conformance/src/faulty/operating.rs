//! Faults in what an operator changes: pauses that hold back too little or too much, and a
//! configuration that stays as it was.

use std::sync::Arc;

use pool_core::BuildError;
use pool_core::backend::{StepOutcome, TaskRef, Worker};

use super::Faulty;
use super::engine::{Flaw, FlawedEngine, Inner};
use crate::probe::Gate;

pub(super) fn all() -> Vec<Faulty> {
    vec![
        Faulty::new(
            "restless",
            "goes on with its queue while it is paused",
            &["R1030"],
            || Arc::new(Restless),
        ),
        Faulty::new(
            "closed for a pause",
            "takes no jobs in while it is paused",
            &["R1030"],
            || Arc::new(ClosedForAPause),
        ),
        Faulty::new(
            "endless pause",
            "starts no queued job after a pause",
            &["R1031"],
            || Arc::new(EndlessPause),
        ),
        Faulty::new(
            "blocked worker",
            "pauses by jobs that wait on its workers, also while it is shut down",
            &["R1032"],
            || Arc::new(BlockedWorker(Gate::new())),
        ),
        Faulty::new(
            "reconfigured in name",
            "says that it is reconfigured, and goes on as it was",
            &["R1033", "R1062"],
            || Arc::new(ReconfiguredInName),
        ),
        Faulty::new(
            "deaf sleeper",
            "wakes none of its workers for a broadcast",
            &["R1070"],
            || Arc::new(DeafSleeper),
        ),
        Faulty::new(
            "greedy worker",
            "empties its queue before it looks at anything else",
            &["R1071"],
            || Arc::new(GreedyWorker),
        ),
    ]
}

struct DeafSleeper;

impl Flaw for DeafSleeper {
    fn visit_threads(&self, _engine: &Arc<FlawedEngine>) {}
}

struct GreedyWorker;

impl Flaw for GreedyWorker {
    fn run(&self, engine: &FlawedEngine, worker: &Worker, task: TaskRef<'_>) -> StepOutcome {
        worker.run_held(task);
        while let Some(task) = engine.pop(worker) {
            worker.run(task);
        }
        StepOutcome::Ran
    }
}

struct Restless;

impl Flaw for Restless {
    fn pause(&self, _pool: &Inner) {}
}

struct ClosedForAPause;

impl Flaw for ClosedForAPause {
    fn pause(&self, pool: &Inner) {
        pool.pause();
        pool.close();
    }
}

struct EndlessPause;

impl Flaw for EndlessPause {
    fn resume(&self, _pool: &Inner) {}
}

struct BlockedWorker(Gate);

impl Flaw for BlockedWorker {
    fn pause(&self, pool: &Inner) {
        let pass = self.0.pass();
        let blocks = pool.spawn(move || pass.wait());
        blocks.expect("there is room").detach();
    }
}

struct ReconfiguredInName;

impl Flaw for ReconfiguredInName {
    fn reconfigure(&self, _pool: &Inner) -> Option<Result<(), BuildError>> {
        Some(Ok(()))
    }
}
