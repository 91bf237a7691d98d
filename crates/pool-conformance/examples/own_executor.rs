//! Tests an executor of your own against the contract: an engine, a fixture, and every rule.
//!
//! `cargo run --example own_executor`; the exit code says whether all rules hold.

mod verdicts;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard};

use pool_conformance::Fixture;
use pool_core::backend::{
    DeadEntry, Engine, Lifecycle, PoolConfig, TaskPlace, TaskQueue, TaskRef, Threads, Worker,
    WorkerPool,
};
use pool_core::{BuildError, Capability, Task};

/// Threads on a queue under a lock.
struct Own {
    life: Arc<Lifecycle>,
    queue: LockedQueue,
    threads: Threads,
}

impl Engine for Own {
    type Adopted = Infallible;
    type Queue = LockedQueue;
    const NAME: &'static str = "own";

    fn start(config: PoolConfig, _adopted: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
        let capability = Capability::new(Self::NAME, &config);
        let engine = Arc::new(Self {
            life: Lifecycle::new(&config, capability),
            queue: LockedQueue {
                tasks: Mutex::default(),
                capacity: config.capacity(),
            },
            threads: Threads::default(),
        });
        engine.threads.start(&engine, &config, |work| work())?;
        Ok(engine)
    }

    fn life(&self) -> &Arc<Lifecycle> {
        &self.life
    }

    fn queue(&self) -> &LockedQueue {
        &self.queue
    }

    fn join_threads(&self) {
        self.threads.join(&self.life);
    }
}

/// First in, first out. `pool_core::backend::SharedQueue` would do; this one shows what a queue has
/// to do.
struct LockedQueue {
    tasks: Mutex<Tasks>,
    capacity: usize,
}

#[derive(Default)]
struct Tasks {
    /// Each task, and whether it takes a slot.
    queued: VecDeque<(Task, bool)>,
    placed: usize,
}

impl Tasks {
    /// Adds a task that takes a slot, unless its job was cancelled on its way here.
    fn add(&mut self, task: Task) {
        let has_place = !task.is_over();
        self.placed += usize::from(has_place);
        self.queued.push_back((task, has_place));
    }
}

impl LockedQueue {
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().expect("nothing panics under this lock")
    }
}

impl TaskQueue for LockedQueue {
    fn push(&self, task: TaskRef<'_>, _life: &Lifecycle) -> Result<(), Task> {
        let mut tasks = self.lock();
        if tasks.placed >= self.capacity {
            return Err(task.into_task());
        }
        tasks.add(task.into_task());
        Ok(())
    }

    fn release(&self, entry: &DeadEntry<'_>, taken_out: &mut Vec<Task>) -> bool {
        let mut tasks = self.lock();
        let is_it = |(task, _): &(Task, bool)| task.id() == entry.id();
        let index = tasks.queued.iter().position(is_it);
        let Some((task, has_place)) = index.and_then(|index| tasks.queued.remove(index)) else {
            return false;
        };
        tasks.placed -= usize::from(has_place);
        taken_out.push(task);
        has_place
    }

    fn push_unbounded(&self, tasks: Vec<Task>) {
        // Each takes a slot, also where none is left: no push succeeds until some have left. The
        // lock is taken once, so no child comes in between.
        let mut queue = self.lock();
        tasks.into_iter().for_each(|task| queue.add(task));
    }

    fn push_past_bound(&self, task: Task) {
        // It takes no slot, so chains of such tasks keep no submitter out.
        self.lock().queued.push_back((task, false));
    }

    fn pop<'a>(&self, worker: &Worker, place: TaskPlace<'a>) -> Option<TaskRef<'a>> {
        let mut tasks = self.lock();
        let (task, has_place) = tasks.queued.pop_front()?;
        tasks.placed -= usize::from(has_place);
        drop(tasks);
        if has_place {
            worker.life().room().freed();
        }
        Some(TaskRef::new(place, task))
    }

    fn is_empty(&self) -> bool {
        self.lock().queued.is_empty()
    }

    fn take_all(&self) -> Vec<Task> {
        let tasks = std::mem::take(&mut *self.lock());
        tasks.queued.into_iter().map(|(task, _)| task).collect()
    }
}

/// Tells the kit how to build it.
struct OwnFixture;

impl Fixture for OwnFixture {
    type Pool = WorkerPool<Own>;

    fn build(config: PoolConfig) -> Result<Self::Pool, BuildError> {
        Self::Pool::builder().config(config).build()
    }

    fn pause(pool: &Self::Pool) -> bool {
        pool.pause();
        true
    }

    fn resume(pool: &Self::Pool) {
        pool.resume();
    }
}

fn main() -> ExitCode {
    verdicts::print::<OwnFixture>()
}
