//! `HandOver`: how one pool takes over the queued jobs of another, which is what a live swap
//! consists of.
//!
//! # The steps
//! 1. The old pool is **retired**: its intake ends, submissions that began before that come to
//!    their push, and all that is queued is taken out, in order. Nobody is woken.
//! 2. The new pool **adopts** each task: it enters the new books, changes its pool, is queued, and
//!    then leaves the old books. A task that was started or cancelled meanwhile has been accounted
//!    for by the thread that did it, and only its empty entry is dropped.
//! 3. The old pool **leaves**: its workers end by themselves once its running jobs are over.
//!
//! A job whose token was cancelled, or whose deadline has passed, would end as it enters the new
//! pool. That drops what it captured, which is user code and may submit to the pool that is being
//! swapped: so it waits until the swap is over ([`Adopted`]).
//!
//! A task is in the ledger of at least one of the two pools at each moment. So a thread that waits
//! for the old pool and then for the new one misses none.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::vec;

use crate::job::outcome::wake_contained;
use crate::pool::lifecycle::{Lifecycle, Submission, TakenOut};
use crate::pool::shutdown::Shutdown;
use crate::pool::stats::Tally;
use crate::sys::machine::{self, Point};
use crate::task::{Changed, Task};

/// A pool that can be a generation of one that is swapped.
///
/// The steps are called in the order of the module's head, by one thread at a time: the one that
/// swaps. [`end`](Self::end), [`cancel_if_due`](Self::cancel_if_due) and [`tally`](Self::tally) may
/// be called by any thread at any time.
pub trait HandOver: Shutdown {
    /// Ends intake and gives away all that has not started. Wakes nobody; running jobs go on.
    ///
    /// Waits for submissions that are on their way to the queue, up to a bound. A submission that
    /// comes later finds the pool closed.
    fn retire(&self) -> Retired;

    /// Takes jobs over, past the bound, in order. Runs no user code: that is for the drop of what
    /// it returns.
    ///
    /// Called before the pool takes jobs of others in, so the jobs keep their order before any new
    /// one. Stops early if the pool has lost its workers; the rest is abandoned by the drop of what
    /// it returns.
    fn adopt(&self, retired: Retired) -> Adopted;

    /// Ends the workers of a retired pool after its last running job. No thread waits for them.
    ///
    /// The engine is kept until the last worker has left.
    fn leave(&self);

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

    /// Moves all to the pool with life `to`: `push` queues a task whatever the bound, and
    /// `take_queued` takes some of the queue, or finds it empty.
    pub(crate) fn move_to(
        mut self,
        to: &Arc<Lifecycle>,
        push: impl Fn(Task),
        take_queued: impl Fn() -> Vec<Task>,
    ) -> Adopted {
        let mut due = Vec::new();
        while !self.is_empty() {
            let Some(submission) = Submission::begin(to) else {
                break; // its workers are lost, and nobody would run them
            };
            let Some(task) = self.tasks.next() else { break };
            match task.change_pool(&self.from, Some(to)) {
                Changed::Yes(waker) => due.extend(waker),
                Changed::No => {
                    submission.refuse(to);
                    continue;
                }
            }
            let id = task.id();
            push(task);
            submission.adopted(to, &take_queued);
            self.from.ledger.hand_over();
            machine::point(Point::Moved(id));
        }
        Adopted { due, _left: self }
    }
}

/// What is left to be done when a pool has taken jobs over: jobs that are due end as this is
/// dropped, and those that could not be moved are abandoned.
#[must_use = "its drop runs user code"]
pub struct Adopted {
    /// Jobs whose token or deadline has come meanwhile; waking them ends them.
    due: Vec<Waker>,
    /// What no pool took over.
    _left: Retired,
}

impl Drop for Adopted {
    fn drop(&mut self) {
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
        let left = TakenOut::new(self.tasks.by_ref().collect());
        drop(left.hand_over(&self.from));
    }
}

impl fmt::Debug for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Retired").field(&self.len()).finish()
    }
}
