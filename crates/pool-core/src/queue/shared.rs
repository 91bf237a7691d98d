//! The queue that workers share: bounded, first in, first out.
//!
//! # Past the bound
//! Two kinds of tasks must be queued although there may be no place: those that a swap hands over,
//! and children of jobs that are nested too deep to run them in place. They lie in two lists of
//! their own, with one count of both. A pop looks at that, and at the lists only if it is not zero.
//! So the path that nearly all tasks take is that of the main queue and one load more.
//!
//! A task that was handed over takes a place, also where none is left: the queue is then above its
//! bound, and takes no other task in until it is below. So one swap after the other makes the queue
//! no longer. The place is a held one (`cell::ticket`), which its job frees if it ends here.

use std::fmt;

use crossbeam_deque::{Injector, Steal};

use crate::cell::ticket::{DeadEntry, QueuedJob};
use crate::pool::lifecycle::Lifecycle;
use crate::queue::TaskQueue;
use crate::queue::segments::Segments;
use crate::sys::sync::{AtomicUsize, Ordering};
use crate::task::{Task, TaskPlace, TaskRef};
use crate::worker::Worker;

/// A bounded queue, first in, first out, for any number of threads: the [`TaskQueue`] of an engine
/// whose workers share one.
///
/// Its memory and its speed follow what is queued, whatever the bound: a short queue stays in one
/// segment of 64 KiB at most, a longer one takes more, and what a burst has taken is used again or
/// given back to the system. A push takes no lock, except one in some thousand that needs another
/// segment. The queue also holds tasks past its bound, as [`TaskQueue`] asks for.
///
/// A push that succeeds wakes no worker: [`WorkerPool`](crate::backend::WorkerPool) notifies one
/// after the engine's push. For an engine that uses it, see the example at [`Worker`]. Dropped, it
/// drops the tasks that are in it, and so abandons their jobs.
#[derive(Debug)]
pub struct SharedQueue {
    /// The tasks that have a place.
    main: Segments,
    /// The tasks past the bound.
    past_bound: PastBound,
}

/// The way by which a task came into a [`SharedQueue`], and so whether a place may have come free
/// with its pop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueuedBy {
    /// [`TaskQueue::push`]: it had a place.
    Push,
    /// [`TaskQueue::push_unbounded`]: it took one, also where none was left.
    PushUnbounded,
    /// [`TaskQueue::push_past_bound`]: it had none.
    PushPastBound,
}

/// Tasks past the bound. Few pools ever have one, so all that a pop pays for them is one look at
/// their count.
#[derive(Debug, Default)]
struct PastBound {
    /// How many there are, or are about to be. Raised before a push and lowered after a pop, so it
    /// is never too low.
    count: AtomicUsize,
    /// Tasks that another pool handed over, older than all others: taken first.
    handed_over: List,
    /// Children of jobs that are the innermost of very many. They alternate with the main queue;
    /// otherwise they and their own children would keep it from being looked at.
    children: List,
    /// How many pops there were while such children may be queued: its parity says which is looked
    /// at first.
    turn: AtomicUsize,
}

impl SharedQueue {
    /// Returns an empty queue of `capacity` places, of which there is at least one.
    pub fn new(capacity: usize) -> Self {
        Self {
            main: Segments::new(capacity),
            past_bound: PastBound::default(),
        }
    }

    /// Moves the oldest task to `place`, and tells by which way it came in. For a queue that has
    /// this one inside; an engine's queue is popped by [`TaskQueue::pop`].
    ///
    /// Tasks that another pool handed over come first. Children past the bound alternate with tasks
    /// that have a place. `queued_by` is written only if the task was not [pushed](QueuedBy::Push),
    /// so the caller sets it to [`QueuedBy::Push`] before. If it is not
    /// [`QueuedBy::PushPastBound`] afterwards, a place may have come free, and the caller tells
    /// [`Lifecycle::room`]. Entries that were pushed and whose place was
    /// [released](TaskQueue::release) do not come out.
    ///
    /// # Errors
    /// There is no task: the place.
    #[inline(always)]
    pub fn pop_telling<'a>(
        &self,
        place: TaskPlace<'a>,
        queued_by: &mut QueuedBy,
    ) -> Result<TaskRef<'a>, TaskPlace<'a>> {
        let task = self.pop_uncounted(place, queued_by)?;
        self.free_place(&task, *queued_by);
        Ok(task)
    }

    /// A task has come out: frees the place that it has, if it was handed over. That of one that
    /// was pushed is free by the pop.
    #[inline(always)]
    fn free_place(&self, task: &Task, queued_by: QueuedBy) {
        if queued_by == QueuedBy::PushUnbounded && task.take_place() {
            self.main.repay();
        }
    }

    /// The same, for a queue that counts the places of its tasks: it frees that of a task that was
    /// handed over.
    #[inline(always)]
    pub(crate) fn pop_uncounted<'a>(
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
        self.main.pop(place)
    }

    /// Takes the next tasks, `at_most` as many, and calls `took` for each. It frees no place of a
    /// task that was handed over.
    pub(crate) fn take_uncounted(
        &self,
        at_most: usize,
        took: impl Fn(&Task, QueuedBy),
    ) -> Vec<Task> {
        let mut tasks = Vec::new();
        while !self.past_bound.is_empty() && tasks.len() < at_most {
            if let Some((task, queued_by)) = self.pop_of_all() {
                took(&task, queued_by);
                tasks.push(task);
            }
        }
        let rest = tasks.len();
        self.main.pop_many(at_most - rest, &mut tasks);
        for task in &tasks[rest..] {
            took(task, QueuedBy::Push);
        }
        tasks
    }

    /// Queues tasks that were handed over, and whose places are taken: `freed` is called for each
    /// whose job is over. For a queue that counts the places of its tasks.
    pub(crate) fn push_handed_over(&self, tasks: Vec<Task>, freed: impl Fn()) {
        for task in tasks {
            if task.queued_job().is_some_and(QueuedJob::hold) {
                freed();
            }
            self.past_bound.push(&self.past_bound.handed_over, task);
        }
    }

    /// Returns how many tasks are queued beyond a bound of `capacity` places: children past it, and
    /// those of the tasks handed over for which there would not be places enough if there were no
    /// others. Out of date at once.
    pub(crate) fn queued_beyond(&self, capacity: usize) -> usize {
        self.past_bound.beyond(capacity)
    }

    /// Releases an entry that was not handed over. For a queue that counts the places of its tasks.
    pub(crate) fn release_pushed(&self, entry: &DeadEntry<'_>, taken_out: &mut Vec<Task>) -> bool {
        self.main.release(entry, taken_out)
    }

    /// Queues a task that needs a place. For a queue that has this one inside, as
    /// [`pop_telling`](Self::pop_telling) is: calls `freed` if the job is over, and the place that
    /// it had for a moment is free again.
    ///
    /// # Errors
    /// All places are taken: the task.
    #[inline(always)]
    pub(crate) fn push_telling(&self, task: TaskRef<'_>, freed: impl Fn()) -> Result<(), Task> {
        self.main.push(task, freed)
    }

    /// Takes the next task where some may be past the bound, and says by which way it came in.
    #[cold]
    fn pop_of_all(&self) -> Option<(Task, QueuedBy)> {
        let past_bound = &self.past_bound;
        let pop_main = || {
            let task = Task::popped_by(|place| self.main.pop(place))?;
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
}

/// First in, first out, except for the tasks past the bound.
impl TaskQueue for SharedQueue {
    #[inline(always)]
    fn push(&self, task: TaskRef<'_>, life: &Lifecycle) -> Result<(), Task> {
        self.main.push(task, || life.room().freed())
    }

    fn release(&self, entry: &DeadEntry<'_>, taken_out: &mut Vec<Task>) -> bool {
        if entry.find() && entry.take_held() {
            self.main.repay();
            return true;
        }
        self.release_pushed(entry, taken_out)
    }

    /// Queues tasks that a swap hands over. They are popped before all others, and take places even
    /// where none are left.
    fn push_unbounded(&self, tasks: Vec<Task>) {
        self.main.overdraw(tasks.len());
        self.push_handed_over(tasks, || self.main.repay());
    }

    /// Queues a child past the bound. It alternates with the tasks that have a place.
    fn push_past_bound(&self, task: Task) {
        self.past_bound.push(&self.past_bound.children, task);
    }

    fn past_bound(&self) -> usize {
        self.queued_beyond(self.main.capacity())
    }

    /// Always inlined: with several callers, the compiler's choice varies from build to build.
    #[inline(always)]
    fn pop<'a>(&self, worker: &Worker, place: TaskPlace<'a>) -> Option<TaskRef<'a>> {
        let mut queued_by = QueuedBy::Push;
        let task = self.pop_telling(place, &mut queued_by).ok()?;
        if queued_by != QueuedBy::PushPastBound {
            worker.life().room().freed();
        }
        Some(task)
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.main.is_empty() && self.past_bound.is_empty()
    }

    /// Counts those within the bound.
    fn about_queued(&self) -> usize {
        self.main.about_len()
    }

    /// Takes until nothing is found. A push that is under way may come after it.
    fn take_all(&self) -> Vec<Task> {
        self.take_some(usize::MAX)
    }

    fn take_some(&self, at_most: usize) -> Vec<Task> {
        self.take_uncounted(at_most, |task, by| self.free_place(task, by))
    }
}

impl PastBound {
    /// See [`SharedQueue::queued_beyond`].
    fn beyond(&self, capacity: usize) -> usize {
        let [children, handed_over] =
            [&self.children, &self.handed_over].map(|list| list.count.load(Ordering::Relaxed));
        children.saturating_add(handed_over.saturating_sub(capacity))
    }

    /// Queues a task past the bound, in one of the two lists.
    fn push(&self, list: &List, task: Task) {
        // Before the push, so that the pop of this task does not count below zero.
        self.count.fetch_add(1, Ordering::Relaxed);
        list.count.fetch_add(1, Ordering::Relaxed);
        list.tasks.push(task);
    }

    /// Takes the oldest task of one of the two lists.
    fn pop(&self, list: &List) -> Option<Task> {
        let task = steal(&list.tasks)?;
        list.count.fetch_sub(1, Ordering::Relaxed);
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(task)
    }

    /// Returns whether nothing is past the bound. Looks at the lists only if the count is not zero.
    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
            || (self.handed_over.tasks.is_empty() && self.children.tasks.is_empty())
    }
}

/// A list without a bound, first in, first out.
#[derive(Default)]
struct List {
    tasks: Injector<Task>,
    /// As that of both lists.
    count: AtomicUsize,
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("is_empty", &self.tasks.is_empty())
            .finish()
    }
}

/// Takes the oldest task of a list. Returns `None` only if it was empty at some moment of the call.
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

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::mem::MaybeUninit;

    use super::{QueuedBy, SharedQueue};
    use crate::pool::capability::Capability;
    use crate::pool::config::PoolConfig;
    use crate::pool::lifecycle::Lifecycle;
    use crate::queue::TaskQueue;
    use crate::queue::stealing::StealingQueue;
    use crate::task::{Task, TaskRef};
    use crate::testing::endable::Endable;

    fn push(queue: &SharedQueue) -> bool {
        let (mut place, task) = (MaybeUninit::uninit(), Endable::new().task());
        queue
            .push_telling(TaskRef::new(&mut place, task), || ())
            .is_ok()
    }

    fn pop(queue: &SharedQueue) -> QueuedBy {
        let mut queued_by = QueuedBy::Push;
        let task = Task::popped_by(|place| queue.pop_telling(place, &mut queued_by));
        assert!(task.is_some());
        queued_by
    }

    /// Some tasks are taken, of all kinds, and their places come free.
    fn some_are_taken(queue: &impl TaskQueue) {
        let config = PoolConfig::default();
        let life = Lifecycle::new(&config, Capability::new("own", &config));
        let push = || {
            let (mut place, task) = (MaybeUninit::uninit(), Endable::new().task());
            queue.push(TaskRef::new(&mut place, task), &life).is_ok()
        };
        queue.push_unbounded(vec![Endable::new().task()]);
        assert!(push() && push() && !push(), "there are three places");
        queue.push_past_bound(Endable::new().task());
        assert_eq!(queue.take_some(3).len(), 3);
        assert!(push() && push() && !push(), "one of the three had no place");
        assert_eq!(queue.take_some(usize::MAX).len(), 3);
        assert!(queue.take_some(1).is_empty() && queue.is_empty());
        assert!(push() && push() && push() && !push(), "all places are free");
    }

    #[test]
    fn some_tasks_are_taken_of_each_queue() {
        some_are_taken(&SharedQueue::new(3));
        some_are_taken(&StealingQueue::new(3, 2));
    }

    /// The place of a task that was handed over is free again once it is popped or its job ends.
    #[test]
    fn tasks_that_were_handed_over_take_places_and_leave_them() {
        let queue = SharedQueue::new(2);
        let jobs = [(); 3].map(|()| Endable::new());
        queue.push_unbounded(jobs.iter().map(Endable::task).collect());
        assert!(!push(&queue), "it is above its bound");
        assert_eq!(pop(&queue), QueuedBy::PushUnbounded);
        assert!(!push(&queue), "it is at its bound");
        assert_eq!(pop(&queue), QueuedBy::PushUnbounded);
        assert!(push(&queue) && !push(&queue));
        assert!(jobs[2].start() && queue.release(&jobs[2].entry(), &mut Vec::new()));
        assert!(push(&queue) && !push(&queue));
        assert_eq!(pop(&queue), QueuedBy::PushUnbounded);
        assert!(!push(&queue), "its place was free before");
        assert_eq!(pop(&queue), QueuedBy::Push);
        assert!(push(&queue) && !push(&queue));
    }
}
