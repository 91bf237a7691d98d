//! `StealingQueue`: where a task goes, and in which order a worker looks for one.

use std::fmt;

use pool_core::{Places, Room, SharedQueue, Task, Worker};

use crate::deques::{Deques, Own};

/// Every so many looks a worker takes from the injector first, so that outsiders start although workers feed themselves (`R206`).
const INJECTOR_EVERY: u32 = 61;

/// Every so many looks a worker takes its own oldest task, so that none stays below newer ones for ever (`R206`).
const OLDEST_EVERY: u32 = 31;

/// A bounded queue for workers that submit jobs of their own: a deque for each thread that runs jobs, and an injector for all others.
///
/// One job costs these read-modify-writes on cache lines that threads share: from outside, one for its place and one at each of the
/// injector's ends; from inside none, unless it is stolen. A worker goes to the common count of places for a handful at a time.
///
/// For the engines of backends; a user of a pool never sees one.
pub struct StealingQueue {
    injector: SharedQueue,
    deques: Deques,
    /// One bound over the injector and the deques together.
    places: Places,
}

impl StealingQueue {
    /// An empty queue of `capacity` places, whose jobs are run by at most so many threads.
    pub fn new(capacity: usize, threads: usize) -> Self {
        Self {
            injector: SharedQueue::new(capacity),
            deques: Deques::new(threads),
            places: Places::new(capacity, threads),
        }
    }

    /// Queues a task, on the calling thread's own deque if it has one; or gives it back if there is no place.
    ///
    /// # Errors
    /// The task.
    #[inline(always)]
    pub fn push(&self, task: Task, room: &Room) -> Result<(), Task> {
        let own = self.deques.own();
        if !self.places.take(own.map(|own| own.index)) {
            return Err(task);
        }
        match own {
            None => self.inject(task, room),
            Some(own) => {
                own.push(task);
                Ok(())
            }
        }
    }

    /// Queues a task that has taken its place, from outside.
    fn inject(&self, task: Task, room: &Room) -> Result<(), Task> {
        self.injector.push(task).inspect_err(|_| {
            // A popper is half done with the injector's next slot.
            self.places.free(None);
            room.freed();
        })
    }

    /// Queues a task whatever the bound, before all others.
    pub fn push_unbounded(&self, task: Task) {
        self.places.overdraw();
        self.injector.push_unbounded(task);
    }

    /// Queues a task whatever the bound, to take turns with the others.
    pub fn push_past_bound(&self, task: Task) {
        self.places.overdraw();
        self.injector.push_past_bound(task);
    }

    /// Takes the next task for `worker`, on its thread, and tells `room` of the place that came free.
    #[inline(always)]
    pub fn pop(&self, worker: &Worker, room: &Room) -> Option<Task> {
        let own = self.deques.own_or_spare();
        let task = self.find(own, worker.tick())?;
        // One who waits looks at the common count first.
        let stash = own.filter(|_| !room.has_line());
        self.places.free(stash.map(|own| own.index));
        room.freed();
        Some(task)
    }

    /// Whether a `pop` may find something.
    pub fn is_empty(&self) -> bool {
        self.injector.is_empty() && self.deques.is_empty()
    }

    /// Takes all that is queued.
    pub fn take_all(&self, room: &Room) -> Vec<Task> {
        let injected = std::iter::from_fn(|| self.injector.pop());
        let owned =
            (0..self.deques.len()).flat_map(|i| std::iter::from_fn(move || self.deques.steal(i)));
        let tasks: Vec<Task> = injected
            .chain(owned)
            .inspect(|_| self.places.free(None))
            .collect();
        room.freed();
        tasks
    }

    /// One's own newest, then outside, then others'; every so often outside, or one's own oldest, first.
    #[inline(always)]
    fn find(&self, own: Option<&Own>, tick: u32) -> Option<Task> {
        if tick.is_multiple_of(INJECTOR_EVERY)
            && let Some(task) = self.injector.pop()
        {
            return Some(task);
        }
        if let Some(own) = own {
            if tick.is_multiple_of(OLDEST_EVERY)
                && let Some(task) = self.deques.steal(own.index)
            {
                return Some(task);
            }
            if let Some(task) = own.pop() {
                return Some(task);
            }
        }
        if let Some(task) = self.injector.pop() {
            return Some(task);
        }
        self.steal(own, tick)
    }

    /// Visits the others once, each time from another one on.
    #[cold]
    fn steal(&self, own: Option<&Own>, tick: u32) -> Option<Task> {
        let deques = self.deques.len();
        let start = tick as usize;
        (0..deques)
            .map(|step| (start + step) % deques)
            .find_map(|victim| match own {
                None => self.deques.steal(victim),
                Some(own) if own.index == victim => None,
                Some(own) => self.deques.steal_half(victim, own),
            })
    }
}

impl fmt::Debug for StealingQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StealingQueue")
            .field("is_empty", &self.is_empty())
            .finish_non_exhaustive()
    }
}
