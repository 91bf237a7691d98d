//! How a worker's slot comes and goes, on engines whose slots move from thread to thread.
//!
//! A worker that is to give its slot away says where to while it runs a task (`depart`). Its loop
//! then ends with `Moved`; the code around the loop drops the worker, frees its seat, takes the
//! departure and passes the slot on.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;

use super::{StepOutcome, Worker};
use crate::pool::engine::Engine;
use crate::task::Task;
use crate::worker::deferred_action::{DeferredAction, wait_for};
use crate::worker::slot_request::{Lender, Seeking};

/// Where a worker's slot goes once the worker has left its seat.
pub(crate) enum Departure {
    /// To a host, which hosts this future.
    Future(Task),
    /// To a future that gave its own slot away.
    To(Arc<Seeking>),
}

/// How one worker's slot comes and goes. Used by the worker's holder alone.
#[derive(Default)]
pub(super) struct Lending {
    /// The worker polls futures for a runtime, and runs no closure. Set once, when a host makes the
    /// worker.
    is_hosting: Cell<bool>,
    /// Where the seat is borrowed for a poll: the thread that waits for it.
    lender: OnceCell<Arc<Lender>>,
    /// A future that was polled here waits for a job of its own pool, or for the pool. The host
    /// takes it after each poll.
    awaits_own: Cell<bool>,
    /// Where the slot goes once the seat is free.
    departure: Cell<Option<Departure>>,
    /// Whether there is a departure.
    is_leaving: Cell<bool>,
}

impl Worker {
    /// Sends the worker's slot to a host, with `future`, which that hosts. For [`Engine::run`],
    /// which returns the answer: [`StepOutcome::Moved`].
    ///
    /// The worker then leaves its seat. Its run returns the future as
    /// [`Continuation::ForHost`](crate::backend::Continuation::ForHost), or, on
    /// [`RegisteredThreads`](crate::backend::RegisteredThreads), hands it to the `host` closure. On
    /// an engine whose workers run neither way, the future would be dropped, and so abandoned.
    pub fn set_out(&self, future: Task) -> StepOutcome {
        self.depart(Departure::Future(future));
        StepOutcome::Moved
    }

    /// Says where the slot goes. The worker leaves as soon as what it runs is over.
    pub(crate) fn depart(&self, departure: Departure) {
        self.0.lending.departure.set(Some(departure));
        self.0.lending.is_leaving.set(true);
    }

    /// Whether the slot is to be passed on as soon as the seat is left.
    pub(super) fn is_departing(&self) -> bool {
        self.0.lending.is_leaving.get()
    }

    /// Returns what came of a woken task that was run: the worker goes on, or its slot has a
    /// departure.
    #[inline]
    pub(super) fn step_taken(&self) -> StepOutcome {
        if self.is_departing() {
            StepOutcome::Moved
        } else {
            StepOutcome::Ran
        }
    }

    /// Takes where the slot goes, for the code that has left the seat.
    pub(crate) fn take_departure(&self) -> Option<Departure> {
        self.0.lending.is_leaving.set(false);
        self.0.lending.departure.take()
    }

    /// Notes that the slot has come back from sleep: it is counted among those that search.
    pub(crate) fn is_resumed(&self) {
        self.0.is_searching.set(true);
        self.begin_pace();
    }

    /// Notes that the slot sleeps, or is elsewhere: its holder may be counted among those that
    /// search, and this worker is not.
    pub(crate) fn is_without_slot(&self) {
        self.0.is_searching.set(false);
    }

    /// Returns whether the worker is counted among those that search.
    pub(crate) fn is_searching(&self) -> bool {
        self.0.is_searching.get()
    }

    /// Sleeps until the thread is woken: for its slot, or for a call in its mailbox.
    pub(crate) fn park(&self) {
        self.0.status.park();
        self.0.clock.forget();
    }

    /// Marks this worker as one that polls futures for a runtime, and runs no closure; at a seat
    /// of its own, or at one that `lender` waits for.
    pub(crate) fn host(&self, lender: Option<Arc<Lender>>) {
        self.0.lending.is_hosting.set(true);
        if let Some(lender) = lender {
            let _first = self.0.lending.lender.set(lender);
        }
    }

    /// Returns whether it polls futures for a runtime.
    pub(crate) fn is_hosting(&self) -> bool {
        self.0.lending.is_hosting.get()
    }

    /// Returns whether children may run within the job that runs here. On a thread that polls
    /// futures none may: a closure might block them all.
    pub(crate) fn may_run_in_place(&self) -> bool {
        !self.is_hosting()
    }

    /// Notes that the future that is being polled waits for a job of this pool, or for all of them.
    /// On a worker that does not host, nothing reads it.
    pub(crate) fn awaits_own_pool(&self) {
        self.0.lending.awaits_own.set(true);
    }

    /// Returns whether the future that was polled last waits for its own pool, and forgets it.
    pub(crate) fn take_awaits_own_pool(&self) -> bool {
        self.0.lending.awaits_own.take()
    }

    /// Returns what jobs on this thread see as the worker's state.
    pub(super) fn shared_state(&self) -> Option<Rc<dyn Any>> {
        self.0.state.get().cloned()
    }

    /// Runs `f` on the thread where the closures of this worker's slot run, with a worker at this
    /// one's seat, and waits for it. That is the calling thread, unless the worker hosts futures.
    /// Returns `None` if there is no such thread any more, or `f` panicked there.
    pub(crate) fn on_slot_thread<R: Send>(&self, f: impl FnOnce(&Worker) -> R + Send) -> Option<R> {
        if !self.is_hosting() {
            return Some(f(self));
        }
        let seat = (self.index(), self.slot());
        let send = |action| match self.0.lending.lender.get() {
            // The slot's thread waits for the seat.
            Some(lender) => lender.send(action),
            None => self.0.host.on_slot_thread(action),
        };
        wait_for(f, seat, send, |wait| self.block(wait))
    }

    /// Calls `wait` on the thread of this worker. If it polls a runtime's futures, the engine is
    /// told, so that another thread may poll them meanwhile.
    pub(crate) fn block<R>(&self, wait: impl FnOnce() -> R) -> R {
        if !self.is_hosting() {
            return wait();
        }
        let (mut wait, mut result) = (Some(wait), None);
        self.0
            .host
            .block(&mut || result = wait.take().map(|wait| wait()));
        result.expect("an engine calls what waits")
    }

    /// Runs an action for the borrower of this worker's seat, within the job that waits here.
    pub(crate) fn run_for_borrower(&self, action: DeferredAction) {
        let state = self.shared_state();
        self.0.host.run_deferred_action(action, state);
    }

    /// Runs an action for the holder of its seat, on this thread, whose state its jobs see.
    pub(crate) fn run_deferred_action<E: Engine>(&self, engine: &Arc<E>, action: DeferredAction) {
        action.run(engine, self.shared_state());
    }
}
