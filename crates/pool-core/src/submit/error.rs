//! Refusals and wrong configurations; each refusal hands the job back.

use std::error::Error;
use std::fmt;
use std::io;

use crate::job::error_text::WithSources;
use crate::job::outcome::PanicInfo;

/// Why an executor did not take a task, with the task.
///
/// What an [`Executor`](crate::Executor) answers, in terms of tasks. A user sees a [`SubmitError`].
pub enum Refused<T> {
    /// The queue has no room now; it may have some later.
    Full(T),
    /// Intake has ended for good.
    Closed(T),
}

impl<T> Refused<T> {
    /// Returns what was refused: it is the caller's again.
    ///
    /// # Examples
    /// ```
    /// use pool_core::Refused;
    ///
    /// assert_eq!(Refused::Full("task").into_inner(), "task");
    /// assert_eq!(Refused::Closed("task").into_inner(), "task");
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(task) | Self::Closed(task) => task,
        }
    }

    /// Gives the same reason for something else, as for the job that a decorator takes out of its
    /// wrapper.
    ///
    /// # Examples
    /// ```
    /// use pool_core::Refused;
    ///
    /// let refused = Refused::Full(("wrapper", 42)).map(|(_wrapper, job)| job);
    /// assert!(matches!(refused, Refused::Full(42)));
    /// ```
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Refused<U> {
        match self {
            Self::Full(task) => Refused::Full(f(task)),
            Self::Closed(task) => Refused::Closed(f(task)),
        }
    }
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

/// A submission that was refused. The job comes back whole: the caller owns it again (`R102`).
///
/// [`without_job`](Self::without_job) turns it into an error that `?` always takes.
pub enum SubmitError<J> {
    /// The queue is full, or its free places are promised to submitters that wait; and it stayed so
    /// until the limit of the wait, or until the job's own deadline. Try later, or shed load.
    Full(J),
    /// The pool is closed, or is that of the process from which this one was forked. It will take
    /// no job again.
    Closed(J),
}

impl<J> SubmitError<J> {
    /// Returns the job that was refused. It has not run, and is the caller's again.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.close();
    /// let refused = pool.spawn(|| 42).unwrap_err();
    /// let run_here = refused.into_job();
    /// assert_eq!(run_here(), 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_job(self) -> J {
        match self {
            Self::Full(job) | Self::Closed(job) => job,
        }
    }

    /// Returns whether room may appear later.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.close();
    /// let refused = pool.try_spawn(|| 42).unwrap_err();
    /// assert!(refused.is_closed() && !refused.is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Returns whether the pool is closed for good, so that no later try succeeds.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.close();
    /// let refused = pool.spawn(|| 42).unwrap_err();
    /// assert!(refused.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Returns the same refusal without the job, which is dropped: an error that `?` takes whatever
    /// the job.
    ///
    /// A `SubmitError<J>` is `Send` and `Sync` only if the job is, because it hands the job back.
    /// Many closures are not `Sync` (one that captures an `mpsc::Receiver`, say), and then `?` into
    /// `anyhow::Error` or `Box<dyn Error + Send + Sync>` does not compile. This error is always
    /// both.
    ///
    /// # Examples
    /// ```
    /// use pool_core::{Executor, ExecutorExt, SubmitError};
    /// use std::error::Error;
    /// use std::sync::mpsc::Receiver;
    ///
    /// fn sum_on(
    ///     pool: &dyn Executor,
    ///     numbers: Receiver<u32>,
    /// ) -> Result<(), Box<dyn Error + Send + Sync>> {
    ///     let sum = pool.spawn(move || numbers.iter().sum::<u32>()).map_err(SubmitError::without_job)?;
    ///     println!("{}", sum.join()?);
    ///     Ok(())
    /// }
    /// ```
    pub fn without_job(self) -> SubmitError<()> {
        self.map(drop)
    }

    /// Gives the same refusal for something else: an error for the caller's own type of job.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::infallible_fn;
    ///
    /// pool.close();
    /// let refused = pool.submit(infallible_fn(|| 42)).unwrap_err();
    /// let refused = refused.map(|job| job.into_inner()); // of the plain closure
    /// assert_eq!(refused.into_job()(), 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<K>(self, f: impl FnOnce(J) -> K) -> SubmitError<K> {
        match self {
            Self::Full(job) => SubmitError::Full(f(job)),
            Self::Closed(job) => SubmitError::Closed(f(job)),
        }
    }
}

impl<J> From<Refused<J>> for SubmitError<J> {
    fn from(refused: Refused<J>) -> Self {
        match refused {
            Refused::Full(job) => Self::Full(job),
            Refused::Closed(job) => Self::Closed(job),
        }
    }
}

impl<J> fmt::Display for SubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => {
                "the pool has no room for the job now: its queue is full, or its free places are promised \
                 to submitters that wait"
            }
            Self::Closed(_) => "the pool is closed",
        })
    }
}

impl<J> fmt::Debug for SubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<J> Error for SubmitError<J> {}

/// A batch that was cut short: how many jobs got in, their handles, and all the rest (`R110`).
///
/// Nothing is lost: each job of the batch is either in the pool, with its handle in `accepted`, or
/// in `refused` or `rest`, untouched.
pub struct SubmitAllError<J, H> {
    /// The handles of the jobs that were accepted, in order.
    pub accepted: Vec<H>,
    /// The job that was refused, and why.
    pub refused: SubmitError<J>,
    /// The jobs behind it, not tried: the rest of the iterator, collected.
    pub rest: Vec<J>,
}

impl<J, H> SubmitAllError<J, H> {
    /// Returns why the batch was cut short, without the jobs: an error that `?` takes whatever the
    /// job.
    ///
    /// The jobs that come back are dropped, and so are the handles: accepted jobs run all the same.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::infallible_fn;
    ///
    /// pool.close();
    /// let batch = pool.submit_all((0..3).map(|n| infallible_fn(move || n)));
    /// assert!(batch.unwrap_err().without_jobs().is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn without_jobs(self) -> SubmitError<()> {
        self.refused.without_job()
    }
}

impl<J, H> fmt::Display for SubmitAllError<J, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (accepted, left) = (self.accepted.len(), self.rest.len() + 1);
        write!(
            f,
            "{}; {accepted} jobs were accepted, {left} come back",
            self.refused
        )
    }
}

impl<J, H> fmt::Debug for SubmitAllError<J, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitAllError")
            .field("accepted", &self.accepted.len())
            .field("refused", &self.refused)
            .field("rest", &self.rest.len())
            .finish()
    }
}

impl<J, H> Error for SubmitAllError<J, H> {}

/// A pool that could not be built. Nothing is left running (`R109`).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The closure of `Pool::reconfigure` reconfigures or swaps that pool itself.
    #[error(
        "the closure of `reconfigure` changes that pool itself: return from it first, then call `reconfigure` or `swap`"
    )]
    Reentrant,
    /// A pool without workers would accept jobs and never run them.
    #[error("a pool needs at least one worker: call `workers(n)` with n of 1 or more")]
    NoWorkers,
    /// More workers than the pool can count.
    #[error("{workers} workers are too many: the most is {most}")]
    TooManyWorkers {
        /// What was asked for.
        workers: usize,
        /// What would have been accepted.
        most: usize,
    },
    /// A queue without room would refuse every job.
    #[error(
        "a queue needs room for at least one job: call `queue_capacity(n)` with n of 1 or more"
    )]
    ZeroCapacity,
    /// The name cannot be given to a thread.
    #[error("the thread name {name:?} holds a NUL byte, which no thread name can")]
    ThreadName {
        /// The name asked for.
        name: String,
    },
    /// The system refused a thread; those already started have ended.
    #[error(
        "the system refused worker {worker} of {workers} ({source}): ask for fewer workers or a smaller `stack_size`"
    )]
    Spawn {
        /// The index of the worker that could not be started.
        worker: usize,
        /// How many were asked for.
        workers: usize,
        /// What the system said.
        source: io::Error,
    },
    /// A stack on which a worker could not even start.
    #[error(
        "a stack of {bytes} bytes is too small for a worker: call `stack_size(n)` with n of {least} or more"
    )]
    StackTooSmall {
        /// What was asked for.
        bytes: usize,
        /// The least that is accepted.
        least: usize,
    },
    /// `on_worker_start` returned an error. The workers that had started have stopped.
    // Not the source: the message has the whole chain, and would be told twice.
    #[error("`on_worker_start` failed on worker {worker}: {}", WithSources(&**.reason))]
    WorkerStart {
        /// The index of the worker. The first, if several failed.
        worker: usize,
        /// What the hook returned.
        reason: Box<dyn Error + Send + Sync>,
    },
    /// `on_worker_start` panicked. The workers that had started have stopped.
    #[error("`on_worker_start` panicked on worker {worker}: {panic}")]
    WorkerStartPanicked {
        /// The index of the worker. The first, if several failed.
        worker: usize,
        /// What the panic left behind.
        panic: PanicInfo,
    },
    /// The engine under the pool (rayon, tokio) could not be built.
    #[error("the {engine} engine could not be built: {reason}")]
    Engine {
        /// The engine's name.
        engine: &'static str,
        /// What it said.
        reason: String,
    },
    /// The backend exists but is not compiled in.
    #[error(
        "the backend `{backend}` is not compiled in: enable the feature `{feature}` of the crate `pool`"
    )]
    NotCompiledIn {
        /// The backend's name.
        backend: &'static str,
        /// The cargo feature that compiles it in.
        feature: &'static str,
    },
    /// The pool is closed: there is nothing to swap any more.
    #[error("the pool is closed, so its backend cannot be swapped: build a new pool")]
    Closed,
    /// A variable of the environment has a value that names no backend, or is no number of workers.
    #[error("the environment variable {variable} is wrong: {reason}")]
    Environment {
        /// The variable's name.
        variable: &'static str,
        /// What is wrong with it and what would be right.
        reason: String,
    },
}
