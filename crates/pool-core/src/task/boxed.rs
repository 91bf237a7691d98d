//! `BoxedTask`: a task behind a pointer, for queues that move their entries about; and `Boxes`, a
//! thread's spare memory for them.
//!
//! A task is a cache line, and a queue that takes its entries in and out by value copies it several
//! times. Each of these copies reads in wide words what was written in narrow ones a moment before,
//! and a processor lets such a read wait until the writes have left it. A boxed task is written
//! once, and read once, to where it is run.
//!
//! The memory comes from the thread's slab. The thread that takes the task out keeps some of it at
//! hand, whichever thread's it was, and gives the rest back to where it came from: one whose jobs
//! submit jobs writes each into the memory of the one that it ran last.

use std::cell::Cell;
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use crate::task::slab::{self, Freed, Spot};
use crate::task::{Task, TaskPlace, TaskRef};

/// How many spare boxes a thread keeps. Each may keep a whole slab of 32, which is 64 KiB at the
/// worst.
const MAX_SPARE: u32 = 32;

/// A task in memory of its own. Dropped, it drops the task, which abandons its job.
///
/// For the engines of backends; a user of a pool never sees one.
///
/// It is one pointer and a number, so a deque moves it in two words.
///
/// # Examples
///
/// ```
/// # use std::mem::MaybeUninit;
/// # use pool_core::backend::SpawnPool;
/// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
/// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
/// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
/// # let handle = pool.submit(infallible_fn(|| 42).named("answer"))?;
/// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
/// use pool_core::backend::{Boxes, TaskRef};
///
/// let boxes = Boxes::default();
/// let boxed = boxes.wrap(TaskRef::new(&mut MaybeUninit::uninit(), task));
/// drop(boxed); // the job resolves as abandoned
/// assert!(handle.join().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BoxedTask(Place);

/// Memory for a task: free for the holder of this, or full, as the holder knows.
#[derive(Clone, Copy)]
struct Place {
    /// Room for a task, from the slab of some thread.
    memory: NonNull<Memory>,
    /// Where in its slab it is, by which it is freed.
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
    ///
    /// For a thread without [`Boxes`]; one that has them uses [`Boxes::unwrap`], which keeps the
    /// memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use pool_core::backend::SpawnPool;
    /// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let handle = pool.submit(infallible_fn(|| 42).named("answer"))?;
    /// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
    /// use pool_core::backend::{Boxes, TaskRef};
    ///
    /// let boxed = Boxes::default().wrap(TaskRef::new(&mut MaybeUninit::uninit(), task));
    /// assert_eq!(boxed.into_task().id(), handle.id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_task(self) -> Task {
        let place = ManuallyDrop::new(self).0;
        // SAFETY: a box holds a task, until this, which takes the box.
        let task = unsafe { place.memory.as_ref().assume_init_read() };
        // SAFETY: the task has been moved out, and the box is no more.
        unsafe { place.free() };
        task
    }
}

impl BoxedTask {
    /// Whether the task has nothing to run.
    pub(crate) fn is_over(&self) -> bool {
        // SAFETY: as in `into_task`; the task stays where it is.
        unsafe { self.0.memory.as_ref().assume_init_ref() }.is_over()
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

    /// Gives the memory back to where it came from.
    ///
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
///
/// It is `Send` and not `Sync`: a queue keeps one for each of its threads. A box may be unwrapped
/// by the boxes of another thread than the one that wrapped it.
///
/// # Examples
///
/// ```
/// # use std::mem::MaybeUninit;
/// # use pool_core::backend::SpawnPool;
/// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
/// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
/// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
/// # let handle = pool.submit(infallible_fn(|| 42).named("answer"))?;
/// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
/// use pool_core::backend::{Boxes, TaskRef};
///
/// let boxes = Boxes::default();
/// let (mut from, mut to) = (MaybeUninit::uninit(), MaybeUninit::uninit());
/// let boxed = boxes.wrap(TaskRef::new(&mut from, task));
/// let task = boxes.unwrap(boxed, &mut to); // keeps the memory for the next one
/// assert_eq!(task.id(), handle.id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Boxes {
    /// The spare place on top of the others.
    top: Cell<Option<Place>>,
    /// How many places are on the list: no more than [`MAX_SPARE`].
    spare: Cell<u32>,
    /// Those that went back to their slab, which is told of several at once.
    freed: Freed<Memory>,
}

// SAFETY: its places are nobody else's, and any thread may free them.
unsafe impl Send for Boxes {}

impl Boxes {
    /// Boxes a task.
    ///
    /// Uses a spare place of this list if there is one, otherwise memory of the calling thread's
    /// slab.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use pool_core::backend::SpawnPool;
    /// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let handle = pool.submit(infallible_fn(|| 42).named("answer"))?;
    /// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
    /// use pool_core::backend::{Boxes, TaskRef};
    ///
    /// let boxed = Boxes::default().wrap(TaskRef::new(&mut MaybeUninit::uninit(), task));
    /// assert_eq!(boxed.into_task().name(), Some("answer"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn wrap(&self, task: TaskRef<'_>) -> BoxedTask {
        let mut place = self.take().unwrap_or_else(Place::allocate);
        // SAFETY: the place is this call's own, and large enough; nothing in it is to be dropped.
        task.move_to(unsafe { place.memory.as_mut() });
        BoxedTask(place)
    }

    /// Takes a task out of its box, whichever thread made that, to `place`, and keeps the memory.
    ///
    /// Where as many places are spare as are kept, the memory goes back to its slab.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use pool_core::backend::SpawnPool;
    /// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let handle = pool.submit(infallible_fn(|| 42).named("answer"))?;
    /// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
    /// use pool_core::backend::{Boxes, TaskRef};
    ///
    /// let boxes = Boxes::default();
    /// let boxed = boxes.wrap(TaskRef::new(&mut MaybeUninit::uninit(), task));
    /// let mut place = MaybeUninit::uninit();
    /// assert_eq!(boxes.unwrap(boxed, &mut place).id(), handle.id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn unwrap<'a>(&self, boxed: BoxedTask, place: TaskPlace<'a>) -> TaskRef<'a> {
        let spare = ManuallyDrop::new(boxed).0;
        // SAFETY: a box holds a task, until this, which takes the box.
        let task = unsafe { TaskRef::read(spare.memory.as_ref(), place) };
        self.keep(spare);
        task
    }

    /// Takes the place on top of the list.
    #[inline(always)]
    fn take(&self) -> Option<Place> {
        let top = self.top.get()?;
        // SAFETY: what lies at a spare place is the place below it, written in `keep`.
        self.top.set(unsafe { top.memory.cast::<Below>().read() });
        self.spare.set(self.spare.get() - 1);
        Some(top)
    }

    /// Puts a place that is free on top of the list, or gives it back if the list is long enough.
    #[inline(always)]
    fn keep(&self, place: Place) {
        if self.spare.get() == MAX_SPARE {
            return self.give_back(place);
        }
        let below = self.top.replace(Some(place));
        // SAFETY: the place is this list's alone.
        unsafe { place.memory.cast::<Below>().write(below) };
        self.spare.set(self.spare.get() + 1);
    }

    /// Gives a place back that is free and not on the list.
    #[cold]
    fn give_back(&self, place: Place) {
        // SAFETY: `allocate` has taken it; its task has been moved out, and it is given up here.
        unsafe { self.freed.add(place.memory, place.spot) }
    }
}

impl Drop for Boxes {
    fn drop(&mut self) {
        while let Some(place) = self.take() {
            self.give_back(place);
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
