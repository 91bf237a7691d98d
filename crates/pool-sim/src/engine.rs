//! The engine: a queue that workers of the simulation take from, in an order drawn from the seed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use pool_core::machine;
use pool_core::{
    BuildError, Capability, Engine, Held, Lifecycle, PoolConfig, Task, TaskPlace, Threads, Worker,
};

/// The engine of [`SimPool`](crate::SimPool).
pub struct SimEngine {
    life: Arc<Lifecycle>,
    capacity: usize,
    is_fifo: bool,
    queue: Mutex<Queue>,
    threads: Threads,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<(Task, HasPlace)>,
    /// How many of them have a place.
    placed: usize,
}

/// Whether a task takes one of the places that are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HasPlace {
    Yes,
    /// It was queued whatever the bound.
    No,
}

impl Engine for SimEngine {
    type Adopted = Infallible;

    const NAME: &'static str = "sim";

    fn start(config: PoolConfig, _adopted: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
        let Some(is_fifo) = crate::simulation::is_fifo_here() else {
            return Err(BuildError::Engine {
                engine: Self::NAME,
                reason:
                    "no simulation runs this thread: build the pool within `pool_sim::check` or \
                         `pool_sim::Simulation::run`"
                        .to_owned(),
            });
        };
        let capability = Capability {
            name: Self::NAME,
            workers: config.workers(),
            capacity: Some(config.capacity()),
            fifo: is_fifo,
            async_jobs: true,
            owns_threads: true,
        };
        let engine = Arc::new(Self {
            life: Lifecycle::new(&config, capability),
            capacity: config.capacity(),
            is_fifo,
            queue: Mutex::default(),
            threads: Threads::default(),
        });
        engine.threads.start(&engine, &config, |work| work())?;
        Ok(engine)
    }

    fn life(&self) -> &Arc<Lifecycle> {
        &self.life
    }

    fn push(&self, task: Held<'_>) -> Result<(), Task> {
        let mut queue = self.queue();
        if queue.placed >= self.capacity {
            return Err(task.into_task());
        }
        queue.placed += 1;
        queue.tasks.push_back((task.into_task(), HasPlace::Yes));
        Ok(())
    }

    fn push_unbounded(&self, task: Task) {
        self.queue().tasks.push_back((task, HasPlace::No));
    }

    fn pop<'a>(&self, _worker: &Worker, place: TaskPlace<'a>) -> Option<Held<'a>> {
        let mut queue = self.queue();
        let choice = match queue.tasks.len() {
            0 => return None,
            _ if self.is_fifo => 0,
            queued => machine::draw(queued).unwrap_or(0),
        };
        let (task, has_place) = queue.tasks.remove(choice)?;
        queue.placed -= usize::from(has_place == HasPlace::Yes);
        drop(queue);
        if has_place == HasPlace::Yes {
            self.life.room().freed();
        }
        Some(Held::new(place, task))
    }

    fn has_queued(&self) -> bool {
        !self.queue().tasks.is_empty()
    }

    fn take_queued(&self) -> Vec<Task> {
        let queue = std::mem::take(&mut *self.queue());
        let tasks = queue.tasks.into_iter().map(|(task, _)| task).collect();
        self.life.room().freed();
        tasks
    }

    fn join_threads(&self) {
        self.threads.join(&self.life);
    }
}

impl SimEngine {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        machine::lock(&self.queue)
    }
}

impl fmt::Debug for SimEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimEngine")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
