//! Thread pools of other projects, each used as its documentation says.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Mutex;

use affinitypool::Threadpool as AffinityThreadpool;
use anyhow::Result;
use beekeeper::bee::DefaultQueen;
use beekeeper::bee::stock::{Thunk, ThunkWorker};
use beekeeper::hive::{
    Builder as _, ChannelTaskQueues, Hive, OpenBuilder, OutcomeReceiver, OutcomeSender,
    outcome_channel,
};
use executors::Executor as _;
use executors::crossbeam_workstealing_pool as executors_pool;
use executors::parker::{LargeThreadData, StaticParker};
use futures_lite::future::block_on;
use qubit_executor::service::ExecutorService;
use qubit_thread_pool::FixedThreadPool;

use super::by_oneshot;
use crate::contestant::{Contestant, Futures, Stop};
use crate::setup::Setup;

/// The crate `threadpool`.
pub(super) struct Threadpool(threadpool::ThreadPool);

impl Threadpool {
    pub(super) fn build(setup: &Setup) -> Self {
        Self(threadpool::ThreadPool::new(setup.workers))
    }
}

impl Contestant for Threadpool {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.0.execute(job);
    }

    fn finish(self) {
        self.0.join();
    }
}

/// The crate `rusty_pool`.
pub(super) struct RustyPool(rusty_pool::ThreadPool);

impl RustyPool {
    pub(super) fn build(setup: &Setup) -> Self {
        let pool = rusty_pool::Builder::new()
            .core_size(setup.workers)
            .max_size(setup.workers)
            .build();
        pool.start_core_threads();
        Self(pool)
    }
}

impl Contestant for RustyPool {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.0.execute(job);
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        let handle = self.0.evaluate(job);
        || handle.await_complete()
    }

    fn finish(self) {
        self.0.shutdown_join();
    }
}

impl Futures for RustyPool {
    fn spawn_future(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(future);
    }
}

/// The work-stealing pool of the crate `executors`.
pub(super) struct Executors(executors_pool::ThreadPool<StaticParker<LargeThreadData>>);

impl Executors {
    pub(super) fn build(setup: &Setup) -> Self {
        Self(executors_pool::large_pool(setup.workers))
    }
}

impl Contestant for Executors {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.0.execute(job);
    }

    fn finish(self) {
        self.0.shutdown().expect("the workers have nothing to do");
    }
}

/// The crate `threadfin`.
pub(super) struct Threadfin(threadfin::ThreadPool);

impl Threadfin {
    pub(super) fn build(setup: &Setup) -> Self {
        let builder = threadfin::builder().size(setup.workers);
        let builder = match setup.bound() {
            Some(bound) => builder.queue_limit(bound),
            None => builder,
        };
        Self(builder.build())
    }
}

impl Contestant for Threadfin {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        drop(self.0.execute(job));
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        let task = self.0.execute(job);
        || task.join()
    }

    fn finish(self) {
        self.0.join();
    }
}

impl Futures for Threadfin {
    fn spawn_future(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.execute_future(future));
    }
}

/// The crate `affinitypool`.
pub(super) struct Affinitypool(AffinityThreadpool);

impl Affinitypool {
    pub(super) fn build(setup: &Setup) -> Self {
        Self(AffinityThreadpool::new(setup.workers))
    }
}

impl Contestant for Affinitypool {
    /// There are no detached jobs: what is returned for a job cancels it when dropped.
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        block_on(self.0.spawn(job));
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        let value = self.0.spawn(job);
        || block_on(value)
    }

    fn finish(self) {
        drop(self.0);
    }
}

/// The crate `beekeeper`, on its channel queues.
pub(super) struct Beekeeper {
    hive: Hive<DefaultQueen<ThunkWorker<()>>, ChannelTaskQueues<ThunkWorker<()>>>,
    outcomes: OutcomeSender<ThunkWorker<()>>,
    /// Every job has an outcome. They go to a channel that is never read: the workloads know when a
    /// job has run.
    unread: Mutex<OutcomeReceiver<ThunkWorker<()>>>,
}

impl Beekeeper {
    pub(super) fn build(setup: &Setup) -> Self {
        let (outcomes, unread) = outcome_channel();
        let hive = OpenBuilder::default()
            .num_threads(setup.workers)
            .with_worker_default::<ThunkWorker<()>>()
            .with_channel_queues()
            .build();
        Self {
            hive,
            outcomes,
            unread: Mutex::new(unread),
        }
    }
}

impl Contestant for Beekeeper {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.hive.apply_send(Thunk::from(job), &self.outcomes);
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        by_oneshot(self, job)
    }

    fn finish(self) {
        self.hive.close(false);
        drop(self.unread);
    }
}

/// The fixed pool of the crate `qubit-thread-pool`.
pub(super) struct Qubit(FixedThreadPool);

impl Qubit {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let builder = FixedThreadPool::builder()
            .pool_size(setup.workers)
            .unbounded_queue();
        Ok(Self(builder.build()?))
    }
}

/// A closure in the form that this library takes: callable more than once.
fn once<T>(job: impl FnOnce() -> T) -> impl FnMut() -> Result<T, Infallible> {
    let mut job = Some(job);
    move || {
        let job = job.take().expect("a job is called once");
        Ok(job())
    }
}

impl Contestant for Qubit {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.0.submit(once(job)).expect("the pool is open");
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        let handle = self.0.submit_callable(once(job));
        let handle = handle.expect("the pool is open");
        || handle.get().expect("the job completes")
    }

    fn finish(self) {
        self.0.shutdown();
        self.0.wait_termination();
    }
}

impl Stop for Qubit {
    fn stop(self) {
        self.0.stop();
        self.0.wait_termination();
    }
}
