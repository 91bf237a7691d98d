//! `AfterJob`: what other code wants a worker's thread to do once the job on it is over.
//!
//! An engine on borrowed threads uses it through `after_this_job`: a run that meets a thread on
//! which a job waits is refused there, and begins again after that job. The actions run between two
//! jobs of a run on a borrowed thread (`work_as_guest`). The other loops of a worker do not call
//! them, and such workers take none.

use std::cell::{Cell, RefCell};

use crate::worker::Worker;

/// Used on the worker's own thread alone.
#[derive(Default)]
pub(super) struct AfterJob {
    /// The actions, in the order of their arrival.
    actions: RefCell<Vec<Box<dyn FnOnce()>>>,
    /// Whether the worker's loop calls them.
    are_called: Cell<bool>,
}

impl Worker {
    /// Has `then` called on this thread once the outermost job on this worker is over. False: this
    /// worker calls none.
    pub(crate) fn after_job(&self, then: Box<dyn FnOnce()>) -> bool {
        let after_job = &self.0.after_job;
        let are_called = after_job.are_called.get();
        if are_called {
            after_job.actions.borrow_mut().push(then);
        }
        are_called
    }

    /// From now on the worker's loop calls [`run_after_job`](Self::run_after_job) after each job.
    pub(super) fn calls_after_job(&self) {
        self.0.after_job.are_called.set(true);
    }

    /// Calls the actions that have come, if any. Called between two jobs.
    #[inline]
    pub(super) fn run_after_job(&self) {
        if !self.0.after_job.actions.borrow().is_empty() {
            self.run_all_after_job();
        }
    }

    /// Takes all actions out and calls them, with nothing borrowed: each may add another, for the
    /// next time.
    #[cold]
    fn run_all_after_job(&self) {
        let all = self.0.after_job.actions.take();
        all.into_iter().for_each(|then| then());
    }
}
