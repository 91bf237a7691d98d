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
    queue: Mutex<VecDeque<Task>>,
    threads: Threads,
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
        if queue.len() >= self.capacity {
            return Err(task.into_task());
        }
        queue.push_back(task.into_task());
        Ok(())
    }

    fn push_unbounded(&self, task: Task) {
        self.queue().push_back(task);
    }

    fn pop<'a>(&self, _worker: &Worker, place: TaskPlace<'a>) -> Option<Held<'a>> {
        let mut queue = self.queue();
        let choice = match queue.len() {
            0 => return None,
            _ if self.is_fifo => 0,
            queued => machine::draw(queued).unwrap_or(0),
        };
        let task = queue.remove(choice)?;
        drop(queue);
        self.life.room().freed();
        Some(Held::new(place, task))
    }

    fn has_queued(&self) -> bool {
        !self.queue().is_empty()
    }

    fn take_queued(&self) -> Vec<Task> {
        let tasks = self.queue().drain(..).collect();
        self.life.room().freed();
        tasks
    }

    fn join_threads(&self) {
        self.threads.join(&self.life);
    }
}

impl SimEngine {
    fn queue(&self) -> MutexGuard<'_, VecDeque<Task>> {
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
