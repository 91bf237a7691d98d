//! The pool, on any backend, as its users use it.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use pool::backend::{Engine, WorkerPool};
use pool::{Backend, Executor, ExecutorExt, JobContext, JobExt, Pool, Shutdown, ShutdownPolicy};

use crate::contestant::{Contestant, ForkJoin, Futures, Stop};
use crate::setup::Setup;

/// A pool through the type `E`.
pub(super) struct Ours<E>(E);

impl Ours<Pool> {
    /// Through the facade.
    pub(super) fn through_pool(backend: Backend, setup: &Setup) -> Result<Self> {
        let pool = Pool::builder()
            .backend(backend)
            .workers(setup.workers)
            .queue_capacity(setup.capacity)
            .build()?;
        Ok(Self(pool))
    }
}

impl<E: Engine> Ours<WorkerPool<E>> {
    /// Through the backend's own type.
    pub(super) fn concrete(setup: &Setup) -> Result<Self> {
        let pool = WorkerPool::builder()
            .workers(setup.workers)
            .queue_capacity(setup.capacity)
            .build()?;
        Ok(Self(pool))
    }
}

impl<E: Executor + Shutdown + 'static> Contestant for Ours<E> {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.0.execute(infallible(job)).expect("the pool is open");
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        let handle = self.0.spawn(job).expect("the pool is open");
        move || handle.join().expect("the job completes")
    }

    fn finish(self) {
        drain(&self.0);
    }
}

impl<E: Executor + Shutdown + 'static> Stop for Ours<E> {
    fn stop(self) {
        // It does not wait for jobs that have not started; running jobs get time to end, or a
        // thread would be left.
        let policy = ShutdownPolicy::now().cancel_grace(Duration::from_secs(60));
        let report = self.0.shutdown(policy);
        assert!(report.is_safe_to_exit(), "a job is left: {report:?}");
    }
}

impl<E: Executor + Shutdown + 'static> Futures for Ours<E> {
    fn spawn_future(&self, future: impl Future<Output = ()> + Send + 'static) {
        let handle = self.0.spawn_future(future);
        handle
            .map_err(|_| "refused")
            .expect("the pool is open")
            .detach();
    }
}

impl<E: Executor + Shutdown + 'static> ForkJoin for Ours<E> {
    type Inside<'a> = &'a JobContext<'a>;

    fn enter<T: Send + 'static>(
        &self,
        root: impl FnOnce(&mut Self::Inside<'_>) -> T + Send + 'static,
    ) -> T {
        let root = move |ctx: &JobContext<'_>| Ok::<T, Infallible>(root(&mut shorter(ctx)));
        let handle = self.0.submit(root);
        let handle = handle.map_err(|_| "refused").expect("the pool is open");
        handle.join().expect("the job completes")
    }

    fn join<A: Send + 'static, B: Send + 'static>(
        inside: &mut Self::Inside<'_>,
        a: impl FnOnce(&mut Self::Inside<'_>) -> A + Send + 'static,
        b: impl FnOnce(&mut Self::Inside<'_>) -> B + Send + 'static,
    ) -> (A, B) {
        inside.join(|ctx| a(&mut shorter(ctx)), |ctx| b(&mut shorter(ctx)))
    }

    fn finish(self) {
        drain(&self.0);
    }
}

/// A context whose two lifetimes are one.
fn shorter<'a>(ctx: &'a JobContext<'_>) -> &'a JobContext<'a> {
    ctx
}

/// The same pool, but submitters know it only as `dyn Executor`, as in a library that leaves the
/// choice to its user.
pub(super) struct Dyn<P> {
    executor: Arc<dyn Executor>,
    pool: P,
}

impl<E: Engine> Dyn<WorkerPool<E>> {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let Ours(pool) = Ours::concrete(setup)?;
        Ok(Self {
            executor: Arc::new(pool.clone()),
            pool,
        })
    }
}

impl<E: Engine> Contestant for Dyn<WorkerPool<E>> {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        let executed = self.executor.execute(infallible(job));
        executed.expect("the pool is open");
    }

    fn finish(self) {
        drain(&self.pool);
    }
}

/// The same pool; each job has a deadline, far away.
pub(super) struct Deadline<P>(Ours<P>);

impl<E: Engine> Deadline<WorkerPool<E>> {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        Ok(Self(Ours::concrete(setup)?))
    }
}

impl<E: Engine> Contestant for Deadline<WorkerPool<E>> {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        let job = infallible(job).with_timeout(Duration::from_secs(3600));
        let executed = (self.0.0).execute(job).map_err(|_| "refused");
        executed.expect("the pool is open");
    }

    fn finish(self) {
        Contestant::finish(self.0);
    }
}

/// The same pool, while a thread reads its counts.
pub(super) struct Watched<P> {
    pool: Ours<P>,
    is_over: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

impl<E: Engine> Watched<WorkerPool<E>> {
    /// The time between two reads: so short that whatever a read disturbs is disturbed all the
    /// time, but long enough that the reader takes no core from the workers.
    const PAUSE: Duration = Duration::from_micros(20);

    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let pool = Ours::<WorkerPool<E>>::concrete(setup)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (read, over) = (pool.0.clone(), Arc::clone(&is_over));
        let reader = thread::Builder::new().spawn(move || {
            // ORDERING: relaxed: nothing depends on when it is seen.
            while !over.load(Ordering::Relaxed) {
                std::hint::black_box(read.stats());
                thread::sleep(Self::PAUSE);
            }
        })?;
        Ok(Self {
            pool,
            is_over,
            reader,
        })
    }
}

impl<E: Engine> Contestant for Watched<WorkerPool<E>> {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.pool.execute(job);
    }

    fn finish(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.reader.join().expect("reading does not panic");
        Contestant::finish(self.pool);
    }
}

/// A job of the pool that cannot fail and does not use its context.
fn infallible(
    job: impl FnOnce() + Send + 'static,
) -> impl FnOnce(&JobContext<'_>) -> Result<(), Infallible> + Send + 'static {
    move |_| {
        job();
        Ok(())
    }
}

fn drain(pool: &impl Shutdown) {
    let report = pool.shutdown(ShutdownPolicy::drain());
    assert!(report.is_safe_to_exit(), "a job is left: {report:?}");
}
