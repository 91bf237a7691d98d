//! The deques of threads that run jobs: the owner pushes and pops at one end, thieves take at the
//! other.
//!
//! A queue makes one deque for each of its threads, and a thread takes a spare one at its first
//! look for a task. It keeps in a thread-local which one that is, so a push finds the deque without
//! a lookup that other threads share. A thread that ends leaves its deque behind: what is in it is
//! stolen by others.
//!
//! # Whose a deque is
//! The queue holds the owners' ends too, so they are alive in each of its calls and nobody counts
//! references to them. An owner's end is for one thread: the one that took its index. Each index is
//! taken once. The thread-local holds the queue's number next to the index, and no number is given
//! twice, so an index that is left of a queue that is gone matches no other queue.

use std::cell::{Cell, RefCell};
use std::panic::RefUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::task::boxed::{BoxedTask, Boxes};
use crate::task::{TaskPlace, TaskRef};
use crossbeam_deque::{Steal, Stealer, Worker as Deque};
use crossbeam_utils::CachePadded;

thread_local! {
    /// The deque that the calling thread took last: in most cases that of its own pool. It has
    /// nothing to drop, so there is no state of the thread-local to check first.
    static LAST: Cell<Place> = const { Cell::new(Place::NONE) };
    /// All that it has taken: one, or a few where pools share threads.
    static TAKEN: RefCell<Vec<Taken>> = const { RefCell::new(Vec::new()) };
}

/// Which deque of which queue.
#[derive(Clone, Copy)]
struct Place {
    /// The queue's number.
    queue: u64,
    /// The deque's index.
    index: usize,
}

impl Place {
    /// None: no queue has this number.
    const NONE: Self = Self {
        queue: u64::MAX,
        index: 0,
    };
}

/// A deque that a thread has taken.
struct Taken {
    place: Place,
    /// Whether its queue is still there.
    life: Weak<Alive>,
}

/// The next number for a queue. None is given twice.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// Alive as long as the queue is: threads forget the deques of queues whose token is gone.
struct Alive;

/// All deques of one queue, as thieves and new owners see them.
pub(super) struct Deques {
    /// The queue's number.
    number: u64,
    /// Dropped with the queue.
    alive: Arc<Alive>,
    /// The thieves' ends, by the deques' index. Any thread may use them.
    stealers: Box<[Stealer<BoxedTask>]>,
    /// The owners' ends, by the deques' index.
    owners: Owners,
    /// How many deques no thread has taken yet: those of the indices below it.
    spare: AtomicUsize,
}

/// The owners' ends of all deques of a queue. Each is for the thread that took its index.
struct Owners(Box<[CachePadded<Own>]>);

// SAFETY: `Deques::own` gives out an end by the thread-local of the calling thread alone, and that
// names an index which `Deques::take_spare` has given to this thread and to no other. So no two
// threads use one `Own`. It is dropped, and may be moved, with the queue, when no call is left.
unsafe impl Sync for Owners {}

/// Nothing of it is left half changed by a panic: no code of users runs in its calls.
impl RefUnwindSafe for Owners {}

/// The owner's end of one deque. Used by one thread: the one that took its index.
pub(super) struct Own {
    /// Which one it is among the queue's: also the index of its owner's local cache of permits.
    pub(super) index: usize,
    /// The owner's end: the newest task is popped first, and the oldest is stolen first.
    deque: Deque<BoxedTask>,
    /// Memory for the tasks that its owner submits.
    boxes: Boxes,
    /// How many jobs had ended in the queue's deques at the last sweep of this one.
    ended_before: Cell<usize>,
}

/// How many jobs end at least between two sweeps of a deque.
const MIN_TO_SWEEP: usize = 256;

impl Deques {
    /// Returns one deque for each of that many threads, all of them spare.
    pub(super) fn new(threads: usize) -> Self {
        let own = |index| {
            CachePadded::new(Own {
                index,
                deque: Deque::new_lifo(),
                boxes: Boxes::default(),
                ended_before: Cell::new(0),
            })
        };
        let owners: Box<[_]> = (0..threads).map(own).collect();
        Self {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            alive: Arc::new(Alive),
            stealers: owners.iter().map(|own| own.deque.stealer()).collect(),
            owners: Owners(owners),
            spare: AtomicUsize::new(threads),
        }
    }

    /// Returns the calling thread's deque, if it has one here.
    #[inline(always)]
    pub(super) fn own(&self) -> Option<&Own> {
        let last = LAST.get();
        let index = if last.queue == self.number {
            last.index
        } else {
            self.find_other()?
        };
        Some(&self.owners.0[index])
    }

    /// Finds it where it is not the one that was taken last. A thread that ends, and submits from
    /// the destructor of a local of its own, may have no others any more.
    #[inline]
    fn find_other(&self) -> Option<usize> {
        let find = |taken: &RefCell<Vec<Taken>>| {
            let taken = taken.borrow();
            let here = |taken: &&Taken| taken.place.queue == self.number;
            taken.iter().find(here).map(|taken| taken.place.index)
        };
        TAKEN.try_with(find).ok().flatten()
    }

    /// Gives the calling thread a deque, if there is one left. A thread whose locals are gone gets
    /// none: it looks for a task in a handler of the process's exit, which a job of its has called.
    ///
    /// Deques of queues that are gone are forgotten here.
    #[cold]
    pub(super) fn take_spare(&self) {
        let _gone = TAKEN.try_with(|taken| {
            let Some(index) = self.pop_spare() else {
                return;
            };
            let place = Place {
                queue: self.number,
                index,
            };
            let taken = &mut *taken.borrow_mut();
            taken.retain(|taken| taken.life.strong_count() != 0);
            taken.push(Taken {
                place,
                life: Arc::downgrade(&self.alive),
            });
            LAST.set(place);
        });
    }

    /// Takes the index of a spare deque, if one is left.
    fn pop_spare(&self) -> Option<usize> {
        let less = |spare: usize| spare.checked_sub(1);
        // ORDERING: Relaxed: the deques were there before the queue was shared, and an index is all
        // that is handed out.
        let spare = self
            .spare
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        spare.ok().map(|spare| spare - 1)
    }

    /// Takes the oldest task of a deque: the caller's own, so that no task waits without end below
    /// newer ones, or another's.
    pub(super) fn steal(&self, victim: usize) -> Option<BoxedTask> {
        retry(|| self.stealers[victim].steal())
    }

    /// Moves about half of a deque's tasks to `own`, and returns the first of them. Called by
    /// `own`'s owner. Between the two deques the moved tasks are seen by nobody.
    pub(super) fn steal_half(&self, victim: usize, own: &Own) -> Option<BoxedTask> {
        retry(|| self.stealers[victim].steal_batch_and_pop(&own.deque))
    }

    /// Returns how many deques there are, spare ones included.
    pub(super) fn len(&self) -> usize {
        self.stealers.len()
    }

    /// Returns whether all deques are empty. A push that comes before the call is seen.
    pub(super) fn is_empty(&self) -> bool {
        self.stealers.iter().all(Stealer::is_empty)
    }
}

impl Own {
    /// Pushes a task, in a box from the owner's memory. Called by the owner, as all methods here
    /// are.
    #[inline(always)]
    pub(super) fn push(&self, task: TaskRef<'_>) {
        self.deque.push(self.boxes.wrap(task));
    }

    /// Takes the newest task.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<BoxedTask> {
        self.deque.pop()
    }

    /// Takes a task out of its box, to `place`; the memory serves this thread's next push.
    #[inline(always)]
    pub(super) fn unwrap<'a>(&self, boxed: BoxedTask, place: TaskPlace<'a>) -> TaskRef<'a> {
        self.boxes.unwrap(boxed, place)
    }

    /// Returns whether a [`sweep`](Self::sweep) is due, where `ended` jobs have ended in the
    /// queue's deques so far: half as many since the last one as there are tasks here, and some. So
    /// a sweep costs each of these jobs the same whatever is queued, and a deque whose owner pushes
    /// such jobs has no more dead tasks than living ones, and some.
    #[inline(always)]
    pub(super) fn is_sweep_due(&self, ended: usize) -> bool {
        let since = ended.wrapping_sub(self.ended_before.get());
        since >= MIN_TO_SWEEP && since >= self.deque.len() / 2
    }

    /// Takes out the tasks that have nothing to run.
    pub(super) fn sweep(&self, ended: usize) -> Vec<BoxedTask> {
        self.ended_before.set(ended);
        let newest_first = std::iter::from_fn(|| self.pop());
        let (over, rest): (Vec<_>, Vec<_>) = newest_first.partition(BoxedTask::is_over);
        for task in rest.into_iter().rev() {
            self.deque.push(task);
        }
        over
    }

    /// Returns whether the deque is empty. Exact for tasks that the owner has pushed and nobody has
    /// stolen.
    pub(super) fn is_empty(&self) -> bool {
        self.deque.is_empty()
    }
}

/// Steals until it is clear whether there was something.
fn retry(steal: impl Fn() -> Steal<BoxedTask>) -> Option<BoxedTask> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests;
