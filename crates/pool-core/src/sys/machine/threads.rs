//! Threads of the machine, which a simulator runs in turns if it runs the thread that starts them.
//!
//! A simulated thread is nevertheless one of the system's: its locals and its stack are its own.
//! The simulator decides only when it goes on.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Point;
use super::simulated::{Simulated, Simulator, is_simulated, point, simulate, simulated};

/// A place for a thread that is about to start: its simulator and its number.
type Place = Option<(Arc<dyn Simulator>, usize)>;

/// Asks the caller's simulator, if it has one, for a place for a thread that the caller is about to
/// start.
///
/// # Errors
/// The simulated system refuses the thread.
fn begin(name: Option<&str>) -> io::Result<Place> {
    if !is_simulated() {
        return Ok(None);
    }
    let simulator = simulated().simulator;
    let thread = simulator.begin(name)?;
    Ok(Some((simulator, thread)))
}

/// Runs a thread's body at its place.
fn run<T>(place: Place, body: impl FnOnce() -> T) -> T {
    match place {
        None => body(),
        Some((simulator, thread)) => simulate(simulator, thread, body),
    }
}

/// Tells the simulator that the thread did not start after all.
fn forget(place: &Place) {
    if let Some((simulator, thread)) = place {
        simulator.forget(*thread);
    }
}

/// Returns the number of a simulated thread.
fn number(place: &Place) -> Option<usize> {
    place.as_ref().map(|place| place.1)
}

/// Waits for a simulated thread's last turn, so that the real wait that follows is short. Does
/// nothing on a thread that no simulator runs.
fn wait_for(thread: Option<usize>) {
    if let Some(other) = thread
        && is_simulated()
    {
        let Simulated { simulator, thread } = simulated();
        simulator.wait_for(thread, other);
    }
}

/// A thread that can be waited for. Dropped, it lets the thread go on by itself.
pub struct JoinHandle<T> {
    /// The system's handle.
    std: thread::JoinHandle<T>,
    /// The thread's number, if a simulator runs it.
    thread: Option<usize>,
}

impl<T> JoinHandle<T> {
    /// Waits for the thread's end, and returns what its body returned.
    ///
    /// # Errors
    /// The thread panicked: the payload of its panic.
    pub fn join(self) -> thread::Result<T> {
        wait_for(self.thread);
        self.std.join()
    }

    /// Returns the thread itself.
    pub fn thread(&self) -> &thread::Thread {
        self.std.thread()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}

/// Starts a thread without a name. A simulator that runs the caller runs the thread too.
///
/// # Panics
/// If the system, or the simulated one, refuses the thread.
pub fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let place = begin(None).expect("the simulated system gives a thread");
    let thread = number(&place);
    let std = thread::spawn(move || run(place, body));
    JoinHandle { std, thread }
}

/// Starts a thread with a name, and with a stack of `stack_size` bytes, or of the system's default
/// size. A simulator that runs the caller runs the thread too.
///
/// # Errors
/// The system, or the simulated one, refused the thread.
pub fn spawn_named<T: Send + 'static>(
    name: String,
    stack_size: Option<usize>,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let place = begin(Some(&name))?;
    let mut builder = thread::Builder::new().name(name);
    if let Some(bytes) = stack_size {
        builder = builder.stack_size(bytes);
    }
    let thread = number(&place);
    let own = place.clone();
    let std = builder
        .spawn(move || run(own, body))
        .inspect_err(|_| forget(&place))?;
    Ok(JoinHandle { std, thread })
}

/// Waits for the end of a thread, unless it is the caller. A panic of the thread is not passed on.
pub fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != thread::current().id() {
        // What panicked there was reported by the panic hook.
        let _ended = thread.join();
    }
}

/// Starts threads that may borrow from the caller of [`scope`].
#[derive(Debug)]
pub struct Scope<'scope, 'env: 'scope> {
    /// The system's scope.
    std: &'scope thread::Scope<'scope, 'env>,
    /// The numbers of the threads started so far, for the wait at the end.
    started: Mutex<Vec<Option<usize>>>,
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a thread that may borrow from the caller of [`scope`]. A simulator that runs the
    /// caller runs the thread too.
    ///
    /// # Panics
    /// If the system, or the simulated one, refuses the thread.
    pub fn spawn<T: Send + 'scope>(
        &self,
        body: impl FnOnce() -> T + Send + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        let place = begin(None).expect("the simulated system gives a thread");
        let thread = number(&place);
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.push(thread);
        drop(started);
        ScopedJoinHandle {
            std: self.std.spawn(move || run(place, body)),
            thread,
        }
    }
}

/// A thread of a [`Scope`] that can be waited for.
#[derive(Debug)]
pub struct ScopedJoinHandle<'scope, T> {
    /// The system's handle.
    std: thread::ScopedJoinHandle<'scope, T>,
    /// The thread's number, if a simulator runs it.
    thread: Option<usize>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the thread's end, and returns what its body returned.
    ///
    /// # Errors
    /// The thread panicked: the payload of its panic.
    pub fn join(self) -> thread::Result<T> {
        wait_for(self.thread);
        self.std.join()
    }

    /// Returns whether the thread has ended: in a simulation, whether it has given up its last
    /// turn.
    pub fn is_finished(&self) -> bool {
        point(Point::Ask);
        match self.thread {
            Some(thread) if is_simulated() => simulated().simulator.has_left(thread),
            _ => self.std.is_finished(),
        }
    }
}

/// Calls `f` with a scope whose threads may borrow from the caller, and waits for all of them
/// before it returns.
///
/// # Panics
/// With the panic of `f`; or if a thread that was not joined has panicked.
pub fn scope<'env, R>(f: impl for<'scope> FnOnce(&Scope<'scope, 'env>) -> R) -> R {
    thread::scope(|std| {
        let scope = Scope {
            std,
            started: Mutex::default(),
        };
        let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
        let started = scope.started.into_inner();
        let started = started.unwrap_or_else(PoisonError::into_inner);
        started.into_iter().for_each(wait_for);
        result.unwrap_or_else(|payload| resume_unwind(payload))
    })
}
