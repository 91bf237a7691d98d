//! The user's hooks: at a worker's start and stop, and at each job that did not complete.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::id::JobId;
use crate::outcome::{Outcome, contain};

/// A job that did not complete, as the observer of failures sees it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct JobFailure<'a> {
    /// The job.
    pub id: JobId,
    /// Its name, if it has one.
    pub name: Option<&'a str>,
    /// How it ended: anything but `Completed`.
    pub outcome: Outcome,
    /// The message of its panic, if it panicked.
    pub message: Option<&'a str>,
}

type Start = dyn Fn(usize) -> Box<dyn Any> + Send + Sync;
type Stop = dyn Fn(usize) + Send + Sync;
type Failure = dyn Fn(&JobFailure<'_>) + Send + Sync;

#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) start: Option<Arc<Start>>,
    pub(crate) stop: Option<Arc<Stop>>,
    pub(crate) failure: Option<Arc<Failure>>,
}

/// The hooks of a pool: what they do, and that they panic, changes no outcome and costs no worker (`R304`).
pub(crate) struct ContainedHooks {
    hooks: Hooks,
    /// One count for all generations of a pool that is swapped.
    panics: Arc<AtomicU64>,
}

impl ContainedHooks {
    pub(crate) fn new(hooks: Hooks, panics: Arc<AtomicU64>) -> Self {
        Self { hooks, panics }
    }

    /// Runs `on_worker_start`: the worker's state, or nothing where the hook panicked or there is none.
    pub(crate) fn start(&self, worker: usize) -> Box<dyn Any> {
        let start = self.hooks.start.as_ref();
        start
            .and_then(|start| self.run(|| start(worker)))
            .unwrap_or_else(|| Box::new(()))
    }

    /// Runs `on_worker_stop`.
    pub(crate) fn stop(&self, worker: usize) {
        if let Some(stop) = &self.hooks.stop {
            self.run(|| stop(worker));
        }
    }

    /// Runs `on_failure`.
    pub(crate) fn observe(&self, failure: &JobFailure<'_>) {
        if let Some(observe) = &self.hooks.failure {
            self.run(|| observe(failure));
        }
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    fn run<R>(&self, hook: impl FnOnce() -> R) -> Option<R> {
        let result = contain(hook);
        if result.is_err() {
            self.panics.fetch_add(1, Ordering::Relaxed);
        }
        result.ok()
    }
}
