//! `Roster`: the workers of a pool. What each runs, which of them sleep, and how many are left.

use std::sync::{Arc, OnceLock};

use crossbeam_utils::CachePadded;

use super::Lifecycle;
use super::phase::AtomicPhase;
use crate::pool::ledger::Ledger;
use crate::sys::asymmetric_fence::heavy;
use crate::sys::machine::Thread;
use crate::sys::sync::{AtomicUsize, Ordering};
use crate::worker::borrowed::Seats;
use crate::worker::hints::Hints;
use crate::worker::leapfrog::Forks;
use crate::worker::sleep::Sleep;
use crate::worker::status::Status;

/// How a sleeping worker is resumed.
type Resume = Box<dyn Fn(usize) + Send + Sync>;

/// The workers of a pool, by index.
pub(crate) struct Roster {
    /// Which of them sleep.
    pub(crate) sleep: Sleep,
    /// What they have learned of the pool's jobs.
    pub(crate) hints: CachePadded<Hints>,
    /// The halves that the jobs on each of them have forked.
    pub(crate) forks: Forks,
    /// What each of them runs.
    pub(crate) statuses: Box<[Arc<CachePadded<Status>>]>,
    /// Which slots are taken, where threads are borrowed.
    pub(crate) seats: Seats,
    /// How many have taken their slot and not left it for good.
    alive: AtomicUsize,
    /// How a backend whose workers are not parked threads resumes one.
    resume: OnceLock<Resume>,
}

impl Roster {
    /// The roster of that many workers, whose stripes are in `ledger`.
    pub(super) fn new(workers: usize, ledger: &Ledger) -> Self {
        let status = |index| Arc::new(CachePadded::new(Status::new(ledger.of_worker(index))));
        Self {
            sleep: Sleep::new(workers),
            hints: CachePadded::default(),
            forks: Forks::new(workers),
            statuses: (0..workers).map(status).collect(),
            seats: Seats::new(workers),
            alive: AtomicUsize::new(0),
            resume: OnceLock::new(),
        }
    }

    /// See [`Lifecycle::resume_with`].
    pub(super) fn resume_with(&self, resume: impl Fn(usize) + Send + Sync + 'static) {
        // A second call would be a backend's mistake; the first stands.
        let _first = self.resume.set(Box::new(resume));
    }

    /// Whether the workers' threads belong to another engine, which resumes them.
    ///
    /// Such workers sleep without a parked thread: a resume asks the lender for one.
    pub(crate) fn is_on_borrowed_threads(&self) -> bool {
        self.resume.get().is_some()
    }

    /// Lets worker `index` be resumed on the calling thread.
    pub(crate) fn set_thread(&self, index: usize, thread: Thread) {
        self.statuses[index].set_thread(thread);
    }

    /// Called with a worker that was taken off the list of sleepers, and so is the caller's to
    /// resume.
    pub(crate) fn resume(&self, worker: usize) {
        match self.resume.get() {
            Some(resume) => resume(worker),
            None => self.statuses[worker].resume(),
        }
    }

    /// Resumes all that sleep, after the phase was set.
    pub(super) fn resume_sleepers(&self) {
        // ORDERING: partner is the fence of a worker that announces its sleep: it sees the
        // phase, or is seen here.
        heavy();
        for worker in self.sleep.take_all() {
            self.resume(worker);
        }
    }

    /// Workers of a stopped pool may have stayed for something that has changed now: resumes them.
    pub(crate) fn let_leave(&self, phase: &AtomicPhase) {
        if phase.is_stopped() && !phase.is_forked() {
            self.resume_sleepers();
        }
    }

    /// A slot of `life` was resumed, and lost before it looked for a task: another worker looks.
    /// Otherwise submitters would count on it forever.
    pub(crate) fn searcher_lost(&self, life: &Lifecycle) {
        let _was_last = self.sleep.end_search();
        life.notify();
    }

    pub(super) fn count_in(&self) {
        self.alive.fetch_add(1, Ordering::SeqCst);
    }

    /// Worker `index` has left its slot for good. True if it was the last.
    #[must_use]
    pub(super) fn count_out(&self, index: usize) -> bool {
        self.statuses[index].leave();
        self.alive.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// How many workers have not left.
    pub(crate) fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }

    /// Whether worker `index` has left its slot for good.
    pub(crate) fn has_left(&self, index: usize) -> bool {
        self.statuses[index].has_left()
    }

    /// Whether each slot has been left for good: not the same as that no worker is alive, which
    /// holds before they come as well.
    pub(super) fn have_all_left(&self) -> bool {
        self.statuses.iter().all(|status| status.has_left())
    }

    /// How many jobs are in the workers' frames.
    pub(super) fn running(&self) -> usize {
        self.statuses.iter().map(|status| status.depth()).sum()
    }
}
