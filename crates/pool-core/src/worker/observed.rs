//! What observers, and the observer of failures, hear of the jobs on a worker.
//!
//! Where nobody observes, each function here is a look at one word.

use std::any::Any;

use super::Worker;
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

    /// Calls `job`, which contains panics, between the `enter` and the `exit` of the observers.
    #[inline(always)]
    pub(crate) fn run_observed<R>(
        &self,
        id: JobId,
        terms: Option<&Terms>,
        kind: fn() -> &'static str,
        job: impl FnOnce() -> R,
    ) -> R {
        let observers = self.observers();
        if let Some(observers) = observers {
            observers.enter(&self.observed(id, terms, kind()));
        }
        let result = job();
        if let Some(observers) = observers {
            observers.exit(&self.observed(id, terms, kind()));
        }
        result
    }

    /// Records how a job ended that runs here, and tells those that hear of it. Called within the
    /// job's frame, before the outcome is published. `own_text`: what the job itself says of its
    /// error.
    #[inline]
    pub(crate) fn record_and_tell<T, E: Any>(
        &self,
        id: JobId,
        terms: Option<&Terms>,
        kind: fn() -> &'static str,
        resolution: &Resolution<T, E>,
        own_text: fn(&E) -> Option<String>,
    ) {
        self.record(outcome_of(resolution));
        self.tell_end(id, terms, kind, resolution, own_text);
    }

    /// Tells the observers, and that of failures, how a job ended, which is on record. Called
    /// within the job's frame. `own_text`: what the job itself says of its error.
    #[inline]
    pub(crate) fn tell_end<T, E: Any>(
        &self,
        id: JobId,
        terms: Option<&Terms>,
        kind: fn() -> &'static str,
        resolution: &Resolution<T, E>,
        own_text: fn(&E) -> Option<String>,
    ) {
        if resolution.is_err() || self.observers().is_some() {
            let job = self.observed(id, terms, kind());
            self.life().hooks.tell_end(&job, resolution, own_text);
        }
    }
}
