//! The engine: a queue with a deque for each worker, and threads that take from it.

use std::convert::Infallible;
use std::sync::Arc;

use pool_core::backend::{Engine, Lifecycle, PoolConfig, StealingQueue, Threads};
use pool_core::{BuildError, Capability};

/// The engine of [`WorkStealingPool`](crate::WorkStealingPool).
///
/// It is the queue and the threads, and nothing else: what a worker takes next is
/// [`StealingQueue`]'s to say.
#[derive(Debug)]
pub struct WorkStealingEngine {
    life: Arc<Lifecycle>,
    queue: StealingQueue,
    threads: Threads,
}

impl Engine for WorkStealingEngine {
    type Adopted = Infallible;
    type Queue = StealingQueue;

    const NAME: &'static str = "work-stealing";

    fn start(config: PoolConfig, _adopted: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
        let capability = Capability {
            fifo: false,
            ..Capability::new(Self::NAME, &config)
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

    fn queue(&self) -> &StealingQueue {
        &self.queue
    }

    fn join_threads(&self) {
        self.threads.join(&self.life);
    }
}
