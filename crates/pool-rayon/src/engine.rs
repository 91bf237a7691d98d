//! The engine: a bounded queue with a deque for each of rayon's threads, and visits there that empty it.

use std::sync::{Arc, Mutex, PoisonError};

use pool_core::{
    BuildError, Capability, Engine, Held, Lifecycle, PoolConfig, Task, TaskPlace, Worker,
    put_to_sleep, visit,
};
use pool_work_stealing::StealingQueue;
use rayon::ThreadPool;

use crate::threads::OwnThreads;

/// The engine of [`RayonPool`](crate::RayonPool).
///
/// Jobs wait in a queue of the pool's own, since rayon's has no bound. At most `workers` visits at once take from it, each a
/// rayon job that goes on until the queue is empty, so a burst of jobs costs rayon one job for each worker. What a job submits goes onto a
/// deque of its thread's, as with rayon's own.
#[derive(Debug)]
pub struct RayonEngine {
    life: Arc<Lifecycle>,
    queue: StealingQueue,
    rayon: Mutex<Option<Arc<ThreadPool>>>,
    own_threads: Option<OwnThreads>,
}

impl Engine for RayonEngine {
    type Adopted = Arc<ThreadPool>;

    const NAME: &'static str = "rayon";

    fn start(
        config: PoolConfig,
        adopted: Option<Arc<ThreadPool>>,
    ) -> Result<Arc<Self>, BuildError> {
        if let Some(rayon) = &adopted
            && config.workers() > rayon.current_num_threads()
        {
            return Err(BuildError::Engine {
                engine: "rayon",
                reason: format!(
                    "{} workers cannot run at once on the {} threads of the adopted pool: ask for as many or fewer",
                    config.workers(),
                    rayon.current_num_threads()
                ),
            });
        }
        let capability = Capability {
            name: Self::NAME,
            workers: config.workers(),
            capacity: Some(config.capacity()),
            fifo: false,
            async_jobs: true,
            owns_threads: adopted.is_none(),
        };
        let life = Lifecycle::new(&config, capability);
        let own_threads = adopted.is_none().then(OwnThreads::default);
        let rayon = match (&own_threads, adopted) {
            (Some(own), _) => Arc::new(own.build(&life, &config)?),
            (None, Some(adopted)) => adopted,
            (None, None) => unreachable!("without an adopted pool there are threads of our own"),
        };
        let engine = Arc::new(Self {
            queue: StealingQueue::new(config.capacity(), rayon.current_num_threads()),
            rayon: Mutex::new(Some(Arc::clone(&rayon))),
            own_threads,
            life,
        });
        let weak = Arc::downgrade(&engine);
        let visits = Arc::downgrade(&rayon);
        engine.life.resume_with(move |token| {
            let Some(engine) = weak.upgrade() else { return };
            match visits.upgrade() {
                Some(rayon) => rayon.spawn(move || visit(&engine, token, None)),
                // Only after the end is there no pool to visit.
                None => engine.life.worker_gone(token),
            }
        });
        put_to_sleep(&engine.life);
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
        let rayon = self
            .rayon
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(rayon);
        if let Some(own) = &self.own_threads
            && self.life.have_all_left()
        {
            own.join();
        }
    }
}
