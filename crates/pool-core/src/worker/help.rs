//! How a job that waits makes progress on the futures that it waits for, on its own worker.
//!
//! A future belongs to its pool: each wake queues it there. But a job that joins it, or awaits it in an
//! executor of its own, keeps a worker, which may be the only one. So while it waits it **helps**: it
//! polls the futures that it waits for itself, whenever one of them is due and no worker has come first.
//!
//! The list holds the futures that the jobs on this stack wait for, those of the innermost job last. A
//! future that is polled here and awaits another of the pool adds that one to the list instead of polling
//! it within its own poll. So the depth of a chain of awaits costs memory and no stack. A helper looks
//! from the end of the list: what was awaited last is due first.
//!
//! A future that was suspended notes in its cell what it awaits of its own pool, whoever polled it. A helper
//! that finds a future not due adds to the list what that awaits: if the workers all wait here, nobody
//! else makes progress on it. So the list holds whole chains of awaits, and what it holds is what the
//! jobs here asked for, if by way of others.
//!
//! A job that runs in place within such a wait has a part of the list of its own, above those of the jobs
//! around it, and never polls theirs: a joiner runs nothing that it did not ask for.
//!
//! # No wake is missed
//! A helper leaves its waker in a future's cell and then looks whether that is due; a wake makes the
//! future due and then looks for the helper's waker. The cell's lock orders the two, so one of them sees
//! the other. See `async_cell`. What a future awaits is noted under the same lock, and then its helper's
//! waker is called: a helper that looked before the note looks again.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;
use std::task::Waker;

use crate::id::JobId;
use crate::worker::Worker;

/// A job that another one awaits.
pub(crate) trait Awaited: Send + Sync {
    fn id(&self) -> JobId;
    fn is_ended(&self) -> bool;
    /// A job of the same pool that waits for this one, if by way of others, polls it, if it is due, or runs it, if it is queued.
    /// Otherwise `waker` will be called.
    fn help(self: Arc<Self>, worker: &Worker, waker: &Waker) -> Helped;
    /// What it awaits itself.
    fn awaits(&self) -> Vec<Arc<dyn Awaited>>;
    /// The helper waits no longer.
    fn leave_helper(&self);
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
    /// Which those are, each with where its job's part of the list begins: a chain of awaits may be long.
    listed: RefCell<HashSet<(usize, JobId)>>,
    /// What the future that is being polled has awaited in this poll, above what those around it have.
    awaited: RefCell<Vec<Arc<dyn Awaited>>>,
    /// Where the innermost job's part of the list begins.
    base: Cell<usize>,
    /// A helper polls, or looks for what is due: whoever awaits within that only adds to the list.
    is_helping: Cell<bool>,
    /// Something may be on the list that a job has left there, or a job have a name.
    has_left: Cell<bool>,
}

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
    /// Runs a job in place, with a part of the list of its own.
    #[inline]
    pub(crate) fn helping_apart<R>(&self, run: impl FnOnce() -> R) -> R {
        let help = &self.0.help;
        let before = help.futures.borrow().len();
        let base = help.base.replace(before);
        let is_helping = help.is_helping.replace(false);
        let result = run();
        help.is_helping.set(is_helping);
        self.truncate(before);
        help.base.set(base);
        result
    }

    /// Waits for `future` on this worker, helping; `wait` sleeps until the helper's waker is called. `is_over` is asked before each sleep.
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

    /// Helps within one poll of an executor that is not ours: makes what progress there is, and returns. `waker` is called when there may be
    /// more.
    pub(crate) fn help_once(&self, future: Arc<dyn Awaited>, waker: &Waker) {
        let help = &self.0.help;
        if help.is_helping.get() {
            self.add(future);
            return;
        }
        self.forget_ended();
        self.add(future);
        self.may_leave_something();
        self.help_all(waker);
    }

    /// Whether the innermost job here is a future that is being polled. If so, notes that it awaits what `job` gives.
    pub(crate) fn note_awaited(&self, job: impl FnOnce() -> Arc<dyn Awaited>) {
        if self.is_polling() {
            let job = job();
            self.0.help.awaited.borrow_mut().push(job);
        }
    }

    /// A job here is over: what it has left is not helped here any more, and in no wait. Whether it, or one beneath it, may have left
    /// something.
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
            self.truncate(0);
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
                Helped::Polled => next = usize::MAX, // whatever it woke, or awaits now
                Helped::Over => {
                    let over = help.futures.borrow_mut().remove(next);
                    self.unlist(help.base.get(), &over);
                    drop(over);
                }
            }
        }
        help.is_helping.set(false);
    }

    /// Forgets what has ended, in the innermost job's part of the list.
    fn forget_ended(&self) {
        let help = &self.0.help;
        let own = help.futures.borrow_mut().split_off(help.base.get());
        let (ended, alive): (Vec<_>, Vec<_>) = own.into_iter().partition(|it| it.is_ended());
        help.futures.borrow_mut().extend(alive);
        for future in &ended {
            self.unlist(help.base.get(), future);
        }
        drop(ended);
    }

    /// Takes the innermost job's entries above `length` off the list.
    fn truncate(&self, length: usize) {
        let help = &self.0.help;
        if help.futures.borrow().len() > length {
            let rest = help.futures.borrow_mut().split_off(length);
            // The drop of a future may be user code: with nothing borrowed.
            for future in &rest {
                self.unlist(help.base.get(), future);
                future.leave_helper();
            }
            drop(rest);
        }
        if length == 0 {
            help.listed.borrow_mut().clear();
        }
    }

    fn unlist(&self, base: usize, future: &Arc<dyn Awaited>) {
        let mut listed = self.0.help.listed.borrow_mut();
        listed.remove(&(base, future.id()));
    }
}
