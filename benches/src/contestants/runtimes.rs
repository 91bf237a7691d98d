//! Runtimes for futures, as pools.

use std::future::Future;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::Result;
use async_channel::Sender;
use async_executor::Executor;
use futures_lite::future::block_on;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use crate::contestant::{Contestant, Futures, Stop};
use crate::setup::Setup;

/// `tokio::spawn`: a job is a future that never waits.
pub(super) struct TokioSpawn(Runtime);

impl TokioSpawn {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        Ok(Self(runtime(setup.workers)?))
    }
}

impl Contestant for TokioSpawn {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.0.spawn(async move { job() });
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        let handle = self.0.spawn(async move { job() });
        || self.0.block_on(handle).expect("the job completes")
    }

    fn finish(self) {
        drop(self.0);
    }
}

impl Stop for TokioSpawn {
    /// A runtime that is dropped drops its tasks, and waits for the polls that are under way.
    fn stop(self) {
        drop(self.0);
    }
}

impl Futures for TokioSpawn {
    fn spawn_future(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(future);
    }
}

/// `tokio::task::spawn_blocking`.
pub(super) struct TokioBlocking(Runtime);

impl TokioBlocking {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .max_blocking_threads(setup.workers);
        Ok(Self(builder.build()?))
    }
}

impl Contestant for TokioBlocking {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.0.spawn_blocking(job);
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        let handle = self.0.spawn_blocking(job);
        || self.0.block_on(handle).expect("the job completes")
    }

    fn finish(self) {
        drop(self.0);
    }
}

/// `tokio::spawn` behind a semaphore with as many permits as the pools have workers: how futures in
/// flight are bounded.
pub(super) struct TokioSemaphore {
    runtime: Runtime,
    permits: Arc<Semaphore>,
}

impl TokioSemaphore {
    /// The futures share as many threads as the system grants in parallel.
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let threads = thread::available_parallelism()?.get();
        Ok(Self {
            runtime: runtime(threads)?,
            permits: Arc::new(Semaphore::new(setup.workers)),
        })
    }
}

impl Contestant for TokioSemaphore {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.spawn_future(async move { job() });
    }

    fn finish(self) {
        drop(self.runtime);
    }
}

impl Futures for TokioSemaphore {
    fn spawn_future(&self, future: impl Future<Output = ()> + Send + 'static) {
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = self.runtime.block_on(permit);
        let permit = permit.expect("nobody closes the semaphore");
        self.runtime.spawn(async move {
            future.await;
            drop(permit);
        });
    }
}

fn runtime(threads: usize) -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).enable_time();
    Ok(builder.build()?)
}

/// `async_executor::Executor` on threads that a channel ends.
pub(super) struct AsyncExecutor {
    executor: Arc<Executor<'static>>,
    shutdown: Sender<()>,
    threads: Vec<JoinHandle<()>>,
}

impl AsyncExecutor {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let executor = Arc::new(Executor::new());
        let (shutdown, signal) = async_channel::unbounded::<()>();
        let threads = (0..setup.workers).map(|_| {
            let (executor, signal) = (Arc::clone(&executor), signal.clone());
            let run = move || {
                let _closed = block_on(executor.run(signal.recv()));
            };
            Ok(thread::Builder::new().spawn(run)?)
        });
        let threads = threads.collect::<Result<_>>()?;
        Ok(Self {
            executor,
            shutdown,
            threads,
        })
    }
}

impl Contestant for AsyncExecutor {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.spawn_future(async move { job() });
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        let task = self.executor.spawn(async move { job() });
        || block_on(task)
    }

    fn finish(self) {
        self.stop();
    }
}

impl Stop for AsyncExecutor {
    /// The threads end with the signal, and an executor that is dropped drops its tasks.
    fn stop(self) {
        drop(self.shutdown);
        for thread in self.threads {
            thread.join().expect("no job of these workloads panics");
        }
        drop(self.executor);
    }
}

impl Futures for AsyncExecutor {
    fn spawn_future(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.executor.spawn(future).detach();
    }
}
