//! Faults on the way in: jobs lost, bounds ignored, submitters held up.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pool_core::backend::{PoolConfig, Worker};
use pool_core::{BuildError, Executor, JobId, Refused, Task};

use super::Faulty;
use super::engine::{Flaw, FlawedEngine, Inner, Queue, nap};

pub(super) fn all() -> Vec<Faulty> {
    [of_a_bound(), of_a_submission()].concat()
}

/// Wrong about how much gets in, and when.
fn of_a_bound() -> Vec<Faulty> {
    vec![
        Faulty::new(
            "glutton",
            "accepts more than its capacity",
            &["R104"],
            || Arc::new(Glutton),
        ),
        Faulty::new(
            "pew keeper",
            "keeps the place of a cancelled job until the queue gets there",
            &["R104"],
            || Arc::new(PewKeeper),
        ),
        Faulty::new(
            "double seller",
            "frees the place of a cancelled job, and once more as its entry is popped",
            &["R104"],
            || Arc::new(DoubleSeller::default()),
        ),
        Faulty::new(
            "swallower",
            "says that it accepted what a full queue refused",
            &["R102"],
            || Arc::new(Swallower),
        ),
        Faulty::new(
            "blocker",
            "waits for room where it must refuse",
            &["R105", "R1061"],
            || Arc::new(Blocker),
        ),
        Faulty::new(
            "silent room",
            "tells nobody in line that a place came free",
            &["R107", "R1042"],
            || Arc::new(SilentRoom),
        ),
        Faulty::new(
            "family firm",
            "takes nobody in while children wait past the bound",
            &["R107"],
            || Arc::new(FamilyFirm),
        ),
        Faulty::new(
            "short memory",
            "forgets what is queued past the bound",
            &["R113", "R1043"],
            || Arc::new(ShortMemory),
        ),
        Faulty::new(
            "reserver",
            "takes memory for all of its capacity at once",
            &["R111"],
            || Arc::new(Reserver),
        ),
    ]
}

/// Wrong about which thread may submit what.
fn of_a_submission() -> Vec<Faulty> {
    vec![
        Faulty::new(
            "dropper",
            "accepts every fourth job and drops it",
            &["R101"],
            || Arc::new(Dropper::default()),
        ),
        Faulty::new(
            "homesick",
            "cannot submit from a thread whose locals are gone",
            &["R112"],
            || Arc::new(Homesick),
        ),
        Faulty::new(
            "future hater",
            "claims to run futures and drops them",
            &["R801", "R1041"],
            || Arc::new(FutureHater),
        ),
        Faulty::new(
            "late taker",
            "accepts after its close, and forgets",
            &["R601"],
            || Arc::new(LateTaker),
        ),
        Faulty::new(
            "yes-man",
            "builds a pool from a configuration that makes no sense",
            &["R109"],
            || Arc::new(YesMan),
        ),
        Faulty::new(
            "pretender",
            "builds a pool without the hook of its workers' start where that fails",
            &["R109"],
            || Arc::new(Pretender),
        ),
    ]
}

#[derive(Default)]
struct Dropper(AtomicUsize);

impl Flaw for Dropper {
    fn push(&self, queue: &Queue, task: Task) -> Result<(), Task> {
        if self.0.fetch_add(1, Ordering::Relaxed) % 4 == 3 {
            drop(task);
            return Ok(());
        }
        queue.push(task)
    }
}

struct Glutton;

impl Flaw for Glutton {
    fn push(&self, queue: &Queue, task: Task) -> Result<(), Task> {
        queue.lock().push_back(task);
        Ok(())
    }
}

struct PewKeeper;

impl Flaw for PewKeeper {
    fn release(&self, _queue: &Queue, _job: JobId) -> Option<Task> {
        None
    }
}

/// Counts one place more for each job that was cancelled.
#[derive(Default)]
struct DoubleSeller(AtomicUsize);

impl Flaw for DoubleSeller {
    fn push(&self, queue: &Queue, task: Task) -> Result<(), Task> {
        let mut tasks = queue.lock();
        if tasks.len() >= queue.capacity + self.0.load(Ordering::Relaxed) {
            return Err(task);
        }
        tasks.push_back(task);
        Ok(())
    }

    fn release(&self, queue: &Queue, job: JobId) -> Option<Task> {
        let mut tasks = queue.lock();
        let index = tasks.iter().position(|task| task.id() == job)?;
        self.0.fetch_add(1, Ordering::Relaxed);
        tasks.remove(index)
    }
}

struct Swallower;

impl Flaw for Swallower {
    fn push(&self, queue: &Queue, task: Task) -> Result<(), Task> {
        if let Err(refused) = queue.push(task) {
            drop(refused);
        }
        Ok(())
    }
}

struct Blocker;

impl Flaw for Blocker {
    fn push(&self, queue: &Queue, mut task: Task) -> Result<(), Task> {
        while let Err(refused) = queue.push(task) {
            task = refused;
            nap();
        }
        Ok(())
    }
}

struct SilentRoom;

impl Flaw for SilentRoom {
    fn pop(&self, queue: &Queue, _worker: &Worker) -> Option<Task> {
        queue.lock().pop_front()
    }
}

struct FamilyFirm;

impl Flaw for FamilyFirm {
    fn push(&self, queue: &Queue, task: Task) -> Result<(), Task> {
        if !queue.past_bound().is_empty() {
            return Err(task);
        }
        queue.push(task)
    }
}

struct ShortMemory;

impl Flaw for ShortMemory {
    fn push_past_bound(&self, _queue: &Queue, task: Task) {
        drop(task);
    }
}

struct YesMan;

impl Flaw for YesMan {
    fn build(&self, mut config: PoolConfig, flaw: Arc<dyn Flaw>) -> Result<Inner, BuildError> {
        config.set_workers(config.workers().max(1));
        config.set_capacity(config.capacity().max(1));
        Inner::builder().config(config).adopt(flaw).build()
    }
}

struct Pretender;

impl Flaw for Pretender {
    fn build(&self, config: PoolConfig, flaw: Arc<dyn Flaw>) -> Result<Inner, BuildError> {
        let build = |config| {
            Inner::builder()
                .config(config)
                .adopt(Arc::clone(&flaw))
                .build()
        };
        match build(config.clone()) {
            Err(BuildError::WorkerStart { .. } | BuildError::WorkerStartPanicked { .. }) => {
                let mut without = config;
                without.set_on_worker_start(|_worker| ());
                build(without)
            }
            built => built,
        }
    }
}

struct Reserver;

impl Flaw for Reserver {
    fn start(&self, engine: &Arc<FlawedEngine>, config: &PoolConfig) -> Result<(), BuildError> {
        engine.reserve_queue();
        engine.threads.start(engine, config, |work| work())
    }
}

struct Homesick;

impl Flaw for Homesick {
    fn push(&self, queue: &Queue, task: Task) -> Result<(), Task> {
        thread_local! {
            static PUSHED: RefCell<Vec<JobId>> = const { RefCell::new(Vec::new()) };
        }
        PUSHED.with(|pushed| pushed.borrow_mut().push(task.id()));
        queue.push(task)
    }
}

struct FutureHater;

impl Flaw for FutureHater {
    fn push(&self, queue: &Queue, task: Task) -> Result<(), Task> {
        if task.is_async() {
            drop(task);
            return Ok(());
        }
        queue.push(task)
    }
}

struct LateTaker;

impl Flaw for LateTaker {
    fn try_accept(&self, pool: &Inner, task: Task) -> Result<(), Refused<Task>> {
        match pool.try_accept(task) {
            Err(Refused::Closed(task)) => {
                drop(task);
                Ok(())
            }
            result => result,
        }
    }
}
