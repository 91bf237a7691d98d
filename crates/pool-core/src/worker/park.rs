//! The one way in which a thread waits: it polls a future and parks in between, for ever or up to a
//! limit.
//!
//! Joining, waiting for room, for quiet and for the end of a shutdown are futures; their blocking
//! and timed forms are these few lines around them.

pub(crate) mod blocked;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::job::id::JobId;
use crate::pool::lifecycle::{Awaits, Lifecycle};
use crate::sys::machine::{self, Thread};
use crate::worker::Worker;

pub use blocked::{Blocked, when_blocked};

/// Parks this thread until its waker fires.
///
/// The flag, not the thread's park token, carries the wake: a job may park and unpark threads as it
/// likes.
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
        // ORDERING: Acquire pairs with the waker's Release: what it did before is visible to the
        // next poll.
        while !self.0.is_woken.swap(false, Ordering::Acquire) {
            if limit.is_some_and(|limit| machine::now() >= limit) {
                return false;
            }
            match blocked::help() {
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
/// waits for may need this very worker. `limit` is looked at anew before each park; the future sees
/// to it that it ends then.
///
/// What is run here keeps the caller until it returns. So tasks are left to a worker that has
/// nothing to do, unless it does not take them by the next look.
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
            // What ran here may have been the last: a worker that rests says so to all who wait for
            // quiet, this one too.
            worker.life().tell_watchers();
        }
        let next_look = worker.map(|_| machine::now() + HELP_EVERY);
        let _woken = parker.park([limit(), next_look].into_iter().flatten().min());
    }
}

/// The same in async code, where who waits may keep the worker that it is on: queued tasks run
/// within the polls. `worker` is asked for the pool's worker that the polling thread is, at each
/// poll anew.
pub(crate) async fn helping<F: Future>(
    mut future: Pin<&mut F>,
    worker: impl Fn() -> Option<Worker>,
    awaits: Awaits,
) -> F::Output {
    let look_again = JobId::next();
    let mut alarm: Option<(Instant, Arc<Lifecycle>)> = None;
    let mut disarm = move |next: Option<(Instant, Arc<Lifecycle>)>| {
        if let Some((when, life)) = std::mem::replace(&mut alarm, next) {
            life.timer.forget(when, look_again);
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
                disarm(Some((next_look, Arc::clone(worker.life()))));
                let clock = &worker.life().timer;
                if !clock.wake_at(next_look, look_again, cx.waker()) {
                    // Nobody will wake this one, so it looks again at once.
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            // What ran here may have been the last, for others who wait for quiet.
            worker.life().tell_watchers();
        }
    })
    .await
}

/// How often one looks before one sleeps. A look costs a yield, some hundred nanoseconds on a core
/// that nobody else wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks(u32);

impl Looks {
    /// Who joins: a job that starts at once is over by then, and who waits for one that does not
    /// does best to leave its core.
    pub(crate) const JOINER: Self = Self(16);
    /// A worker: its sleep costs the next submitter a system call.
    pub(crate) const WORKER: Self = Self(16);
    /// A submitter at a full queue: it comes back to many free places.
    pub(crate) const SUBMITTER: Self = Self(18);

    /// Half as many, that many times over.
    pub(crate) fn halved(self, times: u32) -> Self {
        Self(self.0.checked_shr(times).unwrap_or(0))
    }

    fn count(self) -> u32 {
        // Who looks longer is no longer in a simulator's eyes.
        if machine::is_simulated() { 1 } else { self.0 }
    }
}

/// How many looks come without giving up the core: as many as take about as long, all in all, as a
/// job's way to another core and back. Who yields instead is away for longer than that, though
/// nobody else wants the core.
const LOOKS_SPINNING: u32 = if cfg!(pool_loom) { 1 } else { 5 };

/// Whether all threads of this process share one core, so that who spins keeps the one it waits for
/// from running.
static HAS_ONE_CORE: AtomicBool = AtomicBool::new(false);

/// Asks the system, once in a process. Each pool does so before its first job.
pub(crate) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let has_one = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
        HAS_ONE_CORE.store(has_one, Ordering::Relaxed);
    });
}

/// Looks a while whether something has happened: by a few spins, then between yields. True once it
/// has.
pub(crate) fn look_a_while(looks: Looks, mut has_happened: impl FnMut() -> bool) -> bool {
    has_happened() || spin_a_while(&mut has_happened) || look_between_yields(looks, has_happened)
}

/// Looks whether something has happened that another core is about to do, without giving up this
/// one. True once it has.
///
/// The spins grow: what is looked at lies on a cache line that somebody is about to write, and each
/// look costs that somebody the line's way back.
pub(crate) fn spin_a_while(mut has_happened: impl FnMut() -> bool) -> bool {
    // Nobody else runs while a simulated thread spins.
    let may_spin = !HAS_ONE_CORE.load(Ordering::Relaxed) && !machine::is_simulated();
    may_spin
        && (0..LOOKS_SPINNING).any(|look| {
            (0..1 << look).for_each(|_| std::hint::spin_loop());
            has_happened()
        })
}

/// The same between yields alone.
pub(crate) fn look_between_yields(looks: Looks, mut has_happened: impl FnMut() -> bool) -> bool {
    (0..looks.count()).any(|_| {
        machine::yield_now();
        has_happened()
    })
}

/// The same; tells how long the yield lasted after which it had happened. In a simulation not at
/// all: there a thread is away for as long as the schedule says, and no core is the less idle for
/// it.
pub(crate) fn time_between_yields(
    looks: Looks,
    mut has_happened: impl FnMut() -> bool,
) -> Option<Duration> {
    let mut before = machine::now();
    (0..looks.count()).find_map(|_| {
        machine::yield_now();
        let since = std::mem::replace(&mut before, machine::now());
        has_happened().then(|| {
            if machine::is_simulated() {
                Duration::ZERO
            } else {
                before.saturating_duration_since(since)
            }
        })
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
        // A waker of the former wait may still fire: the next wait then polls once more than it
        // must. A thread whose locals are gone keeps none.
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
