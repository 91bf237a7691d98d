//! The user's hooks: at a worker's start and stop, and at each job that did not complete; and the
//! observers, which hear of each job (`observer`).

use std::any::Any;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::job::error_text::text_of;
use crate::job::id::JobId;
use crate::job::outcome::{JobError, Outcome, Resolution, contain, outcome_of};
use crate::pool::lifecycle::Lifecycle;
use crate::pool::observer::{Attached, KeptJob, Observed, Observers};
use crate::submit::error::BuildError;
use crate::submit::room::Room;

/// A job that did not complete, as the observer of failures sees it.
///
/// [`PoolBuilder::on_failure`](crate::backend::PoolBuilder::on_failure) gets one for each such job,
/// except those that nobody ran: cancelled by their own handle before the start, or abandoned.
/// It borrows from the job, so what is to be kept of it is copied.
///
/// # Examples
///
/// ```
/// use pool_core::{JobExt, JobFailure, Outcome, job_fn};
///
/// # use pool_core::backend::SpawnPool;
/// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
/// let (send, lines) = std::sync::mpsc::channel();
/// let log = move |failure: &JobFailure<'_>| {
///     assert_eq!(failure.outcome, Outcome::Failed);
///     let (name, message) = (failure.name.unwrap_or("a job"), failure.message.unwrap_or_default());
///     let _gone = send.send(format!("{name}: {message}"));
/// };
/// let pool = SpawnPool::builder().workers(1).on_failure(log).adopt(spawner).build()?;
/// pool.submit(job_fn(|_| Err::<(), _>("out of ink")).named("print"))?.detach();
/// assert_eq!(lines.recv()?, "print: out of ink");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct JobFailure<'a> {
    /// The job.
    pub id: JobId,
    /// Its name, if it has one.
    pub name: Option<&'a str>,
    /// How it ended: anything but `Completed`.
    pub outcome: Outcome,
    /// The message of its panic, or what its error says.
    ///
    /// The error of a job may be of any type, so its text is known for some types alone: strings,
    /// boxed errors, common errors of the standard library, those that
    /// [`describe_error`](crate::backend::PoolBuilder::describe_error) was told of, and those of
    /// jobs that write their own [`Job::error_text`](crate::Job::error_text).
    pub message: Option<&'a str>,
}

/// What a pool does when a job panics, besides what it always does: the panic is the job's outcome,
/// and the worker goes on.
///
/// Set by [`PoolBuilder::on_panic`](crate::backend::PoolBuilder::on_panic).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Panic {
    /// Nothing more.
    #[default]
    Continue,
    /// It closes, as by `close`: it takes no job in any more, and runs what it has. A service that
    /// watches its pool then ends in order.
    Close,
    /// It aborts the process, where what jobs share may be broken and must not be used further. The
    /// hook of failures and the observers are told before that.
    Abort,
}

/// What a worker runs first: its state, or why there is no worker. It is called with the worker's
/// index.
type Start = dyn Fn(usize) -> Result<Box<dyn Any>, Box<dyn Error + Send + Sync>> + Send + Sync;
/// What a worker runs last, with its index.
type Stop = dyn Fn(usize) + Send + Sync;
/// What sees the jobs that did not complete.
type Failure = dyn Fn(&JobFailure<'_>) + Send + Sync;
/// What an error says, if it is of the type that this knows.
type Describe = dyn Fn(&dyn Any) -> Option<String> + Send + Sync;

/// The hooks as a configuration has them. A clone shares the closures; what is not set costs
/// nothing.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) start: Option<Arc<Start>>,
    pub(crate) stop: Option<Arc<Stop>>,
    pub(crate) failure: Option<Arc<Failure>>,
    /// In the order in which they were added: the first that knows an error's type is asked alone.
    pub(crate) describe: Vec<Arc<Describe>>,
    pub(crate) observers: Attached,
    pub(crate) on_panic: Panic,
}

/// The count of hooks that panicked, which all generations of a pool share.
#[derive(Clone, Default)]
pub(crate) struct HookPanics(Arc<AtomicU64>);

impl HookPanics {
    /// Calls a hook. `None`: it panicked, which is counted.
    pub(crate) fn contain<R>(&self, hook: impl FnOnce() -> R) -> Option<R> {
        let result = contain(hook);
        if result.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        result.ok()
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The hooks of a pool: what they do, and that they panic, changes no outcome and costs no worker
/// (`R304`).
pub(crate) struct ContainedHooks {
    hooks: Hooks,
    observers: Option<Arc<Observers>>,
    panics: HookPanics,
}

impl ContainedHooks {
    pub(crate) fn new(hooks: Hooks, room: &Room, panics: HookPanics) -> Self {
        let observers = room.observe(Observers::new(&hooks.observers, &panics));
        Self {
            hooks,
            observers,
            panics,
        }
    }

    /// Returns the observers of jobs, if there are any.
    #[inline(always)]
    pub(crate) fn observers(&self) -> Option<&Observers> {
        self.observers.as_deref()
    }

    /// Keeps a job, to be told of once it is over, if anybody observes.
    #[inline]
    pub(crate) fn keep<'a>(&self, job: impl FnOnce() -> Observed<'a>) -> Option<KeptJob> {
        self.observers().map(|_| job().keep())
    }

    /// Runs `on_worker_start`, on the worker: its state, or why the pool cannot be built.
    ///
    /// Every way to start a worker goes through here, and hands an error to the builder (`R109`).
    pub(crate) fn start(&self, worker: usize) -> Result<Box<dyn Any>, BuildError> {
        let Some(start) = &self.hooks.start else {
            return Ok(Box::new(()));
        };
        match contain(|| start(worker)) {
            Ok(Ok(state)) => Ok(state),
            Ok(Err(reason)) => Err(BuildError::WorkerStart { worker, reason }),
            Err(panic) => Err(BuildError::WorkerStartPanicked { worker, panic }),
        }
    }

    /// Runs `on_worker_stop`.
    ///
    /// On the worker's own thread. A panic is counted, and the worker goes on to leave.
    pub(crate) fn stop(&self, worker: usize) {
        if let Some(stop) = &self.hooks.stop {
            self.panics.contain(|| stop(worker));
        }
    }

    /// Returns whether there is an `on_failure`.
    pub(crate) fn hears_failures(&self) -> bool {
        self.hooks.failure.is_some()
    }

    /// Runs `on_failure`.
    ///
    /// On the thread that ends the job, before its handle resolves.
    #[cold]
    pub(crate) fn observe(&self, failure: &JobFailure<'_>) {
        if let Some(observe) = &self.hooks.failure {
            self.panics.contain(|| observe(failure));
        }
    }

    /// Returns whether anything follows the end of a job: somebody hears of it, or the pool reacts.
    pub(crate) fn hears_ends(&self) -> bool {
        self.hears_failures() || self.observers.is_some() || self.hooks.on_panic != Panic::Continue
    }

    /// Runs `on_failure` for a job that never ran, or was dropped half way.
    pub(crate) fn observe_unfinished(&self, outcome: Outcome, id: JobId, name: Option<&str>) {
        self.observe(&JobFailure {
            id,
            name,
            outcome,
            message: None,
        });
    }

    /// Tells the observers how a job ended that ran, or was to run, and has a resolution; and
    /// `on_failure`, if it did not complete. `own_text`: what the job itself says of its error.
    ///
    /// Nothing is done where nobody listens: the text of an error may be costly.
    #[cold]
    pub(crate) fn tell_end<T, E: Any>(
        &self,
        job: &Observed<'_>,
        resolution: &Resolution<T, E>,
        own_text: fn(&E) -> Option<String>,
    ) {
        if !self.hears_ends() {
            return;
        }
        let text = match resolution {
            // Apart from the hook, which is told of a failure also where its text panics.
            Err(JobError::Failed(error)) => self
                .panics
                .contain(|| own_text(error).or_else(|| self.text_of(error)))
                .flatten(),
            _ => None,
        };
        let message = match resolution {
            Err(JobError::Panicked(panic)) => Some(panic.message()),
            _ => text.as_deref(),
        };
        let outcome = outcome_of(resolution);
        if outcome != Outcome::Completed {
            self.observe(&JobFailure {
                id: job.id,
                name: job.name(),
                outcome,
                message,
            });
        }
        if let Some(observers) = self.observers() {
            observers.ended(job, outcome, message);
        }
        if outcome == Outcome::Panicked {
            self.react(job.life);
        }
    }

    /// Does what the pool is to do when a job panics. In a forked child the pool is the parent's.
    #[cold]
    fn react(&self, life: &Lifecycle) {
        match self.hooks.on_panic {
            Panic::Continue => {}
            _ if life.is_forked() => {}
            Panic::Close => match life.owners.front() {
                Some(front) => front.close(),
                None => life.close(),
            },
            Panic::Abort => std::process::abort(),
        }
    }

    /// What the user's descriptions say of an error, otherwise what is known of common types.
    fn text_of(&self, error: &dyn Any) -> Option<String> {
        let mut told = self.hooks.describe.iter();
        told.find_map(|describe| describe(error))
            .or_else(|| text_of(error))
    }

    /// Hooks that panicked so far, in all generations of a swapped pool.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.get()
    }
}
