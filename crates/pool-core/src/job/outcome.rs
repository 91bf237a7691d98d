//! How a job ends: the outcome, the error its handle gives, and what a panic left behind.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::task::Waker;

/// The six ways in which an accepted job ends; each accepted job ends in exactly one of them
/// (`R101`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// The job ran and returned `Ok`.
    Completed = 0,
    /// The job ran and returned `Err`.
    Failed = 1,
    /// The job ran and panicked.
    Panicked = 2,
    /// The job was cancelled before it started, or gave up because it was cancelled.
    Cancelled = 3,
    /// The job's deadline passed before it started, or it gave up because of its deadline.
    Expired = 4,
    /// The job never ran: its task was dropped.
    Abandoned = 5,
}

impl Outcome {
    /// Every outcome, in the order of the ledger's columns.
    pub const ALL: [Self; 6] = [
        Self::Completed,
        Self::Failed,
        Self::Panicked,
        Self::Cancelled,
        Self::Expired,
        Self::Abandoned,
    ];

    /// The outcome at this place of [`ALL`](Self::ALL), which is its discriminant. Panics past the
    /// last.
    pub(crate) fn from_index(index: u32) -> Self {
        Self::ALL[index as usize]
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Abandoned => "abandoned",
        })
    }
}

/// Why a job gave no value. What a [`JobHandle`](crate::JobHandle) resolves to in its `Err`.
///
/// It is an [`Error`] wherever `E` can be shown, a `String`, a boxed error or an `anyhow::Error`
/// included. The job's own error is part of the message, and is not a source behind it, so that
/// each text is written once. `{:#}` is passed to `E`: `anyhow::Error` then shows its causes as
/// well.
///
/// Wrapped into another error, `E`'s own causes are out of reach, since `E` may be of any type.
/// [`into_failed`](Self::into_failed) takes `E` out, and [`flatten`](Self::flatten) turns both
/// cases into one error that has them all.
#[derive(Debug)]
pub enum JobError<E> {
    /// The job returned this error.
    Failed(E),
    /// The job panicked; its worker went on.
    Panicked(PanicInfo),
    /// The job was cancelled.
    Cancelled,
    /// The job's deadline passed.
    Expired,
    /// The job never ran: its task was dropped, for example by a shutdown whose unstarted tasks
    /// were not submitted again.
    Abandoned,
}

impl<E> JobError<E> {
    /// Returns the outcome that this error stands for: the column in which the job was counted.
    ///
    /// One error is of no column: that of a handle whose outcome was taken before, which says
    /// `Panicked`.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Outcome, job_fn};
    ///
    /// let failed = pool.submit(job_fn(|_| Err::<(), _>("out of ink")))?;
    /// assert_eq!(failed.join().unwrap_err().outcome(), Outcome::Failed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Failed(_) => Outcome::Failed,
            Self::Panicked(_) => Outcome::Panicked,
            Self::Cancelled => Outcome::Cancelled,
            Self::Expired => Outcome::Expired,
            Self::Abandoned => Outcome::Abandoned,
        }
    }

    /// Returns the job's own error, if it failed.
    ///
    /// # Errors
    /// The other reasons why there is no value: an error that has no `E` in it.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::job_fn;
    ///
    /// let failed = pool.submit(job_fn(|_| Err::<(), _>("out of ink")))?;
    /// assert_eq!(failed.join().unwrap_err().into_failed().ok(), Some("out of ink"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_failed(self) -> Result<E, JobError<Infallible>> {
        Err(match self {
            Self::Failed(error) => return Ok(error),
            Self::Panicked(panic) => JobError::Panicked(panic),
            Self::Cancelled => JobError::Cancelled,
            Self::Expired => JobError::Expired,
            Self::Abandoned => JobError::Abandoned,
        })
    }

    /// Returns the job's own error as it is, or the reason why the job has none, as one type that
    /// takes both.
    ///
    /// # Examples
    /// ```
    /// use pool_core::{JobError, JobHandle};
    /// use std::error::Error;
    ///
    /// type Shared = Box<dyn Error + Send + Sync>; // `anyhow::Error` does as well
    ///
    /// fn wait(upload: JobHandle<u64, Shared>) -> Result<u64, Shared> {
    ///     upload.join().map_err(JobError::flatten)
    /// }
    /// ```
    pub fn flatten<X: From<E> + From<JobError<Infallible>>>(self) -> X {
        self.into_failed().map_or_else(X::from, X::from)
    }
}

impl<E: fmt::Display> fmt::Display for JobError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => {
                f.write_str("the job failed: ")?;
                error.fmt(f)
            }
            Self::Panicked(panic) => write!(f, "the job panicked: {panic}"),
            Self::Cancelled => f.write_str("the job was cancelled"),
            Self::Expired => f.write_str("the job's deadline passed"),
            Self::Abandoned => f.write_str("the job was abandoned before it started"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for JobError<E> {}

/// How a job ended, by what its handle resolves to.
#[inline]
pub(crate) fn outcome_of<T, E>(resolution: &Result<T, JobError<E>>) -> Outcome {
    resolution
        .as_ref()
        .map_or_else(JobError::outcome, |_| Outcome::Completed)
}

/// The end of a job whose error says why it gave up: what `?` on
/// [`JobContext::check`](crate::JobContext::check) returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// The job was asked to stop: by its handle, its token, its parent or a shutdown.
    #[error("cancelled")]
    Cancelled,
    /// The job's deadline has passed.
    #[error("deadline passed")]
    Expired,
}

/// What a panic left behind: its message, and the payload itself.
// Boxed, so that an outcome which is no panic stays small in the cell of each job.
pub struct PanicInfo(Box<Panic>);

struct Panic {
    message: String,
    // The lock makes the payload shareable; `into_payload` owns it and never contends.
    payload: Mutex<Option<Box<dyn Any + Send>>>,
}

impl PanicInfo {
    #[cold]
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "a payload that is not a string".to_owned()
        };
        Self(Box::new(Panic {
            message,
            payload: Mutex::new(Some(payload)),
        }))
    }

    /// Returns the panic's message, or a note that the payload was no string.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::JobError;
    ///
    /// let panicked = pool.spawn(|| -> u32 { panic!("out of ink") })?;
    /// let Err(JobError::Panicked(panic)) = panicked.join() else { unreachable!() };
    /// assert_eq!(panic.message(), "out of ink");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the payload, as [`std::panic::resume_unwind`] takes it.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::JobError;
    ///
    /// let panicked = pool.spawn(|| std::panic::panic_any(42_u32))?;
    /// let Err(JobError::Panicked(panic)) = panicked.join() else { unreachable!() };
    /// assert_eq!(panic.into_payload().downcast_ref(), Some(&42_u32));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.take_payload()
            .unwrap_or_else(|| Box::new(self.0.message.clone()))
    }

    /// Takes the payload out, for `into_payload` or for the drop, of which the second finds none.
    fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        self.0
            .payload
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take()
    }
}

impl Drop for PanicInfo {
    /// A payload may panic as it is dropped; that ends here (`R303`).
    fn drop(&mut self) {
        drop_contained(self.take_payload());
    }
}

impl fmt::Display for PanicInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for PanicInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PanicInfo")
            .field("message", &self.0.message)
            .finish_non_exhaustive()
    }
}

/// Runs user code and turns a panic into its [`PanicInfo`].
///
/// Unwind safety: the caller hands over whatever the code touches, or drops it unseen.
#[inline]
pub(crate) fn contain<R>(code: impl FnOnce() -> R) -> Result<R, PanicInfo> {
    catch_unwind(AssertUnwindSafe(code)).map_err(PanicInfo::new)
}

/// Calls a waker of the user's. A panic in it ends here, and does not reach the thread that wakes.
pub(crate) fn wake_contained(waker: Waker) {
    drop_contained(contain(|| waker.wake()));
}

/// Drops a user's value; a panic in its `Drop` costs no worker and no handle (`R303`).
#[inline]
pub(crate) fn drop_contained<T>(value: T) {
    if !std::mem::needs_drop::<T>() {
        return;
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value)))
        && let Err(bomb) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        // A payload whose drop panics with a payload whose drop may panic: leaked, not followed
        // further.
        std::mem::forget(bomb);
    }
}

/// What a job's handle resolves to.
pub(crate) type Resolution<T, E> = Result<T, JobError<E>>;

/// What came of a job's run, contained.
pub(crate) type Returned<T, E> = Result<Result<T, E>, PanicInfo>;

/// Takes the value of a job that has completed, if that is `wanted`.
///
/// A function, since a match that takes the value under a condition has the rest to drop, or not,
/// where the two ways meet again.
#[inline(always)]
pub(crate) fn completed<T, E>(returned: Returned<T, E>, wanted: bool) -> Result<T, Returned<T, E>> {
    match returned {
        Ok(Ok(value)) if wanted => Ok(value),
        other => Err(other),
    }
}

/// What the job's own return, or its panic, makes of the job.
pub(crate) enum Concluded<T, E> {
    /// The job ends with this outcome.
    Ends(Resolution<T, E>),
    /// The job saw that it was to stop and returned an error. It ends as interrupted, and nobody
    /// takes the error: the caller drops it once the end is on record.
    GaveUp(Interrupted, E),
}

impl<T, E> Concluded<T, E> {
    /// Takes the value of a job that has completed, if that is `wanted`; see [`completed`].
    #[inline(always)]
    pub(crate) fn into_value(self, wanted: bool) -> Result<T, Self> {
        match self {
            Self::Ends(Ok(value)) if wanted => Ok(value),
            other => Err(other),
        }
    }
}

/// Decides the outcome of a job that ran (`R301`, `R302`, `R402`, `R404`).
///
/// `reported` is what the job's context has told the job, if the job asked and was to stop. It
/// counts only where the job returned an error: a job that completes or panics in spite of it has
/// completed or panicked.
#[inline]
pub(crate) fn conclude<T, E>(
    result: Returned<T, E>,
    reported: Option<Interrupted>,
) -> Concluded<T, E> {
    Concluded::Ends(match (result, reported) {
        (Err(panic), _) => Err(JobError::Panicked(panic)),
        (Ok(Ok(value)), _) => Ok(value),
        (Ok(Err(error)), None) => Err(JobError::Failed(error)),
        (Ok(Err(error)), Some(interrupted)) => return Concluded::GaveUp(interrupted, error),
    })
}

/// Returns the error that an outcome without a value stands for, or `None` for an outcome whose
/// value or error is in the cell.
#[inline]
pub(crate) fn error_without_value<E>(outcome: Outcome) -> Option<JobError<E>> {
    match outcome {
        Outcome::Completed | Outcome::Failed | Outcome::Panicked => None,
        Outcome::Cancelled => Some(JobError::Cancelled),
        Outcome::Expired => Some(JobError::Expired),
        Outcome::Abandoned => Some(JobError::Abandoned),
    }
}

impl From<Interrupted> for Outcome {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Cancelled => Self::Cancelled,
            Interrupted::Expired => Self::Expired,
        }
    }
}

impl<E> From<Interrupted> for JobError<E> {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Cancelled => Self::Cancelled,
            Interrupted::Expired => Self::Expired,
        }
    }
}
