//! The deques of threads that run jobs: the owner pushes and pops at one end, thieves take at the other.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crossbeam_deque::{Steal, Stealer, Worker as Deque};
use pool_core::Task;

thread_local! {
    /// The calling thread's deques: one of its own pool's, or a few, where pools share threads.
    static OWN: RefCell<Vec<Own>> = const { RefCell::new(Vec::new()) };
}

/// Says which queue a deque is one of, for as long as anybody asks.
struct Identity;

pub(crate) struct Deques {
    identity: Arc<Identity>,
    stealers: Box<[Stealer<Task>]>,
    /// Deques that no thread has taken yet.
    spare: Mutex<Vec<Own>>,
}

pub(crate) struct Own {
    queue: Weak<Identity>,
    /// Which one it is, among the queue's.
    pub(crate) index: usize,
    deque: Deque<Task>,
}

impl Deques {
    /// One for each of so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        let identity = Arc::new(Identity);
        let spare: Vec<_> = (0..threads)
            .map(|index| Own {
                queue: Arc::downgrade(&identity),
                index,
                deque: Deque::new_lifo(),
            })
            .collect();
        Self {
            identity,
            stealers: spare.iter().map(|own| own.deque.stealer()).collect(),
            spare: Mutex::new(spare),
        }
    }

    /// Runs `act` with the calling thread's deque, if it has one here. A thread that ends, and submits from the destructor of a local of its
    /// own, may have none any more. `act` runs no foreign code.
    #[inline(always)]
    pub(crate) fn with_own<R>(&self, act: impl FnOnce(Option<&Own>) -> R) -> R {
        let mut act = Some(act);
        let mut call = |own: Option<&Own>| act.take().map(|act| act(own));
        let called = OWN.try_with(|all| call(self.find(&all.borrow())));
        called
            .ok()
            .flatten()
            .unwrap_or_else(|| call(None).expect("it is called once"))
    }

    /// The same; a thread that has none takes one.
    #[inline(always)]
    pub(crate) fn with_own_or_spare<R>(&self, act: impl FnOnce(Option<&Own>) -> R) -> R {
        self.with_own(|own| match own {
            Some(own) => Ok(act(Some(own))),
            None => Err(act),
        })
        .unwrap_or_else(|act| {
            self.take_spare();
            self.with_own(act)
        })
    }

    #[inline]
    fn find<'a>(&self, all: &'a [Own]) -> Option<&'a Own> {
        let is_ours = |own: &&Own| std::ptr::eq(own.queue.as_ptr(), &raw const *self.identity);
        all.iter().find(is_ours)
    }

    #[cold]
    fn take_spare(&self) {
        let spare = self
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let Some(spare) = spare else { return };
        let taken = OWN.try_with(|all| {
            let mut all = all.borrow_mut();
            // Those of queues that are no more, which are empty.
            all.retain(|own| own.queue.strong_count() != 0);
            all.push(spare);
        });
        debug_assert!(taken.is_ok(), "who looks for a task is no thread that ends");
    }

    /// Takes the oldest task of a deque: one's own, so that none waits for ever below newer ones, or another's.
    pub(crate) fn steal(&self, victim: usize) -> Option<Task> {
        retry(|| self.stealers[victim].steal())
    }

    /// Takes about half of a deque's tasks over to `own`, and the first of them out.
    pub(crate) fn steal_half(&self, victim: usize, own: &Own) -> Option<Task> {
        retry(|| self.stealers[victim].steal_batch_and_pop(&own.deque))
    }

    pub(crate) fn len(&self) -> usize {
        self.stealers.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stealers.iter().all(Stealer::is_empty)
    }
}

impl Own {
    #[inline(always)]
    pub(crate) fn push(&self, task: Task) {
        self.deque.push(task);
    }

    /// Takes the newest.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<Task> {
        self.deque.pop()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.deque.is_empty()
    }
}

/// Steals until it is clear whether there was something.
fn retry(steal: impl Fn() -> Steal<Task>) -> Option<Task> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}
