//! `broadcast`: one job for each worker of a pool, which that worker runs and no other.
//!
//! # How it goes in
//! One job is made for each thread of the pool, and all of them are pinned at once, or none
//! (`pool/lifecycle/pinned`). Where a swap has retired the pool meanwhile, they are made anew for
//! the one that follows, which may have another number of workers.
//!
//! # Why no job waits for a broadcast without a limit
//! A worker comes to its share between two jobs. A job that joins all shares keeps its own worker
//! from that; so do two jobs that join each other's broadcasts, and a job that joins another one
//! that joins a broadcast. To run the share within the waiting job would break the promise that a
//! join runs nothing but what it waits for: the share may want the lock that the job holds, or the
//! worker's state. So such a wait is refused on every worker of the pool, and inside its futures,
//! before it begins. Outside it waits for no job of its own pool that waits for it; two pools whose
//! jobs join each other's broadcasts wait as two locks taken in both orders do. The handles of the
//! shares do not leave this file, and are polled without the help that a worker gives to what it
//! joins.

use std::any::type_name;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::iter;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::cell::closure::CellHandle;
use crate::job::context::JobContext;
use crate::job::handle::JobHandle;
use crate::job::outcome::{JobError, drop_contained};
use crate::job::{Job, JobOptions};
use crate::pool::lifecycle::Lifecycle;
use crate::submit::error::Refused;
use crate::submit::executor::{Executor, Pools, closure};
use crate::sys::machine;
use crate::worker::Worker;
use crate::worker::park::block_on;

/// The name of each share, in reports and snapshots.
const NAME: &str = "broadcast";

/// What each worker's share came to: `f`'s value, or why there is none.
type Results<T> = Vec<Result<T, JobError<Infallible>>>;

/// A broadcast that is under way: one job for each worker. Made by
/// [`ExecutorExt::broadcast`](crate::ExecutorExt::broadcast).
///
/// It is a `Future` as well, with the output of [`join`](Self::join); polled again after it was
/// ready, it has no results left. Dropping it detaches: the workers run their shares all the same.
///
/// # Examples
///
/// ```
/// # use pool_core::{BroadcastError, Executor, ExecutorExt};
/// use std::cell::Cell;
///
/// thread_local!(static CACHED: Cell<u64> = const { Cell::new(0) });
///
/// # fn example(pool: &dyn Executor) -> Result<(), Box<dyn std::error::Error>> {
/// for dropped in pool.broadcast(|_| CACHED.take())?.join()? {
///     println!("a worker had cached {} bytes", dropped?);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a dropped broadcast goes on; call `detach` to say so"]
pub struct Broadcast<T> {
    /// The shares, by worker.
    shares: Vec<JobHandle<T, Infallible>>,
    /// What came of them so far, by worker.
    results: Vec<Option<Result<T, JobError<Infallible>>>>,
    /// The pool that runs them.
    life: Arc<Lifecycle>,
}

impl<T> Broadcast<T> {
    fn new(shares: Vec<JobHandle<T, Infallible>>, life: Arc<Lifecycle>) -> Self {
        Self {
            results: shares.iter().map(|_| None).collect(),
            shares,
            life,
        }
    }

    /// Waits until every worker has run its share, and returns the results, by worker. Blocks the
    /// thread.
    ///
    /// A worker that hangs in a job is waited for, up to the end of the pool: a shutdown that ends
    /// without it abandons its share. [`join_timeout`](Self::join_timeout) has a limit.
    ///
    /// # Errors
    /// [`WithinPool`], at once and with the broadcast, if this is called in a job of the pool, or
    /// polled in a future of it (`R1073`). Such a job would keep a worker that the broadcast needs.
    /// It can go on without the results, or look again later.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::{Executor, ExecutorExt, JobError};
    /// # fn example(pool: &dyn Executor) -> Result<(), Box<dyn std::error::Error>> {
    /// let results = pool.broadcast(|ctx| ctx.worker())?.join()?;
    /// for (index, result) in results.into_iter().enumerate() {
    ///     match result {
    ///         Ok(_) => println!("worker {index} has run it"),
    ///         Err(JobError::Abandoned) => println!("the pool ended before worker {index} could"),
    ///         Err(error) => println!("worker {index}: {error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(mut self) -> Result<Results<T>, WithinPool<T>> {
        if self.is_within_pool() {
            return Err(WithinPool(self));
        }
        let results = block_on(poll_fn(|cx| self.poll_results(cx)), None);
        Ok(results.expect("a wait without a limit ends with the results"))
    }

    /// Waits for `timeout` at most. Unlike [`join`](Self::join) it may be called in a job of the
    /// pool, where it comes to its end by the limit: the share of that job's worker waits for the
    /// job.
    ///
    /// # Errors
    /// The broadcast comes back after the time, not before.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::{Executor, ExecutorExt};
    /// use std::time::Duration;
    ///
    /// # fn example(pool: &dyn Executor) -> Result<(), Box<dyn std::error::Error>> {
    /// match pool.broadcast(|_| ())?.join_timeout(Duration::from_secs(5)) {
    ///     Ok(results) => println!("{} workers have run it", results.len()),
    ///     Err(late) => late.cancel(), // on those that have not begun
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_timeout(mut self, timeout: Duration) -> Result<Results<T>, Self> {
        let limit = machine::now().checked_add(timeout);
        let results = block_on(poll_fn(|cx| self.poll_results(cx)), limit);
        results.ok_or(self)
    }

    /// Asks the shares to stop. One that its worker has not begun never runs, and ends as
    /// `Cancelled` at once; a running one sees it in its context, as any job does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::{Executor, ExecutorExt};
    /// # fn example(pool: &dyn Executor) -> Result<(), Box<dyn std::error::Error>> {
    /// let broadcast = pool.broadcast(|_| ())?;
    /// broadcast.cancel();
    /// pool.wait_idle();
    /// assert!(broadcast.is_finished());
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel(&self) {
        self.shares.iter().for_each(JobHandle::cancel);
    }

    /// Returns whether every share has come to its end, so that a join would not wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::{Executor, ExecutorExt};
    /// # fn example(pool: &dyn Executor) -> Result<(), Box<dyn std::error::Error>> {
    /// let broadcast = pool.broadcast(|_| ())?;
    /// pool.wait_idle();
    /// assert!(broadcast.is_finished());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_finished(&self) -> bool {
        self.shares.iter().all(JobHandle::is_finished)
    }

    /// Returns how many workers have a share: as many as the pool had at the call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::{Executor, ExecutorExt};
    /// # fn example(pool: &dyn Executor) -> Result<(), Box<dyn std::error::Error>> {
    /// assert_eq!(pool.broadcast(|_| ())?.workers(), pool.capability().workers);
    /// # Ok(())
    /// # }
    /// ```
    pub fn workers(&self) -> usize {
        self.shares.len()
    }

    /// Lets the broadcast go: the workers run their shares, and drop the results.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::{Executor, ExecutorExt};
    /// # fn example(pool: &dyn Executor) -> Result<(), Box<dyn std::error::Error>> {
    /// pool.broadcast(|_| println!("nobody waits for this"))?.detach();
    /// # Ok(())
    /// # }
    /// ```
    pub fn detach(self) {
        drop(self);
    }

    /// Whether the calling thread is a worker of the pool, or polls a future on one. Pools are
    /// compared by their room, which the generations of a swapped pool share.
    fn is_within_pool(&self) -> bool {
        let worker = Worker::current().filter(|worker| !worker.life().is_forked());
        worker.is_some_and(|worker| ptr::eq(worker.life().room(), self.life.room()))
    }

    /// Polls all that have not ended, and leaves it to the workers to make progress.
    fn poll_results(&mut self, cx: &mut Context<'_>) -> Poll<Results<T>> {
        let mut is_ready = true;
        for (share, result) in self.shares.iter_mut().zip(&mut self.results) {
            if result.is_none() {
                match share.poll_elsewhere(cx) {
                    Poll::Ready(ended) => *result = Some(ended),
                    Poll::Pending => is_ready = false,
                }
            }
        }
        if !is_ready {
            return Poll::Pending;
        }
        self.shares.clear();
        Poll::Ready(self.results.drain(..).flatten().collect())
    }
}

impl<T> Future for Broadcast<T> {
    type Output = Result<Results<T>, WithinPool<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.is_within_pool() {
            let life = Arc::clone(&self.life);
            let this = std::mem::replace(&mut *self, Self::new(Vec::new(), life));
            return Poll::Ready(Err(WithinPool(this)));
        }
        self.poll_results(cx).map(Ok)
    }
}

// No value is pinned in it: the results lie in a list of their own.
impl<T> Unpin for Broadcast<T> {}

impl<T> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}

/// A job of the pool, or a future of it, was to wait for a broadcast to that pool: what
/// [`Broadcast::join`] says then. The broadcast goes on, and comes back in this.
pub struct WithinPool<T>(Broadcast<T>);

impl<T> WithinPool<T> {
    /// Returns the broadcast, to be joined elsewhere, or let go.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::{Executor, ExecutorExt, JobContext};
    /// fn reload(ctx: &JobContext<'_>) {
    ///     if let Ok(broadcast) = ctx.executor().broadcast(|_| ()) {
    ///         let refused = broadcast.join().expect_err("a job cannot wait for it");
    ///         refused.into_broadcast().detach();
    ///     }
    /// }
    /// ```
    pub fn into_broadcast(self) -> Broadcast<T> {
        self.0
    }
}

impl<T> fmt::Display for WithinPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a job cannot wait for a broadcast to its own pool, which needs the job's worker: join it outside the pool, use `join_timeout`, or `detach` it",
        )
    }
}

impl<T> fmt::Debug for WithinPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WithinPool").field(&self.0).finish()
    }
}

impl<T> Error for WithinPool<T> {}

/// A broadcast that was refused. Its closure comes back, and has run on no worker.
#[non_exhaustive]
pub enum BroadcastError<F> {
    /// As many broadcasts as a pool keeps wait for one of its workers. It runs a long job, or
    /// hangs.
    Full(F),
    /// The pool is closed, or is that of the process from which this one was forked.
    Closed(F),
    /// The executor cannot reach each of its workers: it borrows its threads from an engine that it
    /// has adopted, or it is made of several pools.
    Unsupported(F),
}

impl<F> BroadcastError<F> {
    /// Returns the closure that was refused.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).adopt(spawner).build()?;
    /// let refused = pool.broadcast(|_| 42).unwrap_err();
    /// let f = refused.into_closure();
    /// let once = pool_core::job_fn(move |ctx| Ok::<_, std::convert::Infallible>(f(ctx)));
    /// assert_eq!(pool.submit(once)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_closure(self) -> F {
        match self {
            Self::Full(f) | Self::Closed(f) | Self::Unsupported(f) => f,
        }
    }

    /// Returns whether a later try may succeed.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::BroadcastError;
    ///
    /// assert!(BroadcastError::Full(|| ()).is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Returns whether the pool is closed for good.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::BroadcastError;
    ///
    /// assert!(BroadcastError::Closed(|| ()).is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Returns whether the executor cannot broadcast at all.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::BroadcastError;
    ///
    /// assert!(BroadcastError::Unsupported(|| ()).is_unsupported());
    /// ```
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported(_))
    }
}

impl<F> fmt::Display for BroadcastError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => {
                "too many broadcasts wait for one of the workers: wait for those under way, and see what the worker runs"
            }
            Self::Closed(_) => "the pool is closed",
            Self::Unsupported(_) => {
                "the executor cannot reach each of its workers, since it borrows their threads or is made of several pools: broadcast to a pool that has threads of its own"
            }
        })
    }
}

impl<F> fmt::Debug for BroadcastError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
            Self::Unsupported(_) => "Unsupported(..)",
        })
    }
}

impl<F> Error for BroadcastError<F> {}

/// One worker's share.
struct Share<F, T> {
    f: Arc<F>,
    result: PhantomData<fn() -> T>,
}

impl<F, T> Job for Share<F, T>
where
    F: Fn(&JobContext<'_>) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Output = T;
    type Error = Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<T, Infallible> {
        let result = (self.f)(ctx);
        // The last share drops the closure. What its destructor does is not the share's result.
        drop_contained(self.f);
        Ok(result)
    }

    fn options(&self) -> JobOptions {
        JobOptions::new().named(NAME)
    }

    fn kind() -> &'static str {
        type_name::<F>()
    }
}

/// See [`ExecutorExt::broadcast`](crate::ExecutorExt::broadcast).
pub(super) fn broadcast<E, F, T>(executor: &E, f: F) -> Result<Broadcast<T>, BroadcastError<F>>
where
    E: Executor + ?Sized,
    F: Fn(&JobContext<'_>) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    let mut f = Arc::new(f);
    loop {
        let pools = executor.pools();
        let Some(life) = reachable(&pools) else {
            return Err(BroadcastError::Unsupported(alone(f)));
        };
        f = match send(executor, life, f) {
            Ok(broadcast) => return Ok(broadcast),
            Err(Refused::Full(f)) => return Err(BroadcastError::Full(alone(f))),
            Err(Refused::Closed(f)) => f,
        };
        // One that was retired has a successor, or is about to.
        let front = life.owners.front();
        if front.is_none_or(|front| front.is_closed()) {
            return Err(BroadcastError::Closed(alone(f)));
        }
        machine::yield_now();
    }
}

/// The closure, once all shares have given it back.
fn alone<F>(f: Arc<F>) -> F {
    Arc::into_inner(f).expect("no share is left of a broadcast that was refused")
}

/// The newest of the pools, if they are one pool that is swapped, and each of its workers can be
/// reached.
fn reachable(pools: &Pools) -> Option<&Arc<Lifecycle>> {
    let (newest, others) = pools.lives().split_last()?;
    let is_one = others
        .iter()
        .all(|life| ptr::eq(life.room(), newest.room()));
    (is_one && newest.pinned.has_all_homes()).then_some(newest)
}

/// Makes a share for each worker of one pool, and pins them. Nothing of the closure stays with the
/// caller: it is dropped where the last share ends, and never in the middle of this call.
fn send<E, F, T>(
    executor: &E,
    life: &Arc<Lifecycle>,
    f: Arc<F>,
) -> Result<Broadcast<T>, Refused<Arc<F>>>
where
    E: Executor + ?Sized,
    F: Fn(&JobContext<'_>) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    let share = |f| {
        let result = PhantomData;
        closure(executor, Share { f, result }).made()
    };
    let shares = iter::repeat_n(f, life.pinned.homes()).map(share);
    let (tasks, cells): (Vec<_>, Vec<_>) = shares.unzip();
    match life.pin(tasks) {
        Ok(()) => {
            let handles = cells
                .into_iter()
                .map(|cell| JobHandle::new(cell.into_raw()));
            Ok(Broadcast::new(handles.collect(), Arc::clone(life)))
        }
        Err(refused) => {
            // Before the tasks are dropped, which would abandon the jobs.
            let shares = cells.into_iter().filter_map(CellHandle::reclaim);
            let last = shares.last().expect("nobody can have cancelled a share");
            Err(refused.map(|_not_pinned| last.f))
        }
    }
}
