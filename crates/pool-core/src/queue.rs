//! The queues that backends share, what a queue must do, and the permits that bound it.

mod deques;
pub(crate) mod permits;
pub(crate) mod ring;
pub(crate) mod shared;
pub(crate) mod stealing;

use crate::pool::lifecycle::Lifecycle;
use crate::task::{Task, TaskPlace, TaskRef};
use crate::worker::Worker;

/// Where the tasks of a pool wait until a worker takes them: up to the bound, and past it.
///
/// [`SharedQueue`](crate::backend::SharedQueue) is one, first in, first out;
/// [`StealingQueue`](crate::backend::StealingQueue) has a deque for each worker.
///
/// # Fairness
/// Every queued task is popped after a bounded number of others (`R107`, `R206`): a queue that
/// prefers some, or takes the newest first, takes the oldest one now and then.
pub trait TaskQueue: Send + Sync + 'static {
    /// Queues a task of the pool with `life`, or gives it back if there is no room. Never blocks.
    ///
    /// # Errors
    /// The task.
    fn push(&self, task: TaskRef<'_>, life: &Lifecycle) -> Result<(), Task>;

    /// Queues a task whatever the bound: one that a swap hands over, at most as many as fit by the
    /// bound of the pool they left, and before anything else is queued. So a queue that keeps an
    /// order pushes it to the back.
    fn push_unbounded(&self, task: Task);

    /// Queues a task whatever the bound, to take turns with the others: the child of a job that is
    /// the innermost of very many. Such a task takes no place: chains that are always queued so
    /// would keep all others out (`R107`).
    fn push_past_bound(&self, task: Task) {
        self.push_unbounded(task);
    }

    /// How many tasks are queued past the bound, for the stats: they show no more queued jobs than
    /// these and the capacity. A queue that does not know shows what comes out of its pool's
    /// counts.
    fn past_bound(&self) -> usize {
        usize::MAX
    }

    /// Takes the next task for `worker`, to `place`, and tells [`Lifecycle::room`] of the place
    /// that came free.
    fn pop<'a>(&self, worker: &Worker, place: TaskPlace<'a>) -> Option<TaskRef<'a>>;

    /// Whether a `pop` would find nothing. A push before the call is always seen.
    fn is_empty(&self) -> bool;

    /// Takes all tasks, in order where there is one, and tells [`Lifecycle::room`] of the places
    /// that came free.
    fn take_all(&self, life: &Lifecycle) -> Vec<Task>;
}
