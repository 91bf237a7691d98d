//! Which future a worker polls, and whether a wait within that poll suspends, which frees the
//! worker, or blocks, so that it must drive what it awaits.
//!
//! A future that awaits may leave its worker: it suspends, and another job takes its place. A job
//! that blocks, or a future that such a job drives, keeps the worker while it waits, so it must
//! make progress on what it awaits itself. The methods here tell the two apart.

use std::cell::Cell;
use std::sync::Arc;

use crate::job::id::JobId;
use crate::worker::{Awaited, Worker};

/// A future that is being polled on a worker's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Polling {
    /// The future's id.
    id: JobId,
    /// How many jobs were on the stack when the poll began, this one included. There are more while
    /// it runs others in place.
    depth: usize,
    /// How much was noted, when the poll began, of what those around it await.
    noted: usize,
}

/// Counts one more of something on a worker's stack until it is dropped, by a panic too.
struct Counted<'a>(&'a Cell<usize>);

impl<'a> Counted<'a> {
    #[inline]
    fn one_more(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Worker {
    /// Runs a poll of a future whose suspension does not free its worker: one that a joiner drives,
    /// or one that a job blocks on.
    pub(crate) fn keeping_place<R>(&self, poll: impl FnOnce() -> R) -> R {
        let _counted = Counted::one_more(&self.0.keeping);
        poll()
    }

    /// Runs a poll in place, within the job that joined or woke it, and counts it among the jobs on
    /// this stack.
    #[inline]
    pub(crate) fn nested<R>(&self, run: impl FnOnce() -> R) -> R {
        let _counted = Counted::one_more(&self.0.nested);
        run()
    }

    /// Notes which future is being polled here. Returns the one around it, to be passed to
    /// [`end_polling`](Self::end_polling).
    #[inline]
    pub(crate) fn begin_polling(&self, id: JobId) -> Option<Polling> {
        let (depth, noted) = (self.own_jobs(), self.0.help.noted());
        self.0.polling.replace(Some(Polling { id, depth, noted }))
    }

    /// Ends the note of the innermost poll and puts the one around it back. Returns what the future
    /// has awaited of its own pool in that poll.
    #[inline]
    pub(crate) fn end_polling(&self, outer: Option<Polling>) -> Vec<Arc<dyn Awaited>> {
        let ended = self.0.polling.replace(outer);
        ended.map_or_else(Vec::new, |ended| self.0.help.take_noted(ended.noted))
    }

    /// Returns the future that is being polled here, the innermost of several, and its level on the
    /// stack, from 1.
    pub(crate) fn polled(&self) -> Option<(JobId, usize)> {
        self.0
            .polling
            .get()
            .map(|polling| (polling.id, polling.depth))
    }

    /// Returns the innermost job here, if it is a future that is being polled: a job that it runs
    /// in place is not.
    pub(crate) fn polled_innermost(&self) -> Option<JobId> {
        let innermost = self.0.polling.get()?;
        (innermost.depth == self.own_jobs()).then_some(innermost.id)
    }

    /// Returns whether the innermost job here is a future that is being polled.
    pub(crate) fn is_polling(&self) -> bool {
        self.polled_innermost().is_some()
    }

    /// Returns whether a job that is awaited on this thread must make progress here, since all
    /// other workers may be busy: the wait keeps this worker, and none sleeps.
    pub(crate) fn must_drive_awaited(&self) -> bool {
        self.keeps_place() && !self.life().roster.sleep.has_sleeper() && !self.life().is_forked()
    }

    /// Returns whether a wait on this thread keeps the worker: that of a future whose suspension
    /// does not free it, or that of a closure, which may well await in an executor of its own.
    pub(crate) fn keeps_place(&self) -> bool {
        self.0.keeping.get() > 0 || !self.is_polling()
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use crate::job::id::JobId;
    use crate::pool::config::PoolConfig;
    use crate::pool::engine::Engine;
    use crate::testing::noop_engine::NoopEngine;
    use crate::worker::Worker;

    /// A decorated executor may panic within a submission that waits.
    #[test]
    fn a_wait_that_panics_keeps_the_worker_no_longer() {
        let mut config = PoolConfig::default();
        config.set_workers(1);
        let engine = NoopEngine::start(config, None).expect("it starts nothing");
        let worker = Worker::new(&engine, 0, 0, false);
        let outer = worker.begin_polling(JobId::next());
        assert!(!worker.keeps_place(), "its suspension frees the worker");
        let poll = || worker.blocking_poll(|| panic!("from the wait"));
        assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
        assert!(!worker.keeps_place());
        drop(worker.end_polling(outer));
    }
}
