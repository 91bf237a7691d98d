//! The cell of a closure: where its outcome meets its handle. Each job that has a handle has one,
//! in memory from a `task::slab`.
//!
//! It has two ends, the [`CellEntry`] in a queue and the [`CellHandle`], and is freed by the one
//! that leaves last (see `state`). A job with a token or a deadline is reached by those as well,
//! through a [`CellRef`]; so is one that has an abort handle.
//!
//! # The order of an end
//! The outcome is recorded in the pool's books before any user code is called or dropped. On a
//! worker the failure hook and the drops of what nobody takes come next, then the outcome is
//! published, then the handle's waker is called; the job's frame stands until all of that has
//! returned, so a drop or a hook that submits, waits for the pool or shuts it down is known to be
//! within that job. Elsewhere (a cancel, a deadline) the outcome is published and the job counted
//! as over, then its captures are dropped, then the handle's waker is called.

mod cold_fields;
mod counted_ref;
mod end;
mod handle_side;
mod queue_side;

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::cell::raw_handle::RawHandle;
use crate::cell::state::{EntryEnd, Owes, State};
use crate::cell::ticket::Ticket;
use crate::cell::unstarted::{Tells, Unstarted};
use crate::cell::waker_slot::WakerSlot;
use crate::job::context::JobContext;
use crate::job::extensions::Extensions;
use crate::job::id::JobId;
use crate::job::outcome::{
    Concluded, Interrupted, Outcome, Resolution, Returned, completed, conclude, contain,
    drop_contained, error_without_value, outcome_of, wake_contained,
};
use crate::job::{Job, Terms, kind_of};
use crate::sys::machine::{self, Point};
use crate::sys::sync::{Ordering, UnsafeCell};
use crate::task::Task;
use crate::task::slab::{self, Spot};
use crate::worker::{Frame, JobOnWorker, Worker};
use cold_fields::{Extras, Home, Lazy};
use counted_ref::CellRef;
use end::{free, free_alone, free_by_holder};

/// The cell of one closure that has a handle, or that a token or a deadline may end while it is
/// queued.
///
/// [`JobCell::allocate`] makes it in memory of a slab, and `end::free` returns the memory. Between
/// the two it is reached by address: through a [`CellEntry`], a [`CellHandle`] or [`RawHandle`],
/// and any number of [`CellRef`]s. The fields lie in the order in which a worker comes to them, so
/// that few of the cell's cache lines travel between cores.
#[repr(C)]
pub(crate) struct JobCell<J: Job> {
    /// How far the job is, which pool accounts for it, and which of the two ends have left.
    state: State,
    /// Where in its slab the cell lies. Written once, and read by the thread that frees the cell.
    spot: Spot,
    /// The terms, the token and the count of holders. Most cells have none. They are made with the
    /// cell if the job has terms, and otherwise when a child asks for a token or a [`CellRef`] is
    /// made.
    extras: Lazy,
    /// The job, then its outcome. The comment at `Sync` says which side may touch it when.
    stage: UnsafeCell<Content<J>>,
    /// The job's id, the same as that of its task and its handle.
    id: JobId,
    /// Where in the queue the entry lies.
    ticket: Ticket,
    /// The waker of the thread or task that waits at the handle. `state` says whose the slot is.
    waiter: WakerSlot,
}

/// A cell whose job has terms, and the extras that these are in.
#[repr(C)]
struct WithExtras<J: Job> {
    /// First, so that an address of the whole is one of the cell.
    cell: JobCell<J>,
    extras: Extras,
}

/// What a cell holds of its job at a time.
enum Content<J: Job> {
    /// The job has not been taken out: it is queued, or it was given up and its remains are not
    /// dropped yet.
    Queued(J),
    /// An outcome with a value: completed, failed, panicked. It stays until the handle takes it; if
    /// the handle has gone, it is dropped.
    Ended(Resolution<J::Output, J::Error>),
    /// Nothing: the job runs, or its outcome has no value, or the value was taken.
    Empty,
}

/// What remains of a job after its outcome is decided, and that no handle takes. It is dropped once
/// the end is on record.
enum Leftover<J: Job> {
    /// The job ran, and its outcome holds all that it returned.
    Nothing,
    /// The job that did not run.
    Job(J),
    /// The error of a job that gave up.
    Error(J::Error),
}

/// The leftover, and the values that the job carried.
type Left<J> = (Leftover<J>, Extensions);

/// How a job has ended, which is on record, and what it left.
type Ended<J> = (Resolution<<J as Job>::Output, <J as Job>::Error>, Left<J>);

impl<J: Job> Leftover<J> {
    /// Returns whether there is something to drop.
    #[inline]
    fn is_something(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

// SAFETY: job and outcome are `Send`, and `stage` is touched by one side at a time: by the winner
// of `State::start` until it ends the job; then, if the outcome has a value, by the handle, or by
// the entry once the handle has gone; otherwise by the winner of `start` still. Everything else is
// `Sync`.
unsafe impl<J: Job> Sync for JobCell<J> {}
// SAFETY: as above; a cell is its parts.
unsafe impl<J: Job> Send for JobCell<J> {}

/// The queue's end of a cell: the payload of the job's task.
///
/// There is exactly one for each cell. Dropped, it leaves the cell, and frees it if the handle has
/// left before. It does not end the job: a task that is dropped unrun calls `abandon` first.
pub(crate) struct CellEntry<J: Job>(NonNull<JobCell<J>>);

/// The handle's end of a cell, while the job's type is known.
///
/// A submission keeps it until the pool has accepted the task. Then it becomes the [`RawHandle`] of
/// the submitter's handle. If no pool accepts the task, the job comes back through
/// [`reclaim`](Self::reclaim). Dropped, it gives up the handle's end as a `RawHandle` does.
pub(crate) struct CellHandle<J: Job>(RawHandle<J::Output, J::Error>, NonNull<JobCell<J>>);

// SAFETY: an entry is an owning pointer to a cell, which is `Send` and `Sync`.
unsafe impl<J: Job> Send for CellEntry<J> {}

// SAFETY: as for an entry.
unsafe impl<J: Job> Send for CellHandle<J> {}

/// Makes a cell for a job and returns its two ends: the task to be queued, and the handle's end for
/// the submitter. The options are those that the job names itself.
#[cfg(all(test, pool_loom))]
pub(crate) fn queue_and_handle<J: Job>(job: J) -> (Task, CellHandle<J>) {
    let terms = job.options().resolve();
    queue_and_handle_with(job, terms)
}

/// Makes a cell for a job with these options, and returns its two ends. The options that the job
/// names itself are ignored.
#[inline]
pub(crate) fn queue_and_handle_with<J: Job>(job: J, terms: Option<Terms>) -> (Task, CellHandle<J>) {
    two_ends(job, terms, State::new())
}

/// [`queue_and_handle_with`], for a handle that another thread has, and may use, before a pool has
/// accepted the task.
pub(crate) fn queue_and_shared_handle<J: Job>(
    job: J,
    terms: Option<Terms>,
) -> (Task, CellHandle<J>) {
    two_ends(job, terms, State::shared())
}

#[inline]
fn two_ends<J: Job>(job: J, terms: Option<Terms>, state: State) -> (Task, CellHandle<J>) {
    let id = JobId::next();
    let cell = JobCell::allocate(id, state, terms, job);
    // SAFETY: the cell is freed by the last of its two ends to leave, and `release` is the handle's
    // leave.
    let raw = unsafe { RawHandle::new(cell) };
    (Task::new(id, CellEntry(cell)), CellHandle(raw, cell))
}

/// Makes a task for a job without a handle that its token or its deadline may end while it is
/// queued.
///
/// The cell is detached from the start, so its entry frees it. Other jobs without a handle need no
/// cell.
#[inline(always)]
pub(crate) fn watched_task<J: Job>(id: JobId, job: J, terms: Terms) -> Task {
    let cell = JobCell::allocate(id, State::detached(), Some(terms), job);
    Task::new(id, CellEntry(cell))
}

impl<J: Job> CellHandle<J> {
    /// Converts this into the handle's end that does not know the job's type.
    pub(crate) fn into_raw(self) -> RawHandle<J::Output, J::Error> {
        self.0
    }

    /// Takes a job back that no executor accepted. Returns `None` if it was cancelled meanwhile:
    /// then the canceller ends it.
    ///
    /// The handle's end is given up in either case.
    pub(crate) fn reclaim(self) -> Option<J> {
        // SAFETY: the raw handle keeps the cell alive.
        let cell = unsafe { self.1.as_ref() };
        cell.reclaim()
    }
}

impl<J: Job> CellEntry<J> {
    /// Returns the cell. The reference is good for as long as this end is held.
    #[inline]
    fn cell(&self) -> &JobCell<J> {
        // SAFETY: the cell lives as long as this end of it.
        unsafe { self.0.as_ref() }
    }

    /// Takes a job back that no executor accepted, and leaves the cell. Returns `None` if it was
    /// ended meanwhile.
    pub(crate) fn reclaim(self) -> Option<J> {
        self.cell().reclaim()
    }

    /// Publishes the outcome of the job that this entry has started, and leaves the cell.
    ///
    /// If the handle waits, its waker is called. If the handle has gone, a value that nobody takes
    /// is dropped here; where that may run user code, the job's frame has a note of it before. The
    /// entry leaves in the same step as the end if neither is due: then the handle may free the
    /// cell at once, and this thread does not touch it any more.
    #[inline(always)]
    fn end(self, frame: &Frame<'_>, resolution: Resolution<J::Output, J::Error>) {
        // What leaves in the same step as the end must not leave again.
        let this = ManuallyDrop::new(self);
        let cell = this.cell();
        let outcome = outcome_of(&resolution);
        if cell.is_the_entrys_alone() {
            // Nobody is left to look at the outcome, or to leave.
            if JobCell::<J>::may_run_code(outcome) {
                frame.is_on_record(outcome);
                drop_contained(resolution);
            }
            // SAFETY: this is the last end, and nobody else has the cell.
            return unsafe { free_alone(this.0) };
        }
        cell.store(resolution);
        match cell.state.end_and_leave(outcome) {
            EntryEnd::Gone => {}
            EntryEnd::Owes(owes) => {
                match owes {
                    // SAFETY: this entry has ended the job, and owes the wake.
                    Owes::Wake => wake_contained(unsafe { cell.waiter.take() }),
                    Owes::Drop => {
                        if JobCell::<J>::may_run_code(outcome) {
                            frame.is_on_record(outcome);
                        }
                        drop_contained(cell.replace(Content::Empty));
                    }
                }
                drop(ManuallyDrop::into_inner(this));
            }
        }
    }

    /// [`end`](Self::end) of a job that may leave something, which is dropped first.
    #[cold]
    #[inline(never)]
    fn end_with_left(self, frame: &Frame<'_>, (resolution, left): Ended<J>) {
        JobCell::<J>::drop_left(frame, outcome_of(&resolution), left);
        self.end(frame, resolution);
    }
}

impl<J: Job> Drop for CellEntry<J> {
    #[inline]
    fn drop(&mut self) {
        if self.cell().state.entry_leaves() {
            // SAFETY: the handle has gone, and this is the entry's last touch.
            unsafe { free(self.0) }
        }
    }
}

impl<J: Job> JobCell<J> {
    /// Each field is written once, where it stays: a cell that was made elsewhere and then moved
    /// would be read in wider loads than it was written in, which wait until all earlier stores
    /// have left for other cores (as in `TaskRef::move_body_to`).
    ///
    /// Makes a cell in memory of the thread's slab, with extras in the same place if the job has
    /// terms. The caller takes over both ends of it.
    #[inline(always)]
    fn allocate(id: JobId, state: State, terms: Option<Terms>, job: J) -> NonNull<Self> {
        let (cell, spot, extras) = match terms {
            None => {
                let (cell, spot) = slab::allocate::<Self>();
                (cell, spot, Lazy::new())
            }
            Some(terms) => {
                let (both, spot) = slab::allocate::<WithExtras<J>>();
                // SAFETY: the place is new.
                let extras = unsafe {
                    let extras = NonNull::new_unchecked(&raw mut (*both.as_ptr()).extras);
                    Extras::write(extras, Some(terms), Home::Cell);
                    extras
                };
                (both.cast(), spot, Lazy::with(extras))
            }
        };
        let place = cell.as_ptr();
        // SAFETY: the place is new, and these are all fields of a cell.
        unsafe {
            (&raw mut (*place).state).write(state);
            (&raw mut (*place).spot).write(spot);
            (&raw mut (*place).extras).write(extras);
            (&raw mut (*place).stage).write(UnsafeCell::new(Content::Queued(job)));
            (&raw mut (*place).id).write(id);
            (&raw mut (*place).ticket).write(Ticket::new());
            (&raw mut (*place).waiter).write(WakerSlot::new());
        }
        cell
    }

    /// Takes the job out of the stage. The caller has won the right to run the job, or to drop it.
    ///
    /// # Panics
    /// If the job is not there. The winner of `start` is alone, and calls this once.
    #[inline]
    fn take_job(&self) -> J {
        match self.replace(Content::Empty) {
            Content::Queued(job) => job,
            Content::Ended(_) | Content::Empty => {
                unreachable!("the job is there until it is started")
            }
        }
    }

    /// Takes back a job that is in no pool's books. Returns `None` if another side won `start`: a
    /// canceller, since no worker can reach the job.
    fn reclaim(&self) -> Option<J> {
        let started = self.state.start()?;
        debug_assert_eq!(started.pool, None, "a refused job is in no books");
        if let Some(terms) = self.terms() {
            terms.unwatch_token(self.id);
        }
        drop(self.take_extensions());
        Some(self.take_job())
    }

    /// Returns what the handle resolves to. The caller has the handle's end, and the job has ended
    /// with `outcome`.
    ///
    /// A value or an error is moved out of the cell, so this is called once. For an outcome without
    /// a value the stage is not touched: it stays the property of the side that ended the job.
    #[inline]
    fn take_resolution(&self, outcome: Outcome) -> Resolution<J::Output, J::Error> {
        if let Some(error) = error_without_value(outcome) {
            return Err(error);
        }
        match self.replace(Content::Empty) {
            Content::Ended(resolution) => resolution,
            Content::Queued(_) | Content::Empty => unreachable!("the outcome is taken once"),
        }
    }

    /// Returns whether the entry alone still reaches the cell: the handle has gone, and no counted
    /// reference is left. True stays true; the caller has the entry, and the job has been started.
    #[inline]
    fn is_the_entrys_alone(&self) -> bool {
        // ORDERING: Acquire pairs with the last reference's end: what it did and asked for is seen.
        let is_last = |extras: &Extras| extras.holders.load(Ordering::Acquire) == 1;
        self.state.is_detached() && self.extras.get().is_none_or(is_last)
    }

    /// Stores an outcome where the handle finds it. The caller owns the stage, which is empty, and
    /// publishes the outcome afterwards. An outcome without a value is not stored, since the state
    /// word says all of it.
    #[inline]
    fn store(&self, resolution: Resolution<J::Output, J::Error>) {
        if error_without_value::<()>(outcome_of(&resolution)).is_none() {
            drop(self.replace(Content::Ended(resolution)));
        }
    }

    /// Puts `stage` in the place of what was there, and returns that. The caller owns the stage at
    /// this moment, by the rule at `Sync`.
    #[inline]
    fn replace(&self, stage: Content<J>) -> Content<J> {
        // SAFETY: the rule at `Sync`.
        self.stage
            .with_mut(|place| unsafe { std::mem::replace(&mut *place, stage) })
    }

    /// Runs the job, whose right to run the caller has won, and records its outcome, which is not
    /// published yet.
    ///
    /// Returns the value of a job that has completed, of which nobody hears, and which leaves
    /// nothing. Of all others it returns the outcome, and what is left of the job, which the caller
    /// drops. A job that is cancelled or too late by now does not run: its closure is the leftover.
    /// The caller has begun a frame on `worker` for the job. The outcome is in the pool's books,
    /// and those that hear of it have been told, when this returns.
    #[inline]
    fn run_started(&self, worker: &Worker, frame: &Frame<'_>) -> Result<J::Output, Ended<J>> {
        let job = self.take_job();
        let terms = self.terms();
        let job_here = worker.job(self.id, terms, Self::kind);
        if let Some(terms) = terms {
            terms.unwatch(self.id, worker.life());
        }
        if let Some(interrupted) = refuse_start(terms) {
            return Err(self.end_refused(interrupted, job, frame));
        }
        let ctx = JobContext::new(self.id, terms, Some(self), worker);
        job_here.enters();
        let returned = contain(|| {
            machine::point(Point::Begin(self.id));
            job.run(&ctx)
        });
        let is_plain = job_here.completes_unheard() && Terms::have_no_values(terms);
        match completed(returned, is_plain) {
            Ok(value) => {
                worker.record(Outcome::Completed);
                Ok(value)
            }
            Err(returned) => Err(self.end_returned(returned, ctx.reported(), frame)),
        }
    }

    /// Records the end of a job that may not start.
    #[cold]
    #[inline(never)]
    fn end_refused(&self, interrupted: Interrupted, job: J, frame: &Frame<'_>) -> Ended<J> {
        self.record((Err(interrupted.into()), Leftover::Job(job)), frame)
    }

    /// Records the end of a job that has not completed, or whose end somebody hears of, or that has
    /// values.
    #[cold]
    #[inline(never)]
    fn end_returned(
        &self,
        returned: Returned<J::Output, J::Error>,
        reported: Option<Interrupted>,
        frame: &Frame<'_>,
    ) -> Ended<J> {
        let job_here = self.on(frame);
        job_here.exits();
        let ends = match conclude(returned, reported) {
            Concluded::Ends(resolution) => (resolution, Leftover::Nothing),
            Concluded::GaveUp(interrupted, error) => {
                if interrupted == Interrupted::Cancelled {
                    let was_asked = self.state.is_cancel_requested()
                        || self.terms().is_some_and(Terms::is_cancelled);
                    job_here.note_if_cut_short(was_asked);
                }
                (Err(interrupted.into()), Leftover::Error(error))
            }
        };
        self.record(ends, frame)
    }

    /// Records how a job has ended, and tells of it.
    fn record(
        &self,
        (resolution, leftover): (Resolution<J::Output, J::Error>, Leftover<J>),
        frame: &Frame<'_>,
    ) -> Ended<J> {
        self.on(frame)
            .record_and_tell(frame, &resolution, J::error_text);
        let values = Terms::take_values(self.terms());
        (resolution, (leftover, values))
    }

    /// Returns the job on the worker that runs it, for those that hear of it.
    #[inline(always)]
    fn on<'a>(&'a self, frame: &Frame<'a>) -> JobOnWorker<'a> {
        frame.worker().job(self.id, self.terms(), Self::kind)
    }

    /// Returns whether the drop of a value with this outcome may run the user's code: a panic's
    /// payload, or a type that needs a drop.
    #[inline]
    fn may_run_code(outcome: Outcome) -> bool {
        outcome == Outcome::Panicked || std::mem::needs_drop::<Result<J::Output, J::Error>>()
    }

    /// Drops what is left of a job whose end is on record. Before that it notes in the job's frame
    /// that only user code is left, so that a report counts the job once.
    #[cold]
    fn drop_left(frame: &Frame<'_>, outcome: Outcome, (leftover, values): Left<J>) {
        if leftover.is_something() || !values.is_empty() {
            frame.is_on_record(outcome);
            drop_contained(leftover);
            drop(values);
        }
    }

    /// Wins the right to run the job on the worker that waits for it. Returns false unless the job
    /// has not started, is accounted for by that worker's pool, and the worker may run closures in
    /// place.
    fn claim(&self, worker: &Worker) -> bool {
        worker.may_claim() && self.state.claim(worker.life().id)
    }

    /// Runs the job on the worker that waits for it, if that worker can claim it. Returns the
    /// outcome, which is on record and not published: the caller ends the job with it.
    fn run_claimed(&self, worker: &Worker) -> Option<Resolution<J::Output, J::Error>> {
        self.claim(worker).then(|| {
            worker.run_claimed(self.id, self.name(), |frame| {
                self.run_started(worker, frame)
                    .or_else(|(resolution, left)| {
                        Self::drop_left(frame, outcome_of(&resolution), left);
                        resolution
                    })
            })
        })
    }

    /// Runs the job on a worker whose job awaits this one by way of others, and has not its handle.
    /// Publishes the outcome as well, and wakes the handle. Returns false if the worker cannot
    /// claim the job.
    fn run_helped(&self, worker: &Worker) -> bool {
        let is_claimed = self.claim(worker);
        if is_claimed {
            worker.run_claimed(self.id, self.name(), |frame| {
                let (resolution, leftover) = match self.run_started(worker, frame) {
                    Ok(value) => (Ok(value), (Leftover::Nothing, Extensions::default())),
                    Err(ended) => ended,
                };
                let outcome = outcome_of(&resolution);
                frame.is_on_record(outcome);
                drop_contained(leftover);
                self.store(resolution);
                let ended = self.state.end(outcome);
                if ended.is_detached {
                    drop_contained(self.replace(Content::Empty));
                }
                if ended.has_waiter {
                    // SAFETY: this is the end, and it says so.
                    wake_contained(unsafe { self.waiter.take() });
                }
            });
        }
        is_claimed
    }

    /// Ends the job without running it, if it has not started: by a cancel, a deadline, a token, or
    /// the drop of its task.
    ///
    /// Does nothing if another side won `start`. Otherwise the calling thread records and publishes
    /// the outcome, drops the captures (later, where such ends nest too deep), and calls the
    /// handle's waker last.
    fn end_unstarted(&self, outcome: Outcome, tells: Tells) {
        let Some(end) = Unstarted::take(
            &self.state,
            self.id,
            self.terms(),
            Self::kind,
            outcome,
            tells,
        ) else {
            return;
        };
        let captures = (self.take_job(), self.take_extensions());
        let ended = end.end(
            &self.ticket,
            || self.state.end(outcome),
            move || drop_contained(captures),
        );
        if ended.has_waiter {
            // SAFETY: this is the end, and it says so.
            wake_contained(unsafe { self.waiter.take() });
        }
    }

    /// Returns the job's token, deadline and name, if it was submitted with any.
    #[inline]
    fn terms(&self) -> Option<&Terms> {
        self.extras.get()?.terms.as_ref()
    }

    /// Takes out the values that the job carries, for the side that ends the job to drop.
    fn take_extensions(&self) -> Extensions {
        Terms::take_values(self.terms())
    }

    /// Returns the job's kind.
    fn kind() -> &'static str {
        kind_of::<J>(J::kind)
    }

    /// Returns the job's name, if it was given one. It lies in the terms.
    fn name(&self) -> Option<&str> {
        self.terms()?.name.as_deref()
    }
}

/// Returns why a job must not start, or run on, by its terms (`R401`, `R403`). A cancelled token
/// comes before a deadline that has passed.
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
