//! The queue that workers share: bounded, first in, first out.

use std::fmt;

use crossbeam_deque::{Injector, Steal};

use crate::places::Places;
use crate::ring::Ring;
use crate::task::Task;

/// The largest capacity that gets an array: 64 bytes a place, 64 MiB of addresses. A page of it is taken when its first task is queued.
const LARGEST_ARRAY: usize = 1 << 20;

/// First in, first out, up to a bound; for any number of threads.
///
/// An array while the capacity is modest, and there are addresses for it; else a list under a count of places. Neither takes memory
/// for a bound alone.
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
        let is_modest = capacity <= LARGEST_ARRAY;
        let array = is_modest.then(|| Ring::new(capacity)).flatten();
        let list = || Main::List(List::default(), Places::new(capacity, 0));
        Self {
            main: array.map_or_else(list, Main::Array),
            handed_over: List::default(),
        }
    }

    /// Queues a task, or gives it back if there is no place.
    ///
    /// # Errors
    /// The task.
    #[inline(always)]
    pub fn push(&self, task: Task) -> Result<(), Task> {
        match &self.main {
            Main::Array(ring) => ring.push(task),
            Main::List(list, places) if places.take(None) => {
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
    #[inline(always)]
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
                places.free(None);
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
#[inline]
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
