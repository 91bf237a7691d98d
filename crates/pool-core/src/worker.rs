//! A worker: finds a task, runs it, and rests when there is none.

mod after_job;
pub(crate) mod borrowed;
mod clock;
mod current;
mod deferred_action;
mod frame;
pub(crate) mod future_host;
mod help;
mod idle_step;
mod inline;
mod job_names;
pub(crate) mod park;
mod polling;
mod run_inside;
mod search;
mod seat;
pub(crate) mod sleep;
pub(crate) mod slot_request;
mod slot_transfer;
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

use crate::cell::raw_handle::Resolution;
use crate::job::id::JobId;
use crate::job::outcome::{Outcome, outcome_of};
use crate::pool::engine::{Engine, Host, Inside, Within};
use crate::pool::lifecycle::{Awaits, Lifecycle};
use crate::queue::TaskQueue;
use crate::submit::error::BuildError;
use crate::submit::executor::Executor;
use crate::sys::machine::{self, Point};
use crate::task::{Task, TaskRef};
use crate::worker::status::Status;
use after_job::AfterJob;
pub(crate) use clock::SampledClock;
pub(crate) use current::current_index;
pub use deferred_action::DeferredAction;
pub(crate) use frame::Frame;
use help::Help;
pub(crate) use help::{Awaited, Helped, leave_helpers};
pub(crate) use idle_step::Rest;
use job_names::Names;
pub(crate) use job_names::StackName;
use polling::Polling;
use search::Search;
pub(crate) use seat::Seat;
pub(crate) use slot_transfer::Departure;
use slot_transfer::Lending;

/// A thread that runs jobs.
///
/// A backend makes one for each of its threads ([`Worker::start`]) and has it [`work`](Self::work);
/// one on borrowed threads goes through
/// [`run_on_borrowed_thread`](crate::backend::run_on_borrowed_thread).
#[derive(Clone)]
pub struct Worker(Rc<Inner>);

struct Inner {
    seat: Seat,
    /// What others see of it.
    status: Arc<CachePadded<Status>>,
    /// What sleeps and is resumed: the index itself, for a worker with a thread of its own.
    slot: usize,
    host: Box<dyn Host>,
    state: OnceCell<Rc<dyn Any>>,
    tick: Cell<u32>,
    is_searching: Cell<bool>,
    search: Search,
    /// Jobs that run in place, within the one that joined them.
    nested: Cell<usize>,
    /// Children that the innermost job has queued past the bound.
    past_bound: Cell<usize>,
    /// Jobs on this stack that run in place since their submitters may queue no more past the
    /// bound.
    beyond: Cell<usize>,
    /// Jobs have ended here since those who watch the pool were last told.
    has_news: Cell<bool>,
    /// Futures on this thread's stack whose suspension frees no worker.
    keeping: Cell<usize>,
    /// The future that is being polled, the innermost of several.
    polling: Cell<Option<Polling>>,
    /// Futures that the jobs on this stack wait for.
    help: Help,
    clock: SampledClock,
    /// What others wait for this thread to do once the job on it is over.
    after_job: AfterJob,
    names: Names,
    /// How its slot comes and goes.
    lending: Lending,
}

impl Worker {
    /// Takes worker `index`'s place on this thread, for good: runs `on_worker_start` and lets the
    /// thread be resumed.
    ///
    /// # Errors
    /// The hook failed or panicked: there is no worker, and the pool cannot be built (`R109`).
    pub fn start<E: Engine>(engine: &Arc<E>, index: usize) -> Result<Self, BuildError> {
        let worker = Self::new(engine, index, index, false);
        let life = worker.life();
        life.roster.set_thread(index, machine::current());
        worker.set_state(Rc::from(life.hooks.start(index)?));
        worker.enter_for_good();
        life.worker_alive();
        Ok(worker)
    }

    /// Takes seat `index`. `is_searching`: the slot slept, was resumed, and is counted as searching
    /// now.
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
            slot,
            host: Box::new(Within(Inside(Arc::clone(engine)))),
            state: OnceCell::new(),
            is_searching: Cell::new(is_searching),
            search: Search::new(engine.life().roster.is_on_borrowed_threads()),
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

    /// Works until the pool stops, then runs `on_worker_stop` and leaves.
    pub fn work<E: Engine>(self, engine: &E) {
        loop {
            while self.step(engine) != StepOutcome::Nothing {}
            match self.rest(engine) {
                Rest::Search | Rest::Moved => {}
                Rest::Sleep => self.0.status.park(),
                Rest::Stop => break,
            }
        }
        self.leave();
    }

    /// Works until there is nothing to do, or the slot has moved elsewhere.
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

    /// Works until there is nothing to do, or, with `stay`, until that has passed: then there is
    /// more, and the slot is the caller's.
    pub(crate) fn work_as_guest<E: Engine>(&self, engine: &E, stay: Option<Duration>) -> Rest {
        let _entered = self.enter();
        let until = stay.map(|stay| machine::now() + stay);
        loop {
            match self.step(engine) {
                StepOutcome::Ran => {
                    self.run_after_job();
                    if until.is_some_and(|until| machine::now() >= until) && self.has_work(engine) {
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

    /// Runs one task, if there is one. Queued jobs and woken futures take turns, so neither starves
    /// the other (`R804`).
    #[inline]
    fn step<E: Engine>(&self, engine: &E) -> StepOutcome {
        if self.life().is_cancelling() {
            return self.step_at_end(engine);
        }
        let woken_come_first = self.begin_look();
        if woken_come_first && self.run_woken() {
            return self.step_taken();
        }
        match self.run_queued(engine) {
            StepOutcome::Nothing if self.run_woken() => self.step_taken(),
            step => step,
        }
    }

    /// Counts a look for something to run. Whether it is the turn of the woken futures.
    #[inline]
    pub(crate) fn begin_look(&self) -> bool {
        let tick = self.0.tick.get().wrapping_add(1);
        self.0.tick.set(tick);
        tick.is_multiple_of(2)
    }

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

    /// The slot of this worker, for an engine that moves it elsewhere.
    pub fn slot(&self) -> usize {
        self.0.slot
    }

    #[inline]
    pub(crate) fn run_woken(&self) -> bool {
        let Some(task) = self.life().woken.pop() else {
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

    /// Runs a task that was taken out of the queue, and keeps the books. Once the pool is
    /// cancelling, the task goes into the report instead.
    #[inline]
    pub fn run(&self, task: Task) {
        let mut place = MaybeUninit::uninit();
        self.run_held(TaskRef::new(&mut place, task));
    }

    /// [`run`](Self::run), where the task lies.
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

    /// A job that this worker accounts for is over.
    #[inline]
    pub(crate) fn over(&self) {
        let has_left = self.forget_left();
        self.life().ledger.over(Some(self.index()));
        self.0.has_news.set(true);
        if has_left {
            // A job that is left out of a wait elsewhere may keep this worker for long.
            self.tell_news();
        }
    }

    /// Tells those who watch the pool, if a job has ended here. Only then: one of them may be a
    /// future of this pool, which this very worker polls, and which changes nothing by that.
    fn tell_news(&self) {
        if self.0.has_news.replace(false) {
            self.life().tell_watchers();
        }
    }

    /// The worker's index, from 0.
    #[inline]
    pub fn index(&self) -> usize {
        self.0.seat.index
    }

    /// The life of the pool.
    #[inline]
    pub fn life(&self) -> &Arc<Lifecycle> {
        &self.0.seat.life
    }

    #[inline]
    pub(crate) fn executor(&self) -> &dyn Executor {
        &*self.0.host
    }

    /// Runs one queued task within the job that waits here for its whole pool, and whose worker
    /// would else be missing.
    ///
    /// Once the pool has stopped, one that waits for the end does so no longer: its limit may have
    /// passed. One that waits for quiet goes on, since the other workers may all wait likewise, and
    /// leave what was woken to each other.
    pub(crate) fn help(&self, awaits: Awaits) -> bool {
        let life = self.life();
        let is_over = match awaits {
            Awaits::Quiet => life.is_forked(),
            Awaits::End => life.phase.is_stopped(),
        };
        !is_over && self.helping_apart(|| self.0.host.help(self))
    }

    /// Whether the pool's queue has a task, as far as can be seen from here.
    pub(crate) fn has_queued(&self) -> bool {
        self.0.host.has_queued()
    }

    /// How often this worker has looked for a task, for backends that look elsewhere every so
    /// often.
    #[inline]
    pub fn tick(&self) -> u32 {
        self.0.tick.get()
    }

    /// Makes `state` what the jobs of this worker see.
    pub(crate) fn set_state(&self, state: Rc<dyn Any>) {
        // The first state stands: jobs may hold references into it.
        let _first = self.0.state.set(state);
    }

    #[inline]
    pub(crate) fn state(&self) -> Option<&dyn Any> {
        self.0.state.get().map(|state| &**state)
    }

    /// Notes that a job starts here, until the frame is dropped.
    #[inline(always)]
    pub(crate) fn begin(&self, id: JobId, name: Option<&str>) -> Frame<'_> {
        let since = self.0.clock.now(self.life());
        let is_listed = self.0.status.begin(id, name, since);
        Frame {
            worker: self,
            is_listed,
        }
    }

    #[inline]
    pub(crate) fn record(&self, outcome: Outcome) {
        self.life().ledger.record(outcome, Some(self.index()));
    }

    /// Records how a job ended that runs here, and tells the observer of failures. Called within
    /// the job's frame.
    #[inline]
    pub(crate) fn record_and_tell<T, E: Any>(
        &self,
        id: JobId,
        name: Option<&str>,
        resolution: &Resolution<T, E>,
        own_text: fn(&E) -> Option<String>,
    ) {
        self.record(outcome_of(resolution));
        self.tell_end(id, name, resolution, own_text);
    }

    /// Tells the observer of failures how a job ended, which is on record. Called within the job's
    /// frame. `own_text`: what the job itself says of its error.
    #[inline]
    pub(crate) fn tell_end<T, E: Any>(
        &self,
        id: JobId,
        name: Option<&str>,
        resolution: &Resolution<T, E>,
        own_text: fn(&E) -> Option<String>,
    ) {
        if let Err(error) = resolution {
            self.life().hooks.observe_error(id, name, error, own_text);
        }
    }

    /// Whether jobs that are joined or awaited here may run here: not on a thread that polls the
    /// futures of a runtime.
    #[inline]
    pub(crate) fn may_claim(&self) -> bool {
        !self.is_hosting() && !self.life().is_forked()
    }

    /// Runs a job that was claimed, within the one that waits for it, and accounts for it. `run`
    /// gets the job's frame.
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

    /// Runs a poll in place, within the job that joined or woke it.
    #[inline]
    pub(crate) fn nested<R>(&self, run: impl FnOnce() -> R) -> R {
        self.0.nested.set(self.0.nested.get() + 1);
        let result = run();
        self.0.nested.set(self.0.nested.get() - 1);
        result
    }

    /// When the job that was begun last started, by the clock that is read for some jobs only.
    pub(crate) fn last_reading(&self) -> u64 {
        self.0.clock.last_reading()
    }

    /// Counts the worker among those that search, for its slot's next holder.
    pub(crate) fn begin_search(&self) {
        if !self.0.is_searching.replace(true) {
            self.life().roster.sleep.begin_search();
        }
    }

    /// Whether this is the only reference to the worker.
    pub(crate) fn is_unshared(&self) -> bool {
        Rc::strong_count(&self.0) == 1
    }

    /// How many jobs of this pool are on this thread's stack.
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

/// What came of a look for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// One was run.
    Ran,
    /// There was none.
    Nothing,
    /// One was started where it runs on without this thread, and the worker's slot went with it.
    Moved,
}
