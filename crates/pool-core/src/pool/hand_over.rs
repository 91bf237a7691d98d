//! `HandOver`: how one pool takes over the queued jobs of another, which is what a live swap
//! consists of.
//!
//! # The steps
//! 1. The old pool is **retired**: its intake ends, submissions that began before that come to
//!    their push, and all that is queued is taken out, in order. Nobody is woken.
//! 2. The new pool **adopts** the tasks: they enter the new books, change their pool, are queued,
//!    and then leave the old books. Their places are taken before the first of them is queued, so
//!    children of those that start at once find the bound. A task that was started or cancelled
//!    meanwhile has been accounted for by the thread that did it, and only its empty entry is
//!    dropped.
//! 3. The new pool's workers are woken, and all that is left is done that may run user code
//!    ([`Adopted`]).
//! 4. The old pool **leaves**: its workers end by themselves once its running jobs are over.
//!
//! The first two steps run under a lock of the pool that is swapped, and no user code: a waker, a
//! destructor or a runtime's hook might submit to that pool, or swap or close it. So nobody is told
//! of anything before the third. That is also when a job ends whose token was cancelled or whose
//! deadline has passed: as it enters the new pool, were it not for that.
//!
//! A task is in the ledger of at least one of the two pools at each moment. So a thread that waits
//! for the old pool and then for the new one misses none.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::vec;

use crate::job::outcome::wake_contained;
use crate::pool::lifecycle::{Adoption, Lifecycle, TakenOut};
use crate::pool::shutdown::Shutdown;
use crate::pool::stats::Tally;
use crate::sys::machine::{self, Point};
use crate::task::{Changed, Task};

/// A pool that can be a generation of one that is swapped.
///
/// The steps are called in the order of the module's head, by one thread at a time: the one that
/// swaps. The other methods may be called by any thread at any time; and so may
/// [`leave`](Self::leave) be, as the last handle goes.
pub trait HandOver: Shutdown {
    /// Ends intake and gives away all that has not started. Wakes nobody; running jobs go on.
    ///
    /// Waits for submissions that are on their way to the queue, up to a bound. A submission that
    /// comes later finds the pool closed.
    fn retire(&self) -> Retired;

    /// Takes jobs over, past the bound, in order. Runs no user code and wakes nobody: that is for
    /// the drop of what it returns.
    ///
    /// Called before the pool takes jobs of others in, so the jobs keep their order before any new
    /// one. A pool that has lost its workers takes none; they are abandoned by the drop of what
    /// this returns.
    fn adopt(&self, retired: Retired) -> Adopted;

    /// Closes the pool, and ends its workers after its last job. No thread waits for them.
    ///
    /// The engine is kept until the last worker has left.
    fn leave(&self);

    /// Has queued jobs wait. Runs no user code and wakes nobody.
    fn pause(&self);

    /// Has queued jobs start again, without waking anybody. True if the pool was paused: then the
    /// caller calls [`resume_after_pause`](Self::resume_after_pause), with no lock held.
    #[must_use]
    fn end_pause(&self) -> bool;

    /// Ends the pause and all later ones, and wakes the workers.
    fn end_pauses(&self);

    /// Wakes the workers, after the end of a pause. May run user code.
    fn resume_after_pause(&self);

    /// Whether queued jobs wait.
    fn is_paused(&self) -> bool;

    /// Whether this pool needs the calling thread for its jobs to end, so that a wait here might
    /// never be over.
    fn needs_this_thread(&self) -> bool;

    /// Does what the drop of the last handle does (`R610`).
    fn end(&self);

    /// Gives up what is queued, if the grace of a shutdown is over that goes on in another
    /// generation.
    fn cancel_if_due(&self);

    /// What the stats are made of, for sums over several pools.
    fn tally(&self) -> Tally;
}

/// The jobs of a pool that had not started when it was retired. Those that nobody adopts are
/// abandoned as this is dropped.
///
/// They are still in the books of the pool that they come from, until a pool adopts them.
pub struct Retired {
    tasks: vec::IntoIter<Task>,
    /// The pool in whose books they are.
    from: Arc<Lifecycle>,
}

impl Retired {
    pub(crate) fn new(tasks: Vec<Task>, from: &Arc<Lifecycle>) -> Self {
        Self {
            tasks: tasks.into_iter(),
            from: Arc::clone(from),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves all to the pool with life `to`, whose queue takes them by `push_all`, whatever the
    /// bound. `arrived` is called as the result is dropped: it wakes a worker.
    pub(crate) fn move_to(
        mut self,
        to: &Arc<Lifecycle>,
        push_all: impl FnOnce(Vec<Task>),
        arrived: impl FnOnce() + Send + 'static,
    ) -> Adopted {
        Adopted {
            due: self.move_all(to, push_all),
            arrived: Some(Box::new(arrived)),
            to: Arc::clone(to),
            _left: self,
        }
    }

    /// Moves all, unless the workers of the new pool are lost, so that nobody would run them.
    /// Returns what wakes the jobs that are due.
    fn move_all(&mut self, to: &Arc<Lifecycle>, push_all: impl FnOnce(Vec<Task>)) -> Vec<Waker> {
        let mut due = Vec::new();
        let Some(adoption) = Adoption::begin(to, self.len() as u64) else {
            return due;
        };
        let moves = |task: &Task| match task.change_pool(&self.from, Some(to)) {
            Changed::Yes(waker) => {
                due.extend(waker);
                machine::point(Point::Moved(task.id()));
                true
            }
            Changed::No => false,
        };
        let moved: Vec<Task> = self.tasks.by_ref().filter(moves).collect();
        let jobs = moved.len() as u64;
        push_all(moved);
        adoption.end(jobs);
        self.from.ledger.hand_over(jobs);
        due
    }
}

/// What is left to be done when a pool has taken jobs over, as this is dropped: a worker is woken,
/// jobs that are due end, and those that could not be moved are abandoned.
#[must_use = "its drop runs user code"]
pub struct Adopted {
    /// Jobs whose token or deadline has come meanwhile; waking them ends them.
    due: Vec<Waker>,
    /// Wakes a worker of the new pool.
    arrived: Option<Box<dyn FnOnce() + Send>>,
    /// The new pool. Jobs that entered its books and were over before they were queued may be all
    /// that somebody waits for.
    to: Arc<Lifecycle>,
    /// What no pool took over.
    _left: Retired,
}

impl Drop for Adopted {
    fn drop(&mut self) {
        if let Some(arrived) = self.arrived.take() {
            arrived();
        }
        self.to.tell_watchers();
        self.due.drain(..).for_each(wake_contained);
    }
}

impl fmt::Debug for Adopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adopted").finish_non_exhaustive()
    }
}

impl Drop for Retired {
    fn drop(&mut self) {
        TakenOut::new(self.tasks.by_ref().collect()).abandon_all(&self.from);
    }
}

impl fmt::Debug for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Retired").field(&self.len()).finish()
    }
}
