//! The engine: a bounded queue, visits on blocking threads for closures, and chains of hosted futures.
//!
//! A worker's token is either asleep, on a **visit** (a blocking thread that takes tasks from the queue and runs them), or on a
//! **chain** (a task of the runtime that hosts one future after the other). A visit that takes a future starts a chain with its token
//! and leaves; a chain that takes a closure starts a visit with it. So streams of one kind change nothing, and at most `workers`
//! jobs run at once whatever their kind.

use std::fmt;
use std::sync::Arc;

use pool_core::{
    BuildError, Capability, Engine, Lifecycle, PoolConfig, SharedQueue, Step, Task, Worker,
    put_to_sleep, rest_elsewhere, visit,
};
use tokio::runtime::Handle;

use crate::runtime::OwnRuntime;

/// The engine of [`AsyncPool`](crate::AsyncPool).
///
/// One job costs these read-modify-writes on cache lines that threads share: the submitter's stripe of the ledger, the queue's places
/// twice, and its two ends; a future besides the lock over the jobs that run on no worker's thread, twice.
pub struct AsyncEngine {
    life: Arc<Lifecycle>,
    queue: SharedQueue,
    handle: Handle,
    own: Option<OwnRuntime>,
    me: std::sync::Weak<Self>,
}

impl Engine for AsyncEngine {
    type Adopted = Handle;

    const NAME: &'static str = "async";

    fn start(config: PoolConfig, adopted: Option<Handle>) -> Result<Arc<Self>, BuildError> {
        let capability = Capability {
            name: Self::NAME,
            workers: config.workers(),
            capacity: Some(config.capacity()),
            fifo: true,
            async_jobs: true,
            owns_threads: adopted.is_none(),
        };
        let life = Lifecycle::new(&config, capability);
        let (own, handle) = match adopted {
            Some(handle) => (None, handle),
            None => {
                let (own, handle) = OwnRuntime::build(&life, &config)?;
                (Some(own), handle)
            }
        };
        let engine = Arc::new_cyclic(|me: &std::sync::Weak<Self>| Self {
            queue: SharedQueue::new(config.capacity()),
            me: me.clone(),
            life,
            handle,
            own,
        });
        let weak = engine.me.clone();
        engine.life.resume_with(move |token| {
            if let Some(engine) = weak.upgrade() {
                engine.start_visit(token, None);
            }
        });
        put_to_sleep(&engine.life);
        Ok(engine)
    }

    fn life(&self) -> &Arc<Lifecycle> {
        &self.life
    }

    #[inline]
    fn push(&self, task: Task) -> Result<(), Task> {
        self.queue.push(task)
    }

    fn push_unbounded(&self, task: Task) {
        self.queue.push_unbounded(task);
    }

    #[inline]
    fn pop(&self, _worker: &Worker) -> Option<Task> {
        self.take()
    }

    fn run(&self, worker: &Worker, task: Task) -> Step {
        if !task.is_async() || self.life.is_cancelling() {
            worker.run(task);
            return Step::Ran;
        }
        self.start_chain(worker.token(), task);
        Step::Moved
    }

    fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    fn take_queued(&self) -> Vec<Task> {
        std::iter::from_fn(|| self.take()).collect()
    }

    fn join_threads(&self) {
        if let Some(own) = &self.own {
            own.shut_down(self.life.have_all_left());
        }
    }
}

impl AsyncEngine {
    fn take(&self) -> Option<Task> {
        let task = self.queue.pop()?;
        self.life.room().freed();
        Some(task)
    }

    fn start_visit(self: Arc<Self>, token: usize, first: Option<Task>) {
        let handle = self.handle.clone();
        let lent = Lent {
            engine: Some(Arc::clone(&self)),
            token,
        };
        handle.spawn_blocking(move || {
            lent.arrive();
            visit(&self, token, first);
        });
    }

    fn start_chain(&self, token: usize, first: Task) {
        let Some(engine) = self.me.upgrade() else {
            return;
        };
        self.handle.spawn(chain(engine, token, first));
    }
}

/// Hosts one future after the other, for as long as the queue has futures at its head.
async fn chain(engine: Arc<AsyncEngine>, token: usize, first: Task) {
    let mut next = Some(first);
    let lent = Lent {
        engine: Some(Arc::clone(&engine)),
        token,
    };
    loop {
        match next.take().or_else(|| engine.take()) {
            Some(task) if engine.life.is_cancelling() => engine.life.give_up(task),
            Some(task) => match task.host(&engine, token) {
                Ok(hosted) => hosted.await,
                Err(closure) => {
                    lent.arrive();
                    engine.start_visit(token, Some(closure));
                    return;
                }
            },
            None => {
                if !rest_elsewhere(&*engine, token) {
                    lent.arrive();
                    return;
                }
            }
        }
    }
}

/// A token that was given to the runtime. If the runtime drops it (it was shut down first), the worker is lost.
struct Lent {
    engine: Option<Arc<AsyncEngine>>,
    token: usize,
}

impl Lent {
    /// The token is in good hands again.
    fn arrive(mut self) {
        self.engine = None;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.life.worker_lost(self.token, || engine.take_queued());
        }
    }
}

impl fmt::Debug for AsyncEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncEngine")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
