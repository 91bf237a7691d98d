//! An engine that runs nothing, for tests: just enough to make a worker.

use std::convert::Infallible;
use std::sync::Arc;

use crate::pool::capability::Capability;
use crate::pool::config::PoolConfig;
use crate::pool::engine::Engine;
use crate::pool::lifecycle::Lifecycle;
use crate::queue::TaskQueue;
use crate::submit::error::BuildError;
use crate::task::{Task, TaskPlace, TaskRef};
use crate::worker::Worker;

pub(crate) struct NoopEngine(pub(crate) Arc<Lifecycle>);

impl Engine for NoopEngine {
    type Adopted = Infallible;
    type Queue = NoQueue;
    const NAME: &'static str = "still";

    fn start(config: PoolConfig, _: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
        let capability = Capability {
            owns_threads: false,
            ..Capability::new(Self::NAME, &config)
        };
        Ok(Arc::new(Self(Lifecycle::new(&config, capability))))
    }

    fn life(&self) -> &Arc<Lifecycle> {
        &self.0
    }

    fn queue(&self) -> &NoQueue {
        &NoQueue
    }

    fn join_threads(&self) {}
}

/// A queue without slots.
pub(crate) struct NoQueue;

impl TaskQueue for NoQueue {
    fn push(&self, task: TaskRef<'_>, _life: &Lifecycle) -> Result<(), Task> {
        Err(task.into_task())
    }

    fn push_unbounded(&self, _tasks: Vec<Task>) {}

    fn pop<'a>(&self, _worker: &Worker, _place: TaskPlace<'a>) -> Option<TaskRef<'a>> {
        None
    }

    fn is_empty(&self) -> bool {
        true
    }

    fn take_all(&self) -> Vec<Task> {
        Vec::new()
    }
}
