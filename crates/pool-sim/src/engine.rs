//! The engine: a queue that workers of the simulation take from, in an order drawn from the seed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use pool_core::backend::{
    DeadEntry, Engine, Lifecycle, PoolConfig, TaskPlace, TaskQueue, TaskRef, Threads, Worker,
};
use pool_core::machine;
use pool_core::{BuildError, Capability, Task};

/// The engine of [`SimPool`](crate::SimPool).
///
/// It has threads of its own, one for each worker, as the backends have. They are threads of the
/// simulation in which the pool is built; there is none to be built elsewhere.
pub struct SimEngine {
    life: Arc<Lifecycle>,
    queue: DrawnQueue,
    threads: Threads,
}

/// A queue whose next task is drawn from the seed, unless it is the oldest.
///
/// Any order that it draws is one that some backend may show: what holds here under all seeds
/// relies on no order of starts.
pub struct DrawnQueue {
    /// How many tasks may have a place at once.
    capacity: usize,
    /// Takes the oldest, and draws nothing.
    is_fifo: bool,
    /// Locked through the simulator, so that a thread that waits for it gives its turn away.
    tasks: Mutex<Tasks>,
}

/// The tasks that are queued, and how many of them count against the capacity.
#[derive(Default)]
struct Tasks {
    /// In the order of their pushes.
    tasks: VecDeque<(Task, HasPlace)>,
    /// How many of them have a place.
    placed: usize,
}

impl Tasks {
    /// Adds a task that takes a place, unless its job was cancelled on its way here.
    fn add(&mut self, task: Task) {
        let has_place = if task.is_over() {
            HasPlace::No
        } else {
            HasPlace::Yes
        };
        self.placed += usize::from(has_place == HasPlace::Yes);
        self.tasks.push_back((task, has_place));
    }
}

/// Whether a task takes one of the places that are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HasPlace {
    /// It counts: its pop frees a place.
    Yes,
    /// It was queued whatever the bound.
    No,
}

impl Engine for SimEngine {
    type Adopted = Infallible;
    type Queue = DrawnQueue;

    const NAME: &'static str = "sim";

    fn start(config: PoolConfig, _adopted: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
        let Some(is_fifo) = crate::simulation::is_fifo_here() else {
            return Err(BuildError::Engine {
                engine: Self::NAME,
                reason:
                    "no simulation runs this thread: build the pool within `pool_sim::check` or \
                         `pool_sim::Simulation::try_run`"
                        .to_owned(),
            });
        };
        let capability = Capability {
            fifo: is_fifo,
            ..Capability::new(Self::NAME, &config)
        };
        let engine = Arc::new(Self {
            life: Lifecycle::new(&config, capability),
            queue: DrawnQueue {
                capacity: config.capacity(),
                is_fifo,
                tasks: Mutex::default(),
            },
            threads: Threads::default(),
        });
        engine.threads.start(&engine, &config, |work| work())?;
        Ok(engine)
    }

    fn life(&self) -> &Arc<Lifecycle> {
        &self.life
    }

    fn queue(&self) -> &DrawnQueue {
        &self.queue
    }

    fn join_threads(&self) {
        self.threads.join(&self.life);
    }
}

impl DrawnQueue {
    /// No user code runs under this lock, and no room is told of a place.
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        machine::lock(&self.tasks)
    }
}

impl TaskQueue for DrawnQueue {
    fn push(&self, task: TaskRef<'_>, _life: &Lifecycle) -> Result<(), Task> {
        let mut queue = self.lock();
        if queue.placed >= self.capacity {
            return Err(task.into_task());
        }
        queue.add(task.into_task());
        Ok(())
    }

    fn release(&self, entry: &DeadEntry<'_>, taken_out: &mut Vec<Task>) -> bool {
        let mut queue = self.lock();
        let is_it = |(task, _): &(Task, HasPlace)| task.id() == entry.id();
        let index = queue.tasks.iter().position(is_it);
        let Some((task, has_place)) = index.and_then(|index| queue.tasks.remove(index)) else {
            return false;
        };
        queue.placed -= usize::from(has_place == HasPlace::Yes);
        taken_out.push(task);
        has_place == HasPlace::Yes
    }

    fn push_unbounded(&self, tasks: Vec<Task>) {
        let mut queue = self.lock();
        tasks.into_iter().for_each(|task| queue.add(task));
    }

    fn push_past_bound(&self, task: Task) {
        self.lock().tasks.push_back((task, HasPlace::No));
    }

    fn pop<'a>(&self, worker: &Worker, place: TaskPlace<'a>) -> Option<TaskRef<'a>> {
        let mut queue = self.lock();
        let choice = match queue.tasks.len() {
            0 => return None,
            _ if self.is_fifo => 0,
            queued => machine::draw(queued).unwrap_or(0),
        };
        let (task, has_place) = queue.tasks.remove(choice)?;
        queue.placed -= usize::from(has_place == HasPlace::Yes);
        drop(queue);
        if has_place == HasPlace::Yes {
            worker.life().room().freed();
        }
        Some(TaskRef::new(place, task))
    }

    fn is_empty(&self) -> bool {
        self.lock().tasks.is_empty()
    }

    fn take_all(&self) -> Vec<Task> {
        let queue = std::mem::take(&mut *self.lock());
        queue.tasks.into_iter().map(|(task, _)| task).collect()
    }
}

impl fmt::Debug for DrawnQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrawnQueue")
            .field("capacity", &self.capacity)
            .field("is_fifo", &self.is_fifo)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SimEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimEngine")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
