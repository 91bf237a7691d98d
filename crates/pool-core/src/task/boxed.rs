//! `BoxedTask`: a task behind a pointer, for queues that move their entries about; and `Boxes`, a
//! thread's spare memory for them.
//!
//! A task is a cache line, and a queue that takes its entries in and out by value copies it several
//! times. Each of these copies reads in wide words what was written in narrow ones a moment before,
//! and a processor lets such a read wait until the writes have left it. A boxed task is written
//! once, and read once, to where it is run.
//!
//! The memory comes from the thread's slab. The thread that takes the task out keeps some of it at
//! hand, whoever's it was, and gives the rest back to where it came from: one whose jobs submit
//! jobs writes each into the memory of the one that it ran last.

use std::cell::Cell;
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use crate::task::slab::{self, Spot};
use crate::task::{Task, TaskPlace, TaskRef};

/// How many spare boxes a thread keeps. Each may keep a whole slab of 32, which is 64 KiB at the
/// worst.
const MOST_SPARE: u32 = 32;

/// A task in memory of its own. Dropped, it drops the task, which abandons its job.
///
/// For the engines of backends; a user of a pool never sees one.
pub struct BoxedTask(Place);

/// Memory for a task: one that is free for whoever holds this, or that the holder says is full.
#[derive(Clone, Copy)]
struct Place {
    memory: NonNull<Memory>,
    spot: Spot,
}

/// What lies at a place: a task, or at a spare one the place below it.
type Memory = MaybeUninit<Task>;
type Below = Option<Place>;

const _: () = assert!(size_of::<Below>() <= size_of::<Memory>());
const _: () = assert!(align_of::<Below>() <= align_of::<Memory>());

// SAFETY: a box is its task, which is `Send`, and memory that any thread may free.
unsafe impl Send for BoxedTask {}

impl BoxedTask {
    /// Takes the task out, and frees its memory.
    pub fn into_task(self) -> Task {
        let place = ManuallyDrop::new(self).0;
        // SAFETY: a box holds a task, until this, which takes the box.
        let task = unsafe { place.memory.as_ref().assume_init_read() };
        // SAFETY: the task has been moved out, and the box is no more.
        unsafe { place.free() };
        task
    }
}

impl Drop for BoxedTask {
    fn drop(&mut self) {
        drop(Self(self.0).into_task());
    }
}

impl fmt::Debug for BoxedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxedTask").finish_non_exhaustive()
    }
}

impl Place {
    #[cold]
    fn allocate() -> Self {
        let (memory, spot) = slab::allocate();
        Self { memory, spot }
    }

    /// # Safety
    /// Nobody uses the place any more, and it is freed this once.
    #[cold]
    unsafe fn free(self) {
        // SAFETY: `allocate` has taken it; the rest is the caller's promise.
        unsafe { slab::free(self.memory, self.spot) }
    }
}

/// Boxes tasks and takes them out again, for one thread at a time.
///
/// For the engines of backends; a user of a pool never sees one.
#[derive(Default)]
pub struct Boxes {
    /// The spare place on top of the others.
    top: Cell<Option<Place>>,
    spare: Cell<u32>,
}

// SAFETY: its places are nobody else's, and any thread may free them.
unsafe impl Send for Boxes {}

impl Boxes {
    /// Boxes a task.
    #[inline(always)]
    pub fn wrap(&self, task: TaskRef<'_>) -> BoxedTask {
        let mut place = self.take().unwrap_or_else(Place::allocate);
        // SAFETY: the place is this call's own, and large enough; nothing in it is to be dropped.
        task.move_to(unsafe { place.memory.as_mut() });
        BoxedTask(place)
    }

    /// Takes a task out of its box, whoever made that, to `place`, and keeps the memory.
    #[inline(always)]
    pub fn unwrap<'a>(&self, boxed: BoxedTask, place: TaskPlace<'a>) -> TaskRef<'a> {
        let spare = ManuallyDrop::new(boxed).0;
        // SAFETY: a box holds a task, until this, which takes the box.
        let task = unsafe { TaskRef::read(spare.memory.as_ref(), place) };
        self.keep(spare);
        task
    }

    #[inline(always)]
    fn take(&self) -> Option<Place> {
        let top = self.top.get()?;
        // SAFETY: what lies at a spare place is the place below it, written in `keep`.
        self.top.set(unsafe { top.memory.cast::<Below>().read() });
        self.spare.set(self.spare.get() - 1);
        Some(top)
    }

    #[inline(always)]
    fn keep(&self, place: Place) {
        if self.spare.get() == MOST_SPARE {
            // SAFETY: the caller's task has been moved out, and the place is given up here.
            return unsafe { place.free() };
        }
        let below = self.top.replace(Some(place));
        // SAFETY: the place is this list's alone.
        unsafe { place.memory.cast::<Below>().write(below) };
        self.spare.set(self.spare.get() + 1);
    }
}

impl Drop for Boxes {
    fn drop(&mut self) {
        while let Some(place) = self.take() {
            // SAFETY: it was on the list, and is so no more.
            unsafe { place.free() };
        }
    }
}

impl fmt::Debug for Boxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Boxes")
            .field("spare", &self.spare)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests;
