//! `Host`: what a host keeps from future to future: its slot, its seat, and the worker that goes
//! with them.
//!
//! A host without a seat is one whose future has given its slot away. It gets another through
//! `accept`, before that future is polled at a seat again.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::task::Waker;

use crate::cell::future::Polled;
use crate::job::outcome::Outcome;
use crate::pool::engine::Engine;
use crate::pool::ledger::Column;
use crate::pool::lifecycle::Lifecycle;
use crate::queue::TaskQueue;
use crate::task::Task;
use crate::worker::borrowed::Continuation;
use crate::worker::idle_step::{announce, has_work, may_have_work};
use crate::worker::park::{Looks, look_a_while};
use crate::worker::sleep::Announced;
use crate::worker::slot_request::{Grant, Loan, inbox_of};
use crate::worker::status::NotedAt;
use crate::worker::{SampledClock, Worker};

/// How many jobs a host runs without a pause before it lets the runtime's other tasks have the
/// thread.
const JOBS_AT_A_STRETCH: u32 = 64;

/// Gives a slot away whose holder needs it no longer: it is resumed if there is work, and sleeps
/// otherwise. Its seat is free.
fn release<E: Engine>(engine: &E, slot: usize) {
    let life = engine.life();
    life.roster.sleep.begin_search();
    let may_have_work = || may_have_work(engine) || life.pinned.waits_for(slot) || life.may_leave();
    if may_have_work() || announce(life, slot, may_have_work) == Announced::Search {
        life.roster.resume(slot);
    }
}

/// A worker that goes from thread to thread with the task that holds it. It is entered for a poll
/// at a time.
struct Roaming(Worker);

// SAFETY: a worker shares its inside with its clones alone, and `Hosted::poll`, which is the only
// one to enter it, makes sure that none is left when it returns. What is inside is `Send`: `Arc`s
// of the pool's life, of a slot and of the engine, and plain cells; a worker's state, which need
// not be, is never set on this one.
unsafe impl Send for Roaming {}

/// A host's seat, while it has one.
struct Place {
    /// The worker at the seat, with the slot.
    worker: Roaming,
    /// Whether the pool knows the waker of the task that hosts at this seat, to be woken at a
    /// cancel.
    is_known: bool,
    /// Whose seat it is, if it is borrowed for one poll. Its drop gives it back.
    loan: Option<Loan>,
}

/// What a host keeps from job to job. Used by the runtime's task alone, one thread at a time.
pub(super) struct Host<'e, E: Engine> {
    /// The engine, whose queue the host takes futures from.
    pub(super) engine: &'e Arc<E>,
    /// The seat and the slot. `None`: the hosted future has given them away.
    place: Option<Place>,
    /// The clock for the starts of jobs.
    pub(super) clock: SampledClock,
    /// The waker of the task that polls, as of its last poll.
    waker: Option<Waker>,
    /// How many jobs have ended since the last pause or suspension.
    jobs_at_a_stretch: u32,
    /// Whether the job that started last was ever suspended.
    pub(super) has_slept: bool,
    /// Whether jobs have ended here since the pool's watchers were last told.
    has_news: bool,
}

impl<'e, E: Engine> Host<'e, E> {
    /// Returns a host that has taken a seat with `slot`. `is_searching`: the slot is counted among
    /// those that search.
    pub(super) fn new(engine: &'e Arc<E>, slot: usize, is_searching: bool) -> Self {
        let mut host = Self {
            engine,
            place: None,
            clock: SampledClock::default(),
            waker: None,
            jobs_at_a_stretch: 0,
            has_slept: false,
            has_news: false,
        };
        host.occupy(slot, is_searching);
        host
    }

    /// Returns the life of the pool.
    pub(super) fn life(&self) -> &'e Arc<Lifecycle> {
        self.engine.life()
    }

    /// Returns whether the host has a slot, its own or a loan.
    pub(super) fn has_slot(&self) -> bool {
        self.place.is_some()
    }

    /// Returns whether the host's seat is borrowed, and so to be given back after the poll.
    pub(super) fn is_on_loan(&self) -> bool {
        self.place.as_ref().is_some_and(|it| it.loan.is_some())
    }

    /// Returns the worker at the host's seat.
    ///
    /// # Panics
    /// If the host has no slot.
    pub(super) fn worker(&self) -> &Worker {
        &self.place.as_ref().expect("the host has a slot").worker.0
    }

    // --- coming and going
    // -------------------------------------------------------------------------------------------

    /// Takes a free seat with a slot that has come, and makes a worker there that runs no closures.
    pub(super) fn occupy(&mut self, slot: usize, is_searching: bool) {
        let taken = self.life().roster.seats.take(Some(slot));
        self.sit(taken.index, slot, is_searching, None);
        // `leave` frees it.
        std::mem::forget(taken);
    }

    /// Makes a worker at a seat that the host has, and marks it as one that hosts.
    fn sit(&mut self, seat: usize, slot: usize, is_searching: bool, loan: Option<Loan>) {
        let worker = Worker::new(self.engine, seat, slot, is_searching);
        worker.host(loan.as_ref().map(Loan::lender));
        self.place = Some(Place {
            worker: Roaming(worker),
            is_known: false,
            loan,
        });
    }

    /// Takes what a seeker was given: a slot, for which it finds a seat, or a seat on loan.
    pub(super) fn accept(&mut self, grant: Grant) {
        match grant {
            Grant::Slot(slot) => self.occupy(slot, false),
            Grant::Loan(loan) => self.sit(loan.seat, loan.slot, false, Some(loan)),
        }
    }

    /// Leaves the seat. Returns the slot, which the caller sees to; or `None` if the host had none,
    /// or it was a loan, which goes back by this.
    fn give_up_seat(&mut self) -> Option<usize> {
        let Place {
            worker: Roaming(worker),
            is_known,
            loan,
        } = self.place.take()?;
        let (index, slot) = (worker.index(), worker.slot());
        drop(worker);
        if is_known {
            self.life().off_worker.set_host(index, None);
        }
        if loan.is_some() {
            return None;
        }
        self.life().roster.seats.free(index);
        Some(slot)
    }

    /// Leaves the seat of a slot that is the host's own, and returns the slot. Tells the pool's
    /// news first: the next holder of the slot knows nothing of the jobs that have ended here.
    pub(super) fn leave(&mut self) -> usize {
        self.tell_news();
        self.give_up_seat().expect("the host has a slot")
    }

    /// Gives up what the host has, for others to use: a loan goes back, and an own slot to what
    /// there is to do.
    pub(super) fn release(&mut self) {
        if let Some(slot) = self.give_up_seat() {
            release(&**self.engine, slot);
        }
    }

    // --- work
    // -------------------------------------------------------------------------------------------------------

    /// Returns the task to go on with: `first`, if there is one, otherwise one from the queue.
    pub(super) fn next(&self, first: &mut Option<Task>) -> Option<Task> {
        if self.life().phase.looks_beside_queue() {
            return self.next_beside_queue(first);
        }
        first.take().or_else(|| self.pop())
    }

    /// Does the part of [`next`](Self::next) that is due while there is more to look at than the
    /// queue. A pool that is being cancelled gives its jobs up. A paused one leaves them where they
    /// are, and so does a host whose slot is wanted on its own thread; `first` was taken out
    /// before.
    #[cold]
    fn next_beside_queue(&self, first: &mut Option<Task>) -> Option<Task> {
        let life = self.life();
        while life.is_cancelling() {
            life.give_up(first.take().or_else(|| self.pop())?);
        }
        let is_held_back = || life.phase.is_paused() || self.is_wanted_on_its_thread();
        first
            .take()
            .or_else(|| if is_held_back() { None } else { self.pop() })
    }

    /// Whether a task is pinned to the thread of the host's slot: it is run there, with the slot.
    pub(super) fn is_wanted_on_its_thread(&self) -> bool {
        self.life().pinned.waits_for(self.worker().slot())
    }

    /// Takes the next task out of the queue, and ends the worker's search with it.
    fn pop(&self) -> Option<Task> {
        let (engine, worker) = (&**self.engine, self.worker());
        let task = engine
            .queue()
            .pop(worker, &mut MaybeUninit::uninit())?
            .into_task();
        worker.found(engine);
        Some(task)
    }

    /// Goes on with an entry that was popped from the woken. The entry of a future that seeks a
    /// slot gets the host's; a woken future that runs on no runtime is left to a run. Returns what
    /// is left of the slot if it goes, and `None` if the host keeps it.
    pub(super) fn see_to(&mut self, woken: Task) -> Option<Continuation> {
        self.worker().found(&**self.engine);
        match inbox_of(woken) {
            Ok(seeking) => {
                let slot = self.leave();
                if seeking.give(slot) {
                    return Some(Continuation::Nothing);
                }
                self.occupy(slot, false);
                None
            }
            Err(task) => {
                // A future that runs on no runtime: it needs a worker.
                self.life().woken.requeue(task, self.life());
                self.worker().begin_search();
                Some(Continuation::ForRun(self.leave(), None))
            }
        }
    }

    /// Looks a while for work, or for the end of the pool. Returns true if there is some. Counts
    /// the worker as searching in any case.
    ///
    /// One host at a time looks so, and only after a job that ended at its first poll: then the
    /// next one may come as soon. Where jobs sleep, the thread is worth more to the runtime's other
    /// tasks.
    pub(super) fn look_around(&self) -> bool {
        let life = self.life();
        let is_worth_it = !self.has_slept && !life.roster.sleep.has_searcher();
        self.worker().begin_search();
        is_worth_it
            && look_a_while(Looks::WORKER, || {
                has_work(&**self.engine) || life.may_leave()
            })
    }

    /// Tells those that watch the pool, if a job has ended here.
    pub(super) fn tell_news(&mut self) {
        if std::mem::take(&mut self.has_news) {
            self.life().tell_watchers();
        }
    }

    /// Learns the waker of the task that polls, and tells the pool of it. Returns true if it has
    /// changed, which the job must be told of.
    pub(super) fn meet(&mut self, waker: &Waker) -> bool {
        let is_news = !self.waker.as_ref().is_some_and(|it| it.will_wake(waker));
        if is_news {
            self.waker = Some(waker.clone());
        }
        let place = self.place.as_mut().expect("the host has a slot");
        if is_news || !std::mem::replace(&mut place.is_known, true) {
            let index = place.worker.0.index();
            self.life().off_worker.set_host(index, self.waker.clone());
        }
        is_news
    }

    /// Makes a frame at the seat for a job that runs since `since`. Returns where, which its end
    /// must know.
    pub(super) fn note(&self, job: &Arc<dyn Polled>, since: u64) -> NotedAt {
        self.life().roster.statuses[self.worker().index()].begin(job.id(), job.name(), since)
    }

    /// Ends the frame of a job that gives its slot away.
    pub(super) fn strike(&self, noted_at: NotedAt) {
        self.life().roster.statuses[self.worker().index()].end(noted_at);
    }

    /// Records the outcome of a job at the seat. What follows may be user code, so its frame says
    /// that it is on record.
    pub(super) fn record(&self, noted_at: NotedAt, outcome: Outcome) {
        let status = &self.life().roster.statuses[self.worker().index()];
        status.stripe.record(outcome);
        status.note_record(noted_at, Column::of(outcome));
    }

    /// Ends a job at the seat that is on record: the publishing of its outcome, its frame, and its
    /// count as over, in this order.
    pub(super) fn end(&mut self, job: &Arc<dyn Polled>, noted_at: NotedAt, outcome: Outcome) {
        let status = &self.life().roster.statuses[self.worker().index()];
        job.publish_hosted(outcome);
        status.end(noted_at);
        status.stripe.over();
        self.jobs_at_a_stretch += 1;
        self.has_news = true;
    }

    /// Ends a job that has no seat: its note is removed in the same step in which its outcome is
    /// recorded.
    pub(super) fn end_away(&mut self, job: &Arc<dyn Polled>, outcome: Outcome) {
        let life = self.life();
        let record = || life.ledger.record(outcome, None);
        life.off_worker.end(job.id(), record);
        job.publish_hosted(outcome);
        life.entry_over();
    }

    /// Returns whether the runtime's other tasks should have the thread now. Asked once for each
    /// job.
    pub(super) fn is_pause_due(&mut self) -> bool {
        let is_due = self.jobs_at_a_stretch >= JOBS_AT_A_STRETCH;
        if is_due {
            self.jobs_at_a_stretch = 0;
        }
        is_due
    }

    /// Notes that the job sleeps for an unknown time: the clock's reading will be old when the next
    /// job starts.
    pub(super) fn suspend(&mut self) {
        self.clock = SampledClock::default();
        self.jobs_at_a_stretch = 0;
        self.has_slept = true;
    }
}

/// Loses the slot of a host that was dropped with it, as where the runtime has ended. The slot is
/// counted as searching first, as [`Engine::lose`] expects of a slot without a task.
impl<E: Engine> Drop for Host<'_, E> {
    /// A host that was dropped with its slot: the runtime has ended.
    fn drop(&mut self) {
        let is_searching = self.place.is_some() && self.worker().is_searching();
        let Some(slot) = self.give_up_seat() else {
            return;
        };
        if !is_searching {
            self.life().roster.sleep.begin_search();
        }
        E::lose(self.engine, slot, None);
    }
}
