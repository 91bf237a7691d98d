//! The engine: where a task goes, and in which order a worker looks for one.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use pool_core::{
    BuildError, Capability, Engine, Lifecycle, Places, PoolConfig, SharedQueue, Task, Threads,
    Worker,
};

use crate::deques::Deques;

/// Every so many looks a worker takes from the injector first, so that outsiders start although workers feed themselves (`R206`).
const INJECTOR_EVERY: u32 = 61;

/// Every so many looks a worker takes its own oldest task, so that none stays below newer ones for ever (`R206`).
const OLDEST_EVERY: u32 = 31;

/// The engine of [`WorkStealingPool`](crate::WorkStealingPool).
///
/// One job costs these read-modify-writes on cache lines that threads share: from outside, one for its place and one at each of the
/// injector's ends; from inside none, unless it is stolen. A worker goes to the common count of places for a handful at a time.
pub struct WorkStealingEngine {
    life: Arc<Lifecycle>,
    injector: SharedQueue,
    deques: Deques,
    /// One bound over the injector and the deques together.
    places: Places,
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
            injector: SharedQueue::new(config.capacity()),
            deques: Deques::new(config.workers()),
            places: Places::new(config.capacity(), config.workers()),
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
        let worker = self.deques.own_worker();
        if !self.places.take(worker) {
            return Err(task);
        }
        if worker.is_none() {
            return self.inject(task);
        }
        self.deques.push(task);
        Ok(())
    }

    fn push_unbounded(&self, task: Task) {
        self.places.overdraw();
        self.injector.push_unbounded(task);
    }

    fn push_past_bound(&self, task: Task) {
        self.places.overdraw();
        self.injector.push_past_bound(task);
    }

    #[inline(always)]
    fn pop(&self, worker: &Worker) -> Option<Task> {
        let task = self.find(worker);
        if task.is_some() {
            let room = self.life.room();
            // One who waits looks at the common count first.
            let stash = (!room.has_line()).then(|| worker.index());
            self.places.free(stash);
            room.freed();
        }
        task
    }

    fn has_queued(&self) -> bool {
        !self.injector.is_empty() || !self.deques.is_empty()
    }

    fn take_queued(&self) -> Vec<Task> {
        let injected = std::iter::from_fn(|| self.injector.pop());
        let owned =
            (0..self.deques.len()).flat_map(|i| std::iter::from_fn(move || self.deques.steal(i)));
        let tasks: Vec<Task> = injected
            .chain(owned)
            .inspect(|_| self.places.free(None))
            .collect();
        self.life.room().freed();
        tasks
    }

    fn join_threads(&self) {
        self.threads.join(&self.life);
    }
}

impl WorkStealingEngine {
    /// Queues a task that has taken its place, from outside.
    fn inject(&self, task: Task) -> Result<(), Task> {
        self.injector.push(task).inspect_err(|_| {
            // A popper is half done with the injector's next slot.
            self.places.free(None);
            self.life.room().freed();
        })
    }

    /// One's own newest, then outside, then others'; every so often outside, or one's own oldest, first.
    #[inline(always)]
    fn find(&self, worker: &Worker) -> Option<Task> {
        let (index, tick) = (worker.index(), worker.tick());
        if tick.is_multiple_of(INJECTOR_EVERY)
            && let Some(task) = self.injector.pop()
        {
            return Some(task);
        }
        if tick.is_multiple_of(OLDEST_EVERY)
            && let Some(task) = self.deques.steal(index)
        {
            return Some(task);
        }
        let own = self.deques.pop(index);
        if own.is_some() {
            return own;
        }
        let injected = self.injector.pop();
        if injected.is_some() {
            return injected;
        }
        self.steal(index, tick)
    }

    /// Visits the others once, each time from another one on.
    #[cold]
    fn steal(&self, index: usize, tick: u32) -> Option<Task> {
        let workers = self.deques.len();
        let start = tick as usize;
        (0..workers)
            .map(|step| (start + step) % workers)
            .filter(|&victim| victim != index)
            .find_map(|victim| self.deques.steal_half(victim))
    }
}

impl fmt::Debug for WorkStealingEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkStealingEngine")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
