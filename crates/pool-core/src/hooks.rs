//! The user's hooks: at a worker's start and stop, and at each job that did not complete.

use std::any::Any;
use std::sync::Arc;

use crate::id::JobId;
use crate::outcome::Outcome;

/// A job that did not complete, as the observer of failures sees it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct JobFailure<'a> {
    /// The job.
    pub id: JobId,
    /// Its name, if it has one.
    pub name: Option<&'a str>,
    /// How it ended: anything but `Completed`.
    pub outcome: Outcome,
    /// The message of its panic, if it panicked.
    pub message: Option<&'a str>,
}

type Start = dyn Fn(usize) -> Box<dyn Any> + Send + Sync;
type Stop = dyn Fn(usize) + Send + Sync;
type Failure = dyn Fn(&JobFailure<'_>) + Send + Sync;

#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) start: Option<Arc<Start>>,
    pub(crate) stop: Option<Arc<Stop>>,
    pub(crate) failure: Option<Arc<Failure>>,
}
