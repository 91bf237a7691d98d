//! The machine, or a simulator of it, as the calling thread has it.
//!
//! A thread belongs to a simulator while [`simulate`] runs its body; each function here asks that
//! simulator then, and `std` on every other thread. So simulated pools and real ones may be in one
//! process.

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
/// A thread is known by its number. `thread` is always the caller, unless said otherwise; a
/// simulated thread makes these calls during its own turn alone. Each call that may wait returns
/// when the caller's next turn begins.
pub trait Simulator: Any + Send + Sync {
    /// Returns what the clock says.
    fn now(&self) -> Instant;
    /// Tells that the caller is at a place where it may have to let another thread go on. Panics in
    /// place of a job at [`Point::Begin`], if it was told to.
    fn point(&self, thread: usize, point: Point);
    /// Tells that the caller has nothing to do but to wait for others.
    fn yield_now(&self, thread: usize);
    /// Sleeps until the caller is unparked, or until the limit; it may return early.
    fn park(&self, thread: usize, limit: Option<Instant>);
    /// Lets `thread` return from its park, now or the next time. Called from anywhere; lets nobody
    /// else go on, since the caller may hold locks.
    fn unpark(&self, thread: usize);
    /// Returns the number of a job, from 1.
    fn next_job(&self) -> u64;
    /// Returns a choice among `options`, of which there is at least one: a number below it.
    fn draw(&self, options: usize) -> usize;
    /// Returns how many turns there were.
    fn turns(&self) -> u64;
    /// Returns the number of a thread that is about to be started by the caller.
    ///
    /// # Errors
    /// The simulator plays a system that refuses it.
    fn begin(&self, name: Option<&str>) -> io::Result<usize>;
    /// Tells that the system itself refused a thread that `begin` gave a number.
    fn forget(&self, thread: usize);
    /// Waits for the first turn of `thread`, which is the caller.
    fn enter(&self, thread: usize);
    /// Gives up the last turn of `thread`, which is the caller.
    fn leave(&self, thread: usize);
    /// Returns whether `other` has given up its last turn.
    fn has_left(&self, other: usize) -> bool;
    /// Waits until `other` has left.
    fn wait_for(&self, thread: usize, other: usize);
}

/// The calling thread as a simulated one.
#[derive(Clone)]
pub(super) struct Simulated {
    /// The simulator that runs it.
    pub(super) simulator: Arc<dyn Simulator>,
    /// Its number there.
    pub(super) thread: usize,
}

thread_local! {
    /// Whether `SIMULATED` is set: the look that every other thread pays.
    static IS_SIMULATED: Cell<bool> = const { Cell::new(false) };
    /// The simulator of this thread, for as long as `IS_SIMULATED` is set.
    static SIMULATED: RefCell<Option<Simulated>> = const { RefCell::new(None) };
}

/// Runs `body` on the calling thread as thread number `thread` of a simulator, from its first turn
/// to its last. While it runs, every function of `machine` on this thread asks the simulator. A
/// panic of `body` is passed on, after the last turn was given up.
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

/// Returns the simulator of the calling thread.
///
/// # Panics
/// If no simulator runs it.
#[cold]
pub(super) fn simulated() -> Simulated {
    let simulated = SIMULATED.with(|simulated| simulated.borrow().clone());
    simulated.expect("the flag is set where this is")
}

/// Returns the simulator that runs the calling thread, and the thread's number there, if one does.
pub fn this_simulation() -> Option<(Arc<dyn Simulator>, usize)> {
    is_simulated().then(|| {
        let Simulated { simulator, thread } = simulated();
        (simulator, thread)
    })
}

/// Returns whether a simulator runs the calling thread. A look at a thread-local flag.
#[inline]
pub fn is_simulated() -> bool {
    IS_SIMULATED.get()
}

/// Returns what the clock says: the simulator's, on a thread that it runs.
#[inline]
pub fn now() -> Instant {
    if is_simulated() {
        return simulated().simulator.now();
    }
    Instant::now()
}

/// Marks a place in the pool's code, at which a simulator may let another thread go on; see
/// [`Point`].
#[inline]
pub fn point(point: Point) {
    if is_simulated() {
        let Simulated { simulator, thread } = simulated();
        simulator.point(thread, point);
    }
}

/// Lets other threads go on.
#[inline]
pub fn yield_now() {
    if is_simulated() {
        let Simulated { simulator, thread } = simulated();
        return simulator.yield_now(thread);
    }
    thread::yield_now();
}

/// Sleeps until the thread is unparked, or until the limit; it may return early.
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

/// Sleeps for `time`; an unpark does not end it. In a simulation it only yields.
pub fn sleep(time: Duration) {
    if is_simulated() {
        return yield_now(); // no yield is long there, so nobody has a reason to
    }
    thread::sleep(time);
}

/// Returns the next number for a job, where a simulator numbers them.
#[inline]
pub fn next_job() -> Option<u64> {
    is_simulated().then(|| simulated().simulator.next_job())
}

/// Returns a choice among `options`, where a simulator makes them.
pub fn draw(options: usize) -> Option<usize> {
    is_simulated().then(|| simulated().simulator.draw(options))
}

/// Returns how many turns the threads of a simulation have had.
pub fn turns() -> Option<u64> {
    is_simulated().then(|| simulated().simulator.turns())
}

/// Locks, whether or not another thread panicked while it held the lock.
///
/// A simulated thread yields instead of waiting: a real wait would never end while the simulator
/// holds back the thread that has the lock.
#[inline]
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    if is_simulated() {
        return lock_in_turns(mutex);
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tries the lock, and yields, until it is free.
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

/// A thread that can be unparked: one of the system's, or a simulated one.
#[derive(Clone)]
pub struct Thread(Kind);

/// What a [`Thread`] is.
#[derive(Clone)]
enum Kind {
    /// A thread that no simulator runs.
    Real(thread::Thread),
    /// A thread of a simulator, which is unparked there.
    Simulated(Simulated),
}

/// Returns the calling thread.
pub fn current() -> Thread {
    if is_simulated() {
        return Thread(Kind::Simulated(simulated()));
    }
    Thread(Kind::Real(thread::current()))
}

impl Thread {
    /// Lets the thread return from its park, now or the next time.
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
