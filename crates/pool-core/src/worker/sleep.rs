//! Which workers sleep and which search: how a submission wakes few workers and never too few.
//!
//! # States
//! A worker is **active** (it runs a job), **searching** (it looks for one) or **sleeping** (it is
//! on the stack, parked or about to park). One word counts the sleeping and the searching.
//!
//! # The submitter, after its push
//! First a light fence; then it reads the word. If nobody sleeps, it is done. Otherwise a full
//! fence, and it reads the word again: if nobody sleeps, or somebody searches, it is done.
//! Otherwise it takes one sleeper off the stack, counts it as searching, and resumes it.
//!
//! Before that it has a little **patience**, if another worker is active: a short job is over, and
//! its worker searches, sooner than a sleeper could be woken. Otherwise a thread that submits a
//! job, joins it and submits the next would wake a second worker each time, for nothing.
//!
//! # The worker that found nothing
//! It puts itself on the stack; in one step it leaves the searching and joins the sleeping. Then a
//! heavy fence; then it looks into the queues once more. Empty: it parks until somebody takes it
//! off the stack. Not empty: it takes itself off the stack and searches again; if it is no longer
//! there, it was resumed and searches nevertheless.
//!
//! # The worker that found something
//! It leaves the searching. If it was the last, a full fence; then it looks whether there is more
//! and resumes one sleeper if so: one wakes the next, for as long as there is work.
//!
//! # Why no wake is lost
//! A submitter that read that **nobody sleeps** leaves the job to workers that are active or
//! searching. Each of them, before it parks, announces its sleep after that read, and then looks;
//! light and heavy fence make the push visible to that look (`asymmetric_fence`).
//!
//! A submitter that read that **somebody searches** has put a full fence between its push and that
//! read. Each worker that searched at that moment leaves the searching later in the total order of
//! the word: for its sleep, and then looks, as above; or with a job, and then the last of the
//! searchers looks, behind a full fence of its own, and resumes somebody. That sleepers exist is
//! what makes this case matter, so only it pays for the full fence.

use crossbeam_utils::CachePadded;

use crate::sys::asymmetric_fence::{heavy, light};
use crate::sys::sync::{AtomicU64, LockExt, Mutex, Ordering, fence};
use crate::worker::park::spin_a_while;

/// One sleeping worker, in the word.
const SLEEPING: u64 = 1 << 32;
/// One searching worker, in the word.
const SEARCHING: u64 = 1;

/// The idle stack of a pool, and the counts that submitters look at. Slots are what sleep here; for
/// workers with threads of their own, the slot is the worker.
pub(crate) struct Sleep {
    /// Sleeping workers in the upper half, searching in the lower. Changed with SeqCst, and for
    /// sleepers only under the lock of the stack.
    word: CachePadded<AtomicU64>,
    /// The slots that sleep, the latest on top. No user code runs under the lock.
    stack: Mutex<Vec<usize>>,
    /// How many workers the pool has.
    workers: u64,
}

/// Returns how many sleep, by the word.
fn sleeping(word: u64) -> u64 {
    word / SLEEPING
}

/// Returns how many search, by the word.
fn searching(word: u64) -> u64 {
    word % SLEEPING
}

/// What a worker that announced its sleep must do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    /// There is nothing to be found: park until resumed.
    Sleep,
    /// There is work. The worker is off the stack and counted as searching again.
    Search,
    /// There is work, and another thread has resumed the worker already: take the slot as it comes,
    /// then search.
    Resumed,
}

impl Sleep {
    /// Returns a stack on which nobody sleeps, for a pool of that many workers. Nobody is counted
    /// as searching either.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            word: CachePadded::new(AtomicU64::new(0)),
            stack: Mutex::new(Vec::with_capacity(workers)),
            workers: workers as u64,
        }
    }

    /// Does the submitter's part, after its push. Returns the worker to resume, if one is needed:
    /// it is counted as searching. `is_worker` says whether the submitter is a worker itself, and
    /// is asked only if somebody sleeps.
    #[inline]
    pub(crate) fn notify(&self, is_worker: impl FnOnce() -> bool) -> Option<usize> {
        // ORDERING: partner is the heavy fence in `announce`: either this read sees the sleeper, or
        // its last look sees the push.
        light();
        if self.word.load(Ordering::Relaxed) < SLEEPING {
            return None;
        }
        self.notify_sleeper(is_worker)
    }

    /// Does the part of [`notify`](Self::notify) that is due only where somebody sleeps.
    #[inline(never)]
    fn notify_sleeper(&self, is_worker: impl FnOnce() -> bool) -> Option<usize> {
        // ORDERING: pairs with the fence in `end_search`: either this read sees no searcher, or its
        // look sees the push. The later reads are of later states, so the same holds for them.
        fence(Ordering::SeqCst);
        let word = self.word.load(Ordering::Relaxed);
        if sleeping(word) == 0 || searching(word) != 0 {
            return None;
        }
        let is_another_active = sleeping(word) + u64::from(is_worker()) < self.workers;
        if is_another_active && spin_a_while(|| self.has_searcher()) {
            return None;
        }
        self.take_sleeper()
    }

    /// Takes the top of the stack and counts it as searching, unless a worker searches by now.
    #[cold]
    fn take_sleeper(&self) -> Option<usize> {
        let mut stack = self.stack.lock_unpoisoned();
        // Somebody may have resumed one while this thread waited for the lock; that one searches
        // for all. ORDERING: SeqCst on each change of the word keeps them in one order, which the
        // argument above walks along.
        if searching(self.word.load(Ordering::SeqCst)) != 0 {
            return None;
        }
        let worker = stack.pop()?;
        self.word
            .fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::SeqCst);
        Some(worker)
    }

    /// Returns whether a worker sleeps. Out of date at once.
    #[inline]
    pub(crate) fn has_sleeper(&self) -> bool {
        self.word.load(Ordering::Relaxed) >= SLEEPING
    }

    /// Returns whether others search next to the caller, which is counted as searching. Out of date
    /// at once.
    #[inline]
    pub(crate) fn has_rivals(&self) -> bool {
        searching(self.word.load(Ordering::Relaxed)) > 1
    }

    /// Returns whether a worker searches. Out of date at once.
    pub(crate) fn has_searcher(&self) -> bool {
        searching(self.word.load(Ordering::Relaxed)) != 0
    }

    /// Returns whether a worker sleeps or searches. Out of date at once.
    #[inline]
    pub(crate) fn is_somebody_idle(&self) -> bool {
        self.word.load(Ordering::Relaxed) != 0
    }

    /// Takes a sleeper off the stack for a caller that has work for its slot already. It is not
    /// resumed, and is counted as active.
    ///
    /// To submitters it is a worker that was active all along: before it sleeps again, it looks.
    pub(crate) fn take_for_work(&self) -> Option<usize> {
        if !self.has_sleeper() {
            return None;
        }
        let mut stack = self.stack.lock_unpoisoned();
        let sleeper = stack.pop()?;
        self.word.fetch_sub(SLEEPING, Ordering::SeqCst);
        Some(sleeper)
    }

    /// Takes every sleeper off the stack, for the end of the pool, and counts all of them as
    /// searching. The caller resumes them.
    pub(crate) fn take_all(&self) -> Vec<usize> {
        let mut stack = self.stack.lock_unpoisoned();
        let count = stack.len() as u64;
        self.word.fetch_add(
            count.wrapping_mul(SEARCHING.wrapping_sub(SLEEPING)),
            Ordering::SeqCst,
        );
        std::mem::take(&mut *stack)
    }

    /// Counts one more searcher: a worker that was active and found nothing.
    pub(crate) fn begin_search(&self) {
        self.word.fetch_add(SEARCHING, Ordering::SeqCst);
    }

    /// Counts one searcher less: it found a job. Returns true if it was the last one: then it must
    /// look for more, and notify if there is some.
    pub(crate) fn end_search(&self) -> bool {
        let was_last = searching(self.word.fetch_sub(SEARCHING, Ordering::SeqCst)) == 1;
        if was_last {
            // ORDERING: pairs with the fence in `notify_sleeper`; the caller's look comes after it.
            fence(Ordering::SeqCst);
        }
        was_last
    }

    /// Puts a searcher on the stack, and looks once more: `has_work` is its last look. The caller
    /// does what the answer says.
    pub(crate) fn announce(&self, worker: usize, has_work: impl FnOnce() -> bool) -> Announced {
        {
            let mut stack = self.stack.lock_unpoisoned();
            stack.push(worker);
            self.word
                .fetch_add(SLEEPING.wrapping_sub(SEARCHING), Ordering::SeqCst);
        }
        // ORDERING: partner is the light fence in `notify`; a full fence too, for that in
        // `notify_sleeper`.
        heavy();
        if !has_work() {
            Announced::Sleep
        } else {
            self.withdraw(worker)
        }
    }

    /// Takes the worker off the stack again, unless another thread has.
    pub(crate) fn withdraw(&self, worker: usize) -> Announced {
        let mut stack = self.stack.lock_unpoisoned();
        match stack.iter().rposition(|&sleeper| sleeper == worker) {
            None => Announced::Resumed,
            Some(place) => {
                stack.remove(place);
                self.word
                    .fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::SeqCst);
                Announced::Search
            }
        }
    }
}
