//! The engine: a queue, and threads that take from it.

use std::convert::Infallible;
use std::sync::Arc;

use pool_core::{
    BuildError, Capability, Engine, Lifecycle, PoolConfig, SharedQueue, Task, Threads, Worker,
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
    fn push(&self, task: Task) -> Result<(), Task> {
        self.queue.push(task)
    }

    fn push_unbounded(&self, task: Task) {
        self.queue.push_unbounded(task);
    }

    fn push_past_bound(&self, task: Task) {
        self.queue.push_past_bound(task);
    }

    #[inline(always)]
    fn pop(&self, _worker: &Worker) -> Option<Task> {
        let task = self.queue.pop();
        if task.is_some() {
            self.life.room().freed();
        }
        task
    }

    #[inline]
    fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    fn take_queued(&self) -> Vec<Task> {
        let tasks = std::iter::from_fn(|| self.queue.pop()).collect();
        self.life.room().freed();
        tasks
    }

    fn join_threads(&self) {
        self.threads.join(&self.life);
    }
}
