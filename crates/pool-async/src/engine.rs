//! The engine: a bounded queue, visits on blocking threads for closures, and chains of hosted futures.
//!
//! A worker's token is either asleep, on a **visit** (a blocking thread that takes tasks from the queue and runs them), or on a
//! **chain** (a task of the runtime that hosts one future after the other). A visit that takes a future starts a chain with its token
//! and leaves; a chain that takes a closure starts a visit with it. So streams of one kind change nothing, and at most `workers`
//! jobs run at once whatever their kind. A token that is resumed begins as what the last job that was queued asks for.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use pool_core::{
    BuildError, Capability, Engine, Held, Left, Lifecycle, PoolConfig, QueuedBy, SharedQueue, Step,
    Task, TaskPlace, Worker, host_futures, put_to_sleep, visit,
};
use tokio::runtime::Handle;

use crate::runtime::OwnRuntime;

/// The engine of [`AsyncPool`](crate::AsyncPool).
///
/// One job costs these read-modify-writes on cache lines that threads share: one on the queue's tail, one on its head.
pub struct AsyncEngine {
    life: Arc<Lifecycle>,
    queue: SharedQueue,
    handle: Handle,
    own: Option<OwnRuntime>,
    me: Weak<Self>,
    /// Whether the task queued last is a future: a guess at what a resumed token will find.
    expects_future: AtomicBool,
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
        let engine = Arc::new_cyclic(|me: &Weak<Self>| Self {
            queue: SharedQueue::new(config.capacity()),
            expects_future: AtomicBool::new(false),
            me: me.clone(),
            life,
            handle,
            own,
        });
        let weak = engine.me.clone();
        engine.life.resume_with(move |token| {
            let Some(engine) = weak.upgrade() else { return };
            if engine.expects_future.load(Ordering::Relaxed) {
                engine.start_chain(token, None);
            } else {
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
    fn push(&self, task: Held<'_>) -> Result<(), Task> {
        let is_future = task.is_async();
        // Written when it changes alone, so a stream of one kind shares the line.
        if self.expects_future.load(Ordering::Relaxed) != is_future {
            self.expects_future.store(is_future, Ordering::Relaxed);
        }
        self.queue.push(task)
    }

    fn push_unbounded(&self, task: Task) {
        self.queue.push_unbounded(task);
    }

    fn push_past_bound(&self, task: Task) {
        self.queue.push_past_bound(task);
    }

    #[inline]
    fn pop<'a>(&self, _worker: &Worker, place: TaskPlace<'a>) -> Option<Held<'a>> {
        let mut queued_by = QueuedBy::Push;
        let task = self.queue.pop_telling(place, &mut queued_by).ok()?;
        if queued_by == QueuedBy::Push {
            self.life.room().freed();
        }
        Some(task)
    }

    fn run(&self, worker: &Worker, task: Held<'_>) -> Step {
        if !task.is_async() || self.life.is_cancelling() {
            worker.run_held(task);
            return Step::Ran;
        }
        if let Some(engine) = self.me.upgrade() {
            engine.start_chain(worker.token(), Some(task.into_task()));
        }
        Step::Moved
    }

    fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    fn take_queued(&self) -> Vec<Task> {
        let tasks = self.queue.take_all();
        self.life.room().freed();
        tasks
    }

    fn join_threads(&self) {
        if let Some(own) = &self.own {
            own.shut_down(self.life.have_all_left());
        }
    }
}

impl AsyncEngine {
    fn start_visit(self: Arc<Self>, token: usize, first: Option<Task>) {
        let handle = self.handle.clone();
        let lent = Lent::new(self, token, first);
        handle.spawn_blocking(move || {
            let (engine, token, first) = lent.arrive();
            visit(&engine, token, first);
        });
    }

    fn start_chain(self: Arc<Self>, token: usize, first: Option<Task>) {
        let handle = self.handle.clone();
        handle.spawn(chain(Lent::new(self, token, first)));
    }
}

async fn chain(mut lent: Lent) {
    let first = lent.first.take();
    let left = match &lent.engine {
        Some(engine) => host_futures(engine, lent.token, first).await,
        None => return,
    };
    let (engine, token, _) = lent.arrive();
    if let Left::ForVisit(first) = left {
        engine.start_visit(token, first);
    }
}

/// A token that was given to the runtime, and the task that goes with it. If the runtime drops it (it was shut down first), the
/// worker is lost.
struct Lent {
    engine: Option<Arc<AsyncEngine>>,
    token: usize,
    first: Option<Task>,
}

impl Lent {
    fn new(engine: Arc<AsyncEngine>, token: usize, first: Option<Task>) -> Self {
        Self {
            engine: Some(engine),
            token,
            first,
        }
    }

    /// The token is in good hands again.
    fn arrive(mut self) -> (Arc<AsyncEngine>, usize, Option<Task>) {
        let engine = self.engine.take().expect("it is there until it arrives");
        (engine, self.token, self.first.take())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(engine) = self.engine.take() else {
            return;
        };
        match self.first.take() {
            Some(first) => {
                engine.push_unbounded(first);
                engine.life.notify();
            }
            None => engine.life.searcher_lost(),
        }
        engine.life.worker_lost(self.token, || engine.take_queued());
    }
}

impl fmt::Debug for AsyncEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncEngine")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
