//! Faults at the end of a pool or its backend: a close that closes nothing, ignored limits, jobs
//! and threads left behind.

use std::sync::Arc;

use pool_core::backend::PoolConfig;
use pool_core::swap::HandOver;
use pool_core::{BuildError, Executor, ShutdownPolicy, ShutdownReport, Task};

use super::engine::{Flaw, FlawedEngine, Inner, Queue, Reporting};
use super::{Faulty, Nothing};
use crate::thread;

pub(super) fn all() -> Vec<Faulty> {
    [shutting_down(), left_behind()].concat()
}

/// Wrong while a pool ends.
fn shutting_down() -> Vec<Faulty> {
    vec![
        Faulty::new(
            "open door",
            "takes jobs after its close",
            &["R601", "R1044"],
            || Arc::new(OpenDoor),
        ),
        Faulty::new(
            "clean sweep",
            "throws its queue away at its close",
            &["R602"],
            || Arc::new(CleanSweep),
        ),
        Faulty::new(
            "patient",
            "ignores the grace, and waits for a job that hangs",
            &["R604", "R1040"],
            || Arc::new(Patient),
        ),
        Faulty::new(
            "blank report",
            "reports that there was nothing",
            &["R605"],
            || Arc::new(BlankReport),
        ),
        Faulty::new(
            "shredder",
            "does not give back what it did not start",
            &["R606"],
            || Arc::new(Shredder),
        ),
        Faulty::new(
            "keeper",
            "keeps what it did not start, though nobody asked for it",
            &["R606"],
            || Arc::new(Keeper),
        ),
        Faulty::new(
            "forgetful",
            "has another report for whoever asks again",
            &["R608"],
            || Arc::new(Forgetful),
        ),
        Faulty::new(
            "runtime blocker",
            "shuts down asynchronously by blocking the thread",
            &["R612"],
            || Arc::new(RuntimeBlocker),
        ),
    ]
}

/// Wrong about what is left after an end.
fn left_behind() -> Vec<Faulty> {
    vec![
        Faulty::new(
            "immortal",
            "goes on after its last handle is dropped",
            &["R610"],
            || Arc::new(Immortal),
        ),
        Faulty::new(
            "lingerer",
            "keeps its threads after the shutdown",
            &["R611"],
            || Arc::new(Lingerer),
        ),
        Faulty::new(
            "closing swap",
            "is swapped to nothing, and loses the queue",
            &["R902"],
            || Arc::new(ClosingSwap),
        ),
        Faulty::new(
            "swap in name",
            "says that it is swapped, and goes on as it was",
            &["R903", "R1062"],
            || Arc::new(SwapInName),
        ),
    ]
}

struct OpenDoor;

impl Flaw for OpenDoor {
    fn close(&self, _pool: &Inner) {}
}

struct CleanSweep;

impl Flaw for CleanSweep {
    fn close(&self, pool: &Inner) {
        drop(pool.retire());
    }
}

struct Patient;

impl Flaw for Patient {
    fn shutdown(&self, pool: &Inner, _policy: ShutdownPolicy) -> ShutdownReport {
        pool.shutdown(ShutdownPolicy::drain())
    }
}

struct BlankReport;

impl Flaw for BlankReport {
    fn shutdown(&self, pool: &Inner, policy: ShutdownPolicy) -> ShutdownReport {
        drop(pool.shutdown(policy));
        blank()
    }
}

/// The report of a pool that accepted no job.
fn blank() -> ShutdownReport {
    let empty = Inner::builder().workers(1).adopt(Arc::new(Nothing)).build();
    let empty = empty.expect("one worker can be had");
    empty.shutdown(ShutdownPolicy::drain())
}

struct Shredder;

impl Flaw for Shredder {
    fn take_queued(&self, queue: &Queue) -> Vec<Task> {
        queue.lock().clear();
        Vec::new()
    }
}

struct Keeper;

impl Flaw for Keeper {
    fn shutdown(&self, pool: &Inner, policy: ShutdownPolicy) -> ShutdownReport {
        pool.shutdown(policy.hand_back())
    }
}

struct Forgetful;

impl Flaw for Forgetful {
    fn shutdown(&self, pool: &Inner, policy: ShutdownPolicy) -> ShutdownReport {
        if pool.is_closed() {
            return blank();
        }
        pool.shutdown(policy)
    }
}

struct Immortal;

impl Flaw for Immortal {
    fn build(&self, config: PoolConfig, flaw: Arc<dyn Flaw>) -> Result<Inner, BuildError> {
        let pool = Inner::builder().config(config).adopt(flaw).build()?;
        std::mem::forget(pool.clone());
        Ok(pool)
    }
}

struct Lingerer;

impl Flaw for Lingerer {
    fn start(&self, engine: &Arc<FlawedEngine>, config: &PoolConfig) -> Result<(), BuildError> {
        engine.threads.start(engine, config, |work| {
            work();
            loop {
                thread::park(None);
            }
        })
    }

    fn join_threads(&self, _engine: &FlawedEngine) {}
}

struct RuntimeBlocker;

impl Flaw for RuntimeBlocker {
    fn shutdown_async<'a>(&'a self, pool: &'a Inner, policy: ShutdownPolicy) -> Reporting<'a> {
        Box::pin(async move { pool.shutdown(policy) })
    }
}

struct ClosingSwap;

impl Flaw for ClosingSwap {
    fn swap(&self, pool: &Inner) -> Option<Result<(), BuildError>> {
        drop(pool.retire());
        Some(Ok(()))
    }
}

struct SwapInName;

impl Flaw for SwapInName {
    fn swap(&self, _pool: &Inner) -> Option<Result<(), BuildError>> {
        Some(Ok(()))
    }
}
