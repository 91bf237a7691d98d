//! `Host`: what a host has from future to future: its slot, its seat, and the worker that goes with
//! them.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::task::Waker;

use crate::cell::future::Polled;
use crate::job::outcome::Outcome;
use crate::pool::engine::Engine;
use crate::pool::lifecycle::Lifecycle;
use crate::queue::TaskQueue;
use crate::task::Task;
use crate::worker::borrowed::Continuation;
use crate::worker::park::{Looks, look_a_while};
use crate::worker::sleep::Announced;
use crate::worker::slot_request::{Grant, Loan, inbox_of};
use crate::worker::{SampledClock, Worker};

/// Jobs that a host runs without a pause before it lets the runtime's other tasks have the thread.
const JOBS_AT_A_STRETCH: u32 = 64;

pub(super) fn has_work<E: Engine>(engine: &E) -> bool {
    !engine.queue().is_empty() || engine.life().has_woken()
}

/// A slot that its holder needs no longer: it goes to what there is to do, or sleeps.
fn release<E: Engine>(engine: &E, slot: usize) {
    let life = engine.life();
    life.roster.sleep.begin_search();
    let has_work = || has_work(engine) || life.may_leave();
    if has_work() || life.roster.sleep.announce(slot, has_work) == Announced::Search {
        life.roster.resume(slot);
    }
}

/// A worker that goes from thread to thread with the task that holds it.
struct Roaming(Worker);

// SAFETY: a worker shares its inside with its clones alone, and `Hosted::poll`, which is the only
// one to enter it, makes sure that none is left when it returns. What is inside is `Send`: `Arc`s
// of the pool's life, of a slot and of the engine, and plain cells; a worker's state, which need
// not be, is never set on this one.
unsafe impl Send for Roaming {}

/// A host's seat.
struct Place {
    worker: Roaming,
    /// Whether the pool knows whom to wake here.
    is_known: bool,
    /// Whose seat it is, if it is borrowed.
    loan: Option<Loan>,
}

/// What is the host's own, from job to job.
pub(super) struct Host<'e, E: Engine> {
    pub(super) engine: &'e Arc<E>,
    /// `None`: the host has no slot.
    place: Option<Place>,
    pub(super) clock: SampledClock,
    /// The waker of the task that polls.
    waker: Option<Waker>,
    jobs_at_a_stretch: u32,
    /// Whether the last job was ever suspended.
    pub(super) has_slept: bool,
    /// Whether jobs have ended here since those who watch the pool were told.
    has_news: bool,
}

impl<'e, E: Engine> Host<'e, E> {
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

    pub(super) fn life(&self) -> &'e Arc<Lifecycle> {
        self.engine.life()
    }

    pub(super) fn has_token(&self) -> bool {
        self.place.is_some()
    }

    /// Whether the host's seat is to be given back.
    pub(super) fn is_on_loan(&self) -> bool {
        self.place.as_ref().is_some_and(|it| it.loan.is_some())
    }

    /// The worker at the host's seat.
    pub(super) fn worker(&self) -> &Worker {
        &self.place.as_ref().expect("the chain has a slot").worker.0
    }

    // --- coming and going
    // -------------------------------------------------------------------------------------------

    /// Takes a seat with a slot that has come.
    pub(super) fn occupy(&mut self, slot: usize, is_searching: bool) {
        let taken = self.life().roster.seats.take(Some(slot));
        self.sit(taken.index, slot, is_searching, None);
        // `leave` frees it.
        std::mem::forget(taken);
    }

    fn sit(&mut self, seat: usize, slot: usize, is_searching: bool, loan: Option<Loan>) {
        let worker = Worker::new(self.engine, seat, slot, is_searching);
        worker.host();
        self.place = Some(Place {
            worker: Roaming(worker),
            is_known: false,
            loan,
        });
    }

    /// Takes what a seeker was given.
    pub(super) fn accept(&mut self, grant: Grant) {
        match grant {
            Grant::Slot(slot) => self.occupy(slot, false),
            Grant::Loan(loan) => self.sit(loan.seat, loan.slot, false, Some(loan)),
        }
    }

    /// Leaves the seat. The slot, unless it goes back to the one that has lent it.
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

    /// Leaves the seat of a slot that is the host's own. Whoever has the slot next knows nothing of
    /// the jobs that have ended here.
    pub(super) fn leave(&mut self) -> usize {
        self.tell_news();
        self.give_up_seat().expect("the chain has a slot")
    }

    /// Gives up what the host has, for others to use.
    pub(super) fn release(&mut self) {
        if let Some(slot) = self.give_up_seat() {
            release(&**self.engine, slot);
        }
    }

    // --- work
    // -------------------------------------------------------------------------------------------------------

    /// Takes the next task out of the queue.
    pub(super) fn pop(&self) -> Option<Task> {
        let (engine, worker) = (&**self.engine, self.worker());
        let task = engine
            .queue()
            .pop(worker, &mut MaybeUninit::uninit())?
            .into_task();
        worker.found(engine);
        Some(task)
    }

    /// Goes on with an entry that was woken. What is left of it, if the slot goes.
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

    /// Looks a while for work, or for the end. True: there is some.
    ///
    /// One host at a time does so, after a job that ended at its first poll: then the next one may
    /// come as soon. Where jobs sleep, the thread is worth more to the runtime's other tasks.
    pub(super) fn look_around(&self) -> bool {
        let life = self.life();
        let is_worth_it = !self.has_slept && !life.roster.sleep.has_searcher();
        self.worker().begin_search();
        is_worth_it
            && look_a_while(Looks::WORKER, || {
                has_work(&**self.engine) || life.may_leave()
            })
    }

    /// Tells those who watch the pool, if a job has ended here.
    pub(super) fn tell_news(&mut self) {
        if std::mem::take(&mut self.has_news) {
            self.life().tell_watchers();
        }
    }

    /// Learns who polls. True if that is news to the job.
    pub(super) fn meet(&mut self, waker: &Waker) -> bool {
        let is_news = !self.waker.as_ref().is_some_and(|it| it.will_wake(waker));
        if is_news {
            self.waker = Some(waker.clone());
        }
        let place = self.place.as_mut().expect("the chain has a slot");
        if is_news || !std::mem::replace(&mut place.is_known, true) {
            let index = place.worker.0.index();
            self.life().off_worker.set_host(index, self.waker.clone());
        }
        is_news
    }

    /// Notes at the seat that a job runs there, since `since`. True if the note is listed.
    pub(super) fn note(&self, job: &Arc<dyn Polled>, since: u64) -> bool {
        self.life().roster.statuses[self.worker().index()].begin(job.id(), job.name(), since)
    }

    pub(super) fn strike(&self, is_listed: bool) {
        self.life().roster.statuses[self.worker().index()].end(is_listed);
    }

    /// The job is over: the seat is free for the next.
    pub(super) fn end(&mut self, job: &Arc<dyn Polled>, is_listed: bool, outcome: Outcome) {
        let (life, index) = (self.life(), self.worker().index());
        life.roster.statuses[index].end(is_listed);
        life.ledger.record(outcome, Some(index));
        job.publish_hosted(outcome);
        life.ledger.over(Some(index));
        self.jobs_at_a_stretch += 1;
        self.has_news = true;
    }

    /// The job that is away is over.
    pub(super) fn end_away(&mut self, job: &Arc<dyn Polled>, outcome: Outcome) {
        let life = self.life();
        life.off_worker.end(job.id(), outcome, &life.ledger);
        job.publish_hosted(outcome);
        life.entry_over();
    }

    /// Whether the runtime's other tasks should have the thread now. Asked once for each job.
    pub(super) fn is_pause_due(&mut self) -> bool {
        let is_due = self.jobs_at_a_stretch >= JOBS_AT_A_STRETCH;
        if is_due {
            self.jobs_at_a_stretch = 0;
        }
        is_due
    }

    /// The job sleeps, for the one that knows how long: the clock's reading is old when the next
    /// one starts.
    pub(super) fn suspend(&mut self) {
        self.clock = SampledClock::default();
        self.jobs_at_a_stretch = 0;
        self.has_slept = true;
    }
}

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
