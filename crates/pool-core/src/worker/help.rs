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
//! A future that was suspended notes in its cell what it awaits of its own pool, whoever polled it.
//! A helper that finds a future not due adds to the list what that awaits: if the workers all wait
//! here, nobody else makes progress on it. So the list holds whole chains of awaits, and what it
//! holds is what the jobs here asked for, if by way of others.
//!
//! Each wait has a part of the list of its own, above those of the waits around it, and never polls
//! theirs: a joiner runs nothing that it did not ask for.
//!
//! # Whose waker
//! An executor may poll each of several handles with a waker of its own, and poll again the one
//! alone whose waker was called. So the waker of a handle's poll is left in the cell of that
//! future, and of those that it awaits, and in no other: it is dead once the handle is ready. A
//! cell has room for one helper's waker, and needs no more, since a future is awaited by whoever
//! polled its handle last. It notes who that is; one that has an older note of it does not help it
//! any more.
//!
//! # What a helper leaves in the queue
//! A wake queues the future, and a helper that is faster leaves that entry there. Each future has
//! one at the most, but a job may wait for one future after the other, for as long as it likes,
//! while no worker comes to the queue: the entries would keep what they point to. So who has ended
//! some futures here looks through as many entries twice, from the front, drops those of futures
//! that are over, and queues the others again.
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

/// A job that another one awaits.
pub(crate) trait Awaited: Send + Sync {
    fn id(&self) -> JobId;
    fn is_ended(&self) -> bool;
    /// A job of the same pool that waits for this one, if by way of others, polls it, if it is due,
    /// or runs it, if it is queued. Otherwise `waker` will be called.
    fn help(self: Arc<Self>, worker: &Worker, waker: &Waker) -> Helped;
    /// Whether future `id` was the last to poll its handle, as far as that matters.
    fn is_awaited_by(&self, id: JobId) -> bool;
    /// What it awaits itself.
    fn awaits(&self) -> Vec<Arc<dyn Awaited>>;
    /// The helper has stopped waiting. Returns the other jobs in which it may have left its waker.
    fn leave_helper(&self) -> Vec<Arc<dyn Awaited>>;
}

/// A helper has stopped waiting for these, and for what they await.
pub(crate) fn leave_helpers(mut awaited: Vec<Arc<dyn Awaited>>) {
    while let Some(job) = awaited.pop() {
        awaited.append(&mut job.leave_helper());
    }
}

/// What a helper found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Helped {
    /// It was due, and was polled.
    Polled,
    /// It sleeps, or somebody else polls it.
    NotDue,
    /// It has ended.
    Over,
}

#[derive(Default)]
pub(super) struct Help {
    futures: RefCell<Vec<Arc<dyn Awaited>>>,
    /// Which those are, each with where its job's part of the list begins: a chain of awaits may be
    /// long.
    listed: RefCell<HashSet<(usize, JobId)>>,
    /// What the future that is being polled has awaited in this poll, above what those around it
    /// have.
    awaited: RefCell<Vec<Arc<dyn Awaited>>>,
    /// Where the innermost job's part of the list begins.
    base: Cell<usize>,
    /// A helper polls, or looks for what is due: whoever awaits within that only adds to the list.
    is_helping: Cell<bool>,
    /// A job may have a name.
    has_left: Cell<bool>,
    /// How many futures have ended here, since the last look at the queue, whose entries may be in
    /// it.
    entries_left: Cell<usize>,
}

/// How many futures end here before the helper looks for their entries.
const MOST_ENTRIES_LEFT: usize = 32;

impl Help {
    /// How much is noted of what futures on this stack await.
    #[inline]
    pub(super) fn noted(&self) -> usize {
        self.awaited.borrow().len()
    }

    /// Takes what was noted since there was so much.
    #[inline]
    pub(super) fn take_noted(&self, since: usize) -> Vec<Arc<dyn Awaited>> {
        if self.noted() == since {
            return Vec::new();
        }
        self.awaited.borrow_mut().split_off(since)
    }
}

impl Worker {
    /// Runs a job in place, with a part of the list of its own. Who helps in it waits no longer
    /// after it.
    #[inline]
    pub(crate) fn helping_apart<R>(&self, run: impl FnOnce() -> R) -> R {
        let (result, rest) = self.apart(run);
        for future in rest {
            let _listed_too = future.leave_helper();
        }
        result
    }

    /// Runs something with a part of the list of its own. What is left in that.
    #[inline]
    fn apart<R>(&self, run: impl FnOnce() -> R) -> (R, Vec<Arc<dyn Awaited>>) {
        let help = &self.0.help;
        let before = help.futures.borrow().len();
        let base = help.base.replace(before);
        let is_helping = help.is_helping.replace(false);
        let result = run();
        help.is_helping.set(is_helping);
        let rest = self.cut_off(before);
        help.base.set(base);
        (result, rest)
    }

    /// Waits for `future` on this worker, helping; `wait` sleeps until the helper's waker is
    /// called. `is_over` is asked before each sleep.
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

    /// Helps within one poll of an executor that is not ours: makes what progress there is, and
    /// returns. `waker` is called when there may be more, until the handle is polled again, or
    /// goes.
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

    /// The future that is the innermost job here, if it is one that is being polled: notes that it
    /// awaits what `job` gives.
    pub(crate) fn note_awaited(&self, job: impl FnOnce() -> Arc<dyn Awaited>) -> Option<JobId> {
        let awaiter = self.polled_innermost()?;
        let job = job();
        self.0.help.awaited.borrow_mut().push(job);
        Some(awaiter)
    }

    /// A job here is over: it is in no wait that it has left. Whether it, or one beneath it, may
    /// have left something.
    #[inline]
    pub(super) fn forget_left(&self) -> bool {
        let has_left = self.0.help.has_left.get();
        if has_left {
            self.forget_all_left();
        }
        has_left
    }

    #[cold]
    fn forget_all_left(&self) {
        let jobs = self.own_jobs();
        self.forget_names_above(jobs);
        if jobs == 0 {
            self.0.help.has_left.set(false);
        }
    }

    /// A future has ended here, and its entry is in the queue of those that were woken, unless
    /// somebody has just taken it.
    pub(crate) fn left_an_entry(&self) {
        let left = &self.0.help.entries_left;
        left.set(left.get() + 1);
        if left.get() == MOST_ENTRIES_LEFT {
            left.set(0);
            self.life()
                .woken
                .drop_dead_entries(2 * MOST_ENTRIES_LEFT, self.life());
        }
    }

    /// A job here may leave something behind.
    pub(super) fn may_leave_something(&self) {
        self.0.help.has_left.set(true);
    }

    /// Adds to the innermost job's part of the list. False: it is there already.
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

    /// Polls what is due until nothing is.
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

    /// Takes one entry off the list.
    fn take_off(&self, index: usize) {
        let help = &self.0.help;
        let over = help.futures.borrow_mut().remove(index);
        self.unlist(help.base.get(), &over);
        // The drop of a future may be user code: with nothing borrowed.
        drop(over);
    }

    /// Takes the innermost wait's entries above `length` off the list.
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

    fn unlist(&self, base: usize, future: &Arc<dyn Awaited>) {
        let mut listed = self.0.help.listed.borrow_mut();
        listed.remove(&(base, future.id()));
    }
}
