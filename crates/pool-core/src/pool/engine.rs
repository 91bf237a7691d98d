//! `Engine`: what a backend writes. `WorkerPool`: what a user holds of it.

mod generation;

use std::any::Any;
use std::fmt;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;

use crate::job::context::JobContext;
use crate::pool::builder::PoolBuilder;
use crate::pool::by_life::be_reached;
use crate::pool::capability::Capability;
use crate::pool::config::PoolConfig;
use crate::pool::front::Front;
use crate::pool::lifecycle::{Lifecycle, Submission, arrived};
use crate::pool::report::ShutdownReport;
use crate::pool::running::RunningJob;
use crate::pool::shutdown::{Shutdown, ShutdownPolicy, drive_async, drive_blocking};
use crate::pool::snapshot::Snapshot;
use crate::pool::stats::{Stats, Tally};
use crate::queue::TaskQueue;
use crate::submit::broadcast::{Broadcast, BroadcastError};
use crate::submit::error::{BuildError, Refused};
use crate::submit::executor::{Executor, ExecutorExt, Pools, forward_executor};
use crate::submit::room::Room;
use crate::sys::machine::{self, Point};
use crate::task::{Task, TaskRef};
use crate::worker::future_host::lose_slot;
use crate::worker::{DeferredAction, StepOutcome, Worker, current_index};

/// Where and when tasks run: the part of a pool that differs between backends.
///
/// All that must hold on every backend is in [`Lifecycle`], [`Worker`] and [`WorkerPool`]; an
/// engine is a queue and its threads. Its methods are called by those; a user of a pool never calls
/// them.
///
/// A pool holds its engine by an `Arc`, and so do its workers. An engine must not hold a handle to
/// its own pool, and what it gives to threads or callbacks that outlive the pool it gives by a
/// `Weak`.
///
/// # Examples
///
/// ```
/// use pool_core::backend::{Engine, Lifecycle, PoolConfig, SharedQueue, Threads, WorkerPool};
/// use pool_core::{BuildError, Capability};
/// use std::{convert::Infallible, sync::Arc};
///
/// /// Threads of its own on one queue: a whole backend.
/// struct Own {
///     life: Arc<Lifecycle>,
///     queue: SharedQueue,
///     threads: Threads,
/// }
///
/// impl Engine for Own {
///     type Adopted = Infallible;
///     type Queue = SharedQueue;
///     const NAME: &'static str = "own";
///
///     fn start(config: PoolConfig, _: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
///         let engine = Arc::new(Self {
///             life: Lifecycle::new(&config, Capability::new(Self::NAME, &config)),
///             queue: SharedQueue::new(config.capacity()),
///             threads: Threads::default(),
///         });
///         engine.threads.start(&engine, &config, |work| work())?;
///         Ok(engine)
///     }
///
///     fn life(&self) -> &Arc<Lifecycle> {
///         &self.life
///     }
///
///     fn queue(&self) -> &SharedQueue {
///         &self.queue
///     }
///
///     fn join_threads(&self) {
///         self.threads.join(&self.life);
///     }
/// }
///
/// let pool = WorkerPool::<Own>::builder().workers(2).build()?;
/// assert_eq!(pool.spawn(|| 6 * 7)?.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Engine: Send + Sync + Sized + 'static {
    /// A caller's own engine that this one can run on; [`Infallible`](std::convert::Infallible)
    /// where there is none.
    type Adopted: Send;

    /// What its tasks wait in.
    type Queue: TaskQueue;

    /// The backend's name: `"work-stealing"`.
    ///
    /// It is in debug output, and by convention in the [`Capability`] that the engine gives to
    /// [`Lifecycle::new`].
    const NAME: &'static str;

    /// Starts the workers, and returns once all of them wait for jobs (`R201`).
    ///
    /// Called once, on the thread that builds the pool, with a configuration that has passed
    /// [`PoolConfig::check`]. It makes the [`Lifecycle`], and says how a worker is resumed
    /// ([`Lifecycle::resume_with`]) unless [`Threads`](crate::backend::Threads) parks them.
    ///
    /// # Errors
    /// What was wrong; nothing is left running (`R109`).
    fn start(config: PoolConfig, adopted: Option<Self::Adopted>) -> Result<Arc<Self>, BuildError>;

    /// Returns the life of the pool.
    ///
    /// The same one at each call: the one that [`start`](Self::start) made. Called for every
    /// submission and every job.
    fn life(&self) -> &Arc<Lifecycle>;

    /// Returns the queue in which its tasks wait.
    ///
    /// The same one at each call.
    fn queue(&self) -> &Self::Queue;

    /// Queues a task, or gives it back if there is no room. An engine that wants to know of each
    /// task looks at it here.
    ///
    /// Called on the submitter's thread, after the task has entered the ledger of the pool; the
    /// caller wakes a worker afterwards. It must not block, call user code, or drop the task. Only
    /// submissions within the bound come here: those past it go to the queue's own methods.
    ///
    /// # Errors
    /// The task.
    #[inline(always)]
    fn push(&self, task: TaskRef<'_>) -> Result<(), Task> {
        self.queue().push(task, self.life())
    }

    /// Runs a task that `worker` popped. An engine that hosts futures elsewhere says so here.
    ///
    /// Called on the worker's thread, between two looks at the queue. The engine either runs the
    /// task by [`Worker::run_held`] and returns [`StepOutcome::Ran`], or passes the worker's slot
    /// on with it and returns what [`Worker::set_out`] does.
    #[inline]
    fn run(&self, worker: &Worker, task: TaskRef<'_>) -> StepOutcome {
        worker.run_held(task);
        StepOutcome::Ran
    }

    /// Does what a thread that [`Threads`](crate::backend::Threads) started for `worker` does from
    /// its start to its end.
    ///
    /// The default works until the pool stops, parks while there is nothing to do, and runs
    /// `on_worker_stop` at the end. An engine whose slots move elsewhere between two runs overrides
    /// it.
    fn work(engine: &Arc<Self>, worker: Worker) {
        worker.work(&**engine);
    }

    /// Returns whether this engine needs the calling thread to make progress, so that the thread
    /// must not wait for the engine.
    ///
    /// Asked as the last handle is dropped, which then does not wait for the jobs (`R610`), and by
    /// a shutdown that blocks, which then does not wait for the workers to leave. The default suits
    /// an engine whose threads are all workers of its pool: those are recognised without it.
    fn is_own_thread(&self) -> bool {
        false
    }

    /// Has each of the pool's own threads look whether a task waits for it alone, as a share of a
    /// broadcast does (`R1070`).
    ///
    /// Called on the thread that broadcasts, after such tasks have come. A worker that runs a job
    /// looks after it without being told; this is for those that sleep. It must not block. The
    /// default resumes all that sleep, which suits an engine whose slots are resumed each on a
    /// thread of its own. One with [registered threads](crate::backend::register_thread) of
    /// another scheduler has each of them call [`run_pinned`](crate::backend::run_pinned).
    fn visit_threads(engine: &Arc<Self>) {
        engine.life().resume_for_pinned();
    }

    /// Has an action done on the thread where closures with its slot run. For engines that host
    /// futures.
    ///
    /// The caller blocks until the action was run or dropped. The default drops it, and the caller
    /// then does without.
    fn on_slot_thread(_engine: &Arc<Self>, action: DeferredAction) {
        drop(action);
    }

    /// Calls `wait`, which blocks the calling thread: one that polls hosted futures. The runtime
    /// may have another one poll meanwhile.
    fn block(&self, wait: &mut dyn FnMut()) {
        wait();
    }

    /// Takes back `slot`, and with it `first`, the task to begin with, of which a runtime has
    /// dropped the holder. Without a task, the slot is counted among those that search. For engines
    /// that host futures.
    fn lose(engine: &Arc<Self>, slot: usize, first: Option<Task>) {
        lose_slot(engine, slot, first);
    }

    /// Waits for the threads that have left, and forgets those that have not (a job that hangs).
    /// Called once all that can leave have, maybe more than once; never by one of them.
    ///
    /// Called on the thread of a shutdown, after the report was made, or by the drop of the last
    /// handle. Must not wait for a job: one that hangs has been reported, and the caller keeps its
    /// limit.
    fn join_threads(&self);
}

/// How many queued tasks a thread takes to give them up: so few that they stay in its core's cache.
const TAKEN_AT_ONCE: usize = 512;

/// Takes some of what an engine has queued, for a thread that gives it up, and comes again until
/// there is none. The tasks are still in the ledger.
pub(crate) fn take_some_queued<E: Engine>(engine: &E) -> Vec<Task> {
    engine.queue().take_some(TAKEN_AT_ONCE)
}

/// Tasks are counted and in the engine's queue; see [`arrived`].
#[inline(always)]
fn have_arrived<E: Engine>(engine: &E) {
    arrived(
        engine.life(),
        || engine.queue().about_queued(),
        || take_some_queued(engine),
    );
}

/// Whether something is queued that a worker may take now: a paused pool holds it back. Out of date
/// at once.
#[inline]
pub(crate) fn has_startable<E: Engine>(engine: &E) -> bool {
    !engine.queue().is_empty() && !engine.life().phase.is_paused()
}

/// An engine as the executor of a pool by itself.
///
/// A task that comes after the end of intake is refused as [`Refused::Closed`]. This is what a
/// [`WorkerPool`] submits through.
pub(crate) struct Inside<E: Engine>(pub(crate) Arc<E>);

/// An engine as the executor that its own workers submit children to. Where it is a generation that
/// was retired, they go to the one that takes jobs in; only once the whole pool is closed they are
/// refused.
pub(crate) struct Within<E: Engine>(pub(crate) Inside<E>);

/// What a worker holds of its engine.
///
/// A worker is not generic over its engine: it reaches it through this, as a `Box<dyn Host>` that
/// is always a [`Within`].
pub(crate) trait Host: Executor {
    /// Runs one task on `worker`, within the job that it runs already: a queued one or a woken
    /// future, in turns. False: there is none, or the worker's slot is not here.
    ///
    /// Called by a job that waits for the end of the pool or for quiet in it, on the worker's own
    /// thread.
    fn help(&self, worker: &Worker) -> bool;
    /// Whether something is queued that any worker may take now. Out of date at once.
    fn has_queued(&self) -> bool;
    /// See [`Engine::on_slot_thread`].
    fn on_slot_thread(&self, action: DeferredAction);
    /// Does an action on this thread, whose state its jobs see.
    fn run_deferred_action(&self, action: DeferredAction, state: Option<Rc<dyn Any>>);
    /// See [`Engine::block`].
    fn block(&self, wait: &mut dyn FnMut());
    /// Queues a task that has entered the ledger, whatever the bound and the phase, and wakes a
    /// worker. If the pool is being cancelled, what is queued is given up at once, this task
    /// included.
    fn queue_past_bound(&self, task: Task);
}

impl<E: Engine> Host for Within<E> {
    fn help(&self, worker: &Worker) -> bool {
        let help = |worker: &Worker| {
            let life = worker.life();
            if life.is_cancelling() {
                return worker.step_at_end(&*self.0.0) == StepOutcome::Ran;
            }
            if worker.run_pinned(&*self.0.0) {
                return true;
            }
            let woken_come_first = worker.begin_look();
            if life.phase.is_paused() {
                return worker.run_woken();
            }
            (woken_come_first && worker.run_woken())
                || (self.0.0)
                    .queue()
                    .pop(worker, &mut MaybeUninit::uninit())
                    .map(|task| worker.run_held(task))
                    .is_some()
                || worker.run_woken()
        };
        worker.on_slot_thread(help).unwrap_or(false)
    }

    fn has_queued(&self) -> bool {
        has_startable(&*self.0.0)
    }

    fn on_slot_thread(&self, action: DeferredAction) {
        E::on_slot_thread(&self.0.0, action);
    }

    fn run_deferred_action(&self, action: DeferredAction, state: Option<Rc<dyn Any>>) {
        action.run(&self.0.0, state);
    }

    fn block(&self, wait: &mut dyn FnMut()) {
        self.0.0.block(wait);
    }

    fn queue_past_bound(&self, task: Task) {
        self.0.0.queue().push_past_bound(task);
        have_arrived(&*self.0.0);
    }
}

impl<E: Engine> Executor for Inside<E> {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        self.try_accept_ref(TaskRef::new(&mut MaybeUninit::uninit(), task))
    }

    #[inline(always)]
    fn try_accept_ref(&self, task: TaskRef<'_>) -> Result<(), Refused<Task>> {
        self.admit(task, |task| Err(Refused::Closed(task)))
    }

    fn seems_full(&self) -> bool {
        self.room().seems_full()
    }

    fn room(&self) -> &Room {
        self.0.life().room()
    }

    fn capability(&self) -> Capability {
        self.0.life().capability()
    }

    fn stats(&self) -> Stats {
        self.tally().stats(self.capability().capacity)
    }

    fn is_closed(&self) -> bool {
        self.0.life().phase.is_closed()
    }

    fn pools(&self) -> Pools {
        Pools::one(self.0.life())
    }
}

impl<E: Engine> Inside<E> {
    /// Queues a task. If intake has ended, it is `closed` that says what becomes of it.
    ///
    /// The order is that of `Submission`: enter the ledger, read the phase, accept (which has the
    /// job's token and deadline watched), push, count as accepted, notify. A job that is cancelled
    /// or due on arrival takes no place.
    #[inline(always)]
    fn admit(
        &self,
        task: TaskRef<'_>,
        closed: impl FnOnce(Task) -> Result<(), Refused<Task>>,
    ) -> Result<(), Refused<Task>> {
        let life = self.0.life();
        let id = task.id();
        let Some(submission) = Submission::begin(life) else {
            machine::point(Point::Refused(id));
            return closed(task.into_task());
        };
        machine::point(Point::Submit(id));
        match task.accept(life) {
            Ok(None) => {}
            Ok(Some(due)) => {
                submission.ends_on_arrival(due, task.into_task(), Some(life.room()));
                return Ok(());
            }
            Err(outcome) => {
                submission.over_on_arrival(life, &task, outcome, Some(life.room()));
                return Ok(());
            }
        }
        match self.0.push(task) {
            Ok(()) => {
                machine::point(Point::Pushed(id, life.id.as_u32()));
                self.has_pushed(submission);
                Ok(())
            }
            Err(task) => self.refuse(submission, task),
        }
    }

    /// The task of this submission is in the queue.
    #[inline(always)]
    fn has_pushed(&self, submission: Submission<'_>) {
        let engine = &*self.0;
        submission.pushed(
            engine.life(),
            || engine.queue().about_queued(),
            || take_some_queued(engine),
        );
    }

    /// Queues a task past the bound, in the order of [`admit`](Self::admit). `Err`: intake has
    /// ended.
    #[cold]
    pub(crate) fn admit_past_bound(&self, task: Task) -> Result<(), Task> {
        let life = self.0.life();
        let id = task.id();
        let Some(submission) = Submission::begin(life) else {
            machine::point(Point::Refused(id));
            return Err(task);
        };
        machine::point(Point::Submit(id));
        // No place was kept for it.
        match task.accept(life) {
            Ok(None) => {
                self.0.queue().push_past_bound(task);
                machine::point(Point::Pushed(id, life.id.as_u32()));
                self.has_pushed(submission);
            }
            Ok(Some(due)) => submission.ends_on_arrival(due, task, None),
            Err(outcome) => submission.over_on_arrival(life, &task, outcome, None),
        }
        Ok(())
    }

    /// Takes a task that found no place off the books again, and gives it back. If its job was
    /// cancelled meanwhile, it has ended in these books already: then it counts as accepted, and
    /// the caller is told so.
    #[cold]
    fn refuse(&self, submission: Submission<'_>, task: Task) -> Result<(), Refused<Task>> {
        let life = self.0.life();
        if !task.change_pool(life, None).is_changed() {
            // Its job was cancelled in the meantime: it was accepted, and is over.
            submission.accept();
            return Ok(());
        }
        // Before the submission ends: a swap waits for that, and its successor shares the room.
        if current_index(life).is_some() {
            life.room().note_full();
        }
        submission.refuse(life);
        machine::point(Point::Refused(task.id()));
        Err(Refused::Full(task))
    }

    /// The counts of this pool alone, for sums over generations.
    fn tally(&self) -> Tally {
        let life = self.0.life();
        // A queue that does not know says the most there is.
        let past_bound = self.0.queue().past_bound();
        let past_bound = past_bound.saturating_add(life.pinned.len());
        Tally::of(life, past_bound as u64)
    }
}

impl<E: Engine> Within<E> {
    /// What users have of a pool whose generation this is; none where it is the pool itself.
    #[cold]
    fn front(&self) -> Option<Arc<dyn Front>> {
        self.0.0.life().owners.front()
    }

    /// Passes a task on that this generation no longer takes in: to the front, if there is one,
    /// otherwise back.
    #[cold]
    fn forward(&self, task: Task) -> Result<(), Refused<Task>> {
        match self.front() {
            Some(front) => front.try_accept(task),
            None => Err(Refused::Closed(task)),
        }
    }
}

impl<E: Engine> Executor for Within<E> {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        self.try_accept_ref(TaskRef::new(&mut MaybeUninit::uninit(), task))
    }

    #[inline(always)]
    fn try_accept_ref(&self, task: TaskRef<'_>) -> Result<(), Refused<Task>> {
        self.0.admit(task, |task| self.forward(task))
    }

    fn seems_full(&self) -> bool {
        self.room().seems_full()
    }

    fn room(&self) -> &Room {
        self.0.room()
    }

    fn capability(&self) -> Capability {
        let front = self.front().map(|front| front.capability());
        front.unwrap_or_else(|| self.0.capability())
    }

    fn stats(&self) -> Stats {
        let front = self.front().map(|front| front.stats());
        front.unwrap_or_else(|| self.0.stats())
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed() && self.front().is_none_or(|front| front.is_closed())
    }

    fn pools(&self) -> Pools {
        let front = self.front().map(|front| front.pools());
        front.unwrap_or_else(|| self.0.pools())
    }
}

/// A pool of workers on engine `E`. A clone is the same pool.
///
/// Dropping the last clone closes the pool and drains it, without a limit; on one of its own
/// workers, or within the runtime that it runs on, it closes it and returns, and the pool ends by
/// itself (`R610`). [`shutdown`](Self::shutdown) is the way that has a limit and a report.
///
/// In a process forked from this one (Linux, by the C library's `fork`) the pool is closed forever:
/// submissions come back as `Closed`, a shutdown reports at once that the jobs are the
/// parent's ([`ShutdownReport::is_forked`]), and a drop waits for nothing. A handle from before the
/// fork does not resolve there. A pool built in the child is as any other.
pub struct WorkerPool<E: Engine>(Arc<Owner<E>>);

/// Ends the pool with its last handle. The workers hold the engine, not this.
///
/// It is behind an `Arc` that only handles hold, so its drop is the drop of the last of them. What
/// jobs and workers hold (the engine, the life) does not keep it.
struct Owner<E: Engine>(Inside<E>);

impl<E: Engine> WorkerPool<E> {
    /// Starts from the defaults.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::Executor;
    /// use pool_core::backend::SpawnPool;
    ///
    /// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let pool = SpawnPool::builder().workers(2).queue_capacity(64).adopt(spawner).build()?;
    /// assert_eq!(pool.capability().workers, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> PoolBuilder<E> {
        PoolBuilder::new()
    }

    /// Checks the configuration, starts the engine, and lets futures of the pool reach it.
    pub(crate) fn build(
        config: PoolConfig,
        adopted: Option<E::Adopted>,
    ) -> Result<Self, BuildError> {
        config.check()?;
        let engine = E::start(config, adopted)?;
        be_reached(&engine);
        Ok(Self(Arc::new(Owner(Inside(engine)))))
    }

    /// Ends intake: every later submission is refused, and blocked submitters return with `Closed`
    /// (`R601`). Accepted jobs run.
    ///
    /// Returns at once, and may be called more than once, also within a job. Submitters that wait
    /// for room are woken on the calling thread.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let early = pool.spawn(|| 42)?;
    /// pool.close();
    /// assert!(pool.spawn(|| 43).is_err());
    /// assert_eq!(early.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.life().close();
    }

    /// Starts no queued job from now on, until [`resume`](Self::resume) (`R1030`).
    ///
    /// All else goes on. The pool takes jobs in, up to its capacity. Queued jobs end by a cancel or
    /// at their deadlines. Jobs that run go on to their end, with the children that they join, the
    /// halves that they split into, and futures that were suspended. A queued child that its parent
    /// runs so leaves its place in the queue when the pool is resumed.
    ///
    /// A worker that is about to take a job out of the queue at this moment may still take it: so
    /// each worker may start one job more, even one that is submitted a moment later. A worker that
    /// runs a job takes none after it.
    ///
    /// A [`broadcast`](Self::broadcast) is not held back (`R1071`).
    ///
    /// A wait for a queued job, or for the pool to be idle, lasts until the pool is resumed: that
    /// of [`join`](crate::JobHandle::join) outside the pool, of
    /// [`wait_idle`](crate::ExecutorExt::wait_idle), and of a future that awaits a queued job, also
    /// its own child. A closure that joins a queued job of its pool runs it.
    ///
    /// [`close`](Self::close) leaves the pause as it is. A [`shutdown`](Self::shutdown), and the
    /// drop of the last handle, end it for good (`R1032`).
    ///
    /// The pause is a flag: to pause a paused pool does nothing, and one resume ends it. This
    /// returns at once, and may be called within a job or a hook.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let pool = SpawnPool::builder().workers(1).adopt(spawner).build()?;
    /// let (go, gate) = std::sync::mpsc::channel::<()>();
    /// let (tell, started) = std::sync::mpsc::channel();
    /// let runs = pool.spawn(move || {
    ///     tell.send(()).is_ok() && gate.recv().is_ok()
    /// })?;
    /// started.recv()?; // the worker is busy, and not about to take a job
    /// pool.pause();
    /// let waits = pool.spawn(|| 42)?;
    /// go.send(())?;
    /// assert!(runs.join()?); // what runs goes on
    /// assert!(!waits.is_finished());
    /// pool.resume();
    /// assert_eq!(waits.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pause(&self) {
        self.life().pause();
    }

    /// Starts queued jobs again (`R1031`). Does nothing if the pool is not paused.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).adopt(spawner).build()?;
    /// pool.pause();
    /// let waits = pool.spawn(|| 42)?;
    /// pool.resume();
    /// assert_eq!(waits.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume(&self) {
        if self.life().end_pause() {
            self.life().resume_after_pause();
        }
    }

    /// Returns whether the pool is paused. A pool that was shut down, or that a forked child
    /// inherits, is not.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).adopt(spawner).build()?;
    /// pool.pause();
    /// assert!(pool.is_paused());
    /// pool.shutdown(std::time::Duration::from_secs(30)); // ends the pause
    /// assert!(!pool.is_paused());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_paused(&self) -> bool {
        self.life().phase.is_paused()
    }

    /// Has each worker run `f` once, and returns what waits for the results (`R1070`).
    ///
    /// Each worker runs its share of the broadcast before it takes its next job, also from a full
    /// queue, and while the pool is paused (`R1071`). See
    /// [`ExecutorExt::broadcast`](crate::ExecutorExt::broadcast) for all of the contract.
    ///
    /// # Errors
    /// `f` comes back, and has run on no worker: too many broadcasts wait, the pool is closed, or
    /// it runs on threads that it borrows.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::WorkerPool;
    /// # use pool_core::backend::{Engine, Lifecycle, PoolConfig, SharedQueue, Threads};
    /// # use pool_core::{BuildError, Capability};
    /// # use std::{convert::Infallible, sync::Arc};
    /// # struct Own {
    /// #     life: Arc<Lifecycle>,
    /// #     queue: SharedQueue,
    /// #     threads: Threads,
    /// # }
    /// # impl Engine for Own {
    /// #     type Adopted = Infallible;
    /// #     type Queue = SharedQueue;
    /// #     const NAME: &'static str = "own";
    /// #     fn start(config: PoolConfig, _: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
    /// #         let engine = Arc::new(Self {
    /// #             life: Lifecycle::new(&config, Capability::new(Self::NAME, &config)),
    /// #             queue: SharedQueue::new(config.capacity()),
    /// #             threads: Threads::default(),
    /// #         });
    /// #         engine.threads.start(&engine, &config, |work| work())?;
    /// #         Ok(engine)
    /// #     }
    /// #     fn life(&self) -> &Arc<Lifecycle> {
    /// #         &self.life
    /// #     }
    /// #     fn queue(&self) -> &SharedQueue {
    /// #         &self.queue
    /// #     }
    /// #     fn join_threads(&self) {
    /// #         self.threads.join(&self.life);
    /// #     }
    /// # }
    ///
    /// let pool = WorkerPool::<Own>::builder().workers(3).build()?;
    /// for (index, worker) in pool.broadcast(|ctx| ctx.worker())?.join()?.into_iter().enumerate() {
    ///     assert_eq!(worker?, index);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn broadcast<F, T>(&self, f: F) -> Result<Broadcast<T>, BroadcastError<F>>
    where
        F: Fn(&JobContext<'_>) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        ExecutorExt::broadcast(&self.0.0, f)
    }

    /// Drains, cancels and abandons, under one limit, and reports; see [`Shutdown::shutdown`].
    ///
    /// A [`Duration`](std::time::Duration) is the limit of the whole: see
    /// [`ShutdownPolicy::within`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.spawn(|| 42)?.detach();
    /// let report = pool.shutdown(Duration::from_secs(30));
    /// assert_eq!(report.completed(), 1);
    /// assert!(report.is_safe_to_exit());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(&self, policy: impl Into<ShutdownPolicy>) -> ShutdownReport {
        drive_blocking(self.engine(), policy.into())
    }

    /// Shuts the pool down as [`shutdown`](Self::shutdown) does, and blocks no thread (`R612`).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let other = SpawnPool::builder().workers(1).adopt(spawner).build()?;
    /// use std::time::Duration;
    ///
    /// let pool = SpawnPool::builder().workers(1).adopt(spawner).build()?;
    /// pool.spawn(|| 42)?.detach();
    /// let stop = async move { pool.shutdown_async(Duration::from_secs(30)).await };
    /// let report = other.spawn_future(stop).map_err(|refused| refused.without_job())?.join()?;
    /// assert_eq!(report.completed(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn shutdown_async(&self, policy: impl Into<ShutdownPolicy>) -> ShutdownReport {
        drive_async(self.engine(), policy.into()).await
    }

    /// Returns what went through the pool and what is in it.
    ///
    /// Blocks no worker (`R702`). The counts are read one after the other while jobs go on: see
    /// [`Stats`] for what holds between them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.spawn(|| 42)?.detach();
    /// pool.wait_idle();
    /// assert_eq!((pool.stats().accepted, pool.stats().completed), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        Executor::stats(&self.0.0)
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
    /// use pool_core::{JobExt, infallible_fn};
    /// use std::sync::mpsc;
    ///
    /// let (release, held) = mpsc::channel::<()>();
    /// let (start, started) = mpsc::channel();
    /// let job = infallible_fn(move || {
    ///     let _gone = start.send(());
    ///     held.recv()
    /// });
    /// let handle = pool.submit(job.named("invoice-17"))?;
    /// started.recv()?;
    /// let running = pool.running();
    /// assert_eq!((running[0].id, running[0].worker), (handle.id(), Some(0)));
    /// println!("{}", running[0]); // #1 `invoice-17` on worker 0, running for 8.4µs
    ///
    /// drop(release);
    /// assert!(handle.join()?.is_err());
    /// assert!(pool.running().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn running(&self) -> Vec<RunningJob> {
        ExecutorExt::running(&self.0.0)
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
    /// use pool_core::PoolPhase;
    ///
    /// let snapshot = pool.snapshot();
    /// assert_eq!((snapshot.phase, snapshot.workers.len()), (PoolPhase::Open, 1));
    /// println!("{snapshot}"); // pool on …, open: 0 of 1 workers have a job, 1 sleep; 0 queued …
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        ExecutorExt::snapshot(&self.0.0)
    }

    #[inline]
    fn engine(&self) -> &Arc<E> {
        &self.0.0.0
    }

    #[inline]
    fn life(&self) -> &Arc<Lifecycle> {
        self.engine().life()
    }
}

impl<E: Engine> Clone for WorkerPool<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

forward_executor!([E: Engine] WorkerPool<E>, |pool| pool.0.0);

#[async_trait]
impl<E: Engine> Shutdown for WorkerPool<E> {
    fn close(&self) {
        Self::close(self);
    }

    fn shutdown(&self, policy: ShutdownPolicy) -> ShutdownReport {
        Self::shutdown(self, policy)
    }

    async fn shutdown_async(&self, policy: ShutdownPolicy) -> ShutdownReport {
        Self::shutdown_async(self, policy).await
    }
}

impl<E: Engine> Owner<E> {
    fn needs_this_thread(&self) -> bool {
        Worker::current_of(&self.0).is_some()
            || self.0.0.life().timer.is_own_thread()
            || self.0.0.is_own_thread()
    }

    /// Ends the pool as its last handle goes.
    fn end(&self) {
        let life = self.0.0.life();
        if life.is_forked() {
            // The engine's own end would wait for threads, or take locks, that are the parent's.
            std::mem::forget(Arc::clone(&self.0.0));
            return;
        }
        life.end_pauses(); // nobody is left to
        if !life.phase.is_stopped() && !self.needs_this_thread() {
            drop(drive_blocking(&self.0.0, ShutdownPolicy::drain()));
        }
        if !life.have_all_left() {
            // Futures that sleep, and workers that are resumed to leave, need the engine.
            life.ending.hold(Arc::clone(&self.0.0) as _, &life.roster);
            life.ending.stop_when_quiet(life);
        }
    }
}

impl<E: Engine> Drop for Owner<E> {
    fn drop(&mut self) {
        let life = self.0.0.life();
        // One that was told to end by itself is waited for by nobody.
        if life.is_forked() || !life.ending.stops_when_quiet() {
            self.end();
        }
    }
}

impl<E: Engine> fmt::Debug for WorkerPool<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool")
            .field("life", self.life())
            .finish()
    }
}
