//! The workers' deques: the owner pushes and pops at one end, thieves take at the other.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use crossbeam_deque::{Steal, Stealer, Worker as Deque};
use pool_core::Task;

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

/// The deque of the calling thread, and whose it is.
struct Own {
    /// Identifies the pool; never followed.
    pool: *const Deques,
    worker: usize,
    deque: Deque<Task>,
}

pub(crate) struct Deques {
    stealers: Box<[Stealer<Task>]>,
    /// Deques that their threads have not yet taken.
    spare: Mutex<Vec<Option<Deque<Task>>>>,
}

impl Deques {
    pub(crate) fn new(workers: usize) -> Self {
        let deques: Vec<_> = (0..workers).map(|_| Deque::new_lifo()).collect();
        let stealers = deques.iter().map(Deque::stealer).collect();
        Self {
            stealers,
            spare: Mutex::new(deques.into_iter().map(Some).collect()),
        }
    }

    /// Makes the calling thread the owner of deque `worker`, at its first look for a task.
    fn claim(&self, own: &mut Option<Own>, worker: usize) {
        let deque = self.spare.lock().unwrap_or_else(PoisonError::into_inner)[worker].take();
        *own = deque.map(|deque| Own {
            pool: self,
            worker,
            deque,
        });
    }

    /// The worker whose deque the calling thread owns, if it owns one in this pool. A thread that ends, and submits from the destructor of
    /// a local of its own, may own none any more.
    #[inline]
    pub(crate) fn own_worker(&self) -> Option<usize> {
        let find = |own: &RefCell<Option<Own>>| {
            let own = own.borrow();
            own.as_ref()
                .filter(|own| std::ptr::eq(own.pool, self))
                .map(|own| own.worker)
        };
        OWN.try_with(find).ok().flatten()
    }

    /// Pushes onto the calling thread's own deque.
    #[inline(always)]
    pub(crate) fn push(&self, task: Task) {
        OWN.with(|own| {
            let own = own.borrow();
            let own = own.as_ref().expect("the caller knows that it owns one");
            own.deque.push(task);
        });
    }

    /// Takes the newest of the calling worker's own tasks.
    #[inline(always)]
    pub(crate) fn pop(&self, worker: usize) -> Option<Task> {
        OWN.with(|own| {
            let mut own = own.borrow_mut();
            if own.is_none() {
                self.claim(&mut own, worker);
            }
            own.as_ref()?.deque.pop()
        })
    }

    /// Takes the oldest of a worker's tasks: one's own so that none waits for ever below newer ones, or another's.
    pub(crate) fn steal(&self, victim: usize) -> Option<Task> {
        loop {
            match self.stealers[victim].steal() {
                Steal::Success(task) => return Some(task),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    /// Takes about half of a victim's tasks over to the calling worker's deque, and the first of them out.
    pub(crate) fn steal_half(&self, victim: usize) -> Option<Task> {
        OWN.with(|own| {
            let own = own.borrow();
            let own = own.as_ref()?;
            loop {
                match self.stealers[victim].steal_batch_and_pop(&own.deque) {
                    Steal::Success(task) => return Some(task),
                    Steal::Empty => return None,
                    Steal::Retry => {}
                }
            }
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.stealers.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stealers.iter().all(Stealer::is_empty)
    }
}
