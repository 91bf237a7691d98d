//! The cell of a closure: where its outcome meets its handle. One allocation for each job that has a handle.

use std::sync::Arc;
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;

use crate::context::{Cancellation, JobContext, OwnToken};
use crate::home::Home;
use crate::id::JobId;
use crate::job::{Job, Terms};
use crate::lifecycle::Lifecycle;
use crate::outcome::{Interrupted, JobError, Outcome, PanicInfo, contain, drop_contained};
use crate::state::State;
use crate::sync::UnsafeCell;
use crate::task::{Payload, Ran};
use crate::token::CancelToken;
use crate::worker::Worker;

/// What a job's handle resolves to.
pub(crate) type Resolution<T, E> = Result<T, JobError<E>>;

/// The handle's side of a cell, whatever kind of job is in it.
pub(crate) trait Outlet<T, E>: Send + Sync {
    fn id(&self) -> JobId;
    fn is_ended(&self) -> bool;
    /// The outcome, or the promise to wake `cx`. Once ready, never called again.
    fn poll_outcome(&self, cx: &mut Context<'_>) -> Poll<Resolution<T, E>>;
    /// Asks for the stop; a job that has not started ends here and now.
    fn cancel(self: Arc<Self>);
    /// Makes progress on the joiner's own worker if nobody else can be relied on to.
    fn join_on(self: Arc<Self>, worker: &Worker);
    /// The same for one who awaits, within one poll.
    fn await_on(self: Arc<Self>, worker: &Worker, cx: &mut Context<'_>);
    fn detach(self: Arc<Self>);
}

pub(crate) struct JobCell<J: Job> {
    id: JobId,
    state: State,
    waiter: AtomicWaker,
    terms: Option<Box<Terms>>,
    token: OwnToken,
    home: Home,
    stage: UnsafeCell<Stage<J>>,
}

enum Stage<J: Job> {
    Queued(J),
    Ended(Resolution<J::Output, J::Error>),
    Empty,
}

// SAFETY: job and outcome are `Send`, and `stage` is touched by one side at a time: by the winner of `State::start` until
// `State::end`, then by the handle, or by whichever of `end` and `detach` came second. Everything else is `Sync`.
unsafe impl<J: Job> Sync for JobCell<J> {}
// SAFETY: as above; a cell is its parts.
unsafe impl<J: Job> Send for JobCell<J> {}

/// The queue's side of a cell.
pub(crate) struct CellEntry<J: Job>(pub(crate) Arc<JobCell<J>>);

impl<J: Job> JobCell<J> {
    pub(crate) fn new(id: JobId, job: J, terms: Option<Box<Terms>>) -> Self {
        Self {
            id,
            state: State::new(),
            waiter: AtomicWaker::new(),
            terms,
            token: OwnToken::default(),
            home: Home::default(),
            stage: UnsafeCell::new(Stage::Queued(job)),
        }
    }

    /// Takes a job back that no executor accepted. None if it was cancelled or run meanwhile.
    pub(crate) fn reclaim(&self) -> Option<J> {
        self.state.start().then(|| self.take_job())
    }

    fn take_job(&self) -> J {
        match self.replace(Stage::Empty) {
            Stage::Queued(job) => job,
            Stage::Ended(_) | Stage::Empty => unreachable!("the job is there until it is started"),
        }
    }

    /// The caller owns the stage now, by the rule at `Sync`.
    fn replace(&self, stage: Stage<J>) -> Stage<J> {
        // SAFETY: every caller has won `start` and not yet called `end`, or is the handle after `end`, or the second of
        // `end` and `detach`: nobody else touches the stage.
        self.stage
            .with_mut(|place| unsafe { std::mem::replace(&mut *place, stage) })
    }

    /// Runs the job, whose right to run the caller has won.
    fn run_started(&self, worker: &Worker, runs: Runs) -> Outcome {
        let job = self.take_job();
        if let Some(interrupted) = refuse_start(self.terms.as_deref()) {
            drop_contained(job);
            return self.end(worker, runs, Err(interrupted.into()));
        }
        let ctx = JobContext::new(self.id, self.terms.as_deref(), Some(self), worker);
        let frame = matches!(runs, Runs::FromQueue).then(|| worker.begin(self.id, self.name()));
        let result = contain(|| job.run(&ctx));
        let resolution = conclude(result, ctx.reported());
        drop(frame);
        self.end(worker, runs, resolution)
    }

    fn end(
        &self,
        worker: &Worker,
        runs: Runs,
        resolution: Resolution<J::Output, J::Error>,
    ) -> Outcome {
        let outcome = outcome_of(&resolution);
        worker
            .life()
            .observe(outcome, self.id, self.name(), message_of(&resolution));
        if matches!(runs, Runs::FromQueue) {
            worker.record(outcome);
        }
        self.publish(resolution);
        outcome
    }

    fn publish(&self, resolution: Resolution<J::Output, J::Error>) {
        let outcome = outcome_of(&resolution);
        drop(self.replace(Stage::Ended(resolution)));
        let ended = self.state.end(outcome);
        if ended.is_detached {
            drop_contained(self.replace(Stage::Empty));
        }
        if ended.has_waiter {
            drop_contained(contain(|| self.waiter.wake()));
        }
    }

    fn name(&self) -> Option<&str> {
        self.terms.as_ref()?.name.as_deref()
    }
}

/// From where a job came to the thread that runs it.
#[derive(Clone, Copy)]
pub(crate) enum Runs {
    /// Its entry was popped; the popper's ledger records the outcome.
    FromQueue,
    /// A joiner took it out of its cell; whoever pops the entry settles it.
    Claimed,
}

impl<J: Job> Outlet<J::Output, J::Error> for JobCell<J> {
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
        match self.replace(Stage::Empty) {
            Stage::Ended(resolution) => Poll::Ready(resolution),
            Stage::Queued(_) | Stage::Empty => unreachable!("the outcome is taken once"),
        }
    }

    fn cancel(self: Arc<Self>) {
        self.state.request_cancel();
        self.token.cancel();
        if self.state.start() {
            drop_contained(self.take_job());
            self.publish(Err(JobError::Cancelled));
            self.home.settle_claimed(self.id, Outcome::Cancelled);
        }
    }

    fn join_on(self: Arc<Self>, worker: &Worker) {
        if self.state.start() {
            let outcome = worker.nested(|| self.run_started(worker, Runs::Claimed));
            self.home.settle_claimed(self.id, outcome);
        }
    }

    fn await_on(self: Arc<Self>, worker: &Worker, _cx: &mut Context<'_>) {
        self.join_on(worker);
    }

    fn detach(self: Arc<Self>) {
        if self.state.detach() {
            drop_contained(self.replace(Stage::Empty));
        }
    }
}

impl<J: Job> Cancellation for JobCell<J> {
    fn is_requested(&self) -> bool {
        self.state.is_cancel_requested()
    }

    fn token(&self) -> CancelToken {
        self.token.get(self.terms.as_deref(), &self.state)
    }
}

impl<J: Job> Payload for CellEntry<J> {
    fn run(self, _id: JobId, worker: &Worker) -> Ran {
        let cell = &*self.0;
        if cell.state.start() {
            cell.run_started(worker, Runs::FromQueue);
            return Ran::Over;
        }
        cell.home
            .settle_popped(worker.life(), cell.id, cell.name(), &cell.state, None)
    }

    fn abandon(self) {
        let cell = &*self.0;
        if cell.state.start() {
            drop_contained(cell.take_job());
            cell.publish(Err(JobError::Abandoned));
        }
    }

    fn sort_out(self, life: &Arc<Lifecycle>) -> Option<Self> {
        let cell = &*self.0;
        if !cell.state.is_started() {
            return Some(self);
        }
        if cell
            .home
            .settle_popped(life, cell.id, cell.name(), &cell.state, None)
            == Ran::Over
        {
            life.entry_over();
        }
        None
    }

    fn name(&self) -> Option<&str> {
        self.0.name()
    }
}

/// Why a job must not start, if so (`R401`, `R403`).
pub(crate) fn refuse_start(terms: Option<&Terms>) -> Option<Interrupted> {
    let terms = terms?;
    if terms.is_cancelled() {
        Some(Interrupted::Cancelled)
    } else if terms.is_expired() {
        Some(Interrupted::Expired)
    } else {
        None
    }
}

/// What the job's own return, or its panic, makes of it (`R301`, `R302`, `R402`, `R404`).
pub(crate) fn conclude<T, E>(
    result: Result<Result<T, E>, PanicInfo>,
    reported: Option<Interrupted>,
) -> Resolution<T, E> {
    match (result, reported) {
        (Err(panic), _) => Err(JobError::Panicked(panic)),
        (Ok(Ok(value)), _) => Ok(value),
        (Ok(Err(error)), None) => Err(JobError::Failed(error)),
        (Ok(Err(error)), Some(interrupted)) => {
            drop_contained(error);
            Err(interrupted.into())
        }
    }
}

pub(crate) fn outcome_of<T, E>(resolution: &Resolution<T, E>) -> Outcome {
    resolution
        .as_ref()
        .map_or_else(JobError::outcome, |_| Outcome::Completed)
}

/// The message of a panic, for the observer of failures.
pub(crate) fn message_of<T, E>(resolution: &Resolution<T, E>) -> Option<&str> {
    match resolution {
        Err(JobError::Panicked(panic)) => Some(panic.message()),
        _ => None,
    }
}

impl<E> From<Interrupted> for JobError<E> {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Cancelled => Self::Cancelled,
            Interrupted::Expired => Self::Expired,
        }
    }
}
