//! What every faulty executor is made of: a correct engine and a correct executor, except for what
//! a [`Flaw`] overrides.

use std::collections::VecDeque;
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_core::backend::{
    DeadEntry, Engine, Lifecycle, PoolConfig, StepOutcome, TaskPlace, TaskQueue, TaskRef, Threads,
    Worker, WorkerPool,
};
use pool_core::{
    BuildError, Capability, Executor, JobId, Pools, Refused, Room, Shutdown, ShutdownPolicy,
    ShutdownReport, Stats, Task,
};

use crate::probe::Count;

pub(super) type Inner = WorkerPool<FlawedEngine>;

/// One fault. Every method is correct by default; a flaw overrides what it breaks.
pub(super) trait Flaw: Send + Sync {
    /// Builds the pool.
    fn build(&self, config: PoolConfig, flaw: Arc<dyn Flaw>) -> Result<Inner, BuildError> {
        Inner::builder().config(config).adopt(flaw).build()
    }

    /// Changes the configuration, but not the capability.
    fn configure(&self, _config: &mut PoolConfig) {}

    /// Starts the workers.
    fn start(&self, engine: &Arc<FlawedEngine>, config: &PoolConfig) -> Result<(), BuildError> {
        engine.threads.start(engine, config, |work| work())
    }

    // The engine's methods.

    fn push(&self, queue: &Queue, task: Task) -> Result<(), Task> {
        queue.push(task)
    }

    fn pop(&self, queue: &Queue, worker: &Worker) -> Option<Task> {
        let task = queue.lock().pop_front()?;
        worker.life().room().freed();
        Some(task)
    }

    /// Queues a task that takes no slot.
    fn push_past_bound(&self, queue: &Queue, task: Task) {
        queue.past_bound().push_back(task);
    }

    /// Takes the task of a job out that ended in the queue.
    fn release(&self, queue: &Queue, job: JobId) -> Option<Task> {
        let mut tasks = queue.lock();
        let index = tasks.iter().position(|task| task.id() == job)?;
        tasks.remove(index)
    }

    fn has_queued(&self, queue: &Queue) -> bool {
        !queue.lock().is_empty()
    }

    fn take_queued(&self, queue: &Queue) -> Vec<Task> {
        queue.lock().drain(..).collect()
    }

    fn join_threads(&self, engine: &FlawedEngine) {
        engine.threads.join(&engine.life);
    }

    /// Runs what a worker has popped.
    fn run(&self, _engine: &FlawedEngine, worker: &Worker, task: TaskRef<'_>) -> StepOutcome {
        worker.run_held(task);
        StepOutcome::Ran
    }

    /// Has the threads look for what waits for them alone.
    fn visit_threads(&self, engine: &Arc<FlawedEngine>) {
        engine.life.resume_for_pinned();
    }

    // The executor's methods.

    fn try_accept(&self, pool: &Inner, task: Task) -> Result<(), Refused<Task>> {
        pool.try_accept(task)
    }

    fn pools(&self, pool: &Inner) -> Pools {
        pool.pools()
    }

    fn stats(&self, pool: &Inner) -> Stats {
        pool.stats()
    }

    fn close(&self, pool: &Inner) {
        pool.close();
    }

    fn shutdown(&self, pool: &Inner, policy: ShutdownPolicy) -> ShutdownReport {
        pool.shutdown(policy)
    }

    fn shutdown_async<'a>(&'a self, pool: &'a Inner, policy: ShutdownPolicy) -> Reporting<'a> {
        Box::pin(pool.shutdown_async(policy))
    }

    fn swap(&self, _pool: &Inner) -> Option<Result<(), BuildError>> {
        None
    }

    fn reconfigure(&self, _pool: &Inner) -> Option<Result<(), BuildError>> {
        None
    }

    fn pause(&self, pool: &Inner) {
        pool.pause();
    }

    fn resume(&self, pool: &Inner) {
        pool.resume();
    }
}

pub(super) type Reporting<'a> = Pin<Box<dyn Future<Output = ShutdownReport> + Send + 'a>>;

/// A queue with a bound that a flaw may ignore.
pub(super) struct Queue {
    pub(super) capacity: usize,
    tasks: Mutex<VecDeque<Task>>,
    past_bound: Mutex<VecDeque<Task>>,
}

impl Queue {
    pub(super) fn push(&self, task: Task) -> Result<(), Task> {
        let mut tasks = self.lock();
        if tasks.len() >= self.capacity {
            return Err(task);
        }
        if task.is_over() {
            self.past_bound().push_back(task);
            return Ok(());
        }
        tasks.push_back(task);
        Ok(())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, VecDeque<Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tasks that take no slot.
    pub(super) fn past_bound(&self) -> MutexGuard<'_, VecDeque<Task>> {
        self.past_bound
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue under a lock, and the flaw.
pub(super) struct FlawedQueue {
    flaw: Arc<dyn Flaw>,
    queue: Queue,
}

impl TaskQueue for FlawedQueue {
    fn push(&self, task: TaskRef<'_>, _life: &Lifecycle) -> Result<(), Task> {
        self.flaw.push(&self.queue, task.into_task())
    }

    fn release(&self, entry: &DeadEntry<'_>, taken_out: &mut Vec<Task>) -> bool {
        let task = self.flaw.release(&self.queue, entry.id());
        let is_free = task.is_some();
        taken_out.extend(task);
        is_free
    }

    fn push_unbounded(&self, tasks: Vec<Task>) {
        self.queue.lock().extend(tasks);
    }

    fn push_past_bound(&self, task: Task) {
        self.flaw.push_past_bound(&self.queue, task);
    }

    fn pop<'a>(&self, worker: &Worker, place: TaskPlace<'a>) -> Option<TaskRef<'a>> {
        let task = self.flaw.pop(&self.queue, worker);
        let task = task.or_else(|| self.queue.past_bound().pop_front())?;
        Some(TaskRef::new(place, task))
    }

    fn is_empty(&self) -> bool {
        !self.flaw.has_queued(&self.queue) && self.queue.past_bound().is_empty()
    }

    fn take_all(&self) -> Vec<Task> {
        let mut tasks = self.flaw.take_queued(&self.queue);
        tasks.extend(self.queue.past_bound().drain(..));
        tasks
    }
}

/// Threads on such a queue.
pub(super) struct FlawedEngine {
    life: Arc<Lifecycle>,
    queue: FlawedQueue,
    pub(super) threads: Threads,
}

impl FlawedEngine {
    /// Takes the next task out, as a worker does.
    pub(super) fn pop(&self, worker: &Worker) -> Option<Task> {
        let mut place = MaybeUninit::uninit();
        Some(self.queue.pop(worker, &mut place)?.into_task())
    }

    /// Allocates memory for as many tasks as the queue may hold, and panics if there is not that
    /// much.
    pub(super) fn reserve_queue(&self) {
        let queue = &self.queue.queue;
        let reserved = queue.lock().try_reserve_exact(queue.capacity);
        reserved.expect("there is memory for all places");
    }
}

impl Engine for FlawedEngine {
    /// The flaw. A pool of this engine is built on nothing else.
    type Adopted = Arc<dyn Flaw>;
    type Queue = FlawedQueue;

    const NAME: &'static str = "faulty";

    fn start(mut config: PoolConfig, flaw: Option<Arc<dyn Flaw>>) -> Result<Arc<Self>, BuildError> {
        let flaw = flaw.unwrap_or_else(|| Arc::new(super::Nothing));
        let capability = Capability::new(Self::NAME, &config);
        flaw.configure(&mut config);
        let engine = Arc::new(Self {
            life: Lifecycle::new(&config, capability),
            queue: FlawedQueue {
                flaw: Arc::clone(&flaw),
                queue: Queue {
                    capacity: config.capacity(),
                    tasks: Mutex::default(),
                    past_bound: Mutex::default(),
                },
            },
            threads: Threads::default(),
        });
        flaw.start(&engine, &config)?;
        Ok(engine)
    }

    fn life(&self) -> &Arc<Lifecycle> {
        &self.life
    }

    fn queue(&self) -> &FlawedQueue {
        &self.queue
    }

    fn run(&self, worker: &Worker, task: TaskRef<'_>) -> StepOutcome {
        self.queue.flaw.run(self, worker, task)
    }

    fn visit_threads(engine: &Arc<Self>) {
        let flaw = Arc::clone(&engine.queue.flaw);
        flaw.visit_threads(engine);
    }

    fn join_threads(&self) {
        self.queue.flaw.join_threads(self);
    }
}

/// What the rules see of a pool with a flaw.
#[derive(Clone)]
pub(super) struct FlawedPool {
    pub(super) pool: Inner,
    pub(super) flaw: Arc<dyn Flaw>,
}

impl Executor for FlawedPool {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        self.flaw.try_accept(&self.pool, task)
    }

    fn room(&self) -> &Room {
        self.pool.room()
    }

    fn capability(&self) -> Capability {
        self.pool.capability()
    }

    fn stats(&self) -> Stats {
        self.flaw.stats(&self.pool)
    }

    fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    fn pools(&self) -> Pools {
        self.flaw.pools(&self.pool)
    }
}

impl Shutdown for FlawedPool {
    fn close(&self) {
        self.flaw.close(&self.pool);
    }

    fn shutdown(&self, policy: ShutdownPolicy) -> ShutdownReport {
        self.flaw.shutdown(&self.pool, policy)
    }

    // As `async_trait` writes it.
    fn shutdown_async<'pool, 'out>(
        &'pool self,
        policy: ShutdownPolicy,
    ) -> Pin<Box<dyn Future<Output = ShutdownReport> + Send + 'out>>
    where
        'pool: 'out,
        Self: 'out,
    {
        self.flaw.shutdown_async(&self.pool, policy)
    }
}

/// How long a thread that waits for a fault sleeps between two looks. A test that hung may leave
/// the thread behind, and it must cost the next tests nothing.
pub(super) fn nap() {
    Count::new().stays_below(1, Duration::from_millis(1));
}
