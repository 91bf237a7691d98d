//! The engine: a queue, and threads that take from it.

use std::convert::Infallible;
use std::sync::Arc;

use pool_core::{
    BuildError, Capability, Engine, Held, Lifecycle, PoolConfig, QueuedBy, SharedQueue, Task,
    TaskPlace, Threads, Worker,
};

/// The engine of [`ChannelPool`](crate::ChannelPool).
///
/// One job costs these read-modify-writes on cache lines that threads share: one on the queue's tail, one on its head.
#[derive(Debug)]
pub struct ChannelEngine {
    life: Arc<Lifecycle>,
    queue: SharedQueue,
    threads: Threads,
}

impl Engine for ChannelEngine {
    type Adopted = Infallible;

    const NAME: &'static str = "channel";

    fn start(config: PoolConfig, _adopted: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
        let capability = Capability {
            name: Self::NAME,
            workers: config.workers(),
            capacity: Some(config.capacity()),
            fifo: true,
            async_jobs: true,
            owns_threads: true,
        };
        let engine = Arc::new(Self {
            life: Lifecycle::new(&config, capability),
            queue: SharedQueue::new(config.capacity()),
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
        self.queue.push(task)
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
    fn pop<'a>(&self, _worker: &Worker, place: TaskPlace<'a>) -> Option<Held<'a>> {
        let mut queued_by = QueuedBy::Push;
        let task = self.queue.pop_telling(place, &mut queued_by).ok()?;
        if queued_by == QueuedBy::Push {
            self.life.room().freed();
        }
        Some(task)
    }

    #[inline]
    fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    fn take_queued(&self) -> Vec<Task> {
        let tasks = self.queue.take_all();
        self.life.room().freed();
        tasks
    }

    fn join_threads(&self) {
        self.threads.join(&self.life);
    }
}
