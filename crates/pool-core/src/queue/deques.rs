//! The deques of threads that run jobs: the owner pushes and pops at one end, thieves take at the
//! other.
//!
//! A queue makes one deque for each of its threads, and a thread takes a spare one at its first
//! look for a task. It keeps it in a thread-local, so that a push finds the deque without a lookup
//! that other threads share. A thread that ends leaves its deque behind: what is in it is stolen by
//! others.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::task::boxed::{BoxedTask, Boxes};
use crate::task::{TaskPlace, TaskRef};
use crossbeam_deque::{Steal, Stealer, Worker as Deque};

thread_local! {
    /// The deques that the calling thread has taken.
    static OWN: RefCell<Owned> = const {
        RefCell::new(Owned {
            last: None,
            others: Vec::new(),
        })
    };
}

/// The calling thread's deques: one of its own pool's, or a few, where pools share threads.
struct Owned {
    /// The one that was taken last, which is that of the thread's own pool in most cases.
    last: Option<Rc<Own>>,
    /// Those that were taken before.
    others: Vec<Rc<Own>>,
}

/// The next number for a queue. None is given twice, so a thread-local that is left of a queue that
/// is gone matches no other.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// Alive as long as the queue is: threads forget the deques of queues whose token is gone.
struct Alive;

/// All deques of one queue, as thieves and new owners see them.
pub(super) struct Deques {
    /// The queue's number.
    number: u64,
    /// Dropped with the queue.
    _alive: Arc<Alive>,
    /// The thieves' ends, by the deques' index. Any thread may use them.
    stealers: Box<[Stealer<BoxedTask>]>,
    /// Deques that no thread has taken yet. Locked once by each thread.
    spare: Mutex<Vec<Own>>,
}

/// One deque with its owner's end. It is on its owner's thread once it is taken.
pub(super) struct Own {
    /// The number of the queue that it belongs to.
    queue: u64,
    /// Whether that queue is still there.
    life: Weak<Alive>,
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
const LEAST_TO_SWEEP: usize = 256;

impl Deques {
    /// Returns one deque for each of that many threads, all of them spare.
    pub(super) fn new(threads: usize) -> Self {
        let (alive, number) = (Arc::new(Alive), NEXT_NUMBER.fetch_add(1, Ordering::Relaxed));
        let spare: Vec<_> = (0..threads)
            .map(|index| Own {
                queue: number,
                life: Arc::downgrade(&alive),
                index,
                deque: Deque::new_lifo(),
                boxes: Boxes::default(),
                ended_before: Cell::new(0),
            })
            .collect();
        Self {
            number,
            _alive: alive,
            stealers: spare.iter().map(|own| own.deque.stealer()).collect(),
            spare: Mutex::new(spare),
        }
    }

    /// Returns the calling thread's deque, if it has one here. A thread that ends, and submits from
    /// the destructor of a local of its own, may have none any more.
    #[inline(always)]
    pub(super) fn own(&self) -> Option<Rc<Own>> {
        OWN.try_with(|owned| self.find(&owned.borrow()).cloned())
            .ok()
            .flatten()
    }

    /// Finds this queue's deque among those of the calling thread.
    #[inline(always)]
    fn find<'a>(&self, owned: &'a Owned) -> Option<&'a Rc<Own>> {
        match &owned.last {
            Some(own) if own.queue == self.number => Some(own),
            _ => self.find_other(owned),
        }
    }

    /// Finds it where it is not the one that was taken last.
    #[inline]
    fn find_other<'a>(&self, owned: &'a Owned) -> Option<&'a Rc<Own>> {
        owned.others.iter().find(|own| own.queue == self.number)
    }

    /// Gives the calling thread a deque, if there is one left. A thread whose locals are gone gets
    /// none: it looks for a task in a handler of the process's exit, which a job of its has called.
    ///
    /// The spare lock is not held while the thread-local is written. Deques of queues that are gone
    /// are forgotten here.
    #[cold]
    pub(super) fn take_spare(&self) {
        let _gone = OWN.try_with(|owned| {
            let Some(spare) = self.pop_spare() else {
                return;
            };
            let owned = &mut *owned.borrow_mut();
            owned.others.extend(owned.last.replace(Rc::new(spare)));
            // Those of queues that are no more are empty.
            owned.others.retain(|own| own.life.strong_count() != 0);
        });
    }

    /// Takes a spare deque, if one is left.
    fn pop_spare(&self) -> Option<Own> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.pop()
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

    /// Returns whether a [`sweep`](Self::sweep) is due, where `ended` jobs have ended in the queue's
    /// deques so far: half as many since the last one as there are tasks here, and some. So a sweep
    /// costs each of these jobs the same whatever is queued, and a deque whose owner pushes such
    /// jobs has no more dead tasks than living ones, and some.
    #[inline(always)]
    pub(super) fn is_sweep_due(&self, ended: usize) -> bool {
        let since = ended.wrapping_sub(self.ended_before.get());
        since >= LEAST_TO_SWEEP && since >= self.deque.len() / 2
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
