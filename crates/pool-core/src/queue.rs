//! The queues that backends share, what a queue must do, and the permits that bound it.

mod deques;
pub(crate) mod permits;
pub(crate) mod segments;
pub(crate) mod shared;
pub(crate) mod stealing;

use crate::cell::ticket::DeadEntry;
use crate::pool::lifecycle::Lifecycle;
use crate::task::{Task, TaskPlace, TaskRef};
use crate::worker::Worker;

/// Where the tasks of a pool wait until a worker takes them: up to the bound, and past it.
///
/// [`SharedQueue`](crate::backend::SharedQueue) is one, first in, first out;
/// [`StealingQueue`](crate::backend::StealingQueue) has a deque for each worker.
///
/// # Places
/// A queue has as many places as the pool's capacity. [`push`](Self::push) takes one, and
/// [`pop`](Self::pop) frees it, or [`release`](Self::release) before that if the job ends in the
/// queue (`R104`); [`push_unbounded`](Self::push_unbounded) and
/// [`push_past_bound`](Self::push_past_bound) never fail. A pop tells
/// [`Room::freed`](crate::Room::freed) after the place is free, since a submitter that waits in line
/// tries as soon as it is called. [`take_all`](Self::take_all) does not: nobody is admitted then,
/// and its caller may hold a lock.
///
/// # Fairness
/// Every queued task is popped after a bounded number of others (`R107`, `R206`): a queue that
/// prefers some, or takes the newest first, takes the oldest one now and then.
///
/// # Examples
///
/// ```
/// use pool_core::Task;
/// use pool_core::backend::{DeadEntry, Lifecycle, TaskPlace, TaskQueue, TaskRef, Worker};
/// use std::collections::VecDeque;
/// use std::sync::{Mutex, MutexGuard};
///
/// /// A deque behind a lock, and whether each task in it has a place.
/// struct Locked {
///     capacity: usize,
///     tasks: Mutex<VecDeque<(Task, bool)>>,
/// }
///
/// impl Locked {
///     fn lock(&self) -> MutexGuard<'_, VecDeque<(Task, bool)>> {
///         self.tasks.lock().unwrap()
///     }
/// }
///
/// impl TaskQueue for Locked {
///     fn push(&self, task: TaskRef<'_>, _life: &Lifecycle) -> Result<(), Task> {
///         let mut tasks = self.lock();
///         if tasks.iter().filter(|(_, has_place)| *has_place).count() >= self.capacity {
///             return Err(task.into_task());
///         }
///         let has_place = !task.is_over(); // it may have been cancelled on its way here
///         tasks.push_back((task.into_task(), has_place));
///         Ok(())
///     }
///
///     fn release(&self, entry: &DeadEntry<'_>, taken_out: &mut Vec<Task>) -> bool {
///         let mut tasks = self.lock();
///         let Some(index) = tasks.iter().position(|(task, _)| task.id() == entry.id()) else {
///             return false; // it is not here yet, or was popped
///         };
///         let removed = tasks.remove(index);
///         removed.is_some_and(|(task, has_place)| {
///             taken_out.push(task); // dropped by the caller, with no lock held
///             has_place
///         })
///     }
///
///     fn push_unbounded(&self, tasks: Vec<Task>) {
///         let mut queued = self.lock(); // before the look: a job may end meanwhile
///         queued.extend(tasks.into_iter().map(|task| {
///             let has_place = !task.is_over();
///             (task, has_place)
///         }));
///     }
///
///     fn push_past_bound(&self, task: Task) {
///         self.lock().push_back((task, false));
///     }
///
///     fn pop<'a>(&self, worker: &Worker, place: TaskPlace<'a>) -> Option<TaskRef<'a>> {
///         let (task, has_place) = self.lock().pop_front()?;
///         if has_place {
///             worker.life().room().freed(); // with no lock held: it may run a waker
///         }
///         Some(TaskRef::new(place, task))
///     }
///
///     fn is_empty(&self) -> bool {
///         self.lock().is_empty()
///     }
///
///     fn take_all(&self) -> Vec<Task> {
///         let tasks = std::mem::take(&mut *self.lock());
///         tasks.into_iter().map(|(task, _)| task).collect()
///     }
/// }
///
/// let queue = Locked { capacity: 8, tasks: Mutex::default() };
/// assert!(queue.is_empty());
/// ```
pub trait TaskQueue: Send + Sync + 'static {
    /// Queues a task of the pool with `life`, or gives it back if there is no room. Never blocks.
    ///
    /// Called on the submitter's thread, or on a worker's for a child. A task that is given back
    /// has not been touched: it is refused, or tried again. It must be queued before this returns,
    /// since the caller wakes a worker then.
    ///
    /// # Errors
    /// The task.
    fn push(&self, task: TaskRef<'_>, life: &Lifecycle) -> Result<(), Task>;

    /// Frees the place of a job that ended in the queue, as it was cancelled or has expired, and
    /// returns whether a place came free.
    ///
    /// Called once for a job, after its end is on record and before anybody can learn of it, by
    /// the thread that ends it. The job may be anywhere by then: in the queue, popped, or not
    /// pushed yet ([`push`](Self::push) asks [`Task::is_over`] for that). For a place that came
    /// free here no pop frees one. The caller tells the room once the end is published, so this
    /// must not.
    ///
    /// Must not block, call user code, or drop a task: what it takes out goes to `taken_out`, which
    /// the caller drops. An entry that stays is popped as others are. A thread that submits and
    /// cancels while no worker pops must not be able to fill the memory with such entries.
    ///
    /// The default does nothing: the place is freed by the pop. That breaks `R104`, so a queue with
    /// a bound overrides it; one without places need not.
    fn release(&self, _entry: &DeadEntry<'_>, _taken_out: &mut Vec<Task>) -> bool {
        false
    }

    /// Queues tasks whatever the bound: those that a swap hands over, in order, at most as many as
    /// fit by the bound of the pool they left, and before anything else is queued. So a queue that
    /// keeps an order pushes them to the back. Each takes a place, also where none is left: no push
    /// succeeds then until the queue is below its bound. Otherwise each swap would make the queue
    /// longer.
    ///
    /// A worker may take the first of them while others are still to be pushed, and push children.
    /// So the places of all are taken before the first is queued.
    ///
    /// Called by the thread that swaps, before anybody else pushes to this queue; and to put back
    /// the one task of a worker that was lost with its thread.
    fn push_unbounded(&self, tasks: Vec<Task>);

    /// Queues a task whatever the bound, to take turns with the others: the child of a job that is
    /// the innermost of very many. Such a task takes no place: chains that are always queued so
    /// would keep all others out (`R107`).
    ///
    /// The default treats it like a task that a swap hands over. A queue with a bound overrides it.
    fn push_past_bound(&self, task: Task) {
        self.push_unbounded(vec![task]);
    }

    /// Returns how many tasks are queued beyond the bound, for the stats: they show no more queued
    /// jobs than these and the capacity. A task that was handed over takes a place, so it counts
    /// only where there are not places enough. A queue that does not know shows what comes out of
    /// its pool's counts.
    fn past_bound(&self) -> usize {
        usize::MAX
    }

    /// Returns about how many tasks are queued, or fewer. More than one worker may be woken for
    /// them. A queue that does not know says one or none.
    fn about_queued(&self) -> usize {
        usize::from(!self.is_empty())
    }

    /// Takes the next task for `worker`, to `place`, and tells [`Lifecycle::room`] of the place
    /// that came free.
    ///
    /// Called on the worker's own thread, between two jobs, or within one that waits. The task is
    /// run or given up by the caller at once. `None` is not an answer for good: the worker
    /// announces its sleep, and looks once more.
    fn pop<'a>(&self, worker: &Worker, place: TaskPlace<'a>) -> Option<TaskRef<'a>>;

    /// Returns whether a `pop` would find nothing. A push before the call is always seen.
    ///
    /// Asked by a worker that searches, or has announced its sleep. A task that is being taken out
    /// by another thread may count as either.
    fn is_empty(&self) -> bool;

    /// Takes all tasks, in order where there is one, and frees their places. Does not tell the
    /// room.
    ///
    /// Called once the pool is closed and being cancelled, by a swap for the queue of the old pool,
    /// and as the last worker is lost. Other threads may push and pop meanwhile: each task goes to
    /// exactly one of them.
    fn take_all(&self) -> Vec<Task>;

    /// Takes some tasks, as [`take_all`](Self::take_all) does: the first `at_most`, or about as
    /// many. If none come, the queue was found empty.
    ///
    /// Called again and again by each thread that gives up what is queued, so that several share
    /// the work and a million tasks need no memory of their own. The default takes all.
    fn take_some(&self, _at_most: usize) -> Vec<Task> {
        self.take_all()
    }
}
