//! The queue that workers share: bounded, first in, first out.

use std::fmt;
use std::sync::atomic::{AtomicIsize, Ordering};

use crossbeam_deque::{Injector, Steal};
use crossbeam_utils::CachePadded;

use crate::ring::Ring;
use crate::task::Task;

/// The largest capacity whose array is allocated at build: 64 bytes a place, 4 MiB.
const LARGEST_ARRAY: usize = 1 << 16;

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
///
/// An array while the capacity is modest; else a list under a count of places, so that no memory is taken for a bound alone.
#[derive(Debug)]
pub struct SharedQueue {
    main: Main,
    /// Tasks handed over by another pool, past the bound; taken first.
    handed_over: List,
}

#[derive(Debug)]
enum Main {
    Array(Ring),
    List(List, Places),
}

impl SharedQueue {
    /// An empty queue of `capacity` places.
    pub fn new(capacity: usize) -> Self {
        let main = if capacity <= LARGEST_ARRAY {
            Main::Array(Ring::new(capacity))
        } else {
            Main::List(List::default(), Places::new(capacity))
        };
        Self {
            main,
            handed_over: List::default(),
        }
    }

    /// Queues a task, or gives it back if there is no place.
    ///
    /// # Errors
    /// The task.
    #[inline]
    pub fn push(&self, task: Task) -> Result<(), Task> {
        match &self.main {
            Main::Array(ring) => ring.push(task),
            Main::List(list, places) if places.take() => {
                list.0.push(task);
                Ok(())
            }
            Main::List(..) => Err(task),
        }
    }

    /// Queues a task past the bound.
    pub fn push_unbounded(&self, task: Task) {
        self.handed_over.0.push(task);
    }

    /// Takes the oldest task.
    #[inline]
    pub fn pop(&self) -> Option<Task> {
        if !self.handed_over.0.is_empty()
            && let Some(task) = steal(&self.handed_over.0)
        {
            return Some(task);
        }
        match &self.main {
            Main::Array(ring) => ring.pop(),
            Main::List(list, places) => {
                let task = steal(&list.0)?;
                places.free();
                Some(task)
            }
        }
    }

    /// Whether a `pop` would find nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        let is_main_empty = match &self.main {
            Main::Array(ring) => ring.is_empty(),
            Main::List(list, _) => list.0.is_empty(),
        };
        is_main_empty && self.handed_over.0.is_empty()
    }
}

/// A list without a bound.
#[derive(Default)]
struct List(Injector<Task>);

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("is_empty", &self.0.is_empty())
            .finish()
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
