//! The one way in which a thread waits: it polls a future and parks in between, for ever or up to a limit.
//!
//! Joining, waiting for room, for quiet and for the end of a shutdown are futures; their blocking and timed forms are these
//! few lines around them.

use std::cell::Cell;
use std::future::Future;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::machine::{self, Thread};
use crate::worker::Worker;

/// Parks this thread until its waker fires.
///
/// The flag, not the thread's park token, carries the wake: a job may park and unpark threads as it likes.
#[derive(Debug)]
pub(crate) struct Parker(Arc<ThreadWaker>);

#[derive(Debug)]
struct ThreadWaker {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Parker {
    pub(crate) fn new() -> Self {
        Self(Arc::new(ThreadWaker {
            thread: machine::current(),
            is_woken: AtomicBool::new(false),
        }))
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    /// Returns once the waker has fired since the last return, or at `limit`. False at the limit.
    pub(crate) fn park(&self, limit: Option<Instant>) -> bool {
        // ORDERING: Acquire pairs with the waker's Release: what it did before is visible to the next poll.
        while !self.0.is_woken.swap(false, Ordering::Acquire) {
            if limit.is_some_and(|limit| machine::now() >= limit) {
                return false;
            }
            machine::park(limit);
        }
        true
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release, see `park`.
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// How long a job that waits for its whole pool parks between two looks for a task that it must run itself.
const HELP_EVERY: Duration = Duration::from_millis(1);

/// Runs `future` to its end within a job of `worker`, and queued tasks in between: the pool that it waits for may need this
/// very worker. `limit` is looked at anew before each park; the future sees to it that it ends then.
pub(crate) fn block_on_helping<F: Future>(
    mut future: Pin<&mut F>,
    worker: Option<&Worker>,
    limit: impl Fn() -> Option<Instant>,
) -> F::Output {
    let parker = Parker::new();
    let waker = parker.waker();
    let mut cx = Context::from_waker(&waker);
    let mut has_helped = false;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        if worker.is_some_and(Worker::help) {
            has_helped = true;
            continue;
        }
        if std::mem::take(&mut has_helped)
            && let Some(worker) = worker
        {
            // What ran here may have been the last: a worker that rests says so to all who wait for quiet, this one too.
            worker.life().tell_watchers();
        }
        let next_look = worker.map(|_| machine::now() + HELP_EVERY);
        let _woken = parker.park([limit(), next_look].into_iter().flatten().min());
    }
}

/// How often one looks before one sleeps, and how many of these looks come without giving up the core.
const LOOKS: u32 = 24;
const LOOKS_SPINNING: u32 = 6;

/// Looks a while whether something has happened: about a microsecond by spinning, then between yields. True once it has.
///
/// The spins grow ever longer: what is looked at lies on a cache line that somebody is about to write, and each look costs that
/// somebody the line's way back. They are short in sum, since whoever is waited for may be waiting for this very core.
pub(crate) fn look_a_while(mut has_happened: impl FnMut() -> bool) -> bool {
    has_happened() || look_from(0, has_happened)
}

/// The same between yields alone: for a submitter that finds a queue full. It gives its core to a worker that has none, and comes back to
/// many free places instead of one.
pub(crate) fn look_between_yields(has_happened: impl FnMut() -> bool) -> bool {
    look_from(LOOKS_SPINNING, has_happened)
}

fn look_from(first: u32, mut has_happened: impl FnMut() -> bool) -> bool {
    if machine::is_simulated() {
        // Nobody else runs while this one spins, and one who waits longer is no longer in the simulator's eyes.
        machine::yield_now();
        return has_happened();
    }
    (first..LOOKS).any(|look| {
        if look < LOOKS_SPINNING {
            (0..1 << look).for_each(|_| std::hint::spin_loop());
        } else {
            machine::yield_now();
        }
        has_happened()
    })
}

thread_local! {
    /// The thread's parker, while no wait is under way that uses it.
    static SPARE: Cell<Option<Parker>> = const { Cell::new(None) };
}

/// The thread's parker for one wait; a wait within that one gets another.
struct OwnParker(Option<Parker>);

impl OwnParker {
    fn take() -> Self {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        Self(Some(spare.unwrap_or_else(Parker::new)))
    }
}

impl Deref for OwnParker {
    type Target = Parker;

    fn deref(&self) -> &Parker {
        self.0.as_ref().expect("it is there until the drop")
    }
}

impl Drop for OwnParker {
    fn drop(&mut self) {
        // A waker of the former wait may still fire: the next wait then polls once more than it must. A thread whose locals are gone
        // keeps none.
        let _gone = SPARE.try_with(|spare| spare.set(self.0.take()));
    }
}

/// Runs `future` on this thread. `None` if `limit` passed first.
pub(crate) fn block_on<F: Future>(future: F, limit: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(future);
    let parker = OwnParker::take();
    let waker = parker.waker();
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        if !parker.park(limit) {
            return None;
        }
    }
}
