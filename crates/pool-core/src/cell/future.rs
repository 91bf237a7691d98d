//! The cell of a future: the future itself, how it comes back when it is woken, and where its
//! outcome meets its handle.
//!
//! Whoever wins the start has the first poll, and accounts for the job. From its first suspension
//! on a future **belongs to its pool**: a wake queues one entry there, which cannot be refused, and
//! a worker polls it. A job of the same pool that waits for it **helps**: it leaves its waker in
//! the cell, is told of each wake as well, and may take the turn if it comes first
//! (`worker::help`). Nobody owes anybody a poll, so a helper may go away, or stop polling, at any
//! time.
//!
//! A **host**, which is a runtime's task, starts the future and keeps the turn to the end: the
//! future is given the host's own waker, so its wakes pass this cell by.
//!
//! # A wake and a helper
//! A wake makes the turn due and then takes the lock of `links` to find pool and helper. A helper
//! leaves its waker under that lock and then looks whether the turn is due. So either the wake
//! finds the helper, or the helper finds the turn.
//!
//! What the future awaits of its own pool is noted under the lock too, after the poll that awaited
//! it and before the turn is given back, and the helper is told. So a helper knows all of it, or
//! looks again.

mod awaits;
mod cold_links;
mod handle_side;
#[cfg(all(test, pool_loom))]
mod models;
mod polled;
pub(crate) mod queue_side;
pub(crate) mod source;

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::task::{Context, Poll, Wake, Waker};

use crate::cell::closure::{Concluded, conclude, error_without_value, refuse_start};
use crate::cell::future::queue_side::WokenEntry;
use crate::cell::future::source::Source;
use crate::cell::poll_state::{Due, PollState};
use crate::cell::raw_handle::Resolution;
use crate::cell::state::{Ended, State};
use crate::cell::unstarted::{Tells, Unstarted};
use crate::cell::waker_slot::WakerSlot;
use crate::job::Terms;
use crate::job::context::{AsyncContext, OwnToken};
use crate::job::id::JobId;
use crate::job::outcome::{
    Interrupted, JobError, Outcome, PanicInfo, contain, drop_contained, outcome_of, wake_contained,
};
use crate::pool::lifecycle::Lifecycle;
use crate::sys::machine::{self, Point};
use crate::sys::sync::{Guard, LockExt, Mutex, Ordering, UnsafeCell};
use crate::task::Task;
use crate::worker::{Awaited, Frame, Worker, leave_helpers};
use cold_links::{Links, Waits};
pub(crate) use polled::{Known, Polled};

pub(crate) struct AsyncCell<S: Source> {
    id: JobId,
    state: State,
    turn: PollState,
    /// Whether there ever was something in `links`. Set by whoever puts it there, before it does: a
    /// helper, on the handle's side, or who has the turn. Each of them sees its own, and who has
    /// the turn those of all who had it before.
    has_links: AtomicBool,
    /// Whether somebody has an abort handle, or had.
    has_abort: AtomicBool,
    /// The future of its pool that polled the handle last; 0 if that was none.
    awaiter: AtomicU64,
    waiter: WakerSlot,
    terms: Option<Box<Terms>>,
    token: OwnToken,
    reported: Mutex<Option<Interrupted>>,
    links: Mutex<Links>,
    stage: UnsafeCell<Stage<S>>,
}

/// The future is pinned: a cell lives in an `Arc`, and a stage that is started is left by an
/// assignment alone.
enum Stage<S: Source> {
    Queued(S),
    Started(S::Future),
    /// An outcome with a value: completed, failed, panicked.
    Ended(Resolution<S::Output, S::Error>),
    Empty,
}

// SAFETY: source, future and outcome are `Send`, and `stage` is touched by one side at a time: by
// whoever has the turn, until `State::end`; then, if the outcome has a value, by the handle, or by
// whichever of `end` and `detach` came second; otherwise by the one that had the turn. Everything
// else is `Sync`.
unsafe impl<S: Source> Sync for AsyncCell<S> {}
// SAFETY: as above; a cell is its parts.
unsafe impl<S: Source> Send for AsyncCell<S> {}

/// What came of one poll.
enum Once<S: Source> {
    Suspended,
    Over(Concluded<S::Output, S::Error>),
}

/// Who polls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Poller {
    /// The winner of the start: nobody else knows of the job yet.
    Starter,
    /// A worker of its pool, or a helper, after it was suspended.
    Later,
}

/// Whether a suspension frees the worker that polls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Frees,
    /// A job below on the same stack waits for this one.
    Keeps,
}

impl<S: Source> AsyncCell<S> {
    #[inline]
    pub(crate) fn new(id: JobId, source: S, terms: Option<Box<Terms>>) -> Arc<Self> {
        Arc::new(Self {
            id,
            state: State::new(),
            turn: PollState::new(),
            has_links: AtomicBool::new(false),
            has_abort: AtomicBool::new(false),
            awaiter: AtomicU64::new(0),
            waiter: WakerSlot::new(),
            terms,
            token: OwnToken::default(),
            reported: Mutex::new(None),
            links: Mutex::new(Links::default()),
            stage: UnsafeCell::new(Stage::Queued(source)),
        })
    }

    /// Takes a job back that no executor accepted. None if it was cancelled or run meanwhile.
    pub(crate) fn reclaim(&self) -> Option<S> {
        let started = self.state.start()?;
        debug_assert_eq!(started.pool, None, "a refused job is in no books");
        match self.replace(Stage::Empty) {
            Stage::Queued(source) => Some(source),
            _ => unreachable!("the job is there until it is started"),
        }
    }

    /// The caller owns the stage now, by the rule at `Sync`, and no future is in it.
    fn replace(&self, stage: Stage<S>) -> Stage<S> {
        // SAFETY: the rule at `Sync`. What is moved out is no pinned future: each caller knows the
        // stage, or has emptied it.
        self.stage
            .with_mut(|place| unsafe { std::mem::replace(&mut *place, stage) })
    }

    /// Drops what is in the stage, where it is. The caller owns the stage.
    fn clear(&self) {
        self.stage.with_mut(|place| {
            // SAFETY: the caller owns the stage. The assignment drops a future in its place, and
            // writes also where that panics.
            drop_contained(contain(|| unsafe { *place = Stage::Empty }));
        });
    }

    fn interruption(&self, life: &Lifecycle) -> Option<Interrupted> {
        if self.state.is_cancel_requested() || life.cancels(self.id) {
            return Some(Interrupted::Cancelled);
        }
        refuse_start(self.terms.as_deref())
    }

    /// Makes the future, at the first poll. The caller has the turn.
    fn make_future(&self, life: &Arc<Lifecycle>) -> Result<(), PanicInfo> {
        let source = self.stage.with_mut(|place| {
            // SAFETY: the caller has the turn.
            let stage = unsafe { &mut *place };
            if !matches!(stage, Stage::Queued(_)) {
                return None;
            }
            match std::mem::replace(stage, Stage::Empty) {
                Stage::Queued(source) => Some(source),
                _ => None,
            }
        });
        let Some(source) = source else {
            return Ok(());
        };
        let ctx = || AsyncContext::new(self.shared(), Arc::clone(life));
        let future = contain(|| source.start(ctx))?;
        drop(self.replace(Stage::Started(future)));
        Ok(())
    }

    /// One more reference.
    fn shared(&self) -> Arc<Self> {
        let this = std::ptr::from_ref(self);
        // SAFETY: `new` is the only way to a cell and puts it into an `Arc`, which lives at least
        // as long as this borrow of it.
        unsafe {
            Arc::increment_strong_count(this);
            Arc::from_raw(this)
        }
    }

    /// One poll. The caller has the turn.
    ///
    /// Without a worker, it is polled as an outsider.
    fn poll_once(&self, life: &Arc<Lifecycle>, worker: Option<&Worker>, waker: &Waker) -> Once<S> {
        let interrupted = |it: Interrupted| Once::Over(Concluded::Ends(Err(it.into())));
        if let Some(interruption) = self.interruption(life) {
            return interrupted(interruption);
        }
        if let Err(panic) = self.make_future(life) {
            return Once::Over(Concluded::Ends(Err(JobError::Panicked(panic))));
        }
        let outer = worker.map(|worker| worker.begin_polling(self.id));
        let polled = self.stage.with_mut(|place| {
            // SAFETY: the caller has the turn.
            let Stage::Started(future) = (unsafe { &mut *place }) else {
                unreachable!("the future is there until it is over")
            };
            // SAFETY: it is not moved out of the cell, see `Stage`, and the cell does not move.
            let future = unsafe { Pin::new_unchecked(future) };
            contain(|| {
                machine::point(Point::Begin(self.id));
                future.poll(&mut Context::from_waker(waker))
            })
        });
        let mut awaited = Vec::new();
        if let (Some(worker), Some(outer)) = (worker, outer) {
            awaited = worker.end_polling(outer);
        }
        let result = match polled {
            Ok(Poll::Pending) => {
                self.note_awaited(awaited);
                return Once::Suspended;
            }
            Ok(Poll::Ready(result)) => Ok(result),
            Err(panic) => Err(panic),
        };
        // It counts where the job gave up alone.
        let reported = match result {
            Ok(Err(_)) => *self.reported.lock_unpoisoned(),
            _ => None,
        };
        Once::Over(conclude(result, reported))
    }

    /// Notes what the future awaits, and tells a helper of it. The caller has the turn.
    #[inline]
    fn note_awaited(&self, awaited: Vec<Arc<dyn Awaited>>) {
        if !awaited.is_empty() {
            self.note_waits(|waits| waits.awaits.add(awaited));
        }
    }

    /// Notes what the future waits for in its own pool, and tells a helper. What `note` replaces is
    /// dropped with nothing locked.
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

    /// Polls with the turn taken, and gives it back or ends the job.
    fn take_turn(self: &Arc<Self>, worker: &Worker, poller: Poller, place: Place) {
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
                    self.tell_of(self.turn.suspend());
                    return;
                };
                Concluded::Ends(Err(interrupted.into()))
            }
        };
        let frame = frame.unwrap_or_else(|| worker.begin(self.id, self.name()));
        self.turn.finish();
        if let Some(terms) = &self.terms {
            terms.unwatch(self.id, life);
        }
        let pool = is_noted.then(|| self.lock_links().pool.take());
        self.end_here(worker, frame, is_noted, concluded);
        drop(pool);
    }

    /// Ends the job on a worker of its pool: records it, tells the observer, publishes it, and
    /// drops what nobody takes.
    fn end_here(
        &self,
        worker: &Worker,
        frame: Frame<'_>,
        is_noted: bool,
        concluded: Concluded<S::Output, S::Error>,
    ) {
        let (resolution, leftover) = split(concluded);
        let outcome = outcome_of(&resolution);
        self.note_if_cut_short(worker.life(), outcome);
        if is_noted {
            // Before the note goes, so that a report that finds the frame knows that the job is in
            // its column.
            frame.is_on_record(outcome);
            let life = worker.life();
            life.off_worker.end(self.id, outcome, &life.ledger);
        } else {
            worker.record(outcome);
        }
        worker.tell_end(self.id, self.name(), &resolution, S::error_text);
        if error_without_value::<()>(outcome).is_some() {
            frame.is_on_record(outcome);
        }
        self.clear();
        drop_contained(leftover);
        self.store(resolution);
        self.publish(outcome);
        drop(frame);
        worker.over();
    }

    /// Leaves an outcome where the handle finds it. The caller owns the stage, which is empty.
    fn store(&self, resolution: Resolution<S::Output, S::Error>) {
        if error_without_value::<()>(outcome_of(&resolution)).is_none() {
            drop(self.replace(Stage::Ended(resolution)));
        }
    }

    /// Notes that the end of the pool has cancelled the job, if so.
    fn note_if_cut_short(&self, life: &Lifecycle, outcome: Outcome) {
        if outcome == Outcome::Cancelled {
            let terms = self.terms.as_deref();
            let was_asked =
                self.state.is_cancel_requested() || terms.is_some_and(Terms::is_cancelled);
            life.ending
                .note_if_cut_short(self.id, self.name(), was_asked, &life.phase);
        }
    }

    /// Lets the handle see the outcome.
    fn publish(&self, outcome: Outcome) {
        let ended = self.state.end(outcome);
        if ended.is_detached && error_without_value::<()>(outcome).is_none() {
            self.drop_resolution();
        }
        self.wake_waiter(ended);
    }

    /// Calls the waker of the handle, if it waits, and drops those of others.
    #[inline]
    fn wake_waiter(&self, ended: Ended) {
        if ended.has_waiter {
            // SAFETY: this is the end, and it says so.
            wake_contained(unsafe { self.waiter.take() });
        }
        if self.has_links.load(Ordering::Relaxed) {
            self.drop_links();
        }
    }

    /// What a helper leaves there at this very moment goes with that one, or with the cell.
    #[cold]
    fn drop_links(&self) {
        let links = {
            let mut links = self.links.lock_unpoisoned();
            (links.helper.take(), links.host.take(), links.waits.take())
        };
        drop_contained(links);
    }

    /// For who puts something there.
    fn lock_links(&self) -> Guard<'_, Links> {
        self.has_links.store(true, Ordering::Relaxed);
        self.links.lock_unpoisoned()
    }

    fn drop_resolution(&self) {
        drop_contained(self.replace(Stage::Empty));
    }

    /// Ends the job without running it, if it has not started.
    fn end_unstarted(&self, outcome: Outcome, tells: Tells) -> bool {
        let terms = self.terms.as_deref();
        let Some(end) = Unstarted::take(&self.state, self.id, terms, outcome, tells) else {
            return false;
        };
        self.turn.finish();
        let this = self.shared();
        let ended = end.end(|| self.state.end(outcome), move || this.clear());
        self.wake_waiter(ended);
        true
    }

    /// Does what a future that has become due needs.
    fn tell_of(self: &Arc<Self>, due: Due) {
        if due == Due::No {
            return;
        }
        let (pool, helper) = {
            let links = self.links.lock_unpoisoned();
            (links.pool.clone(), links.helper.clone())
        };
        if let (Due::Queue, Some(pool)) = (due, pool) {
            let entry = WokenEntry(Arc::clone(self) as _);
            pool.woken.requeue(Task::new(self.id, entry), &pool);
        }
        if let Some(helper) = helper {
            wake_contained(helper);
        }
    }

    /// The handle's side waits here no longer, if it did: its waker goes.
    #[inline]
    fn forget_helper(&self) {
        if self.has_links.load(Ordering::Relaxed) {
            leave_helpers(self.leave_helper());
        }
    }

    fn name(&self) -> Option<&str> {
        self.terms.as_ref()?.name.as_deref()
    }
}

/// The resolution, and the error that nobody takes.
fn split<T, E>(concluded: Concluded<T, E>) -> (Resolution<T, E>, Option<E>) {
    match concluded {
        Concluded::Ends(resolution) => (resolution, None),
        Concluded::GaveUp(interrupted, error) => (Err(interrupted.into()), Some(error)),
    }
}

impl<S: Source> Wake for AsyncCell<S> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// The wake of the future itself, of its canceller, its token, its deadline: each of those may
    /// come while it is queued, too.
    fn wake_by_ref(self: &Arc<Self>) {
        if !self.state.is_started() {
            if let Some(interrupted) = refuse_start(self.terms.as_deref()) {
                self.end_unstarted(interrupted.into(), Tells::Observer);
            }
            return;
        }
        self.tell_of(self.turn.wake());
    }
}
