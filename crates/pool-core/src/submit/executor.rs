//! `Executor`, the contract's small, object-safe core, and `ExecutorExt`, every typed or blocking
//! way in.

pub(crate) mod admit;
pub(super) mod into_task;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crate::job::context::JobContext;
use crate::job::handle::JobHandle;
use crate::job::id::JobId;
use crate::job::job_fn::{InfallibleFn, infallible_fn};
use crate::job::{AsyncJob, Job};
use crate::pool::capability::Capability;
use crate::pool::lifecycle::{Awaits, Lifecycle, leaving_out};
use crate::pool::running::{RunningJob, running};
use crate::pool::snapshot::Snapshot;
use crate::pool::stats::Stats;
use crate::submit::broadcast::{Broadcast, BroadcastError, broadcast};
use crate::submit::delayed;
use crate::submit::error::{Refused, SubmitAllError, SubmitError};
use crate::submit::map::{Map, MapUnordered};
use crate::submit::room::{Admission, Room};
use crate::submit::scope::{Scope, ScopeError};
use crate::task::{Task, TaskRef};
use crate::worker::Worker;
use crate::worker::park::{block_on_helping, helping};
pub(crate) use admit::is_a_decorators;
use admit::{accept, admit, limit_after, try_admit};
pub(in crate::submit) use into_task::closure;
pub(crate) use into_task::{Children, Parent};
use into_task::{bare_future, detached, enter, enter_async, future};

/// For how many handles `submit_all` takes memory before its first submission.
const MAX_HANDLES_AHEAD: usize = 1024;

/// Accepts tasks and runs each at most once.
///
/// Object safe: a library takes `&dyn Executor` and leaves the strategy to its user. All that has
/// types or waits is in [`ExecutorExt`], which every executor has.
///
/// An implementation keeps three promises: `try_accept` never blocks; a task it accepted is run, or
/// dropped, exactly once; [`Room::freed`] is called after each place that came free, and
/// [`Room::wake_all`] after a close.
///
/// # Which types implement it
/// Every pool does. For a backend of your own, write an [`Engine`](crate::backend::Engine) instead,
/// and for threads or a runtime that exist already take a [`SpawnPool`](crate::backend::SpawnPool):
/// both give you a whole pool, and only a pool can run a task.
///
/// What is left to be implemented is a decorator, which passes everything on to an inner executor.
/// One submission that waits calls `try_accept` again for each try, so a decorator that counts
/// counts the tasks that were accepted. It sees what is submitted through it, and not what a job
/// submits by its context, nor the end of a job. What a job submits through it to its own pool runs
/// in place without a call while others wait in line for a slot.
///
/// # Examples
/// ```
/// use pool_core::{Capability, Executor, Pools, Refused, Room, Stats, Task};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// struct Counting<E> {
///     inner: E,
///     accepted: AtomicU64,
/// }
///
/// impl<E: Executor> Executor for Counting<E> {
///     fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
///         self.inner.try_accept(task)?;
///         self.accepted.fetch_add(1, Ordering::Relaxed);
///         Ok(())
///     }
///     fn room(&self) -> &Room {
///         self.inner.room()
///     }
///     fn capability(&self) -> Capability {
///         self.inner.capability()
///     }
///     fn stats(&self) -> Stats {
///         self.inner.stats()
///     }
///     fn is_closed(&self) -> bool {
///         self.inner.is_closed()
///     }
///     fn pools(&self) -> Pools {
///         self.inner.pools()
///     }
/// }
/// ```
pub trait Executor: Send + Sync {
    /// Takes the task, or hands it back. Never blocks.
    ///
    /// Called by each way in, on the thread that submits or polls, once for each try. A task that
    /// was taken is the executor's: it is run, or dropped, exactly once.
    ///
    /// # Errors
    /// [`Refused::Full`] if there is no room now: a submitter that waits is woken by
    /// [`Room::freed`]. [`Refused::Closed`] if it is never to be taken: intake has ended for good,
    /// or a decorator turns this task away. The task is the caller's again, and has not run.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{ExecutorExt, JobExt, infallible_fn};
    /// use pool_core::{Capability, Executor, Pools, Refused, Room, Stats, Task};
    ///
    /// /// Refuses jobs without a name.
    /// struct NamedOnly<E>(E);
    ///
    /// impl<E: Executor> Executor for NamedOnly<E> {
    ///     fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
    ///         if task.name().is_none() {
    ///             return Err(Refused::Closed(task));
    ///         }
    ///         self.0.try_accept(task)
    ///     }
    ///     // the others as in the example above
    /// #     fn room(&self) -> &Room { self.0.room() }
    /// #     fn capability(&self) -> Capability { self.0.capability() }
    /// #     fn stats(&self) -> Stats { self.0.stats() }
    /// #     fn is_closed(&self) -> bool { self.0.is_closed() }
    /// #     fn pools(&self) -> Pools { self.0.pools() }
    /// }
    /// let named_only = NamedOnly(pool);
    /// assert!(named_only.spawn(|| 42).is_err());
    /// assert!(named_only.submit(infallible_fn(|| 42).named("answer")).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>>;

    /// Takes a task that stays where it was made until it is in its queue, which saves copies;
    /// otherwise as [`try_accept`](Self::try_accept).
    ///
    /// Defaults to `try_accept`. Do not implement each in terms of the other.
    ///
    /// # Errors
    /// As for `try_accept`.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::backend::TaskRef;
    /// use pool_core::{Capability, Executor, ExecutorExt, Pools, Refused, Room, Stats, Task};
    ///
    /// struct Decorated<E>(E);
    ///
    /// impl<E: Executor> Executor for Decorated<E> {
    ///     fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
    ///         self.0.try_accept(task)
    ///     }
    ///     fn try_accept_ref(&self, task: TaskRef<'_>) -> Result<(), Refused<Task>> {
    ///         self.0.try_accept_ref(task) // saves the copies of the default
    ///     }
    ///     // the others as in the example above
    /// #     fn room(&self) -> &Room { self.0.room() }
    /// #     fn capability(&self) -> Capability { self.0.capability() }
    /// #     fn stats(&self) -> Stats { self.0.stats() }
    /// #     fn is_closed(&self) -> bool { self.0.is_closed() }
    /// #     fn pools(&self) -> Pools { self.0.pools() }
    /// }
    /// assert_eq!(Decorated(pool).spawn(|| 42)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn try_accept_ref(&self, task: TaskRef<'_>) -> Result<(), Refused<Task>> {
        self.try_accept(task.into_task())
    }

    /// Returns whether a job of the pool need not offer a child: another one has just been refused,
    /// and no place has come free since. The child then runs in place without
    /// [`try_accept`](Self::try_accept), unless a worker is idle or nothing is queued.
    ///
    /// Defaults to false, so a decorator is asked for each job. One that never takes a job in
    /// where the inner executor would refuse it may forward the inner one's answer, which saves a
    /// job in a full pool a try in vain for each child.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// assert!(!executor.seems_full()); // no child of a job was refused
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn seems_full(&self) -> bool {
        false
    }

    /// Returns the room in which submitters wait for a place. It is always the same one: by its
    /// address a job knows its own pool, so a decorator returns the inner one's.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// assert!(!executor.room().has_line()); // nobody waits
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn room(&self) -> &Room;

    /// Returns what the executor promises beyond the required rules.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// let capability = executor.capability();
    /// assert_eq!((capability.workers, capability.capacity), (1, Some(8)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn capability(&self) -> Capability;

    /// Returns what went through the executor, and what is in it. Blocks no worker (`R702`).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::ExecutorExt;
    ///
    /// executor.spawn(|| 42)?.join()?;
    /// executor.wait_idle();
    /// assert_eq!((executor.stats().accepted, executor.stats().completed), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn stats(&self) -> Stats;

    /// Returns whether intake has ended. Once true, it stays so.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// assert!(!executor.is_closed());
    /// pool.close();
    /// assert!(executor.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn is_closed(&self) -> bool;

    /// Returns the pools that run what it accepts, for [`ExecutorExt::wait_idle`] and for the
    /// deadlines of those that wait for room.
    ///
    /// An executor that wraps another one returns the other's.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Executor, Pools};
    ///
    /// /// Two pools behind one front.
    /// struct Both<A, B>(A, B);
    ///
    /// impl<A: Executor, B: Executor> Both<A, B> {
    ///     fn pools(&self) -> Pools {
    ///         self.0.pools().and(self.1.pools())
    ///     }
    /// }
    /// let both = Both(pool.clone(), pool);
    /// assert!(format!("{:?}", both.pools()).contains("len: 2"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn pools(&self) -> Pools;
}

/// The pools behind an executor: opaque, to be passed on.
///
/// There is more than one after a swap, as long as the older ones have work.
#[derive(Clone)]
pub struct Pools {
    /// Oldest first.
    lives: Vec<Arc<Lifecycle>>,
}

impl Pools {
    /// Returns an empty list, for an executor that accepts nothing: there is nothing to wait for.
    ///
    /// # Examples
    /// ```
    /// use pool_core::backend::PoolConfig;
    /// use pool_core::{Capability, Executor, ExecutorExt, Pools, Refused, Room, Stats, Task};
    ///
    /// struct Nowhere(Room);
    ///
    /// impl Executor for Nowhere {
    ///     fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
    ///         Err(Refused::Closed(task))
    ///     }
    ///     fn room(&self) -> &Room {
    ///         &self.0
    ///     }
    ///     fn capability(&self) -> Capability {
    ///         Capability::new("nowhere", &PoolConfig::default())
    ///     }
    ///     fn stats(&self) -> Stats {
    ///         Stats::default()
    ///     }
    ///     fn is_closed(&self) -> bool {
    ///         true
    ///     }
    ///     fn pools(&self) -> Pools {
    ///         Pools::none()
    ///     }
    /// }
    /// let nowhere = Nowhere(Room::new());
    /// assert!(nowhere.spawn(|| 42).is_err());
    /// nowhere.wait_idle(); // returns at once
    /// ```
    pub fn none() -> Self {
        Self { lives: Vec::new() }
    }

    /// One pool, as a pool says of itself.
    pub(crate) fn one(life: &Arc<Lifecycle>) -> Self {
        let lives = vec![Arc::clone(life)];
        Self { lives }
    }

    /// Returns the pools of both, for an executor that divides its jobs among several. The last one
    /// is the one whose clock serves those that wait for room.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Executor, Pools};
    ///
    /// let both = pool.pools().and(Pools::none());
    /// assert!(format!("{both:?}").contains("len: 1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.lives.extend(others.lives);
        self
    }

    /// Oldest first.
    pub(crate) fn lives(&self) -> &[Arc<Lifecycle>] {
        &self.lives
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools")
            .field("len", &self.lives.len())
            .finish_non_exhaustive()
    }
}

/// Writes `Executor` for something that leads to another executor: each call goes there,
/// `try_accept_ref` included, so that nothing is copied on the way.
macro_rules! forward_executor {
    ([$($generics:tt)*] $outer:ty, |$this:ident| $inner:expr) => {
        impl<$($generics)*> Executor for $outer {
            #[inline(always)]
            fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
                let $this = self;
                Executor::try_accept(&$inner, task)
            }

            #[inline(always)]
            fn try_accept_ref(&self, task: TaskRef<'_>) -> Result<(), Refused<Task>> {
                let $this = self;
                Executor::try_accept_ref(&$inner, task)
            }

            fn seems_full(&self) -> bool {
                let $this = self;
                Executor::seems_full(&$inner)
            }

            fn room(&self) -> &Room {
                let $this = self;
                Executor::room(&$inner)
            }

            fn capability(&self) -> Capability {
                let $this = self;
                Executor::capability(&$inner)
            }

            fn stats(&self) -> Stats {
                let $this = self;
                Executor::stats(&$inner)
            }

            fn is_closed(&self) -> bool {
                let $this = self;
                Executor::is_closed(&$inner)
            }

            fn pools(&self) -> Pools {
                let $this = self;
                Executor::pools(&$inner)
            }
        }
    };
}
pub(crate) use forward_executor;

forward_executor!([E: Executor + ?Sized] &E, |pointer| **pointer);
forward_executor!([E: Executor + ?Sized] Box<E>, |pointer| **pointer);
forward_executor!([E: Executor + ?Sized] Arc<E>, |pointer| **pointer);

/// Every way to give a job to an executor.
///
/// | | blocks while the queue is full | never waits | waits up to a timeout | awaits a place |
/// |---|---|---|---|---|
/// | a [`Job`], with a handle | [`submit`](Self::submit) | [`try_submit`](Self::try_submit) | [`submit_timeout`](Self::submit_timeout) | [`submit_async`](Self::submit_async) |
/// | a [`Job`], without one | [`execute`](Self::execute) | [`try_execute`](Self::try_execute) | [`execute_timeout`](Self::execute_timeout) | [`execute_async`](Self::execute_async) |
/// | a plain closure | [`spawn`](Self::spawn) | [`try_spawn`](Self::try_spawn) | [`spawn_timeout`](Self::spawn_timeout) | [`spawn_async`](Self::spawn_async) |
/// | an [`AsyncJob`], with a handle | [`submit_future`](Self::submit_future) | [`try_submit_future`](Self::try_submit_future) | [`submit_future_timeout`](Self::submit_future_timeout) | [`submit_future_async`](Self::submit_future_async) |
/// | an [`AsyncJob`], without one | [`execute_future`](Self::execute_future) | [`try_execute_future`](Self::try_execute_future) | [`execute_future_timeout`](Self::execute_future_timeout) | [`execute_future_async`](Self::execute_future_async) |
/// | a bare future | [`spawn_future`](Self::spawn_future) | [`try_spawn_future`](Self::try_spawn_future) | [`spawn_future_timeout`](Self::spawn_future_timeout) | [`spawn_future_async`](Self::spawn_future_async) |
///
/// A [`Task`] that a shutdown handed back gets in by [`accept`](Self::accept),
/// [`accept_timeout`](Self::accept_timeout) and [`accept_async`](Self::accept_async), which wait
/// likewise, and by [`try_accept`](Executor::try_accept). A job for later gets in by
/// [`after`](Self::after).
///
/// Every job takes options by its adapters ([`JobExt`](crate::JobExt),
/// [`AsyncJobExt`](crate::AsyncJobExt)); a plain closure and a bare future become jobs by
/// [`infallible_fn`](crate::infallible_fn) and [`infallible_future`](crate::infallible_future).
///
/// # Errors
/// Each way in returns [`SubmitError::Closed`] with the job once intake has ended, and
/// [`SubmitError::Full`] with the job if there is no place: a `try_` method at once, a `_timeout`
/// method after the timeout and not before, and every method that waits at the job's own deadline
/// (`R105`). A refused job has not run, and nothing of it was dropped (`R102`).
///
/// A job that is over as it arrives, since its token is cancelled or its deadline has passed, needs
/// no place: it is accepted, also into a full queue unless submitters wait in line before it, and
/// ends at once without having run. So a wait up to the job's own deadline may end either way.
///
/// # Inside a job of the same pool
/// A method that may wait does not wait there: if the queue is full, it runs the job on the calling
/// worker at once (`R108`). On a thread that polls futures for the async backend it queues the job
/// past the bound instead, without a limit: a future there gets no back-pressure from its own pool.
/// While the pool drains, a job's children run on the calling worker too (`R607`). Inline execution
/// nests at most 128 deep; deeper children are queued past the capacity: chains and trees of jobs,
/// each of which submits the next, need no endless stack (`R113`). One job queues up to 1 024
/// children so; after that they run inline, up to 64 jobs deep, and deeper ones are queued whatever
/// their number.
///
/// # Cancel safety
/// An `_async` method that is dropped before it is ready has submitted nothing (`R106`). One that
/// is kept and not polled holds up nobody for long: woken for a place and not polled for 25 to 50
/// ms, it is passed over until it is polled again, and keeps its position in line (`R107`). An
/// executor without [`pools`](Executor::pools) has no timer: there the job's deadline is seen at
/// the next poll.
///
/// Any thread may submit, also from the destructors of its thread-locals as it ends (`R112`).
pub trait ExecutorExt: Executor {
    /// Submits a job, and returns its handle; blocks while the queue is full.
    ///
    /// The job runs whether or not the handle is kept (`R305`). [Inside a job of the same
    /// pool](ExecutorExt#inside-a-job-of-the-same-pool) it does not block.
    ///
    /// # Errors
    /// [`SubmitError::Closed`], or [`SubmitError::Full`] at the job's own deadline, with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::{ExecutorExt, job_fn};
    ///
    /// let handle = executor.submit(job_fn(|_| "42".parse::<u32>()))?;
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    fn submit<J: Job>(&self, job: J) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
        closure(self, job).enter(|task| admit(self, task, None))
    }

    /// Submits a job if there is a place now. A full queue refuses, and so may one that others wait
    /// for. It runs nothing in place, also inside a job of the same pool.
    ///
    /// # Errors
    /// [`SubmitError::Full`] or [`SubmitError::Closed`], with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::{ExecutorExt, SubmitError, job_fn};
    ///
    /// let job = job_fn(|_| "42".parse::<u32>());
    /// match executor.try_submit(job) {
    ///     Ok(handle) => assert_eq!(handle.join()?, 42),
    ///     Err(SubmitError::Full(_job)) => println!("busy: 503"), // shed load
    ///     Err(SubmitError::Closed(_job)) => println!("closed"),
    /// }
    /// assert_eq!(executor.stats().accepted, 2); // those that fill the pool
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn try_submit<J: Job>(&self, job: J) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
        closure(self, job).enter(|task| try_admit(self, task))
    }

    /// Submits a job; blocks for `timeout` at most. A timeout too far for the clock is none.
    ///
    /// # Errors
    /// [`SubmitError::Full`] after the timeout or at the job's own deadline, or
    /// [`SubmitError::Closed`], with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::{ExecutorExt, job_fn};
    /// use std::time::Duration;
    ///
    /// let job = job_fn(|_| "42".parse::<u32>());
    /// let refused = executor.submit_timeout(job, Duration::from_millis(1)).unwrap_err();
    /// assert!(refused.is_full());
    /// let _job = refused.into_job(); // to be tried again, or somewhere else
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn submit_timeout<J: Job>(
        &self,
        job: J,
        timeout: Duration,
    ) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
        let limit = limit_after(timeout);
        closure(self, job).enter(|task| admit(self, task, limit))
    }

    /// Submits a job; waits for a place without blocking the thread. All that wait get in in order
    /// of arrival.
    ///
    /// # Errors
    /// [`SubmitError::Closed`], or [`SubmitError::Full`] at the job's own deadline, with the job.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has submitted nothing, and drops the job (`R106`).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let (mut future, waker) = (std::pin::pin!(future), std::task::Waker::noop());
    /// #     loop {
    /// #         match future.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
    /// #             std::task::Poll::Ready(output) => return output,
    /// #             std::task::Poll::Pending => std::thread::yield_now(),
    /// #         }
    /// #     }
    /// # }
    /// use pool_core::{ExecutorExt, job_fn};
    /// use std::error::Error;
    ///
    /// let answer = async {
    ///     let handle = executor.submit_async(job_fn(|_| "42".parse::<u32>())).await?;
    ///     Ok::<_, Box<dyn Error>>(handle.await?)
    /// };
    /// assert_eq!(block_on(answer)?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn submit_async<J: Job>(
        &self,
        job: J,
    ) -> impl Future<Output = Result<JobHandle<J::Output, J::Error>, SubmitError<J>>> + Send {
        enter_async(self, closure(self, job).made())
    }

    /// Submits jobs in order; blocks while the queue is full.
    ///
    /// The iterator is advanced on the calling thread, once for each job that got in. Jobs start
    /// while later ones are still to be submitted.
    ///
    /// # Errors
    /// The first refusal ends the batch: the handles of those that got in, the job that was
    /// refused, and the rest (`R110`). The rest is collected, so an iterator without end never
    /// comes back from a refusal; [`map`](Self::map) takes one.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::{ExecutorExt, infallible_fn};
    ///
    /// let handles = executor.submit_all((1..=3).map(|n| infallible_fn(move || n * n)))?;
    /// let mut squares = Vec::new();
    /// for handle in handles {
    ///     squares.push(handle.join()?);
    /// }
    /// assert_eq!(squares, [1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(
        clippy::type_complexity,
        reason = "the error is what the batch became, part by part"
    )]
    fn submit_all<J: Job, I: IntoIterator<Item = J>>(
        &self,
        jobs: I,
    ) -> Result<
        Vec<JobHandle<J::Output, J::Error>>,
        SubmitAllError<J, JobHandle<J::Output, J::Error>>,
    > {
        let mut jobs = jobs.into_iter();
        // No more than this ahead: an open range such as `0..` says `usize::MAX`.
        let mut accepted = Vec::with_capacity(jobs.size_hint().0.min(MAX_HANDLES_AHEAD));
        while let Some(job) = jobs.next() {
            match self.submit(job) {
                Ok(handle) => accepted.push(handle),
                Err(refused) => {
                    return Err(SubmitAllError {
                        accepted,
                        refused,
                        rest: jobs.collect(),
                    });
                }
            }
        }
        Ok(accepted)
    }

    /// Executes a job without a handle, the cheapest way in, and returns its id; blocks while the
    /// queue is full.
    ///
    /// The job's end is counted in [`Stats`], and the pool's `on_failure` hears of a failure. Its
    /// value is dropped on the worker.
    ///
    /// # Errors
    /// [`SubmitError::Closed`], or [`SubmitError::Full`] at the job's own deadline, with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::{ExecutorExt, job_fn};
    ///
    /// executor.execute(job_fn(|_| "no number".parse::<u32>()))?;
    /// executor.wait_idle();
    /// assert_eq!(executor.stats().failed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    fn execute<J: Job>(&self, job: J) -> Result<JobId, SubmitError<J>> {
        detached(self, job).enter(|task| admit(self, task, None))
    }

    /// Executes a job without a handle if there is a place now; see [`execute`](Self::execute) and
    /// [`try_submit`](Self::try_submit).
    ///
    /// # Errors
    /// [`SubmitError::Full`] or [`SubmitError::Closed`], with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::{ExecutorExt, infallible_fn};
    ///
    /// let refused = executor.try_execute(infallible_fn(|| println!("sampled")));
    /// assert!(refused.is_err_and(|refused| refused.is_full())); // one sample less
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn try_execute<J: Job>(&self, job: J) -> Result<JobId, SubmitError<J>> {
        detached(self, job).enter(|task| try_admit(self, task))
    }

    /// Executes a job without a handle, as [`execute`](Self::execute); blocks for `timeout` at
    /// most.
    ///
    /// # Errors
    /// [`SubmitError::Full`] after the timeout or at the job's own deadline, or
    /// [`SubmitError::Closed`], with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::{ExecutorExt, infallible_fn};
    /// use std::time::Duration;
    ///
    /// let audit = infallible_fn(|| println!("audit"));
    /// let refused = executor.execute_timeout(audit, Duration::from_millis(1)).unwrap_err();
    /// assert!(refused.is_full());
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn execute_timeout<J: Job>(&self, job: J, timeout: Duration) -> Result<JobId, SubmitError<J>> {
        let limit = limit_after(timeout);
        detached(self, job).enter(|task| admit(self, task, limit))
    }

    /// Executes a job without a handle, as [`execute`](Self::execute); waits for a place without
    /// blocking the thread.
    ///
    /// # Errors
    /// [`SubmitError::Closed`], or [`SubmitError::Full`] at the job's own deadline, with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let (mut future, waker) = (std::pin::pin!(future), std::task::Waker::noop());
    /// #     loop {
    /// #         match future.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
    /// #             std::task::Poll::Ready(output) => return output,
    /// #             std::task::Poll::Pending => std::thread::yield_now(),
    /// #         }
    /// #     }
    /// # }
    /// use pool_core::{ExecutorExt, infallible_fn};
    ///
    /// block_on(executor.execute_async(infallible_fn(|| println!("audit"))))?;
    /// executor.wait_idle();
    /// assert_eq!(executor.stats().completed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn execute_async<J: Job>(
        &self,
        job: J,
    ) -> impl Future<Output = Result<JobId, SubmitError<J>>> + Send {
        enter_async(self, detached(self, job).made())
    }

    /// Submits a plain closure, which cannot fail and asks for no context, and returns its handle;
    /// blocks while the queue is full.
    ///
    /// A closure that returns a future ends once it has made it: nothing polls that. Futures go to
    /// [`spawn_future`](Self::spawn_future).
    ///
    /// A panic of the closure is caught, and comes back through the handle (`R302`).
    ///
    /// # Errors
    /// [`SubmitError::Closed`] with the closure.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::ExecutorExt;
    ///
    /// let handle = executor.spawn(|| 6 * 7)?;
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    fn spawn<F, T>(&self, f: F) -> Result<JobHandle<T, Infallible>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.submit(infallible_fn(f))
            .map_err(InfallibleFn::given_back)
    }

    /// Submits a plain closure if there is a place now; see [`spawn`](Self::spawn) and
    /// [`try_submit`](Self::try_submit).
    ///
    /// # Errors
    /// [`SubmitError::Full`] or [`SubmitError::Closed`], with the closure.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::ExecutorExt;
    ///
    /// let answer = match executor.try_spawn(|| 6 * 7) {
    ///     Ok(handle) => handle.join()?,
    ///     Err(refused) => refused.into_job()(), // here, then
    /// };
    /// assert_eq!(answer, 42);
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn try_spawn<F, T>(&self, f: F) -> Result<JobHandle<T, Infallible>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.try_submit(infallible_fn(f))
            .map_err(InfallibleFn::given_back)
    }

    /// Submits a plain closure, as [`spawn`](Self::spawn); blocks for `timeout` at most.
    ///
    /// # Errors
    /// [`SubmitError::Full`] after the timeout, or [`SubmitError::Closed`], with the closure.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::ExecutorExt;
    /// use std::time::Duration;
    ///
    /// let refused = executor.spawn_timeout(|| 6 * 7, Duration::from_millis(1)).unwrap_err();
    /// assert!(refused.is_full());
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn spawn_timeout<F, T>(
        &self,
        f: F,
        timeout: Duration,
    ) -> Result<JobHandle<T, Infallible>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.submit_timeout(infallible_fn(f), timeout)
            .map_err(InfallibleFn::given_back)
    }

    /// Submits a plain closure, as [`spawn`](Self::spawn); waits for a place without blocking the
    /// thread.
    ///
    /// # Errors
    /// [`SubmitError::Closed`] with the closure.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let (mut future, waker) = (std::pin::pin!(future), std::task::Waker::noop());
    /// #     loop {
    /// #         match future.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
    /// #             std::task::Poll::Ready(output) => return output,
    /// #             std::task::Poll::Pending => std::thread::yield_now(),
    /// #         }
    /// #     }
    /// # }
    /// use pool_core::ExecutorExt;
    /// use std::error::Error;
    ///
    /// let answer = async {
    ///     let handle = executor.spawn_async(|| 6 * 7).await?;
    ///     Ok::<_, Box<dyn Error>>(handle.await?)
    /// };
    /// assert_eq!(block_on(answer)?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn spawn_async<F, T>(
        &self,
        f: F,
    ) -> impl Future<Output = Result<JobHandle<T, Infallible>, SubmitError<F>>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let submission = self.submit_async(infallible_fn(f));
        async { (submission.await).map_err(InfallibleFn::given_back) }
    }

    /// Submits a job whose work is a future, and returns its handle; blocks while the queue is
    /// full.
    ///
    /// # Errors
    /// [`SubmitError::Closed`], or [`SubmitError::Full`] at the job's own deadline, with the job:
    /// its future was not made.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::{ExecutorExt, async_job_fn};
    ///
    /// let job = async_job_fn(|_| async { "42".parse::<u32>() });
    /// assert_eq!(executor.submit_future(job)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn submit_future<J: AsyncJob>(
        &self,
        job: J,
    ) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
        enter(future(self, job), |task| admit(self, task, None))
    }

    /// Submits a job whose work is a future if there is a place now; see
    /// [`try_submit`](Self::try_submit).
    ///
    /// # Errors
    /// [`SubmitError::Full`] or [`SubmitError::Closed`], with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::{ExecutorExt, async_job_fn};
    ///
    /// let job = async_job_fn(|_| async { "42".parse::<u32>() });
    /// assert!(executor.try_submit_future(job).is_err_and(|refused| refused.is_full()));
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn try_submit_future<J: AsyncJob>(
        &self,
        job: J,
    ) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
        enter(future(self, job), |task| try_admit(self, task))
    }

    /// Submits a job whose work is a future; blocks for `timeout` at most.
    ///
    /// # Errors
    /// [`SubmitError::Full`] after the timeout or at the job's own deadline, or
    /// [`SubmitError::Closed`], with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::{ExecutorExt, async_job_fn};
    /// use std::time::Duration;
    ///
    /// let job = async_job_fn(|_| async { "42".parse::<u32>() });
    /// let refused = executor.submit_future_timeout(job, Duration::from_millis(1)).unwrap_err();
    /// assert!(refused.is_full());
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn submit_future_timeout<J: AsyncJob>(
        &self,
        job: J,
        timeout: Duration,
    ) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
        let limit = limit_after(timeout);
        enter(future(self, job), |task| admit(self, task, limit))
    }

    /// Submits a job whose work is a future; waits for a place without blocking the thread: the way
    /// in for async callers.
    ///
    /// # Errors
    /// [`SubmitError::Closed`], or [`SubmitError::Full`] at the job's own deadline, with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let (mut future, waker) = (std::pin::pin!(future), std::task::Waker::noop());
    /// #     loop {
    /// #         match future.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
    /// #             std::task::Poll::Ready(output) => return output,
    /// #             std::task::Poll::Pending => std::thread::yield_now(),
    /// #         }
    /// #     }
    /// # }
    /// use pool_core::{ExecutorExt, async_job_fn};
    /// use std::error::Error;
    ///
    /// let job = async_job_fn(|_| async { "42".parse::<u32>() });
    /// let answer = async {
    ///     let handle = executor.submit_future_async(job).await?;
    ///     Ok::<_, Box<dyn Error>>(handle.await?)
    /// };
    /// assert_eq!(block_on(answer)?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn submit_future_async<J: AsyncJob>(
        &self,
        job: J,
    ) -> impl Future<Output = Result<JobHandle<J::Output, J::Error>, SubmitError<J>>> + Send {
        enter_async(self, future(self, job))
    }

    /// Executes a job whose work is a future, without a handle, and returns its id; blocks while
    /// the queue is full. What it costs is what [`submit_future`](Self::submit_future) costs.
    ///
    /// # Errors
    /// [`SubmitError::Closed`], or [`SubmitError::Full`] at the job's own deadline, with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::{ExecutorExt, async_job_fn};
    ///
    /// let job = async_job_fn(|_| async { "42".parse::<u32>() });
    /// executor.execute_future(job)?;
    /// executor.wait_idle();
    /// assert_eq!(executor.stats().completed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn execute_future<J: AsyncJob>(&self, job: J) -> Result<JobId, SubmitError<J>> {
        self.submit_future(job).map(JobHandle::into_id)
    }

    /// Executes a job whose work is a future, without a handle, if there is a place now.
    ///
    /// # Errors
    /// [`SubmitError::Full`] or [`SubmitError::Closed`], with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::{ExecutorExt, async_job_fn};
    ///
    /// let job = async_job_fn(|_| async { "42".parse::<u32>() });
    /// assert!(executor.try_execute_future(job).is_err_and(|refused| refused.is_full()));
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn try_execute_future<J: AsyncJob>(&self, job: J) -> Result<JobId, SubmitError<J>> {
        self.try_submit_future(job).map(JobHandle::into_id)
    }

    /// Executes a job whose work is a future, without a handle; blocks for `timeout` at most.
    ///
    /// # Errors
    /// [`SubmitError::Full`] after the timeout or at the job's own deadline, or
    /// [`SubmitError::Closed`], with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::{ExecutorExt, async_job_fn};
    /// use std::time::Duration;
    ///
    /// let job = async_job_fn(|_| async { "42".parse::<u32>() });
    /// let refused = executor.execute_future_timeout(job, Duration::from_millis(1)).unwrap_err();
    /// assert!(refused.is_full());
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn execute_future_timeout<J: AsyncJob>(
        &self,
        job: J,
        timeout: Duration,
    ) -> Result<JobId, SubmitError<J>> {
        self.submit_future_timeout(job, timeout)
            .map(JobHandle::into_id)
    }

    /// Executes a job whose work is a future, without a handle; waits for a place without blocking
    /// the thread.
    ///
    /// # Errors
    /// [`SubmitError::Closed`], or [`SubmitError::Full`] at the job's own deadline, with the job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let (mut future, waker) = (std::pin::pin!(future), std::task::Waker::noop());
    /// #     loop {
    /// #         match future.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
    /// #             std::task::Poll::Ready(output) => return output,
    /// #             std::task::Poll::Pending => std::thread::yield_now(),
    /// #         }
    /// #     }
    /// # }
    /// use pool_core::{ExecutorExt, async_job_fn};
    ///
    /// let job = async_job_fn(|_| async { "42".parse::<u32>() });
    /// block_on(executor.execute_future_async(job))?;
    /// executor.wait_idle();
    /// assert_eq!(executor.stats().completed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn execute_future_async<J: AsyncJob>(
        &self,
        job: J,
    ) -> impl Future<Output = Result<JobId, SubmitError<J>>> + Send {
        let submission = self.submit_future_async(job);
        async { submission.await.map(JobHandle::into_id) }
    }

    /// Submits a future that cannot fail, and returns its handle; blocks while the queue is full.
    ///
    /// # Errors
    /// [`SubmitError::Closed`] with the future, unpolled.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::ExecutorExt;
    ///
    /// let handle = executor.spawn_future(async { 6 * 7 })?;
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn spawn_future<F>(&self, future: F) -> Result<JobHandle<F::Output, Infallible>, SubmitError<F>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        enter(bare_future(self, future), |task| admit(self, task, None))
    }

    /// Submits a future that cannot fail if there is a place now; see
    /// [`try_submit`](Self::try_submit).
    ///
    /// # Errors
    /// [`SubmitError::Full`] or [`SubmitError::Closed`], with the future.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::ExecutorExt;
    ///
    /// let refused = executor.try_spawn_future(async { 6 * 7 });
    /// assert!(refused.is_err_and(|refused| refused.is_full()));
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn try_spawn_future<F>(
        &self,
        future: F,
    ) -> Result<JobHandle<F::Output, Infallible>, SubmitError<F>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        enter(bare_future(self, future), |task| try_admit(self, task))
    }

    /// Submits a future that cannot fail; blocks for `timeout` at most.
    ///
    /// # Errors
    /// [`SubmitError::Full`] after the timeout, or [`SubmitError::Closed`], with the future.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::ExecutorExt;
    /// use std::time::Duration;
    ///
    /// let refused = executor.spawn_future_timeout(async { 6 * 7 }, Duration::from_millis(1));
    /// assert!(refused.is_err_and(|refused| refused.is_full()));
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn spawn_future_timeout<F>(
        &self,
        future: F,
        timeout: Duration,
    ) -> Result<JobHandle<F::Output, Infallible>, SubmitError<F>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let limit = limit_after(timeout);
        enter(bare_future(self, future), |task| admit(self, task, limit))
    }

    /// Submits a future that cannot fail; waits for a place without blocking the thread: the way in
    /// for async callers.
    ///
    /// # Errors
    /// [`SubmitError::Closed`] with the future.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let (mut future, waker) = (std::pin::pin!(future), std::task::Waker::noop());
    /// #     loop {
    /// #         match future.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
    /// #             std::task::Poll::Ready(output) => return output,
    /// #             std::task::Poll::Pending => std::thread::yield_now(),
    /// #         }
    /// #     }
    /// # }
    /// use pool_core::ExecutorExt;
    /// use std::error::Error;
    ///
    /// let answer = async {
    ///     let handle = executor.spawn_future_async(async { 6 * 7 }).await?;
    ///     Ok::<_, Box<dyn Error>>(handle.await?)
    /// };
    /// assert_eq!(block_on(answer)?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn spawn_future_async<F>(
        &self,
        future: F,
    ) -> impl Future<Output = Result<JobHandle<F::Output, Infallible>, SubmitError<F>>> + Send
    where
        F: Future<Output: Send> + Send + 'static,
    {
        enter_async(self, bare_future(self, future))
    }

    /// Takes a task in that a shutdown handed back; blocks while the queue is full.
    ///
    /// It waits as [`submit`](Self::submit) does, in the same line (`R1042`). The job has the handle
    /// and the deadline that it was first submitted with. [`Executor::try_accept`] never waits.
    ///
    /// # Errors
    /// [`SubmitError::Closed`], or [`SubmitError::Full`] at the job's own deadline, with the task.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let successor = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{ExecutorExt, ShutdownPolicy};
    ///
    /// let handle = pool.spawn(|| 42)?;
    /// let mut report = pool.shutdown(ShutdownPolicy::now().hand_back());
    /// for task in report.take_unstarted() {
    ///     successor.accept(task)?;
    /// }
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn accept(&self, task: Task) -> Result<(), SubmitError<Task>> {
        accept(self, task, None)
    }

    /// Takes a task in that was handed back; blocks for `timeout` at most. A timeout too far for
    /// the clock is none.
    ///
    /// # Errors
    /// [`SubmitError::Full`] after the timeout or at the job's own deadline, or
    /// [`SubmitError::Closed`], with the task.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let successor = SpawnPool::builder().workers(1).queue_capacity(1).adopt(nowhere).build()?;
    /// # successor.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::{ExecutorExt, ShutdownPolicy};
    /// use std::time::Duration;
    ///
    /// let handle = pool.spawn(|| 42)?;
    /// let mut report = pool.shutdown(ShutdownPolicy::now().hand_back());
    /// let task = report.take_unstarted().remove(0);
    /// let refused = successor.accept_timeout(task, Duration::from_millis(1)).unwrap_err();
    /// assert!(refused.is_full());
    /// assert_eq!(refused.into_job().id(), handle.id()); // to be tried again, or somewhere else
    /// # successor.shutdown(ShutdownPolicy::now());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn accept_timeout(&self, task: Task, timeout: Duration) -> Result<(), SubmitError<Task>> {
        accept(self, task, limit_after(timeout))
    }

    /// Takes a task in that was handed back; waits for a place without blocking the thread.
    ///
    /// # Errors
    /// [`SubmitError::Closed`], or [`SubmitError::Full`] at the job's own deadline, with the task.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has submitted nothing, and drops the task: its job is
    /// abandoned (`R606`).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let successor = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let other = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{ExecutorExt, ShutdownPolicy};
    ///
    /// let handle = pool.spawn(|| 42)?;
    /// let mut report = pool.shutdown(ShutdownPolicy::now().hand_back());
    /// let moving = async move {
    ///     for task in report.take_unstarted() {
    ///         successor.accept_async(task).await.map_err(|refused| refused.without_job())?;
    ///     }
    ///     Ok::<_, pool_core::SubmitError<()>>(handle.await)
    /// };
    /// # let moving = other.spawn_future(moving).map_err(|refused| refused.without_job())?;
    /// assert_eq!(moving.join()???, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn accept_async(
        &self,
        task: Task,
    ) -> impl Future<Output = Result<(), SubmitError<Task>>> + Send {
        let admission = Admission::new(self, task);
        async move { admission.await.map_err(SubmitError::from) }
    }

    /// Submits a job once `delay` has passed, and returns its handle at once.
    ///
    /// The job runs not before its time, and exactly once (`R1043`). Until it is due it is **not in
    /// the pool**: it is in no count, and neither [`wait_idle`](Self::wait_idle) nor a drain waits
    /// for it. When it is due it is queued past the capacity, in the newest generation of a pool
    /// that was swapped: it takes no place then either, and makes no submitter wait. A timeout of
    /// the job counts from then on, a deadline holds at all times. A delay that overflows the clock
    /// never ends.
    ///
    /// Cancelled by its handle before it is due, the job ends at once, and is in no count; by its
    /// token, it is counted as accepted and cancelled. **A close before it is due ends it as
    /// abandoned** (`R1044`); what it captured is dropped by a worker that has nothing to run. So
    /// does the drop of the last handle of the pool, and a system that refuses the clock its
    /// thread. A job that holds a handle of its pool keeps that open; to submit the next of a
    /// chain, use [`executor`](crate::JobContext::executor) of its context.
    ///
    /// It goes to the pool itself: a decorator around that is asked whether it is closed, and no
    /// more. A job that joins the handle keeps its worker until the other is due *and* has run, for
    /// which the pool needs another worker; a future that awaits it frees its own.
    ///
    /// # Errors
    /// [`SubmitError::Closed`] with the job, once intake has ended, or on an executor without a
    /// pool.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::{ExecutorExt, JobError, infallible_fn};
    /// use std::time::{Duration, Instant};
    ///
    /// let (asked, delay) = (Instant::now(), Duration::from_millis(5));
    /// let retry = executor.after(delay, infallible_fn(Instant::now))?;
    /// let nightly = executor.after(Duration::from_secs(3600), infallible_fn(|| 42))?;
    /// assert!(retry.join()? >= asked + delay);
    /// pool.close(); // before it is due
    /// assert!(matches!(nightly.join(), Err(JobError::Abandoned)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn after<J: Job>(
        &self,
        delay: Duration,
        job: J,
    ) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
        delayed::after(self, delay, job)
    }

    /// Applies `f` to each input, on the workers; the outcomes come in the order of the inputs
    /// (`R504`).
    ///
    /// The inputs are taken as there is room and as the outcomes are taken, so there may be any
    /// number of them: `pool.map(0.., f).take(10)`. [`Map`] says how far ahead, what happens at the
    /// pool's end, and what a drop does: it cancels what has not started.
    ///
    /// Inside a job of the same pool, `next` runs the job that is due on the calling worker, unless
    /// another has started it.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::ExecutorExt;
    ///
    /// let lengths: Result<Vec<_>, _> = executor.map(["one", "three"], str::len).collect();
    /// assert_eq!(lengths?, [3, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn map<I, F, T>(&self, inputs: I, f: F) -> Map<'_, Self, I::IntoIter, F, T>
    where
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        Map::new(self, inputs, f)
    }

    /// Applies `f` to each input, as [`map`](Self::map) does; the outcomes come as they are ready.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::ExecutorExt;
    ///
    /// let mut sum = 0;
    /// for square in executor.map_unordered(1..=3_u32, |n| n * n) {
    ///     sum += square?;
    /// }
    /// assert_eq!(sum, 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn map_unordered<I, F, T>(&self, inputs: I, f: F) -> MapUnordered<'_, Self, I::IntoIter, F, T>
    where
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        MapUnordered::new(self, inputs, f)
    }

    /// Lets jobs borrow from the caller's stack. Returns when all of them are over, and what they
    /// captured is dropped (`R505`). Memory follows the jobs that are not over yet.
    ///
    /// Inside a job of the same pool, jobs that have not started run on the calling worker. Those
    /// of another pool are waited for.
    ///
    /// # Errors
    /// [`ScopeError`] if a job panicked, or never ran because the pool ended.
    ///
    /// # Panics
    /// With the panic of `f`, once all jobs are over.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::ExecutorExt;
    ///
    /// let mut words = ["one".to_owned(), "two".to_owned()];
    /// let total = executor.scope(|scope| {
    ///     for word in &mut words {
    ///         scope.spawn(|| word.make_ascii_uppercase()).map_err(|_closed| "closed")?;
    ///     }
    ///     Ok::<_, &str>(2)
    /// })?;
    /// assert_eq!((words, total), (["ONE".to_owned(), "TWO".to_owned()], Ok(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn scope<'env, R>(
        &'env self,
        f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, Self>) -> R,
    ) -> Result<R, ScopeError> {
        crate::submit::scope::run(self, f)
    }

    /// Waits until nothing is accepted and unfinished; intake stays open (`R506`). From outside it
    /// is enough that a worker saw this at one moment since the call, even if others submit again
    /// at once. Inside a job of the same pool, that job, those that it runs within, and all jobs
    /// that wait for quiet or for the end of the pool in the same way are left out, and queued jobs
    /// run on the calling worker.
    ///
    /// A job that joins or awaits the one that calls this is not left out, unless that one runs
    /// within it or is its half: they wait for each other without end. So no job should join one
    /// that waits for quiet.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::{ExecutorExt, infallible_fn};
    ///
    /// for _ in 0..5 {
    ///     executor.execute(infallible_fn(|| println!("audit")))?;
    /// }
    /// executor.wait_idle();
    /// assert_eq!(executor.stats().completed, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn wait_idle(&self) {
        let worker = Worker::current_of(self);
        block_on_helping(pin!(idle(self)), worker.as_ref(), Awaits::Quiet, || None);
    }

    /// Waits as [`wait_idle`](Self::wait_idle) does, without blocking the thread. Awaited inside a
    /// job of the same pool that keeps its worker, queued jobs run within the polls.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let (mut future, waker) = (std::pin::pin!(future), std::task::Waker::noop());
    /// #     loop {
    /// #         match future.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
    /// #             std::task::Poll::Ready(output) => return output,
    /// #             std::task::Poll::Pending => std::thread::yield_now(),
    /// #         }
    /// #     }
    /// # }
    /// use pool_core::ExecutorExt;
    ///
    /// executor.spawn(|| 42)?.detach();
    /// block_on(executor.wait_idle_async());
    /// assert_eq!(executor.stats().completed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn wait_idle_async(&self) -> impl Future<Output = ()> + Send {
        async move { helping(pin!(idle(self)), || Worker::current_of(self), Awaits::Quiet).await }
    }

    /// Has each worker run `f` once, and returns what waits for the results (`R1070`).
    ///
    /// For what belongs to a worker's thread or its [state](crate::JobContext::state): clear or warm
    /// a cache, reload a configuration, flush a buffer. A worker runs its share of the broadcast
    /// before it takes the next job, also while the queue is full, and while the pool is paused
    /// (`R1071`). One that sleeps is woken for it; one that runs a job comes to it after that job.
    /// Results are in the order of the workers' indices, as `on_worker_start` was given them. Two
    /// broadcasts come to each worker in the same order.
    ///
    /// A share is a job: it has an id and the name `broadcast`, it is in the stats and reports, the
    /// pool's observers hear of it, and its panic is an outcome. It takes no place in the queue. A
    /// drain and [`wait_idle`](Self::wait_idle) wait for it; what a worker has not begun as the
    /// grace of a shutdown ends is abandoned, and never handed back (`R1074`).
    ///
    /// This does not wait, and may be called within a job or a hook. There the results may not be
    /// waited for: see [`Broadcast::join`].
    ///
    /// # After a swap
    /// The workers are those of the backend that takes jobs in now. Jobs that older ones still run
    /// go on without the broadcast. A backend that is swapped away after the call runs its shares
    /// before it ends.
    ///
    /// # Futures
    /// On the backend `async` a worker whose slot is held by a future comes to its share once the
    /// future has ended, or waits for its own pool. Threads that poll that backend's futures are
    /// the runtime's, and run no share.
    ///
    /// # Errors
    /// `f` comes back, and has run on no worker. [`BroadcastError::Full`]: 64 broadcasts wait for
    /// one of the workers. [`BroadcastError::Closed`]: intake has ended.
    /// [`BroadcastError::Unsupported`]: the executor does not have threads of its own, as on an
    /// adopted engine; or it is several pools.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let borrowed: &dyn pool_core::Executor = &pool;
    /// use pool_core::ExecutorExt;
    ///
    /// // Threads that the executor borrows are not its own to reach.
    /// let refused = borrowed.broadcast(|_| 42).unwrap_err();
    /// assert!(refused.is_unsupported());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn broadcast<F, T>(&self, f: F) -> Result<Broadcast<T>, BroadcastError<F>>
    where
        F: Fn(&JobContext<'_>) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        broadcast(self, f)
    }

    /// Returns the jobs that run now: which, on which worker, and for how long (`R1020`).
    ///
    /// Jobs on workers come first, worker by worker. Of a job and the one that it runs in place, as
    /// a child that it joins, the outer one comes first. Then come futures that were suspended,
    /// which have no worker, also while one polls them again. A pool that was swapped lists the
    /// jobs of its older backends as well.
    ///
    /// A job that has ended is not listed, although a hook, a destructor or a waker of its may
    /// still keep its worker: a [`snapshot`](Self::snapshot) shows those too. Each job that is
    /// listed ran at some moment of the call. [`RunningJob::running_for`] says how exact the time
    /// is.
    ///
    /// Waits for no job, and holds up no worker (`R1021`), so it may be called at any time, also
    /// within a job or a hook. In a forked child the list is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::{ExecutorExt, JobExt, infallible_fn};
    /// use std::sync::mpsc;
    ///
    /// let (release, held) = mpsc::channel::<()>();
    /// let (start, started) = mpsc::channel();
    /// let job = infallible_fn(move || {
    ///     let _gone = start.send(());
    ///     held.recv()
    /// });
    /// let handle = executor.submit(job.named("invoice-17"))?;
    /// started.recv()?;
    /// let running = executor.running();
    /// assert_eq!((running[0].id, running[0].worker), (handle.id(), Some(0)));
    /// println!("{}", running[0]); // #1 `invoice-17` on worker 0, running for 8.4µs
    ///
    /// drop(release);
    /// assert!(handle.join()?.is_err());
    /// assert!(executor.running().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn running(&self) -> Vec<RunningJob> {
        running(self.pools().lives())
    }

    /// Returns what the pool does now, with a text for a log: its workers and what each runs, the
    /// queue, the counts, and where the pool is in its life (`R1022`).
    ///
    /// Waits for no job, and holds up no worker (`R1021`), as [`running`](Self::running) does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// use pool_core::{ExecutorExt, PoolPhase};
    ///
    /// let snapshot = executor.snapshot();
    /// assert_eq!((snapshot.phase, snapshot.workers.len()), (PoolPhase::Open, 1));
    /// println!("{snapshot}"); // pool on …, open: 0 of 1 workers have a job, 1 sleep; 0 queued …
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn snapshot(&self) -> Snapshot {
        Snapshot::of(self)
    }
}

impl<E: Executor + ?Sized> ExecutorExt for E {}

/// The pool behind an executor that takes jobs in; `None`: there is none.
pub(crate) fn newest_life<E: Executor + ?Sized>(executor: &E) -> Option<Arc<Lifecycle>> {
    executor.pools().lives().last().cloned()
}

/// Waits until each pool behind `executor` was quiet, for a job of one of them or for somebody
/// outside.
async fn idle<E: Executor + ?Sized>(executor: &E) {
    let own = Worker::current_of(executor).map(|worker| Arc::clone(worker.life()));
    let all = pin!(all_idle(executor, own.is_some()));
    match own {
        Some(life) => leaving_out(&life, Awaits::Quiet, all).await,
        None => all.await,
    }
}

/// Oldest first, and those included that a swap adds meanwhile. Only the newest takes jobs in.
async fn all_idle<E: Executor + ?Sized>(executor: &E, is_inside: bool) {
    let mut waited = Vec::new();
    while let Some(life) = first_other_life(executor, &waited) {
        if is_inside {
            life.quiescence.wait_idle_inside(&life).await;
        } else {
            life.quiescence.wait_idle(&life).await;
        }
        waited.push(life);
    }
}

/// The oldest pool behind `executor` that is none of those. Pools that are over leave the list.
fn first_other_life<E: Executor + ?Sized>(
    executor: &E,
    than: &[Arc<Lifecycle>],
) -> Option<Arc<Lifecycle>> {
    let is_other = |life: &Arc<Lifecycle>| !than.iter().any(|it| Arc::ptr_eq(it, life));
    executor.pools().lives.into_iter().find(is_other)
}
