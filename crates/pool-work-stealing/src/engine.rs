//! The engine: a queue with a deque for each worker, and threads that take from it.

use std::convert::Infallible;
use std::sync::Arc;

use pool_core::{
    BuildError, Capability, Engine, Held, Lifecycle, PoolConfig, Task, TaskPlace, Threads, Worker,
};

use crate::queue::StealingQueue;

/// The engine of [`WorkStealingPool`](crate::WorkStealingPool).
#[derive(Debug)]
pub struct WorkStealingEngine {
    life: Arc<Lifecycle>,
    queue: StealingQueue,
    threads: Threads,
}

impl Engine for WorkStealingEngine {
    type Adopted = Infallible;

    const NAME: &'static str = "work-stealing";

    fn start(config: PoolConfig, _adopted: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
        let capability = Capability {
            name: Self::NAME,
            workers: config.workers(),
            capacity: Some(config.capacity()),
            fifo: false,
            async_jobs: true,
            owns_threads: true,
        };
        let engine = Arc::new(Self {
            life: Lifecycle::new(&config, capability),
            queue: StealingQueue::new(config.capacity(), config.workers()),
            threads: Threads::default(),
        });
        engine.threads.start(&engine, &config, |work| work())?;
        Ok(engine)
    }

    fn life(&self) -> &Arc<Lifecycle> {
        &self.life
    }

    #[inline(always)]
    fn push(&self, task: Held<'_>) -> Result<(), Task> {
        self.queue.push(task, &self.life)
    }

    fn push_unbounded(&self, task: Task) {
        self.queue.push_unbounded(task);
    }

    fn push_past_bound(&self, task: Task) {
        self.queue.push_past_bound(task);
    }

    fn past_bound(&self) -> usize {
        self.queue.past_bound()
    }

    #[inline(always)]
    fn pop<'a>(&self, worker: &Worker, place: TaskPlace<'a>) -> Option<Held<'a>> {
        self.queue.pop(worker, place)
    }

    fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    fn take_queued(&self) -> Vec<Task> {
        self.queue.take_all(&self.life)
    }

    fn join_threads(&self) {
        self.threads.join(&self.life);
    }
}
