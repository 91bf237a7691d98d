//! `AbortHandle`: cancels a job, or asks whether it is over, without its handle and its result.

use std::fmt;
use std::sync::Arc;

use crate::cell::raw_handle::Abort;
use crate::job::id::JobId;
use crate::sys::machine::{self, Point};

/// Cancels a job, apart from its handle. It does not name the type of the result, and there may be
/// any number of them.
///
/// A clone is for the same job. It keeps no result alive, and its drop changes nothing. It works as
/// long as it is kept: also after the job's [`JobHandle`](crate::JobHandle) has given the outcome,
/// was dropped or detached.
///
/// # Examples
/// ```
/// use pool_core::{AbortHandle, Executor, ExecutorExt, SubmitError};
///
/// /// Submits downloads, of which `stop` may cancel any at any time.
/// fn download(pool: &dyn Executor, stop: &mut Vec<AbortHandle>) -> Result<(), SubmitError<()>> {
///     let page = pool.spawn(|| "<html>").map_err(SubmitError::without_job)?;
///     let number = pool.spawn(|| 7).map_err(SubmitError::without_job)?;
///     stop.extend([page.abort_handle(), number.abort_handle()]);
///     page.detach();
///     number.detach();
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct AbortHandle(Arc<dyn Abort>);

impl AbortHandle {
    pub(crate) fn new(job: Arc<dyn Abort>) -> Self {
        Self(job)
    }

    /// For a job whose handle has given the outcome.
    pub(crate) fn of_ended(id: JobId) -> Self {
        Self(Arc::new(Ended(id)))
    }

    /// Asks the job to stop, as [`JobHandle::cancel`](crate::JobHandle::cancel) does.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let handle = pool.spawn_future(std::future::pending::<()>())?;
    /// let abort = handle.abort_handle();
    /// std::thread::spawn(move || abort.cancel());
    /// assert!(handle.join().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) {
        machine::point(Point::Cancel(self.id()));
        self.0.cancel();
    }

    /// Returns whether the job is over, so that a [`cancel`](Self::cancel) would do nothing.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let handle = pool.spawn(|| 42)?;
    /// let abort = handle.abort_handle();
    /// handle.join()?;
    /// assert!(abort.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_finished(&self) -> bool {
        machine::point(Point::Ask);
        self.0.is_ended()
    }

    /// Returns the job's id, the same as its handle's.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let handle = pool.spawn(|| 42)?;
    /// assert_eq!(handle.abort_handle().id(), handle.id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> JobId {
        self.0.id()
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("id", &self.id())
            .field("is_finished", &self.0.is_ended())
            .finish()
    }
}

/// A job that is over, and whose cell need not be there any more.
struct Ended(JobId);

impl Abort for Ended {
    fn id(&self) -> JobId {
        self.0
    }

    fn is_ended(&self) -> bool {
        true
    }

    fn cancel(&self) {}
}
