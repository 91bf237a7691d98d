//! The cell of a future: the future itself, how it comes back when it is woken, and where its outcome meets its handle.
//!
//! Whoever has the [`Turn`] polls. A wake takes one way back: an entry that cannot be refused, or the waker of whoever hosts the
//! future (a runtime's task, or a joiner that drives it in place).

use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use atomic_waker::AtomicWaker;

use crate::async_entry::WokenEntry;
use crate::cell::{conclude, message_of, outcome_of, refuse_start};
use crate::context::{AsyncContext, AsyncView, Cancellation, OwnToken};
use crate::home::Home;
use crate::id::JobId;
use crate::job::{AsyncJob, Terms};
use crate::lifecycle::Lifecycle;
use crate::outcome::{Interrupted, JobError, Outcome, contain, drop_contained};
use crate::state::State;
use crate::sync::{LockExt, Mutex};
use crate::task::{Ran, Task};
use crate::ticket::{Joined, Outlet, Release, Resolution, Ticket};
use crate::token::CancelToken;
use crate::turn::Turn;
use crate::wait::Parker;
use crate::worker::{Frame, Seat, Worker};

/// How a woken future gets its next poll.
#[derive(Default)]
struct WayBack {
    /// A joiner that drives the future in place takes precedence, so that no worker is needed (`R502`).
    joiner: Option<Waker>,
    host: Option<Waker>,
}

pub(crate) struct AsyncCell<J: AsyncJob> {
    id: JobId,
    state: State,
    turn: Turn,
    waiter: AtomicWaker,
    terms: Option<Box<Terms>>,
    token: OwnToken,
    home: Home,
    reported: Mutex<Option<Interrupted>>,
    way_back: Mutex<WayBack>,
    stage: Mutex<AsyncStage<J>>,
    resolution: Mutex<Option<Resolution<J::Output, J::Error>>>,
}

type BoxedFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

enum AsyncStage<J: AsyncJob> {
    Queued(J),
    /// Suspended at least once: registered with whatever may end it.
    Suspended(BoxedFuture<J::Output, J::Error>),
    Empty,
}

/// A future as the rest of the crate drives it.
pub(crate) trait Polled: Send + Sync {
    /// The job's name, if it has one.
    fn name(&self) -> Option<&str>;
    /// Takes the right to start. True for exactly one caller.
    fn start(&self) -> bool;
    fn is_started(&self) -> bool;
    /// Takes the turn and polls once; ready when the job is over, `None` where the turn was not to be had. The frame is the
    /// seat's note that the job runs there; it goes as soon as the job is known to be suspended or over.
    fn poll_at(self: Arc<Self>, seat: &Seat, frame: Option<Frame<'_>>) -> Option<Poll<()>>;
    fn settle_popped(self: Arc<Self>, life: &Arc<Lifecycle>) -> Ran;
    fn set_home(&self, life: &Arc<Lifecycle>);
    fn set_host(&self, waker: &Waker);
    /// Ends a job that is due for a poll it will not get.
    fn end_unpolled(self: Arc<Self>, outcome: Outcome);
    /// Ends a job whose host has gone, between two polls.
    fn end_unhosted(self: Arc<Self>);
    /// Notes at `life` that the job runs there, on no worker's thread.
    fn leave(self: Arc<Self>, life: &Lifecycle);
    fn is_ended(&self) -> bool;
}

impl<J: AsyncJob> AsyncCell<J> {
    pub(crate) fn new(id: JobId, job: J, terms: Option<Box<Terms>>) -> Arc<Self> {
        Arc::new(Self {
            id,
            state: State::new(),
            turn: Turn::new(),
            waiter: AtomicWaker::new(),
            terms,
            token: OwnToken::default(),
            home: Home::default(),
            reported: Mutex::new(None),
            way_back: Mutex::new(WayBack::default()),
            stage: Mutex::new(AsyncStage::Queued(job)),
            resolution: Mutex::new(None),
        })
    }

    /// Takes a job back that no executor accepted. None if it was cancelled or run meanwhile.
    pub(crate) fn reclaim(&self) -> Option<J> {
        if !self.state.start() {
            return None;
        }
        match self.replace(AsyncStage::Empty) {
            AsyncStage::Queued(job) => Some(job),
            _ => unreachable!("the job is there until it is started"),
        }
    }

    /// The handle's end.
    pub(crate) fn ticket(self: Arc<Self>) -> Ticket<J::Output, J::Error> {
        let cell = Arc::into_raw(self).cast_mut();
        // SAFETY: an `Arc`'s pointer is not null; the cell lives until `release` takes the reference back that is counted here.
        unsafe { Ticket::new(NonNull::new_unchecked(cell)) }
    }

    /// One more reference. Every cell is in an `Arc`: [`new`](Self::new) makes no other.
    fn shared(&self) -> Arc<Self> {
        // SAFETY: `self` is in an `Arc`, which whoever lends `self` keeps alive.
        unsafe {
            Arc::increment_strong_count(self);
            Arc::from_raw(self)
        }
    }

    /// The handle has gone.
    fn detach(self: &Arc<Self>) {
        if self.state.detach() {
            self.drop_resolution();
            return;
        }
        let driver = self.way_back.lock_unpoisoned().joiner.take();
        if driver.is_some() {
            self.find_new_driver();
        }
    }

    fn replace(&self, stage: AsyncStage<J>) -> AsyncStage<J> {
        std::mem::replace(&mut *self.stage.lock_unpoisoned(), stage)
    }

    fn interruption(&self, life: &Lifecycle) -> Option<Interrupted> {
        if self.state.is_cancel_requested() || life.cancels(self.id) {
            return Some(Interrupted::Cancelled);
        }
        refuse_start(self.terms.as_deref())
    }

    /// One poll. The caller has the turn. `Some` once the job is over.
    fn poll_once(
        self: &Arc<Self>,
        life: &Arc<Lifecycle>,
    ) -> Option<Resolution<J::Output, J::Error>> {
        let stage = self.replace(AsyncStage::Empty);
        if let Some(interrupted) = self.interruption(life) {
            drop_contained(stage);
            return Some(Err(interrupted.into()));
        }
        let (mut future, is_registered) = match stage {
            AsyncStage::Queued(job) => {
                let ctx =
                    AsyncContext::new(Arc::clone(self) as Arc<dyn AsyncView>, Arc::clone(life));
                match contain(|| Box::pin(job.run(ctx)) as BoxedFuture<_, _>) {
                    Ok(future) => (future, false),
                    Err(panic) => return Some(Err(JobError::Panicked(panic))),
                }
            }
            AsyncStage::Suspended(future) => (future, true),
            AsyncStage::Empty => unreachable!("the future is there until it is over"),
        };
        let waker = Waker::from(Arc::clone(self));
        let worker = Worker::current();
        let outer = worker
            .as_ref()
            .and_then(|worker| worker.set_polling(Some(self.id)));
        let polled = contain(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
        if let Some(worker) = &worker {
            worker.set_polling(outer);
        }
        match polled {
            Ok(Poll::Pending) => {
                if !is_registered {
                    self.watch_for_interruption(life, &waker);
                }
                if let Some(interrupted) = self.interruption(life) {
                    drop_contained(future);
                    return Some(Err(interrupted.into()));
                }
                drop(self.replace(AsyncStage::Suspended(future)));
                None
            }
            Ok(Poll::Ready(result)) => {
                drop_contained(future);
                Some(conclude(Ok(result), *self.reported.lock_unpoisoned()))
            }
            Err(panic) => {
                drop_contained(future);
                Some(Err(JobError::Panicked(panic)))
            }
        }
    }

    /// Has whatever may end the job wake it. The caller looks once more afterwards, so nothing falls between.
    fn watch_for_interruption(&self, life: &Lifecycle, waker: &Waker) {
        life.leave(self.id, self.name(), Some(waker.clone()));
        let Some(terms) = &self.terms else { return };
        if let Some(token) = &terms.token {
            token.watch(self.id, waker);
        }
        if let Some(deadline) = terms.deadline {
            life.clock().wake_at(deadline, self.id, waker);
        }
    }

    fn unwatch(&self, life: &Lifecycle) {
        let Some(terms) = &self.terms else { return };
        if let Some(token) = &terms.token {
            token.unwatch(self.id);
        }
        if let Some(deadline) = terms.deadline {
            life.clock().forget(deadline, self.id);
        }
    }

    /// Polls with the turn taken, and gives it back or ends the job.
    fn take_turn(self: &Arc<Self>, life: &Arc<Lifecycle>, frame: Option<Frame<'_>>) -> Poll<()> {
        let polled = self.poll_once(life);
        drop(frame);
        match polled {
            None => {
                if self.turn.suspend() {
                    self.go_back();
                }
                Poll::Pending
            }
            Some(resolution) => {
                self.turn.finish();
                self.unwatch(life);
                self.end(life, resolution);
                Poll::Ready(())
            }
        }
    }

    /// Records the outcome where the job is at home, then publishes it. `life` is that of the thread that ended it.
    fn end(&self, life: &Lifecycle, resolution: Resolution<J::Output, J::Error>) {
        let outcome = outcome_of(&resolution);
        life.observe(outcome, self.id, self.name(), message_of(&resolution));
        let home = self.home.take();
        if let Some(home) = &home {
            home.come_back(self.id, outcome);
        }
        self.publish(resolution);
        match home {
            Some(home) => home.entry_over(),
            None => self.home.settle_claimed(self.id, outcome),
        }
    }

    fn publish(&self, resolution: Resolution<J::Output, J::Error>) {
        let outcome = outcome_of(&resolution);
        *self.resolution.lock_unpoisoned() = Some(resolution);
        let ended = self.state.end(outcome);
        if ended.is_detached {
            self.drop_resolution();
        }
        if ended.has_waiter {
            drop_contained(contain(|| self.waiter.wake()));
        }
        let way_back = std::mem::take(&mut *self.way_back.lock_unpoisoned());
        drop_contained(way_back);
    }

    fn drop_resolution(&self) {
        let resolution = self.resolution.lock_unpoisoned().take();
        drop_contained(resolution);
    }

    /// Whoever drove the future in place has left it: the pool that popped its entry polls it from now on. If none has yet, the
    /// popper comes by here as well.
    fn find_new_driver(self: &Arc<Self>) {
        if let Some(life) = self.home.get() {
            life.requeue(Task::new(self.id, WokenEntry(Arc::clone(self) as _)));
        }
    }

    /// Takes the one way back that a wake owes.
    fn go_back(self: &Arc<Self>) {
        let host = {
            let way_back = self.way_back.lock_unpoisoned();
            way_back.joiner.clone().or_else(|| way_back.host.clone())
        };
        match host {
            Some(waker) => drop_contained(contain(|| waker.wake())),
            // Without a home it was claimed before its entry was popped, and the joiner that drives it is polling right now.
            None => self.find_new_driver(),
        }
    }
}

impl<J: AsyncJob> Wake for AsyncCell<J> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.turn.wake() {
            self.go_back();
        }
    }
}

impl<J: AsyncJob> Polled for AsyncCell<J> {
    fn name(&self) -> Option<&str> {
        self.terms.as_ref()?.name.as_deref()
    }

    fn start(&self) -> bool {
        self.state.start()
    }

    fn is_started(&self) -> bool {
        self.state.is_started()
    }

    fn is_ended(&self) -> bool {
        self.state.is_ended()
    }

    fn poll_at(self: Arc<Self>, seat: &Seat, frame: Option<Frame<'_>>) -> Option<Poll<()>> {
        self.turn
            .begin()
            .then(|| self.take_turn(seat.life(), frame))
    }

    fn settle_popped(self: Arc<Self>, life: &Arc<Lifecycle>) -> Ran {
        let waker = Waker::from(Arc::clone(&self));
        self.home
            .settle_popped(life, self.id, self.name(), &self.state, Some(waker))
    }

    fn set_home(&self, life: &Arc<Lifecycle>) {
        self.home.set(life);
    }

    fn set_host(&self, waker: &Waker) {
        let mut way_back = self.way_back.lock_unpoisoned();
        if !way_back
            .host
            .as_ref()
            .is_some_and(|host| host.will_wake(waker))
        {
            way_back.host = Some(waker.clone());
        }
    }

    fn end_unpolled(self: Arc<Self>, outcome: Outcome) {
        if !self.turn.begin() {
            return;
        }
        self.turn.finish();
        drop_contained(self.replace(AsyncStage::Empty));
        let error = match outcome {
            Outcome::Cancelled => JobError::Cancelled,
            _ => JobError::Abandoned,
        };
        match self.home.get() {
            Some(life) => {
                self.unwatch(&life);
                self.end(&life, Err(error));
            }
            None => self.publish(Err(error)),
        }
    }

    fn end_unhosted(self: Arc<Self>) {
        let _is_due = self.turn.wake();
        self.end_unpolled(Outcome::Cancelled);
    }

    fn leave(self: Arc<Self>, life: &Lifecycle) {
        let waker = Waker::from(Arc::clone(&self));
        life.leave(self.id, self.name(), Some(waker));
    }
}

impl<J: AsyncJob> Outlet<J::Output, J::Error> for AsyncCell<J> {
    fn id(&self) -> JobId {
        self.id
    }

    fn is_ended(&self) -> bool {
        self.state.is_ended()
    }

    fn poll_outcome(&self, cx: &mut Context<'_>) -> Poll<Resolution<J::Output, J::Error>> {
        if !self.state.is_ended() {
            self.waiter.register(cx.waker());
            if !self.state.wait() {
                return Poll::Pending;
            }
        }
        let resolution = self.resolution.lock_unpoisoned().take();
        Poll::Ready(resolution.expect("the outcome is taken once"))
    }

    fn cancel(&self) {
        self.state.request_cancel();
        self.token.cancel();
        if self.state.start() {
            // Not started: ended here and now. The turn is `ready` and its only taker has just lost `start`.
            self.turn.finish();
            drop_contained(self.replace(AsyncStage::Empty));
            self.publish(Err(JobError::Cancelled));
            self.home.settle_claimed(self.id, Outcome::Cancelled);
        } else {
            // Suspended: its next poll drops it.
            Wake::wake_by_ref(&self.shared());
        }
    }

    fn join_on(&self, worker: &Worker) -> Option<Joined<J::Output, J::Error>> {
        let this = self.shared();
        let is_claimed = self.state.start();
        let parker = Parker::new();
        {
            let mut way_back = self.way_back.lock_unpoisoned();
            if !is_claimed && way_back.host.is_some() {
                return None; // a runtime hosts it and needs no worker of ours
            }
            way_back.joiner = Some(parker.waker());
        }
        worker.keeping_place(|| {
            loop {
                if self.turn.begin() {
                    let _over = this.take_turn(worker.life(), None);
                }
                self.waiter.register(&parker.waker());
                if self.state.wait() {
                    return;
                }
                parker.park(None);
            }
        });
        None
    }

    fn await_on(&self, worker: &Worker, cx: &mut Context<'_>) {
        let is_claimed = self.state.start();
        {
            let mut way_back = self.way_back.lock_unpoisoned();
            if !is_claimed && way_back.joiner.is_none() {
                return; // started elsewhere, and polled there
            }
            way_back.joiner = Some(cx.waker().clone());
        }
        if self.turn.begin() {
            let _over = worker.keeping_place(|| self.shared().take_turn(worker.life(), None));
        }
    }

    fn release(&self) -> Release {
        release::<J>
    }
}

/// See [`Outlet::release`].
///
/// # Safety
/// `cell` is the address of an `AsyncCell<J>`, and comes with the reference that [`AsyncCell::ticket`] counted.
unsafe fn release<J: AsyncJob>(cell: NonNull<()>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { Arc::from_raw(cell.cast::<AsyncCell<J>>().as_ptr()) };
    cell.detach();
}

impl<J: AsyncJob> Cancellation for AsyncCell<J> {
    fn is_requested(&self) -> bool {
        self.state.is_cancel_requested()
    }

    fn token(&self) -> CancelToken {
        self.token.get(self.terms.as_deref(), &self.state)
    }
}

impl<J: AsyncJob> AsyncView for AsyncCell<J> {
    fn id(&self) -> JobId {
        self.id
    }

    fn terms(&self) -> Option<&Terms> {
        self.terms.as_deref()
    }

    fn report(&self, interrupted: Interrupted) {
        *self.reported.lock_unpoisoned() = Some(interrupted);
    }
}
