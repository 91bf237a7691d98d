//! How a job that waits makes progress on the futures that it waits for, on its own worker.
//!
//! A future belongs to its pool: each wake queues it there. But a job that joins it, or awaits it
//! in an executor of its own, keeps a worker, which may be the only one. So while it waits it
//! **helps**: it polls the futures that it waits for itself, whenever one of them is due and no
//! worker has come first.
//!
//! The list holds the future that a job on this stack waits for, and what that awaits. A future
//! that is polled here and awaits another of the pool adds that one to the list instead of polling
//! it within its own poll. So the depth of a chain of awaits costs memory and no stack. A helper
//! looks from the end of the list: what was awaited last is due first.
//!
//! A future that was suspended notes in its cell what it awaits of its own pool, whether a worker
//! or a helper polled it. A helper that finds a future not due adds to the list what that awaits:
//! if the workers all wait here, nobody else makes progress on it. So the list holds whole chains
//! of awaits, and what it holds is what the jobs here asked for, if by way of others.
//!
//! Each wait has a part of the list of its own, above those of the waits around it, and never polls
//! theirs: a joiner runs nothing that it did not ask for.
//!
//! # Whose waker
//! An executor may poll each of several handles with a waker of its own, and poll again the one
//! alone whose waker was called. So the waker of a handle's poll is left in the cell of that
//! future, and of those that it awaits, and in no other: it is dead once the handle is ready. A
//! cell has room for one helper's waker, and needs no more, since a future is awaited by the job
//! that polled its handle last. It notes which one that is; a helper of a future that has an older
//! note of it does not help it any more.
//!
//! # What a helper leaves in the queue
//! A wake queues the future, and a helper that is faster leaves that entry there. Each future has
//! one at most, but a job may wait for one future after the other, for as long as it likes,
//! while no worker comes to the queue: the entries would keep what they point to. So a worker that
//! has ended some futures here looks through twice as many entries, from the front, drops those of
//! futures that are over, and queues the others again.
//!
//! # No wake is missed
//! A helper leaves its waker in a future's cell and then looks whether that is due; a wake makes
//! the future due and then looks for the helper's waker. The cell's lock orders the two, so one of
//! them sees the other. See `cell::future`. What a future awaits is noted under the same lock, and
//! then its helper's waker is called: a helper that looked before the note looks again.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;
use std::task::Waker;

use crate::job::id::JobId;
use crate::worker::Worker;

/// A job that another one awaits, as a helper sees it: the cell of a closure that is still queued,
/// or of a future.
pub(crate) trait Awaited: Send + Sync {
    /// Returns the job's id.
    fn id(&self) -> JobId;
    /// Returns whether the job needs no help any more.
    fn is_ended(&self) -> bool;
    /// Makes progress on the job for another job of the same pool that waits for it, directly or by
    /// way of others: polls it, if it is due, or runs it, if it is queued. Otherwise `waker` is
    /// called when there may be something to do.
    fn help(self: Arc<Self>, worker: &Worker, waker: &Waker) -> Helped;
    /// Returns whether future `id` was the last to poll this job's handle, as far as that matters.
    fn is_awaited_by(&self, id: JobId) -> bool;
    /// Returns what the job awaits itself, as of the end of its last poll.
    fn awaits(&self) -> Vec<Arc<dyn Awaited>>;
    /// Takes the helper's waker out: the helper has stopped waiting. Returns the other jobs in
    /// which it may have left its waker.
    fn leave_helper(&self) -> Vec<Arc<dyn Awaited>>;
}

/// Takes the helper's waker out of these jobs, and of all that they await. A loop, so that a long
/// row of awaits takes no stack.
pub(crate) fn leave_helpers(mut awaited: Vec<Arc<dyn Awaited>>) {
    while let Some(job) = awaited.pop() {
        awaited.append(&mut job.leave_helper());
    }
}

/// What came of an attempt to help one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Helped {
    /// It was due or queued, and was polled or run here.
    Polled,
    /// There is nothing to do for it now: it sleeps, or another thread has it.
    NotDue,
    /// It has ended, or needs no help any more.
    Over,
}

/// What the waits on one worker's stack help with. Used by the worker's own thread alone. Nothing
/// is borrowed while a job is polled or dropped.
#[derive(Default)]
pub(super) struct Help {
    /// The list: for each wait on the stack, the innermost last, the jobs that it waits for.
    futures: RefCell<Vec<Arc<dyn Awaited>>>,
    /// Which jobs those are, each with where its wait's part of the list begins. A set, since there
    /// may be many.
    listed: RefCell<HashSet<(usize, JobId)>>,
    /// What the future that is being polled has awaited in this poll, above what those around it
    /// have.
    awaited: RefCell<Vec<Arc<dyn Awaited>>>,
    /// Where the innermost wait's part of the list begins.
    base: Cell<usize>,
    /// A helper polls, or looks for what is due: an await within that only adds to the list.
    is_helping: Cell<bool>,
    /// Whether a job on this stack may have been given a name, which is to be forgotten as it ends.
    has_left: Cell<bool>,
    /// How many futures have ended here since the last look at the list of woken futures, whose
    /// entries may still be in it.
    entries_left: Cell<usize>,
}

/// How many futures end here before the worker looks for their entries.
const MAX_ENTRIES_LEFT: usize = 32;

impl Help {
    /// Returns how many jobs are noted that futures on this stack have awaited in their present
    /// polls.
    #[inline]
    pub(super) fn noted(&self) -> usize {
        self.awaited.borrow().len()
    }

    /// Takes what was noted after the first `since`.
    #[inline]
    pub(super) fn take_noted(&self, since: usize) -> Vec<Arc<dyn Awaited>> {
        if self.noted() == since {
            return Vec::new();
        }
        self.awaited.borrow_mut().split_off(since)
    }
}

/// A part of the list that one wait has for itself, until this is dropped, by a panic too.
struct Part<'a> {
    worker: &'a Worker,
    /// Where it begins, and where the one around it does.
    begin: usize,
    outer: usize,
    /// Whether a helper polls around it.
    is_helping: bool,
}

impl<'a> Part<'a> {
    #[inline]
    fn begin(worker: &'a Worker) -> Self {
        let help = &worker.0.help;
        let begin = help.futures.borrow().len();
        Self {
            worker,
            begin,
            outer: help.base.replace(begin),
            is_helping: help.is_helping.replace(false),
        }
    }

    /// Takes what is left in it off the list.
    #[inline]
    fn cut_off(&self) -> Vec<Arc<dyn Awaited>> {
        self.worker.cut_off(self.begin)
    }
}

impl Drop for Part<'_> {
    #[inline]
    fn drop(&mut self) {
        let rest = self.cut_off();
        let help = &self.worker.0.help;
        help.is_helping.set(self.is_helping);
        help.base.set(self.outer);
        drop(rest);
    }
}

impl Worker {
    /// Runs a job in place, with a part of the list of its own. When the job returns, its waits are
    /// over: the helper's waker is taken out of the jobs that are left in that part.
    #[inline]
    pub(crate) fn helping_apart<R>(&self, run: impl FnOnce() -> R) -> R {
        let (result, rest) = self.apart(run);
        for future in rest {
            let _listed_too = future.leave_helper();
        }
        result
    }

    /// Runs `run` with a part of the list of its own. Returns what is left in that.
    #[inline]
    fn apart<R>(&self, run: impl FnOnce() -> R) -> (R, Vec<Arc<dyn Awaited>>) {
        let part = Part::begin(self);
        let result = run();
        (result, part.cut_off())
    }

    /// Runs one poll of a wait that blocks, within a job. Whatever the job is, its suspension does
    /// not free the worker; and what is awaited in the poll is helped within it, although the job
    /// itself may be one that is helped.
    pub(crate) fn blocking_poll<R>(&self, poll: impl FnOnce() -> R) -> R {
        let (result, rest) = self.apart(|| self.keeping_place(poll));
        // The drop of a future may be user code: with nothing borrowed.
        drop(rest);
        result
    }

    /// Waits for `future` on this worker, helping; `wait` sleeps until the helper's waker is
    /// called. `is_over` is asked before each sleep, after a helping that found nothing more to do.
    pub(crate) fn help_until(
        &self,
        future: Arc<dyn Awaited>,
        waker: &Waker,
        mut is_over: impl FnMut() -> bool,
        mut wait: impl FnMut(),
    ) {
        self.helping_apart(|| {
            self.add(future);
            loop {
                self.help_all(waker);
                if is_over() {
                    break;
                }
                wait();
            }
        });
    }

    /// Helps within one poll of an executor that is not the pool's: makes what progress there is,
    /// and returns. `waker` is called when there may be more, until the handle is polled again, or
    /// goes. Within another help it only adds to that one's list.
    pub(crate) fn help_once(&self, future: Arc<dyn Awaited>, waker: &Waker) {
        if self.0.help.is_helping.get() {
            self.add(future);
            return;
        }
        let ((), rest) = self.apart(|| {
            self.add(future);
            self.help_all(waker);
        });
        // The drop of a future may be user code: with nothing borrowed.
        drop(rest);
    }

    /// Notes that the future that is being polled here, if it is the innermost job, awaits the job
    /// that `job` makes a reference to. Returns that future's id.
    pub(crate) fn note_awaited(&self, job: impl FnOnce() -> Arc<dyn Awaited>) -> Option<JobId> {
        let awaiter = self.polled_innermost()?;
        let job = job();
        self.0.help.awaited.borrow_mut().push(job);
        Some(awaiter)
    }

    /// Forgets the names of the jobs that have ended here, so that no wait leaves them out any
    /// more. Returns whether the job that is over, or one beneath it, may have had one.
    #[inline]
    pub(super) fn forget_left(&self) -> bool {
        let has_left = self.0.help.has_left.get();
        if has_left {
            self.forget_all_left();
        }
        has_left
    }

    /// Does the part of that which is due only where a name was given.
    #[cold]
    fn forget_all_left(&self) {
        let jobs = self.own_jobs();
        self.forget_names_above(jobs);
        if jobs == 0 {
            self.0.help.has_left.set(false);
        }
    }

    /// Notes that a future has ended here whose entry may still be in the list of woken futures.
    /// After some of them, the front of that list is looked through.
    pub(crate) fn left_an_entry(&self) {
        let left = &self.0.help.entries_left;
        left.set(left.get() + 1);
        if left.get() == MAX_ENTRIES_LEFT {
            left.set(0);
            self.life()
                .woken
                .drop_dead_entries(2 * MAX_ENTRIES_LEFT, self.life());
        }
    }

    /// Notes that a job on this stack is given a name.
    pub(super) fn may_leave_something(&self) {
        self.0.help.has_left.set(true);
    }

    /// Adds a job to the innermost wait's part of the list. Returns false if it is there already.
    fn add(&self, future: Arc<dyn Awaited>) -> bool {
        let help = &self.0.help;
        let is_new = help
            .listed
            .borrow_mut()
            .insert((help.base.get(), future.id()));
        if is_new {
            help.futures.borrow_mut().push(future);
        }
        is_new
    }

    /// Helps with what is due until nothing is, from the end of the list. What a job that is not
    /// due awaits is added, and comes first.
    fn help_all(&self, waker: &Waker) {
        let help = &self.0.help;
        help.is_helping.set(true);
        let mut next = usize::MAX;
        loop {
            let end = help.futures.borrow().len();
            if next >= end {
                next = end;
            }
            if next <= help.base.get() {
                break;
            }
            next -= 1;
            let future = Arc::clone(&help.futures.borrow()[next]);
            match Arc::clone(&future).help(self, waker) {
                Helped::NotDue => {
                    for awaited in future.awaits() {
                        if self.add(awaited) {
                            next = usize::MAX;
                        }
                    }
                }
                Helped::Polled => {
                    // At once: as it ended, it may have had another one awaited, which may do the
                    // same, and so on.
                    if future.is_ended() {
                        self.take_off(next);
                    }
                    next = usize::MAX; // whatever it woke, or awaits now
                }
                Helped::Over => self.take_off(next),
            }
        }
        help.is_helping.set(false);
    }

    /// Takes one entry off the list, and drops it with nothing borrowed.
    fn take_off(&self, index: usize) {
        let help = &self.0.help;
        let over = help.futures.borrow_mut().remove(index);
        self.unlist(help.base.get(), &over);
        // The drop of a future may be user code: with nothing borrowed.
        drop(over);
    }

    /// Takes the innermost wait's entries above `length` off the list, and returns them.
    fn cut_off(&self, length: usize) -> Vec<Arc<dyn Awaited>> {
        let help = &self.0.help;
        if help.futures.borrow().len() <= length {
            return Vec::new();
        }
        let rest = help.futures.borrow_mut().split_off(length);
        for future in &rest {
            self.unlist(help.base.get(), future);
        }
        rest
    }

    /// Takes a job out of the set.
    fn unlist(&self, base: usize, future: &Arc<dyn Awaited>) {
        let mut listed = self.0.help.listed.borrow_mut();
        listed.remove(&(base, future.id()));
    }
}
