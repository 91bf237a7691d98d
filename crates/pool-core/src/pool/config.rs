//! How a pool is to be built, and the checks that every backend makes.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::pool::front::FrontRef;
use crate::pool::hooks::{Hooks, JobFailure, Panic};
use crate::pool::observer::Observer;
use crate::pool::shared_values::SharedValues;
use crate::pool::stuck::{StuckAfter, StuckJob};
use crate::submit::error::BuildError;
use crate::submit::room::Room;

/// The capacity of a queue where the user gives none: this many jobs may be accepted and not
/// started.
pub const DEFAULT_CAPACITY: usize = 1024;

/// The most workers that a pool can have: [`PoolConfig::check`] refuses more.
pub const MAX_WORKERS: usize = 1 << 15;

/// The smallest stack that a worker can have, in bytes.
///
/// A debug build needs up to 32 KiB of it to start a thread and run an empty job, and up to 40 KiB
/// for a job that joins a child or panics. What a job itself needs comes on top.
pub const MIN_STACK: usize = 64 << 10;

/// What a builder gathers and an engine starts from.
///
/// A builder of a backend's own keeps one, sets it by the methods here, and passes it to
/// [`Engine::start`](crate::backend::Engine::start). The default is that of
/// [`PoolBuilder`](crate::backend::PoolBuilder): as many workers as the system grants in parallel,
/// [`DEFAULT_CAPACITY`], threads named `pool-worker-0` and on, and no hooks.
///
/// A clone shares the hooks' closures, and the values for jobs, with the original. Each pool that
/// is built from one of the two runs the hooks on its own workers.
///
/// # Examples
///
/// ```
/// use pool_core::backend::PoolConfig;
///
/// let mut config = PoolConfig::default();
/// config.set_workers(4);
/// config.set_thread_name("reports");
/// assert!(config.check().is_ok());
/// assert_eq!(config.thread_name(3), "reports-3");
/// ```
#[derive(Clone)]
pub struct PoolConfig {
    /// `None`: not chosen; what the system grants is asked at each [`workers`](Self::workers).
    pub(crate) workers: Option<usize>,
    pub(crate) capacity: usize,
    /// The prefix, without the index.
    pub(crate) thread_name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) hooks: Hooks,
    /// What the jobs share.
    pub(crate) shared: SharedValues,
    /// The line of submitters that the pool is to share with another one; `None`: a line of its
    /// own.
    pub(crate) room: Option<Arc<Room>>,
    /// The pool that this one is to be a generation of; `None`: it is a pool by itself.
    pub(crate) front: Option<FrontRef>,
    /// Whether the pool is paused from the start.
    pub(crate) is_paused: bool,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            workers: None,
            capacity: DEFAULT_CAPACITY,
            thread_name: "pool-worker".to_owned(),
            stack_size: None,
            hooks: Hooks::default(),
            shared: SharedValues::default(),
            room: None,
            front: None,
            is_paused: false,
        }
    }
}

impl PoolConfig {
    /// Returns how many jobs run at once: the number given, otherwise what the system grants this
    /// process in parallel.
    ///
    /// The system is asked at each call, so without a chosen number two calls may differ if the
    /// process's quota changes in between.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::PoolConfig;
    ///
    /// let mut config = PoolConfig::default();
    /// assert!(config.workers() >= 1); // what the system grants
    /// config.set_workers(3);
    /// assert_eq!(config.workers(), 3);
    /// ```
    pub fn workers(&self) -> usize {
        self.workers
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get))
    }

    /// Returns the number of workers that was given, if one was.
    ///
    /// For an engine whose default is another one than that of the system, as the number of an
    /// adopted pool's threads.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::PoolConfig;
    ///
    /// let mut config = PoolConfig::default();
    /// assert_eq!(config.chosen_workers(), None);
    /// config.set_workers(3);
    /// assert_eq!(config.chosen_workers(), Some(3));
    /// ```
    pub fn chosen_workers(&self) -> Option<usize> {
        self.workers
    }

    /// Returns the most jobs that are accepted and not started.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::DEFAULT_CAPACITY;
    /// use pool_core::backend::PoolConfig;
    ///
    /// assert_eq!(PoolConfig::default().capacity(), DEFAULT_CAPACITY);
    /// ```
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the name of worker `index`'s thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::PoolConfig;
    ///
    /// assert_eq!(PoolConfig::default().thread_name(0), "pool-worker-0");
    /// ```
    pub fn thread_name(&self, index: usize) -> String {
        format!("{}-{index}", self.thread_name)
    }

    /// Returns the bytes of stack for each worker; `None`: the system's default.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::PoolConfig;
    ///
    /// let mut config = PoolConfig::default();
    /// assert_eq!(config.stack_size(), None);
    /// config.set_stack_size(1 << 20);
    /// assert_eq!(config.stack_size(), Some(1 << 20));
    /// ```
    pub fn stack_size(&self) -> Option<usize> {
        self.stack_size
    }

    /// Sets the number of workers.
    ///
    /// Any number is taken here; [`check`](Self::check) says whether it is one that a pool can
    /// have.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::PoolConfig;
    ///
    /// let mut config = PoolConfig::default();
    /// config.set_workers(2);
    /// assert_eq!(config.workers(), 2);
    /// ```
    pub fn set_workers(&mut self, workers: usize) {
        self.workers = Some(workers);
    }

    /// Sets the capacity of the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::PoolConfig;
    ///
    /// let mut config = PoolConfig::default();
    /// config.set_capacity(64);
    /// assert_eq!(config.capacity(), 64);
    /// ```
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Sets the prefix of the threads' names.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::PoolConfig;
    ///
    /// let mut config = PoolConfig::default();
    /// config.set_thread_name("mailer");
    /// assert_eq!(config.thread_name(1), "mailer-1");
    /// ```
    pub fn set_thread_name(&mut self, name: impl Into<String>) {
        self.thread_name = name.into();
    }

    /// Sets the stack size, in bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::PoolConfig;
    /// use pool_core::{BuildError, MIN_STACK};
    ///
    /// let mut config = PoolConfig::default();
    /// config.set_stack_size(MIN_STACK - 1);
    /// assert!(matches!(config.check(), Err(BuildError::StackTooSmall { .. })));
    /// ```
    pub fn set_stack_size(&mut self, bytes: usize) {
        self.stack_size = Some(bytes);
    }

    /// Sets what each worker runs first; see
    /// [`PoolBuilder::on_worker_start`](crate::backend::PoolBuilder::on_worker_start).
    ///
    /// Replaces a start hook that was set before, by this method or by
    /// [`set_try_on_worker_start`](Self::set_try_on_worker_start).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::Capability;
    /// use pool_core::backend::{Lifecycle, PoolConfig, deregister_thread, register_thread};
    ///
    /// let (send, started) = std::sync::mpsc::channel();
    /// let mut config = PoolConfig::default();
    /// config.set_on_worker_start(move |worker| drop(send.send(worker)));
    ///
    /// let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// register_thread(&life, 0)?; // what an engine does on each thread that it starts
    /// assert_eq!(started.recv()?, 0);
    /// deregister_thread(&life);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_on_worker_start<S: Any>(
        &mut self,
        start: impl Fn(usize) -> S + Send + Sync + 'static,
    ) {
        self.hooks.start = Some(Arc::new(move |worker| Ok(Box::new(start(worker)))));
    }

    /// Sets what each worker runs first, where it may fail; see
    /// [`PoolBuilder::try_on_worker_start`](crate::backend::PoolBuilder::try_on_worker_start).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::{Lifecycle, PoolConfig, register_thread};
    /// use pool_core::{BuildError, Capability};
    ///
    /// let mut config = PoolConfig::default();
    /// config.set_try_on_worker_start(|_worker| "no port".parse::<u16>());
    /// let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// let failed = register_thread(&life, 0);
    /// assert!(matches!(failed, Err(BuildError::WorkerStart { worker: 0, .. })));
    /// ```
    pub fn set_try_on_worker_start<S, E>(
        &mut self,
        start: impl Fn(usize) -> Result<S, E> + Send + Sync + 'static,
    ) where
        S: Any,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.hooks.start = Some(Arc::new(move |worker| match start(worker) {
            Ok(state) => Ok(Box::new(state)),
            Err(error) => Err(error.into()),
        }));
    }

    /// Sets what each worker runs last.
    ///
    /// It runs on the worker, before the worker's state is dropped, and only where the start hook
    /// succeeded; see [`PoolBuilder::on_worker_stop`](crate::backend::PoolBuilder::on_worker_stop).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::Capability;
    /// use pool_core::backend::{Lifecycle, PoolConfig, deregister_thread, register_thread};
    ///
    /// let (send, stopped) = std::sync::mpsc::channel();
    /// let mut config = PoolConfig::default();
    /// config.set_on_worker_stop(move |worker| drop(send.send(worker)));
    /// let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// register_thread(&life, 0)?;
    /// deregister_thread(&life);
    /// assert_eq!(stopped.recv()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_on_worker_stop(&mut self, stop: impl Fn(usize) + Send + Sync + 'static) {
        self.hooks.stop = Some(Arc::new(stop));
    }

    /// Sets the observer of jobs that did not complete; see
    /// [`PoolBuilder::on_failure`](crate::backend::PoolBuilder::on_failure).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::{PoolConfig, SpawnPool};
    /// use pool_core::job_fn;
    ///
    /// let (send, outcomes) = std::sync::mpsc::channel();
    /// let mut config = PoolConfig::default();
    /// config.set_on_failure(move |failure| drop(send.send(failure.outcome)));
    /// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let pool = SpawnPool::builder().config(config).adopt(spawner).build()?;
    /// pool.submit(job_fn(|_| Err::<(), _>("out of ink")))?.detach();
    /// assert_eq!(outcomes.recv()?, pool_core::Outcome::Failed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_on_failure(&mut self, observe: impl Fn(&JobFailure<'_>) + Send + Sync + 'static) {
        self.hooks.failure = Some(Arc::new(observe));
    }

    /// Adds an observer, which hears of each job; see [`Observer`].
    ///
    /// Several are told in the order in which they were added, except that they are told of exits
    /// and ends in the opposite order.
    ///
    /// # Panics
    /// With a panic of [`Observer::wants`].
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::{PoolConfig, SpawnPool};
    /// use pool_core::{JobEnd, JobInfo, Observer};
    ///
    /// struct Log(std::sync::mpsc::Sender<String>);
    ///
    /// impl Observer for Log {
    ///     fn ended(&self, job: &JobInfo<'_>, end: &JobEnd<'_>) {
    ///         drop(self.0.send(format!("{} {}", job.backend, end.outcome)));
    ///     }
    /// }
    ///
    /// let (send, lines) = std::sync::mpsc::channel();
    /// let mut config = PoolConfig::default();
    /// config.add_observer(Log(send));
    /// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let pool = SpawnPool::builder().config(config).adopt(spawner).build()?;
    /// pool.spawn(|| 42)?.join()?;
    /// assert_eq!(lines.recv()?, "spawn completed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_observer(&mut self, observer: impl Observer) {
        self.hooks.observers.add(Arc::new(observer));
    }

    /// Adds a description of errors of type `E`, for the message that the observer of failures
    /// sees; see [`PoolBuilder::describe_error`](crate::backend::PoolBuilder::describe_error).
    ///
    /// The descriptions are asked in the order in which they were added.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::{PoolConfig, SpawnPool};
    /// use pool_core::job_fn;
    ///
    /// struct OutOfInk;
    ///
    /// let (send, messages) = std::sync::mpsc::channel();
    /// let mut config = PoolConfig::default();
    /// config.add_describe_error(|_: &OutOfInk| "no ink".to_owned());
    /// config.set_on_failure(move |failure| drop(send.send(failure.message.map(str::to_owned))));
    /// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let pool = SpawnPool::builder().config(config).adopt(spawner).build()?;
    /// pool.submit(job_fn(|_| Err::<(), _>(OutOfInk)))?.detach();
    /// assert_eq!(messages.recv()?.as_deref(), Some("no ink"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_describe_error<E: Any>(
        &mut self,
        describe: impl Fn(&E) -> String + Send + Sync + 'static,
    ) {
        let describe = move |error: &dyn Any| error.downcast_ref::<E>().map(&describe);
        self.hooks.describe.push(Arc::new(describe));
    }

    /// Has `tell` hear of each job that has run for `limit`, and again as it ends after all; see
    /// [`PoolBuilder::stuck_after`](crate::backend::PoolBuilder::stuck_after).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::{PoolConfig, SpawnPool};
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    ///
    /// let (send, events) = mpsc::channel();
    /// let mut config = PoolConfig::default();
    /// config.set_stuck_after(Duration::from_millis(1), move |job| {
    ///     drop(send.send((job.id, job.has_ended)));
    /// });
    /// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let pool = SpawnPool::builder().config(config).adopt(spawner).build()?;
    /// let (release, held) = mpsc::channel::<()>();
    /// let job = pool.spawn(move || held.recv().is_err())?;
    /// assert_eq!(events.recv()?, (job.id(), false));
    /// drop(release);
    /// assert_eq!(events.recv()?, (job.id(), true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_stuck_after(
        &mut self,
        limit: Duration,
        tell: impl Fn(&StuckJob<'_>) + Send + Sync + 'static,
    ) {
        self.hooks.observers.stuck = Some(StuckAfter::new(limit, tell));
    }

    /// Sets what the pool does when a job panics; see [`Panic`].
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::{PoolConfig, SpawnPool};
    /// use pool_core::{Executor, Panic};
    ///
    /// let mut config = PoolConfig::default();
    /// config.set_on_panic(Panic::Close);
    /// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let pool = SpawnPool::builder().config(config).adopt(spawner).build()?;
    /// assert!(pool.spawn(|| panic!("out of ink"))?.join().is_err());
    /// assert!(pool.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_on_panic(&mut self, on_panic: Panic) {
        self.hooks.on_panic = on_panic;
    }

    /// Shares a value with the jobs of the pool, in the place of one of the same type; see
    /// [`PoolBuilder::share`](crate::backend::PoolBuilder::share).
    ///
    /// An engine of one's own passes the configuration to
    /// [`Lifecycle::new`](crate::backend::Lifecycle::new), which has the values from it.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::{PoolConfig, SpawnPool};
    /// use pool_core::{Interrupted, job_fn};
    ///
    /// struct Album(&'static str);
    ///
    /// let mut config = PoolConfig::default();
    /// config.share(Album("holidays"));
    /// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let pool = SpawnPool::builder().config(config).adopt(spawner).build()?;
    /// let title = job_fn(|ctx| Ok::<_, Interrupted>(ctx.shared::<Album>().0));
    /// assert_eq!(pool.submit(title)?.join()?, "holidays");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn share<T: Any + Send + Sync>(&mut self, value: T) {
        self.shared.insert(value);
    }

    /// Has submitters wait in the line of another pool, whose jobs this one is going to take over:
    /// what a swap needs.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::{Lifecycle, PoolConfig};
    /// use pool_core::{Capability, Room};
    /// use std::sync::Arc;
    ///
    /// let room = Arc::new(Room::new());
    /// let mut config = PoolConfig::default();
    /// config.set_room(Arc::clone(&room));
    /// let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// assert!(std::ptr::eq(life.room(), &*room));
    /// ```
    pub fn set_room(&mut self, room: Arc<Room>) {
        self.room = Some(room);
    }

    /// Makes the pool a generation of one that is swapped: its jobs submit their children through
    /// the front, once the generation itself has ended its intake.
    pub fn set_front(&mut self, front: FrontRef) {
        self.front = Some(front);
    }

    /// Finds what is wrong before anything is started (`R109`).
    ///
    /// An engine need not call it: [`PoolBuilder::build`](crate::backend::PoolBuilder::build) does
    /// so before it starts the engine. A system that refuses a thread is found out only by the
    /// start.
    ///
    /// # Errors
    /// Says which setting is wrong and what would be right.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::BuildError;
    /// use pool_core::backend::PoolConfig;
    ///
    /// let mut config = PoolConfig::default();
    /// assert!(config.check().is_ok());
    /// config.set_capacity(0);
    /// assert!(matches!(config.check(), Err(BuildError::ZeroCapacity)));
    /// ```
    pub fn check(&self) -> Result<(), BuildError> {
        if self.workers() == 0 {
            return Err(BuildError::NoWorkers);
        }
        if self.workers() > MAX_WORKERS {
            return Err(BuildError::TooManyWorkers {
                workers: self.workers(),
                most: MAX_WORKERS,
            });
        }
        if self.capacity == 0 {
            return Err(BuildError::ZeroCapacity);
        }
        if let Some(bytes) = self.stack_size.filter(|bytes| *bytes < MIN_STACK) {
            return Err(BuildError::StackTooSmall {
                bytes,
                least: MIN_STACK,
            });
        }
        if self.thread_name.contains('\0') {
            return Err(BuildError::ThreadName {
                name: self.thread_name.clone(),
            });
        }
        Ok(())
    }
}

impl fmt::Debug for PoolConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolConfig")
            .field("workers", &self.workers)
            .field("capacity", &self.capacity)
            .field("thread_name", &self.thread_name)
            .field("stack_size", &self.stack_size)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}
