//! Which submitters wait for a place in a full queue, in order of arrival, and which may pass them.
//!
//! # Protocol
//! A submitter that was refused takes a ticket and **listens**: it leaves its waker in the line,
//! says that it waits, and only then tries. The thread that frees a place looks whether a submitter
//! waits *after* that. With a fence between the two on each side (heavy for the one that waits),
//! one of them sees the other: the try succeeds, or the freed place is seen by the one that frees
//! it.
//!
//! Each place that comes free **calls** one submitter: the first that listens. It does not listen
//! any more, so the next place calls the next one. A place that comes free while no submitter
//! listens is **spare**: the next one that comes has it. A submitter that is called comes, which is
//! a poll: it listens again, and tries. If it finds no place, since another has passed it, it keeps
//! its position, and is the first to be called again.
//!
//! The first to listen tries without a call if nobody else is called. It may get a place that came
//! free before any submitter said that it waits, and there may be more of those; so it calls the
//! next to **look**, which does the same. The first look that finds nothing ends that: all that
//! comes free later calls somebody or is spare.
//!
//! A submitter that goes without having followed a call passes it on.
//!
//! # Submitters that do not come
//! A thread that blocks here comes surely. A future may never be polled again: it was kept and
//! forgotten, or stands behind something that waits for this very line. It costs the one place it
//! was called for, and that for a time: while there are futures in the line, a clock begins a
//! **round** every 25 ms, and a future that was called before the last one and has not come by this
//! one is passed over. It is in nobody's way then, until it is polled again; the place goes to
//! others, and all that listen are called, up to one that surely comes, since those behind may be
//! forgotten as well. A future that comes after all has its old position, and the next time is
//! waited for twice as long: slow is not forgotten.
//!
//! Where there is no clock, a future is passed over as soon as it is called.
//!
//! # Which submitters may pass
//! A submitter that is awake may pass those in line, but only so often: **passes** are counted, and
//! are renewed when the first in line goes, admitted or not. None are given where the queue is
//! short. Otherwise a queue that is full once would stay a chain of hand-overs: each place that
//! comes free would wait until one certain thread has been woken, two switches of context for each
//! job, while those awake may not submit. So the first in line is passed a bounded number of times
//! before it has its place, and then the next is first (`R107`). This binds jobs of the same pool
//! too: one that finds a line, no pass and no spare place runs its child in place. Once the passes
//! are used up, places are taken by those called for them, and spare ones by those that come, so
//! that no submitter finds its place taken.
//!
//! # Children of jobs in a full queue
//! A job whose child finds no place runs it in place. Many of its children and of theirs would try
//! in vain as well, and each such try enters the books and leaves them again. So the first leaves a
//! **mark**, and the next place that comes free takes it away. A child that finds the mark runs in
//! place at once. A place that came free just before the mark was set does not take it away. So the
//! mark counts only while something is queued and no worker is idle: then the others have work, and
//! nobody would take the child sooner than its own submitter does; and the next of what is queued
//! takes the mark away.

mod admission;
mod changes;
mod line;
#[cfg(all(test, not(pool_loom)))]
mod tests;
mod timeouts;

use std::sync::{Arc, OnceLock};
use std::task::Waker;

use crossbeam_utils::CachePadded;

use crate::job::outcome::{drop_contained, wake_contained};
use crate::pool::capability::Capability;
use crate::pool::observer::Observers;
use crate::submit::refusals::RefusalCounts;
use crate::sys::asymmetric_fence::{heavy, light};
use crate::sys::sync::{AtomicUsize, LockExt, Mutex, Ordering};
pub(crate) use admission::{Admission, admit_in_line};
use changes::Changes;
use line::Line;
pub(crate) use line::{Call, Coming, LineState, Waiter};

/// The most that may pass the first in line, however long the queue.
const MAX_PASSES: usize = 64;

/// Of the pressure: a job of the pool has found the queue full, and no place came free since, as
/// far as its other jobs need to know; see [`Room::seems_full`].
const FULL: usize = 1;
/// Of the pressure: one that waits in line.
const WAITING: usize = 2;

/// How many may pass the first in line: half the capacity, up to the most. None where a hand-over
/// for each job is what a short queue comes to anyway, or where there is no bound.
fn passes(capability: Capability) -> usize {
    (capability.capacity.unwrap_or(0) / 2).min(MAX_PASSES)
}

/// Tells the submitters that wait for a place in a queue that one came free.
///
/// An executor has one, calls [`freed`](Self::freed) once for each place that comes free in its
/// queue, and [`wake_all`](Self::wake_all) after it has closed.
#[derive(Debug, Default)]
pub struct Room {
    /// What each submission and each freed place looks at: [`FULL`], and how many listen or were
    /// called, times [`WAITING`]. The number is that of the line when it was last unlocked, and
    /// changes under the lock.
    pressure: AtomicUsize,
    /// Places that came free while nobody listened; see [`Line`]. Written under the lock.
    spare: AtomicUsize,
    /// How many have passed the one that is first in line now. Back at 0 when that one goes.
    passed: AtomicUsize,
    /// The submitters that wait. No user code runs under the lock: wakers are called and dropped
    /// after.
    line: Mutex<Line>,
    /// The observers of the pool's jobs, for those that submit to it in whatever way. Set before
    /// the first job, and not at all if there are none: a submission looks at one word.
    observers: OnceLock<Arc<Observers>>,
    /// Done once it is decided whether there are any.
    has_decided: OnceLock<()>,
    /// Delayed jobs, which wait for no place.
    changes: Changes,
    /// Jobs that came back to their submitters. Apart from what each submission looks at.
    pub(crate) refusals: CachePadded<RefusalCounts>,
}

impl Room {
    /// Makes a room in which nobody waits.
    ///
    /// # Examples
    /// ```
    /// use pool_core::Room;
    ///
    /// let room = Room::new();
    /// room.freed(); // nobody to tell
    /// assert!(!room.has_line());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Has submitters show the options of their jobs to these. The first call decides, also if
    /// there are none: all generations of a pool tell those that it was built with.
    pub(crate) fn observe(&self, observers: Option<Arc<Observers>>) -> Option<Arc<Observers>> {
        self.has_decided.get_or_init(|| {
            if let Some(observers) = observers {
                let _first = self.observers.set(observers);
            }
        });
        self.observers.get().cloned()
    }

    /// Returns those who see the options of jobs that are submitted.
    #[inline(always)]
    pub(crate) fn observers(&self) -> Option<&Observers> {
        self.observers.get().map(Arc::as_ref)
    }

    /// Tells the next in line that a place came free, and it tries. Cheap while nobody waits.
    ///
    /// To be called once for each place, after it is free: a submitter that says that it waits
    /// either finds the place, or is found here. Any thread may call it. It calls wakers of those
    /// that wait, and contains their panics.
    ///
    /// # Examples
    /// ```
    /// use pool_core::Room;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// struct Places {
    ///     free: AtomicUsize,
    ///     room: Room,
    /// }
    ///
    /// impl Places {
    ///     fn give_back(&self) {
    ///         self.free.fetch_add(1, Ordering::Release);
    ///         self.room.freed(); // after the place is free, not before
    ///     }
    /// }
    /// let places = Places { free: AtomicUsize::new(0), room: Room::new() };
    /// places.give_back();
    /// assert_eq!(places.free.into_inner(), 1);
    /// ```
    #[inline]
    pub fn freed(&self) {
        // ORDERING: partner is the heavy fence in `listen`: this side has freed the place, that
        // side has said that it waits.
        light();
        if self.is_pressed() {
            self.freed_under_pressure();
        }
    }

    /// Does the part of [`freed`](Self::freed) that is due where the queue is, or just was, full.
    #[inline(never)]
    fn freed_under_pressure(&self) {
        if self.seems_full() {
            self.pressure.fetch_and(!FULL, Ordering::Relaxed);
        }
        if self.has_line() {
            self.call(Call::Place);
        }
    }

    /// Whether a submission looks twice before it tries: somebody waits in line, or the queue seems
    /// full to the jobs of the pool.
    #[inline]
    pub(crate) fn is_pressed(&self) -> bool {
        self.pressure.load(Ordering::Relaxed) != 0
    }

    /// Returns whether a job of the pool has found the queue full, and no place has come free
    /// since. An executor answers by it that it [seems full](crate::Executor::seems_full).
    ///
    /// A place that came free at the very moment of that job's try may be missed, until the next
    /// one. So a child is offered all the same while a worker is idle or nothing is queued: it runs
    /// in place only where the other workers have work.
    ///
    /// # Examples
    /// ```
    /// assert!(!pool_core::Room::new().seems_full());
    /// ```
    #[inline]
    pub fn seems_full(&self) -> bool {
        self.pressure.load(Ordering::Relaxed) & FULL != 0
    }

    /// A job of the pool has found the queue full.
    pub(crate) fn note_full(&self) {
        self.pressure.fetch_or(FULL, Ordering::Relaxed);
    }

    /// Has everybody in line look again: the executor has closed, or it has become another one.
    ///
    /// To be called after that can be seen. Those that find no place take their old positions. Jobs
    /// that are not due yet ([`after`](crate::ExecutorExt::after)) look as well.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::ExecutorExt;
    ///
    /// std::thread::scope(|threads| {
    ///     let waiting = threads.spawn(|| executor.spawn(|| 42).is_err());
    ///     while !executor.room().has_line() {
    ///         std::thread::yield_now();
    ///     }
    ///     pool.close(); // which calls `wake_all`
    ///     assert!(waiting.join().unwrap());
    /// });
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wake_all(&self) {
        let wakers = self.with_line(Line::dissolve);
        wakers.into_iter().for_each(wake_contained);
        self.tell_all_of_change();
    }

    /// Whether one that is awake may try before those in line; counts it as a pass, or takes a
    /// spare place, if so. `capability` is asked only where there is a line.
    #[inline]
    pub(crate) fn may_barge(&self, capability: impl FnOnce() -> Capability) -> bool {
        !self.has_line() || self.pass(passes(capability()))
    }

    /// The part of [`may_barge`](Self::may_barge) for a room with a line: takes a spare place or,
    /// otherwise, one of `most` passes.
    #[cold]
    fn pass(&self, most: usize) -> bool {
        // ORDERING: Acquire pairs with the Release in `with_line`, for the look at the line below.
        if self.spare.load(Ordering::Acquire) != 0 && self.with_line(Line::take_spare) {
            return true;
        }
        // A race lets a few more pass, at most one for each thread.
        let has_pass = self.passed.load(Ordering::Relaxed) < most
            && self.passed.fetch_add(1, Ordering::Relaxed) < most;
        // The line may have gone since the caller looked, and with it what was spare.
        has_pass || !self.has_line()
    }

    /// Returns whether a submitter waits that is not to be passed at will. The answer may be out of
    /// date at once.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(1).adopt(spawner).build()?;
    /// # let executor: &dyn pool_core::Executor = &pool;
    /// # let (open, gate) = std::sync::mpsc::channel::<()>();
    /// # let (started, has_started) = std::sync::mpsc::channel();
    /// # pool.spawn(move || (started.send(()), gate.recv()))?.detach();
    /// # has_started.recv()?;
    /// # pool.spawn(|| ())?.detach(); // fills the queue
    /// use pool_core::{Executor, ExecutorExt};
    ///
    /// assert!(executor.try_spawn(|| 42).is_err()); // refused, and does not wait
    /// assert!(!executor.room().has_line());
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn has_line(&self) -> bool {
        self.pressure.load(Ordering::Relaxed) >= WAITING
    }

    /// Calls the first that listens, and further ones up to one that comes, as far as can be known.
    /// A place for which nobody listens becomes spare.
    #[cold]
    fn call(&self, call: Call) {
        while let Some((waker, coming)) = self.with_line(|line| line.call_next(call)) {
            wake_contained(waker);
            if coming != Coming::Perhaps {
                return;
            }
        }
    }

    /// Takes a ticket: a position in line, behind all that have one. It does not listen yet.
    pub(crate) fn enter(&self, coming: Coming) -> Waiter {
        self.with_line(|line| line.enter(coming))
    }

    /// A submitter comes, at its first poll or after a call. It tries now if it may, and is called
    /// later. The fence is for the try: it comes after the submitter has said that it waits.
    pub(crate) fn listen(&self, waiter: &mut Waiter, waker: &Waker) -> LineState {
        // A waker's clone and drop are the user's code: not under the lock.
        let waker = waker.clone();
        let (state, former) = self.with_line(|line| line.listen(waiter, waker));
        drop_contained(former);
        if state.may_try {
            // ORDERING: partner is the light fence in `freed`.
            heavy();
        }
        state
    }

    /// A submitter that listens tried and found no place, so what seemed spare was not.
    fn found_full(&self, waiter: &Waiter) {
        // What is spare became so before it listened, or after it was called: then this changes
        // nothing.
        if self.spare.load(Ordering::Relaxed) != 0 {
            self.with_line(|line| line.found_full(waiter));
        }
    }

    /// A submitter goes, admitted or not. It passes on a call that it did not follow, and calls the
    /// next to `look` if it found a place that it was not called for.
    pub(crate) fn leave(&self, waiter: &Waiter, look: Option<Call>) {
        let left = self.with_line(|line| {
            let left = line.leave(waiter);
            // One that gives up further back brings the first no nearer, so it renews nothing.
            if left.was_first {
                self.passed.store(0, Ordering::Relaxed);
            }
            left
        });
        drop_contained(left.waker);
        for call in left.call.into_iter().chain(look) {
            self.call(call);
        }
    }

    /// Passes over the futures that do not come, as a part of this watch. True: there are others to
    /// watch, and it goes on.
    pub(crate) fn next_round(&self, watch: u64) -> bool {
        let (wakers, is_watched) = self.with_line(|line| {
            let waiting = line.settle().0;
            let next = line.next_round(watch);
            if line.settle().0 != waiting {
                // The one that was passed over may have been the first.
                self.passed.store(0, Ordering::Relaxed);
            }
            next
        });
        wakers.into_iter().for_each(wake_contained);
        is_watched
    }

    /// There will be no more rounds, as far as `waiter` can tell.
    fn unwatch(&self, waiter: &mut Waiter) {
        if let Some(call) = self.with_line(|line| line.unwatch(waiter)) {
            self.call(call);
        }
    }

    /// Changes the line, and then tells those that pass by what the counts are. All changes go
    /// through here.
    fn with_line<R>(&self, change: impl FnOnce(&mut Line) -> R) -> R {
        let mut line = self.line.lock_unpoisoned();
        let result = change(&mut line);
        let (waiting, spare) = line.settle();
        if waiting == 0 {
            self.passed.store(0, Ordering::Relaxed);
        }
        let before = self.pressure.load(Ordering::Relaxed) / WAITING;
        if waiting != before {
            let change = waiting.wrapping_sub(before).wrapping_mul(WAITING);
            self.pressure.fetch_add(change, Ordering::Relaxed);
        }
        // ORDERING: Release, see `pass`: a thread that finds nothing spare sees whether a submitter
        // waits.
        self.spare.store(spare, Ordering::Release);
        result
    }
}
