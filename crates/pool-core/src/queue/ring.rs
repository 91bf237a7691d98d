//! A bounded queue in an array: first in, first out, for any number of threads; one cache line and
//! one read-modify-write a side.
//!
//! # Protocol
//! A **position** is a lap and an index into the array, packed so that one addition leads to the
//! next. `tail` is the next position to be pushed, `head` the next to be popped. Each slot has a
//! mark, which goes round in this order:
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
//! bit 0 says *full*, bit 1 the lap's parity. An empty slot holds the whole lap, shifted past bit
//! 0.
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
//! has marked, so none of the tasks behind it is forgotten. A dequeuer between claim and mark makes
//! the queue look full to a pusher that comes round; it tells the room after it has marked.

mod slots;

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;

use crossbeam_utils::{Backoff, CachePadded};

use self::slots::Slots;
use crate::sys::sync::{AtomicPtr, AtomicUsize, Ordering, UnsafeCell};
use crate::task::{Body, Task, TaskPlace, TaskRef, VTable};

/// In a mark: the slot is full.
const FULL: usize = 1;
/// In the mark of a full slot: the lap is odd.
const ODD_LAP: usize = 1 << 1;
/// The bits of a full slot's mark that are not the vtable's address.
const TAGS: usize = FULL | ODD_LAP;

const _: () = assert!(align_of::<VTable>() > TAGS);

/// How many slots ahead a pusher asks for the line: long enough for it to arrive from another core.
const AHEAD: usize = 4;

/// The bounded queue. Neither a push nor a pop waits for another thread.
pub(crate) struct Ring {
    /// The next position to be pushed. Advanced by pushers.
    tail: CachePadded<AtomicUsize>,
    /// The next position to be popped. Advanced by dequeuers.
    head: CachePadded<AtomicUsize>,
    /// As many slots as the capacity. The index of a position is the index of its slot.
    slots: Slots,
    /// What is added to a position for the same index in the next lap: a power of two, at least the
    /// capacity.
    one_lap: usize,
}

/// A place for one task, which is a cache line.
#[repr(C, align(64))]
pub(crate) struct Slot {
    /// Empty for a lap, or full of a lap; then it also holds the task's vtable. Written with
    /// Release by the thread that has claimed the position, and read with Acquire.
    mark: AtomicPtr<VTable>,
    /// The rest of the task, while the mark says full.
    body: UnsafeCell<MaybeUninit<Body>>,
}

// SAFETY: the queue owns its tasks, which are `Send`; a slot's body is touched only by the one that
// has claimed its position, until it marks the slot.
unsafe impl Send for Ring {}
// SAFETY: as above.
unsafe impl Sync for Ring {}

impl Ring {
    /// Returns an empty queue of `capacity` places, at least one; or `None` if there is no memory
    /// for it.
    pub(crate) fn new(capacity: usize) -> Option<Self> {
        Some(Self {
            tail: CachePadded::new(AtomicUsize::new(0)),
            head: CachePadded::new(AtomicUsize::new(0)),
            slots: Slots::new(capacity)?,
            one_lap: capacity.next_power_of_two(),
        })
    }

    /// Queues a task, or gives it back if all places are taken. A place whose dequeuer is half done
    /// counts as taken.
    ///
    /// # Errors
    /// The queue is full: the task.
    #[inline(always)]
    pub(crate) fn push(&self, task: TaskRef<'_>) -> Result<(), Task> {
        let backoff = Backoff::new();
        // ORDERING: Acquire, here and in the reload: the mark is read after the position that it is
        // compared with.
        let mut tail = self.tail.load(Ordering::Acquire);
        loop {
            let index = self.index(tail);
            let slot = &self.slots[index];
            // ORDERING: Acquire pairs with the Release of the dequeuer that emptied the slot: its
            // read of the body is over.
            if slot.mark.load(Ordering::Acquire) == self.empty_mark(tail) {
                let next = self.next(tail);
                match self.tail.compare_exchange_weak(
                    tail,
                    next,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => {
                        self.ask_for(index + AHEAD);
                        self.fill(slot, tail, task);
                        return Ok(());
                    }
                    Err(now) => tail = now,
                }
                backoff.spin();
            } else {
                let now = self.tail.load(Ordering::Acquire);
                if now == tail {
                    return Err(task.into_task());
                }
                tail = now;
            }
        }
    }

    /// Moves the oldest task to `place`.
    ///
    /// # Errors
    /// The queue is empty, or ends at a pusher that is half done: the place.
    #[inline(always)]
    pub(crate) fn pop<'a>(&self, place: TaskPlace<'a>) -> Result<TaskRef<'a>, TaskPlace<'a>> {
        let backoff = Backoff::new();
        // ORDERING: Acquire, see the module's section on the parity.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let slot = self.slot(head);
            // ORDERING: Acquire pairs with the Release in `fill`: the body is whole.
            let mark = slot.mark.load(Ordering::Acquire);
            if self.is_full(mark, head) {
                match self.head.compare_exchange_weak(
                    head,
                    self.next(head),
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => {
                        self.ask_for(self.index(head) + 1);
                        return Ok(self.empty(slot, head, mark, place));
                    }
                    Err(now) => head = now,
                }
                backoff.spin();
            } else {
                let now = self.head.load(Ordering::Acquire);
                if now == head {
                    return Err(place);
                }
                head = now;
            }
        }
    }

    /// Returns whether a `pop` would find nothing. A push that is complete before the call is seen.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // ORDERING: as in `pop`.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if self.is_full(self.slot(head).mark.load(Ordering::Acquire), head) {
                return false;
            }
            let now = self.head.load(Ordering::Acquire);
            if now == head {
                return true;
            }
            head = now;
        }
    }

    /// Puts a task into a slot whose position the caller has claimed, and marks it full.
    #[inline(always)]
    fn fill(&self, slot: &Slot, position: usize, task: TaskRef<'_>) {
        // SAFETY: this thread has claimed the position, and the slot was empty for it: nobody
        // touches the body before the mark.
        let vtable = slot
            .body
            .with_mut(|place| unsafe { task.move_body_to(&mut *place) });
        let tags = FULL | self.parity(position);
        let mark = ptr::from_ref(vtable).map_addr(|address| address | tags);
        // ORDERING: Release publishes the body.
        slot.mark.store(mark.cast_mut(), Ordering::Release);
    }

    /// Takes the task out of a slot whose position the caller has claimed, and marks it empty for
    /// the next lap. `mark` is what the caller has read there.
    #[inline(always)]
    fn empty<'a>(
        &self,
        slot: &Slot,
        position: usize,
        mark: *mut VTable,
        place: TaskPlace<'a>,
    ) -> TaskRef<'a> {
        let vtable = mark.map_addr(|address| address & !TAGS);
        // SAFETY: this thread has claimed the position, and read its mark as full: the body is
        // whole, and nobody else's. `fill` made the mark of a vtable's reference, and these are the
        // two parts of one task, used once.
        let task = slot
            .body
            .with_mut(|body| unsafe { TaskRef::from_parts(&*vtable, &*body, place) });
        // ORDERING: Release: the read of the body is over before a pusher writes the next.
        slot.mark.store(
            self.empty_mark(position.wrapping_add(self.one_lap)),
            Ordering::Release,
        );
        task
    }

    /// Has the line of a slot on its way while the pusher prepares what it will put there.
    #[inline]
    fn ask_for(&self, index: usize) {
        if let Some(slot) = self.slots.get(index) {
            expect_write(slot);
        }
    }

    /// Returns the slot of a position.
    #[inline]
    fn slot(&self, position: usize) -> &Slot {
        &self.slots[self.index(position)]
    }

    /// Returns the index of a position in the array.
    #[inline]
    fn index(&self, position: usize) -> usize {
        position & (self.one_lap - 1)
    }

    /// Returns the position after this one: the next index, or the first of the next lap.
    #[inline]
    fn next(&self, position: usize) -> usize {
        let index = self.index(position) + 1;
        if index < self.slots.len() {
            position + 1
        } else {
            (position - self.index(position)).wrapping_add(self.one_lap)
        }
    }

    /// Returns the lap's parity as it stands in the mark of a full slot.
    #[inline]
    fn parity(&self, position: usize) -> usize {
        if position & self.one_lap == 0 {
            0
        } else {
            ODD_LAP
        }
    }

    /// Returns the mark of a slot that is empty for the lap of `position`: zero in the first lap,
    /// as the memory comes.
    #[inline]
    fn empty_mark(&self, position: usize) -> *mut VTable {
        ptr::without_provenance_mut((position - self.index(position)) << 1)
    }

    /// Returns whether a mark says that the slot is full of the lap of `position`.
    #[inline]
    fn is_full(&self, mark: *mut VTable, position: usize) -> bool {
        mark.addr() & TAGS == FULL | self.parity(position)
    }
}

/// Drops the tasks that are left, and so abandons their jobs.
impl Drop for Ring {
    fn drop(&mut self) {
        while self.pop(&mut MaybeUninit::uninit()).is_ok() {}
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("capacity", &self.slots.len())
            .field("is_empty", &self.is_empty())
            .finish_non_exhaustive()
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

#[cfg(all(test, not(pool_loom)))]
mod tests;
