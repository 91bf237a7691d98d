//! `Polled`: a future's cell as workers, helpers and hosts drive it, whatever its type.
//!
//! [`AsyncCell`] is generic over the job. Its entries in queues, the helpers' list and the hosts
//! hold it as a trait object, and so need no type parameter. What the three kinds of pollers share,
//! `poll_once` and `poll_as`, is in the parent module.

use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::{AsyncCell, Once, Place, Poller, split};
use crate::cell::future::source::Source;
use crate::cell::ticket::QueuedJob;
use crate::cell::unstarted::Tells;
use crate::job::Terms;
use crate::job::cancel_token::ListedWaker;
use crate::job::id::JobId;
use crate::job::outcome::{
    Concluded, JobError, Outcome, Resolution, drop_contained, outcome_of, wake_contained,
};
use crate::pool::lifecycle::Lifecycle;
use crate::sys::sync::{LockExt, Ordering};
use crate::task::{Accepted, Changed, GivenUp, GivenUpAs, Remains};
use crate::worker::slot_request::{LoanEnd, Seeking};
use crate::worker::{Awaited, Helped, Worker};

/// Whether a hosted job has been told of its host's waker, and so whether a cancel reaches the
/// host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// The waker is in the job's links, and its terms watch it.
    Yes,
    /// The host's task has a new waker, or the job has not been suspended yet.
    NotYet,
}

/// The cell of a future as the rest of the crate drives it.
pub(crate) trait Polled: Awaited {
    /// Returns the job's name, if it was given one.
    fn name(&self) -> Option<&str>;
    /// Returns the job's kind.
    fn kind(&self) -> &'static str;
    /// Returns the job's options, if it was submitted with any.
    fn terms(&self) -> Option<&Terms>;
    /// Returns when the job is no longer wanted, if it has a limit.
    fn deadline(&self) -> Option<Instant>;

    /// Polls for the first time on the worker that has dequeued the job's entry, unless the job was
    /// started elsewhere.
    fn run_first(self: Arc<Self>, worker: &Worker);
    /// Polls on the worker that has dequeued the entry of a wake, unless a helper was faster or the
    /// future is over.
    fn run_woken(self: Arc<Self>, worker: &Worker);
    /// See [`Payload::accept`](crate::task::Payload::accept).
    fn accept(&self, life: &Lifecycle) -> Accepted;
    /// See [`Payload::watch`](crate::task::Payload::watch).
    fn watch(self: Arc<Self>, life: &Lifecycle) -> Option<Waker>;
    /// See [`Payload::change_pool`](crate::task::Payload::change_pool).
    fn change_pool(self: Arc<Self>, from: &Lifecycle, to: Option<&Arc<Lifecycle>>) -> Changed;
    /// See [`Payload::queued_job`](crate::task::Payload::queued_job).
    fn queued_job(&self) -> QueuedJob<'_>;
    /// See [`Payload::give_up`](crate::task::Payload::give_up).
    fn give_up(self: Arc<Self>, life: &Lifecycle, ends: GivenUpAs) -> GivenUp;
    /// Ends the job as `Abandoned`, if it has not started: its entry is dropped unrun.
    fn abandon(&self);
    /// Ends a suspended job of `life` as `Cancelled`, if the future is due: nobody is left to poll
    /// it. Returns what is the caller's to do, where user code may run.
    fn give_up_woken(self: Arc<Self>, life: &Lifecycle) -> GivenUp;
    /// Does the same, and all of it, for an entry of a wake that is dropped.
    fn abandon_woken(self: Arc<Self>);
    /// Drops what is left of a job that was given up. The caller is the one holder of the right to
    /// it.
    fn drop_remains(&self);

    /// Takes the right to start for a host, which then owns the poll to the end. Returns false if
    /// the job was started or ended elsewhere.
    fn start_hosted(&self) -> bool;
    /// Polls once for the host, which owns the poll and passes its own waker.
    ///
    /// Ready with the outcome when the job is over. Then the host's `decided` has been called with
    /// it, by which the host records it, or notes that the job is ending; the observer was told,
    /// the future is dropped and a value stored; and the host calls
    /// [`publish_hosted`](Self::publish_hosted). Without a worker, the future is polled as an
    /// outsider.
    fn poll_hosted(
        &self,
        life: &Arc<Lifecycle>,
        worker: Option<&Worker>,
        host: &Waker,
        known: Known,
        decided: &dyn Fn(Outcome),
    ) -> Poll<Outcome>;
    /// Returns whether the next poll ends the job instead of polling the future: the job was
    /// cancelled, its deadline has passed, or its pool is being cancelled.
    fn is_interrupted(&self, life: &Lifecycle) -> bool;
    /// Ends a job as `Cancelled` whose host was dropped between two polls. The host's `decided` is
    /// called, and it publishes the returned outcome.
    fn cut_off(&self, life: &Lifecycle, decided: &dyn Fn(Outcome)) -> Outcome;
    /// Notes the inbox at which the job waits for a slot, after it gave its own away, and tells its
    /// helper, which may have a slot to lend.
    fn note_seeking(&self, seeking: Arc<Seeking>);
    /// Publishes the outcome of a hosted job, which its host has recorded.
    fn publish_hosted(&self, outcome: Outcome);
}

impl<S: Source> AsyncCell<S> {
    /// Tells the host of the outcome, then the observer, drops the future, and stores a value where
    /// the handle finds it. Returns the outcome, which is not published yet.
    fn store_hosted(
        &self,
        life: &Lifecycle,
        worker: Option<&Worker>,
        concluded: Concluded<S::Output, S::Error>,
        decided: &dyn Fn(Outcome),
    ) -> Outcome {
        let is_unheard = life.hooks.observers().is_none();
        match concluded.into_value(is_unheard) {
            Ok(value) => {
                decided(Outcome::Completed);
                self.clear();
                self.store(Ok(value));
                Outcome::Completed
            }
            Err(concluded) => self.store_otherwise(life, worker, concluded, decided),
        }
    }

    /// The part of [`store_hosted`](Self::store_hosted) for a job that has not completed, or whose
    /// end somebody hears of.
    #[inline(never)]
    fn store_otherwise(
        &self,
        life: &Lifecycle,
        worker: Option<&Worker>,
        concluded: Concluded<S::Output, S::Error>,
        decided: &dyn Fn(Outcome),
    ) -> Outcome {
        let (resolution, leftover): (Resolution<S::Output, S::Error>, _) = split(concluded);
        let outcome = outcome_of(&resolution);
        self.note_if_cut_short(life, outcome);
        decided(outcome);
        if resolution.is_err() || life.hooks.observers().is_some() {
            let job = self.observed(life, worker);
            life.hooks.tell_end(&job, &resolution, S::error_text);
        }
        self.clear();
        drop_contained(leftover);
        self.store(resolution);
        outcome
    }

    /// Has the job's token and the clock of `life` forget the job.
    fn unwatch(&self, life: &Lifecycle) {
        if let Some(terms) = &self.terms {
            terms.unwatch(self.id, life);
        }
    }
}

/// The cell as a job that others await, on the side of a helper: a worker of the same pool whose
/// job waits for this one, directly or by way of other futures.
impl<S: Source> Awaited for AsyncCell<S> {
    fn id(&self) -> JobId {
        self.id
    }

    /// Returns whether the outcome is published: then a helper has nothing to do.
    fn is_ended(&self) -> bool {
        self.state.is_ended()
    }

    /// Leaves the helper's waker in the links, and then makes what progress there is: the first
    /// poll, a poll that is due, or the loan of the helper's seat to a hosted future that waits for
    /// a slot. The waker is left first, and marked, so that a wake in between is not missed.
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
        self.poll_state.note_helper();
        drop_contained(former);
        if self.state.claim(worker.life().id) {
            self.poll_as(worker, Poller::Starter, Place::Keeps);
            return Helped::Polled;
        }
        // A swap may have moved the job since its joiner looked. A job of another pool is waited
        // for.
        if !self.state.is_started_in(worker.life().id) {
            return Helped::NotDue;
        }
        if self.poll_state.begin() {
            self.poll_as(worker, Poller::Later, Place::Keeps);
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

    /// Returns whether future `id` was the last to poll this future's handle.
    fn is_awaited_by(&self, id: JobId) -> bool {
        self.awaiter.load(Ordering::Relaxed) == id.as_u64()
    }

    /// Returns the jobs that the future awaits. Those that have ended, or whose handle another
    /// future has polled since, are left out.
    fn awaits(&self) -> Vec<Arc<dyn Awaited>> {
        self.links.lock_unpoisoned().awaits_of(self.id)
    }

    /// Takes the helper's waker out, and returns what the future awaits, where the helper may have
    /// left its waker too. Returns nothing if there was no helper.
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

/// The cell as entries and hosts drive it; the contracts are those of the trait.
impl<S: Source> Polled for AsyncCell<S> {
    fn name(&self) -> Option<&str> {
        AsyncCell::name(self)
    }

    fn kind(&self) -> &'static str {
        Self::kind()
    }

    fn terms(&self) -> Option<&Terms> {
        self.terms.as_deref()
    }

    fn deadline(&self) -> Option<Instant> {
        self.terms.as_ref()?.deadline
    }

    /// Takes the right to start, and with it the poll.
    fn run_first(self: Arc<Self>, worker: &Worker) {
        if self.state.start().is_none() {
            return;
        }
        self.poll_as(worker, Poller::Starter, Place::Frees);
    }

    /// Takes the poll, unless the entry is stale.
    fn run_woken(self: Arc<Self>, worker: &Worker) {
        if self.poll_state.begin_dequeued() {
            self.poll_as(worker, Poller::Later, Place::Frees);
        }
    }

    /// Enters the job in the books of `life`, or says that a canceller has ended it before.
    fn accept(&self, life: &Lifecycle) -> Accepted {
        if !self.state.accept(life.id) {
            return Accepted::Ended(self.state.outcome_or_cancelled());
        }
        match self.terms {
            None => Accepted::Yes,
            Some(_) => Accepted::ToWatch,
        }
    }

    /// Has the job's token and the clock of `life` call the cell as a waker. A job whose terms
    /// cannot end it is not watched.
    fn watch(self: Arc<Self>, life: &Lifecycle) -> Option<Waker> {
        let terms = self.terms.as_ref().filter(|terms| terms.may_end())?;
        let waker = ListedWaker::own(Waker::from(Arc::clone(&self)));
        let due = terms.watch_unless_due(self.id, life, waker);
        // Its handle may have ended it meanwhile. One that was started and sleeps stays watched.
        if self.poll_state.is_over() {
            terms.unwatch(self.id, life);
        }
        due
    }

    /// Moves the job between pools, if it has not started. The clock of the old pool forgets it,
    /// and that of the new one watches it.
    fn change_pool(self: Arc<Self>, from: &Lifecycle, to: Option<&Arc<Lifecycle>>) -> Changed {
        self.ticket.clear();
        let to_id = to.map(|life| life.id);
        if !self.state.change_pool(Some(from.id), to_id) {
            return Changed::No;
        }
        self.unwatch(from);
        Changed::Yes(to.and_then(|life| self.watch(life)))
    }

    fn queued_job(&self) -> QueuedJob<'_> {
        let Self { state, ticket, .. } = self;
        QueuedJob { state, ticket }
    }

    /// Ends the job as `Abandoned` for a pool that is at its end, and returns what it captured as a
    /// task that a worker drops.
    fn give_up(self: Arc<Self>, life: &Lifecycle, ends: GivenUpAs) -> GivenUp {
        if self.state.start().is_none() {
            return GivenUp::TakenElsewhere;
        }
        self.poll_state.finish();
        self.unwatch(life);
        life.ledger.record_given_up(ends);
        let ended = self.state.end(Outcome::Abandoned);
        life.given_up_over(ends);
        let waiter = self.waker_of_waiter(ended);
        let (id, name) = (self.id, self.own_name());
        GivenUp::Left(
            Outcome::Abandoned,
            Remains::task(id, name, Unpolled(self)),
            waiter,
        )
    }

    /// Ends the job on the thread that drops its entry. The failure observer is not told.
    fn abandon(&self) {
        self.end_unstarted(Outcome::Abandoned, Tells::Nobody);
    }

    /// Owns the poll from the entry on, removes the job's note, records and publishes. The future
    /// is left to be dropped; the failure observer is told then.
    fn give_up_woken(self: Arc<Self>, life: &Lifecycle) -> GivenUp {
        if !self.poll_state.begin_dequeued() {
            return GivenUp::TakenElsewhere;
        }
        self.poll_state.finish();
        self.unwatch(life);
        self.note_if_cut_short(life, Outcome::Cancelled);
        life.off_worker.end(self.id, || {
            life.ledger.record(Outcome::Cancelled, None);
        });
        let pool = self.links.lock_unpoisoned().pool.take();
        let ended = self.state.end(Outcome::Cancelled);
        // What it waits for is dropped with it, which comes later.
        life.excluded_waiters.forget_future(self.id);
        life.ledger.over(None);
        let waiter = self.waker_of_waiter(ended);
        let (id, name) = (self.id, self.own_name());
        let left = Unfinished { job: self, pool };
        GivenUp::Left(Outcome::Cancelled, Remains::task(id, name, left), waiter)
    }

    fn abandon_woken(self: Arc<Self>) {
        let Some(life) = self.links.lock_unpoisoned().pool.clone() else {
            return; // it is over
        };
        let observed = life.hooks.keep(|| self.observed(&life, None));
        if let GivenUp::Left(outcome, remains, waiter) = self.give_up_woken(&life) {
            life.tell_watchers();
            drop_contained(remains);
            waiter.into_iter().for_each(wake_contained);
            observed
                .into_iter()
                .for_each(|job| job.ended(&life, outcome));
        }
    }

    fn drop_remains(&self) {
        self.clear();
        self.drop_links();
    }

    /// Takes the right to start; the poll comes with it.
    fn start_hosted(&self) -> bool {
        self.state.start().is_some()
    }

    fn is_interrupted(&self, life: &Lifecycle) -> bool {
        self.interruption(life).is_some()
    }

    /// Polls once. At the first suspension with a new host's waker, that waker is put into the
    /// links for cancellers, and the job's terms watch it; then interruptions are looked at once
    /// more, since a cancel may have come before.
    fn poll_hosted(
        &self,
        life: &Arc<Lifecycle>,
        worker: Option<&Worker>,
        host: &Waker,
        known: Known,
        decided: &dyn Fn(Outcome),
    ) -> Poll<Outcome> {
        let concluded = match self.poll_once(life, worker, host) {
            Once::Over(concluded) => concluded,
            Once::Suspended => {
                if known == Known::NotYet {
                    // A canceller sets its mark and then looks here, under the lock: one of the two
                    // sees the other.
                    let noted = Some(host.clone());
                    let former = std::mem::replace(&mut self.lock_links().host, noted);
                    drop(former); // with the lock free: it is the runtime's
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
        self.poll_state.finish();
        self.unwatch(life);
        Poll::Ready(self.store_hosted(life, worker, concluded, decided))
    }

    /// Drops the future between two polls, as `Cancelled`.
    fn cut_off(&self, life: &Lifecycle, decided: &dyn Fn(Outcome)) -> Outcome {
        self.poll_state.finish();
        self.unwatch(life);
        let concluded = Concluded::Ends(Err(JobError::Cancelled));
        self.store_hosted(life, None, concluded, decided)
    }

    /// Replaces the inbox of the former wait. The helper's waker is called with the lock free.
    fn note_seeking(&self, seeking: Arc<Seeking>) {
        self.note_waits(|waits| waits.seeking.replace(seeking));
    }

    fn publish_hosted(&self, outcome: Outcome) {
        self.publish(outcome);
    }
}

impl<S: Source> AsyncCell<S> {
    /// The job's name, for what is left of it.
    fn own_name(&self) -> Option<Cow<'static, str>> {
        self.terms.as_ref().and_then(|terms| terms.name.clone())
    }
}

/// The cell of a future that was suspended and given up, with the future still in it. Its drop
/// tells the failure observer of `pool`, and drops the future.
struct Unfinished {
    job: Arc<dyn Polled>,
    pool: Option<Arc<Lifecycle>>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(life) = &self.pool {
            let (id, name) = (self.job.id(), self.job.name());
            life.hooks.observe_unfinished(Outcome::Cancelled, id, name);
        }
        self.job.drop_remains();
    }
}

/// The cell of a future whose job was given up, with what it captured still in it. Its drop drops
/// the captures.
struct Unpolled(Arc<dyn Polled>);

/// Drops the captures on the thread that runs or drops the remains.
impl Drop for Unpolled {
    fn drop(&mut self) {
        self.0.drop_remains();
    }
}
