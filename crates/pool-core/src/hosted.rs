//! Futures on a runtime that polls them: a **chain** is a task of the runtime that holds a worker's token and hosts one future
//! after the other.
//!
//! A chain has a seat for as long as it has work, and a worker that moves with it from thread to thread: each poll enters it and
//! leaves it again. So a future that ends at its first poll touches nothing that is not its chain's own, save the queue; one that
//! suspends besides leaves its chain's waker in its cell. Whoever cancels the pool wakes each chain.

use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::async_cell::{Known, Polled};
use crate::async_entry::AsyncEntry;
use crate::engine::Engine;
use crate::idle::Announced;
use crate::lifecycle::Lifecycle;
use crate::outcome::Outcome;
use crate::task::{Payload, Task};
use crate::wait::{Looks, look_a_while};
use crate::worker::{SampledClock, Worker};

/// Jobs that a chain runs without a pause before it lets the runtime's other tasks have the thread.
const JOBS_AT_A_STRETCH: u32 = 64;

/// What a chain leaves to its engine.
#[derive(Debug)]
pub enum Left {
    /// Nothing: the token sleeps, or the pool has stopped.
    Nothing,
    /// The token, and work for a [`visit`](crate::visit()) with it: this closure, or else a future that runs on no runtime.
    ForVisit(Option<Task>),
}

/// Takes the next task out, for who keeps it.
fn pop<E: Engine>(engine: &E, worker: &Worker) -> Option<Task> {
    let mut place = MaybeUninit::uninit();
    Some(engine.pop(worker, &mut place)?.into_task())
}

/// Hosts futures with a worker's token, until there are none. The token was resumed, or comes with the task to run `first`.
///
/// To be polled by a task of the engine's runtime. Dropped before it is ready, as by a runtime that shuts down, it ends the future that
/// it hosts as `Cancelled`, and the token is the caller's.
pub async fn host_futures<E: Engine>(
    engine: &Arc<E>,
    token: usize,
    mut first: Option<Task>,
) -> Left {
    let life = engine.life();
    let mut host = Host::new(engine, token, first.is_none());
    loop {
        while let Some(task) = first.take().or_else(|| pop(&**engine, &host.worker.0)) {
            host.worker.0.found(&**engine);
            if life.is_cancelling() {
                life.give_up(task);
                continue;
            }
            match task.into_payload::<AsyncEntry>() {
                Ok(entry) => Hosted::new(entry, &mut host).await,
                Err(closure) => return Left::ForVisit(Some(closure)),
            }
            if life.has_woken() {
                break;
            }
            if host.is_pause_due() {
                Pause::default().await;
            }
        }
        if life.has_woken() {
            host.worker.0.begin_search();
            return Left::ForVisit(None);
        }
        life.tell_watchers();
        if life.is_stopped() {
            drop(host);
            life.worker_gone(token);
            return Left::Nothing;
        }
        if look_around(&host, &**engine) {
            continue;
        }
        let has_work = || host.worker.0.has_work(&**engine) || life.is_stopped();
        match life.idle().announce(token, has_work) {
            Announced::Search => {}
            Announced::Sleep | Announced::Resumed => return Left::Nothing,
        }
    }
}

/// Looks a while for work, or for the end. True: there is some.
///
/// One chain at a time does so, after a job that ended at its first poll: then the next one may come as soon. Where jobs sleep,
/// the thread is worth more to the runtime's other tasks.
fn look_around<E: Engine>(host: &Host, engine: &E) -> bool {
    let is_worth_it = !host.has_slept && !host.life().idle().has_searcher();
    host.worker.0.begin_search();
    if !is_worth_it {
        return false;
    }
    look_a_while(Looks::WORKER, || {
        host.worker.0.has_work(engine) || host.life().is_stopped()
    })
}

/// A worker that goes from thread to thread with the task that holds it.
struct Roaming(Worker);

// SAFETY: a worker shares its inside with its clones alone, and `Hosted::poll`, which is the only one to enter it, makes sure that
// none is left when it returns. What is inside is `Send`: `Arc`s of the pool's life, of a slot and of the engine, and plain cells; a
// worker's state, which need not be, is never set on this one.
unsafe impl Send for Roaming {}

/// A seat, for as long as a chain has work.
struct Host {
    worker: Roaming,
    clock: SampledClock,
    /// The waker of the task that polls; the pool knows it.
    waker: Option<Waker>,
    jobs_at_a_stretch: u32,
    /// Whether the last job was ever suspended.
    has_slept: bool,
}

impl Host {
    fn new<E: Engine>(engine: &Arc<E>, token: usize, is_searching: bool) -> Self {
        let taken = engine.life().seats.take(Some(token));
        let worker = Worker::new(engine, taken.index, token, is_searching);
        worker.host();
        // The host's own drop frees it.
        std::mem::forget(taken);
        Self {
            worker: Roaming(worker),
            clock: SampledClock::default(),
            waker: None,
            jobs_at_a_stretch: 0,
            has_slept: false,
        }
    }

    fn life(&self) -> &Arc<Lifecycle> {
        self.worker.0.life()
    }

    /// Learns who polls. True if that is news.
    fn meet(&mut self, waker: &Waker) -> bool {
        if self.waker.as_ref().is_some_and(|it| it.will_wake(waker)) {
            return false;
        }
        self.waker = Some(waker.clone());
        let index = self.worker.0.index();
        self.life().set_host(index, self.waker.clone());
        true
    }

    /// Notes at the seat that a job starts. True if the note is listed.
    fn begin(&mut self, job: &Arc<dyn Polled>) -> bool {
        self.has_slept = false;
        let (life, index) = (self.worker.0.life(), self.worker.0.index());
        life.slots[index].begin(job.id(), job.name(), self.clock.now(life))
    }

    /// The job is over: the seat is free for the next.
    fn end(&mut self, job: &Arc<dyn Polled>, is_listed: bool, outcome: Outcome) {
        let (life, index) = (self.worker.0.life(), self.worker.0.index());
        life.slots[index].end(is_listed);
        life.record_at(outcome, index);
        job.publish_hosted(outcome);
        life.over_at(index);
        self.jobs_at_a_stretch += 1;
    }

    /// Whether the runtime's other tasks should have the thread now. Asked once for each job.
    fn is_pause_due(&mut self) -> bool {
        let is_due = self.jobs_at_a_stretch >= JOBS_AT_A_STRETCH;
        if is_due {
            self.jobs_at_a_stretch = 0;
        }
        is_due
    }

    /// The job sleeps, for who knows how long: the clock's reading is old when the next one starts.
    fn suspend(&mut self) {
        self.clock = SampledClock::default();
        self.jobs_at_a_stretch = 0;
        self.has_slept = true;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let (life, index) = (self.worker.0.life(), self.worker.0.index());
        if self.waker.is_some() {
            life.set_host(index, None);
        }
        life.seats.free(index);
    }
}

/// One future of the pool, from its start to its end.
struct Hosted<'h> {
    /// `None` once it is over, or was taken by somebody else (a joiner, a canceller).
    job: Option<Arc<dyn Polled>>,
    host: &'h mut Host,
    /// The seat's note that the job runs there, once it does: whether it is listed.
    noted: Option<bool>,
    known: Known,
}

impl<'h> Hosted<'h> {
    fn new(entry: AsyncEntry, host: &'h mut Host) -> Self {
        Self {
            job: Some(entry.0),
            host,
            noted: None,
            known: Known::NotYet,
        }
    }

    /// One poll, as a worker of the pool: so the job may submit to it, join, close and drop it like any other.
    fn poll_as_worker(&mut self, job: &Arc<dyn Polled>, waker: &Waker) -> Poll<Outcome> {
        let worker = &self.host.worker.0;
        let polled = {
            let _entered = worker.enter();
            job.poll_hosted(worker, waker, self.known)
        };
        assert!(worker.is_unshared(), "see `Roaming`");
        polled
    }

    /// The first poll takes the right to start. False if the job was started elsewhere meanwhile.
    fn start(&mut self, job: &Arc<dyn Polled>) -> bool {
        if job.start_hosted() {
            self.noted = Some(self.host.begin(job));
            return true;
        }
        false
    }
}

impl Future for Hosted<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(job) = self.job.take() else {
            return Poll::Ready(());
        };
        if self.host.meet(cx.waker()) {
            self.known = Known::NotYet;
        }
        if self.noted.is_none() && !self.start(&job) {
            return Poll::Ready(());
        }
        match self.poll_as_worker(&job, cx.waker()) {
            Poll::Ready(outcome) => {
                let is_listed = self.noted.take().expect("it was noted at its start");
                self.host.end(&job, is_listed, outcome);
                Poll::Ready(())
            }
            Poll::Pending => {
                self.known = Known::Yes;
                self.host.suspend();
                self.job = Some(job);
                Poll::Pending
            }
        }
    }
}

impl Drop for Hosted<'_> {
    fn drop(&mut self) {
        let Some(job) = self.job.take() else { return };
        match self.noted.take() {
            Some(is_listed) => {
                let outcome = job.cut_off(self.host.life());
                self.host.end(&job, is_listed, outcome);
                self.host.life().tell_watchers();
            }
            None => AsyncEntry(job).abandon(),
        }
    }
}

/// Lets the runtime's other tasks have the thread.
#[derive(Default)]
struct Pause {
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
