//! The machine, or a simulator of it, as the calling thread has it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::Point;

/// Runs threads in turns, on a clock of its own.
///
/// A thread is known by its number. `thread` is always the caller, unless said otherwise; one that
/// a simulator runs calls from nowhere but its own turn.
pub trait Simulator: Any + Send + Sync {
    /// What the clock says.
    fn now(&self) -> Instant;
    /// The caller may have to let another thread go on. Panics in a job's stead at
    /// [`Point::Begin`], if it was told to.
    fn point(&self, thread: usize, point: Point);
    /// The caller has nothing to do but to wait for others.
    fn yield_now(&self, thread: usize);
    /// Sleeps until unparked, or until the limit; it may return early.
    fn park(&self, thread: usize, limit: Option<Instant>);
    /// Lets `thread` return from its park, now or the next time. Called from anywhere; lets nobody
    /// else go on, since the caller may hold locks.
    fn unpark(&self, thread: usize);
    /// The number of a job, from 1.
    fn next_job(&self) -> u64;
    /// A choice among `options`, of which there is at least one.
    fn draw(&self, options: usize) -> usize;
    /// How many turns there were.
    fn turns(&self) -> u64;
    /// A thread is about to be started: its number.
    ///
    /// # Errors
    /// The simulator plays a system that refuses it.
    fn begin(&self, name: Option<&str>) -> io::Result<usize>;
    /// The system refused the thread in earnest.
    fn forget(&self, thread: usize);
    /// `thread`, the caller, waits for its first turn.
    fn enter(&self, thread: usize);
    /// `thread`, the caller, gives up its last turn.
    fn leave(&self, thread: usize);
    /// Whether `other` has left.
    fn has_left(&self, other: usize) -> bool;
    /// Waits until `other` has left.
    fn wait_for(&self, thread: usize, other: usize);
}

/// The simulator that runs a thread, and the thread's number there.
#[derive(Clone)]
pub(super) struct Simulated {
    pub(super) simulator: Arc<dyn Simulator>,
    pub(super) thread: usize,
}

thread_local! {
    /// Whether `SIMULATED` is set: the look that every other thread pays.
    static IS_SIMULATED: Cell<bool> = const { Cell::new(false) };
    static SIMULATED: RefCell<Option<Simulated>> = const { RefCell::new(None) };
}

/// Runs `body` as thread number `thread` of a simulator, from its first turn to its last.
pub fn simulate<R>(simulator: Arc<dyn Simulator>, thread: usize, body: impl FnOnce() -> R) -> R {
    let _left = Leave(Simulated {
        simulator: Arc::clone(&simulator),
        thread,
    });
    simulator.enter(thread);
    SIMULATED.with(|simulated| *simulated.borrow_mut() = Some(Simulated { simulator, thread }));
    IS_SIMULATED.set(true);
    body()
}

/// Ends a thread's last turn, also where its body panics.
struct Leave(Simulated);

impl Drop for Leave {
    fn drop(&mut self) {
        IS_SIMULATED.set(false);
        let simulated = SIMULATED.with(RefCell::take);
        drop(simulated);
        self.0.simulator.leave(self.0.thread);
    }
}

#[cold]
pub(super) fn simulated() -> Simulated {
    let simulated = SIMULATED.with(|simulated| simulated.borrow().clone());
    simulated.expect("the flag is set where this is")
}

/// The simulator that runs the calling thread, and the thread's number there.
pub fn this_simulation() -> Option<(Arc<dyn Simulator>, usize)> {
    is_simulated().then(|| {
        let Simulated { simulator, thread } = simulated();
        (simulator, thread)
    })
}

/// Whether a simulator runs the calling thread.
#[inline]
pub fn is_simulated() -> bool {
    IS_SIMULATED.get()
}

/// What the clock says.
#[inline]
pub fn now() -> Instant {
    if is_simulated() {
        return simulated().simulator.now();
    }
    Instant::now()
}

/// See [`Point`].
#[inline]
pub fn point(point: Point) {
    if is_simulated() {
        let Simulated { simulator, thread } = simulated();
        simulator.point(thread, point);
    }
}

/// Lets others go on.
#[inline]
pub fn yield_now() {
    if is_simulated() {
        let Simulated { simulator, thread } = simulated();
        return simulator.yield_now(thread);
    }
    thread::yield_now();
}

/// Sleeps until unparked, or until the limit; it may return early.
pub fn park(limit: Option<Instant>) {
    if is_simulated() {
        let Simulated { simulator, thread } = simulated();
        return simulator.park(thread, limit);
    }
    match limit {
        None => thread::park(),
        Some(limit) => thread::park_timeout(limit.saturating_duration_since(Instant::now())),
    }
}

/// Sleeps for so long, whoever unparks it.
pub fn sleep(time: Duration) {
    if is_simulated() {
        return yield_now(); // no yield is long there, so nobody has a reason to
    }
    thread::sleep(time);
}

/// The next number for a job, where a simulator numbers them.
#[inline]
pub fn next_job() -> Option<u64> {
    is_simulated().then(|| simulated().simulator.next_job())
}

/// A choice among `options`, where a simulator makes them.
pub fn draw(options: usize) -> Option<usize> {
    is_simulated().then(|| simulated().simulator.draw(options))
}

/// How many turns the threads of a simulation have had.
pub fn turns() -> Option<u64> {
    is_simulated().then(|| simulated().simulator.turns())
}

/// Locks, whether or not another thread panicked while it held the lock.
///
/// A thread that waits in earnest while the simulator holds back the one that has the lock would
/// wait for ever: so it gives way instead.
#[inline]
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    if is_simulated() {
        return lock_in_turns(mutex);
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cold]
fn lock_in_turns<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => yield_now(),
        }
    }
}

/// A thread that can be unparked.
#[derive(Clone)]
pub struct Thread(Kind);

#[derive(Clone)]
enum Kind {
    Real(thread::Thread),
    Simulated(Simulated),
}

/// The calling thread.
pub fn current() -> Thread {
    if is_simulated() {
        return Thread(Kind::Simulated(simulated()));
    }
    Thread(Kind::Real(thread::current()))
}

impl Thread {
    /// Lets it return from its park, now or the next time.
    #[inline]
    pub fn unpark(&self) {
        match &self.0 {
            Kind::Real(thread) => thread.unpark(),
            Kind::Simulated(simulated) => simulated.simulator.unpark(simulated.thread),
        }
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Real(thread) => thread.fmt(f),
            Kind::Simulated(simulated) => write!(f, "Thread({})", simulated.thread),
        }
    }
}
