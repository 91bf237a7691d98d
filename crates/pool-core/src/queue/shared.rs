//! The queue that workers share: bounded, first in, first out.

use std::fmt;

use crossbeam_deque::{Injector, Steal};

use crate::pool::lifecycle::Lifecycle;
use crate::queue::TaskQueue;
use crate::queue::permits::Permits;
use crate::queue::ring::Ring;
use crate::sys::sync::{AtomicUsize, Ordering};
use crate::task::{Task, TaskPlace, TaskRef};
use crate::worker::Worker;

/// The largest capacity that gets an array: 64 bytes a place, 64 MiB of addresses. A page of it is
/// taken when its first task is queued.
const LARGEST_ARRAY: usize = 1 << 20;

/// First in, first out, up to a bound; for any number of threads.
///
/// An array while the capacity is modest and there are addresses for it; otherwise a list with a
/// count of places. Neither takes memory in proportion to the bound.
#[derive(Debug)]
pub struct SharedQueue {
    main: Main,
    past_bound: PastBound,
}

/// By which way a task came into a [`SharedQueue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueuedBy {
    /// [`TaskQueue::push`]: it had a place.
    Push,
    /// [`TaskQueue::push_unbounded`].
    PushUnbounded,
    /// [`TaskQueue::push_past_bound`].
    PushPastBound,
}

/// Tasks past the bound. Few pools ever have one, so all that a pop pays for them is one look at
/// their count.
#[derive(Debug, Default)]
struct PastBound {
    /// How many there are, or are about to be.
    count: AtomicUsize,
    /// Handed over by another pool, and older than all others: taken first.
    handed_over: List,
    /// Children of jobs that are the innermost of very many: they take turns with the main queue,
    /// or they and their own children would keep it from being looked at.
    children: List,
    turn: AtomicUsize,
}

#[derive(Debug)]
enum Main {
    Array(Ring),
    List(List, Permits),
}

impl SharedQueue {
    /// An empty queue of `capacity` places.
    pub fn new(capacity: usize) -> Self {
        let is_modest = capacity <= LARGEST_ARRAY;
        let array = is_modest.then(|| Ring::new(capacity)).flatten();
        let list = || Main::List(List::default(), Permits::new(capacity, 0));
        Self {
            main: array.map_or_else(list, Main::Array),
            past_bound: PastBound::default(),
        }
    }

    /// Moves the oldest task to `place`; tasks past the bound take turns with the others.
    ///
    /// `queued_by`, if it is [`QueuedBy::Push`], becomes the way by which the task came in. If it
    /// still is [`QueuedBy::Push`], a place came free and the caller tells the pool's room.
    ///
    /// # Errors
    /// There is none: the place.
    #[inline(always)]
    pub fn pop_telling<'a>(
        &self,
        place: TaskPlace<'a>,
        queued_by: &mut QueuedBy,
    ) -> Result<TaskRef<'a>, TaskPlace<'a>> {
        // ORDERING: Relaxed: like a task's own mark, it is seen by a worker that looks after the
        // pusher's notice.
        if self.past_bound.count.load(Ordering::Relaxed) != 0 {
            return match self.pop_of_all() {
                Some((task, by)) => {
                    *queued_by = by;
                    Ok(TaskRef::new(place, task))
                }
                None => Err(place),
            };
        }
        self.pop_main(place)
    }

    #[cold]
    fn pop_of_all(&self) -> Option<(Task, QueuedBy)> {
        let past_bound = &self.past_bound;
        let pop_main = || {
            let task = Task::popped_by(|place| self.pop_main(place))?;
            Some((task, QueuedBy::Push))
        };
        let pop_child = || {
            let task = past_bound.pop(&past_bound.children)?;
            Some((task, QueuedBy::PushPastBound))
        };
        if let Some(task) = past_bound.pop(&past_bound.handed_over) {
            return Some((task, QueuedBy::PushUnbounded));
        }
        if past_bound
            .turn
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(2)
        {
            pop_child().or_else(pop_main)
        } else {
            pop_main().or_else(pop_child)
        }
    }

    #[inline(always)]
    fn pop_main<'a>(&self, place: TaskPlace<'a>) -> Result<TaskRef<'a>, TaskPlace<'a>> {
        match &self.main {
            Main::Array(ring) => ring.pop(place),
            Main::List(list, places) => {
                let Some(task) = steal(&list.0) else {
                    return Err(place);
                };
                places.free(None);
                Ok(TaskRef::new(place, task))
            }
        }
    }
}

impl TaskQueue for SharedQueue {
    #[inline(always)]
    fn push(&self, task: TaskRef<'_>, _life: &Lifecycle) -> Result<(), Task> {
        match &self.main {
            Main::Array(ring) => ring.push(task),
            Main::List(list, places) if places.take(None) => {
                list.0.push(task.into_task());
                Ok(())
            }
            Main::List(..) => Err(task.into_task()),
        }
    }

    fn push_unbounded(&self, task: Task) {
        self.past_bound.push(&self.past_bound.handed_over, task);
    }

    fn push_past_bound(&self, task: Task) {
        self.past_bound.push(&self.past_bound.children, task);
    }

    fn past_bound(&self) -> usize {
        self.past_bound.count.load(Ordering::Relaxed)
    }

    /// Always inlined: with several callers, the compiler's choice varies from build to build.
    #[inline(always)]
    fn pop<'a>(&self, worker: &Worker, place: TaskPlace<'a>) -> Option<TaskRef<'a>> {
        let mut queued_by = QueuedBy::Push;
        let task = self.pop_telling(place, &mut queued_by).ok()?;
        if queued_by == QueuedBy::Push {
            worker.life().room().freed();
        }
        Some(task)
    }

    #[inline]
    fn is_empty(&self) -> bool {
        let is_main_empty = match &self.main {
            Main::Array(ring) => ring.is_empty(),
            Main::List(list, _) => list.0.is_empty(),
        };
        is_main_empty && self.past_bound.is_empty()
    }

    fn take_all(&self, life: &Lifecycle) -> Vec<Task> {
        let pop = || Task::popped_by(|place| self.pop_telling(place, &mut QueuedBy::Push));
        let tasks = std::iter::from_fn(pop).collect();
        life.room().freed();
        tasks
    }
}

impl PastBound {
    fn push(&self, list: &List, task: Task) {
        // Before the push, so that the pop of this task does not count below zero.
        self.count.fetch_add(1, Ordering::Relaxed);
        list.0.push(task);
    }

    fn pop(&self, list: &List) -> Option<Task> {
        let task = steal(&list.0)?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(task)
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
            || (self.handed_over.0.is_empty() && self.children.0.is_empty())
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
    // `steal` takes a slot before it sees that there is nothing; a look first costs two plain
    // loads.
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
