//! `JobHandle`: how a submitter waits for a job, cancels it, or lets it go.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::id::JobId;
use crate::machine::{self, Point};
use crate::outcome::JobError;
use crate::ticket::Ticket;
use crate::wait::{Looks, block_on, look_a_while};
use crate::worker::Worker;

/// The submitter's end of a job: resolves to the job's value or to why there is none.
///
/// It is a `Future` as well (`R503`). Polled by a closure that blocks its worker in an executor of its own, it runs a job that has not
/// started in place, as [`join`](Self::join) does, unless another worker is free. Dropping it detaches: the job runs all the same, and is
/// counted (`R305`).
#[must_use = "a dropped handle detaches its job; call `detach` to say so"]
pub struct JobHandle<T, E> {
    /// Gone once the outcome was taken.
    ticket: Option<Ticket<T, E>>,
    id: JobId,
}

/// What is wrong where a ticket is missing.
const TAKEN_ONCE: &str = "the handle was polled again after it was ready";

impl<T, E> JobHandle<T, E> {
    #[inline]
    pub(crate) fn new(ticket: Ticket<T, E>) -> Self {
        let id = ticket.id();
        Self {
            ticket: Some(ticket),
            id,
        }
    }

    /// Waits for the outcome. Blocks the thread.
    ///
    /// Inside a job, one that has not started is run here and now, on the calling worker, so a job may wait for its children
    /// whatever the number of workers (`R502`). No other job is run meanwhile.
    ///
    /// # Errors
    /// [`JobError`] says why the job gave no value.
    #[inline]
    pub fn join(self) -> Result<T, JobError<E>> {
        machine::point(Point::Join(self.id));
        match self.take_ended() {
            Ok(outcome) => outcome,
            Err(this) => this.join_later(),
        }
    }

    #[inline]
    fn take_ended(mut self) -> Result<Result<T, JobError<E>>, Self> {
        let ticket = self.ticket.take().expect(TAKEN_ONCE);
        ticket.take_ended().map_err(|ticket| {
            self.ticket = Some(ticket);
            self
        })
    }

    /// [`join`](Self::join) of a job that had not ended a moment ago.
    fn join_later(mut self) -> Result<T, JobError<E>> {
        let worker = Worker::current().filter(|worker| !worker.life().is_forked());
        match self.try_run_here() {
            Ok(outcome) => return outcome,
            Err(this) => self = this,
        }
        let _is_ended = look_a_while(Looks::JOINER, || self.ticket().is_ended());
        match self.take_ended() {
            Ok(outcome) => outcome,
            Err(this) => {
                let outcome = match &worker {
                    Some(worker) => worker.block(|| block_on(this, None)),
                    None => block_on(this, None),
                };
                outcome.expect("a wait without a limit ends with the outcome")
            }
        }
    }

    /// Makes the progress that a join makes on a worker: runs the job here and now, if it has not
    /// started and this thread may run it. The handle, if that gives no outcome.
    #[inline(always)]
    pub(crate) fn try_run_here(mut self) -> Result<Result<T, JobError<E>>, Self> {
        if let Some(worker) = Worker::current().filter(|worker| !worker.life().is_forked()) {
            let ticket = self.ticket.take().expect(TAKEN_ONCE);
            match ticket.join_at_home_of(&worker) {
                Ok(outcome) => return Ok(outcome),
                Err(ticket) => self.ticket = Some(ticket),
            }
        }
        Err(self)
    }

    /// Polls, and leaves it to others to make progress.
    pub(crate) fn poll_elsewhere(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, JobError<E>>> {
        let polled = self.ticket().poll_outcome(cx);
        if polled.is_ready() {
            self.ticket = None;
        }
        polled
    }

    /// Waits for `timeout` at the most. Runs nothing in place, since a job in place could not be left at the limit.
    ///
    /// # Errors
    /// The handle comes back after the time, not before (`R501`).
    pub fn join_timeout(mut self, timeout: Duration) -> Result<Result<T, JobError<E>>, Self> {
        let limit = machine::now().checked_add(timeout);
        let outcome = block_on(poll_fn(|cx| self.poll_elsewhere(cx)), limit);
        outcome.ok_or(self)
    }

    /// Asks the job to stop. One that has not started never does: it ends as `Cancelled` at once, and what it captured is
    /// dropped before this returns (`R401`). A running one sees it in its context; a suspended future is dropped.
    pub fn cancel(&self) {
        machine::point(Point::Cancel(self.id));
        self.ticket().cancel();
    }

    /// The job's id.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Whether the outcome is there, so that `join` would not wait.
    #[inline]
    pub fn is_finished(&self) -> bool {
        machine::point(Point::Ask);
        self.ticket().is_ended()
    }

    /// Lets the job go: it runs, and its outcome is dropped on its worker.
    pub fn detach(self) {
        drop(self);
    }

    #[inline]
    fn ticket(&self) -> &Ticket<T, E> {
        self.ticket.as_ref().expect(TAKEN_ONCE)
    }
}

impl<T, E> Future for JobHandle<T, E> {
    type Output = Result<T, JobError<E>>;

    /// # Panics
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(worker) = Worker::current() {
            self.ticket().await_on(&worker, cx);
        }
        let polled = self.ticket().poll_outcome(cx);
        if polled.is_ready() {
            self.ticket = None;
        }
        polled
    }
}

impl<T, E> fmt::Debug for JobHandle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_finished = self.ticket.as_ref().is_none_or(|ticket| ticket.is_ended());
        f.debug_struct("JobHandle")
            .field("id", &self.id)
            .field("is_finished", &is_finished)
            .finish()
    }
}
