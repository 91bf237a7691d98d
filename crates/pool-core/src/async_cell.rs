//! The cell of a future: the future itself, how it comes back when it is woken, and where its outcome meets its handle.
//!
//! Whoever has the [`Turn`] polls. A wake takes one way back: an entry that cannot be refused, or the waker of a joiner that
//! drives the future in place. A **host**, which is a runtime's task, takes the turn once and keeps it to the end: the future is
//! given the host's own waker, so its wakes pass this cell by.

#[cfg(all(test, pool_loom))]
mod models;
mod outlet;

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Wake, Waker};

use crate::async_entry::WokenEntry;
use crate::cell::{conclude, message_of, refuse_start};
use crate::context::{AsyncContext, OwnToken};
use crate::home::Home;
use crate::id::JobId;
use crate::job::Terms;
use crate::lifecycle::Lifecycle;
use crate::machine::{self, Point};
use crate::outcome::{
    Interrupted, JobError, Outcome, PanicInfo, contain, drop_contained, outcome_of, wake_contained,
};
use crate::source::Source;
use crate::state::State;
use crate::sync::{LockExt, Mutex, Ordering, UnsafeCell};
use crate::task::{Ran, Task};
use crate::ticket::Resolution;
use crate::turn::Turn;
use crate::waiter::Waiter;
use crate::worker::{Frame, Worker};

/// Who is woken for a suspended future's next poll, where it is not a worker of its pool.
#[derive(Default)]
struct WayBack {
    /// A joiner that drives the future in place takes precedence, so that no worker is needed (`R502`).
    joiner: Option<Waker>,
    /// The task of a runtime. Its future's wakes go there by themselves; this one is for a canceller.
    host: Option<Waker>,
}

pub(crate) struct AsyncCell<S: Source> {
    id: JobId,
    state: State,
    turn: Turn,
    /// Written before its host takes the start, so a joiner that comes too late for that sees it.
    is_hosted: AtomicBool,
    /// Whether `way_back` was ever filled.
    has_way_back: AtomicBool,
    waiter: Waiter,
    terms: Option<Box<Terms>>,
    token: OwnToken,
    home: Home,
    reported: Mutex<Option<Interrupted>>,
    way_back: Mutex<WayBack>,
    stage: UnsafeCell<Stage<S>>,
}

/// The future is pinned: a cell lives in an `Arc`, and a stage that is started is left by an assignment alone.
enum Stage<S: Source> {
    Queued(S),
    Started(S::Future),
    Ended(Resolution<S::Output, S::Error>),
    Empty,
}

// SAFETY: source, future and outcome are `Send`, and `stage` is touched by one side at a time: by whoever has the turn, until
// `State::end`; then by the handle, or by whichever of `end` and `detach` came second. Everything else is `Sync`.
unsafe impl<S: Source> Sync for AsyncCell<S> {}
// SAFETY: as above; a cell is its parts.
unsafe impl<S: Source> Send for AsyncCell<S> {}

/// What came of one poll.
enum Once<S: Source> {
    /// `is_first`: nothing that may end the job knows yet whom to wake.
    Suspended {
        is_first: bool,
    },
    Over(Resolution<S::Output, S::Error>),
}

/// On whose behalf a worker polls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// Its own: it popped the future's first entry.
    Popper,
    /// That of the future's home: it popped the entry of a wake.
    Woken,
    /// That of a joiner on its stack.
    Joiner,
}

/// A future as the rest of the crate drives it.
pub(crate) trait Polled: Send + Sync {
    /// The job's id.
    fn id(&self) -> JobId;
    /// The job's name, if it has one.
    fn name(&self) -> Option<&str>;
    /// Takes the right to start. True for exactly one caller.
    fn start(&self) -> bool;
    fn is_started(&self) -> bool;
    /// Takes the turn and polls once; does nothing where the turn is not to be had. The frame is the worker's note that the job runs
    /// there; it goes as soon as the job is known to be suspended or over.
    fn poll_at(self: Arc<Self>, worker: &Worker, frame: Option<Frame<'_>>, driver: Driver) -> Ran;
    fn settle_popped(self: Arc<Self>, life: &Arc<Lifecycle>) -> Ran;
    /// Ends a job that is due for a poll it will not get.
    fn end_unpolled(self: Arc<Self>, outcome: Outcome);
    /// Takes the right to start and the turn, for a host.
    fn start_hosted(&self) -> bool;
    /// Polls once for the host, which has the turn; ready when the job is over: recorded by the host, then published.
    fn poll_hosted(&self, worker: &Worker, host: &Waker, known: Known) -> Poll<Outcome>;
    /// Ends a job whose host has gone, between two polls: to be recorded and published.
    fn cut_off(&self, life: &Lifecycle) -> Outcome;
    /// Lets the handle see the outcome.
    fn publish(&self, outcome: Outcome);
}

/// Whether a job has been told of its host's waker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    NotYet,
}

impl<S: Source> AsyncCell<S> {
    pub(crate) fn new(id: JobId, source: S, terms: Option<Box<Terms>>) -> Arc<Self> {
        Arc::new(Self {
            id,
            state: State::new(),
            turn: Turn::new(),
            is_hosted: AtomicBool::new(false),
            has_way_back: AtomicBool::new(false),
            waiter: Waiter::new(),
            terms,
            token: OwnToken::default(),
            home: Home::default(),
            reported: Mutex::new(None),
            way_back: Mutex::new(WayBack::default()),
            stage: UnsafeCell::new(Stage::Queued(source)),
        })
    }

    /// Takes a job back that no executor accepted. None if it was cancelled or run meanwhile.
    pub(crate) fn reclaim(&self) -> Option<S> {
        if !self.state.start() || !self.turn.begin() {
            return None;
        }
        match self.replace(Stage::Empty) {
            Stage::Queued(source) => Some(source),
            _ => unreachable!("the job is there until it is started"),
        }
    }

    /// The caller owns the stage now, by the rule at `Sync`, and no future is in it.
    fn replace(&self, stage: Stage<S>) -> Stage<S> {
        // SAFETY: every caller has the turn and has not yet called `end`, or is the handle after `end`, or the second of `end` and
        // `detach`: nobody else touches the stage. What is moved out is no pinned future: each caller knows the stage, or has
        // emptied it.
        self.stage
            .with_mut(|place| unsafe { std::mem::replace(&mut *place, stage) })
    }

    /// Drops what is in the stage, where it is. The caller has the turn.
    fn clear(&self) {
        self.stage.with_mut(|place| {
            // SAFETY: the caller has the turn. The assignment drops a future in its place, and writes also where that panics.
            drop_contained(contain(|| unsafe { *place = Stage::Empty }));
        });
    }

    fn interruption(&self, life: &Lifecycle) -> Option<Interrupted> {
        if self.state.is_cancel_requested() || life.cancels(self.id) {
            return Some(Interrupted::Cancelled);
        }
        refuse_start(self.terms.as_deref())
    }

    /// Makes the future, at the first poll. True if this is the first. The caller has the turn.
    fn make_future(&self, life: &Arc<Lifecycle>) -> Result<bool, PanicInfo> {
        let source = self.stage.with_mut(|place| {
            // SAFETY: the caller has the turn.
            let stage = unsafe { &mut *place };
            if !matches!(stage, Stage::Queued(_)) {
                return None;
            }
            match std::mem::replace(stage, Stage::Empty) {
                Stage::Queued(source) => Some(source),
                _ => None,
            }
        });
        let Some(source) = source else {
            return Ok(false);
        };
        let ctx = || AsyncContext::new(self.shared(), Arc::clone(life));
        let future = contain(|| source.start(ctx))?;
        drop(self.replace(Stage::Started(future)));
        Ok(true)
    }

    /// One more reference.
    fn shared(&self) -> Arc<Self> {
        let this = std::ptr::from_ref(self);
        // SAFETY: `new` is the only way to a cell and puts it into an `Arc`, which lives at least as long as this borrow of it.
        unsafe {
            Arc::increment_strong_count(this);
            Arc::from_raw(this)
        }
    }

    /// One poll. The caller has the turn.
    fn poll_once(&self, worker: &Worker, waker: &Waker) -> Once<S> {
        let life = worker.life();
        if let Some(interrupted) = self.interruption(life) {
            self.clear();
            return Once::Over(Err(interrupted.into()));
        }
        let is_first = match self.make_future(life) {
            Ok(is_first) => is_first,
            Err(panic) => return Once::Over(Err(JobError::Panicked(panic))),
        };
        let outer = worker.begin_polling(self.id);
        let polled = self.stage.with_mut(|place| {
            // SAFETY: the caller has the turn.
            let Stage::Started(future) = (unsafe { &mut *place }) else {
                unreachable!("the future is there until it is over")
            };
            // SAFETY: it is not moved out of the cell, see `Stage`, and the cell does not move.
            let future = unsafe { Pin::new_unchecked(future) };
            contain(|| {
                machine::point(Point::Begin(self.id));
                future.poll(&mut Context::from_waker(waker))
            })
        });
        worker.end_polling(outer);
        let result = match polled {
            Ok(Poll::Pending) => return Once::Suspended { is_first },
            Ok(Poll::Ready(result)) => Ok(result),
            Err(panic) => Err(panic),
        };
        self.clear();
        Once::Over(conclude(result, *self.reported.lock_unpoisoned()))
    }

    /// Has a token and the deadline wake the job. The caller looks at them once more afterwards, so nothing falls between.
    fn watch_terms(&self, life: &Lifecycle, waker: &Waker) {
        let Some(terms) = &self.terms else { return };
        if let Some(token) = &terms.token {
            token.watch(self.id, waker);
        }
        if let Some(deadline) = terms.deadline {
            life.clock().wake_at(deadline, self.id, waker);
        }
    }

    fn unwatch_terms(&self, life: &Lifecycle) {
        let Some(terms) = &self.terms else { return };
        if let Some(token) = &terms.token {
            token.unwatch(self.id);
        }
        if let Some(deadline) = terms.deadline {
            life.clock().forget(deadline, self.id);
        }
    }

    /// Polls with the turn taken, and gives it back or ends the job.
    fn take_turn(
        self: &Arc<Self>,
        worker: &Worker,
        frame: Option<Frame<'_>>,
        driver: Driver,
    ) -> Ran {
        let life = worker.life();
        // SAFETY: a waker that owns no count of its own: it is not dropped, and `self` outlives it.
        let waker = unsafe { Arc::from_raw(Arc::as_ptr(self)) };
        let waker = ManuallyDrop::new(Waker::from(waker));
        let mut is_unknown_elsewhere = driver == Driver::Popper;
        let since = worker.last_reading();
        let resolution = match self.poll_once(worker, &waker) {
            Once::Over(resolution) => resolution,
            Once::Suspended { is_first } => {
                if driver == Driver::Popper {
                    is_unknown_elsewhere = false;
                    self.home.set(life);
                    life.leave(self.id, self.name(), since, Some(Waker::clone(&waker)));
                }
                if is_first {
                    self.watch_terms(life, &waker);
                }
                let Some(interrupted) = self.interruption(life) else {
                    drop(frame);
                    if self.turn.suspend() {
                        self.go_back(Some(life).filter(|_| driver != Driver::Joiner));
                    }
                    return Ran::Elsewhere;
                };
                self.clear();
                Err(interrupted.into())
            }
        };
        drop(frame);
        self.turn.finish();
        self.unwatch_terms(life);
        if is_unknown_elsewhere {
            self.end_at(worker, resolution);
            return Ran::Over;
        }
        self.end(life, resolution);
        Ran::Elsewhere
    }

    /// Records the outcome with the worker that ran the job from its start to its end, then publishes it.
    fn end_at(&self, worker: &Worker, resolution: Resolution<S::Output, S::Error>) {
        let outcome = self.store(worker.life(), resolution);
        worker.record(outcome);
        self.publish(outcome);
    }

    /// Records the outcome where the job is at home, then publishes it. `life` is that of the thread that ended it.
    fn end(&self, life: &Lifecycle, resolution: Resolution<S::Output, S::Error>) {
        let outcome = self.store(life, resolution);
        let home = self.home.take();
        if let Some(home) = &home {
            home.come_back(self.id, outcome);
        }
        self.publish(outcome);
        match home {
            Some(home) => home.entry_over(),
            None => self.home.settle_claimed(self.id, outcome),
        }
    }

    /// Tells the observer, and leaves the outcome where `publish` shows it to the handle.
    fn store(&self, life: &Lifecycle, resolution: Resolution<S::Output, S::Error>) -> Outcome {
        let outcome = outcome_of(&resolution);
        life.observe(outcome, self.id, self.name(), message_of(&resolution));
        drop(self.replace(Stage::Ended(resolution)));
        outcome
    }

    fn drop_resolution(&self) {
        drop_contained(self.replace(Stage::Empty));
    }

    /// Whoever drove the future in place has left it: the pool that popped its entry polls it from now on. If none has yet, the
    /// popper comes by here as well.
    fn find_new_driver(self: &Arc<Self>) {
        if let Some(life) = self.home.get() {
            self.requeue_at(&life);
        }
    }

    fn requeue_at(self: &Arc<Self>, life: &Arc<Lifecycle>) {
        life.requeue(Task::new(self.id, WokenEntry(Arc::clone(self) as _)));
    }

    /// Takes the one way back that a wake owes. `home` is given where it is known.
    fn go_back(self: &Arc<Self>, home: Option<&Arc<Lifecycle>>) {
        let joiner = self.way_back.lock_unpoisoned().joiner.clone();
        match (joiner, home) {
            (Some(waker), _) => wake_contained(waker),
            (None, Some(home)) => self.requeue_at(home),
            // Without a home it was claimed before its entry was popped, and the joiner that drives it is polling right now.
            (None, None) => self.find_new_driver(),
        }
    }

    /// Puts a waker into the way back.
    fn lead_back(&self, lead: impl FnOnce(&mut WayBack)) {
        lead(&mut self.way_back.lock_unpoisoned());
        // Read by this side again, or by one that was handed the job since; who misses it leaves a waker to the cell's own drop.
        self.has_way_back.store(true, Ordering::Relaxed);
    }
}

impl<S: Source> Wake for AsyncCell<S> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.turn.wake() {
            self.go_back(None);
        }
    }
}

impl<S: Source> Polled for AsyncCell<S> {
    fn id(&self) -> JobId {
        self.id
    }

    fn name(&self) -> Option<&str> {
        self.terms.as_ref()?.name.as_deref()
    }

    fn start(&self) -> bool {
        self.state.start()
    }

    fn is_started(&self) -> bool {
        self.state.is_started()
    }

    fn poll_at(self: Arc<Self>, worker: &Worker, frame: Option<Frame<'_>>, driver: Driver) -> Ran {
        if !self.turn.begin() {
            return Ran::Elsewhere;
        }
        self.take_turn(worker, frame, driver)
    }

    fn settle_popped(self: Arc<Self>, life: &Arc<Lifecycle>) -> Ran {
        let waker = Waker::from(Arc::clone(&self));
        let ran = self
            .home
            .settle_popped(life, self.id, self.name(), &self.state, Some(waker));
        // A driver that left before this found no home to leave the job to; one that leaves after this finds it.
        if ran == Ran::Elsewhere
            && self.has_way_back.load(Ordering::Relaxed)
            && self.way_back.lock_unpoisoned().joiner.is_none()
        {
            self.find_new_driver();
        }
        ran
    }

    fn end_unpolled(self: Arc<Self>, outcome: Outcome) {
        if !self.turn.begin() {
            return;
        }
        self.turn.finish();
        self.clear();
        let error = match outcome {
            Outcome::Cancelled => JobError::Cancelled,
            _ => JobError::Abandoned,
        };
        match self.home.get() {
            Some(life) => {
                self.unwatch_terms(&life);
                self.end(&life, Err(error));
            }
            None => {
                drop(self.replace(Stage::Ended(Err(error))));
                self.publish(outcome);
            }
        }
    }

    fn start_hosted(&self) -> bool {
        // ORDERING: Relaxed: `start` publishes it to who comes too late for the start.
        self.is_hosted.store(true, Ordering::Relaxed);
        self.state.start() && self.turn.begin()
    }

    fn poll_hosted(&self, worker: &Worker, host: &Waker, known: Known) -> Poll<Outcome> {
        let life = worker.life();
        let resolution = match self.poll_once(worker, host) {
            Once::Over(resolution) => resolution,
            Once::Suspended { .. } => {
                if known == Known::NotYet {
                    // A canceller sets its mark and then looks here, under the lock: one of the two sees the other.
                    self.lead_back(|way| way.host = Some(host.clone()));
                    self.watch_terms(life, host);
                }
                let Some(interrupted) = self.interruption(life) else {
                    return Poll::Pending;
                };
                self.clear();
                Err(interrupted.into())
            }
        };
        self.turn.finish();
        self.unwatch_terms(life);
        Poll::Ready(self.store(life, resolution))
    }

    fn cut_off(&self, life: &Lifecycle) -> Outcome {
        self.turn.finish();
        self.unwatch_terms(life);
        self.clear();
        self.store(life, Err(JobError::Cancelled))
    }

    fn publish(&self, outcome: Outcome) {
        let ended = self.state.end(outcome);
        if ended.is_detached {
            self.drop_resolution();
        }
        if ended.has_waiter {
            // SAFETY: this is the end, and it says so.
            drop_contained(contain(|| unsafe { self.waiter.wake() }));
        }
        if self.has_way_back.load(Ordering::Relaxed) {
            let way_back = std::mem::take(&mut *self.way_back.lock_unpoisoned());
            drop_contained(way_back);
        }
    }
}
