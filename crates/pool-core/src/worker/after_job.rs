//! What others wait for a worker's thread to do once the job on it is over.

use std::cell::RefCell;

use crate::worker::Worker;

/// What is to be done, in the order of its arrival.
#[derive(Default)]
pub(super) struct AfterJob(RefCell<Vec<Box<dyn FnOnce()>>>);

impl Worker {
    /// Has `then` called once the job that runs now on this worker is over.
    pub(crate) fn after_job(&self, then: Box<dyn FnOnce()>) {
        self.0.after_job.0.borrow_mut().push(then);
    }

    #[inline]
    pub(super) fn run_after_job(&self) {
        if !self.0.after_job.0.borrow().is_empty() {
            self.run_all_after_job();
        }
    }

    #[cold]
    fn run_all_after_job(&self) {
        let all = self.0.after_job.0.take();
        all.into_iter().for_each(|then| then());
    }
}
