//! The deques of threads that run jobs: the owner pushes and pops at one end, thieves take at the
//! other.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::task::boxed::{BoxedTask, Boxes};
use crate::task::{TaskPlace, TaskRef};
use crossbeam_deque::{Steal, Stealer, Worker as Deque};

thread_local! {
    static OWN: RefCell<Owned> = const {
        RefCell::new(Owned {
            last: None,
            others: Vec::new(),
        })
    };
}

/// The calling thread's deques: one of its own pool's, or a few, where pools share threads.
struct Owned {
    /// The one that was taken last.
    last: Option<Rc<Own>>,
    others: Vec<Rc<Own>>,
}

/// Numbers for queues, none of which is given twice.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// There as long as the queue is.
struct Alive;

pub(super) struct Deques {
    number: u64,
    _alive: Arc<Alive>,
    stealers: Box<[Stealer<BoxedTask>]>,
    /// Deques that no thread has taken yet.
    spare: Mutex<Vec<Own>>,
}

pub(super) struct Own {
    /// The queue's number.
    queue: u64,
    life: Weak<Alive>,
    /// Which one it is, among the queue's.
    pub(super) index: usize,
    deque: Deque<BoxedTask>,
    /// Memory for what it submits.
    boxes: Boxes,
}

impl Deques {
    /// One for each of that many threads.
    pub(super) fn new(threads: usize) -> Self {
        let (alive, number) = (Arc::new(Alive), NEXT_NUMBER.fetch_add(1, Ordering::Relaxed));
        let spare: Vec<_> = (0..threads)
            .map(|index| Own {
                queue: number,
                life: Arc::downgrade(&alive),
                index,
                deque: Deque::new_lifo(),
                boxes: Boxes::default(),
            })
            .collect();
        Self {
            number,
            _alive: alive,
            stealers: spare.iter().map(|own| own.deque.stealer()).collect(),
            spare: Mutex::new(spare),
        }
    }

    /// The calling thread's deque, if it has one here; a thread that ends, and submits from the
    /// destructor of a local of its own, may have none any more.
    #[inline(always)]
    pub(super) fn own(&self) -> Option<Rc<Own>> {
        OWN.try_with(|owned| self.find(&owned.borrow()).cloned())
            .ok()
            .flatten()
    }

    #[inline(always)]
    fn find<'a>(&self, owned: &'a Owned) -> Option<&'a Rc<Own>> {
        match &owned.last {
            Some(own) if own.queue == self.number => Some(own),
            _ => self.find_other(owned),
        }
    }

    #[inline]
    fn find_other<'a>(&self, owned: &'a Owned) -> Option<&'a Rc<Own>> {
        owned.others.iter().find(|own| own.queue == self.number)
    }

    /// Gives the calling thread a deque, if there is one left. A thread whose locals are gone gets
    /// none: it looks for a task in a handler of the process's exit, which a job of its has called.
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

    fn pop_spare(&self) -> Option<Own> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.pop()
    }

    /// Takes the oldest task of a deque: one's own, so that none waits for ever below newer ones,
    /// or another's.
    pub(super) fn steal(&self, victim: usize) -> Option<BoxedTask> {
        retry(|| self.stealers[victim].steal())
    }

    /// Takes about half of a deque's tasks over to `own`, and the first of them out.
    pub(super) fn steal_half(&self, victim: usize, own: &Own) -> Option<BoxedTask> {
        retry(|| self.stealers[victim].steal_batch_and_pop(&own.deque))
    }

    pub(super) fn len(&self) -> usize {
        self.stealers.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stealers.iter().all(Stealer::is_empty)
    }
}

impl Own {
    #[inline(always)]
    pub(super) fn push(&self, task: TaskRef<'_>) {
        self.deque.push(self.boxes.wrap(task));
    }

    /// Takes the newest.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<BoxedTask> {
        self.deque.pop()
    }

    /// Takes a task out of its box, whose memory serves this thread's next.
    #[inline(always)]
    pub(super) fn unwrap<'a>(&self, boxed: BoxedTask, place: TaskPlace<'a>) -> TaskRef<'a> {
        self.boxes.unwrap(boxed, place)
    }

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
