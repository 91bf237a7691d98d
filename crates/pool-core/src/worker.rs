//! A worker: finds a task, runs it, and rests when there is none.
//!
//! # Parts
//! - Its loop is in this file, `search` and `idle_step`: look for a task, run it, search a while,
//!   announce the sleep. `sleep` counts which workers search and which sleep, for a whole pool.
//! - Its place in the pool is in `seat`, `status` and `current`: the index, what it runs as other
//!   threads see it, and which worker the calling thread is.
//! - What a job on it may do is in `inline`, `help`, `polling` and `park`: run a child in place,
//!   make progress on what it awaits, and wait. `fork_stack` and `leapfrog`: how halves of it
//!   are stolen.
//! - Its thread comes from `threads`, or is borrowed (`borrowed`). `slot_transfer`, `slot_request`,
//!   `deferred_action` and `future_host` move its slot between threads.
//! - What observers hear of its jobs is in `observed`.
//! - Its end, and what it does while the pool is paused or cancelled, is in `at_end`.
//!
//! # Slots, seats and workers
//! A **slot** is the right to run jobs. A pool has as many as it has workers, and it is a slot that
//! sleeps and is resumed. A **seat** is the place in the pool's tables at which a worker counts and
//! notes its frames. A `Worker` is a thread, or a runtime's task, that holds both. On threads of
//! the pool's own, slot, seat and thread have the same index for good; on borrowed threads each run
//! brings the three together.

mod after_job;
mod at_end;
pub(crate) mod borrowed;
mod current;
mod deferred_action;
pub(crate) mod fork_stack;
mod frame;
pub(crate) mod future_host;
mod help;
pub(crate) mod hints;
mod idle_step;
mod inline;
pub(crate) mod leapfrog;
mod observed;
mod pace;
pub(crate) mod park;
mod polling;
mod sampled_clock;
mod search;
mod seat;
pub(crate) mod sleep;
pub(crate) mod slot_request;
mod slot_transfer;
mod stack_names;
pub(crate) mod status;
pub(crate) mod threads;
pub(crate) mod user_state;

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::job::id::JobId;
use crate::pool::engine::{Engine, Host, Inside, Within};
use crate::pool::lifecycle::{Awaits, Lifecycle};
use crate::queue::TaskQueue;
use crate::submit::error::BuildError;
use crate::submit::executor::Executor;
use crate::sys::machine::{self, Point};
use crate::task::{Task, TaskRef};
use crate::worker::status::Status;
use after_job::AfterJob;
pub(crate) use current::current_index;
pub use deferred_action::DeferredAction;
pub(crate) use frame::Frame;
use help::Help;
pub(crate) use help::{Awaited, Helped, leave_helpers};
pub(crate) use idle_step::Rest;
use idle_step::has_work;
use leapfrog::Halves;
pub(crate) use observed::JobOnWorker;
use pace::Pace;
use polling::Polling;
pub(crate) use sampled_clock::SampledClock;
use search::Search;
pub(crate) use seat::Seat;
pub(crate) use slot_transfer::Departure;
use slot_transfer::Lending;
use stack_names::Names;
pub(crate) use stack_names::StackName;

/// A thread that runs jobs.
///
/// A backend makes one for each of its threads ([`Worker::start`]) and has it [`work`](Self::work);
/// one on borrowed threads goes through
/// [`run_on_borrowed_thread`](crate::backend::run_on_borrowed_thread). It is not `Send`. A clone is
/// the same worker.
///
/// # What an engine does with it
/// The engine gets a `&Worker` in [`TaskQueue::pop`] and in [`Engine::run`]. There it reads the
/// worker's [`index`](Self::index), [`tick`](Self::tick) and [`life`](Self::life), and hands the
/// task to [`run`](Self::run) or [`run_held`](Self::run_held), which keep the pool's books.
///
/// ```
/// # use std::convert::Infallible;
/// # use std::sync::Arc;
/// use pool_core::backend::{
///     Engine, Lifecycle, PoolConfig, SharedQueue, StepOutcome, TaskRef, Threads, Worker,
///     WorkerPool,
/// };
/// use pool_core::{BuildError, Capability, ExecutorExt};
///
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
///     fn run(&self, worker: &Worker, task: TaskRef<'_>) -> StepOutcome {
///         assert!(worker.index() < 2);
///         worker.run_held(task); // as the default does
///         StepOutcome::Ran
///     }
///
///     fn join_threads(&self) {
///         self.threads.join(&self.life);
///     }
/// }
///
/// let pool = WorkerPool::<Own>::builder().workers(2).build()?;
/// assert_eq!(pool.spawn(|| 42)?.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Worker(Rc<Inner>);

/// What the clones of a worker share. All of it is used on the worker's own thread alone, except
/// `status`.
struct Inner {
    /// The pool and the worker's index in it.
    seat: Seat,
    /// The seat as other threads see it: what runs here, and how the thread is resumed. Shared with
    /// the pool's roster.
    status: Arc<CachePadded<Status>>,
    /// The halves that the jobs here fork. Shared with the pool's roster.
    halves: Arc<Halves>,
    /// The stolen half as part of which the jobs here run.
    within: leapfrog::Within,
    /// What sleeps and is resumed: the index itself, for a worker with a thread of its own.
    slot: usize,
    /// Which of the pool's own threads this is on, if it is one: the tasks that are pinned to that
    /// thread are this worker's to run.
    home: Cell<Option<usize>>,
    /// The engine, as the executor that the jobs on this worker submit to.
    host: Box<dyn Host>,
    /// What `on_worker_start` returned, or the state of the registered thread that the worker runs
    /// on.
    state: OnceCell<Rc<dyn Any>>,
    /// How often a worker at this seat has looked for a task. It continues from one holder of the
    /// seat to the next.
    tick: Cell<u32>,
    /// Whether the pool's jobs are observed: asked for each job.
    is_observed: bool,
    /// Whether this worker is counted among those that search.
    is_searching: Cell<bool>,
    /// How long the worker looks before it sleeps.
    search: Search,
    /// How long its jobs last.
    pace: Pace,
    /// Polls that run in place, within the job that joined or woke them, and have no frame of their
    /// own.
    nested: Cell<usize>,
    /// How many children the innermost job has queued past the bound. Saved and restored around a
    /// child that runs in place.
    past_bound: Cell<usize>,
    /// How many jobs on this stack run in place although the stack is deep, because their
    /// submitters have used up their quota past the bound.
    beyond: Cell<usize>,
    /// Whether jobs have ended here since the pool's watchers were last told.
    has_news: Cell<bool>,
    /// How many polls are on this thread's stack whose suspension frees no worker.
    keeping: Cell<usize>,
    /// The future that is being polled, the innermost of several.
    polling: Cell<Option<Polling>>,
    /// The futures that the jobs on this stack wait for.
    help: Help,
    /// The clock for the starts of jobs.
    clock: SampledClock,
    /// What others wait for this thread to do once the job on it is over.
    after_job: AfterJob,
    /// The names of jobs on this stack that some wait leaves out.
    names: Names,
    /// How the worker's slot comes and goes.
    lending: Lending,
}

impl Worker {
    /// Takes worker `index`'s place on this thread, for good: runs `on_worker_start` with the
    /// index, makes the hook's return value the state that jobs here see, and lets the thread be
    /// resumed.
    ///
    /// A backend whose threads [`Threads`](crate::backend::Threads) starts does not call this: it
    /// gets the worker in [`Engine::work`]. Each index is taken once. The worker counts as alive
    /// from here on until [`work`](Self::work) has returned.
    ///
    /// # Errors
    /// The hook failed or panicked: there is no worker, and the pool cannot be built (`R109`).
    pub fn start<E: Engine>(engine: &Arc<E>, index: usize) -> Result<Self, BuildError> {
        let worker = Self::new(engine, index, index, false);
        let life = worker.life();
        life.roster.set_thread(index, machine::current());
        worker.set_state(Rc::from(life.hooks.start(index)?));
        worker.set_home(index);
        life.pinned.add_home();
        worker.enter_for_good();
        life.worker_alive();
        Ok(worker)
    }

    /// Takes seat `index`. `is_searching`: the slot slept, was resumed, and is counted as searching
    /// now.
    ///
    /// The worker is not the thread's current one before it is entered.
    pub(crate) fn new<E: Engine>(
        engine: &Arc<E>,
        index: usize,
        slot: usize,
        is_searching: bool,
    ) -> Self {
        let status = Arc::clone(&engine.life().roster.statuses[index]);
        Self(Rc::new(Inner {
            seat: Seat::new(engine.life(), index),
            tick: Cell::new(status.looks()),
            status,
            halves: Arc::clone(engine.life().roster.forks.stack(index)),
            within: leapfrog::Within::default(),
            slot,
            home: Cell::new(None),
            host: Box::new(Within(Inside(Arc::clone(engine)))),
            state: OnceCell::new(),
            is_observed: engine.life().hooks.observers().is_some(),
            is_searching: Cell::new(is_searching),
            search: Search::new(engine.life().roster.is_on_borrowed_threads()),
            pace: Pace::default(),
            nested: Cell::new(0),
            past_bound: Cell::new(0),
            beyond: Cell::new(0),
            has_news: Cell::new(false),
            keeping: Cell::new(0),
            polling: Cell::new(None),
            help: Help::default(),
            clock: SampledClock::default(),
            after_job: AfterJob::default(),
            names: Names::default(),
            lending: Lending::default(),
        }))
    }

    /// Works until the pool stops, then runs `on_worker_stop`, drops the worker's state, and
    /// leaves.
    ///
    /// Blocks the calling thread for that long: it runs jobs, and parks while there are none. A job
    /// that panics or fails does not end it. The thread is to end soon after:
    /// [`Engine::join_threads`] waits for it.
    pub fn work<E: Engine>(self, engine: &E) {
        loop {
            while self.step(engine) != StepOutcome::Nothing {}
            match self.rest(engine) {
                Rest::Search | Rest::Moved => {}
                Rest::Sleep => self.sleep(),
                Rest::Stop => break,
            }
        }
        self.leave();
    }

    /// Works until there is nothing to do, or the slot has moved elsewhere, beginning with `first`.
    /// Returns why the worker rests: `Sleep` or `Stop` if it found nothing, `Moved` if the slot is
    /// to be passed on.
    pub(crate) fn work_until_idle<E: Engine>(&self, engine: &E, first: Option<Task>) -> Rest {
        let _entered = self.enter();
        if let Some(task) = first {
            self.run(task);
        }
        loop {
            match self.step(engine) {
                StepOutcome::Ran => continue,
                StepOutcome::Moved => {
                    self.tell_news();
                    return Rest::Moved;
                }
                StepOutcome::Nothing => {}
            }
            match self.rest(engine) {
                Rest::Search => {}
                end => return end,
            }
        }
    }

    /// Works until there is nothing to do; or, if `stay` is given, until that time has passed and
    /// there is more to do. In the latter case it returns `Search`: the slot is the caller's, and
    /// is counted as searching.
    ///
    /// The time is looked at between jobs, so one long job may exceed it.
    pub(crate) fn work_as_guest<E: Engine>(&self, engine: &E, stay: Option<Duration>) -> Rest {
        let _entered = self.enter();
        let _called = self.calls_after_job();
        let until = stay.map(|stay| machine::now() + stay);
        loop {
            match self.step(engine) {
                StepOutcome::Ran => {
                    self.run_after_job();
                    if until.is_some_and(|until| machine::now() >= until) && has_work(engine) {
                        self.tell_news();
                        self.begin_search();
                        return Rest::Search;
                    }
                    continue;
                }
                StepOutcome::Moved => {
                    self.tell_news();
                    return Rest::Moved;
                }
                StepOutcome::Nothing => {}
            }
            match self.rest(engine) {
                Rest::Search => {}
                end => return end,
            }
        }
    }

    /// Runs what is pinned to the thread of this worker, until there is nothing. The worker is not
    /// counted among those that search, and needs no slot.
    pub(crate) fn work_on_pinned<E: Engine>(&self, engine: &E) {
        let _entered = self.enter();
        let _called = self.calls_after_job();
        loop {
            while self.run_pinned(engine) {
                self.run_after_job();
                self.0.past_bound.set(0); // a new stack
            }
            // User code, on top of which the thread may be visited again: that visit relies on this
            // one.
            self.tell_news();
            self.run_after_job();
            if !self.has_pinned() || self.life().is_forked() {
                break;
            }
        }
    }

    /// Runs one task, if there is one. Queued jobs and woken futures alternate, so that neither
    /// starves the other (`R804`).
    #[inline]
    fn step<E: Engine>(&self, engine: &E) -> StepOutcome {
        if self.life().phase.looks_beside_queue()
            && let Some(step) = self.step_beside_queue(engine)
        {
            return step;
        }
        let woken_come_first = self.begin_look();
        if woken_come_first && self.run_woken() {
            return self.step_taken();
        }
        match self.run_queued(engine) {
            StepOutcome::Nothing if self.run_woken() || self.run_stolen(engine) => {
                self.step_taken()
            }
            StepOutcome::Nothing => self.step_chore(engine),
            step => step,
        }
    }

    /// Counts a look for something to run. Returns whether the woken futures come first this time.
    #[inline]
    pub(crate) fn begin_look(&self) -> bool {
        let tick = self.0.tick.get().wrapping_add(1);
        self.0.tick.set(tick);
        tick.is_multiple_of(2)
    }

    /// Pops one task from the engine's queue and has the engine run it.
    #[inline(always)]
    fn run_queued<E: Engine>(&self, engine: &E) -> StepOutcome {
        machine::point(Point::Look);
        let mut place = MaybeUninit::uninit();
        let Some(task) = engine.queue().pop(self, &mut place) else {
            return StepOutcome::Nothing;
        };
        machine::point(Point::Took(task.id()));
        if self.0.past_bound.get() != 0 {
            self.0.past_bound.set(0); // a new stack
        }
        self.found(engine);
        engine.run(self, task)
    }

    /// Returns the slot that this worker holds, for an engine that moves it elsewhere. On an engine
    /// with threads of its own and no hosts, it is the worker's index.
    pub fn slot(&self) -> usize {
        self.0.slot
    }

    /// Runs one entry of the list of woken futures. Returns false if the list seems empty, which
    /// nearly each second look of a worker finds.
    #[inline]
    pub(crate) fn run_woken(&self) -> bool {
        !self.life().woken.seems_empty() && self.run_first_woken()
    }

    /// Does the part of [`run_woken`](Self::run_woken) that is due where the list is not empty.
    #[inline(never)]
    fn run_first_woken(&self) -> bool {
        let mut place = MaybeUninit::uninit();
        let Some(task) = self.life().woken.pop_to(&mut place) else {
            return false;
        };
        if self.ends_last_search() {
            self.life().notify();
        }
        let id = task.id();
        task.run(self);
        machine::point(Point::Done(id));
        true
    }

    /// Runs a task that was taken out of the queue, on this thread, and keeps the books: the
    /// outcome is recorded and published, and the job is counted as over, before this returns. A
    /// future may only be suspended by then.
    ///
    /// Panics of the job are contained. Once the pool is cancelling, the task does not run: it goes
    /// into the shutdown report, or is abandoned.
    #[inline]
    pub fn run(&self, task: Task) {
        let mut place = MaybeUninit::uninit();
        self.run_held(TaskRef::new(&mut place, task));
    }

    /// [`run`](Self::run) for a task that stays where it lies until its job is read out of it,
    /// which saves copies.
    #[inline(always)]
    pub fn run_held(&self, task: TaskRef<'_>) {
        let life = self.life();
        if life.is_cancelling() {
            life.give_up(task.into_task());
            return;
        }
        let id = task.id();
        task.run(self);
        machine::point(Point::Done(id));
    }

    /// Counts a job that this worker accounts for as over. To be called when nothing of the job is
    /// left: the outcome is published and the frame has ended.
    #[inline]
    pub(crate) fn over(&self) {
        let has_left = self.forget_left();
        self.0.status.stripe.over();
        self.0.has_news.set(true);
        if has_left {
            // A job that is left out of a wait elsewhere may keep this worker for long.
            self.tell_news();
        }
    }

    /// Tells those that watch the pool, if a job has ended here. Only then: one of them may be a
    /// future of this pool, which this very worker polls, and which changes nothing by that.
    fn tell_news(&self) {
        if self.0.has_news.replace(false) {
            self.life().tell_watchers();
        }
    }

    /// Returns the worker's index, from 0 to one less than the number of workers. It is the index
    /// of its seat: no two workers of a pool have the same one at a time.
    #[inline]
    pub fn index(&self) -> usize {
        self.0.seat.index
    }

    /// Returns the life of the worker's pool.
    #[inline]
    pub fn life(&self) -> &Arc<Lifecycle> {
        &self.0.seat.life
    }

    /// Returns the pool as the executor that the jobs on this worker submit children to.
    #[inline]
    pub(crate) fn executor(&self) -> &dyn Executor {
        &*self.0.host
    }

    /// Runs one queued task within the job that waits here for its whole pool: the wait keeps this
    /// worker, which may be the only one left. Returns false if nothing was run.
    ///
    /// Once the pool has stopped, a job that waits for the end is not helped any more: its limit
    /// may have passed. One that waits for quiet is, since the other workers may all wait in the
    /// same way, and leave what was woken to each other.
    pub(crate) fn help(&self, awaits: Awaits) -> bool {
        let life = self.life();
        let is_over = match awaits {
            Awaits::Quiet => life.is_forked(),
            Awaits::End => life.phase.is_stopped(),
        };
        !is_over && self.helping_apart(|| self.0.host.help(self))
    }

    /// Returns how often this worker has looked for a task, for a queue that looks elsewhere every
    /// so often. It wraps around.
    #[inline]
    pub fn tick(&self) -> u32 {
        self.0.tick.get()
    }

    /// Makes `state` what the jobs of this worker see. Only the first call has an effect.
    pub(crate) fn set_state(&self, state: Rc<dyn Any>) {
        // The first state stands: jobs may hold references into it.
        let _first = self.0.state.set(state);
    }

    /// Notes which of the pool's own threads this worker is on.
    pub(crate) fn set_home(&self, home: usize) {
        self.0.home.set(Some(home));
    }

    /// Returns what the jobs of this worker see as its state, if there is any.
    #[inline]
    pub(crate) fn state(&self) -> Option<&dyn Any> {
        self.0.state.get().map(|state| &**state)
    }

    /// Notes that a job starts here, until the frame is dropped. The start is taken from the
    /// sampled clock.
    #[inline(always)]
    pub(crate) fn begin(&self, id: JobId, name: Option<&str>) -> Frame<'_> {
        let since = self.0.clock.now(self.life());
        let noted_at = self.0.status.begin(id, name, since);
        Frame {
            worker: self,
            noted_at,
        }
    }

    /// Returns whether jobs that are joined or awaited here may run here. Not on a thread that
    /// polls the futures of a runtime, which a closure might block, and not in a forked child.
    #[inline]
    pub(crate) fn may_claim(&self) -> bool {
        !self.is_hosting() && !self.life().is_forked()
    }

    /// Runs a job that was claimed, within the job that waits for it, and counts it as over. `run`
    /// gets the job's frame, and records the outcome.
    #[inline]
    pub(crate) fn run_claimed<R>(
        &self,
        id: JobId,
        name: Option<&str>,
        run: impl FnOnce(&Frame<'_>) -> R,
    ) -> R {
        let frame = self.begin(id, name);
        let result = self.helping_apart(|| run(&frame));
        drop(frame);
        self.over();
        result
    }

    /// Returns when the job that was begun last started, in nanoseconds of the pool's age. The
    /// clock behind it is read for some jobs only.
    pub(crate) fn last_reading(&self) -> u64 {
        self.0.clock.last_reading()
    }

    /// Counts the worker among those that search, if it is not yet, for the next holder of its
    /// slot.
    pub(crate) fn begin_search(&self) {
        if !self.0.is_searching.replace(true) {
            self.life().roster.sleep.begin_search();
        }
    }

    /// Returns whether this is the only reference to the worker.
    pub(crate) fn is_unshared(&self) -> bool {
        Rc::strong_count(&self.0) == 1
    }

    /// Returns how many jobs of this pool are on this thread's stack: those with a frame, and
    /// nested polls.
    #[inline]
    pub(crate) fn own_jobs(&self) -> usize {
        self.0.status.depth() + self.0.nested.get()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.status.keep_looks(self.tick.get());
        current::forget(self);
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("index", &self.index())
            .finish_non_exhaustive()
    }
}

/// What came of a look for a task, and what an engine says of a task that it was given in
/// [`Engine::run`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// A task was run here, and has returned. The worker looks for the next.
    Ran,
    /// There was no task. The worker searches a while, and then sleeps.
    Nothing,
    /// A task was started where it runs on without this thread, and the worker's slot went with it.
    /// The worker leaves its seat. See [`Worker::set_out`].
    Moved,
}
