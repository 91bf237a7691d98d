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
//! # Who drops what
//! There may be millions of remains. They come in lists, as their tasks were taken out. A worker
//! takes a list as its own and drops what is in it; once no list waits, it takes from what others
//! have not come to, so that a destructor that hangs holds up nothing but itself. Each worker
//! counts for itself how many it has dropped.
//!
//! # Why nothing is left behind
//! A worker leaves only when the pool has stopped, nothing is woken and there is no chore to begin.
//! The stripes are claimed, each by one worker, after the phase was set. A future that suspends
//! notes itself, under its stripe's lock, and then looks at the phase: either the worker that
//! claimed the stripe sees the note, or the future sees the phase, and does not suspend.
//!
//! Remains may come late, from a submission that raced the end, or where the last worker was lost.
//! The thread that leaves them counts the workers afterwards, and the last worker looks for remains
//! after it is counted out. So one of the two finds them.
//!
//! A worker that is lost with its thread may leave stripes, also of a pool that is not cancelled.
//! So once the last worker is counted out, its thread wakes all suspended futures. None that needs
//! a worker suspends after that, since it would be polled by one.

use std::collections::VecDeque;
use std::mem;
use std::vec;

use crossbeam_utils::CachePadded;

use super::Lifecycle;
use super::excluded_waiters::next_is_not_in_flight;
use crate::pool::off_worker::{OffWorker, STRIPES};
use crate::sys::sync::{AtomicUsize, LockExt, Mutex, Ordering, fence};
use crate::task::Task;
use crate::worker::Worker;

/// What the workers of a cancelled pool are still to do. Until the cancellation there is nothing
/// but what delayed jobs leave as the pool closes, for a worker that has nothing to run; and a look
/// costs two loads.
pub(crate) struct Chores {
    /// The next stripe of suspended futures to be woken.
    ///
    /// At [`STRIPES`] there is none; the cancellation sets it to zero.
    next_stripe: AtomicUsize,
    /// What jobs that were given up captured, as tasks that drop it, in lists that no worker has
    /// taken. None is empty.
    waiting: Mutex<VecDeque<Remains>>,
    /// The list of each worker, and what it has dropped.
    workers: Box<[CachePadded<Dropper>]>,
    /// How many lists hold something, with the workers or waiting. Written under the lock of the
    /// list, and read without it.
    lists: AtomicUsize,
    /// How many remains were left to the workers, without those that came too late for them.
    left: AtomicUsize,
}

type Remains = vec::IntoIter<Task>;

/// A worker's part in the remains.
#[derive(Default)]
struct Dropper {
    /// The list that it drops. Another worker takes from it only if it finds nothing else.
    list: Mutex<Remains>,
    /// How many remains it has dropped, from any list. It alone writes this.
    dropped: AtomicUsize,
}

impl Chores {
    /// Nothing to be done, as long as the pool, of that many workers, is not cancelled.
    pub(super) fn none(workers: usize) -> Self {
        Self {
            next_stripe: AtomicUsize::new(STRIPES),
            waiting: Mutex::new(VecDeque::new()),
            workers: (0..workers).map(|_| CachePadded::default()).collect(),
            lists: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
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
        self.next_stripe.load(Ordering::Relaxed) < STRIPES || self.has_remains()
    }

    /// Whether there are remains that no worker has begun to drop.
    fn has_remains(&self) -> bool {
        self.lists.load(Ordering::Relaxed) > 0
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
        let own = &self.workers[worker.index()];
        let Some(task) = self.next_remains(own) else {
            return false;
        };
        {
            let _not_in_flight = next_is_not_in_flight(worker);
            task.run(worker);
        }
        self.count_dropped(own, worker.life());
        true
    }

    /// Takes out what one job left: of the worker's own list, of one that waits, or of another
    /// worker's.
    fn next_remains(&self, own: &Dropper) -> Option<Task> {
        if !self.has_remains() {
            return None;
        }
        let mut list = own.list.lock_unpoisoned();
        if let Some(task) = self.next_of(&mut list) {
            return Some(task);
        }
        let next = self.waiting.lock_unpoisoned().pop_front();
        let Some(next) = next else {
            drop(list);
            return self.next_of_others();
        };
        let emptied = mem::replace(&mut *list, next);
        let task = self.next_of(&mut list);
        drop(list);
        drop(emptied); // its memory, which takes a while to give back
        task
    }

    /// Takes from a list that some worker has not dropped whole.
    fn next_of_others(&self) -> Option<Task> {
        let next = |worker: &CachePadded<Dropper>| self.next_of(&mut worker.list.lock_unpoisoned());
        self.workers.iter().find_map(next)
    }

    /// Takes the next of a list, under its lock.
    fn next_of(&self, list: &mut Remains) -> Option<Task> {
        let task = list.next()?;
        if list.len() == 0 {
            self.lists.fetch_sub(1, Ordering::Relaxed);
        }
        Some(task)
    }

    /// The worker has dropped one; the last tells the watchers.
    fn count_dropped(&self, own: &Dropper, life: &Lifecycle) {
        let dropped = own.dropped.load(Ordering::Relaxed);
        // ORDERING: Release pairs with the Acquire in `has_undropped`: the drop is over for the
        // thread that waited for it.
        own.dropped.store(dropped + 1, Ordering::Release);
        // ORDERING: partner is the same fence of another worker. Of two that drop the last ones,
        // one sees the counts of both, and that nothing else is left.
        fence(Ordering::SeqCst);
        if !self.has_remains() {
            self.tell_if_all_are_dropped(life);
        }
    }

    /// Called by each thread that has dropped one of the last, or is about to.
    fn tell_if_all_are_dropped(&self, life: &Lifecycle) {
        if !self.has_undropped() {
            life.quiescence.wake_watchers(&life.phase);
        }
    }

    /// Leaves what jobs that were given up captured to the workers, if it is something. The caller
    /// then notifies one, and [drops what came too late](Self::drop_late_remains) for them.
    pub(crate) fn leave_remains(&self, remains: Vec<Task>) -> bool {
        if remains.is_empty() {
            return false;
        }
        self.left.fetch_add(remains.len(), Ordering::Relaxed);
        let mut waiting = self.waiting.lock_unpoisoned();
        waiting.push_back(remains.into_iter());
        self.lists.fetch_add(1, Ordering::Relaxed);
        drop(waiting);
        // ORDERING: partner is the fence in `drop_late_remains`, see the module's last section.
        fence(Ordering::SeqCst);
        true
    }

    /// Drops remains that came after the last worker of `life` had left, on the thread of that
    /// worker or on the one that has left them.
    pub(crate) fn drop_late_remains(&self, life: &Lifecycle) {
        // ORDERING: partner is the fence in `leave_remains`: one side sees the remains, or the
        // other that no worker is left.
        fence(Ordering::SeqCst);
        if life.roster.alive() > 0 {
            return;
        }
        while let Some(task) = self.next_late() {
            // Before the drop: what is dropped may hold the last handle of the pool, and wait for
            // the end of it.
            // ORDERING: Release, as in `count_dropped`.
            self.left.fetch_sub(1, Ordering::Release);
            self.tell_if_all_are_dropped(life);
            drop(task);
        }
    }

    /// Takes out what one job left, for a thread that is no worker.
    fn next_late(&self) -> Option<Task> {
        let mut waiting = self.waiting.lock_unpoisoned();
        let Some(list) = waiting.front_mut() else {
            drop(waiting);
            return self.next_of_others();
        };
        let task = self.next_of(list);
        let emptied = (list.len() == 0).then(|| waiting.pop_front());
        drop(waiting);
        drop(emptied);
        task
    }

    /// Whether something that was given up is not dropped yet.
    ///
    /// In this order: the counts of the workers only grow, and never beyond what was left. So if
    /// both are equal, all had been dropped when the last of them was read.
    pub(crate) fn has_undropped(&self) -> bool {
        // ORDERING: Acquire, see `count_dropped`.
        let dropped = |worker: &CachePadded<Dropper>| worker.dropped.load(Ordering::Acquire);
        let dropped: usize = self.workers.iter().map(dropped).sum();
        self.left.load(Ordering::Acquire) != dropped
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::Lifecycle;
    use crate::job::id::JobId;
    use crate::pool::capability::Capability;
    use crate::pool::config::PoolConfig;
    use crate::task::Remains;

    /// What is dropped late may wait for the end of the pool, which does not wait for it then.
    #[test]
    fn what_is_dropped_late_is_not_waited_for() {
        struct Looks(Arc<Lifecycle>, Arc<AtomicBool>);
        impl Drop for Looks {
            fn drop(&mut self) {
                let is_over = !self.0.chores.has_undropped();
                self.1.store(is_over, Ordering::Relaxed);
            }
        }
        let config = PoolConfig::default();
        let life = Lifecycle::new(&config, Capability::new("own", &config));
        let is_over = Arc::new(AtomicBool::new(false));
        let looks = Looks(Arc::clone(&life), Arc::clone(&is_over));
        let remains = Remains::task(JobId::next(), None, looks);
        assert!(life.chores.leave_remains(vec![remains]));
        life.chores.drop_late_remains(&life);
        assert!(is_over.load(Ordering::Relaxed));
    }
}
