//! `StealingQueue`: where a task goes, and in which order a worker looks for one.
//!
//! # Where a task goes
//! A thread that has a deque here pushes to its own deque: a job's children stay on the worker that
//! submits them, unless they are stolen. All other threads push to the injector. Both take a place
//! of the one bound. Tasks past the bound go to the injector.
//!
//! # Where a worker looks
//! At its own deque, the newest task first; then at the injector; then at the deques of others, of
//! which it moves about half of the tasks of one to its own. At fixed periods it begins elsewhere:
//! at the injector, at the deques of others, or with its own oldest task. The periods are prime to
//! each other, so that every queued task is taken after a bounded number of others (`R206`).
//!
//! # A job that ends in the queue
//! Its permit is freed at once. The injector finds the entry by its position, and no pop sees it
//! any more. A deque is its owner's and its thieves': there the entry stays, and the permit goes
//! with the ticket, which the thread that ends the job or the one that takes the task out takes
//! away, whichever is first. Such entries could fill a deque while its owner is in one long job
//! that submits and cancels; so an owner that pushes sweeps its deque now and then.

use std::cell::Cell;
use std::fmt;
use std::iter;

use crate::cell::ticket::DeadEntry;
use crate::pool::lifecycle::Lifecycle;
use crate::queue::TaskQueue;
use crate::queue::deques::{Deques, Own};
use crate::queue::permits::Permits;
use crate::queue::shared::{QueuedBy, SharedQueue};
use crate::sys::sync::{AtomicUsize, Ordering};
use crate::task::boxed::BoxedTask;
use crate::task::{Task, TaskPlace, TaskRef};
use crate::worker::Worker;

/// Every this many looks a worker takes from the injector first, so that outsiders start although
/// workers feed themselves (`R206`).
const INJECTOR_EVERY: u32 = 61;

/// Every this many looks a worker takes its own oldest task, so that none stays below newer ones
/// without end (`R206`).
const OLDEST_EVERY: u32 = 31;

/// Every this many looks a worker takes one task of the others' first: what lies there may belong
/// to a thread that is in a long job, or that is no worker any more, while all others have enough
/// to do (`R206`).
const OTHERS_EVERY: u32 = 251;

/// A bounded queue for workers that submit jobs of their own: a deque for each thread that runs
/// jobs, and an injector for all others.
///
/// One job costs these read-modify-writes on cache lines that threads share: from outside, one for
/// its place and one at each of the injector's ends; from inside none, unless it is stolen. A
/// worker goes to the common count of permits for a handful at a time.
///
/// For the engines of backends; a user of a pool never sees one. An engine returns it from
/// [`Engine::queue`](crate::backend::Engine::queue), as in the example at [`Worker`], with
/// `StealingQueue::new(config.capacity(), config.workers())`. It is not first in, first out, so the
/// engine clears [`Capability::fifo`](crate::Capability::fifo). Dropped, it drops the tasks that
/// are in it, and so abandons their jobs.
///
/// ```
/// # use std::convert::Infallible;
/// # use std::sync::Arc;
/// # use pool_core::backend::{Engine, Lifecycle, PoolConfig, Threads, WorkerPool};
/// # use pool_core::{BuildError, Capability, ExecutorExt, JobContext, job_fn};
/// use pool_core::backend::StealingQueue;
///
/// struct Own {
///     queue: StealingQueue,
///     // ...
/// #     life: Arc<Lifecycle>,
/// #     threads: Threads,
/// }
///
/// impl Engine for Own {
///     type Queue = StealingQueue;
///
///     fn start(config: PoolConfig, _: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
///         let capability = Capability { fifo: false, ..Capability::new(Self::NAME, &config) };
///         let engine = Arc::new(Self {
///             queue: StealingQueue::new(config.capacity(), config.workers()),
///             // ...
/// #             life: Lifecycle::new(&config, capability),
/// #             threads: Threads::default(),
///         });
/// #         engine.threads.start(&engine, &config, |work| work())?;
///         Ok(engine)
///     }
///
///     fn queue(&self) -> &StealingQueue {
///         &self.queue
///     }
///     // ...
/// #     type Adopted = Infallible;
/// #     const NAME: &'static str = "own";
/// #     fn life(&self) -> &Arc<Lifecycle> {
/// #         &self.life
/// #     }
/// #     fn join_threads(&self) {
/// #         self.threads.join(&self.life);
/// #     }
/// }
///
/// let pool = WorkerPool::<Own>::builder().workers(2).build()?;
/// let parent = job_fn(|ctx: &JobContext<'_>| {
///     let child = ctx.submit(job_fn(|_| Ok::<_, String>(42))); // on the worker's own deque
///     child.map_err(|closed| closed.to_string())?.join().map_err(|error| error.to_string())
/// });
/// assert_eq!(pool.submit(parent)?.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StealingQueue {
    /// Tasks from threads without a deque, and those past the bound.
    injector: SharedQueue,
    /// A deque for each thread that runs jobs. A thread takes one at its first pop.
    deques: Deques,
    /// One bound over the injector and the deques together.
    permits: Permits,
    /// How many places it allows.
    capacity: usize,
    /// How many jobs have ended in the deques: by which their owners know when to sweep.
    ended: AtomicUsize,
}

impl TaskQueue for StealingQueue {
    /// Queues on the calling thread's own deque, if it has one; otherwise at the injector.
    #[inline(always)]
    fn push(&self, task: TaskRef<'_>, life: &Lifecycle) -> Result<(), Task> {
        let Some(own) = self.deques.own() else {
            return self.inject(task, life);
        };
        if !self.permits.take(Some(own.index)) {
            return Err(task.into_task());
        }
        let Some(job) = task.queued_job() else {
            own.push(task);
            return Ok(());
        };
        let is_dead = job.hold();
        own.push(task);
        if is_dead {
            self.permits.free(Some(own.index));
            life.room().freed();
        }
        let ended = self.ended.load(Ordering::Relaxed);
        if own.is_sweep_due(ended) {
            self.sweep(own, ended, life);
        }
        Ok(())
    }

    fn release(&self, entry: &DeadEntry<'_>, taken_out: &mut Vec<Task>) -> bool {
        if !entry.find() {
            return false;
        }
        if entry.take_held() {
            self.ended.fetch_add(1, Ordering::Relaxed);
        } else if !self.injector.release_pushed(entry, taken_out) {
            return false;
        }
        self.permits.free(None);
        true
    }

    /// Queues tasks that a swap hands over, at the injector. They take places of the bound even
    /// where none are left, so later pushes wait until the queue is below its bound again.
    fn push_unbounded(&self, tasks: Vec<Task>) {
        self.permits.overdraw(tasks.len());
        self.injector
            .push_handed_over(tasks, || self.permits.free(None));
    }

    /// Queues a child past the bound, at the injector. It takes no place.
    fn push_past_bound(&self, task: Task) {
        self.injector.push_past_bound(task);
    }

    /// Returns how many tasks of the injector are beyond the bound.
    fn past_bound(&self) -> usize {
        self.injector.queued_beyond(self.capacity)
    }

    /// Takes the next task. Called on the worker's thread, which is given a deque at its first call
    /// if one is left.
    #[inline(always)]
    fn pop<'a>(&self, worker: &Worker, place: TaskPlace<'a>) -> Option<TaskRef<'a>> {
        let own = self.deques.own();
        if own.is_none() {
            self.deques.take_spare(); // for the looks to come: it is empty
        }
        let mut found = Found {
            queued_by: QueuedBy::Push,
            has_brought: false,
        };
        let task = self.find(own, worker.tick(), &mut found, place);
        if let Some(task) = &task {
            let life = worker.life();
            if found.has_brought {
                life.notify();
            }
            if found.queued_by != QueuedBy::PushPastBound && task.take_place() {
                // A submitter that waits looks at the common count first.
                let cache = own.filter(|_| !life.room().has_line());
                self.permits.free(cache.map(|own| own.index));
                life.room().freed();
            }
        }
        task
    }

    /// Returns whether the injector and all deques are empty. Tasks that a thief is moving between
    /// two deques are not seen; the thief notifies a worker of them.
    fn is_empty(&self) -> bool {
        self.injector.is_empty() && self.deques.is_empty()
    }

    /// Counts those at the injector.
    fn about_queued(&self) -> usize {
        self.injector.about_queued()
    }

    fn take_all(&self) -> Vec<Task> {
        self.take_some(usize::MAX)
    }

    /// Takes the injector's tasks first, and then those of each deque, the oldest first.
    fn take_some(&self, at_most: usize) -> Vec<Task> {
        let places = Cell::new(0);
        let took = |task: &Task, queued_by| {
            if queued_by != QueuedBy::PushPastBound && task.take_place() {
                places.set(places.get() + 1);
            }
        };
        let mut tasks = self.injector.take_uncounted(at_most, took);
        let steal = |victim| iter::from_fn(move || self.deques.steal(victim));
        let owned = (0..self.deques.len()).flat_map(steal);
        tasks.extend(owned.take(at_most - tasks.len()).map(|boxed| {
            let task = boxed.into_task();
            took(&task, QueuedBy::Push);
            task
        }));
        if places.get() != 0 {
            self.permits.free_common(places.get());
        }
        tasks
    }
}

impl StealingQueue {
    /// Returns an empty queue of `capacity` places, whose jobs are run by at most that many
    /// threads. A thread beyond them works without a deque: it takes its tasks from the injector
    /// and from others.
    pub fn new(capacity: usize, threads: usize) -> Self {
        Self {
            injector: SharedQueue::new(usize::MAX),
            deques: Deques::new(threads),
            permits: Permits::new(capacity, threads),
            capacity,
            ended: AtomicUsize::new(0),
        }
    }

    /// Queues a task from a thread that has no deque here.
    ///
    /// # Errors
    /// All places are taken: the task.
    fn inject(&self, task: TaskRef<'_>, life: &Lifecycle) -> Result<(), Task> {
        if !self.permits.take(None) {
            return Err(task.into_task());
        }
        // It has no bound of its own.
        self.injector.push_telling(task, || {
            self.permits.free(None);
            life.room().freed();
        })
    }

    /// Takes the entries out of the calling thread's deque whose jobs are over, and frees the
    /// places of those that still have one: jobs that were claimed by the thread that joins them.
    /// No other thread sees the tasks on their way; the caller notifies a worker, as of the one
    /// that it has pushed.
    #[cold]
    fn sweep(&self, own: &Own, ended: usize, life: &Lifecycle) {
        for over in own.sweep(ended) {
            let task = over.into_task();
            if task.take_place() {
                self.permits.free(Some(own.index));
                life.room().freed();
            }
        }
    }

    /// Finds the next task in the order that the module describes; `tick` counts the looks.
    #[inline(always)]
    fn find<'a>(
        &self,
        own: Option<&Own>,
        tick: u32,
        found: &mut Found,
        place: TaskPlace<'a>,
    ) -> Option<TaskRef<'a>> {
        let place = if tick.is_multiple_of(INJECTOR_EVERY) {
            match self.injector.pop_uncounted(place, &mut found.queued_by) {
                Ok(task) => return Some(task),
                Err(place) => place,
            }
        } else {
            place
        };
        if tick.is_multiple_of(OTHERS_EVERY)
            && let Some(boxed) = self.others(own, tick, |victim| self.deques.steal(victim))
        {
            return Some(unwrap(own, boxed, place));
        }
        if let Some(own) = own {
            let oldest = tick.is_multiple_of(OLDEST_EVERY);
            let oldest = oldest.then(|| self.deques.steal(own.index)).flatten();
            if let Some(boxed) = oldest.or_else(|| own.pop()) {
                return Some(own.unwrap(boxed, place));
            }
        }
        let place = match self.injector.pop_uncounted(place, &mut found.queued_by) {
            Ok(task) => return Some(task),
            Err(place) => place,
        };
        let boxed = self.steal(own, tick, &mut found.has_brought)?;
        Some(unwrap(own, boxed, place))
    }

    /// Takes a task from another deque, and with it what the thief has a deque for. `has_brought`
    /// tells whether more came than the one that is returned.
    #[cold]
    fn steal(&self, own: Option<&Own>, tick: u32, has_brought: &mut bool) -> Option<BoxedTask> {
        let boxed = self.others(own, tick, |victim| match own {
            None => self.deques.steal(victim),
            Some(own) => self.deques.steal_half(victim, own),
        })?;
        *has_brought = own.is_some_and(|own| !own.is_empty());
        Some(boxed)
    }

    /// Tries the deques of others once each, beginning with another one at each tick.
    #[cold]
    fn others(
        &self,
        own: Option<&Own>,
        tick: u32,
        steal: impl FnMut(usize) -> Option<BoxedTask>,
    ) -> Option<BoxedTask> {
        let deques = self.deques.len();
        let start = tick as usize;
        let own = own.map(|own| own.index);
        (0..deques)
            .map(|step| (start + step) % deques)
            .filter(|&victim| Some(victim) != own)
            .find_map(steal)
    }
}

/// What a pop must know of a task that was found, in addition to the task.
struct Found {
    /// By which way the task came in. Only one that had a place frees a place.
    queued_by: QueuedBy,
    /// Other tasks came with it, onto the thief's own deque. On their way they were nowhere to be
    /// seen, and a worker that looked then for the last time sleeps: it is notified as of new ones.
    has_brought: bool,
}

/// Takes a task out of its box, to `place`. The memory serves the thread's next push if it has a
/// deque, and is freed otherwise.
fn unwrap<'a>(own: Option<&Own>, boxed: BoxedTask, place: TaskPlace<'a>) -> TaskRef<'a> {
    match own {
        Some(own) => own.unwrap(boxed, place),
        None => TaskRef::new(place, boxed.into_task()),
    }
}

impl fmt::Debug for StealingQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StealingQueue")
            .field("is_empty", &self.is_empty())
            .finish_non_exhaustive()
    }
}
