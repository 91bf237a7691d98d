//! How a worker's slot comes and goes, on engines whose slots move from thread to thread.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::{StepOutcome, Worker};
use crate::pool::engine::Engine;
use crate::task::Task;
use crate::worker::deferred_action::{DeferredAction, wait_for};
use crate::worker::slot_request::Seeking;

/// Where a worker's slot goes once the worker has left its seat.
pub(crate) enum Departure {
    /// To a host, which hosts this future.
    Future(Task),
    /// To a future that gave its own slot away.
    To(Arc<Seeking>),
}

#[derive(Default)]
pub(super) struct Lending {
    /// The worker polls futures for a runtime.
    is_hosting: Cell<bool>,
    /// A future that was polled here waits for a job of its own pool.
    awaits_own: Cell<bool>,
    departure: Cell<Option<Departure>>,
    is_leaving: Cell<bool>,
}

impl Worker {
    /// For [`Engine::run`]: the worker leaves its thread, and its slot goes on with `future`, which
    /// a runtime hosts.
    pub fn set_out(&self, future: Task) -> StepOutcome {
        self.depart(Departure::Future(future));
        StepOutcome::Moved
    }

    /// The worker leaves as soon as what it runs is over.
    pub(crate) fn depart(&self, departure: Departure) {
        self.0.lending.departure.set(Some(departure));
        self.0.lending.is_leaving.set(true);
    }

    /// What comes of a woken task that was run.
    #[inline]
    pub(super) fn step_taken(&self) -> StepOutcome {
        if self.0.lending.is_leaving.get() {
            StepOutcome::Moved
        } else {
            StepOutcome::Ran
        }
    }

    /// Where the slot goes, for whoever has left the seat.
    pub(crate) fn take_departure(&self) -> Option<Departure> {
        self.0.lending.is_leaving.set(false);
        self.0.lending.departure.take()
    }

    /// Its slot has come back from sleep: it is counted among those that search.
    pub(crate) fn is_resumed(&self) {
        self.0.is_searching.set(true);
    }

    /// Its slot sleeps, or is elsewhere: whoever has it may be counted among those that search, and
    /// this worker is not.
    pub(crate) fn is_without_slot(&self) {
        self.0.is_searching.set(false);
    }

    /// Whether it is counted among those that search.
    pub(crate) fn is_searching(&self) -> bool {
        self.0.is_searching.get()
    }

    /// Sleeps until its slot comes home.
    pub(crate) fn park(&self) {
        self.0.status.park();
    }

    /// Says that this worker polls futures for a runtime, and runs no closure.
    pub(crate) fn host(&self) {
        self.0.lending.is_hosting.set(true);
    }

    /// Whether it polls futures for a runtime.
    pub(crate) fn is_hosting(&self) -> bool {
        self.0.lending.is_hosting.get()
    }

    /// Whether jobs may run within the one that runs here. On a thread that polls futures none may:
    /// a closure might block them all.
    pub(crate) fn may_run_in_place(&self) -> bool {
        !self.is_hosting()
    }

    /// Notes that the future that is being polled waits for a job of this pool, or for all of them.
    pub(crate) fn awaits_own_pool(&self) {
        self.0.lending.awaits_own.set(true);
    }

    /// Whether the future that was polled last waits for its own pool. The next one begins anew.
    pub(crate) fn take_awaits_own_pool(&self) -> bool {
        self.0.lending.awaits_own.take()
    }

    /// What jobs on this thread see as the worker's state.
    pub(super) fn shared_state(&self) -> Option<Rc<dyn Any>> {
        self.0.state.get().cloned()
    }

    /// Runs `f` on the thread where the closures of this worker's slot run, with a worker at this
    /// one's seat, and waits for it. `None`: there is no such thread any more.
    pub(crate) fn on_slot_thread<R: Send>(&self, f: impl FnOnce(&Worker) -> R + Send) -> Option<R> {
        if !self.is_hosting() {
            return Some(f(self));
        }
        let seat = (self.index(), self.slot());
        let send = |action| self.0.host.on_slot_thread(action);
        wait_for(f, seat, send, |wait| self.block(wait))
    }

    /// Waits, on the thread of this worker. If it polls a runtime's futures, another thread may do
    /// so meanwhile.
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

    /// Runs an action for the holder of `seat`, on this thread.
    pub(crate) fn run_deferred_action<E: Engine>(&self, engine: &Arc<E>, action: DeferredAction) {
        action.run(engine, self.shared_state());
    }
}
