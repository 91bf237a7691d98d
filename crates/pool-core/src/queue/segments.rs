//! A queue in linked segments: first in, first out, for any number of threads, with a bound that
//! costs nothing; memory and speed follow what is queued.
//!
//! # Shape
//! Tasks are pushed to the **back** segment and popped from the **front** one, which are the same
//! while the queue is short. A segment is a ring (`segments/segment.rs`), so a short queue goes
//! round in one segment whose memory stays warm, whatever the bound. A pusher that finds the ring
//! full closes it and links another behind it; a dequeuer that has emptied a closed segment goes on
//! to the next. Segments that came out are spare: the next pusher that needs one takes the last.
//! What is more than a few spares gives its pages back to the system (`segments/spares.rs`).
//!
//! # Positions
//! Each push has a **position**: one more than that of the push before, over all segments. A
//! segment's `tail` is the position to be pushed next, its `head` the one to be popped next; both
//! only grow, also where a segment is used again. So a thread that still has a pointer to a segment
//! that is spare by now, or is linked again, does no harm: its claim compares the position with the
//! one that it read, and fails. For this, segments are freed with the queue and no sooner; what
//! goes back to the system before are pages without a task.
//!
//! # Bound
//! A position may be pushed if it is below the **limit**: the head plus the capacity. The head only
//! grows, so a limit that was computed once stays right, if not up to date. Pushers keep it next to
//! the pointer to the back, and compute it again only when they come to it. So the bound is exact,
//! and costs no read-modify-write.
//!
//! An entry whose job ended in the queue has no place any more: such entries are told apart in
//! `segments/dead.rs`, and the limit is further by their number. Places that are taken by tasks
//! that lie elsewhere are **overdrawn**: a pusher compares a position that is further by their
//! number.
//!
//! # Order of a dequeuer's looks
//! A dequeuer reads the pointer to the front, the segment's head, the mark there, and then the
//! pointer again. If both are the same, the segment was the front at that moment, with a task at
//! its head. It stays the front for as long as that task is there, so the claim, which succeeds
//! only if the head has not moved, takes the oldest task of the queue.
//!
//! # What takes the lock
//! To close a segment and link another, and to go on to the next: once for each time that the queue
//! grows past a segment. A pusher that finds its segment closed waits for the lock, and so for the
//! link. And every pop, while an entry is queued whose job is over.

mod dead;
mod segment;
mod slots;
mod spares;

use std::fmt;
use std::mem::MaybeUninit;

use crossbeam_utils::{Backoff, CachePadded};

use self::dead::Dead;
use self::segment::{GUARDED, Popped, PoppedRun, Pushed, Segment};
use self::spares::Spares;
use crate::sys::sync::{AtomicPtr, AtomicUsize, LockExt, Mutex, Ordering};
use crate::task::{Task, TaskPlace, TaskRef};

/// The slots of a segment, where the capacity is not less: 64 KiB.
const SLOTS: usize = 1024;

/// The slots of the shortest segment: a dequeuer that is slow to empty a slot is met a lap later.
const MIN_SLOTS: usize = 64;

/// The step from one position to the next. The lowest bit of a tail says *closed*, that of a head
/// *guarded*.
const STEP: usize = 2;

/// The largest capacity whose limit can be told from a position that has wrapped. No memory holds
/// that many tasks.
const MAX_PLACES: usize = usize::MAX / 8;

/// See the module.
pub(crate) struct Segments {
    back: CachePadded<Back>,
    front: CachePadded<AtomicPtr<Segment>>,
    /// How far the limit is ahead of the head.
    reach: usize,
    slots: usize,
    locked: Mutex<Locked>,
}

/// What is changed under the queue's lock alone.
#[derive(Default)]
struct Locked {
    spares: Spares,
    dead: Dead,
}

struct Back {
    segment: AtomicPtr<Segment>,
    /// A position that may not be pushed yet, as far as is known: the true one or less.
    limit: AtomicUsize,
    /// How many places are taken by tasks that lie elsewhere, times [`STEP`].
    overdrawn: AtomicUsize,
}

// SAFETY: the queue owns its segments and their tasks, which are `Send`; the pointers are shared as
// the module describes.
unsafe impl Send for Segments {}
// SAFETY: as above.
unsafe impl Sync for Segments {}

impl Segments {
    /// Returns how many places there are.
    pub(crate) fn capacity(&self) -> usize {
        self.reach / STEP
    }

    /// An empty queue of `capacity` places, at least one.
    pub(crate) fn new(capacity: usize) -> Self {
        let slots = capacity.saturating_mul(2).clamp(MIN_SLOTS, SLOTS);
        Self::in_segments_of(slots.next_power_of_two(), capacity)
    }

    /// A queue whose segments have that many slots, a power of two.
    pub(crate) fn in_segments_of(slots: usize, capacity: usize) -> Self {
        let reach = STEP * capacity.min(MAX_PLACES);
        let first = Segment::first(slots);
        let spares = Spares {
            linked: 1,
            ..Spares::default()
        };
        Self {
            back: CachePadded::new(Back {
                segment: AtomicPtr::new(first),
                limit: AtomicUsize::new(reach),
                overdrawn: AtomicUsize::new(0),
            }),
            front: CachePadded::new(AtomicPtr::new(first)),
            reach,
            slots,
            locked: Mutex::new(Locked {
                spares,
                dead: Dead::new(),
            }),
        }
    }

    /// Queues a task, or gives it back if all places are taken. If its job is over, it had a place
    /// for a moment; then `freed` is called, to tell those who found the queue full meanwhile.
    #[inline(always)]
    pub(crate) fn push(&self, mut task: TaskRef<'_>, freed: impl Fn()) -> Result<(), Task> {
        let backoff = Backoff::new();
        loop {
            // ORDERING: Acquire pairs with the Release that linked the segment: it is whole.
            let back = self.back.segment.load(Ordering::Acquire);
            // SAFETY: segments live as long as the queue.
            let segment = unsafe { &*back };
            let may_push = |position| self.is_below_limit(position);
            let release = |position| self.release_unmarked(position);
            match segment.push(task, may_push, release, &freed, &backoff) {
                Pushed::Yes => return Ok(()),
                Pushed::PastLimit(task) => return Err(task.into_task()),
                Pushed::Blocked(refused) => {
                    task = refused;
                    self.grow(back);
                }
            }
        }
    }

    /// Takes the oldest task, to `place`; or gives that back.
    #[inline(always)]
    pub(crate) fn pop<'a>(&self, mut place: TaskPlace<'a>) -> Result<TaskRef<'a>, TaskPlace<'a>> {
        let backoff = Backoff::new();
        loop {
            // ORDERING: Acquire, as in `push`.
            let front = self.front.load(Ordering::Acquire);
            // SAFETY: segments live as long as the queue.
            let segment = unsafe { &*front };
            // ORDERING: Acquire only for the reload after the mark, which acquires: the load stays
            // behind it.
            let is_front = || self.front.load(Ordering::Acquire) == front;
            match segment.pop(place, is_front, &backoff) {
                Popped::Task(task) => return Ok(task),
                Popped::Nothing(unused) => return Err(unused),
                Popped::Moved(unused) => place = unused,
                Popped::Closed(unused) if self.advance(front) => place = unused,
                Popped::Closed(unused) => return Err(unused),
                Popped::Guarded(unused) => {
                    return match self.pop_through_lock() {
                        Some(task) => Ok(TaskRef::new(unused, task)),
                        None => Err(unused),
                    };
                }
            }
        }
    }

    /// Takes the oldest tasks, `at_most` as many, to the end of `tasks`. Fewer come only if the
    /// queue was found empty.
    ///
    /// One claim takes all that is found in a segment, so threads that empty the queue together
    /// seldom meet.
    pub(crate) fn pop_many(&self, at_most: usize, tasks: &mut Vec<Task>) {
        let backoff = Backoff::new();
        let end = tasks.len().saturating_add(at_most);
        while tasks.len() < end {
            // ORDERING: Acquire, as in `pop`, here and below.
            let front = self.front.load(Ordering::Acquire);
            // SAFETY: segments live as long as the queue.
            let segment = unsafe { &*front };
            let is_front = || self.front.load(Ordering::Acquire) == front;
            match segment.pop_run(end - tasks.len(), is_front, tasks) {
                PoppedRun::Tasks => {}
                PoppedRun::Again => backoff.spin(),
                PoppedRun::Closed if self.advance(front) => {}
                PoppedRun::Guarded => match self.pop_through_lock() {
                    Some(task) => tasks.push(task),
                    None => return,
                },
                PoppedRun::Closed | PoppedRun::Nothing => return,
            }
        }
    }

    /// Returns whether a task is queued, or a pusher is between claim and mark: there was no moment
    /// during the call at which neither was the case.
    pub(crate) fn has_claims(&self) -> bool {
        // In this order: neither position is less than it was when the head was read.
        let head = self.head();
        // ORDERING: Acquire, as in `push`. The tail of a segment that is the back no more is what
        // it was when it was closed, or what a later one is.
        let back = self.back.segment.load(Ordering::Acquire);
        // SAFETY: segments live as long as the queue.
        unsafe { &*back }.tail() != head & !GUARDED
    }

    /// Returns whether there is nothing to pop, as far as two loads of each end tell: for a look
    /// that costs next to nothing, by a thread that asks [`is_empty`](Self::is_empty) before it
    /// relies on the answer. It is right while nobody pushes or pops.
    #[inline(always)]
    pub(crate) fn seems_empty(&self) -> bool {
        // ORDERING: Acquire, as in `pop` and in `push`: the segments are whole.
        let front = self.front.load(Ordering::Acquire);
        let back = self.back.segment.load(Ordering::Acquire);
        // SAFETY: segments live as long as the queue.
        let (front, back) = unsafe { (&*front, &*back) };
        back.ends_at(front.head())
    }

    /// Returns about how many tasks are queued.
    pub(crate) fn about_len(&self) -> usize {
        // ORDERING: Acquire, as in `pop` and in `push`: the segments are whole.
        let front = self.front.load(Ordering::Acquire);
        let back = self.back.segment.load(Ordering::Acquire);
        // SAFETY: segments live as long as the queue.
        let (front, back) = unsafe { (&*front, &*back) };
        // Another thread may have moved one of them on meanwhile.
        let ahead = back.tail().wrapping_sub(front.head()).cast_signed();
        usize::try_from(ahead).unwrap_or(0) / STEP
    }

    /// Whether a `pop` would find nothing.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        loop {
            // ORDERING: as in `pop`.
            let front = self.front.load(Ordering::Acquire);
            // SAFETY: segments live as long as the queue.
            let segment = unsafe { &*front };
            let has_task = segment.has_task();
            if self.front.load(Ordering::Acquire) != front {
                continue;
            }
            match has_task {
                Some(has_task) => return !has_task,
                None if self.advance(front) => {}
                None => return true,
            }
        }
    }

    /// Takes places for that many tasks that lie elsewhere, also where none is left: pushes are
    /// refused then, until as many more have come free than otherwise.
    pub(crate) fn overdraw(&self, tasks: usize) {
        // ORDERING: Relaxed: outsiders push only once a swap has published the queue, and a child
        // is pushed by a job that was popped after this.
        let positions = tasks.wrapping_mul(STEP);
        self.back.overdrawn.fetch_add(positions, Ordering::Relaxed);
    }

    /// Gives such a place back.
    pub(crate) fn repay(&self) {
        self.back.overdrawn.fetch_sub(STEP, Ordering::Relaxed);
    }

    /// Whether a position may be pushed now.
    #[inline(always)]
    fn is_below_limit(&self, position: usize) -> bool {
        let overdrawn = self.back.overdrawn.load(Ordering::Relaxed);
        let position = position.wrapping_add(overdrawn);
        // ORDERING: Relaxed: whatever was stored is a limit.
        is_before(position, self.back.limit.load(Ordering::Relaxed)) || self.renew_limit(position)
    }

    /// Returns the head at some moment of the call: the position that was popped next, and whether
    /// it was guarded.
    #[inline]
    pub(crate) fn head(&self) -> usize {
        loop {
            // ORDERING: Acquire, as in `pop`. A segment that was taken out and linked again has a
            // head that is ahead of the queue's; if the pointer has not moved since, it is the
            // front's.
            let front = self.front.load(Ordering::Acquire);
            // SAFETY: segments live as long as the queue.
            let head = unsafe { &*front }.head();
            if self.front.load(Ordering::Acquire) == front {
                return head;
            }
        }
    }

    /// Computes the limit anew, and looks again.
    #[inline]
    fn renew_limit(&self, position: usize) -> bool {
        let head = self.head();
        let limit = if head & GUARDED == 0 {
            head.wrapping_add(self.reach)
        } else {
            self.limit_through_lock()
        };
        self.back.limit.store(limit, Ordering::Relaxed);
        is_before(position, limit)
    }

    /// Links a segment behind `full`, unless somebody has done it.
    #[cold]
    fn grow(&self, full: *mut Segment) {
        let spares = &mut self.locked.lock_unpoisoned().spares;
        if self.back.segment.load(Ordering::Relaxed) != full {
            return;
        }
        // SAFETY: it lives as long as the queue.
        let full = unsafe { &*full };
        let position = full.close();
        let next = spares.take(self.slots, position);
        // SAFETY: as above.
        unsafe { &*next }.open(position);
        full.link(next);
        // ORDERING: Release publishes the segment.
        self.back.segment.store(next, Ordering::Release);
        spares.linked += 1;
    }

    /// Goes on to the segment behind `front`, which is closed. Returns whether to look again: it
    /// has gone on, or somebody else has. Otherwise a pusher is between claim and mark in `front`.
    #[cold]
    fn advance(&self, front: *mut Segment) -> bool {
        let mut locked = self.locked.lock_unpoisoned();
        self.front.load(Ordering::Relaxed) != front || self.advance_locked(&mut locked)
    }

    /// Goes on to the segment behind the front. Returns false if the front is not at its end.
    fn advance_locked(&self, locked: &mut Locked) -> bool {
        let front = self.front.load(Ordering::Relaxed);
        // SAFETY: it lives as long as the queue.
        let segment = unsafe { &*front };
        let Some(next) = segment.next_if_at_its_end() else {
            return false;
        };
        // SAFETY: as above.
        let next_segment = unsafe { &*next };
        next_segment.move_head(locked.guarding(next_segment.head()));
        // ORDERING: Release, as in `grow`.
        self.front.store(next, Ordering::Release);
        segment.move_head(segment.head() & !GUARDED);
        locked.take_out(front);
        true
    }
}

/// Whether a position comes before another one that is less than half of all numbers away.
#[inline(always)]
fn is_before(position: usize, other: usize) -> bool {
    position.wrapping_sub(other).cast_signed() < 0
}

impl Locked {
    /// The head for a position: guarded while an entry is dead.
    fn guarding(&self, position: usize) -> usize {
        if self.dead.is_empty() {
            position
        } else {
            position | GUARDED
        }
    }

    /// Keeps a segment that is linked no more.
    fn take_out(&mut self, segment: *mut Segment) {
        self.spares.linked -= 1;
        self.spares.add(segment);
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        while self.pop(&mut MaybeUninit::uninit()).is_ok() {}
        let spares = std::mem::take(&mut self.locked.lock_unpoisoned().spares);
        // All others have been emptied, and taken out.
        let last = self.back.segment.load(Ordering::Relaxed);
        for segment in spares.into_all().chain([last]) {
            // SAFETY: `Segment` made it of a box; each segment is in one of these places, once.
            drop(unsafe { Box::from_raw(segment) });
        }
    }
}

impl fmt::Debug for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segments")
            .field("capacity", &self.capacity())
            .field("is_empty", &self.is_empty())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests;
