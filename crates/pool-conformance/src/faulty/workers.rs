//! Faults of the workers: wakes lost, orders broken, too few workers or too many.

use std::collections::{HashMap, VecDeque};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pool_core::backend::{Engine, PoolConfig, Worker};
use pool_core::{BuildError, Executor, Refused, Task};

use super::engine::{Flaw, FlawedEngine, Inner, Queue, nap};
use super::{Faulty, Nothing};
use crate::channel::{Sender, channel};
use crate::thread::{self, ThreadId};

pub(super) fn all() -> Vec<Faulty> {
    [asleep_and_awake(), choosing(), themselves()].concat()
}

/// Wrong about when a worker sleeps.
fn asleep_and_awake() -> Vec<Faulty> {
    vec![
        Faulty::new(
            "spinner",
            "never sleeps, so burns a core while idle",
            &["R209"],
            || Arc::new(Spinner),
        ),
        Faulty::new(
            "late riser",
            "starts its workers at the first job",
            &["R201"],
            || Arc::new(LateRiser::default()),
        ),
        Faulty::new(
            "heavy sleeper",
            "never resumes a worker that sleeps",
            &["R203"],
            || Arc::new(HeavySleeper),
        ),
        Faulty::new(
            "careless sleeper",
            "does not look once more before it sleeps",
            &["R203"],
            || Arc::new(CarelessSleeper),
        ),
    ]
}

/// Wrong about which worker runs what, and in which order.
fn choosing() -> Vec<Faulty> {
    vec![
        Faulty::new(
            "crowd",
            "runs one job more at once than it has workers",
            &["R202"],
            || Arc::new(Crowd),
        ),
        Faulty::new(
            "solo",
            "gives jobs to its first worker alone",
            &["R202"],
            || Arc::new(Solo),
        ),
        Faulty::new(
            "hoarder",
            "keeps a worker's children from its idle colleagues",
            &["R204"],
            || Arc::new(Hoarder::default()),
        ),
        Faulty::new(
            "stack",
            "claims first in, first out, and is last in, first out",
            &["R205", "R206"],
            || Arc::new(Stack),
        ),
    ]
}

/// Wrong about what a worker is.
fn themselves() -> Vec<Faulty> {
    vec![
        Faulty::new(
            "misnamer",
            "gives its threads a name of its own",
            &["R207"],
            || Arc::new(Misnamer),
        ),
        Faulty::new(
            "hook loser",
            "forgets the hook of its workers' start",
            &["R208"],
            || Arc::new(HookLoser),
        ),
        Faulty::new(
            "subletter",
            "has its jobs run by the workers of another pool",
            &["R210"],
            || Arc::new(Subletter::default()),
        ),
        Faulty::new(
            "mortal",
            "loses the worker whose job panicked",
            &["R302"],
            || Arc::new(Mortal::default()),
        ),
    ]
}

struct Spinner;

impl Flaw for Spinner {
    fn has_queued(&self, _queue: &Queue) -> bool {
        true
    }
}

#[derive(Default)]
struct LateRiser(Mutex<Option<Sender<()>>>);

impl Flaw for LateRiser {
    fn start(&self, engine: &Arc<FlawedEngine>, config: &PoolConfig) -> Result<(), BuildError> {
        let (first_job, mut waits) = channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(first_job);
        let (engine, config) = (Arc::downgrade(engine), config.clone());
        thread::spawn(move || {
            if waits.recv().is_some()
                && let Some(engine) = engine.upgrade()
            {
                // It is too late to report an error.
                let _started = engine.threads.start(&engine, &config, |work| work());
            }
        });
        Ok(())
    }

    fn push(&self, queue: &Queue, task: Task) -> Result<(), Task> {
        let first_job = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(first_job) = first_job {
            first_job.send(());
        }
        queue.push(task)
    }
}

struct Crowd;

impl Flaw for Crowd {
    fn configure(&self, config: &mut PoolConfig) {
        config.set_workers(config.workers() + 1);
    }
}

struct Solo;

impl Flaw for Solo {
    fn pop(&self, queue: &Queue, worker: &Worker) -> Option<Task> {
        if worker.index() != 0 {
            nap();
            return None;
        }
        let task = queue.lock().pop_front()?;
        worker.life().room().freed();
        Some(task)
    }
}

struct HeavySleeper;

impl Flaw for HeavySleeper {
    fn start(&self, engine: &Arc<FlawedEngine>, config: &PoolConfig) -> Result<(), BuildError> {
        engine.life().resume_with(|_worker| {});
        engine.threads.start(engine, config, |work| work())
    }
}

struct CarelessSleeper;

impl Flaw for CarelessSleeper {
    fn has_queued(&self, _queue: &Queue) -> bool {
        false
    }
}

/// What each worker's jobs have submitted, by its thread.
#[derive(Default)]
struct Hoarder(Mutex<HashMap<ThreadId, VecDeque<Task>>>);

impl Hoarder {
    fn lock(&self) -> MutexGuard<'_, HashMap<ThreadId, VecDeque<Task>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flaw for Hoarder {
    fn push(&self, queue: &Queue, task: Task) -> Result<(), Task> {
        match self.lock().get_mut(&thread::current().id()) {
            Some(hoard) if hoard.len() < queue.capacity => hoard.push_back(task),
            _ => return queue.push(task),
        }
        Ok(())
    }

    fn pop(&self, queue: &Queue, worker: &Worker) -> Option<Task> {
        let mut hoards = self.lock();
        let hoard = hoards.entry(thread::current().id()).or_default();
        let task = hoard.pop_front().or_else(|| queue.lock().pop_front());
        drop(hoards);
        worker.life().room().freed();
        task
    }

    fn has_queued(&self, queue: &Queue) -> bool {
        let hoards = self.lock();
        let own = hoards.get(&thread::current().id());
        own.is_some_and(|hoard| !hoard.is_empty()) || !queue.lock().is_empty()
    }

    fn take_queued(&self, queue: &Queue) -> Vec<Task> {
        let mut hoards = self.lock();
        let hoarded = hoards.values_mut().flat_map(|hoard| hoard.drain(..));
        hoarded.chain(queue.lock().drain(..)).collect()
    }
}

struct Stack;

impl Flaw for Stack {
    fn pop(&self, queue: &Queue, worker: &Worker) -> Option<Task> {
        let task = queue.lock().pop_back()?;
        worker.life().room().freed();
        Some(task)
    }
}

struct Misnamer;

impl Flaw for Misnamer {
    fn configure(&self, config: &mut PoolConfig) {
        config.set_thread_name("anonymous");
    }
}

struct HookLoser;

impl Flaw for HookLoser {
    fn configure(&self, config: &mut PoolConfig) {
        config.set_on_worker_start(|_worker| ());
    }
}

/// The panics that have cost a worker.
#[derive(Default)]
struct Mortal(AtomicU64);

impl Flaw for Mortal {
    fn pop(&self, queue: &Queue, worker: &Worker) -> Option<Task> {
        let panics = worker.life().stats().panicked;
        if self.0.fetch_max(panics, Ordering::Relaxed) < panics {
            resume_unwind(Box::new("this worker is no more"));
        }
        let task = queue.lock().pop_front()?;
        worker.life().room().freed();
        Some(task)
    }
}

#[derive(Default)]
struct Subletter(OnceLock<Inner>);

impl Flaw for Subletter {
    fn try_accept(&self, _pool: &Inner, task: Task) -> Result<(), Refused<Task>> {
        let other = self.0.get_or_init(|| {
            let builder = Inner::builder().workers(1).adopt(Arc::new(Nothing));
            builder.build().expect("it gets a thread")
        });
        other.try_accept(task)
    }
}
