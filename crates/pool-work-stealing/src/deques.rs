//! The deques of threads that run jobs: the owner pushes and pops at one end, thieves take at the other.

use std::sync::{Mutex, PoisonError};

use crossbeam_deque::{Steal, Stealer, Worker as Deque};
use pool_core::Task;
use thread_local::ThreadLocal;

pub(crate) struct Deques {
    /// The deque of each thread that has looked for a task here.
    own: ThreadLocal<Own>,
    stealers: Box<[Stealer<Task>]>,
    /// Deques that no thread has taken yet.
    spare: Mutex<Vec<Own>>,
}

pub(crate) struct Own {
    /// Which one it is, among the pool's.
    pub(crate) index: usize,
    deque: Deque<Task>,
}

impl Deques {
    /// One for each of so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        let spare: Vec<_> = (0..threads)
            .map(|index| Own {
                index,
                deque: Deque::new_lifo(),
            })
            .collect();
        Self {
            own: ThreadLocal::new(),
            stealers: spare.iter().map(|own| own.deque.stealer()).collect(),
            spare: Mutex::new(spare),
        }
    }

    /// The calling thread's deque, if it has one here. A thread that ends, and submits from the destructor of a local of its own, is
    /// as any other.
    #[inline]
    pub(crate) fn own(&self) -> Option<&Own> {
        self.own.get()
    }

    /// The same; a thread that has none takes one.
    #[inline]
    pub(crate) fn own_or_spare(&self) -> Option<&Own> {
        self.own().or_else(|| self.take_spare())
    }

    #[cold]
    fn take_spare(&self) -> Option<&Own> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let own = spare.pop()?;
        Some(self.own.get_or(|| own))
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
