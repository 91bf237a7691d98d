//! Futures on a runtime that polls them: a **chain** is a task of the runtime that holds a worker's token and hosts one future
//! after the other.
//!
//! A chain has a seat for as long as it has work, and a worker that moves with it from thread to thread: each poll enters it and
//! leaves it again. So a future that ends at its first poll touches nothing that is not its chain's own, except the queue; one that
//! suspends leaves its chain's waker in its cell. Whoever cancels the pool wakes each chain.
//!
//! # Which futures keep their token
//! A hosted future keeps its token from its start to its end, asleep or not: `workers` bounds the futures in flight. One that waits for its **own
//! pool** cannot, since what it waits for may need that very token: a pool of one worker would stand still. So from its first such wait on (a
//! handle of the pool, the pool's quiet or its end) a future **lends**: at each suspension it gives its token away, and takes one again when it is
//! woken. All its suspensions, and not only those that wait for the pool: a future that waits for several things at once polls at a
//! wake only what was woken, so one poll without such a wait says nothing about the others.
//!
//! # Lending
//! 1. The future is suspended, and lends. It is noted among the jobs that are away, so reports name it, and it counts as running; its frame at the
//!    seat ends; the seat is freed; the token goes to whatever is queued or woken, or sleeps.
//! 2. A wake has the runtime poll the chain's task, which has no token. It takes one that sleeps, or seeks one (`seeking`), and is polled again
//!    when that has come. With the token it has a seat, and its frame again; the note goes. `workers` bounds what runs, as ever.
//! 3. When the future ends, its chain goes on with the token that it ended with.
//!
//! A seat may also come as a **loan** for one poll, from a worker that cannot leave it; the future gives it back when it suspends, or ends.
//!
//! # Without a token
//! These need none, and would wait in vain where every token is held by a job that hangs, or where the pool has stopped and its tokens have ended:
//! - a future that is to be dropped: cancelled, expired, or its pool is being cancelled;
//! - a future that shuts its own pool down: it is left out of what that waits for, and its limit holds though all others hang;
//! - any future of a pool that has stopped.
//!
//! They are polled as outsiders, without a worker, and end in the books of no seat.
//!
//! # A runtime that ends first
//! It drops the chain. The future ends as `Cancelled`, wherever its token is. A token that the chain holds, or that lies in the future's inbox,
//! is the engine's to [`lose`](Engine::lose). The inbox is closed, so a token that is on its way stays with who brings it.

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
use crate::seeking::{Grant, Loan, Seeking, inbox_of};
use crate::task::Task;
use crate::visit::Left;
use crate::wait::{Looks, look_a_while};
use crate::worker::{SampledClock, Worker};

/// Jobs that a chain runs without a pause before it lets the runtime's other tasks have the thread.
const JOBS_AT_A_STRETCH: u32 = 64;

/// A token on its way to a chain or a visit, and the task that goes with it. Dropped on the way, as by a runtime that was shut down, it is
/// [lost](Engine::lose).
#[derive(Debug)]
pub struct Lent<E: Engine> {
    engine: Arc<E>,
    /// There until it arrives.
    token: Option<usize>,
    first: Option<Task>,
}

impl<E: Engine> Lent<E> {
    /// A token that was resumed, or that comes with the task to run `first`.
    pub fn new(engine: Arc<E>, token: usize, first: Option<Task>) -> Self {
        Self {
            engine,
            token: Some(token),
            first,
        }
    }

    /// The token is in good hands again.
    pub fn arrive(mut self) -> (Arc<E>, usize, Option<Task>) {
        let token = self.token.take().expect("it arrives once");
        (Arc::clone(&self.engine), token, self.first.take())
    }
}

impl<E: Engine> Drop for Lent<E> {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            E::lose(&self.engine, token, self.first.take());
        }
    }
}

/// Hosts futures with a worker's token, until there are none.
///
/// To be polled by a task of the engine's runtime. Dropped before it is ready, as by a runtime that shuts down, it ends the future that
/// it hosts as `Cancelled`, and the token, if it has one then, is lost.
pub async fn host_futures<E: Engine>(lent: Lent<E>) -> Left {
    let (engine, token, mut first) = lent.arrive();
    let life = engine.life();
    let mut host = Host::new(&engine, token, first.is_none());
    loop {
        while let Some(task) = first.take().or_else(|| host.pop()) {
            if life.is_cancelling() {
                life.give_up(task);
                continue;
            }
            match task.into_payload::<AsyncEntry>() {
                Ok(entry) => Hosted::new(entry, &mut host).await,
                Err(closure) => return Left::ForVisit(host.leave(), Some(closure)),
            }
            if !host.has_token() || life.has_woken() {
                break;
            }
            if host.is_pause_due() {
                Pause::default().await;
            }
        }
        if !host.has_token() {
            return Left::Nothing;
        }
        if let Some(woken) = life.pop_woken() {
            match host.see_to(woken) {
                Some(left) => return left,
                None => continue,
            }
        }
        if life.has_chores() {
            host.worker().begin_search();
            return Left::ForVisit(host.leave(), None);
        }
        if life.may_leave() {
            return Left::Stopped(host.leave());
        }
        host.tell_news();
        if host.look_around() {
            continue;
        }
        // In this order: whoever resumes the token finds its seat free.
        let token = host.leave();
        let has_work = || has_work(&*engine) || life.may_leave();
        match life.idle().announce(token, has_work) {
            Announced::Search => host.occupy(token, true),
            Announced::Sleep | Announced::Resumed => return Left::Nothing,
        }
    }
}

/// What becomes of a token that was lost with the threads that its engine was lent: the worker is gone, and others see to its task.
pub fn lose_token<E: Engine>(engine: &Arc<E>, token: usize, first: Option<Task>) {
    let life = engine.life();
    match first {
        Some(first) => {
            engine.push_unbounded(first);
            life.notify();
        }
        None => life.searcher_lost(),
    }
    life.worker_lost(token, || engine.take_queued());
}

fn has_work<E: Engine>(engine: &E) -> bool {
    engine.has_queued() || engine.life().has_woken()
}

/// A token that its holder needs no longer: it goes to what there is to do, or sleeps.
fn release<E: Engine>(engine: &E, token: usize) {
    let life = engine.life();
    life.idle().begin_search();
    let has_work = || has_work(engine) || life.may_leave();
    if has_work() || life.idle().announce(token, has_work) == Announced::Search {
        life.resume(token);
    }
}

/// A worker that goes from thread to thread with the task that holds it.
struct Roaming(Worker);

// SAFETY: a worker shares its inside with its clones alone, and `Hosted::poll`, which is the only one to enter it, makes sure that
// none is left when it returns. What is inside is `Send`: `Arc`s of the pool's life, of a slot and of the engine, and plain cells; a
// worker's state, which need not be, is never set on this one.
unsafe impl Send for Roaming {}

/// A chain's seat.
struct Place {
    worker: Roaming,
    /// Whether the pool knows whom to wake here.
    is_known: bool,
    /// Whose seat it is, if it is lent.
    loan: Option<Loan>,
}

/// What is the chain's own, from job to job.
struct Host<'e, E: Engine> {
    engine: &'e Arc<E>,
    /// `None`: the chain has no token.
    place: Option<Place>,
    clock: SampledClock,
    /// The waker of the task that polls.
    waker: Option<Waker>,
    jobs_at_a_stretch: u32,
    /// Whether the last job was ever suspended.
    has_slept: bool,
    /// Whether jobs have ended here since those who watch the pool were told.
    has_news: bool,
}

impl<'e, E: Engine> Host<'e, E> {
    fn new(engine: &'e Arc<E>, token: usize, is_searching: bool) -> Self {
        let mut host = Self {
            engine,
            place: None,
            clock: SampledClock::default(),
            waker: None,
            jobs_at_a_stretch: 0,
            has_slept: false,
            has_news: false,
        };
        host.occupy(token, is_searching);
        host
    }

    fn life(&self) -> &'e Arc<Lifecycle> {
        self.engine.life()
    }

    fn has_token(&self) -> bool {
        self.place.is_some()
    }

    /// Whether the chain's seat is to be given back.
    fn is_on_loan(&self) -> bool {
        self.place.as_ref().is_some_and(|it| it.loan.is_some())
    }

    /// The worker at the chain's seat.
    fn worker(&self) -> &Worker {
        &self.place.as_ref().expect("the chain has a token").worker.0
    }

    // --- coming and going -------------------------------------------------------------------------------------------

    /// Takes a seat with a token that has come.
    fn occupy(&mut self, token: usize, is_searching: bool) {
        let taken = self.life().seats.take(Some(token));
        self.sit(taken.index, token, is_searching, None);
        // `leave` frees it.
        std::mem::forget(taken);
    }

    fn sit(&mut self, seat: usize, token: usize, is_searching: bool, loan: Option<Loan>) {
        let worker = Worker::new(self.engine, seat, token, is_searching);
        worker.host();
        self.place = Some(Place {
            worker: Roaming(worker),
            is_known: false,
            loan,
        });
    }

    /// Takes what a seeker was given.
    fn accept(&mut self, grant: Grant) {
        match grant {
            Grant::Token(token) => self.occupy(token, false),
            Grant::Loan(loan) => self.sit(loan.seat, loan.token, false, Some(loan)),
        }
    }

    /// Leaves the seat. The token, unless it goes back to who has lent it.
    fn give_up_seat(&mut self) -> Option<usize> {
        let Place {
            worker: Roaming(worker),
            is_known,
            loan,
        } = self.place.take()?;
        let (index, token) = (worker.index(), worker.token());
        drop(worker);
        if is_known {
            self.life().set_host(index, None);
        }
        if loan.is_some() {
            return None;
        }
        self.life().seats.free(index);
        Some(token)
    }

    /// Leaves the seat of a token that is the chain's own. Whoever has the token next knows nothing of the jobs that have ended here.
    fn leave(&mut self) -> usize {
        self.tell_news();
        self.give_up_seat().expect("the chain has a token")
    }

    /// Gives up what the chain has, for others to use.
    fn release(&mut self) {
        if let Some(token) = self.give_up_seat() {
            release(&**self.engine, token);
        }
    }

    // --- work -------------------------------------------------------------------------------------------------------

    /// Takes the next task out of the queue.
    fn pop(&self) -> Option<Task> {
        let (engine, worker) = (&**self.engine, self.worker());
        let task = engine.pop(worker, &mut MaybeUninit::uninit())?.into_task();
        worker.found(engine);
        Some(task)
    }

    /// Goes on with an entry that was woken. What is left of it, if the token goes.
    fn see_to(&mut self, woken: Task) -> Option<Left> {
        self.worker().found(&**self.engine);
        match inbox_of(woken) {
            Ok(seeking) => {
                let token = self.leave();
                if seeking.give(token) {
                    return Some(Left::Nothing);
                }
                self.occupy(token, false);
                None
            }
            Err(task) => {
                // A future that runs on no runtime: its place is on a visit.
                self.life().requeue(task);
                self.worker().begin_search();
                Some(Left::ForVisit(self.leave(), None))
            }
        }
    }

    /// Looks a while for work, or for the end. True: there is some.
    ///
    /// One chain at a time does so, after a job that ended at its first poll: then the next one may come as soon. Where jobs sleep,
    /// the thread is worth more to the runtime's other tasks.
    fn look_around(&self) -> bool {
        let life = self.life();
        let is_worth_it = !self.has_slept && !life.idle().has_searcher();
        self.worker().begin_search();
        is_worth_it
            && look_a_while(Looks::WORKER, || {
                has_work(&**self.engine) || life.may_leave()
            })
    }

    /// Tells those who watch the pool, if a job has ended here.
    fn tell_news(&mut self) {
        if std::mem::take(&mut self.has_news) {
            self.life().tell_watchers();
        }
    }

    /// Learns who polls. True if that is news to the job.
    fn meet(&mut self, waker: &Waker) -> bool {
        let is_news = !self.waker.as_ref().is_some_and(|it| it.will_wake(waker));
        if is_news {
            self.waker = Some(waker.clone());
        }
        let place = self.place.as_mut().expect("the chain has a token");
        if is_news || !std::mem::replace(&mut place.is_known, true) {
            let index = place.worker.0.index();
            self.life().set_host(index, self.waker.clone());
        }
        is_news
    }

    /// Notes at the seat that a job runs there, since `since`. True if the note is listed.
    fn note(&self, job: &Arc<dyn Polled>, since: u64) -> bool {
        self.life().slots[self.worker().index()].begin(job.id(), job.name(), since)
    }

    fn strike(&self, is_listed: bool) {
        self.life().slots[self.worker().index()].end(is_listed);
    }

    /// The job is over: the seat is free for the next.
    fn end(&mut self, job: &Arc<dyn Polled>, is_listed: bool, outcome: Outcome) {
        let (life, index) = (self.life(), self.worker().index());
        life.slots[index].end(is_listed);
        life.record_at(outcome, index);
        job.publish_hosted(outcome);
        life.over_at(index);
        self.jobs_at_a_stretch += 1;
        self.has_news = true;
    }

    /// The job that is away is over.
    fn end_away(&mut self, job: &Arc<dyn Polled>, outcome: Outcome) {
        let life = self.life();
        life.come_back(job.id(), outcome);
        job.publish_hosted(outcome);
        life.entry_over();
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

impl<E: Engine> Drop for Host<'_, E> {
    /// A chain that was dropped with its token: the runtime has ended.
    fn drop(&mut self) {
        let is_searching = self.place.is_some() && self.worker().is_searching();
        let Some(token) = self.give_up_seat() else {
            return;
        };
        if !is_searching {
            self.life().idle().begin_search();
        }
        E::lose(self.engine, token, None);
    }
}

/// Where a hosted future stands in the pool's books.
#[derive(Clone, Copy)]
enum Standing {
    /// It has not started.
    New,
    /// It runs, or sleeps, at the chain's seat.
    Seated { is_listed: bool, since: u64 },
    /// It has given its token away.
    Away { since: u64 },
}

/// One future of the pool, from its start to its end.
struct Hosted<'h, 'e, E: Engine> {
    /// `None` once it is over, or was taken by somebody else (a joiner, a canceller).
    job: Option<Arc<dyn Polled>>,
    host: &'h mut Host<'e, E>,
    standing: Standing,
    known: Known,
    /// It has waited for its own pool.
    lends: bool,
    /// Its inbox, while it needs a token.
    seeking: Option<Arc<Seeking>>,
}

/// What a poll begins with.
enum Begins {
    /// With a seat.
    Seated,
    /// Without one, which it does not need.
    Alone,
    /// Not yet.
    Later,
}

impl<'h, 'e, E: Engine> Hosted<'h, 'e, E> {
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

    /// One poll, as a worker of the pool: so the job may submit to it, join, close and drop it like any other.
    fn poll_as_worker(&mut self, job: &Arc<dyn Polled>, waker: &Waker) -> Poll<Outcome> {
        let worker = self.host.worker();
        let polled = {
            let _entered = worker.enter();
            job.poll_hosted(worker.life(), Some(worker), waker, self.known)
        };
        self.lends |= worker.take_awaits_own_pool();
        assert!(worker.is_unshared(), "see `Roaming`");
        polled
    }

    /// The first poll takes the right to start. False if the job was started elsewhere meanwhile.
    fn start(&mut self, job: &Arc<dyn Polled>) -> bool {
        if job.start_hosted() {
            self.host.has_slept = false;
            let since = self.host.clock.now(self.host.life());
            let is_listed = self.host.note(job, since);
            self.standing = Standing::Seated { is_listed, since };
            return true;
        }
        false
    }

    /// What the future can begin a poll with. It takes a token, if it gave its own away.
    fn begin(&mut self, job: &Arc<dyn Polled>, cx: &Context<'_>) -> Begins {
        let Standing::Away { since } = self.standing else {
            return Begins::Seated;
        };
        let life = self.host.life();
        let grant = match self.seeking.take() {
            None => life.idle().take_for_work().map(Grant::Token),
            Some(seeking) => match seeking.poll(cx) {
                Poll::Ready(grant) => grant,
                Poll::Pending if needs_no_token(&**job, life) => seeking.close(),
                Poll::Pending => {
                    self.seeking = Some(seeking);
                    return Begins::Later;
                }
            },
        };
        match grant {
            Some(grant) => {
                self.host.accept(grant);
                let is_listed = self.host.note(job, since);
                self.standing = Standing::Seated { is_listed, since };
                life.return_to_frame(job.id());
                Begins::Seated
            }
            None if needs_no_token(&**job, life) => Begins::Alone,
            None => {
                self.seeking = Some(Seeking::begin(job.id(), life, cx));
                Begins::Later
            }
        }
    }

    /// Gives the token away until the future is woken.
    fn lend(&mut self, job: &Arc<dyn Polled>, waker: &Waker) {
        let Standing::Seated { is_listed, since } = self.standing else {
            return;
        };
        let life = self.host.life();
        // In this order: whoever cancels the pool wakes those who are away, and then the hosts.
        life.leave(job.id(), job.name(), since, Some(waker.clone()));
        self.host.strike(is_listed);
        self.standing = Standing::Away { since };
        self.host.release();
        self.host.tell_news();
        if life.is_cancelling() {
            // Its canceller may have looked among those who are away too early, and among the hosts too late.
            waker.wake_by_ref();
        }
    }

    /// One poll, or the end, of a future that needs no token.
    fn poll_alone(&mut self, job: Arc<dyn Polled>, waker: &Waker) -> Poll<()> {
        match job.poll_hosted(self.host.life(), None, waker, self.known) {
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

    fn poll_seated(&mut self, job: Arc<dyn Polled>, waker: &Waker) -> Poll<()> {
        if self.host.meet(waker) {
            self.known = Known::NotYet;
        }
        if matches!(self.standing, Standing::New) && !self.start(&job) {
            return Poll::Ready(());
        }
        let polled = self.poll_as_worker(&job, waker);
        match (polled, self.standing) {
            (Poll::Ready(outcome), Standing::Seated { is_listed, .. }) => {
                self.host.end(&job, is_listed, outcome);
                if self.host.is_on_loan() {
                    self.host.release();
                    self.host.tell_news();
                }
                Poll::Ready(())
            }
            _ => {
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

/// See the module's head.
fn needs_no_token(job: &dyn Polled, life: &Lifecycle) -> bool {
    life.is_stopped() || life.is_inside_shutdown(job.id()) || job.is_interrupted(life)
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
        if let Some(Grant::Token(token)) = self.seeking.take().and_then(|it| it.close()) {
            self.host.life().idle().begin_search();
            E::lose(self.host.engine, token, None);
        }
        let Some(job) = self.job.take() else { return };
        match self.standing {
            Standing::New => job.abandon(),
            Standing::Seated { is_listed, .. } => {
                let outcome = job.cut_off(self.host.life());
                self.host.end(&job, is_listed, outcome);
                self.host.tell_news();
            }
            Standing::Away { .. } => {
                let outcome = job.cut_off(self.host.life());
                self.host.end_away(&job, outcome);
            }
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
