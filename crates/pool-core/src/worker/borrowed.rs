//! Workers on borrowed threads: a rayon pool's, or those of a runtime's pool of blocking threads.
//!
//! There is one **slot** for each worker. A slot sleeps on the idle stack; resumed, it becomes a
//! **run**: a piece of work that the engine has some borrowed thread do, which takes a free seat,
//! works until there is nothing to do, and puts the slot back. So at most as many jobs run at once
//! as there are slots, and an idle pool holds none of the borrowed threads.
//!
//! A thread that lives as long as the pool is a **registered thread**: it has run the hook of its
//! start, and a run on it takes the registered thread's own seat if it can, and shows its jobs the
//! registered thread's state.
//!
//! # Slots that move
//! On an engine that hosts futures, a slot goes from runs to hosts (`future_host`) and back. A run
//! that is to pass its slot on says where to (`Departure`), leaves its seat, and only then passes
//! it: so the next holder of the slot finds its seat free.
//!
//! Such an engine may have threads of its own for runs, as many as slots ([`RegisteredThreads`]).
//! Each slot belongs to one of them, and makes all its runs there. So a run never waits for a
//! thread: the one it needs has sent its slot away, and sleeps. The holder of a slot can have a
//! [`DeferredAction`] done there for the same reason. A slot ends on its own thread.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::job::outcome::drop_contained;
use crate::pool::config::PoolConfig;
use crate::pool::engine::Engine;
use crate::pool::lifecycle::Lifecycle;
use crate::submit::error::BuildError;
use crate::sys::machine;
use crate::sys::sync::{LockExt, Mutex};
use crate::task::Task;
use crate::worker::threads::Threads;
use crate::worker::{DeferredAction, Departure, Rest, Worker};

thread_local! {
    /// The calling thread's registration, if it is a registered thread of some pool.
    static REGISTERED: RefCell<Option<Registered>> = const { RefCell::new(None) };
}

/// A registered thread's seat and state.
struct Registered {
    /// The index that the hook of its start was given. A run on the thread takes the seat with this
    /// index, if it is free.
    index: usize,
    /// What `on_worker_start` returned. Each worker that runs on the thread shows it to its jobs.
    state: Rc<dyn Any>,
}

/// Makes the calling thread the registered thread `index` of the pool: runs `on_worker_start`
/// there, and keeps the state that it returns for the jobs of later runs on this thread.
///
/// For an engine that makes threads of its own for a scheduler that it does not write, as a rayon
/// pool's. The thread calls this once, before any run on it, and [`deregister_thread`] as it ends.
/// A thread is registered with one pool at most. Tasks may be pinned to it from then on, so the
/// engine has it come by in [`Engine::visit_threads`].
///
/// # Errors
/// The hook failed or panicked: the thread is not registered, and the pool cannot be built
/// (`R109`).
pub fn register_thread(life: &Lifecycle, index: usize) -> Result<(), BuildError> {
    let state = Rc::from(life.hooks.start(index)?);
    life.pinned.add_home();
    REGISTERED.with(|registered| *registered.borrow_mut() = Some(Registered { index, state }));
    Ok(())
}

/// Ends the calling thread's registration: runs `on_worker_stop`, then drops the state.
///
/// Does nothing on a thread that is not registered. To be called on the registered thread, with no
/// run on its stack.
pub fn deregister_thread(life: &Lifecycle) {
    if let Some(registered) = REGISTERED.with(|registered| registered.borrow_mut().take()) {
        life.hooks.stop(registered.index);
        drop_contained(registered.state);
    }
}

/// The seats of a pool on borrowed threads: for each, whether it is taken. The holder of a taken
/// seat alone writes its frames and its stripe of the books.
pub(crate) struct Seats(Box<[AtomicBool]>);

impl Seats {
    /// Returns as many seats as workers, all free.
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| AtomicBool::new(false)).collect())
    }

    /// Takes a free seat: `first`, if that is one. The caller has a slot, and there are as many
    /// seats as slots; so one is free, or is about to be: its holder has put its slot to sleep, and
    /// that may have been resumed since.
    pub(crate) fn take(&self, first: Option<usize>) -> Taken<'_> {
        // ORDERING: Acquire pairs with the Release of the seat's last holder: its frames are this
        // one's now.
        let take = |index: &usize| {
            let seat = self.0.get(*index);
            seat.is_some_and(|seat| !seat.swap(true, Ordering::Acquire))
        };
        loop {
            let mut all = first.into_iter().chain(0..self.0.len());
            if let Some(index) = all.find(take) {
                return Taken { seats: self, index };
            }
            machine::yield_now();
        }
    }

    /// Frees a seat that is held without its [`Taken`].
    pub(crate) fn free(&self, index: usize) {
        // ORDERING: Release, see `take`.
        self.0[index].store(false, Ordering::Release);
    }
}

impl fmt::Debug for Seats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seats").field(&self.0.len()).finish()
    }
}

/// A seat that is held until this is dropped.
pub(crate) struct Taken<'a> {
    /// The seats that it is one of.
    seats: &'a Seats,
    /// Which one it is.
    pub(crate) index: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.seats.free(self.index);
    }
}

/// Counts every worker as alive and puts every slot to sleep: a pool on borrowed threads begins so.
///
/// The engine calls this once, in its start, before any task is pushed. It also sets
/// [`Lifecycle::resume_with`], which is then called with a slot when there is work for it.
pub fn put_to_sleep(life: &Lifecycle) {
    for slot in 0..life.capability().workers {
        life.worker_alive();
        life.roster.sleep.begin_search();
        let _asleep = life.roster.sleep.announce(slot, || false);
    }
}

/// What became of a slot that [`run_on_borrowed_thread`] was called with, and so what the engine
/// does next.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BorrowedRun {
    /// The slot sleeps, or has ended with its pool. The engine does nothing: it is told when the
    /// slot is resumed.
    Over,
    /// There is more to do, but the run has lasted as long as a guest may stay. The slot is the
    /// caller's: it starts another run with it, which lets the scheduler's other work have the
    /// thread in between.
    Paused,
    /// A job waits further down on this stack, in an engine that runs other work meanwhile. No job
    /// starts there: it might want a lock that the job below holds, and that one could not go on
    /// before it ends. The slot is the caller's: it starts a run elsewhere, or [after that
    /// job](after_this_job).
    Refused,
}

/// How long a run keeps a thread of an engine that is not the pool's before it lets other work have
/// the thread. What the backends of this workspace pass as `stay`.
pub const STAY: Duration = Duration::from_millis(1);

/// Returns whether a run on the calling thread would be refused: the thread acts as a worker of
/// some pool, so a job may be on its stack.
pub fn is_within_a_job() -> bool {
    Worker::current().is_some()
}

/// Has `then` called on this thread after the job that waits there now has returned, for a run that
/// was refused. It is called between two jobs of the [run](run_on_borrowed_thread) that the
/// innermost worker on this stack is of, or at the end of that run.
///
/// Returns false, and drops `then`, if that worker makes no such run: it has a thread of its own,
/// which no run of another pool should come to; or if there is none.
pub fn after_this_job(then: impl FnOnce() + 'static) -> bool {
    Worker::current().is_some_and(|worker| worker.after_job(Box::new(then)))
}

/// Works with a slot that was resumed, on the calling thread: until there is nothing to do, or for
/// about as long as `stay`.
///
/// The engine calls this where its [`Lifecycle::resume_with`] closure has had a thread come by,
/// with the slot from that closure. It blocks the thread while jobs run; it does not wait for jobs
/// to come, except for a short search. Hooks do not run here, and jobs see a worker's state only on
/// a [registered thread](register_thread). A run that the scheduler drops instead of calling it is
/// a worker lost, which the engine reports by way of
/// [`SlotInTransit`](crate::backend::SlotInTransit) or [`lose_slot`](crate::backend::lose_slot).
pub fn run_on_borrowed_thread<E: Engine>(
    engine: &Arc<E>,
    slot: usize,
    stay: Option<Duration>,
) -> BorrowedRun {
    if is_within_a_job() {
        return BorrowedRun::Refused;
    }
    let registered = registered_here();
    let taken = engine
        .life()
        .roster
        .seats
        .take(registered.as_ref().map(|registered| registered.0));
    let worker = Worker::new(engine, taken.index, slot, true);
    if let Some((index, state)) = registered {
        worker.set_home(index);
        worker.set_state(state);
    }
    let rest = worker.work_as_guest(&**engine, stay);
    let left = worker.into_left();
    // A slot that sleeps may be resumed already; its next run may wait for this seat.
    drop(taken);
    let run = match rest {
        Rest::Stop => {
            engine.life().worker_gone(slot);
            BorrowedRun::Over
        }
        Rest::Search => BorrowedRun::Paused,
        Rest::Sleep | Rest::Moved => BorrowedRun::Over,
    };
    left.call();
    run
}

/// The index and the state of the calling thread, if it is a registered one.
fn registered_here() -> Option<(usize, Rc<dyn Any>)> {
    // A thread whose locals are gone is no longer registered: one of an adopted engine that waits
    // in a handler of the process's exit.
    let registered = REGISTERED.try_with(|registered| {
        let registered = registered.borrow();
        let registered = registered.as_ref();
        registered.map(|registered| (registered.index, Rc::clone(&registered.state)))
    });
    registered.ok().flatten()
}

/// Runs the tasks that wait for the calling thread alone, which is a [registered
/// thread](register_thread) of the engine. For [`Engine::visit_threads`].
///
/// Such a task needs no slot: there are as many slots as threads, and this thread makes no run. It
/// needs a seat, and for the same reason one is free. On a thread where a job of the pool waits it
/// does nothing, since the run beneath looks after that job; where another pool's job waits, the
/// tasks are run once that pool's run is over.
pub fn run_pinned<E: Engine>(engine: &Arc<E>) {
    let life = engine.life();
    if let Some(below) = Worker::current() {
        if !Arc::ptr_eq(below.life(), life) {
            let engine = Arc::downgrade(engine);
            let again = move || engine.upgrade().iter().for_each(run_pinned);
            let _is_guest = below.once_left(Box::new(again));
        }
        return;
    }
    let Some((index, state)) = registered_here().filter(|(index, _)| life.pinned.waits_for(*index))
    else {
        return;
    };
    let taken = life.roster.seats.take(Some(index));
    let worker = Worker::new(engine, taken.index, taken.index, false);
    worker.set_home(index);
    worker.set_state(state);
    worker.work_on_pinned(&**engine);
    let left = worker.into_left();
    drop(taken);
    left.call();
}

/// What a run or a host leaves to its engine: which of the two goes on with the slot, if one does.
#[derive(Debug)]
pub enum Continuation {
    /// The slot sleeps, or went to another holder. The engine does nothing.
    Nothing,
    /// The slot, for a run: [`run_between_hosts`] with this closure first, otherwise with whatever
    /// is queued or woken.
    ForRun(usize, Option<Task>),
    /// The slot, for a host: [`host_futures`](crate::backend::host_futures), beginning with this
    /// future.
    ForHost(usize, Task),
    /// The slot, whose pool has stopped. The engine ends it: [`Lifecycle::worker_gone`], or
    /// [`RegisteredThreads::dismiss`].
    Stopped(usize),
}

/// Works with a slot on the calling thread, on an engine whose slots move between runs and hosts,
/// until there is nothing to do or the slot goes on to a host.
///
/// `first` is run before anything else; without it, the slot was resumed and is counted as
/// searching. What is returned says where the slot is, and must be followed: a slot that is not
/// passed on is a worker less. To be called on a thread that may block, with no job on its stack.
pub fn run_between_hosts<E: Engine>(
    engine: &Arc<E>,
    slot: usize,
    mut first: Option<Task>,
) -> Continuation {
    loop {
        let taken = engine.life().roster.seats.take(Some(slot));
        let worker = Worker::new(engine, taken.index, slot, first.is_none());
        let rest = worker.work_until_idle(&**engine, first.take());
        let departure = worker.take_departure();
        drop(worker);
        drop(taken);
        if let Some(left) = pass_on(engine.life(), slot, rest, departure) {
            return left;
        }
    }
}

/// Passes a slot on, whose seat is free. Returns `None` if the future that it was for needs it no
/// longer: then the slot is the caller's, and is counted among those that search.
fn pass_on(
    life: &Lifecycle,
    slot: usize,
    rest: Rest,
    departure: Option<Departure>,
) -> Option<Continuation> {
    match departure {
        Some(Departure::Future(future)) => Some(Continuation::ForHost(slot, future)),
        Some(Departure::To(seeking)) if seeking.give(slot) => Some(Continuation::Nothing),
        Some(Departure::To(_)) => {
            life.roster.sleep.begin_search();
            None
        }
        None if rest == Rest::Stop => Some(Continuation::Stopped(slot)),
        None => Some(Continuation::Nothing),
    }
}

/// The threads of an engine whose slots move: one for each slot, and a mailbox for what the thread
/// is woken for.
///
/// An engine with hosts keeps one of these, and calls [`work`](Self::work) from [`Engine::work`],
/// [`call`](Self::call) where a slot is to make a run, [`send`](Self::send) from
/// [`Engine::on_slot_thread`], and [`dismiss`](Self::dismiss) for [`Continuation::Stopped`].
///
/// ```
/// use pool_core::backend::RegisteredThreads;
///
/// let threads = RegisteredThreads::new(4); // none runs before `start`
/// assert_eq!(format!("{threads:?}"), "Threads(0)");
/// ```
#[derive(Default)]
pub struct RegisteredThreads {
    /// Starts and joins the threads.
    threads: Threads,
    /// For each slot, what its thread finds when it is woken. Empty: its slot was resumed. Written
    /// by the holder of the slot, which is not on its thread then, so at most one call is there at
    /// a time.
    mailboxes: Box<[Mutex<Option<Call>>]>,
}

/// What a registered thread is woken for, in addition to a slot that was resumed.
enum Call {
    /// Its slot comes back, with a closure to run first.
    Run(Task),
    /// The holder of its slot has this done here, and waits. The slot stays with that holder.
    DeferredAction(DeferredAction),
    /// The slot has ended, and so does the thread.
    Leave,
}

impl RegisteredThreads {
    /// Returns the threads of a pool with that many workers; none has started.
    pub fn new(workers: usize) -> Self {
        Self {
            threads: Threads::default(),
            mailboxes: (0..workers).map(|_| Mutex::default()).collect(),
        }
    }

    /// Starts the threads, as [`Threads::start`] does, and returns once all of them wait for jobs.
    /// Each calls [`Engine::work`] within `wrap`, and that calls [`work`](Self::work).
    ///
    /// # Errors
    /// As for [`Threads::start`].
    pub fn start<E: Engine>(
        &self,
        engine: &Arc<E>,
        config: &PoolConfig,
        wrap: impl Fn(&dyn Fn()) + Clone + Send + 'static,
    ) -> Result<(), BuildError> {
        self.threads.start(engine, config, wrap)
    }

    /// Works as the thread of `worker`'s slot, from its start to its end: makes the slot's runs,
    /// sleeps while the slot is elsewhere, and runs `on_worker_stop` last.
    ///
    /// `host` is called with the slot and a future that the slot is to host. It starts a host on
    /// the engine's runtime, and returns at once.
    pub fn work<E: Engine>(&self, engine: &Arc<E>, worker: Worker, host: impl Fn(usize, Task)) {
        let (life, slot) = (engine.life(), worker.slot());
        let mut first = None;
        loop {
            let rest = worker.work_until_idle(&**engine, first.take());
            match pass_on(life, slot, rest, worker.take_departure()) {
                None => {
                    worker.is_resumed();
                    continue;
                }
                Some(Continuation::ForHost(slot, future)) => host(slot, future),
                Some(Continuation::Stopped(_)) => break,
                Some(Continuation::Nothing | Continuation::ForRun(..)) => {}
            }
            match self.sleep(engine, &worker) {
                ControlFlow::Continue(closure) => first = closure,
                ControlFlow::Break(()) => break,
            }
        }
        worker.leave();
    }

    /// Sleeps until the slot comes back, with a closure to begin with, or without; or until it is
    /// at its end. Deferred actions are done in between.
    fn sleep<E: Engine>(&self, engine: &Arc<E>, worker: &Worker) -> ControlFlow<(), Option<Task>> {
        worker.is_without_slot();
        loop {
            worker.park();
            let call = self.mailboxes[worker.slot()].lock_unpoisoned().take();
            match call {
                None => {
                    worker.is_resumed();
                    return ControlFlow::Continue(None);
                }
                Some(Call::Run(task)) => return ControlFlow::Continue(Some(task)),
                Some(Call::DeferredAction(action)) => worker.run_deferred_action(engine, action),
                Some(Call::Leave) => return ControlFlow::Break(()),
            }
        }
    }

    /// Wakes the thread of `slot` to make a run: with `first`, or without one as for a slot that
    /// was resumed and is counted as searching. The caller holds the slot, and gives it up with
    /// this.
    pub fn call(&self, life: &Lifecycle, slot: usize, first: Option<Task>) {
        self.knock(life, slot, first.map(Call::Run));
    }

    /// Has the thread of the action's slot do it. Returns at once; the sender of the action waits
    /// by itself. For [`Engine::on_slot_thread`].
    pub fn send(&self, life: &Lifecycle, action: DeferredAction) {
        let slot = action.slot();
        self.knock(life, slot, Some(Call::DeferredAction(action)));
    }

    /// Ends the thread of a slot that is at its end. The caller holds the slot, and the thread
    /// sleeps.
    pub fn dismiss(&self, life: &Lifecycle, slot: usize) {
        self.knock(life, slot, Some(Call::Leave));
    }

    /// Joins the threads whose workers have left, and forgets the others, whose jobs hang. For
    /// [`Engine::join_threads`].
    pub fn join(&self, life: &Lifecycle) {
        self.threads.join(life);
    }

    /// Puts a call into the slot's mailbox, if there is one, and wakes its thread.
    fn knock(&self, life: &Lifecycle, slot: usize, call: Option<Call>) {
        if call.is_some() {
            *self.mailboxes[slot].lock_unpoisoned() = call;
        }
        life.roster.statuses[slot].resume();
    }
}

impl fmt::Debug for RegisteredThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.threads.fmt(f)
    }
}
