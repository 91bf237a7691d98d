//! A broadcast to the workers of the newest generation.

use super::Pool;
use pool_core::{Broadcast, BroadcastError, ExecutorExt, JobContext};

impl Pool {
    /// Has each worker run `f` once, and returns what waits for the results (`R1070`).
    ///
    /// For what belongs to a worker's thread or its [state](JobContext::state): clear or warm a
    /// cache, reload a configuration, flush a buffer. A worker runs its share of the broadcast
    /// before it takes the next job, also while the queue is full, and while the pool is paused
    /// (`R1071`). One that sleeps is woken for it; one that runs a job comes to it after that job.
    /// Results are in the order of the workers' indices, as `on_worker_start` was given them. Two
    /// broadcasts come to each worker in the same order.
    ///
    /// A share is a job: it has an id and the name `broadcast`, it is in the stats and reports, the
    /// pool's observers hear of it, and its panic is an outcome. It takes no place in the queue. A
    /// drain and [`wait_idle`](Self::wait_idle) wait for it; what a worker has not begun as the
    /// grace of a shutdown ends is abandoned, and never handed back (`R1074`).
    ///
    /// This does not wait, and may be called within a job or a hook. A job of the pool cannot wait
    /// for the results (`R1073`): see [`Broadcast::join`].
    ///
    /// A [`swap`](Self::swap) or a [`reconfigure`](Self::reconfigure) makes new workers. They begin
    /// with `on_worker_start`, and have not run what was broadcast before. Jobs that older backends
    /// still run go on without the broadcast. A backend that is swapped away after the call runs
    /// its shares before it ends.
    ///
    /// On [`Backend::Async`](crate::Backend::Async) the workers are the threads that run closures;
    /// those that poll futures are the runtime's, and run no share. A worker whose slot a future
    /// holds comes to its share once the future has ended, or waits for its own pool.
    ///
    /// # Errors
    /// `f` comes back, and has run on no worker. [`BroadcastError::Full`]: 64 broadcasts wait for
    /// one of the workers. [`BroadcastError::Closed`]: intake has ended.
    /// [`BroadcastError::Unsupported`]: the pool runs on an adopted engine, whose threads are not
    /// its own.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    /// use std::cell::Cell;
    ///
    /// thread_local!(static CACHED: Cell<u32> = const { Cell::new(7) });
    ///
    /// let pool = Pool::builder().workers(3).build()?;
    /// for cleared in pool.broadcast(|_ctx| CACHED.take())?.join()? {
    ///     assert_eq!(cleared?, 7);
    /// }
    /// for left in pool.broadcast(|_ctx| CACHED.get())?.join()? {
    ///     assert_eq!(left?, 0);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn broadcast<F, T>(&self, f: F) -> Result<Broadcast<T>, BroadcastError<F>>
    where
        F: Fn(&JobContext<'_>) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        ExecutorExt::broadcast(&*self.inner, f)
    }
}
