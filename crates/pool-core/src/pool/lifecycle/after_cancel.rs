//! What is left to the workers of a pool that is cancelled: to wake the suspended futures, and to drop what was given up.
//!
//! # Who runs the user's code at the end
//! Destructors are the user's code, and may take long or never return. So neither the caller of a shutdown nor a waker runs
//! them: the caller sets the phase and resumes the workers, and these do the rest, one **chore** at a time, between two looks for a job. A
//! chore that never returns is then a worker that is busy, and is named in the report as any other job that still runs.
//!
//! There are two kinds. The suspended futures are woken, a stripe of their notes at a time; each comes back through the list of woken
//! futures, and whoever polls it finds that it is cancelled and drops it. A job that was given up before it started has been
//! published as abandoned, and what it captured is its **remains**, a task that does nothing but drop it.
//!
//! # Why nothing is left behind
//! A worker leaves only when the pool has stopped and there is nothing woken and no chore to begin. The stripes are claimed, each by one
//! worker, after the phase was set. A future that suspends notes itself, under its stripe's lock, and then looks at the phase: either
//! the worker that claimed the stripe sees the note, or the future sees the phase, and does not suspend.
//!
//! Remains may come late, from a submission that raced the end. Whoever leaves them counts the workers afterwards, and the last worker
//! looks for remains after it is counted out. So one of the two finds them.

use std::sync::Arc;

use crossbeam_deque::Injector;

use super::Lifecycle;
use super::excluded_waiters::next_is_not_in_flight;
use crate::pool::off_worker::STRIPES;
use crate::queue::shared::steal;
use crate::sys::sync::{AtomicUsize, Ordering, fence};
use crate::task::Task;
use crate::worker::Worker;

pub(super) struct Chores {
    /// The next stripe of suspended futures to be woken.
    next_stripe: AtomicUsize,
    remains: Injector<Task>,
    /// Remains that are not dropped yet, those included that are being dropped.
    undropped: AtomicUsize,
}

impl Default for Chores {
    fn default() -> Self {
        Self {
            next_stripe: AtomicUsize::new(STRIPES),
            remains: Injector::new(),
            undropped: AtomicUsize::new(0),
        }
    }
}

impl Lifecycle {
    /// The pool is cancelled: its suspended futures are to be woken.
    pub(super) fn begin_chores(&self) {
        // ORDERING: Release pairs with the Acquire in `wake_a_stripe`: who claims a stripe sees the phase.
        self.chores.next_stripe.store(0, Ordering::Release);
    }

    /// Whether there is a chore that no worker has begun.
    pub(crate) fn has_chores(&self) -> bool {
        let Chores {
            next_stripe,
            remains,
            ..
        } = &self.chores;
        next_stripe.load(Ordering::Relaxed) < STRIPES || !remains.is_empty()
    }

    /// Does one chore on `worker`, if there is one.
    pub(crate) fn do_a_chore(&self, worker: &Worker) -> bool {
        self.wake_a_stripe() || self.drop_remains(worker)
    }

    fn wake_a_stripe(&self) -> bool {
        let next = &self.chores.next_stripe;
        if next.load(Ordering::Relaxed) >= STRIPES {
            return false;
        }
        // ORDERING: Acquire, see `begin_chores`.
        let stripe = next.fetch_add(1, Ordering::Acquire);
        if stripe < STRIPES {
            self.off_worker.wake_stripe(stripe);
        }
        stripe < STRIPES
    }

    fn drop_remains(&self, worker: &Worker) -> bool {
        let Some(task) = steal(&self.chores.remains) else {
            return false;
        };
        {
            let _not_in_flight = next_is_not_in_flight(worker);
            task.run(worker);
        }
        self.count_dropped();
        true
    }

    fn count_dropped(&self) {
        // ORDERING: Release pairs with the Acquire in `has_undropped`: the drop is over for whoever waited for it.
        if self.chores.undropped.fetch_sub(1, Ordering::Release) == 1 {
            self.quiescence.wake_watchers(&self.phase);
        }
    }

    /// Leaves what jobs that were given up captured to the workers.
    pub(crate) fn leave_remains(self: &Arc<Self>, remains: Vec<Task>) {
        if remains.is_empty() {
            return;
        }
        let count = remains.len();
        self.chores.undropped.fetch_add(count, Ordering::Relaxed);
        for task in remains {
            self.chores.remains.push(task);
        }
        // ORDERING: partner is the fence in `drop_late_remains`, see the module's last section.
        fence(Ordering::SeqCst);
        self.notify();
    }

    /// Drops remains that came after the last worker had left, on the thread of that worker or of the submitter that brought them.
    pub(crate) fn drop_late_remains(&self) {
        // ORDERING: partner is the fence in `leave_remains`: one side sees the remains, or the other that nobody is left.
        fence(Ordering::SeqCst);
        if self.roster.alive() > 0 {
            return;
        }
        while let Some(task) = steal(&self.chores.remains) {
            drop(task);
            self.count_dropped();
        }
    }

    /// Whether something that was given up is not dropped yet.
    pub(crate) fn has_undropped(&self) -> bool {
        // ORDERING: Acquire, see `count_dropped`.
        self.chores.undropped.load(Ordering::Acquire) > 0
    }
}
