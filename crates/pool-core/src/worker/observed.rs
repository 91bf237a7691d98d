//! What observers, and the observer of failures, hear of the jobs on a worker.
//!
//! Where nobody observes, each function here is a look at one word.

use std::any::Any;

use super::{Frame, Worker};
use crate::job::Terms;
use crate::job::id::JobId;
use crate::job::outcome::{Resolution, outcome_of};
use crate::pool::observer::{Observed, Observers};

impl Worker {
    /// Returns the observers of the pool's jobs, if there are any.
    #[inline(always)]
    pub(crate) fn observers(&self) -> Option<&Observers> {
        self.life().hooks.observers()
    }

    /// Returns a job of this worker, for the observers.
    pub(crate) fn observed<'a>(
        &'a self,
        id: JobId,
        terms: Option<&'a Terms>,
        kind: &'static str,
    ) -> Observed<'a> {
        Observed {
            id,
            terms,
            kind,
            worker: Some(self.index()),
            life: self.life(),
        }
    }

    /// Tells the observers that a job is about to run here; [`exits`](Self::exits) follows, also if
    /// the job panics.
    #[inline(always)]
    pub(crate) fn enters(&self, id: JobId, terms: Option<&Terms>, kind: fn() -> &'static str) {
        if let Some(observers) = self.observers() {
            observers.enter(&self.observed(id, terms, kind()));
        }
    }

    /// Tells the observers that the job has returned, or panicked.
    #[inline(always)]
    pub(crate) fn exits(&self, id: JobId, terms: Option<&Terms>, kind: fn() -> &'static str) {
        if let Some(observers) = self.observers() {
            observers.exit(&self.observed(id, terms, kind()));
        }
    }

    /// Records how a job ended that runs here, and tells those that hear of it, before the outcome
    /// is published. `own_text`: what the job itself says of its error.
    #[inline]
    pub(crate) fn record_and_tell<T, E: Any>(
        &self,
        frame: &Frame<'_>,
        id: JobId,
        terms: Option<&Terms>,
        kind: fn() -> &'static str,
        resolution: &Resolution<T, E>,
        own_text: fn(&E) -> Option<String>,
    ) {
        self.record(outcome_of(resolution));
        self.tell_end(frame, id, terms, kind, resolution, own_text);
    }

    /// Tells the observers, and that of failures, how a job ended, which is on record: its frame
    /// says so from here on. `own_text`: what the job itself says of its error.
    #[inline]
    pub(crate) fn tell_end<T, E: Any>(
        &self,
        frame: &Frame<'_>,
        id: JobId,
        terms: Option<&Terms>,
        kind: fn() -> &'static str,
        resolution: &Resolution<T, E>,
        own_text: fn(&E) -> Option<String>,
    ) {
        let hooks = &self.life().hooks;
        if (resolution.is_err() || self.observers().is_some()) && hooks.hears_ends() {
            frame.is_on_record(outcome_of(resolution));
            let job = self.observed(id, terms, kind());
            hooks.tell_end(&job, resolution, own_text);
        }
    }
}
