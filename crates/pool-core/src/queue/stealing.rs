//! `StealingQueue`: where a task goes, and in which order a worker looks for one.

use std::fmt;
use std::mem::MaybeUninit;

use crate::pool::lifecycle::Lifecycle;
use crate::queue::TaskQueue;
use crate::queue::deques::{Deques, Own};
use crate::queue::permits::Permits;
use crate::queue::shared::{QueuedBy, SharedQueue};
use crate::task::boxed::BoxedTask;
use crate::task::{Task, TaskPlace, TaskRef};
use crate::worker::Worker;

/// Every this many looks a worker takes from the injector first, so that outsiders start although
/// workers feed themselves (`R206`).
const INJECTOR_EVERY: u32 = 61;

/// Every this many looks a worker takes its own oldest task, so that none stays below newer ones
/// for ever (`R206`).
const OLDEST_EVERY: u32 = 31;

/// Every this many looks a worker takes one task of the others' first: what lies there may be of
/// one who is in a long job, or no worker any more, while everybody else has enough to do (`R206`).
const OTHERS_EVERY: u32 = 251;

/// A bounded queue for workers that submit jobs of their own: a deque for each thread that runs
/// jobs, and an injector for all others.
///
/// One job costs these read-modify-writes on cache lines that threads share: from outside, one for
/// its place and one at each of the injector's ends; from inside none, unless it is stolen. A
/// worker goes to the common count of places for a handful at a time.
///
/// For the engines of backends; a user of a pool never sees one.
pub struct StealingQueue {
    injector: SharedQueue,
    deques: Deques,
    /// One bound over the injector and the deques together.
    places: Permits,
}

impl TaskQueue for StealingQueue {
    /// On the calling thread's own deque, if it has one.
    #[inline(always)]
    fn push(&self, task: TaskRef<'_>, life: &Lifecycle) -> Result<(), Task> {
        let Some(own) = self.deques.own() else {
            return self.inject(task, life);
        };
        if !self.places.take(Some(own.index)) {
            return Err(task.into_task());
        }
        own.push(task);
        Ok(())
    }

    fn push_unbounded(&self, task: Task) {
        self.places.overdraw();
        self.injector.push_unbounded(task);
    }

    fn push_past_bound(&self, task: Task) {
        self.injector.push_past_bound(task);
    }

    fn past_bound(&self) -> usize {
        self.injector.past_bound()
    }

    /// Called on the worker's thread.
    #[inline(always)]
    fn pop<'a>(&self, worker: &Worker, place: TaskPlace<'a>) -> Option<TaskRef<'a>> {
        let own = self.deques.own();
        if own.is_none() {
            self.deques.take_spare(); // for the looks to come: it is empty
        }
        let own = own.as_deref();
        let mut found = Found {
            queued_by: QueuedBy::Push,
            has_brought: false,
        };
        let task = self.find(own, worker.tick(), &mut found, place);
        if task.is_some() {
            let life = worker.life();
            if found.has_brought {
                life.notify();
            }
            if found.queued_by != QueuedBy::PushPastBound {
                // One who waits looks at the common count first.
                let cache = own.filter(|_| !life.room().has_line());
                self.places.free(cache.map(|own| own.index));
                life.room().freed();
            }
        }
        task
    }

    fn is_empty(&self) -> bool {
        self.injector.is_empty() && self.deques.is_empty()
    }

    fn take_all(&self, life: &Lifecycle) -> Vec<Task> {
        let injected = std::iter::from_fn(|| {
            let (mut place, mut queued_by) = (MaybeUninit::uninit(), QueuedBy::Push);
            let task = self.injector.pop_telling(&mut place, &mut queued_by).ok()?;
            Some((task.into_task(), queued_by))
        });
        let owned =
            (0..self.deques.len()).flat_map(|i| std::iter::from_fn(move || self.deques.steal(i)));
        let owned = owned.map(|boxed| (boxed.into_task(), QueuedBy::Push));
        let free = |(task, queued_by)| {
            if queued_by != QueuedBy::PushPastBound {
                self.places.free(None);
            }
            task
        };
        let tasks: Vec<Task> = injected.chain(owned).map(free).collect();
        life.room().freed();
        tasks
    }
}

impl StealingQueue {
    /// An empty queue of `capacity` places, whose jobs are run by at most that many threads.
    pub fn new(capacity: usize, threads: usize) -> Self {
        Self {
            injector: SharedQueue::new(capacity),
            deques: Deques::new(threads),
            places: Permits::new(capacity, threads),
        }
    }

    /// Queues a task from a thread that has no deque here.
    fn inject(&self, task: TaskRef<'_>, life: &Lifecycle) -> Result<(), Task> {
        if !self.places.take(None) {
            return Err(task.into_task());
        }
        self.injector.push(task, life).inspect_err(|_| {
            // A dequeuer is half done with the injector's next slot.
            self.places.free(None);
            life.room().freed();
        })
    }

    /// One's own newest, then outside, then others'; every so often outside, others', or one's own
    /// oldest, first.
    #[inline(always)]
    fn find<'a>(
        &self,
        own: Option<&Own>,
        tick: u32,
        found: &mut Found,
        place: TaskPlace<'a>,
    ) -> Option<TaskRef<'a>> {
        let place = if tick.is_multiple_of(INJECTOR_EVERY) {
            match self.injector.pop_telling(place, &mut found.queued_by) {
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
        let place = match self.injector.pop_telling(place, &mut found.queued_by) {
            Ok(task) => return Some(task),
            Err(place) => place,
        };
        let boxed = self.steal(own, tick, &mut found.has_brought)?;
        Some(unwrap(own, boxed, place))
    }

    /// Takes one from the others, and with it what the thief has a deque for.
    #[cold]
    fn steal(&self, own: Option<&Own>, tick: u32, has_brought: &mut bool) -> Option<BoxedTask> {
        let boxed = self.others(own, tick, |victim| match own {
            None => self.deques.steal(victim),
            Some(own) => self.deques.steal_half(victim, own),
        })?;
        *has_brought = own.is_some_and(|own| !own.is_empty());
        Some(boxed)
    }

    /// Visits the others once, each time from another one on.
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

/// What else is to be known of a task that was found.
struct Found {
    queued_by: QueuedBy,
    /// Others came with it, onto the thief's own deque. On their way they were nowhere to be seen,
    /// and a worker that looked then for the last time sleeps: it is notified as of new ones.
    has_brought: bool,
}

/// Takes a task out of its box, whose memory serves the thread's next if it has a deque.
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
