//! `Polled`: a future's cell as workers, helpers and hosts drive it, whatever its type.

use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::{AsyncCell, Once, Place, Poller, split};
use crate::cell::closure::Concluded;
use crate::cell::future::source::Source;
use crate::cell::raw_handle::Resolution;
use crate::cell::unstarted::Tells;
use crate::job::id::JobId;
use crate::job::outcome::{JobError, Outcome, drop_contained, outcome_of};
use crate::pool::lifecycle::Lifecycle;
use crate::sys::sync::{LockExt, Ordering};
use crate::task::{Accepted, Changed, GivenUp, GivenUpAs, Remains};
use crate::worker::slot_request::{LoanEnd, Seeking};
use crate::worker::{Awaited, Helped, Worker};

/// Whether a job has been told of its host's waker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    NotYet,
}

/// A future as the rest of the crate drives it.
pub(crate) trait Polled: Awaited {
    /// The job's name, if it has one.
    fn name(&self) -> Option<&str>;
    /// When it is no longer wanted, if it has a limit.
    fn deadline(&self) -> Option<Instant>;

    /// A worker has dequeued the job's entry: polls for the first time, unless the job was started
    /// elsewhere.
    fn run_first(self: Arc<Self>, worker: &Worker);
    /// A worker has dequeued the entry of a wake: polls, unless a helper was faster.
    fn run_woken(self: Arc<Self>, worker: &Worker);
    /// See [`Payload::accept`](crate::task::Payload::accept).
    fn accept(&self, life: &Lifecycle) -> Accepted;
    /// See [`Payload::watch`](crate::task::Payload::watch).
    fn watch(self: Arc<Self>, life: &Lifecycle) -> Option<Waker>;
    /// See [`Payload::change_pool`](crate::task::Payload::change_pool).
    fn change_pool(self: Arc<Self>, from: &Lifecycle, to: Option<&Arc<Lifecycle>>) -> Changed;
    /// See [`Payload::give_up`](crate::task::Payload::give_up).
    fn give_up(self: Arc<Self>, life: &Lifecycle, ends: GivenUpAs) -> GivenUp;
    /// The job's entry is dropped, unrun.
    fn abandon(&self);
    /// The entry of a wake is dropped, and nobody is left to poll the job.
    fn abandon_woken(&self);
    /// Drops what is left of a job that was given up.
    fn drop_remains(&self);

    /// Takes the right to start, for a host.
    fn start_hosted(&self) -> bool;
    /// Polls once for the host, which has the turn; ready when the job is over: recorded by the
    /// host, then published. Without a worker, it is polled as an outsider.
    fn poll_hosted(
        &self,
        life: &Arc<Lifecycle>,
        worker: Option<&Worker>,
        host: &Waker,
        known: Known,
    ) -> Poll<Outcome>;
    /// Whether its next poll ends it: it was cancelled, its deadline has passed, or its pool is
    /// being cancelled.
    fn is_interrupted(&self, life: &Lifecycle) -> bool;
    /// Ends a job whose host has gone, between two polls: to be recorded and published.
    fn cut_off(&self, life: &Lifecycle) -> Outcome;
    /// Notes where the job, which gave its token away, waits for one; and tells a helper, who may
    /// have one.
    fn note_seeking(&self, seeking: Arc<Seeking>);
    /// Lets the handle of a hosted job see the outcome.
    fn publish_hosted(&self, outcome: Outcome);
}

impl<S: Source> AsyncCell<S> {
    /// Drops the future, leaves a result where the handle finds it, and tells the observer.
    fn store_hosted(&self, life: &Lifecycle, concluded: Concluded<S::Output, S::Error>) -> Outcome {
        let (resolution, leftover): (Resolution<S::Output, S::Error>, _) = split(concluded);
        let outcome = outcome_of(&resolution);
        self.note_if_cut_short(life, outcome);
        if let Err(error) = &resolution {
            let name = AsyncCell::name(self);
            life.hooks
                .observe_error(self.id, name, error, S::error_text);
        }
        self.clear();
        drop_contained(leftover);
        self.store(resolution);
        outcome
    }

    fn unwatch(&self, life: &Lifecycle) {
        if let Some(terms) = &self.terms {
            terms.unwatch(self.id, life);
        }
    }
}

impl<S: Source> Awaited for AsyncCell<S> {
    fn id(&self) -> JobId {
        self.id
    }

    fn is_ended(&self) -> bool {
        self.state.is_ended()
    }

    fn help(self: Arc<Self>, worker: &Worker, waker: &Waker) -> Helped {
        if self.state.is_ended() {
            return Helped::Over;
        }
        let (former, seeking) = {
            let mut links = self.lock_links();
            let is_same = links.helper.as_ref().is_some_and(|it| it.will_wake(waker));
            let former = (!is_same).then(|| links.helper.replace(waker.clone()));
            let waits = links.waits.as_ref();
            (former, waits.and_then(|waits| waits.seeking.clone()))
        };
        drop_contained(former);
        if self.state.claim(worker.life().id) {
            self.take_turn(worker, Poller::Starter, Place::Keeps);
            return Helped::Polled;
        }
        // A swap may have moved the job since its joiner looked. A job of another pool is waited
        // for.
        if !self.state.is_started_in(worker.life().id) {
            return Helped::NotDue;
        }
        if self.turn.begin() {
            self.take_turn(worker, Poller::Later, Place::Keeps);
            if self.state.is_ended() {
                worker.left_an_entry();
            }
            return Helped::Polled;
        }
        match seeking.map_or(LoanEnd::NobodyWaits, |it| it.lend(worker)) {
            LoanEnd::Returned | LoanEnd::NotTakenUp => Helped::Polled,
            LoanEnd::NobodyWaits => Helped::NotDue,
        }
    }

    fn is_awaited_by(&self, id: JobId) -> bool {
        self.awaiter.load(Ordering::Relaxed) == id.as_u64()
    }

    fn awaits(&self) -> Vec<Arc<dyn Awaited>> {
        self.links.lock_unpoisoned().awaits_of(self.id)
    }

    fn leave_helper(&self) -> Vec<Arc<dyn Awaited>> {
        let mut links = self.links.lock_unpoisoned();
        let Some(helper) = links.helper.take() else {
            return Vec::new();
        };
        let awaits = links.awaits_of(self.id);
        drop(links);
        drop_contained(helper);
        awaits
    }
}

impl<S: Source> Polled for AsyncCell<S> {
    fn name(&self) -> Option<&str> {
        AsyncCell::name(self)
    }

    fn deadline(&self) -> Option<Instant> {
        self.terms.as_ref()?.deadline
    }

    fn run_first(self: Arc<Self>, worker: &Worker) {
        if self.state.start().is_none() {
            return;
        }
        self.take_turn(worker, Poller::Starter, Place::Frees);
    }

    fn run_woken(self: Arc<Self>, worker: &Worker) {
        if self.turn.begin_dequeued() {
            self.take_turn(worker, Poller::Later, Place::Frees);
        }
    }

    fn accept(&self, life: &Lifecycle) -> Accepted {
        if !self.state.accept(life.id) {
            return Accepted::Ended(self.state.outcome_or_cancelled());
        }
        match self.terms {
            None => Accepted::Yes,
            Some(_) => Accepted::ToWatch,
        }
    }

    fn watch(self: Arc<Self>, life: &Lifecycle) -> Option<Waker> {
        let terms = self.terms.as_ref().filter(|terms| terms.may_end())?;
        let waker = Waker::from(Arc::clone(&self));
        terms.watch_unless_due(self.id, life, waker)
    }

    fn change_pool(self: Arc<Self>, from: &Lifecycle, to: Option<&Arc<Lifecycle>>) -> Changed {
        let to_id = to.map(|life| life.id);
        if !self.state.change_pool(Some(from.id), to_id) {
            return Changed::No;
        }
        self.unwatch(from);
        Changed::Yes(to.and_then(|life| self.watch(life)))
    }

    fn give_up(self: Arc<Self>, life: &Lifecycle, ends: GivenUpAs) -> GivenUp {
        if self.state.start().is_none() {
            return GivenUp::TakenElsewhere;
        }
        self.turn.finish();
        self.unwatch(life);
        life.ledger.record_given_up(ends);
        self.publish(Outcome::Abandoned);
        life.given_up_over(ends);
        let name = self.terms.as_ref().and_then(|terms| terms.name.clone());
        let name: Option<Cow<'static, str>> = name;
        GivenUp::Left(Remains::task(self.id, name, Unpolled(self)))
    }

    fn abandon(&self) {
        self.end_unstarted(Outcome::Abandoned, Tells::Nobody);
    }

    fn abandon_woken(&self) {
        if !self.turn.begin_dequeued() {
            return;
        }
        self.turn.finish();
        let pool = self.links.lock_unpoisoned().pool.take();
        if let Some(life) = &pool {
            self.unwatch(life);
            life.off_worker
                .end(self.id, Outcome::Cancelled, &life.ledger);
            life.hooks
                .observe_unfinished(Outcome::Cancelled, self.id, AsyncCell::name(self));
        }
        let ended = self.state.end(Outcome::Cancelled);
        if let Some(life) = &pool {
            life.entry_over();
        }
        self.clear();
        self.wake_waiter(ended);
    }

    fn drop_remains(&self) {
        self.clear();
    }

    fn start_hosted(&self) -> bool {
        self.state.start().is_some()
    }

    fn is_interrupted(&self, life: &Lifecycle) -> bool {
        self.interruption(life).is_some()
    }

    fn poll_hosted(
        &self,
        life: &Arc<Lifecycle>,
        worker: Option<&Worker>,
        host: &Waker,
        known: Known,
    ) -> Poll<Outcome> {
        let concluded = match self.poll_once(life, worker, host) {
            Once::Over(concluded) => concluded,
            Once::Suspended => {
                if known == Known::NotYet {
                    // A canceller sets its mark and then looks here, under the lock: one of the two
                    // sees the other.
                    self.lock_links().host = Some(host.clone());
                    if let Some(terms) = &self.terms {
                        terms.watch(self.id, life, host);
                    }
                }
                let Some(interrupted) = self.interruption(life) else {
                    return Poll::Pending;
                };
                Concluded::Ends(Err(interrupted.into()))
            }
        };
        self.turn.finish();
        self.unwatch(life);
        Poll::Ready(self.store_hosted(life, concluded))
    }

    fn cut_off(&self, life: &Lifecycle) -> Outcome {
        self.turn.finish();
        self.unwatch(life);
        self.store_hosted(life, Concluded::Ends(Err(JobError::Cancelled)))
    }

    fn note_seeking(&self, seeking: Arc<Seeking>) {
        self.note_waits(|waits| waits.seeking.replace(seeking));
    }

    fn publish_hosted(&self, outcome: Outcome) {
        self.publish(outcome);
    }
}

/// A future's cell whose job was given up, with what it captured still in it.
struct Unpolled(Arc<dyn Polled>);

impl Drop for Unpolled {
    fn drop(&mut self) {
        self.0.drop_remains();
    }
}
