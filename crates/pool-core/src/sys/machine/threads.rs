//! Threads of the machine, which a simulator runs in turns if it runs the thread that starts them.
//!
//! A simulated thread is one of the system's all the same: its locals and its stack are its own.
//! Only when it goes on is not.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Point;
use super::simulated::{Simulated, Simulator, is_simulated, point, simulate, simulated};

/// A place for a thread that is about to start: its simulator and its number.
type Place = Option<(Arc<dyn Simulator>, usize)>;

fn begin(name: Option<&str>) -> io::Result<Place> {
    if !is_simulated() {
        return Ok(None);
    }
    let simulator = simulated().simulator;
    let thread = simulator.begin(name)?;
    Ok(Some((simulator, thread)))
}

fn run<T>(place: Place, body: impl FnOnce() -> T) -> T {
    match place {
        None => body(),
        Some((simulator, thread)) => simulate(simulator, thread, body),
    }
}

fn forget(place: &Place) {
    if let Some((simulator, thread)) = place {
        simulator.forget(*thread);
    }
}

fn number(place: &Place) -> Option<usize> {
    place.as_ref().map(|place| place.1)
}

/// Waits for a simulated thread's last turn, so that the wait in earnest that follows is short.
fn wait_for(thread: Option<usize>) {
    if let Some(other) = thread
        && is_simulated()
    {
        let Simulated { simulator, thread } = simulated();
        simulator.wait_for(thread, other);
    }
}

/// A thread that can be waited for.
pub struct JoinHandle<T> {
    std: thread::JoinHandle<T>,
    thread: Option<usize>,
}

impl<T> JoinHandle<T> {
    /// Waits for its end.
    ///
    /// # Errors
    /// The payload of its panic.
    pub fn join(self) -> thread::Result<T> {
        wait_for(self.thread);
        self.std.join()
    }

    /// The thread itself.
    pub fn thread(&self) -> &thread::Thread {
        self.std.thread()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}

/// Starts a thread.
///
/// # Panics
/// If the system refuses it.
pub fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let place = begin(None).expect("the simulated system gives a thread");
    let thread = number(&place);
    let std = thread::spawn(move || run(place, body));
    JoinHandle { std, thread }
}

/// Starts a thread with a name, and a stack size if not the system's.
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

/// Waits for the end of a thread, unless it is the caller.
pub fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != thread::current().id() {
        // What panicked there was reported by the panic hook.
        let _ended = thread.join();
    }
}

/// See [`scope`].
#[derive(Debug)]
pub struct Scope<'scope, 'env: 'scope> {
    std: &'scope thread::Scope<'scope, 'env>,
    started: Mutex<Vec<Option<usize>>>,
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a thread that may borrow.
    ///
    /// # Panics
    /// If the system refuses it.
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
    std: thread::ScopedJoinHandle<'scope, T>,
    thread: Option<usize>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for its end.
    ///
    /// # Errors
    /// The payload of its panic.
    pub fn join(self) -> thread::Result<T> {
        wait_for(self.thread);
        self.std.join()
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        point(Point::Ask);
        match self.thread {
            Some(thread) if is_simulated() => simulated().simulator.has_left(thread),
            _ => self.std.is_finished(),
        }
    }
}

/// Lets threads borrow from the caller, who waits for all of them.
///
/// # Panics
/// With the panic of `f`; or if a thread that nobody joined has panicked.
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
