//! Which future a worker polls, and whether who waits within it keeps the worker from others.

use std::sync::Arc;

use crate::job::id::JobId;
use crate::worker::{Awaited, Worker};

/// A future that is being polled on a worker's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Polling {
    id: JobId,
    /// Jobs on the stack down to it: there are more while it runs others in place.
    depth: usize,
    /// How much was noted, when the poll began, of what those around it await.
    noted: usize,
}

impl Worker {
    /// Polls a future whose suspension does not free its worker: one that a joiner drives.
    pub(crate) fn keeping_place<R>(&self, poll: impl FnOnce() -> R) -> R {
        self.0.keeping.set(self.0.keeping.get() + 1);
        let result = poll();
        self.0.keeping.set(self.0.keeping.get() - 1);
        result
    }

    /// Notes which future is being polled here, and returns the one around it, to be put back.
    #[inline]
    pub(crate) fn begin_polling(&self, id: JobId) -> Option<Polling> {
        let (depth, noted) = (self.own_jobs(), self.0.help.noted());
        self.0.polling.replace(Some(Polling { id, depth, noted }))
    }

    /// The poll is over. What the future has awaited in it.
    #[inline]
    pub(crate) fn end_polling(&self, outer: Option<Polling>) -> Vec<Arc<dyn Awaited>> {
        let ended = self.0.polling.replace(outer);
        ended.map_or_else(Vec::new, |ended| self.0.help.take_noted(ended.noted))
    }

    /// The future that is being polled here, and how deep it lies on the stack, from 1.
    pub(crate) fn polled(&self) -> Option<(JobId, usize)> {
        self.0
            .polling
            .get()
            .map(|polling| (polling.id, polling.depth))
    }

    /// The innermost job here, if it is a future that is being polled.
    pub(crate) fn polled_innermost(&self) -> Option<JobId> {
        let innermost = self.0.polling.get()?;
        (innermost.depth == self.own_jobs()).then_some(innermost.id)
    }

    /// Whether the innermost job here is a future that is being polled.
    pub(crate) fn is_polling(&self) -> bool {
        self.polled_innermost().is_some()
    }

    /// Whether a job that is awaited on this thread must make progress here, since nobody may be
    /// left to run it.
    pub(crate) fn must_drive_awaited(&self) -> bool {
        self.keeps_place() && !self.life().roster.sleep.has_sleeper() && !self.life().is_forked()
    }

    /// Whether who waits on this thread keeps the worker: a future whose suspension does not free
    /// it, or a closure, which may well await in an executor of its own.
    pub(crate) fn keeps_place(&self) -> bool {
        self.0.keeping.get() > 0 || !self.is_polling()
    }
}
