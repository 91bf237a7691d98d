//! Futures on a runtime that polls them: a **host** is a task of the runtime that holds a worker's
//! slot and hosts one future after the other.
//!
//! A host has a seat for as long as it has work, and a worker that moves with it from thread to
//! thread: each poll enters it and leaves it again. So a future that ends at its first poll touches
//! nothing that is not its host's own, except the queue; one that suspends leaves its host's waker
//! in its cell. The thread that cancels the pool wakes each host.
//!
//! # Which futures keep their slot
//! A hosted future keeps its slot from its start to its end, asleep or not: `workers` bounds the
//! futures in flight. One that waits for its **own pool** cannot, since what it waits for may need
//! that very slot: a pool of one worker would stand still. So from its first such wait on (a handle
//! of the pool, the pool's quiet or its end) a future **lends**: at each suspension it gives its
//! slot away, and takes one again when it is woken. All its suspensions, and not only those that
//! wait for the pool: a future that waits for several things at once polls at a wake only what was
//! woken, so one poll without such a wait says nothing about the others.
//!
//! # Lending
//! 1. The future is suspended, and lends. It is noted among the jobs that are away, so reports name
//!    it, and it counts as running; its frame at the seat ends; the seat is freed; the slot goes to
//!    whatever is queued or woken, or sleeps.
//! 2. A wake has the runtime poll the host's task, which has no slot. It takes one that sleeps, or
//!    seeks one (`slot_request`), and is polled again when that has come. With the slot it has a
//!    seat, and its frame again; the note goes. `workers` bounds what runs, as ever.
//! 3. When the future ends, its host goes on with the slot that it ended with.
//!
//! A seat may also come as a **loan** for one poll, from a worker that cannot leave it; the future
//! gives it back when it suspends, or ends.
//!
//! # Without a slot
//! These need none, and would wait in vain where every slot is held by a job that hangs, or where
//! the slots have ended:
//! - a future that is to be dropped: cancelled, expired, or its pool is being cancelled;
//! - a future that shuts its own pool down: it is left out of what that waits for, and its limit
//!   holds though all others hang;
//! - any future of a pool that has stopped, or has lost its last slot.
//!
//! They are polled as outsiders, without a worker, and end in the books of no seat.
//!
//! # A runtime that ends first
//! It drops the host. The future ends as `Cancelled`, wherever its slot is. A slot that the host
//! holds, or that lies in the future's inbox, is the engine's to [`lose`](Engine::lose). The inbox
//! is closed, so a slot that is on its way stays with the thread that brings it.

mod host;
#[cfg(all(test, not(pool_loom)))]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::cell::future::queue_side::AsyncEntry;
use crate::cell::future::{Known, Polled};
use crate::job::outcome::Outcome;
use crate::pool::engine::Engine;
use crate::pool::lifecycle::Lifecycle;
use crate::queue::TaskQueue;
use crate::task::Task;
use crate::worker::borrowed::Continuation;
use crate::worker::idle_step::{announce, may_have_work};
use crate::worker::sleep::Announced;
use crate::worker::slot_request::{Grant, Seeking};
use crate::worker::status::NotedAt;
use host::Host;

/// A slot on its way to a host or a run, and the task that goes with it.
///
/// An engine moves it into the closure or the future that it gives to a runtime, and has it
/// [`arrive`](Self::arrive) there. Dropped on the way, as by a runtime that was shut down, the slot
/// is [lost](Engine::lose): so the pool never counts on a worker that no thread will bring back.
///
/// ```
/// use pool_core::backend::{BorrowedRun, Engine, SlotInTransit, run_on_borrowed_thread};
/// use std::sync::Arc;
///
/// /// Has some other thread work with a slot that was resumed.
/// fn start_run<E: Engine>(
///     engine: &Arc<E>,
///     slot: usize,
///     spawn: impl Fn(Box<dyn FnOnce() + Send>),
/// ) {
///     let moving = SlotInTransit::new(Arc::clone(engine), slot, None);
///     spawn(Box::new(move || {
///         let (engine, slot, _no_task) = moving.arrive();
///         assert_eq!(run_on_borrowed_thread(&engine, slot, None), BorrowedRun::Over);
///     }));
/// }
/// ```
#[derive(Debug)]
pub struct SlotInTransit<E: Engine> {
    /// The engine whose slot it is.
    engine: Arc<E>,
    /// The slot, until it arrives.
    slot: Option<usize>,
    /// The task to begin with. Without one, the slot is counted as searching.
    first: Option<Task>,
}

impl<E: Engine> SlotInTransit<E> {
    /// Takes charge of a slot that was resumed, or that comes with `first`, the task to begin with.
    pub fn new(engine: Arc<E>, slot: usize, first: Option<Task>) -> Self {
        Self {
            engine,
            slot: Some(slot),
            first,
        }
    }

    /// Returns the engine, the slot and the task. From now on the caller sees to the slot.
    pub fn arrive(mut self) -> (Arc<E>, usize, Option<Task>) {
        let slot = self.slot.take().expect("it arrives once");
        (Arc::clone(&self.engine), slot, self.first.take())
    }
}

impl<E: Engine> Drop for SlotInTransit<E> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            E::lose(&self.engine, slot, self.first.take());
        }
    }
}

/// Hosts futures with a worker's slot, one after the other, until there is none to be had. Returns
/// what becomes of the slot.
///
/// To be polled by a task of the engine's runtime; the engine then follows the [`Continuation`].
/// Each future is polled with the task's own waker, as a worker of the pool, and a poll enters and
/// leaves that worker, so the task may move between the runtime's threads. The host takes tasks
/// from the engine's queue. It stops for a closure, which it never runs itself, and returns it with
/// the slot. While the pool is paused it takes none. After 64 jobs without a suspension it yields
/// to the runtime's other tasks.
///
/// Dropped before it is ready, as by a runtime that shuts down, it ends the future that it hosts as
/// `Cancelled`, and the slot, if it has one then, is lost.
///
/// ```
/// use pool_core::backend::{Continuation, Engine, SlotInTransit, host_futures};
///
/// /// What an engine gives to its runtime's `spawn`.
/// async fn host<E: Engine>(moving: SlotInTransit<E>, go_on: impl Fn(Continuation)) {
///     go_on(host_futures(moving).await);
/// }
/// ```
pub async fn host_futures<E: Engine>(moving: SlotInTransit<E>) -> Continuation {
    let (engine, slot, mut first) = moving.arrive();
    let life = engine.life();
    let mut host = Host::new(&engine, slot, first.is_none());
    loop {
        while let Some(task) = host.next(&mut first) {
            match task.into_payload::<AsyncEntry>() {
                Ok(entry) => Hosted::new(entry, &mut host).await,
                Err(closure) => return Continuation::ForRun(host.leave(), Some(closure)),
            }
            if !host.has_slot() || life.has_woken() {
                break;
            }
            if host.is_pause_due() {
                Pause::default().await;
            }
        }
        if !host.has_slot() {
            return Continuation::Nothing;
        }
        if host.is_wanted_on_its_thread() {
            host.worker().begin_search();
            return Continuation::ForRun(host.leave(), None);
        }
        if let Some(woken) = life.woken.pop() {
            match host.see_to(woken) {
                Some(left) => return left,
                None => continue,
            }
        }
        if life.chores.are_left() || life.has_halves() {
            host.worker().begin_search();
            return Continuation::ForRun(host.leave(), None);
        }
        if life.may_leave() {
            return Continuation::Stopped(host.leave());
        }
        host.tell_news();
        if host.look_around() {
            continue;
        }
        // In this order: the thread that resumes the slot finds its seat free.
        let slot = host.leave();
        let may_have_work =
            || may_have_work(&*engine) || life.pinned.waits_for(slot) || life.may_leave();
        match announce(life, slot, may_have_work) {
            Announced::Search => host.occupy(slot, true),
            Announced::Sleep | Announced::Resumed => return Continuation::Nothing,
        }
    }
}

/// Counts a slot's worker out that was lost with the threads that its engine borrowed, and leaves
/// its task to others: `first` is queued past the bound. Without a task, the slot was counted as
/// searching, and another worker is woken to search instead.
///
/// With the last worker the pool closes, and all that waits for a worker ends: see
/// [`Lifecycle::worker_lost`]. What [`Engine::lose`] does by default.
pub fn lose_slot<E: Engine>(engine: &Arc<E>, slot: usize, first: Option<Task>) {
    let life = engine.life();
    match first {
        Some(first) => {
            engine.queue().push_unbounded(vec![first]);
            life.notify();
        }
        None => life.roster.searcher_lost(life),
    }
    life.worker_lost(slot, || engine.queue().take_all());
}

/// Where a hosted future stands in the pool's books, and so what its end must undo.
#[derive(Clone, Copy)]
enum Standing {
    /// It has not started, and has no frame.
    New,
    /// It runs, or sleeps, at the host's seat, where it has a frame. `since` is its start in
    /// nanoseconds of the pool's age.
    Seated { noted_at: NotedAt, since: u64 },
    /// It has given its slot away, and is noted among the jobs that are off their worker.
    OffWorker { since: u64 },
}

/// One future of the pool, from its start to its end. Ready when the future is over, or was started
/// or ended elsewhere. It owns the poll of the job's cell from the start on.
struct Hosted<'h, 'e, E: Engine> {
    /// `None` once it is over, or was taken by another side (a joiner, a canceller).
    job: Option<Arc<dyn Polled>>,
    /// The host, which may lose its slot and get another one while this future is hosted.
    host: &'h mut Host<'e, E>,
    /// Where the future stands.
    standing: Standing,
    /// Whether the job's cell has been told of the host's present waker.
    known: Known,
    /// The future has waited for its own pool. From then on it gives its slot away at each
    /// suspension.
    lends: bool,
    /// Its inbox, while it waits for a slot.
    seeking: Option<Arc<Seeking>>,
}

/// What a poll of a hosted future begins with.
enum Begins {
    /// It has a seat, its own or a loan, and is polled as a worker.
    Seated,
    /// It has none and needs none, and is polled as an outsider.
    Alone,
    /// It needs a slot and waits for one: the task is woken when that has come.
    Later,
}

impl<'h, 'e, E: Engine> Hosted<'h, 'e, E> {
    /// Takes the future out of its entry.
    fn new(entry: AsyncEntry, host: &'h mut Host<'e, E>) -> Self {
        Self {
            job: Some(entry.0),
            host,
            standing: Standing::New,
            known: Known::NotYet,
            lends: false,
            seeking: None,
        }
    }

    /// Polls once as a worker of the pool, so that the job may submit to it, join, close and drop
    /// it like any other. Notes whether the future waits for its own pool.
    fn poll_as_worker(
        &mut self,
        job: &Arc<dyn Polled>,
        noted_at: NotedAt,
        waker: &Waker,
    ) -> Poll<Outcome> {
        let worker = self.host.worker();
        let record = |outcome| self.host.record(noted_at, outcome);
        let polled = {
            let _entered = worker.enter();
            job.poll_hosted(worker.life(), Some(worker), waker, self.known, &record)
        };
        self.lends |= worker.take_awaits_own_pool();
        assert!(worker.is_unshared(), "see `Roaming`");
        polled
    }

    /// Takes the right to start, before the first poll, and makes a frame at the seat, which it
    /// returns. `None` if the job was started or ended elsewhere meanwhile.
    fn start(&mut self, job: &Arc<dyn Polled>) -> Option<NotedAt> {
        job.start_hosted().then(|| {
            self.host.has_slept = false;
            let since = self.host.clock.now(self.host.life());
            let noted_at = self.host.note(job, since);
            self.standing = Standing::Seated { noted_at, since };
            noted_at
        })
    }

    /// Returns what the future can begin a poll with. If it gave its slot away, it takes one that
    /// sleeps, or leaves an entry for one and waits.
    fn begin(&mut self, job: &Arc<dyn Polled>, cx: &Context<'_>) -> Begins {
        let Standing::OffWorker { since } = self.standing else {
            return Begins::Seated;
        };
        let life = self.host.life();
        let grant = match self.seeking.take() {
            None => life.roster.sleep.take_for_work().map(Grant::Slot),
            Some(seeking) => match seeking.poll(cx) {
                Poll::Ready(grant) => grant,
                Poll::Pending if needs_no_slot(&**job, life) => seeking.close(),
                Poll::Pending => {
                    self.seeking = Some(seeking);
                    return Begins::Later;
                }
            },
        };
        match grant {
            Some(grant) => {
                self.host.accept(grant);
                let noted_at = self.host.note(job, since);
                self.standing = Standing::Seated { noted_at, since };
                life.off_worker.return_to_frame(job.id());
                Begins::Seated
            }
            None if needs_no_slot(&**job, life) => Begins::Alone,
            None => {
                let seeking = Seeking::begin(job.id(), life, cx);
                job.note_seeking(Arc::clone(&seeking));
                self.seeking = Some(seeking);
                Begins::Later
            }
        }
    }

    /// Gives the slot away until the future is woken. The job's note, with the host's waker, is
    /// made before its frame ends, so that a report finds it in one of the two.
    fn lend(&mut self, job: &Arc<dyn Polled>, waker: &Waker) {
        let Standing::Seated { noted_at, since } = self.standing else {
            return;
        };
        let life = self.host.life();
        // In this order: the thread that cancels the pool wakes the jobs that are away, and then
        // the hosts.
        life.off_worker
            .note(job.id(), job.name(), since, Some(waker.clone()));
        self.host.strike(noted_at);
        self.standing = Standing::OffWorker { since };
        self.host.release();
        self.host.tell_news();
        if life.is_cancelling() {
            // Its canceller may have looked among the jobs that are away too early, and among the
            // hosts too late.
            waker.wake_by_ref();
        }
    }

    /// Polls a future that needs no slot, as an outsider. It ends in the books of no seat.
    fn poll_alone(&mut self, job: Arc<dyn Polled>, waker: &Waker) -> Poll<()> {
        let life = self.host.life();
        let note_ending = |_| life.off_worker.note_ending(job.id());
        match job.poll_hosted(life, None, waker, self.known, &note_ending) {
            Poll::Ready(outcome) => {
                self.host.end_away(&job, outcome);
                Poll::Ready(())
            }
            Poll::Pending => {
                self.job = Some(job);
                Poll::Pending
            }
        }
    }

    /// Polls a future at the host's seat. When it ends, a loan is given back; when it suspends, the
    /// slot stays or is given away.
    fn poll_seated(&mut self, job: Arc<dyn Polled>, waker: &Waker) -> Poll<()> {
        if self.host.meet(waker) {
            self.known = Known::NotYet;
        }
        let noted_at = match self.standing {
            Standing::Seated { noted_at, .. } => Some(noted_at),
            _ => self.start(&job),
        };
        let Some(noted_at) = noted_at else {
            return Poll::Ready(());
        };
        match self.poll_as_worker(&job, noted_at, waker) {
            Poll::Ready(outcome) => {
                self.host.end(&job, noted_at, outcome);
                if self.host.is_on_loan() {
                    self.host.release();
                    self.host.tell_news();
                }
                Poll::Ready(())
            }
            Poll::Pending => {
                self.known = Known::Yes;
                self.host.suspend();
                if self.lends {
                    self.lend(&job, waker);
                }
                self.job = Some(job);
                Poll::Pending
            }
        }
    }
}

/// Returns whether a future may be polled without a slot; see the module's section.
fn needs_no_slot(job: &dyn Polled, life: &Lifecycle) -> bool {
    life.phase.is_stopped()
        || life.ending.is_deserted()
        || life
            .excluded_waiters
            .is_inside_shutdown(job.id(), &life.phase)
        || job.is_interrupted(life)
}

impl<E: Engine> Future for Hosted<'_, '_, E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(job) = this.job.take() else {
            return Poll::Ready(());
        };
        match this.begin(&job, cx) {
            Begins::Seated => this.poll_seated(job, cx.waker()),
            Begins::Alone => this.poll_alone(job, cx.waker()),
            Begins::Later => {
                this.job = Some(job);
                Poll::Pending
            }
        }
    }
}

impl<E: Engine> Drop for Hosted<'_, '_, E> {
    fn drop(&mut self) {
        if let Some(Grant::Slot(slot)) = self.seeking.take().and_then(|it| it.close()) {
            self.host.life().roster.sleep.begin_search();
            E::lose(self.host.engine, slot, None);
        }
        let Some(job) = self.job.take() else { return };
        match self.standing {
            Standing::New => job.abandon(),
            Standing::Seated { noted_at, .. } => {
                let record = |outcome| self.host.record(noted_at, outcome);
                let outcome = job.cut_off(self.host.life(), &record);
                self.host.end(&job, noted_at, outcome);
                self.host.tell_news();
            }
            Standing::OffWorker { .. } => {
                let life = self.host.life();
                let note_ending = |_| life.off_worker.note_ending(job.id());
                let outcome = job.cut_off(life, &note_ending);
                self.host.end_away(&job, outcome);
            }
        }
    }
}

/// A future that suspends once and wakes itself, so that the runtime's other tasks have the thread.
#[derive(Default)]
struct Pause {
    /// It was polled before.
    is_over: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.is_over, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
