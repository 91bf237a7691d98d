//! `SpawnEngine`: a whole pool on anything that can call a closure on some thread.
//!
//! # How it runs
//! Tasks wait in a queue of the pool's own. A worker that is to be woken becomes one closure for
//! the spawner, a **run**: it takes tasks until the queue is empty, or until it has been there for
//! [`STAY`], and then goes on in a closure of its own, so that the spawner's other work has its
//! turn. An idle pool holds none of the spawner's threads, and at most `workers` runs exist at
//! once.
//!
//! A spawner may call a run in a job: of another worker pool that it is, or of one whose thread
//! does other work while that job waits. No job starts there, since it might want a lock that the
//! job below holds. The run gets a thread of its own instead, until it next goes on in a closure.
//!
//! A closure that the spawner drops without a call loses its worker, as one of a runtime that has
//! shut down does. With the last worker that is lost the pool closes: what is queued ends as
//! abandoned, and a suspended future as cancelled.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::job::outcome::{contain, drop_contained};
use crate::pool::capability::Capability;
use crate::pool::config::PoolConfig;
use crate::pool::engine::{Engine, WorkerPool};
use crate::pool::lifecycle::Lifecycle;
use crate::queue::shared::SharedQueue;
use crate::submit::error::BuildError;
use crate::sys::machine;
use crate::sys::sync::{LockExt, Mutex};
use crate::worker::borrowed::{BorrowedRun, STAY, put_to_sleep, run_on_borrowed_thread};
use crate::worker::future_host::SlotInTransit;

/// Somewhere to run closures: threads, or a runtime, that are somebody else's.
///
/// # On another pool of this project
/// A pool may run on a part of another one's workers: a spawner that executes each run there, as a
/// job. A run that the other pool refuses is dropped, and a worker with it, so use `execute`, which
/// waits for room, and not `try_execute`; and give the other pool a capacity beyond the workers of
/// all pools on it, or a `try_` submission here may wait for room there. A job of the other pool
/// that joins one of this pool's keeps a worker that this pool may need: with no other worker, both
/// wait forever.
///
/// Every `Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static` is one. Implement it for a type of
/// your own where [`is_own_thread`](Self::is_own_thread) matters.
///
/// # Examples
///
/// ```
/// use pool_core::backend::{Spawn, SpawnPool};
/// use std::thread::Builder;
///
/// /// A new thread for each run, with a name of its own.
/// struct Named(&'static str);
///
/// impl Spawn for Named {
///     fn spawn(&self, run: Box<dyn FnOnce() + Send>) {
///         // A thread that the system refuses drops `run`.
///         let _started = Builder::new().name(self.0.to_owned()).spawn(run);
///     }
///
///     fn is_own_thread(&self) -> bool {
///         std::thread::current().name() == Some(self.0)
///     }
/// }
///
/// let pool = SpawnPool::builder().workers(2).adopt(Named("reports")).build()?;
/// let name = pool.spawn(|| std::thread::current().name().map(str::to_owned))?.join()?;
/// assert_eq!(name.as_deref(), Some("reports"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Spawn: Send + Sync + 'static {
    /// Has `run` called once, soon, on a thread that may block.
    ///
    /// It must not call it here and now. It may call it in a job of another pool, as one does that
    /// hands runs to a pool of its own as jobs; each such run starts a thread, since the job around
    /// it might hold a lock. If it cannot have it called, it drops it: the pool then
    /// has one worker less. With the last one the pool closes and its jobs end, in that drop, which
    /// calls wakers and destructors: so drop it with no lock held.
    ///
    /// Called by whichever thread wakes a worker: a submitter, a worker, a shutdown. So it must not
    /// block, and must not wait for the pool. A panic in it is contained; the run is dropped with
    /// it.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::Spawn;
    ///
    /// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let (send, receive) = std::sync::mpsc::channel();
    /// spawner.spawn(Box::new(move || drop(send.send(42))));
    /// assert_eq!(receive.recv()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn spawn(&self, run: Box<dyn FnOnce() + Send>);

    /// Returns whether the calling thread is one of those that call closures, so that it must not
    /// wait for them. Asked as the last handle to a pool is dropped.
    ///
    /// Where it is true, that drop closes the pool and returns, and the pool ends by itself
    /// (`R610`). The default says that no thread is: right for a spawner that starts a thread for
    /// each closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::Spawn;
    ///
    /// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// assert!(!spawner.is_own_thread());
    /// ```
    fn is_own_thread(&self) -> bool {
        false
    }
}

impl<F> Spawn for F
where
    F: Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static,
{
    fn spawn(&self, run: Box<dyn FnOnce() + Send>) {
        self(run);
    }
}

/// A pool on a [`Spawn`]: adopt the spawner, and build.
///
/// # Examples
///
/// ```
/// use pool_core::ExecutorExt;
/// use pool_core::backend::SpawnPool;
///
/// // A thread for each run of a worker. Any runtime's `spawn_blocking` does as well.
/// let spawner = |run: Box<dyn FnOnce() + Send>| {
///     // A thread that the system refuses drops `run`.
///     let _started = std::thread::Builder::new().spawn(run);
/// };
/// let pool = SpawnPool::builder().workers(2).adopt(spawner).build()?;
/// assert_eq!(pool.spawn(|| 6 * 7)?.join()?, 42);
/// let report = pool.shutdown(std::time::Duration::from_secs(30));
/// assert!(report.is_clean());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type SpawnPool<S> = WorkerPool<SpawnEngine<S>>;

/// The engine of [`SpawnPool`].
///
/// It cannot be built without a spawner: there is no default one.
pub struct SpawnEngine<S> {
    life: Arc<Lifecycle>,
    queue: SharedQueue,
    /// Called to resume a worker, and to go on with one that has stayed for [`STAY`].
    spawner: S,
}

impl<S: Spawn> Engine for SpawnEngine<S> {
    type Adopted = S;
    type Queue = SharedQueue;

    const NAME: &'static str = "spawn";

    fn start(config: PoolConfig, adopted: Option<S>) -> Result<Arc<Self>, BuildError> {
        let Some(spawner) = adopted else {
            return Err(BuildError::Engine {
                engine: Self::NAME,
                reason: "there is nothing to run closures on: give a spawner to `adopt`".to_owned(),
            });
        };
        let capability = Capability {
            owns_threads: false,
            ..Capability::new(Self::NAME, &config)
        };
        let engine = Arc::new(Self {
            life: Lifecycle::new(&config, capability),
            queue: SharedQueue::new(config.capacity()),
            spawner,
        });
        let weak: Weak<Self> = Arc::downgrade(&engine);
        engine.life.resume_with(move |slot| {
            if let Some(engine) = weak.upgrade() {
                engine.start_run(slot);
            }
        });
        put_to_sleep(&engine.life);
        Ok(engine)
    }

    fn life(&self) -> &Arc<Lifecycle> {
        &self.life
    }

    fn queue(&self) -> &SharedQueue {
        &self.queue
    }

    fn is_own_thread(&self) -> bool {
        self.spawner.is_own_thread()
    }

    /// The threads are the spawner's.
    fn join_threads(&self) {}
}

impl<S: Spawn> SpawnEngine<S> {
    /// Has the spawner call a run of the worker that holds `slot`.
    ///
    /// A run that meets a job further down on the same stack is made after that job
    /// (`BorrowedRun::Refused`). The slot travels in a [`SlotInTransit`], so a closure that is
    /// dropped loses its worker and nothing else.
    fn start_run(self: &Arc<Self>, slot: usize) {
        let moving = SlotInTransit::new(Arc::clone(self), slot, None);
        let run = Box::new(move || Self::run(moving));
        // A spawner that panics has dropped the run, and with it the worker.
        drop_contained(contain(|| self.spawner.spawn(run)).err());
    }
}

impl<S: Spawn> SpawnEngine<S> {
    /// Makes a run on the calling thread, and sees to how the worker goes on.
    fn run(moving: SlotInTransit<Self>) {
        let (engine, slot, _no_task) = moving.arrive();
        match run_on_borrowed_thread(&engine, slot, Some(STAY)) {
            BorrowedRun::Over => {}
            BorrowedRun::Paused => engine.start_run(slot),
            BorrowedRun::Refused => engine.run_on_a_new_thread(slot),
        }
    }

    /// Makes a run on a thread that is started for it. If the system has no thread, the spawner is
    /// asked again.
    #[cold]
    fn run_on_a_new_thread(self: &Arc<Self>, slot: usize) {
        let moving = SlotInTransit::new(Arc::clone(self), slot, None);
        // Kept here as well: a thread that cannot be started drops its body.
        let ours = Arc::new(Mutex::new(Some(moving)));
        let its = Arc::clone(&ours);
        let body = move || {
            let moving = its.lock_unpoisoned().take();
            // There is no job on this thread, so the run is not refused.
            moving.into_iter().for_each(Self::run);
        };
        let thread = machine::spawn_named(format!("{}-run", Self::NAME), None, body);
        if thread.is_err()
            && let Some(moving) = ours.lock_unpoisoned().take()
        {
            let (engine, slot, _no_task) = moving.arrive();
            engine.start_run(slot);
        }
    }
}

impl<S> fmt::Debug for SpawnEngine<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnEngine")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
