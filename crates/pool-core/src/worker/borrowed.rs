//! Workers on threads that are lent: by a rayon pool, by a runtime's pool of blocking threads.
//!
//! There is one **token** for each worker. A token sleeps on the idle stack; resumed, it becomes a **visit**: a piece of work that
//! the lender runs on some thread, which takes a free seat, works until there is nothing to do, and puts the token back. So at
//! most as many jobs run at once as there are tokens, and an idle pool holds none of the lender's threads.
//!
//! A thread that lives as long as the pool is a **resident**: it has run the hook of its start, and a visit on it takes the
//! resident's own seat if it can, and shows its jobs the resident's state.
//!
//! # Tokens that move
//! On an engine that hosts futures, a token goes from visits to chains (`future_host`) and back. A visit that is to pass its token on says where
//! to (`Departure`), leaves its seat, and only then passes it: so whoever gets the token finds its seat free.
//!
//! Such an engine may have threads of its own for visits, as many as tokens ([`RegisteredThreads`]). Each token is at home on one of them, and makes all its
//! visits there. So a visit never waits for a thread: the one it needs has sent its token away, and sleeps. The holder of a token can have an
//! [`DeferredAction`] done there for the same reason. A token ends at home.

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
    static RESIDENT: RefCell<Option<Resident>> = const { RefCell::new(None) };
}

struct Resident {
    index: usize,
    state: Rc<dyn Any>,
}

/// Makes the calling thread resident `index` of the pool: runs `on_worker_start`.
///
/// # Errors
/// The hook failed or panicked: the thread is no resident, and the pool cannot be built (`R109`).
pub fn move_in(life: &Lifecycle, index: usize) -> Result<(), BuildError> {
    let state = Rc::from(life.hooks.start(index)?);
    RESIDENT.with(|resident| *resident.borrow_mut() = Some(Resident { index, state }));
    Ok(())
}

/// Ends the calling thread's residence: runs `on_worker_stop`, then drops the state.
pub fn move_out(life: &Lifecycle) {
    if let Some(resident) = RESIDENT.with(|resident| resident.borrow_mut().take()) {
        life.hooks.stop(resident.index);
        drop_contained(resident.state);
    }
}

/// The seats of a pool on lent threads: which are taken.
pub(crate) struct Seats(Box<[AtomicBool]>);

impl Seats {
    /// All free.
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| AtomicBool::new(false)).collect())
    }

    /// Takes a free seat, `first` if it is. There is one: a visit has a token, and there are as many seats as tokens.
    pub(crate) fn take(&self, first: Option<usize>) -> Taken<'_> {
        let all = first.into_iter().chain(0..self.0.len());
        for index in all.cycle() {
            // ORDERING: Acquire pairs with the Release of the seat's last holder: its frames are this one's now.
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

/// Puts every token to sleep: a pool on lent threads begins so.
pub fn put_to_sleep(life: &Lifecycle) {
    for token in 0..life.capability().workers {
        life.worker_alive();
        life.roster.sleep.begin_search();
        let _asleep = life.roster.sleep.announce(token, || false);
    }
}

/// What became of a token that a thread was asked to [`visit`] with.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visited {
    /// It sleeps, or its pool has stopped.
    Over,
    /// There is more to do, but the visit has lasted as long as a guest may stay: the token is the caller's, and goes on in a visit of its own.
    Paused,
    /// A job waits further down on this stack, in an engine that runs other work meanwhile. No job starts there: it might want a lock
    /// that the one below holds, and that one could not go on before it ends. The token is the caller's.
    Refused,
}

/// For how long a visit runs jobs on the threads of somebody else's engine before it lets others have the thread.
pub const STAY: Duration = Duration::from_millis(1);

/// Whether a visit on the calling thread would be refused.
pub fn is_within_a_job() -> bool {
    Worker::current().is_some()
}

/// Has `then` called on this thread after the job that waits there now, or after one further down on this stack. False: none does.
pub fn after_this_job(then: impl FnOnce() + 'static) -> bool {
    let worker = Worker::current();
    worker
        .map(|worker| worker.after_job(Box::new(then)))
        .is_some()
}

/// Works with a token that was resumed on the calling thread, until there is nothing to do, or for as long as `stay`.
pub fn visit<E: Engine>(engine: &Arc<E>, token: usize, stay: Option<Duration>) -> Visited {
    if is_within_a_job() {
        return Visited::Refused;
    }
    // A thread whose locals are gone is no resident any more: one of an adopted engine that waits in
    // a handler of the process's exit.
    let resident = RESIDENT.try_with(|resident| {
        let resident = resident.borrow();
        let resident = resident.as_ref();
        resident.map(|resident| (resident.index, Rc::clone(&resident.state)))
    });
    let resident = resident.ok().flatten();
    let taken = engine
        .life()
        .roster
        .seats
        .take(resident.as_ref().map(|resident| resident.0));
    let worker = Worker::new(engine, taken.index, token, true);
    if let Some((_, state)) = resident {
        worker.set_state(state);
    }
    let rest = worker.work_as_guest(&**engine, stay);
    drop(worker);
    // The seat is free before the token can be resumed by somebody else: otherwise a visit might look for a seat in vain.
    drop(taken);
    match rest {
        Rest::Stop => engine.life().worker_gone(token),
        Rest::Search => return Visited::Paused,
        Rest::Sleep | Rest::Moved => {}
    }
    Visited::Over
}

/// What a visit or a chain leaves to its engine.
#[derive(Debug)]
pub enum Left {
    /// Nothing: the token sleeps, or somebody else has it.
    Nothing,
    /// The token, and work for a visit with it: this closure, or else whatever is queued or woken.
    ForVisit(usize, Option<Task>),
    /// The token, and a future for a chain to host.
    ForChain(usize, Task),
    /// The token, whose pool has stopped.
    Stopped(usize),
}

/// A [`visit`] on an engine whose tokens move on to chains.
pub fn visit_between_chains<E: Engine>(
    engine: &Arc<E>,
    token: usize,
    mut first: Option<Task>,
) -> Left {
    loop {
        let taken = engine.life().roster.seats.take(Some(token));
        let worker = Worker::new(engine, taken.index, token, first.is_none());
        let rest = worker.work_until_idle(&**engine, first.take());
        let departure = worker.take_departure();
        drop(worker);
        drop(taken);
        if let Some(left) = pass_on(engine.life(), token, rest, departure) {
            return left;
        }
    }
}

/// Passes a token on, whose seat is free. `None`: whom it was for needs it no longer, and it is counted among those that search.
fn pass_on(
    life: &Lifecycle,
    token: usize,
    rest: Rest,
    departure: Option<Departure>,
) -> Option<Left> {
    match departure {
        Some(Departure::Future(future)) => Some(Left::ForChain(token, future)),
        Some(Departure::To(seeking)) if seeking.give(token) => Some(Left::Nothing),
        Some(Departure::To(_)) => {
            life.roster.sleep.begin_search();
            None
        }
        None if rest == Rest::Stop => Some(Left::Stopped(token)),
        None => Some(Left::Nothing),
    }
}

/// The threads of an engine whose tokens move: one for each token, and what it is woken for.
#[derive(Default)]
pub struct RegisteredThreads {
    threads: Threads,
    doors: Box<[Mutex<Option<Call>>]>,
}

/// What a resident is woken for, beside its token that was resumed.
enum Call {
    /// Its token comes home, with a closure.
    Run(Task),
    DeferredAction(DeferredAction),
    /// The token is at its end.
    Leave,
}

impl RegisteredThreads {
    /// For a pool of so many workers; none has started.
    pub fn new(workers: usize) -> Self {
        Self {
            threads: Threads::default(),
            doors: (0..workers).map(|_| Mutex::default()).collect(),
        }
    }

    /// Starts the threads, as [`Threads::start`] does. Each calls [`reside`](Self::reside) from [`Engine::work`].
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

    /// What a thread does from its start to its end. `host` goes on with a token and a future.
    pub fn reside<E: Engine>(&self, engine: &Arc<E>, worker: Worker, host: impl Fn(usize, Task)) {
        let (life, token) = (engine.life(), worker.token());
        let mut first = None;
        loop {
            let rest = worker.work_until_idle(&**engine, first.take());
            match pass_on(life, token, rest, worker.take_departure()) {
                None => {
                    worker.is_resumed();
                    continue;
                }
                Some(Left::ForChain(token, future)) => host(token, future),
                Some(Left::Stopped(_)) => break,
                Some(Left::Nothing | Left::ForVisit(..)) => {}
            }
            match self.sleep(engine, &worker) {
                ControlFlow::Continue(closure) => first = closure,
                ControlFlow::Break(()) => break,
            }
        }
        worker.leave();
    }

    /// Until the token comes home, with a closure to begin with, or without; or until it is at its end.
    fn sleep<E: Engine>(&self, engine: &Arc<E>, worker: &Worker) -> ControlFlow<(), Option<Task>> {
        worker.is_without_token();
        loop {
            worker.park();
            let call = self.doors[worker.token()].lock_unpoisoned().take();
            match call {
                None => {
                    worker.is_resumed();
                    return ControlFlow::Continue(None);
                }
                Some(Call::Run(task)) => return ControlFlow::Continue(Some(task)),
                Some(Call::DeferredAction(errand)) => worker.run_errand(engine, errand),
                Some(Call::Leave) => return ControlFlow::Break(()),
            }
        }
    }

    /// Resumes the thread of `token`, which comes home: with a closure to run, or as one that was resumed.
    pub fn call(&self, life: &Lifecycle, token: usize, first: Option<Task>) {
        self.knock(life, token, first.map(Call::Run));
    }

    /// Has the thread of the errand's token do it.
    pub fn send(&self, life: &Lifecycle, errand: DeferredAction) {
        let token = errand.token();
        self.knock(life, token, Some(Call::DeferredAction(errand)));
    }

    /// Ends the thread of a token that is at its end.
    pub fn dismiss(&self, life: &Lifecycle, token: usize) {
        self.knock(life, token, Some(Call::Leave));
    }

    /// Joins the threads whose workers have left, and forgets the others.
    pub fn join(&self, life: &Lifecycle) {
        self.threads.join(life);
    }

    fn knock(&self, life: &Lifecycle, token: usize, call: Option<Call>) {
        if call.is_some() {
            *self.doors[token].lock_unpoisoned() = call;
        }
        life.roster.slots[token].resume();
    }
}

impl fmt::Debug for RegisteredThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.threads.fmt(f)
    }
}
