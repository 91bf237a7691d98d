//! The engine: a queue, and threads that take from it.

use std::convert::Infallible;
use std::sync::Arc;

use pool_core::backend::{Engine, Lifecycle, PoolConfig, SharedQueue, Threads};
use pool_core::{BuildError, Capability};

/// The engine of [`ChannelPool`](crate::ChannelPool).
///
/// One job costs these read-modify-writes on cache lines that threads share: one on the queue's
/// tail, one on its head.
#[derive(Debug)]
pub struct ChannelEngine {
    life: Arc<Lifecycle>,
    queue: SharedQueue,
    threads: Threads,
}

impl Engine for ChannelEngine {
    type Adopted = Infallible;
    type Queue = SharedQueue;

    const NAME: &'static str = "channel";

    fn start(config: PoolConfig, _adopted: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
        let capability = Capability::new(Self::NAME, &config);
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

    fn queue(&self) -> &SharedQueue {
        &self.queue
    }

    fn join_threads(&self) {
        self.threads.join(&self.life);
    }
}
