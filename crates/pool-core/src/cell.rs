//! The cell of a closure: where its outcome meets its handle. Each job that has a handle has one, in memory from a `slab`.
//!
//! It has two ends, the [`CellEntry`] in a queue and the [`CellHandle`], and is freed by the one that leaves last (see `state`).

mod end;

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use once_cell::race::OnceBox;

use crate::context::{Cancellation, JobContext, OwnToken};
use crate::id::JobId;
use crate::job::{Job, JobOptions, Terms};
use crate::lifecycle::Lifecycle;
use crate::machine::{self, Point};
use crate::outcome::{
    Interrupted, JobError, Outcome, PanicInfo, contain, drop_contained, outcome_of,
};
use crate::slab::{self, Spot};
use crate::state::{Left, Owes, State};
use crate::sync::UnsafeCell;
use crate::task::{Payload, Ran, Task};
use crate::ticket::{Joined, Outlet, Release, Resolution, Ticket};
use crate::token::CancelToken;
use crate::waiter::Waiter;
use crate::worker::Worker;
use end::{free, leave_claimed, leave_taken, release};

// In the order in which a worker comes to them, so that few of its lines travel.
#[repr(C)]
pub(crate) struct JobCell<J: Job> {
    state: State,
    spot: Spot,
    extras: OnceBox<Extras>,
    stage: UnsafeCell<Stage<J>>,
    id: JobId,
    waiter: Waiter,
}

/// What few jobs have: kept apart, so that the cells of the many are small. What a cell takes is memory that is new to a core, twice.
#[derive(Default)]
struct Extras {
    terms: Option<Terms>,
    token: OwnToken,
    /// The pool that popped the entry of a claimed job before its end: the popper's until `POPPED`, then the ender's.
    home: Home,
}

struct Home(UnsafeCell<Option<Arc<Lifecycle>>>);

// SAFETY: it goes from popper to ender, as the field's rule says.
unsafe impl Sync for Home {}

impl Default for Home {
    fn default() -> Self {
        Self(UnsafeCell::new(None))
    }
}

enum Stage<J: Job> {
    Queued(J),
    Ended(Resolution<J::Output, J::Error>),
    Empty,
}

// SAFETY: job and outcome are `Send`, and `stage` is touched by one side at a time: by the winner of `State::start` until it ends the
// job, then by the handle, or by the entry once the handle has gone. Everything else is `Sync`.
unsafe impl<J: Job> Sync for JobCell<J> {}
// SAFETY: as above; a cell is its parts.
unsafe impl<J: Job> Send for JobCell<J> {}

/// The queue's end of a cell. Dropped, it leaves.
pub(crate) struct CellEntry<J: Job>(NonNull<JobCell<J>>);

/// The handle's end of a cell, while the job's type is known.
pub(crate) struct CellHandle<J: Job>(Ticket<J::Output, J::Error>, NonNull<JobCell<J>>);

// SAFETY: an entry is an owning pointer to a cell, which is `Send` and `Sync`.
unsafe impl<J: Job> Send for CellEntry<J> {}

// SAFETY: as for an entry.
unsafe impl<J: Job> Send for CellHandle<J> {}

/// A cell for a job, as its two ends: one to be queued, one for the submitter.
#[inline]
pub(crate) fn queue_and_handle<J: Job>(job: J) -> (Task, CellHandle<J>) {
    let options = job.options();
    queue_and_handle_with(job, options)
}

/// A cell for a job with these options, whatever it has of itself.
#[inline]
pub(crate) fn queue_and_handle_with<J: Job>(job: J, options: JobOptions) -> (Task, CellHandle<J>) {
    let id = JobId::next();
    let extras = extras(options);
    let cell = JobCell::allocate(id, extras, job);
    // SAFETY: the cell is freed by the last of its two ends to leave, and `release` is the handle's leave.
    let ticket = unsafe { Ticket::new(cell) };
    (Task::new(id, CellEntry(cell)), CellHandle(ticket, cell))
}

#[inline(always)]
fn extras(options: JobOptions) -> OnceBox<Extras> {
    let extras = OnceBox::new();
    if let Some(terms) = options.resolve() {
        let terms = Some(terms);
        let _first = extras.set(Box::new(Extras {
            terms,
            ..Extras::default()
        }));
    }
    extras
}

impl<J: Job> CellHandle<J> {
    /// Forgets the job's type.
    pub(crate) fn into_ticket(self) -> Ticket<J::Output, J::Error> {
        self.0
    }

    /// Takes a job back that no executor accepted. None if it was run meanwhile.
    pub(crate) fn reclaim(self) -> Option<J> {
        // SAFETY: the ticket keeps the cell alive.
        let cell = unsafe { self.1.as_ref() };
        cell.state.start().then(|| cell.take_job())
    }
}

impl<J: Job> CellEntry<J> {
    #[inline]
    fn cell(&self) -> &JobCell<J> {
        // SAFETY: the cell lives as long as this end of it.
        unsafe { self.0.as_ref() }
    }

    /// Ends the job that this entry has started, and leaves.
    #[inline]
    fn end(self, resolution: Resolution<J::Output, J::Error>) {
        // What leaves in the same step as the end must not leave again.
        let this = ManuallyDrop::new(self);
        let cell = this.cell();
        let outcome = outcome_of(&resolution);
        drop(cell.replace(Stage::Ended(resolution)));
        match cell.state.end_and_leave(outcome) {
            Left::Gone => {}
            Left::NotYet(owes) => {
                if owes == Owes::Wake {
                    // SAFETY: this entry has ended the job, and owes the wake.
                    drop_contained(contain(|| unsafe { cell.waiter.wake() }));
                }
                drop(ManuallyDrop::into_inner(this));
            }
        }
    }

    /// The job was claimed or cancelled: whoever comes second, this popper or the one who ends it, records its outcome.
    fn settle(&self, life: &Arc<Lifecycle>) -> Ran {
        let cell = self.cell();
        if let Some(outcome) = cell.state.outcome() {
            life.record(outcome);
            return Ran::Over;
        }
        life.leave(cell.id, cell.name(), life.nanos(), None);
        cell.replace_home(Some(Arc::clone(life)));
        match cell.state.popped() {
            None => Ran::Elsewhere,
            Some(outcome) => {
                cell.replace_home(None);
                life.come_back(cell.id, outcome);
                Ran::Over
            }
        }
    }
}

impl<J: Job> Drop for CellEntry<J> {
    fn drop(&mut self) {
        if self.cell().state.entry_leaves() {
            // SAFETY: the handle has gone, and this is the entry's last touch.
            unsafe { free(self.0) }
        }
    }
}

impl<J: Job> JobCell<J> {
    /// Each field is written once, where it stays: a cell that was made elsewhere and then moved would be read in wider loads than it was
    /// written in, which wait until all earlier stores have left for other cores (as in `Held::move_body_to`).
    #[inline(always)]
    fn allocate(id: JobId, extras: OnceBox<Extras>, job: J) -> NonNull<Self> {
        let (cell, spot) = slab::allocate::<Self>();
        let place = cell.as_ptr();
        // SAFETY: the place is new, and these are all fields of a cell.
        unsafe {
            (&raw mut (*place).state).write(State::new());
            (&raw mut (*place).spot).write(spot);
            (&raw mut (*place).extras).write(extras);
            (&raw mut (*place).stage).write(UnsafeCell::new(Stage::Queued(job)));
            (&raw mut (*place).id).write(id);
            (&raw mut (*place).waiter).write(Waiter::new());
        }
        cell
    }

    /// The caller has won the right to run the job, or to drop it.
    #[inline]
    fn take_job(&self) -> J {
        match self.replace(Stage::Empty) {
            Stage::Queued(job) => job,
            Stage::Ended(_) | Stage::Empty => unreachable!("the job is there until it is started"),
        }
    }

    /// The caller has the handle's end, and the job has ended.
    #[inline]
    fn take_resolution(&self) -> Resolution<J::Output, J::Error> {
        match self.replace(Stage::Empty) {
            Stage::Ended(resolution) => resolution,
            Stage::Queued(_) | Stage::Empty => unreachable!("the outcome is taken once"),
        }
    }

    /// The caller owns the stage now, by the rule at `Sync`.
    #[inline]
    fn replace(&self, stage: Stage<J>) -> Stage<J> {
        // SAFETY: every caller has won `start` and not yet ended the job, or is the handle after the end, or the entry after the
        // handle has left: nobody else touches the stage.
        self.stage
            .with_mut(|place| unsafe { std::mem::replace(&mut *place, stage) })
    }

    /// The caller owns the home now, by the rule at the field.
    fn replace_home(&self, home: Option<Arc<Lifecycle>>) -> Option<Arc<Lifecycle>> {
        let place = &self.extras.get_or_init(Box::default).home.0;
        // SAFETY: the popper comes here before it sets `POPPED`, or after it found the job ended by one who had not seen that bit;
        // the ender after it saw it.
        place.with_mut(|place| unsafe { std::mem::replace(&mut *place, home) })
    }

    /// Runs the job, whose right to run the caller has won, and tells the observer.
    #[inline]
    fn run_started(&self, worker: &Worker, runs: Runs) -> Resolution<J::Output, J::Error> {
        let job = self.take_job();
        let resolution = match refuse_start(self.terms()) {
            Some(interrupted) => {
                drop_contained(job);
                Err(interrupted.into())
            }
            None => {
                let ctx = JobContext::new(self.id, self.terms(), Some(self), worker);
                let frame =
                    matches!(runs, Runs::FromQueue).then(|| worker.begin(self.id, self.name()));
                let result = contain(|| {
                    machine::point(Point::Begin(self.id));
                    job.run(&ctx)
                });
                let resolution = conclude(result, ctx.reported());
                drop(frame);
                resolution
            }
        };
        let (outcome, message) = (outcome_of(&resolution), message_of(&resolution));
        worker
            .life()
            .observe(outcome, self.id, self.name(), message);
        resolution
    }

    /// The handle's side ends a job that it has claimed or cancelled.
    fn end_claimed(&self, resolution: Resolution<J::Output, J::Error>) {
        let outcome = outcome_of(&resolution);
        drop(self.replace(Stage::Ended(resolution)));
        let ended = self.state.end(outcome);
        if ended.has_waiter {
            // SAFETY: this is the end, and it says so.
            drop_contained(contain(|| unsafe { self.waiter.wake() }));
        }
        if ended.is_popped {
            self.come_home(outcome);
        }
    }

    /// Runs the job on the worker that waits for it, if it has not started.
    fn run_claimed(&self, worker: &Worker) -> Option<Resolution<J::Output, J::Error>> {
        let is_claimed = self.state.start();
        is_claimed.then(|| worker.nested(|| self.run_started(worker, Runs::Claimed)))
    }

    /// Records the outcome of a claimed job with the pool that popped its entry meanwhile.
    fn come_home(&self, outcome: Outcome) {
        if let Some(life) = self.replace_home(None) {
            life.come_back(self.id, outcome);
            life.entry_over();
        }
    }

    #[inline]
    fn terms(&self) -> Option<&Terms> {
        self.extras.get()?.terms.as_ref()
    }

    fn name(&self) -> Option<&str> {
        self.terms()?.name.as_deref()
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
        // SAFETY: by the trait's rule, the handle calls this, and nobody else at once.
        ready!(unsafe { self.waiter.poll_end(&self.state, cx) });
        Poll::Ready(self.take_resolution())
    }

    fn take_ended(&self) -> Option<Joined<J::Output, J::Error>> {
        if !self.state.is_ended() {
            return None;
        }
        let resolution = self.take_resolution();
        let leave = leave_taken::<J>;
        Some(Joined { resolution, leave })
    }

    fn cancel(&self) {
        self.state.request_cancel();
        OwnToken::cancel(|| self.extras.get().map(|extras| &extras.token));
        if self.state.start() {
            drop_contained(self.take_job());
            self.end_claimed(Err(JobError::Cancelled));
        }
    }

    fn join_on(&self, worker: &Worker) -> Option<Joined<J::Output, J::Error>> {
        let resolution = self.run_claimed(worker)?;
        let leave = leave_claimed::<J>;
        Some(Joined { resolution, leave })
    }

    fn await_on(&self, worker: &Worker, _cx: &mut Context<'_>) {
        if let Some(resolution) = self.run_claimed(worker) {
            self.end_claimed(resolution);
        }
    }

    fn rely_on_others(&self) {}

    fn release(&self) -> Release {
        release::<J>
    }
}

impl<J: Job> Cancellation for JobCell<J> {
    fn is_requested(&self) -> bool {
        self.state.is_cancel_requested()
    }

    fn token(&self) -> CancelToken {
        let extras = self.extras.get_or_init(Box::default);
        extras.token.get(extras.terms.as_ref(), &self.state)
    }
}

impl<J: Job> Payload for CellEntry<J> {
    fn run(self, _id: JobId, worker: &Worker) -> Ran {
        let cell = self.cell();
        // The look spares a job that was claimed, as one's own children mostly are, a read-modify-write.
        if cell.state.is_started() || !cell.state.start() {
            return self.settle(worker.life());
        }
        let resolution = cell.run_started(worker, Runs::FromQueue);
        worker.record(outcome_of(&resolution));
        self.end(resolution);
        Ran::Over
    }

    fn abandon(self) {
        let cell = self.cell();
        if cell.state.start() {
            drop_contained(cell.take_job());
            self.end(Err(JobError::Abandoned));
        }
    }

    fn sort_out(self, life: &Arc<Lifecycle>) -> Option<Self> {
        if !self.cell().state.is_started() {
            return Some(self);
        }
        if self.settle(life) == Ran::Over {
            life.entry_over();
        }
        None
    }

    fn name(&self) -> Option<&str> {
        self.cell().name()
    }
}

/// Why a job must not start, if so (`R401`, `R403`).
#[inline]
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
#[inline]
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

/// The message of a panic, for the observer of failures.
#[inline]
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
