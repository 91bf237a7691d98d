//! A bounded queue without an array: a list of tasks under a count of places, so that a bound takes no memory.

use std::fmt;
use std::sync::atomic::{AtomicIsize, Ordering};

use crossbeam_deque::{Injector, Steal};
use crossbeam_utils::CachePadded;

use crate::task::Task;

/// Places in a queue. A task takes one as it is queued and frees it as it is taken out.
#[derive(Debug)]
pub struct Places(CachePadded<AtomicIsize>);

impl Places {
    /// As many as the capacity. One beyond `isize::MAX` is no bound that memory would ever meet.
    pub fn new(capacity: usize) -> Self {
        Self(CachePadded::new(AtomicIsize::new(
            isize::try_from(capacity).unwrap_or(isize::MAX),
        )))
    }

    /// Takes one. False: there is none.
    ///
    /// It is never taken and given back, so nobody sees a full queue that is not: a submitter that was told so waits for a
    /// place to be freed.
    #[inline]
    pub fn take(&self) -> bool {
        let one_less = |left: isize| (left > 0).then(|| left - 1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
    }

    /// Takes one that may not be there: the next submitters wait until it is.
    pub fn overdraw(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Frees one.
    #[inline]
    pub fn free(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// First in, first out, up to a bound; for any number of threads.
pub struct SharedQueue {
    tasks: Injector<Task>,
    places: Places,
}

impl SharedQueue {
    /// An empty queue of `capacity` places.
    pub fn new(capacity: usize) -> Self {
        Self {
            tasks: Injector::new(),
            places: Places::new(capacity),
        }
    }

    /// Queues a task, or gives it back if there is no place.
    ///
    /// # Errors
    /// The task.
    #[inline]
    pub fn push(&self, task: Task) -> Result<(), Task> {
        if !self.places.take() {
            return Err(task);
        }
        self.tasks.push(task);
        Ok(())
    }

    /// Queues a task past the bound.
    pub fn push_unbounded(&self, task: Task) {
        self.places.overdraw();
        self.tasks.push(task);
    }

    /// Takes the oldest task.
    #[inline]
    pub fn pop(&self) -> Option<Task> {
        let task = steal(&self.tasks)?;
        self.places.free();
        Some(task)
    }

    /// Whether a `pop` would find nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl fmt::Debug for SharedQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedQueue")
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

/// Takes the oldest task of a list.
pub(crate) fn steal(from: &Injector<Task>) -> Option<Task> {
    // `steal` takes a slot before it sees that there is nothing; a look first costs two plain loads.
    if from.is_empty() {
        return None;
    }
    loop {
        match from.steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}
