//! `Segment`: a ring of slots; one cache line and one read-modify-write a side.
//!
//! # Protocol
//! A segment that is opened at a position takes tasks from there on. The low bits of a position
//! say which slot is meant, and the rest in which lap. Each slot has a mark, which goes round in
//! this order:
//! ```text
//! empty, for lap L ──push──▶ full, of lap L ──pop──▶ empty, for lap L + 1 ──push──▶ …
//! ```
//! A pusher that reads `tail` and finds its slot empty for that lap claims the position by
//! advancing `tail`; the claim succeeds only if `tail` has not moved, so nobody else has written
//! that slot since. It writes the task, then the mark. A dequeuer does the same at `head`: it finds
//! the slot full of that lap, claims, takes the task out, then marks the slot empty for the next
//! lap.
//!
//! A slot is 64 bytes, one line, which travels from the pusher's core to the dequeuer's and back.
//! So the mark has no word of its own. It is the task's vtable pointer, whose low bits are zero:
//! bit 0 says *full*, bit 1 the lap's parity. An empty slot holds the position of the lap's start,
//! whose bit 0 is zero.
//!
//! # Why the parity suffices
//! A dequeuer that is slow between claim and mark leaves its slot full of lap L while others may
//! pop all the rest and come round to it, at lap L + 1: the parity tells them that this is not
//! theirs. They cannot come round twice: nobody pushes at L + 1 before the slow one has marked. The
//! claims release and the reads of `head` acquire, so a dequeuer at lap L + 1 never reads a mark
//! older than the one that the dequeuer of lap L saw.
//!
//! # Half-done operations
//! A pusher between claim and mark makes the queue end there for dequeuers; it notifies after it
//! has marked, so none of the tasks behind it is forgotten. A dequeuer between claim and mark
//! blocks a pusher that comes round to its slot; that pusher closes the segment and goes on in
//! another.
//!
//! # Opened again
//! A spare segment is opened at a position far ahead. Its marks are written for that first, which
//! is possible only if no dequeuer is between claim and mark any more. A dequeuer that still has a
//! head of before may read a mark of now, and take it for full if the parity is the same. But then
//! it also sees that the head has moved, and its claim fails.

use std::mem::MaybeUninit;
use std::ptr;

use crossbeam_utils::{Backoff, CachePadded};

use super::STEP;
use super::slots::Slots;
use crate::sys::sync::{AtomicPtr, AtomicUsize, Ordering, UnsafeCell};
use crate::task::{Body, Task, TaskPlace, TaskRef, VTable};

/// Of a tail: another segment follows, and nothing is pushed here any more.
const CLOSED: usize = 1;

/// Of a head: an entry is dead, and pops go through the queue's lock (`dead`).
pub(super) const GUARDED: usize = 1;

const FULL: usize = 1;
const ODD_LAP: usize = 1 << 1;
const TAGS: usize = FULL | ODD_LAP;

const _: () = assert!(align_of::<VTable>() > TAGS);

/// How many slots ahead a pusher asks for the line: long enough for it to arrive from another core.
const AHEAD: usize = 4;

/// How often a pusher looks again at a slot that a dequeuer is emptying.
const LOOKS_AT_A_BLOCKED_SLOT: usize = if cfg!(pool_loom) { 0 } else { 64 };

pub(super) struct Segment {
    tail: CachePadded<AtomicUsize>,
    head: CachePadded<AtomicUsize>,
    /// The segment behind this one, once this one is closed.
    next: AtomicPtr<Segment>,
    /// What is added to a position for the same slot in the next lap.
    lap: usize,
    slots: Slots,
}

#[repr(C, align(64))]
pub(super) struct Slot {
    pub(super) mark: AtomicPtr<VTable>,
    pub(super) body: UnsafeCell<MaybeUninit<Body>>,
}

/// What came of a push.
pub(super) enum Pushed<'a> {
    Yes,
    /// The queue is full.
    PastLimit(TaskRef<'a>),
    /// This segment is full, or closed.
    Blocked(TaskRef<'a>),
}

/// What came of a pop.
pub(super) enum Popped<'a> {
    Task(TaskRef<'a>),
    /// The queue is empty, or ends here until a pusher has marked its slot.
    Nothing(TaskPlace<'a>),
    /// This segment is not the front any more.
    Moved(TaskPlace<'a>),
    /// This segment is closed, and nothing was found in it.
    Closed(TaskPlace<'a>),
    /// The head is guarded.
    Guarded(TaskPlace<'a>),
}

/// What came of a pop of many.
pub(super) enum PoppedRun {
    /// They are in the caller's list.
    Tasks,
    /// The queue is empty, or ends here until a pusher has marked its slot.
    Nothing,
    /// Another thread has popped, or this segment is not the front any more.
    Again,
    /// This segment is closed, and nothing was found in it.
    Closed,
    /// The head is guarded.
    Guarded,
}

impl Segment {
    /// The first segment of a queue, in memory of its own, open from position 0 on.
    pub(super) fn first(slots: usize) -> *mut Self {
        let first = Self::boxed(Slots::marked(slots));
        // SAFETY: nobody else knows it.
        unsafe { &*first }.open(0);
        first
    }

    /// Closed segments, whose marks are not written yet, next to each other in memory.
    pub(super) fn unmarked(
        count: usize,
        slots: usize,
    ) -> impl DoubleEndedIterator<Item = *mut Self> {
        Slots::unmarked(count, slots).map(Self::boxed)
    }

    fn boxed(slots: Slots) -> *mut Self {
        Box::into_raw(Box::new(Self {
            tail: CachePadded::new(AtomicUsize::new(CLOSED)),
            head: CachePadded::new(AtomicUsize::new(0)),
            next: AtomicPtr::new(ptr::null_mut()),
            lap: STEP * slots.len(),
            slots,
        }))
    }

    /// Opens a segment, whose marks are written for it, for pushes from `position` on. Called by
    /// the holder of the queue's lock, or before anybody else knows the segment.
    pub(super) fn open(&self, position: usize) {
        self.next.store(ptr::null_mut(), Ordering::Relaxed);
        // ORDERING: Release, here and below: a thread that reads the new position sees the marks.
        self.head.store(position, Ordering::Release);
        self.tail.store(position, Ordering::Release);
    }

    /// Writes the marks of a spare segment for pushes from `position` on. Called by the holder of
    /// the queue's lock.
    pub(super) fn mark_for(&self, position: usize) {
        for place in self.lap_from(position) {
            // ORDERING: Relaxed, see `open`.
            let mark = &self.slot(place).mark;
            mark.store(self.empty_mark(place), Ordering::Relaxed);
        }
    }

    /// Whether no dequeuer is between claim and mark in a spare segment. Called by the holder of
    /// the queue's lock.
    pub(super) fn is_left_by_all(&self) -> bool {
        let end = self.head.load(Ordering::Relaxed);
        self.lap_from(end).all(|place| {
            // ORDERING: Acquire pairs with the Release in `empty`: the read of the body is over.
            self.slot(place).mark.load(Ordering::Acquire) == self.empty_mark(place)
        })
    }

    /// Its memory.
    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The positions of one lap's length from this one on.
    fn lap_from(&self, position: usize) -> impl Iterator<Item = usize> {
        (0..self.slots.len()).map(move |index| position.wrapping_add(STEP * index))
    }

    /// Ends pushes here. Returns the position that comes next.
    pub(super) fn close(&self) -> usize {
        // ORDERING: Relaxed: the claims before it are found by their marks.
        self.tail.fetch_or(CLOSED, Ordering::Relaxed)
    }

    pub(super) fn link(&self, next: *mut Self) {
        // ORDERING: Relaxed: it is read by a holder of the lock.
        self.next.store(next, Ordering::Relaxed);
    }

    /// The next segment, if this one is closed and all its tasks have been claimed. Called by the
    /// holder of the queue's lock.
    pub(super) fn next_if_at_its_end(&self) -> Option<*mut Self> {
        let tail = self.tail.load(Ordering::Relaxed);
        // ORDERING: Acquire pairs with the claims of dequeuers: the segment's next use comes after.
        // The bit of a guarded head is that of a closed tail.
        let head = self.head.load(Ordering::Acquire);
        let next = self.next.load(Ordering::Relaxed);
        (tail == head | CLOSED && !next.is_null()).then_some(next)
    }

    /// Whether this segment is open, and the next position to be pushed is this one. Out of date at
    /// once.
    #[inline(always)]
    pub(super) fn ends_at(&self, position: usize) -> bool {
        self.tail.load(Ordering::Relaxed) == position
    }

    #[inline]
    pub(super) fn head(&self) -> usize {
        // ORDERING: Acquire: what the caller reads next is read after it.
        self.head.load(Ordering::Acquire)
    }

    /// Guards the head, and returns its position. It stands still from now on, but for the holder
    /// of the queue's lock, which the caller is.
    pub(super) fn guard(&self) -> usize {
        // ORDERING: AcqRel, as of a claim: one that has read the head before fails.
        self.head.fetch_or(GUARDED, Ordering::AcqRel) & !GUARDED
    }

    /// Writes the head: the position, and whether it is guarded. Called by the holder of the
    /// queue's lock, of a head that is guarded or of a segment that is not the front.
    pub(super) fn move_head(&self, head: usize) {
        // ORDERING: Release, as of a claim.
        self.head.store(head, Ordering::Release);
    }

    /// The position to be pushed next, here or in the next segment. Out of date at once.
    pub(super) fn tail(&self) -> usize {
        // ORDERING: Acquire: the marks are read after it.
        self.tail.load(Ordering::Acquire) & !CLOSED
    }

    /// The segment behind this one, for the holder of the queue's lock.
    pub(super) fn next(&self) -> Option<*mut Self> {
        let next = self.next.load(Ordering::Relaxed);
        (!next.is_null()).then_some(next)
    }

    /// The mark of a position that is pushed and not popped, once its pusher has set it. It stays
    /// so for the holder of the queue's lock while the head is guarded, and for one whose claim
    /// shows that the head had not moved.
    pub(super) fn mark_if_full(&self, position: usize) -> Option<*mut VTable> {
        // ORDERING: Acquire, as in `pop`.
        let mark = self.slot(position).mark.load(Ordering::Acquire);
        self.is_full(mark, position).then_some(mark)
    }

    /// Takes the task of a position out that the head has moved past: under the queue's lock, or by
    /// the thread that has claimed it.
    pub(super) fn take(&self, position: usize, mark: *mut VTable) -> Task {
        let mut place = MaybeUninit::uninit();
        let task = self.empty(self.slot(position), position, mark, &mut place);
        task.into_task()
    }

    /// Reads the task of a position that is marked full, and leaves the mark. To be read once.
    /// Called as [`mark_if_full`](Self::mark_if_full) is.
    pub(super) fn read_out(&self, position: usize) -> Task {
        let slot = self.slot(position);
        // ORDERING: Relaxed: `mark_if_full` has acquired, under the same lock.
        let mark = slot.mark.load(Ordering::Relaxed);
        self.read(slot, mark, &mut MaybeUninit::uninit())
            .into_task()
    }

    /// Moves the task of a position to one further on, whose task was moved or read out, and which
    /// is marked full. Called as [`mark_if_full`](Self::mark_if_full) is.
    pub(super) fn move_entry(&self, position: usize, target: &Self, furthest: usize) {
        let task = self.read_out(position);
        if let Some(job) = task.queued_job() {
            job.moved_to(furthest);
        }
        let mut place = MaybeUninit::uninit();
        target.write(
            target.slot(furthest),
            furthest,
            TaskRef::new(&mut place, task),
        );
    }

    /// Marks the slots of these positions empty for the next lap. The head has moved past them.
    pub(super) fn mark_empty(&self, start: usize, end: usize) {
        let mut position = start;
        while position != end {
            let next_lap = position.wrapping_add(self.lap);
            // ORDERING: Release, as in `empty`.
            let mark = &self.slot(position).mark;
            mark.store(self.empty_mark(next_lap), Ordering::Release);
            position = position.wrapping_add(STEP);
        }
    }

    /// Pushes a task, if `may_push` its position. If its job is over, calls `release` between claim
    /// and mark, which returns whether it has freed the place, and `freed` after that if it has.
    #[inline(always)]
    pub(super) fn push<'a>(
        &self,
        task: TaskRef<'a>,
        may_push: impl Fn(usize) -> bool,
        release: impl FnOnce(usize) -> bool,
        freed: impl FnOnce(),
        backoff: &Backoff,
    ) -> Pushed<'a> {
        let mut looks = 0;
        // ORDERING: Acquire, here and in the reloads: the mark is read after the position that it
        // is compared with.
        let mut tail = self.tail.load(Ordering::Acquire);
        loop {
            if tail & CLOSED != 0 {
                return Pushed::Blocked(task);
            }
            let slot = self.slot(tail);
            // ORDERING: Acquire pairs with the Release of the dequeuer that emptied the slot: its
            // read of the body is over.
            let is_free = slot.mark.load(Ordering::Acquire) == self.empty_mark(tail);
            if is_free && may_push(tail) {
                let next = tail.wrapping_add(STEP);
                match self.tail.compare_exchange_weak(
                    tail,
                    next,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => {
                        expect_write(self.slot(tail.wrapping_add(AHEAD * STEP)));
                        if let Some(job) = task.queued_job()
                            && job.enter_at(tail)
                        {
                            self.write_over(slot, tail, task, release, freed);
                        } else {
                            self.write(slot, tail, task);
                        }
                        return Pushed::Yes;
                    }
                    Err(now) => tail = now,
                }
                backoff.spin();
                continue;
            }
            let now = self.tail.load(Ordering::Acquire);
            if now != tail {
                tail = now;
            } else if !may_push(tail) {
                return Pushed::PastLimit(task);
            } else if looks < LOOKS_AT_A_BLOCKED_SLOT && self.is_being_emptied(tail) {
                looks += 1;
                std::hint::spin_loop();
            } else {
                return Pushed::Blocked(task);
            }
        }
    }

    /// Writes a task whose job is over.
    #[cold]
    fn write_over(
        &self,
        slot: &Slot,
        position: usize,
        task: TaskRef<'_>,
        release: impl FnOnce(usize) -> bool,
        freed: impl FnOnce(),
    ) {
        let is_freed = release(position);
        self.write(slot, position, task);
        if is_freed {
            freed();
        }
    }

    /// Whether a dequeuer has claimed what is in the slot of this position.
    fn is_being_emptied(&self, tail: usize) -> bool {
        let queued = tail.wrapping_sub(self.head.load(Ordering::Relaxed) & !GUARDED);
        queued < self.lap
    }

    /// Takes the oldest task, to `place`, if `is_front` after the look at its slot.
    #[inline(always)]
    pub(super) fn pop<'a>(
        &self,
        to: TaskPlace<'a>,
        is_front: impl Fn() -> bool,
        backoff: &Backoff,
    ) -> Popped<'a> {
        // ORDERING: Acquire, see the module's section on the parity.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if head & GUARDED != 0 {
                return Popped::Guarded(to);
            }
            let slot = self.slot(head);
            // ORDERING: Acquire pairs with the Release in `write`: the body is whole.
            let mark = slot.mark.load(Ordering::Acquire);
            if !is_front() {
                return Popped::Moved(to);
            }
            if self.is_full(mark, head) {
                match self.head.compare_exchange_weak(
                    head,
                    head.wrapping_add(STEP),
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => {
                        expect_write(self.slot(head.wrapping_add(STEP)));
                        return Popped::Task(self.empty(slot, head, mark, to));
                    }
                    Err(now) => head = now,
                }
                backoff.spin();
                continue;
            }
            let now = self.head.load(Ordering::Acquire);
            if now != head {
                head = now;
            } else if self.is_linked() {
                return Popped::Closed(to);
            } else {
                return Popped::Nothing(to);
            }
        }
    }

    /// Takes the oldest tasks, as many as `at_most` and as a lap has, to the end of `tasks`, by one
    /// claim, if `is_front` after the look at the slot of the first.
    ///
    /// The claim succeeds only if the head has not moved since it was read. So none of the tasks
    /// whose marks were read has been taken, and all of them are this thread's.
    pub(super) fn pop_run(
        &self,
        at_most: usize,
        is_front: impl FnOnce() -> bool,
        tasks: &mut Vec<Task>,
    ) -> PoppedRun {
        // ORDERING: as in `pop`; here as well no mark is read that is older than the last lap's.
        let head = self.head.load(Ordering::Acquire);
        if head & GUARDED != 0 {
            return PoppedRun::Guarded;
        }
        let is_full = |position: &usize| self.mark_if_full(*position).is_some();
        let has_one = is_full(&head);
        if !is_front() {
            return PoppedRun::Again;
        }
        if !has_one {
            return if self.head.load(Ordering::Acquire) != head {
                PoppedRun::Again
            } else if self.is_linked() {
                PoppedRun::Closed
            } else {
                PoppedRun::Nothing
            };
        }
        let more = self.lap_from(head).take(at_most).skip(1);
        let count = 1 + more.take_while(is_full).count();
        let end = head.wrapping_add(STEP * count);
        let claim = (self.head).compare_exchange(head, end, Ordering::AcqRel, Ordering::Acquire);
        if claim.is_err() {
            return PoppedRun::Again;
        }
        tasks.extend(self.lap_from(head).take(count).map(|position| {
            // ORDERING: Relaxed: this thread has read it by an Acquire load.
            let mark = self.slot(position).mark.load(Ordering::Relaxed);
            self.take(position, mark)
        }));
        PoppedRun::Tasks
    }

    /// Whether a task is at the head. `None`: there is none, and the segment is closed.
    #[inline]
    pub(super) fn has_task(&self) -> Option<bool> {
        // ORDERING: as in `pop`.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if self.is_full(self.slot(head).mark.load(Ordering::Acquire), head) {
                return Some(true);
            }
            let now = self.head.load(Ordering::Acquire);
            if now == head {
                return (!self.is_linked()).then_some(false);
            }
            head = now;
        }
    }

    /// Whether this segment is closed, and another one is linked behind it. Dequeuers look at this
    /// instead of the tail, whose line belongs to pushers.
    #[inline]
    fn is_linked(&self) -> bool {
        // ORDERING: Relaxed: a task behind the link that was pushed before the caller's look was
        // pushed after the link.
        !self.next.load(Ordering::Relaxed).is_null()
    }

    #[inline(always)]
    fn write(&self, slot: &Slot, position: usize, task: TaskRef<'_>) {
        // SAFETY: this thread has claimed the position, and the slot was empty for it: nobody
        // touches the body before the mark. Or it moves an entry, see `move_entry`: nobody else
        // does, and nobody claims.
        let vtable = slot
            .body
            .with_mut(|body| unsafe { task.move_body_to(&mut *body) });
        let tags = FULL | self.parity(position);
        let mark = ptr::from_ref(vtable).map_addr(|address| address | tags);
        // ORDERING: Release publishes the body.
        slot.mark.store(mark.cast_mut(), Ordering::Release);
    }

    #[inline(always)]
    fn empty<'a>(
        &self,
        slot: &Slot,
        position: usize,
        mark: *mut VTable,
        to: TaskPlace<'a>,
    ) -> TaskRef<'a> {
        let task = self.read(slot, mark, to);
        let next_lap = position.wrapping_add(self.lap);
        // ORDERING: Release: the read of the body is over before a pusher writes the next.
        slot.mark
            .store(self.empty_mark(next_lap), Ordering::Release);
        task
    }

    /// Reads the task of a slot, whose mark was read as full. Nobody else reads it.
    #[inline(always)]
    fn read<'a>(&self, slot: &Slot, mark: *mut VTable, to: TaskPlace<'a>) -> TaskRef<'a> {
        let vtable = mark.map_addr(|address| address & !TAGS);
        // SAFETY: this thread has claimed the position, or has the lock while nobody claims, and
        // read its mark as full: the body is whole, and nobody else's. `write` made the mark of a
        // vtable's reference, and these are the two parts of one task, used once.
        slot.body
            .with_mut(|body| unsafe { TaskRef::from_parts(&*vtable, &*body, to) })
    }

    #[inline(always)]
    fn slot(&self, position: usize) -> &Slot {
        self.slots.at(position / STEP)
    }

    #[inline(always)]
    fn parity(&self, position: usize) -> usize {
        if position & self.lap == 0 { 0 } else { ODD_LAP }
    }

    /// The mark of a slot that is empty for the lap of `position`: zero in the first lap, as the
    /// memory comes.
    #[inline(always)]
    fn empty_mark(&self, position: usize) -> *mut VTable {
        ptr::without_provenance_mut(position & !(self.lap - 1))
    }

    #[inline(always)]
    fn is_full(&self, mark: *mut VTable, position: usize) -> bool {
        mark.addr() & TAGS == FULL | self.parity(position)
    }
}

/// Tells the processor that the calling thread is going to write there. It changes only time.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn expect_write(slot: &Slot) {
    use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
    // SAFETY: a prefetch reads and writes nothing that a program can see, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_ET0>(ptr::from_ref(slot).cast()) };
}

/// Elsewhere there is no stable way to say so.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn expect_write(_slot: &Slot) {}
