//! The one way in which a thread waits: it polls a future and parks in between, without a limit or
//! up to one.
//!
//! Joining, waiting for room, for quiet and for the end of a shutdown are futures; their blocking
//! and timed forms are these few lines around them.

pub(crate) mod foreign_thread;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::job::id::JobId;
use crate::job::watch_list::Watch;
use crate::pool::lifecycle::{Awaits, Lifecycle};
use crate::sys::machine::{self, Thread};
use crate::worker::Worker;

pub use foreign_thread::{Blocked, when_blocked};

/// Parks the thread that made it until its waker fires.
///
/// The flag, not the thread's park token, carries the wake: a job may park and unpark threads as it
/// likes.
#[derive(Debug)]
pub(crate) struct Parker(Arc<ThreadWaker>);

/// What a parker and its wakers share.
#[derive(Debug)]
struct ThreadWaker {
    /// The thread that made the parker, and alone parks at it.
    thread: Thread,
    /// Whether the waker has fired since the last return from a park. Set with Release, and taken
    /// with Acquire.
    is_woken: AtomicBool,
}

impl Parker {
    /// Returns a parker for the calling thread.
    pub(crate) fn new() -> Self {
        Self(Arc::new(ThreadWaker {
            thread: machine::current(),
            is_woken: AtomicBool::new(false),
        }))
    }

    /// Returns a waker that ends the park. It may outlive the parker.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    /// Returns true once the waker has fired since the last return, or false at `limit`. A thread
    /// of an adopted engine runs what that engine has for it meanwhile.
    pub(crate) fn park(&self, limit: Option<Instant>) -> bool {
        // ORDERING: Acquire pairs with the waker's Release: what it did before is visible to the
        // next poll.
        while !self.0.is_woken.swap(false, Ordering::Acquire) {
            if limit.is_some_and(|limit| machine::now() >= limit) {
                return false;
            }
            match foreign_thread::help() {
                Some(Blocked::Helped) => {}
                Some(Blocked::NothingToDo) => {
                    let next_look = machine::now() + HELP_EVERY;
                    machine::park(Some(limit.map_or(next_look, |limit| limit.min(next_look))));
                }
                None => machine::park(limit),
            }
        }
        true
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// Sets the flag and unparks the thread. Any thread may call this, also after the wait is over:
    /// then the next park returns at once.
    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release, see `park`.
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// How long a job that waits for its whole pool parks between two looks for a task that it must run
/// itself.
const HELP_EVERY: Duration = Duration::from_millis(1);

/// Runs `future` to its end within a job of `worker`, and queued tasks in between: the pool that it
/// waits for may need this very worker. Without a worker it only waits. `limit` is asked before
/// each park, and bounds that park; the future itself must end at the limit.
///
/// A task that is run here keeps the caller until it returns. So tasks are left to a worker that
/// has nothing to do, unless it does not take them by the next look.
pub(crate) fn block_on_helping<F: Future>(
    mut future: Pin<&mut F>,
    worker: Option<&Worker>,
    awaits: Awaits,
    limit: impl Fn() -> Option<Instant>,
) -> F::Output {
    let parker = Parker::new();
    let waker = parker.waker();
    let mut cx = Context::from_waker(&waker);
    let mut has_helped = false;
    let mut is_left_to_others = false;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        if let Some(worker) = worker {
            let was_left = std::mem::replace(&mut is_left_to_others, false);
            if !was_left && worker.life().roster.sleep.is_somebody_idle() {
                is_left_to_others = true;
            } else if worker.help(awaits) {
                has_helped = true;
                is_left_to_others = was_left;
                continue;
            }
        }
        if std::mem::take(&mut has_helped)
            && let Some(worker) = worker
        {
            // What ran here may have been the last: a worker that rests says so to all that wait
            // for quiet, this one too.
            worker.life().tell_watchers();
        }
        let next_look = worker.map(|_| machine::now() + HELP_EVERY);
        let _woken = parker.park([limit(), next_look].into_iter().flatten().min());
    }
}

/// Does the same in async code, where the job that waits may keep the worker that it is on: queued
/// tasks run within the polls. `worker` is asked at each poll for the pool's worker that the
/// polling thread is.
///
/// A future whose suspension frees its worker does not help. For the others, the pool's clock wakes
/// the task every [`HELP_EVERY`], so that it looks again.
pub(crate) async fn helping<F: Future>(
    mut future: Pin<&mut F>,
    worker: impl Fn() -> Option<Worker>,
    awaits: Awaits,
) -> F::Output {
    let (watch, look_again) = (Watch::default(), JobId::next());
    // The pool whose clock has the alarm.
    let mut alarm: Option<Arc<Lifecycle>> = None;
    let mut disarm = |next: Option<Arc<Lifecycle>>| {
        if let Some(life) = std::mem::replace(&mut alarm, next) {
            life.timer.forget(&watch, look_again);
        }
    };
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                disarm(None);
                return Poll::Ready(output);
            }
            let worker = worker();
            if let Some(worker) = &worker {
                // One that a runtime hosts gives its worker away meanwhile.
                worker.awaits_own_pool();
            }
            let Some(worker) = worker.filter(Worker::keeps_place) else {
                return Poll::Pending;
            };
            if !worker.must_drive_awaited() || !worker.help(awaits) {
                let next_look = machine::now() + HELP_EVERY;
                disarm(Some(Arc::clone(worker.life())));
                let clock = &worker.life().timer;
                if !clock.wake_at(&watch, next_look, look_again, cx.waker()) {
                    // Nobody will wake this one, so it looks again at once.
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            // What ran here may have been the last, for others that wait for quiet.
            worker.life().tell_watchers();
        }
    })
    .await
}

/// How many times a thread looks before it sleeps. A look costs a yield, some hundred nanoseconds
/// on a core that nobody else wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks(u32);

impl Looks {
    /// For a thread that joins. A job that starts at once is over by then. While one does not
    /// start, it is best to leave the core.
    pub(crate) const JOINER: Self = Self(16);
    /// For a worker: its sleep costs the next submitter a system call.
    pub(crate) const WORKER: Self = Self(16);
    /// For a worker to whom yields do harm.
    pub(crate) const NONE: Self = Self(0);
    /// For a submitter at a full queue: after a longer wait it finds many free places.
    pub(crate) const SUBMITTER: Self = Self(18);

    /// Returns half as many, that many times over; none in the end.
    pub(crate) fn halved(self, times: u32) -> Self {
        Self(self.0.checked_shr(times).unwrap_or(0))
    }

    /// Returns the number of looks. In a simulation it is one: there a longer search does not last
    /// longer.
    fn count(self) -> u32 {
        if machine::is_simulated() { 1 } else { self.0 }
    }
}

/// How many looks come without giving up the core: as many as take about as long, all in all, as a
/// job's way to another core and back. A thread that yields instead is away for longer than that,
/// though nobody else wants the core.
const LOOKS_SPINNING: u32 = if cfg!(pool_loom) { 1 } else { 5 };

/// Whether all threads of this process share one core, so that a thread that spins keeps the one it
/// waits for from running.
static HAS_ONE_CORE: AtomicBool = AtomicBool::new(false);

/// Asks the system for the number of cores, once in a process. Each pool does so before its first
/// job.
pub(crate) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let has_one = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
        HAS_ONE_CORE.store(has_one, Ordering::Relaxed);
    });
}

/// Looks a while whether something has happened: by a few spins, then between yields. Returns true
/// once it has. Does not sleep.
pub(crate) fn look_a_while(looks: Looks, mut has_happened: impl FnMut() -> bool) -> bool {
    has_happened() || spin_a_while(&mut has_happened) || look_between_yields(looks, has_happened)
}

/// Looks whether something has happened that another core is about to do, without giving up this
/// one. Returns true once it has. Does not look at all on a machine with one core, or in a
/// simulation.
///
/// The spins grow: what is looked at lies on a cache line that another thread is about to write,
/// and each look costs that thread the line's way back.
pub(crate) fn spin_a_while(mut has_happened: impl FnMut() -> bool) -> bool {
    // Nobody else runs while a simulated thread spins.
    let may_spin = !HAS_ONE_CORE.load(Ordering::Relaxed) && !machine::is_simulated();
    may_spin
        && (0..LOOKS_SPINNING).any(|look| {
            (0..1 << look).for_each(|_| std::hint::spin_loop());
            has_happened()
        })
}

/// Looks `looks` times, each time after a yield. Returns true once it has happened.
pub(crate) fn look_between_yields(looks: Looks, mut has_happened: impl FnMut() -> bool) -> bool {
    (0..looks.count()).any(|_| {
        machine::yield_now();
        has_happened()
    })
}

/// Does the same from `now` on, and tells how long each yield lasted. Returns that of the one after
/// which it had happened; `None` if it has not. In a simulation the times are zero: there a thread
/// is away for as long as the schedule says.
pub(crate) fn time_between_yields(
    now: Instant,
    looks: Looks,
    note_yield: impl Fn(Duration),
    mut has_happened: impl FnMut() -> bool,
) -> Option<Duration> {
    let mut before = now;
    (0..looks.count()).find_map(|_| {
        machine::yield_now();
        let since = std::mem::replace(&mut before, machine::now());
        let lasted = if machine::is_simulated() {
            Duration::ZERO
        } else {
            before.saturating_duration_since(since)
        };
        note_yield(lasted);
        has_happened().then_some(lasted)
    })
}

thread_local! {
    /// The thread's parker, while no wait is under way that uses it.
    static SPARE: Cell<Option<Parker>> = const { Cell::new(None) };
}

/// The thread's parker for one wait; a wait within that one gets another. Most waits so cost no
/// allocation.
struct OwnParker(Option<Parker>);

impl OwnParker {
    /// Takes the thread's spare parker, or makes one.
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
        // A waker of the former wait may still fire: the next wait then polls once more than it
        // must. A thread whose locals are gone keeps none.
        let _gone = SPARE.try_with(|spare| spare.set(self.0.take()));
    }
}

/// Runs `future` on this thread, which parks between polls. Returns `None` if `limit` passed first;
/// the future is dropped then.
///
/// Within a job this keeps its worker, whatever kind of job it is: so jobs that are awaited make
/// progress within the polls, and the engine is told of a thread that polls futures.
pub(crate) fn block_on<F: Future>(future: F, limit: Option<Instant>) -> Option<F::Output> {
    let worker = Worker::current().filter(|worker| !worker.life().is_forked());
    match &worker {
        Some(worker) => worker.block(|| poll_to_end(future, limit, Some(worker))),
        None => poll_to_end(future, limit, None),
    }
}

/// Does the part of that which is due on every thread.
fn poll_to_end<F: Future>(
    future: F,
    limit: Option<Instant>,
    worker: Option<&Worker>,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let parker = OwnParker::take();
    let waker = parker.waker();
    let mut cx = Context::from_waker(&waker);
    let mut poll = || future.as_mut().poll(&mut cx);
    loop {
        let polled = match worker {
            Some(worker) => worker.blocking_poll(&mut poll),
            None => poll(),
        };
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        if !parker.park(limit) {
            return None;
        }
    }
}
