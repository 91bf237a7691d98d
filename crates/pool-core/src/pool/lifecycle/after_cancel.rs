//! `Chores`: what is left to the workers of a pool that is cancelled. They wake the suspended
//! futures, and drop what was given up.
//!
//! # Who runs user code at the end
//! Destructors are user code, and may take long or never return. So neither the caller of a
//! shutdown nor a waker runs them: the caller sets the phase and resumes the workers, and these do
//! the rest, one **chore** at a time, between two looks for a job. A chore that never returns is
//! then a worker that is busy, and is named in the report as any other job that still runs.
//!
//! There are two kinds. The suspended futures are woken, a stripe of their notes at a time; each
//! comes back through the list of woken futures, and the thread that polls it finds that it is
//! cancelled and drops it. A job that was given up before it started has been published as
//! abandoned, and what it captured is its **remains**, a task that only drops it.
//!
//! # Why nothing is left behind
//! A worker leaves only when the pool has stopped, nothing is woken and there is no chore to begin.
//! The stripes are claimed, each by one worker, after the phase was set. A future that suspends
//! notes itself, under its stripe's lock, and then looks at the phase: either the worker that
//! claimed the stripe sees the note, or the future sees the phase, and does not suspend.
//!
//! Remains may come late, from a submission that raced the end. The thread that leaves them counts
//! the workers afterwards, and the last worker looks for remains after it is counted out. So one of
//! the two finds them.

use std::collections::VecDeque;
use std::vec;

use super::Lifecycle;
use super::excluded_waiters::next_is_not_in_flight;
use crate::pool::off_worker::{OffWorker, STRIPES};
use crate::sys::sync::{AtomicUsize, LockExt, Mutex, Ordering, fence};
use crate::task::Task;
use crate::worker::Worker;

/// What the workers of a cancelled pool are still to do. Until the cancellation there is nothing,
/// and a look costs two loads.
pub(crate) struct Chores {
    /// The next stripe of suspended futures to be woken.
    ///
    /// At [`STRIPES`] there is none; the cancellation sets it to zero.
    next_stripe: AtomicUsize,
    /// What jobs that were given up captured, as tasks that drop it: in the lists that their tasks
    /// were taken out in, since millions may come at once. Locked for a move.
    remains: Mutex<VecDeque<vec::IntoIter<Task>>>,
    /// How many tasks these are. Written under the lock, and read without it.
    waiting: AtomicUsize,
    /// Remains that are not dropped yet, those included that are being dropped.
    undropped: AtomicUsize,
}

impl Chores {
    /// Nothing to be done, as long as the pool is not cancelled.
    pub(super) fn none() -> Self {
        Self {
            next_stripe: AtomicUsize::new(STRIPES),
            remains: Mutex::new(VecDeque::new()),
            waiting: AtomicUsize::new(0),
            undropped: AtomicUsize::new(0),
        }
    }

    /// The pool is cancelled: its suspended futures are to be woken.
    pub(super) fn begin(&self) {
        // ORDERING: Release pairs with the Acquire in `wake_a_stripe`: a worker that claims a
        // stripe sees the phase.
        self.next_stripe.store(0, Ordering::Release);
    }

    /// Whether there is a chore that no worker has begun.
    pub(crate) fn are_left(&self) -> bool {
        self.next_stripe.load(Ordering::Relaxed) < STRIPES
            || self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Does one chore on `worker`, which is of this pool, if there is one.
    ///
    /// Called by a worker that looks for something to run. True: it did one, and looks again.
    pub(crate) fn do_one(&self, worker: &Worker) -> bool {
        self.wake_a_stripe(&worker.life().off_worker) || self.drop_remains(worker)
    }

    /// Claims the next stripe and wakes its futures. False: all are claimed.
    fn wake_a_stripe(&self, futures: &OffWorker) -> bool {
        let next = &self.next_stripe;
        if next.load(Ordering::Relaxed) >= STRIPES {
            return false;
        }
        // ORDERING: Acquire, see `begin`.
        let stripe = next.fetch_add(1, Ordering::Acquire);
        if stripe < STRIPES {
            futures.wake_stripe(stripe);
        }
        stripe < STRIPES
    }

    /// Drops what one job captured, in a frame that names the job: a destructor that hangs is in
    /// the report. False: there is none.
    fn drop_remains(&self, worker: &Worker) -> bool {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let Some(task) = self.next_remains() else {
            return false;
        };
        {
            let _not_in_flight = next_is_not_in_flight(worker);
            task.run(worker);
        }
        self.count_dropped(worker.life());
        true
    }

    /// Takes out what one job left, the oldest first.
    fn next_remains(&self) -> Option<Task> {
        let mut remains = self.remains.lock_unpoisoned();
        let task = remains.front_mut()?.next();
        // No list in there is empty.
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let is_empty = remains.front().is_some_and(|list| list.len() == 0);
        let emptied = is_empty.then(|| remains.pop_front());
        drop(remains);
        drop(emptied); // its memory, which takes a while to give back
        task
    }

    /// One is dropped; the last tells the watchers.
    fn count_dropped(&self, life: &Lifecycle) {
        // ORDERING: Release pairs with the Acquire in `has_undropped`: the drop is over for the
        // thread that waited for it.
        if self.undropped.fetch_sub(1, Ordering::Release) == 1 {
            life.quiescence.wake_watchers(&life.phase);
        }
    }

    /// Leaves what jobs that were given up captured to the workers of `life`.
    pub(crate) fn leave_remains(&self, remains: Vec<Task>, life: &Lifecycle) {
        if remains.is_empty() {
            return;
        }
        let count = remains.len();
        self.undropped.fetch_add(count, Ordering::Relaxed);
        let mut lists = self.remains.lock_unpoisoned();
        lists.push_back(remains.into_iter());
        self.waiting.fetch_add(count, Ordering::Relaxed);
        drop(lists);
        // ORDERING: partner is the fence in `drop_late_remains`, see the module's last section.
        fence(Ordering::SeqCst);
        life.notify();
    }

    /// Drops remains that came after the last worker of `life` had left, on the thread of that
    /// worker or of the submitter that brought them.
    pub(crate) fn drop_late_remains(&self, life: &Lifecycle) {
        // ORDERING: partner is the fence in `leave_remains`: one side sees the remains, or the
        // other that no worker is left.
        fence(Ordering::SeqCst);
        if life.roster.alive() > 0 {
            return;
        }
        while let Some(task) = self.next_remains() {
            drop(task);
            self.count_dropped(life);
        }
    }

    /// Whether something that was given up is not dropped yet.
    pub(crate) fn has_undropped(&self) -> bool {
        // ORDERING: Acquire, see `count_dropped`.
        self.undropped.load(Ordering::Acquire) > 0
    }
}
