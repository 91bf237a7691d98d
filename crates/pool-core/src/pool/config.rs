//! How a pool is to be built, and the checks that every backend makes.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use crate::pool::hooks::{Hooks, JobFailure};
use crate::pool::swappable::FrontRef;
use crate::submit::error::BuildError;
use crate::submit::room::Room;

/// Jobs that may wait where the user gives no capacity.
pub const DEFAULT_CAPACITY: usize = 1024;

/// The most workers a pool can have.
pub const MOST_WORKERS: usize = 1 << 15;

/// The smallest stack that a worker can have, in bytes.
///
/// A debug build needs up to 32 KiB of it to start a thread and run an empty job, and up to 40 KiB
/// for a job that joins a child or panics. What a job itself needs comes on top.
pub const LEAST_STACK: usize = 64 << 10;

/// What a builder gathers and an engine starts from.
#[derive(Clone)]
pub struct PoolConfig {
    pub(crate) workers: Option<usize>,
    pub(crate) capacity: usize,
    pub(crate) thread_name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) hooks: Hooks,
    pub(crate) room: Option<Arc<Room>>,
    pub(crate) front: Option<FrontRef>,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            workers: None,
            capacity: DEFAULT_CAPACITY,
            thread_name: "pool-worker".to_owned(),
            stack_size: None,
            hooks: Hooks::default(),
            room: None,
            front: None,
        }
    }
}

impl PoolConfig {
    /// How many jobs run at once: the number given, otherwise what the system grants this process
    /// in parallel.
    pub fn workers(&self) -> usize {
        self.workers
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get))
    }

    /// The number of workers that was given, if one was.
    pub fn chosen_workers(&self) -> Option<usize> {
        self.workers
    }

    /// The most jobs that are accepted and not started.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The name of worker `index`'s thread.
    pub fn thread_name(&self, index: usize) -> String {
        format!("{}-{index}", self.thread_name)
    }

    /// Bytes of stack for each worker, if not the system's default.
    pub fn stack_size(&self) -> Option<usize> {
        self.stack_size
    }

    /// Sets the number of workers.
    pub fn set_workers(&mut self, workers: usize) {
        self.workers = Some(workers);
    }

    /// Sets the capacity of the queue.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Sets the prefix of the threads' names.
    pub fn set_thread_name(&mut self, name: impl Into<String>) {
        self.thread_name = name.into();
    }

    /// Sets the stack size, in bytes.
    pub fn set_stack_size(&mut self, bytes: usize) {
        self.stack_size = Some(bytes);
    }

    /// Sets what each worker runs first; see
    /// [`PoolBuilder::on_worker_start`](crate::backend::PoolBuilder::on_worker_start).
    pub fn set_on_worker_start<S: Any>(
        &mut self,
        start: impl Fn(usize) -> S + Send + Sync + 'static,
    ) {
        self.hooks.start = Some(Arc::new(move |worker| Ok(Box::new(start(worker)))));
    }

    /// Sets what each worker runs first, where it may fail; see
    /// [`PoolBuilder::try_on_worker_start`](crate::backend::PoolBuilder::try_on_worker_start).
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
    pub fn set_on_worker_stop(&mut self, stop: impl Fn(usize) + Send + Sync + 'static) {
        self.hooks.stop = Some(Arc::new(stop));
    }

    /// Sets the observer of jobs that did not complete; see
    /// [`PoolBuilder::on_failure`](crate::backend::PoolBuilder::on_failure).
    pub fn set_on_failure(&mut self, observe: impl Fn(&JobFailure<'_>) + Send + Sync + 'static) {
        self.hooks.failure = Some(Arc::new(observe));
    }

    /// Says what errors of type `E` say; see
    /// [`PoolBuilder::describe_error`](crate::backend::PoolBuilder::describe_error).
    pub fn add_describe_error<E: Any>(
        &mut self,
        describe: impl Fn(&E) -> String + Send + Sync + 'static,
    ) {
        let describe = move |error: &dyn Any| error.downcast_ref::<E>().map(&describe);
        self.hooks.describe.push(Arc::new(describe));
    }

    /// Has submitters wait in the line of another pool, whose jobs this one is going to take over:
    /// what a swap needs.
    pub fn set_room(&mut self, room: Arc<Room>) {
        self.room = Some(room);
    }

    /// Makes the pool a generation of one that is swapped.
    pub fn set_front(&mut self, front: FrontRef) {
        self.front = Some(front);
    }

    /// Finds what is wrong before anything is started (`R109`).
    ///
    /// # Errors
    /// Says which setting is wrong and what would be right.
    pub fn check(&self) -> Result<(), BuildError> {
        if self.workers() == 0 {
            return Err(BuildError::NoWorkers);
        }
        if self.workers() > MOST_WORKERS {
            return Err(BuildError::TooManyWorkers {
                workers: self.workers(),
                most: MOST_WORKERS,
            });
        }
        if self.capacity == 0 {
            return Err(BuildError::ZeroCapacity);
        }
        if let Some(bytes) = self.stack_size.filter(|bytes| *bytes < LEAST_STACK) {
            return Err(BuildError::StackTooSmall {
                bytes,
                least: LEAST_STACK,
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
            .finish_non_exhaustive()
    }
}
