//! The cell of a future: the future itself, how it comes back when it is woken, and where its
//! outcome meets its handle.
//!
//! The thread that wins the start has the first poll, and accounts for the job. From its first
//! suspension on a future **belongs to its pool**: a wake queues one entry there, which cannot be
//! refused, and a worker polls it. A job of the same pool that waits for it **helps**: it leaves
//! its waker in the cell, is told of each wake as well, and may take the poll if it comes first
//! (`worker::help`). Nobody owes anybody a poll, so a helper may go away, or stop polling, at any
//! time.
//!
//! A **host**, which is a runtime's task, starts the future and owns the poll to the end: the
//! future is given the host's own waker, so its wakes pass this cell by.
//!
//! # A wake and a helper
//! A helper leaves its waker under the lock of `links`, marks the future as helped, and then looks
//! whether it is due. A wake makes it due, and looks for the helper under that lock if the mark is
//! there (`poll_state`). So either the wake finds the helper, or the helper finds the future due.
//!
//! A wake of a future without a helper needs only its pool. On a worker of that pool it takes no
//! lock, and adds no count to the pool: the worker keeps the pool alive. Elsewhere it gets the pool
//! from `links`.
//!
//! What the future awaits of its own pool is noted under the lock too, after the poll that awaited
//! it and before the poll is given back, and the helper is told. So a helper knows all of it, or
//! looks again.
//!
//! # Ends
//! A job ends in one of four ways: on a worker after a poll (`end_here`), in a host (`store_hosted`
//! and `publish_hosted`), before its first poll (`end_unstarted` and `give_up`), or where a woken
//! entry is given up and nobody is left to run it (`give_up_woken`). Each of them records the
//! outcome in the pool's books before it publishes it with `State::end`. A worker and a host drop
//! the future and store a value before they publish; the others have no value, and drop what is
//! left afterwards.

mod awaits;
mod handle_side;
#[cfg(all(test, pool_loom))]
mod models;
mod one_poll;
mod polled;
pub(crate) mod queue_side;
pub(crate) mod source;
mod suspended;

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::task::{Wake, Waker};

use crate::cell::closure::refuse_start;
use crate::cell::future::queue_side::WokenEntry;
use crate::cell::future::source::Source;
use crate::cell::poll_state::{Due, PollState};
use crate::cell::state::{Ended, State};
use crate::cell::ticket::Ticket;
use crate::cell::unstarted::{Tells, Unstarted};
use crate::cell::waker_slot::WakerSlot;
use crate::job::context::OwnToken;
use crate::job::extensions::Extensions;
use crate::job::id::JobId;
use crate::job::outcome::{
    Concluded, Interrupted, Outcome, Resolution, contain, drop_contained, error_without_value,
    outcome_of, wake_contained,
};
use crate::job::{Terms, kind_of};
use crate::pool::lifecycle::Lifecycle;
use crate::sys::sync::{Guard, LockExt, Mutex, Ordering, UnsafeCell};
use crate::task::Task;
use crate::worker::{Awaited, Frame, Worker, leave_helpers};
use one_poll::Once;
pub(crate) use polled::{Known, Polled};
use suspended::{Links, Waits};

/// The cell of one future. Its handle, its entries in queues, its wakers and its context share it
/// in an `Arc`.
pub(crate) struct AsyncCell<S: Source> {
    /// The job's id, the same as that of its tasks and its handle.
    id: JobId,
    /// How far the job is, and which pool accounts for it.
    state: State,
    /// Where in the queue the job's first entry lies.
    ticket: Ticket,
    /// Which thread may poll the future. It begins as `polling`, which belongs to the winner of
    /// `State::start`.
    poll_state: PollState,
    /// Whether there ever was something in `links`, so that the end of most futures takes no lock.
    ///
    /// Set before something is put there: by a helper, which is on the handle's side, or by the
    /// thread that owns the poll. Each of them sees its own store, and the owner of the poll those
    /// of all earlier owners.
    has_links: AtomicBool,
    /// Whether there is an abort handle, or was one. Then the job may be cancelled alone even
    /// without its handle, so its children need a token of their own.
    has_abort: AtomicBool,
    /// The id of the future of the same pool that polled the handle last; 0 if something else did.
    /// A helper skips this future if another one has polled its handle since the helper's note.
    awaiter: AtomicU64,
    /// The waker of the thread or task that waits at the handle. `state` says whose the slot is.
    waiter: WakerSlot,
    /// The options that the job was submitted with. Its values are taken out at its end; the rest
    /// is never written after `new`.
    terms: Option<Box<Terms>>,
    /// The token that the job's children inherit, made when the first child asks for it.
    token: OwnToken,
    /// What the job's context has told the job, if it asked whether to stop and the answer was yes.
    /// Written through [`AsyncView::report`](crate::job::context::AsyncView::report), and read
    /// after the last poll.
    reported: Mutex<Option<Interrupted>>,
    /// The pool, the helper and the host that a suspended future is tied to. No user code runs
    /// under the lock.
    links: Mutex<Links>,
    /// The job, then its future, then its outcome. The comment at `Sync` says which side may touch
    /// it when.
    stage: UnsafeCell<Content<S>>,
}

/// The future is pinned: a cell lives in an `Arc`, and a stage that is started is left by an
/// assignment alone.
enum Content<S: Source> {
    /// The job has not been polled. It stays here until the first poll, or until its captures are
    /// dropped.
    Queued(S),
    /// The future, from the first poll to the end. It is dropped in its place.
    Started(S::Future),
    /// An outcome with a value: completed, failed, panicked. It stays until the handle takes it; if
    /// the handle has gone, it is dropped.
    Ended(Resolution<S::Output, S::Error>),
    /// Nothing: the job has ended without a value, or the value was taken; also for a moment while
    /// the job becomes its future.
    Empty,
}

// SAFETY: source, future and outcome are `Send`, and `stage` is touched by one side at a time: by
// the thread that owns the poll, until `State::end`; then, if the outcome has a value, by the
// handle, or by whichever of `end` and `detach` came second; otherwise by the one that owned the
// poll. Everything else is `Sync`.
unsafe impl<S: Source> Sync for AsyncCell<S> {}
// SAFETY: as above; a cell is its parts.
unsafe impl<S: Source> Send for AsyncCell<S> {}

/// Which side polls, and so whether the job is noted as off its worker already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Poller {
    /// The winner of the start: nobody else knows of the job yet.
    Starter,
    /// A worker of its pool, or a helper, after it was suspended.
    Later,
}

/// Whether a suspension frees the worker that polls. While a future keeps its worker, a job that
/// awaits within the poll must make progress on what it awaits itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing on this stack waits for the future: after a suspension the worker goes on with other
    /// work.
    Frees,
    /// A job below on the same stack waits for this one.
    Keeps,
}

impl<S: Source> AsyncCell<S> {
    /// Makes the cell of a job that no pool has accepted yet.
    #[inline]
    pub(crate) fn new(id: JobId, source: S, terms: Option<Box<Terms>>) -> Arc<Self> {
        Arc::new(Self {
            id,
            state: State::new(),
            ticket: Ticket::new(),
            poll_state: PollState::new(),
            has_links: AtomicBool::new(false),
            has_abort: AtomicBool::new(false),
            awaiter: AtomicU64::new(0),
            waiter: WakerSlot::new(),
            terms,
            token: OwnToken::default(),
            reported: Mutex::new(None),
            links: Mutex::new(Links::default()),
            stage: UnsafeCell::new(Content::Queued(source)),
        })
    }

    /// Takes a job back that no executor accepted. Returns `None` if it was cancelled meanwhile:
    /// then the canceller ends it.
    pub(crate) fn reclaim(&self) -> Option<S> {
        let started = self.state.start()?;
        debug_assert_eq!(started.pool, None, "a refused job is in no books");
        drop(self.take_extensions());
        match self.replace(Content::Empty) {
            Content::Queued(source) => Some(source),
            _ => unreachable!("the job is there until it is started"),
        }
    }

    /// Puts `stage` in the place of what was there, and returns that. The caller owns the stage at
    /// this moment, by the rule at `Sync`, and no future is in it: a future must not be moved.
    fn replace(&self, stage: Content<S>) -> Content<S> {
        // SAFETY: the rule at `Sync`. What is moved out is no pinned future: each caller knows the
        // stage, or has emptied it.
        self.stage
            .with_mut(|place| unsafe { std::mem::replace(&mut *place, stage) })
    }

    /// Drops what is in the stage, in its place, and the values that the job carries, with panics
    /// contained. The caller owns the stage, and ends the job.
    fn clear(&self) {
        self.stage.with_mut(|place| {
            // SAFETY: the caller owns the stage. The assignment drops a future in its place, and
            // writes also where that panics.
            drop_contained(contain(|| unsafe { *place = Content::Empty }));
        });
        drop(self.take_extensions());
    }

    /// Returns why the next poll must end the job instead, if so: it was asked to stop, `life` is
    /// being cancelled and the future does not wait for that end, its token was cancelled, or its
    /// deadline has passed.
    fn interruption(&self, life: &Lifecycle) -> Option<Interrupted> {
        if self.state.is_cancel_requested() || life.cancels(self.id) {
            return Some(Interrupted::Cancelled);
        }
        refuse_start(self.terms.as_deref())
    }

    /// Returns one more reference to the cell.
    fn shared(&self) -> Arc<Self> {
        let this = std::ptr::from_ref(self);
        // SAFETY: `new` is the only way to a cell and puts it into an `Arc`, which lives at least
        // as long as this borrow of it.
        unsafe {
            Arc::increment_strong_count(this);
            Arc::from_raw(this)
        }
    }

    /// Notes what the future awaits of its own pool, and tells a helper of it. The caller owns the
    /// poll.
    #[inline]
    fn note_awaited(&self, awaited: Vec<Arc<dyn Awaited>>) {
        if !awaited.is_empty() {
            self.note_waits(|waits| waits.awaits.add(awaited));
        }
    }

    /// Changes the note of what the future waits for in its own pool, and calls the helper's waker:
    /// the helper may have looked before the note. What `note` replaces is dropped with nothing
    /// locked.
    #[cold]
    fn note_waits<R>(&self, note: impl FnOnce(&mut Waits) -> R) {
        let (helper, former) = {
            let mut links = self.lock_links();
            let former = note(links.waits.get_or_insert_default());
            (links.helper.clone(), former)
        };
        drop(former);
        helper.into_iter().for_each(wake_contained);
    }

    /// Polls on a worker of the job's pool, and gives the poll back or ends the job. The caller
    /// owns the poll.
    ///
    /// The job has a frame on the worker during its first poll. When it suspends for the first
    /// time, it is noted among the jobs that are off their worker, together with a waker, and keeps
    /// that note to its end. A cancel that comes between the poll and that note would wake nobody,
    /// so interruptions are looked at once more before the poll is given back.
    fn poll_as(self: &Arc<Self>, worker: &Worker, poller: Poller, place: Place) {
        let life = worker.life();
        // SAFETY: a waker that owns no count of its own: it is not dropped, and `self` outlives it.
        let waker = unsafe { Arc::from_raw(Arc::as_ptr(self)) };
        let waker = ManuallyDrop::new(Waker::from(waker));
        // One that was suspended is noted as away; but it is on this worker's stack.
        let frame = match poller {
            Poller::Starter => Some(worker.begin(self.id, self.name())),
            Poller::Later => None,
        };
        let since = worker.last_reading();
        let poll = || match poller {
            Poller::Starter => self.poll_once(life, Some(worker), &waker),
            Poller::Later => worker.nested(|| self.poll_once(life, Some(worker), &waker)),
        };
        let once = match place {
            Place::Frees => poll(),
            Place::Keeps => worker.keeping_place(poll),
        };
        let mut is_noted = poller == Poller::Later;
        let concluded = match once {
            Once::Over(concluded) => concluded,
            Once::Suspended => {
                if !is_noted {
                    is_noted = true;
                    self.lock_links().pool = Some(Arc::clone(life));
                    life.off_worker
                        .note(self.id, self.name(), since, Some(Waker::clone(&waker)));
                }
                // What happened before the note woke nobody.
                let Some(interrupted) = self.interruption(life) else {
                    drop(frame);
                    let due = self.poll_state.suspend();
                    if due.is_something() {
                        Arc::clone(self).tell_of(due);
                    }
                    return;
                };
                Concluded::Ends(Err(interrupted.into()))
            }
        };
        let frame = frame.unwrap_or_else(|| worker.begin(self.id, self.name()));
        self.poll_state.finish();
        if let Some(terms) = &self.terms {
            terms.unwatch(self.id, life);
        }
        let pool = is_noted.then(|| self.lock_links().pool.take());
        self.end_here(worker, frame, is_noted, concluded);
        drop(pool);
    }

    /// Ends the job on a worker of its pool: records the outcome, tells the observer, drops the
    /// future and what nobody takes, stores a value, publishes, and counts the job as over. The
    /// caller owns the poll, and has marked it as over.
    ///
    /// `is_noted`: the job is among those that are off their worker. Its note is removed in the
    /// same step in which the outcome is recorded.
    fn end_here(
        &self,
        worker: &Worker,
        frame: Frame<'_>,
        is_noted: bool,
        concluded: Concluded<S::Output, S::Error>,
    ) {
        let terms = self.terms.as_deref();
        let job_here = worker.job(self.id, terms, Self::kind);
        let is_plain = job_here.completes_unheard() && Terms::have_no_values(terms);
        match concluded.into_value(is_plain) {
            Ok(value) => {
                self.record(worker, &frame, is_noted, Outcome::Completed);
                self.clear();
                self.store(Ok(value));
                self.publish(Outcome::Completed);
            }
            Err(concluded) => self.end_otherwise(worker, &frame, is_noted, concluded),
        }
        drop(frame);
        worker.over();
    }

    /// The part of [`end_here`](Self::end_here) for a job that has not completed, or whose end
    /// somebody hears of, or that has values.
    #[inline(never)]
    fn end_otherwise(
        &self,
        worker: &Worker,
        frame: &Frame<'_>,
        is_noted: bool,
        concluded: Concluded<S::Output, S::Error>,
    ) {
        let (resolution, leftover) = split(concluded);
        let outcome = outcome_of(&resolution);
        self.note_if_cut_short(worker.life(), outcome);
        self.record(worker, frame, is_noted, outcome);
        let terms = self.terms.as_deref();
        let job_here = worker.job(self.id, terms, Self::kind);
        job_here.tell_end(frame, &resolution, S::error_text);
        if !Terms::have_no_values(terms) || error_without_value::<()>(outcome).is_some() {
            frame.is_on_record(outcome);
        }
        self.clear();
        drop_contained(leftover);
        self.store(resolution);
        self.publish(outcome);
    }

    /// Records the outcome, in one step with the removal of the note of a job that `is_noted`.
    #[inline(always)]
    fn record(&self, worker: &Worker, frame: &Frame<'_>, is_noted: bool, outcome: Outcome) {
        if is_noted {
            // Before the note goes, so that a report that finds the frame knows that the job is in
            // its column.
            frame.is_on_record(outcome);
            let off_worker = &worker.life().off_worker;
            off_worker.end(self.id, || worker.record(outcome));
        } else {
            worker.record(outcome);
        }
    }

    /// Stores an outcome where the handle finds it. The caller owns the stage, which is empty. An
    /// outcome without a value is not stored, since the state word says all of it.
    fn store(&self, resolution: Resolution<S::Output, S::Error>) {
        if error_without_value::<()>(outcome_of(&resolution)).is_none() {
            drop(self.replace(Content::Ended(resolution)));
        }
    }

    /// Notes for the shutdown report that the end of the pool has cancelled the job, if nothing
    /// else did.
    fn note_if_cut_short(&self, life: &Lifecycle, outcome: Outcome) {
        if outcome == Outcome::Cancelled {
            let terms = self.terms.as_deref();
            let was_asked =
                self.state.is_cancel_requested() || terms.is_some_and(Terms::is_cancelled);
            life.ending
                .note_if_cut_short(self.id, self.name(), was_asked, &life.phase);
        }
    }

    /// Publishes the outcome, wakes the handle, and drops a value that nobody takes because the
    /// handle has gone.
    fn publish(&self, outcome: Outcome) {
        let ended = self.state.end(outcome);
        if ended.is_detached && error_without_value::<()>(outcome).is_none() {
            self.drop_resolution();
        }
        self.wake_waiter(ended);
    }

    /// Calls the waker of the handle, if it waits, and drops what other waiters left in the links.
    #[inline]
    fn wake_waiter(&self, ended: Ended) {
        let waiter = self.waker_of_waiter(ended);
        waiter.into_iter().for_each(wake_contained);
        if self.has_links.load(Ordering::Relaxed) {
            self.drop_links();
        }
    }

    /// Takes the waker of the handle, if it waits.
    #[inline]
    fn waker_of_waiter(&self, ended: Ended) -> Option<Waker> {
        // SAFETY: this is the end, and it says so.
        ended.has_waiter.then(|| unsafe { self.waiter.take() })
    }

    /// Drops the helper's waker, the host's waker and the notes of what the future awaited, with
    /// the lock free. What a helper puts there at this very moment is dropped by the helper when it
    /// leaves, or with the cell.
    #[cold]
    fn drop_links(&self) {
        let links = {
            let mut links = self.links.lock_unpoisoned();
            (links.helper.take(), links.host.take(), links.waits.take())
        };
        drop_contained(links);
    }

    /// Locks the links for a caller that is about to put something there, and says so in
    /// `has_links` first.
    fn lock_links(&self) -> Guard<'_, Links> {
        self.has_links.store(true, Ordering::Relaxed);
        self.links.lock_unpoisoned()
    }

    /// Drops the value of a job whose handle has gone.
    fn drop_resolution(&self) {
        drop_contained(self.replace(Content::Empty));
    }

    /// Ends the job without running it, if it has not started. Returns false if another side won
    /// `start`.
    fn end_unstarted(&self, outcome: Outcome, tells: Tells) -> bool {
        let terms = self.terms.as_deref();
        let Some(end) = Unstarted::take(&self.state, self.id, terms, Self::kind, outcome, tells)
        else {
            return false;
        };
        self.poll_state.finish();
        // Both sides lock the token's list: a thread that is about to have the job watched sees the
        // mark, or is seen here.
        end.unwatch(terms);
        let this = self.shared();
        let ended = end.end(
            &self.ticket,
            || self.state.end(outcome),
            move || this.clear(),
        );
        self.wake_waiter(ended);
        true
    }

    /// Notes a wake. Returns what is to be done for it: by [`tell_of`](Self::tell_of), if it is
    /// something. A job that is still queued is ended here, if its terms say so.
    #[inline]
    fn note_wake(&self) -> Due {
        if self.state.is_started() {
            return self.poll_state.wake();
        }
        match refuse_start(self.terms.as_deref()) {
            // It was started meanwhile, by a thread that may not have seen why it is to end.
            Some(due) if !self.end_unstarted(due.into(), Tells::Observer) => self.poll_state.wake(),
            _ => Due::NOTHING,
        }
    }

    /// Does what `due` asks for: queues an entry among the woken futures of the pool, and calls the
    /// helper's waker. A host needs neither, since the future's wakes go to its own waker.
    #[inline]
    fn tell_of(self: Arc<Self>, due: Due) {
        // A started job stays in its pool.
        let is_own = |worker: &Worker| self.state.pool() == Some(worker.life().id);
        match Worker::current().filter(is_own) {
            Some(worker) if !due.must_tell => self.requeue(worker.life()),
            _ => self.tell_by_links(due),
        }
    }

    /// Does the same where pool and helper are to be found in the links.
    #[inline(never)]
    fn tell_by_links(self: Arc<Self>, due: Due) {
        let (pool, helper) = {
            let links = self.links.lock_unpoisoned();
            let pool = links.pool.as_ref().filter(|_| due.must_queue);
            (pool.cloned(), links.helper.clone())
        };
        if let Some(pool) = pool {
            self.requeue(&pool);
        }
        if let Some(helper) = helper {
            wake_contained(helper);
        }
    }

    /// Queues an entry among the woken futures of `life`, which is the job's pool.
    fn requeue(self: Arc<Self>, life: &Lifecycle) {
        let id = self.id;
        life.woken.requeue(Task::new(id, WokenEntry(self)), life);
    }

    /// Drops the waker that the handle's side left here as a helper, and those it left in the
    /// futures that this one awaits. Called where the handle stops waiting.
    #[inline]
    fn forget_helper(&self) {
        if self.has_links.load(Ordering::Relaxed) {
            leave_helpers(self.leave_helper());
        }
    }

    /// Takes out the values that the job carries, for the side that ends the job to drop.
    fn take_extensions(&self) -> Extensions {
        Terms::take_values(self.terms.as_deref())
    }

    /// Returns the job's kind.
    fn kind() -> &'static str {
        kind_of::<S>(S::kind)
    }

    /// Returns the job's name, if it was given one.
    fn name(&self) -> Option<&str> {
        self.terms.as_ref()?.name.as_deref()
    }
}

/// Splits what a job concluded into the resolution for the handle and the error that nobody takes.
fn split<T, E>(concluded: Concluded<T, E>) -> (Resolution<T, E>, Option<E>) {
    match concluded {
        Concluded::Ends(resolution) => (resolution, None),
        Concluded::GaveUp(interrupted, error) => (Err(interrupted.into()), Some(error)),
    }
}

impl<S: Source> Wake for AsyncCell<S> {
    /// As [`wake_by_ref`](Self::wake_by_ref). The waker's count becomes that of the entry.
    fn wake(self: Arc<Self>) {
        let due = self.note_wake();
        if due.is_something() {
            self.tell_of(due);
        }
    }

    /// Called by the future's own wakes, by a canceller, by the job's token, and by the clock at
    /// its deadline. Each of these may come while the job is queued: then it ends the job if its
    /// terms say so. Later it makes the future due.
    fn wake_by_ref(self: &Arc<Self>) {
        let due = self.note_wake();
        if due.is_something() {
            Arc::clone(self).tell_of(due);
        }
    }
}
