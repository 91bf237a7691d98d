//! Workers on borrowed threads: a rayon pool's, or those of a runtime's pool of blocking threads.
//!
//! There is one **slot** for each worker. A slot sleeps on the idle stack; resumed, it becomes a
//! **run**: a piece of work that the lender runs on some thread, which takes a free seat, works
//! until there is nothing to do, and puts the slot back. So at most as many jobs run at once as
//! there are slots, and an idle pool holds none of the lender's threads.
//!
//! A thread that lives as long as the pool is a **registered thread**: it has run the hook of its
//! start, and a run on it takes the registered thread's own seat if it can, and shows its jobs the
//! registered thread's state.
//!
//! # Slots that move
//! On an engine that hosts futures, a slot goes from runs to hosts (`future_host`) and back. A run
//! that is to pass its slot on says where to (`Departure`), leaves its seat, and only then passes
//! it: so whoever gets the slot finds its seat free.
//!
//! Such an engine may have threads of its own for runs, as many as slots ([`RegisteredThreads`]).
//! Each slot is at home on one of them, and makes all its runs there. So a run never waits for a
//! thread: the one it needs has sent its slot away, and sleeps. The holder of a slot can have a
//! [`DeferredAction`] done there for the same reason. A slot ends at home.

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
use crate::sys::sync::{LockExt, Mutex};
use crate::task::Task;
use crate::worker::threads::Threads;
use crate::worker::{DeferredAction, Departure, Rest, Worker};

thread_local! {
    static REGISTERED: RefCell<Option<Registered>> = const { RefCell::new(None) };
}

struct Registered {
    index: usize,
    state: Rc<dyn Any>,
}

/// Makes the calling thread the registered thread `index` of the pool: runs `on_worker_start`.
///
/// # Errors
/// The hook failed or panicked: the thread is not registered, and the pool cannot be built
/// (`R109`).
pub fn register_thread(life: &Lifecycle, index: usize) -> Result<(), BuildError> {
    let state = Rc::from(life.hooks.start(index)?);
    REGISTERED.with(|registered| *registered.borrow_mut() = Some(Registered { index, state }));
    Ok(())
}

/// Ends the calling thread's registration: runs `on_worker_stop`, then drops the state.
pub fn deregister_thread(life: &Lifecycle) {
    if let Some(registered) = REGISTERED.with(|registered| registered.borrow_mut().take()) {
        life.hooks.stop(registered.index);
        drop_contained(registered.state);
    }
}

/// The seats of a pool on borrowed threads: which are taken.
pub(crate) struct Seats(Box<[AtomicBool]>);

impl Seats {
    /// All free.
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| AtomicBool::new(false)).collect())
    }

    /// Takes a free seat, `first` if it is. There is one: a run has a slot, and there are as many
    /// seats as slots.
    pub(crate) fn take(&self, first: Option<usize>) -> Taken<'_> {
        let all = first.into_iter().chain(0..self.0.len());
        for index in all.cycle() {
            // ORDERING: Acquire pairs with the Release of the seat's last holder: its frames are
            // this one's now.
            if self
                .0
                .get(index)
                .is_some_and(|seat| !seat.swap(true, Ordering::Acquire))
            {
                return Taken { seats: self, index };
            }
        }
        unreachable!("the cycle has no end, and a pool has at least one seat")
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

/// A seat, until it is dropped.
pub(crate) struct Taken<'a> {
    seats: &'a Seats,
    pub(crate) index: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.seats.free(self.index);
    }
}

/// Puts every slot to sleep: a pool on borrowed threads begins so.
pub fn put_to_sleep(life: &Lifecycle) {
    for slot in 0..life.capability().workers {
        life.worker_alive();
        life.roster.sleep.begin_search();
        let _asleep = life.roster.sleep.announce(slot, || false);
    }
}

/// What became of a slot that a thread was asked to [`run_on_borrowed_thread`] with.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BorrowedRun {
    /// It sleeps, or its pool has stopped.
    Over,
    /// There is more to do, but the run has lasted as long as a guest may stay: the slot is the
    /// caller's, and goes on in a run of its own.
    Paused,
    /// A job waits further down on this stack, in an engine that runs other work meanwhile. No job
    /// starts there: it might want a lock that the one below holds, and that one could not go on
    /// before it ends. The slot is the caller's.
    Refused,
}

/// For how long a run keeps a thread of somebody else's engine before it lets others have the
/// thread.
pub const STAY: Duration = Duration::from_millis(1);

/// Whether a run on the calling thread would be refused.
pub fn is_within_a_job() -> bool {
    Worker::current().is_some()
}

/// Has `then` called on this thread after the job that waits there now, or after one further down
/// on this stack. False: none does.
pub fn after_this_job(then: impl FnOnce() + 'static) -> bool {
    let worker = Worker::current();
    worker
        .map(|worker| worker.after_job(Box::new(then)))
        .is_some()
}

/// Works with a slot that was resumed on the calling thread, until there is nothing to do, or for
/// as long as `stay`.
pub fn run_on_borrowed_thread<E: Engine>(
    engine: &Arc<E>,
    slot: usize,
    stay: Option<Duration>,
) -> BorrowedRun {
    if is_within_a_job() {
        return BorrowedRun::Refused;
    }
    // A thread whose locals are gone is no longer registered: one of an adopted engine that waits
    // in a handler of the process's exit.
    let registered = REGISTERED.try_with(|registered| {
        let registered = registered.borrow();
        let registered = registered.as_ref();
        registered.map(|registered| (registered.index, Rc::clone(&registered.state)))
    });
    let registered = registered.ok().flatten();
    let taken = engine
        .life()
        .roster
        .seats
        .take(registered.as_ref().map(|registered| registered.0));
    let worker = Worker::new(engine, taken.index, slot, true);
    if let Some((_, state)) = registered {
        worker.set_state(state);
    }
    let rest = worker.work_as_guest(&**engine, stay);
    drop(worker);
    // The seat is free before the slot can be resumed by somebody else: otherwise a run might look
    // for a seat in vain.
    drop(taken);
    match rest {
        Rest::Stop => engine.life().worker_gone(slot),
        Rest::Search => return BorrowedRun::Paused,
        Rest::Sleep | Rest::Moved => {}
    }
    BorrowedRun::Over
}

/// What a run or a host leaves to its engine.
#[derive(Debug)]
pub enum Continuation {
    /// Nothing: the slot sleeps, or somebody else has it.
    Nothing,
    /// The slot, and work for a run with it: this closure, otherwise whatever is queued or woken.
    ForRun(usize, Option<Task>),
    /// The slot, and a future for a host.
    ForHost(usize, Task),
    /// The slot, whose pool has stopped.
    Stopped(usize),
}

/// A [`run_on_borrowed_thread`] on an engine whose slots move on to hosts.
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

/// Passes a slot on, whose seat is free. `None`: whom it was for needs it no longer, and it is
/// counted among those that search.
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

/// The threads of an engine whose slots move: one for each slot, and what it is woken for.
#[derive(Default)]
pub struct RegisteredThreads {
    threads: Threads,
    mailboxes: Box<[Mutex<Option<Call>>]>,
}

/// What a registered thread is woken for, in addition to its slot that was resumed.
enum Call {
    /// Its slot comes home, with a closure.
    Run(Task),
    DeferredAction(DeferredAction),
    /// The slot is at its end.
    Leave,
}

impl RegisteredThreads {
    /// For a pool of that many workers; none has started.
    pub fn new(workers: usize) -> Self {
        Self {
            threads: Threads::default(),
            mailboxes: (0..workers).map(|_| Mutex::default()).collect(),
        }
    }

    /// Starts the threads, as [`Threads::start`] does. Each calls [`work`](Self::work) from
    /// [`Engine::work`].
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

    /// What a thread does from its start to its end. `host` goes on with a slot and a future.
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

    /// Until the slot comes home, with a closure to begin with, or without; or until it is at its
    /// end.
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

    /// Resumes the thread of `slot`, which comes home: with a closure to run, or as one that was
    /// resumed.
    pub fn call(&self, life: &Lifecycle, slot: usize, first: Option<Task>) {
        self.knock(life, slot, first.map(Call::Run));
    }

    /// Has the thread of the action's slot do it.
    pub fn send(&self, life: &Lifecycle, action: DeferredAction) {
        let slot = action.slot();
        self.knock(life, slot, Some(Call::DeferredAction(action)));
    }

    /// Ends the thread of a slot that is at its end.
    pub fn dismiss(&self, life: &Lifecycle, slot: usize) {
        self.knock(life, slot, Some(Call::Leave));
    }

    /// Joins the threads whose workers have left, and forgets the others.
    pub fn join(&self, life: &Lifecycle) {
        self.threads.join(life);
    }

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
