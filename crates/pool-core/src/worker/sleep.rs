//! Which workers sleep and which search: how a submission wakes few workers and never too few.
//!
//! # States
//! A worker is **active** (it runs a job), **searching** (it looks for one) or **sleeping** (it is
//! on the stack, parked or about to park). One word counts the sleeping and the searching.
//!
//! The word has a mark too: **fenced**. It stands while somebody sleeps, and for a while after.
//!
//! # The submitter, after its push
//! First a light fence; then it reads the word. If the mark is not there, it is done. Otherwise a
//! full fence, and it reads the word again: if nobody sleeps, or somebody searches, it is done;
//! where jobs are long, it is done if as many search as jobs are queued. Otherwise it takes one
//! sleeper off the stack, counts it as searching, and resumes it.
//!
//! Before that it has a little **patience**, if another worker is active: a short job is over, and
//! its worker searches, sooner than a sleeper could be woken. Otherwise a thread that submits a
//! job, joins it and submits the next would wake a second worker each time, for nothing.
//!
//! # The worker that found nothing
//! If the mark is absent, it sets it, and then makes a heavy fence. Only then it puts itself on the
//! stack; in one step it leaves the searching and joins the sleeping. Then a full fence; then it
//! looks into the queues once more. Empty: it parks until it is resumed. Not empty: it takes itself
//! off the stack and searches again. If it is no longer there, it was resumed, or its slot was
//! taken for other work. It does not know which; so it notifies, as a submitter does, and parks. If
//! it was resumed, it does not sleep, and searches.
//!
//! # The worker that found something
//! It leaves the searching. If it was the last, a full fence; then it looks whether there is more
//! and resumes one sleeper if so: one wakes the next, for as long as there is work. Beyond that,
//! any thread may resume sleepers, for more speed, as long as more is queued than workers search. A
//! sleeper that is resumed without need searches, and sleeps again.
//!
//! # What the mark is for
//! A heavy fence is a system call, and interrupts every core that runs the process. It is for
//! submitters that make a light fence only. So the first worker to sleep has the submitters make
//! full fences from now on, and pays with a heavy one for those that do not know it yet. For the
//! next workers to sleep a full fence is enough.
//!
//! The mark outlasts the last sleeper, since where workers sleep they soon sleep again. A submitter
//! that has made a full fence and finds that nobody sleeps has paid for nothing. After
//! [`FENCES_IN_VAIN`] such submissions, which have cost about as much as a heavy fence, the mark
//! goes. So one heavy fence serves at least that many submissions, however often workers sleep
//! meanwhile.
//!
//! # Why no wake is lost
//! A submitter that read **the mark, and that nobody sleeps**, leaves the job to workers that are
//! active or searching. Each of them, before it parks, announces its sleep after that read, in the
//! total order of the word, and then looks. Both sides have a full fence between their write and
//! their read, so the look sees the push.
//!
//! A submitter that read **no mark** leaves the job to the worker that sets the mark next after
//! that read. Nobody sleeps before that: the mark goes only while nobody sleeps, and no worker is
//! put on the stack without it. The heavy fence of that worker and the light one make the push
//! visible to all that it does afterwards (`asymmetric_fence`): it does not park without having
//! looked. Others that announce meanwhile may miss the push, and sleep. If the worker takes another
//! job than this one, or its slot is resumed elsewhere, the last searcher looks for more, as below.
//! It leaves the searching after that worker in the order of the word, so it sees the push too.
//!
//! A submitter that read that **somebody searches** has put a full fence between its push and that
//! read. Each worker that searched at that moment leaves the searching later in the total order of
//! the word: for its sleep, and then looks, as above; or with a job, and then the last of the
//! searchers looks, behind a full fence of its own, and resumes somebody. That sleepers exist is
//! what makes this case matter, so only it pays for the full fence.

use crossbeam_utils::CachePadded;

use crate::sys::asymmetric_fence::{full, heavy, light};
use crate::sys::sync::{AtomicU32, AtomicU64, LockExt, Mutex, Ordering};
use crate::worker::park::spin_a_while;

/// One sleeping worker, in the word.
const SLEEPING: u64 = 1 << 32;
/// One searching worker, in the word.
const SEARCHING: u64 = 1;
/// The mark, in the word: submitters make a full fence between their push and their look.
const FENCED: u64 = 1 << 63;

/// How many submissions make a full fence and find that nobody sleeps, before the mark goes. A full
/// fence takes some ten nanoseconds, a heavy one about a microsecond, and as much on other cores.
const FENCES_IN_VAIN: u32 = if cfg!(pool_loom) { 1 } else { 64 };

/// The idle stack of a pool, and the counts that submitters look at. Slots are what sleep here; for
/// workers with threads of their own, the slot is the worker.
pub(crate) struct Sleep {
    /// The mark in the highest bit, sleeping workers in the rest of the upper half, searching in
    /// the lower. Changed with SeqCst; the mark and the sleepers only under the lock of the stack.
    word: CachePadded<AtomicU64>,
    /// How many submissions have fenced in vain since the mark was set. A few may be lost.
    in_vain: AtomicU32,
    /// The slots that sleep, the latest on top. No user code runs under the lock.
    stack: Mutex<Vec<usize>>,
    /// How many workers the pool has.
    workers: u64,
}

/// Returns how many sleep, by the word.
fn sleeping(word: u64) -> u64 {
    (word & !FENCED) / SLEEPING
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
    /// There is work, and another thread has taken the worker off the stack already: to resume it,
    /// and then the slot is counted as searching; or for work of its own, and then it may be that
    /// nobody searches. So the caller notifies. It parks, or leaves the slot alone, as for `Sleep`.
    Resumed,
}

impl Sleep {
    /// Returns a stack on which nobody sleeps, for a pool of that many workers. Nobody is counted
    /// as searching either.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            word: CachePadded::new(AtomicU64::new(0)),
            in_vain: AtomicU32::new(0),
            stack: Mutex::new(Vec::with_capacity(workers)),
            workers: workers as u64,
        }
    }

    /// Does the submitter's part, after its push. Returns the worker to resume, if one is needed:
    /// it is counted as searching. `is_worker` says whether the submitter is a worker itself, and
    /// is asked only if somebody sleeps.
    #[inline]
    pub(crate) fn notify(&self, is_worker: impl FnOnce() -> bool) -> Option<usize> {
        self.notify_if(|| true, is_worker, || 0)
    }

    /// [`notify`](Self::notify), unless workers would not take what was pushed: `is_wanted` says
    /// whether they would, and is asked only if somebody sleeps, behind a full fence. If somebody
    /// searches as well, one is woken all the same if fewer search than `worth_a_wake` says.
    #[inline(always)]
    pub(crate) fn notify_if(
        &self,
        is_wanted: impl FnOnce() -> bool,
        is_worker: impl FnOnce() -> bool,
        worth_a_wake: impl FnOnce() -> usize,
    ) -> Option<usize> {
        // ORDERING: partner is the heavy fence in `announce`: either this read sees the mark, or
        // the look of the worker that sets it sees the push.
        light();
        if self.word.load(Ordering::Relaxed) < SLEEPING {
            return None;
        }
        self.notify_fenced(is_wanted, is_worker, worth_a_wake)
    }

    /// Does the part of [`notify`](Self::notify) that is due only while the mark stands.
    #[inline(never)]
    fn notify_fenced(
        &self,
        is_wanted: impl FnOnce() -> bool,
        is_worker: impl FnOnce() -> bool,
        worth_a_wake: impl FnOnce() -> usize,
    ) -> Option<usize> {
        // ORDERING: pairs with the fences in `announce` and in `end_search`: either this read sees
        // the sleeper, or sees no searcher, or their look sees the push. The later reads are of
        // later states, so the same holds for them.
        full();
        let word = self.word.load(Ordering::Relaxed);
        if sleeping(word) == 0 {
            self.has_fenced_in_vain();
            return None;
        }
        let is_first = searching(word) == 0;
        let enough = if is_first { 1 } else { worth_a_wake() as u64 };
        if searching(word) >= enough || !is_wanted() {
            return None;
        }
        let is_another_active = sleeping(word) + u64::from(is_worker()) < self.workers;
        if is_first && is_another_active && spin_a_while(|| self.has_searcher()) {
            return None;
        }
        self.take_sleeper(enough)
    }

    /// Counts a fence for which no sleeper was found, and takes the mark away after many of them.
    fn has_fenced_in_vain(&self) {
        // Not in one step: if one of two submitters is not counted, the mark stays a little longer.
        let in_vain = self.in_vain.load(Ordering::Relaxed) + 1;
        self.in_vain.store(in_vain, Ordering::Relaxed);
        if in_vain >= FENCES_IN_VAIN {
            self.remove_mark();
        }
    }

    /// Takes the mark away, unless somebody sleeps.
    #[cold]
    fn remove_mark(&self) {
        let stack = self.stack.lock_unpoisoned();
        if stack.is_empty() && self.is_marked() {
            self.word.fetch_sub(FENCED, Ordering::SeqCst);
        }
        self.in_vain.store(0, Ordering::Relaxed);
    }

    /// Returns whether the mark is there. Up to date while the stack is locked.
    fn is_marked(&self) -> bool {
        self.word.load(Ordering::Relaxed) & FENCED != 0
    }

    /// Returns a worker to resume although others may search, if one sleeps and fewer search than
    /// jobs are queued.
    pub(crate) fn take_another(&self, queued: usize) -> Option<usize> {
        let word = self.word.load(Ordering::Relaxed);
        let queued = queued as u64;
        if sleeping(word) == 0 || searching(word) >= queued {
            return None;
        }
        self.take_sleeper(queued)
    }

    /// Takes the top of the stack and counts it as searching, unless `enough` search by now.
    #[cold]
    fn take_sleeper(&self, enough: u64) -> Option<usize> {
        let mut stack = self.stack.lock_unpoisoned();
        // Somebody may have resumed one while this thread waited for the lock; that one searches
        // for all. ORDERING: SeqCst on each change of the word keeps them in one order, which the
        // argument above walks along.
        if searching(self.word.load(Ordering::SeqCst)) >= enough {
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
        sleeping(self.word.load(Ordering::Relaxed)) != 0
    }

    /// Returns how many workers sleep. Out of date at once.
    pub(crate) fn asleep(&self) -> usize {
        // As many as slots, which are counted in a `usize`.
        sleeping(self.word.load(Ordering::Relaxed)) as usize
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
        self.word.load(Ordering::Relaxed) & !FENCED != 0
    }

    /// Returns whether one of the workers that are `alive` neither sleeps nor searches. Out of date
    /// at once.
    pub(crate) fn is_somebody_active(&self, alive: usize) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        sleeping(word) + searching(word) < alive as u64
    }

    /// Takes a sleeper off the stack for a caller that has work for its slot already. It is not
    /// resumed, and is counted as active.
    ///
    /// To later submitters the slot is one that was active all along: before it sleeps again, its
    /// holder looks. A submitter that counted on it before, as on a searcher, is answered for by
    /// the last look of the worker that announced its sleep; see [`Announced::Resumed`].
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
            // ORDERING: pairs with the fence in `notify_fenced`; the caller's look comes after it.
            full();
        }
        was_last
    }

    /// Puts a searcher on the stack, and looks once more: `has_work` is its last look. The caller
    /// does what the answer says.
    pub(crate) fn announce(&self, worker: usize, has_work: impl FnOnce() -> bool) -> Announced {
        while !self.join_sleepers(worker) {
            // ORDERING: partner is the light fence in `notify`. After the mark was set, and before
            // this worker is on the stack, from which another thread may go on in its place.
            heavy();
        }
        // ORDERING: pairs with the fence in `notify_fenced`.
        full();
        if !has_work() {
            Announced::Sleep
        } else {
            self.withdraw(worker)
        }
    }

    /// Puts a searcher on the stack and returns true, if the mark is there. Otherwise sets the mark
    /// and returns false: the caller makes a heavy fence, and tries again.
    fn join_sleepers(&self, worker: usize) -> bool {
        let mut stack = self.stack.lock_unpoisoned();
        let is_marked = self.is_marked();
        if is_marked {
            stack.push(worker);
            self.word
                .fetch_add(SLEEPING.wrapping_sub(SEARCHING), Ordering::SeqCst);
        } else {
            self.word.fetch_add(FENCED, Ordering::SeqCst);
        }
        is_marked
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

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::{Announced, FENCES_IN_VAIN, Sleep};

    /// Lets worker 0 search, sleep, be resumed by a submission, and find its job.
    fn sleep_and_wake(sleep: &Sleep) {
        sleep.begin_search();
        assert_eq!(sleep.announce(0, || false), Announced::Sleep);
        assert_eq!(sleep.notify(|| false), Some(0));
        assert!(sleep.end_search());
    }

    #[test]
    fn the_mark_outlasts_sleeps_until_many_submissions_find_nobody_asleep() {
        let sleep = Sleep::new(1);
        assert!(!sleep.is_marked());
        sleep_and_wake(&sleep);
        for _ in 1..FENCES_IN_VAIN {
            assert_eq!(sleep.notify(|| false), None);
            assert!(sleep.is_marked());
        }
        assert_eq!(sleep.notify(|| false), None);
        assert!(!sleep.is_marked());
        sleep_and_wake(&sleep);
        assert!(sleep.is_marked());
    }

    #[test]
    fn only_the_first_sleep_sets_the_mark() {
        let sleep = Sleep::new(2);
        sleep.begin_search();
        sleep.begin_search();
        assert!(!sleep.join_sleepers(0));
        assert!(sleep.join_sleepers(0));
        assert!(sleep.join_sleepers(1));
        // Not even after both were resumed: submitters still fence.
        assert_eq!(sleep.take_all(), [0, 1]);
        assert!(sleep.join_sleepers(1));
    }

    #[test]
    fn as_many_search_as_jobs_are_queued() {
        let sleep = Sleep::new(3);
        for worker in 0..3 {
            sleep.begin_search();
            assert_eq!(sleep.announce(worker, || false), Announced::Sleep);
        }
        let unwanted = sleep.notify_if(|| false, || false, || 9);
        assert_eq!(unwanted, None, "the pool is paused");
        assert_eq!(sleep.take_another(0), None);
        assert_eq!(sleep.notify(|| false), Some(2));
        assert_eq!(sleep.notify(|| false), None, "one searches");
        let notify_of = |queued| sleep.notify_if(|| true, || false, move || queued);
        assert_eq!(notify_of(1), None, "one searches");
        assert_eq!(sleep.take_another(1), None);
        assert_eq!(notify_of(2), Some(1));
        assert_eq!(sleep.take_another(2), None);
        assert_eq!(sleep.take_another(9), Some(0));
        assert_eq!(sleep.take_another(9), None, "nobody sleeps");
        assert!(!sleep.end_search() && !sleep.end_search() && sleep.end_search());
    }

    #[test]
    fn the_mark_alone_is_nobody_asleep_or_searching() {
        let sleep = Sleep::new(1);
        sleep_and_wake(&sleep);
        assert!(sleep.is_marked());
        assert!(!sleep.has_sleeper() && !sleep.has_searcher() && !sleep.is_somebody_idle());
        assert_eq!(sleep.take_for_work(), None);
    }
}
