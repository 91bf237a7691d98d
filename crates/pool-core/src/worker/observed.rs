//! What observers, and the observer of failures, hear of the jobs on a worker.
//!
//! Where nobody observes, a job that completes pays for two looks at a byte of its worker. All that
//! is behind them gets its arguments one by one: a reference to a [`JobOnWorker`] would have it
//! built in memory, for each job.

use std::any::Any;

use super::{Frame, Worker};
use crate::job::Terms;
use crate::job::id::JobId;
use crate::job::outcome::{Resolution, outcome_of};
use crate::pool::observer::{Observed, Observers};

/// A job that runs on a worker, for those that hear of it.
#[derive(Clone, Copy)]
pub(crate) struct JobOnWorker<'a> {
    worker: &'a Worker,
    id: JobId,
    terms: Option<&'a Terms>,
    kind: fn() -> &'static str,
}

impl Worker {
    /// Returns the observers of the pool's jobs, if there are any.
    #[inline(always)]
    pub(crate) fn observers(&self) -> Option<&Observers> {
        self.life().hooks.observers()
    }

    /// Returns a job that runs here, for those that hear of it.
    #[inline(always)]
    pub(crate) fn job<'a>(
        &'a self,
        id: JobId,
        terms: Option<&'a Terms>,
        kind: fn() -> &'static str,
    ) -> JobOnWorker<'a> {
        JobOnWorker {
            worker: self,
            id,
            terms,
            kind,
        }
    }

    fn observed<'a>(
        &'a self,
        id: JobId,
        terms: Option<&'a Terms>,
        kind: fn() -> &'static str,
    ) -> Observed<'a> {
        Observed {
            id,
            terms,
            kind: kind(),
            worker: Some(self.index()),
            life: self.life(),
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_enter(&self, id: JobId, terms: Option<&Terms>, kind: fn() -> &'static str) {
        if let Some(observers) = self.observers() {
            observers.enter(&self.observed(id, terms, kind));
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_exit(&self, id: JobId, terms: Option<&Terms>, kind: fn() -> &'static str) {
        if let Some(observers) = self.observers() {
            observers.exit(&self.observed(id, terms, kind));
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_end<T, E: Any>(
        &self,
        frame: &Frame<'_>,
        (id, terms): (JobId, Option<&Terms>),
        kind: fn() -> &'static str,
        resolution: &Resolution<T, E>,
        own_text: fn(&E) -> Option<String>,
    ) {
        let hooks = &self.life().hooks;
        if hooks.hears_ends() {
            frame.is_on_record(outcome_of(resolution));
            hooks.tell_end(&self.observed(id, terms, kind), resolution, own_text);
        }
    }
}

impl JobOnWorker<'_> {
    /// Notes that the job has given up as cancelled. `was_asked`: somebody else than the pool's end
    /// may have asked for that.
    pub(crate) fn note_if_cut_short(self, was_asked: bool) {
        let life = self.worker.life();
        let name = self.terms.and_then(|terms| terms.name.as_deref());
        life.ending
            .note_if_cut_short(self.id, name, was_asked, &life.phase);
    }

    /// Tells the observers that the job is about to run; [`exits`](Self::exits) follows, also if it
    /// panics.
    #[inline(always)]
    pub(crate) fn enters(self) {
        if self.worker.0.is_observed {
            self.worker.tell_enter(self.id, self.terms, self.kind);
        }
    }

    /// Tells the observers that the job has returned, or panicked.
    #[inline(always)]
    pub(crate) fn exits(self) {
        if self.worker.0.is_observed {
            self.worker.tell_exit(self.id, self.terms, self.kind);
        }
    }

    /// Returns whether nobody hears of the job's end if it completes.
    #[inline(always)]
    pub(crate) fn completes_unheard(self) -> bool {
        !self.worker.0.is_observed
    }

    /// Records how the job ended, and tells those that hear of it, before the outcome is published.
    /// `own_text`: what the job itself says of its error.
    #[inline(always)]
    pub(crate) fn record_and_tell<T, E: Any>(
        self,
        frame: &Frame<'_>,
        resolution: &Resolution<T, E>,
        own_text: fn(&E) -> Option<String>,
    ) {
        self.worker.record(outcome_of(resolution));
        self.tell_end(frame, resolution, own_text);
    }

    /// Tells the observers, and that of failures, how the job ended, which is on record: its frame
    /// says so from here on. `own_text`: what the job itself says of its error.
    #[inline(always)]
    pub(crate) fn tell_end<T, E: Any>(
        self,
        frame: &Frame<'_>,
        resolution: &Resolution<T, E>,
        own_text: fn(&E) -> Option<String>,
    ) {
        if self.worker.0.is_observed || resolution.is_err() {
            let job = (self.id, self.terms);
            self.worker
                .tell_end(frame, job, self.kind, resolution, own_text);
        }
    }
}
