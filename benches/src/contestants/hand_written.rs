//! Pools that people write themselves: threads on a channel of boxed closures.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use anyhow::Result;

use super::by_oneshot;
use crate::contestant::{Contestant, Stop};
use crate::setup::Setup;

type BoxedJob = Box<dyn FnOnce() + Send>;

/// Threads that share a `std::sync::mpsc` receiver.
pub(super) struct MutexMpsc {
    jobs: mpsc::Sender<BoxedJob>,
    threads: Vec<JoinHandle<()>>,
}

impl MutexMpsc {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<BoxedJob>();
        let queue = Arc::new(Mutex::new(queue));
        let threads = start(setup.workers, || {
            let queue = Arc::clone(&queue);
            move || {
                while let Some(job) = next(&queue) {
                    job();
                }
            }
        })?;
        Ok(Self { jobs, threads })
    }
}

/// A separate function, so that the lock is free again before the job runs.
fn next(queue: &Mutex<mpsc::Receiver<BoxedJob>>) -> Option<BoxedJob> {
    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.recv().ok()
}

impl Contestant for MutexMpsc {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        let sent = self.jobs.send(Box::new(job));
        sent.expect("the workers listen as long as there is a sender");
    }

    fn finish(self) {
        drop(self.jobs);
        join(self.threads);
    }
}

/// Threads on a `crossbeam_channel`.
pub(super) struct Crossbeam {
    jobs: crossbeam_channel::Sender<BoxedJob>,
    threads: Vec<JoinHandle<()>>,
}

impl Crossbeam {
    pub(super) fn bounded(setup: &Setup) -> Result<Self> {
        let channel = setup.bound().map(crossbeam_channel::bounded);
        Self::on(channel.unwrap_or_else(crossbeam_channel::unbounded), setup)
    }

    pub(super) fn unbounded(setup: &Setup) -> Result<Self> {
        Self::on(crossbeam_channel::unbounded(), setup)
    }

    fn on(
        (jobs, queue): (
            crossbeam_channel::Sender<BoxedJob>,
            crossbeam_channel::Receiver<BoxedJob>,
        ),
        setup: &Setup,
    ) -> Result<Self> {
        let threads = start(setup.workers, || {
            let queue = queue.clone();
            move || queue.into_iter().for_each(|job| job())
        })?;
        Ok(Self { jobs, threads })
    }
}

impl Contestant for Crossbeam {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        let sent = self.jobs.send(Box::new(job));
        sent.expect("the workers listen as long as there is a sender");
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        by_oneshot(self, job)
    }

    fn finish(self) {
        drop(self.jobs);
        join(self.threads);
    }
}

/// Threads on a bounded `kanal`.
pub(super) struct Kanal {
    jobs: kanal::Sender<BoxedJob>,
    threads: Vec<JoinHandle<()>>,
}

impl Kanal {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let channel = setup.bound().map(kanal::bounded::<BoxedJob>);
        let (jobs, queue) = channel.unwrap_or_else(kanal::unbounded);
        let threads = start(setup.workers, || {
            let queue = queue.clone();
            move || queue.for_each(|job| job())
        })?;
        Ok(Self { jobs, threads })
    }
}

impl Contestant for Kanal {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        let sent = self.jobs.send(Box::new(job));
        sent.expect("the workers listen as long as there is a sender");
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        by_oneshot(self, job)
    }

    fn finish(self) {
        drop(self.jobs);
        join(self.threads);
    }
}

impl Stop for Kanal {
    /// A kanal channel that is closed drops its contents.
    fn stop(self) {
        self.jobs.close().expect("nobody else closes it");
        join(self.threads);
    }
}

/// Threads on a bounded `flume`.
pub(super) struct Flume {
    jobs: flume::Sender<BoxedJob>,
    threads: Vec<JoinHandle<()>>,
}

impl Flume {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let channel = setup.bound().map(flume::bounded::<BoxedJob>);
        let (jobs, queue) = channel.unwrap_or_else(flume::unbounded);
        let threads = start(setup.workers, || {
            let queue = queue.clone();
            move || queue.into_iter().for_each(|job| job())
        })?;
        Ok(Self { jobs, threads })
    }
}

impl Contestant for Flume {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        let sent = self.jobs.send(Box::new(job));
        sent.map_err(|_| "closed")
            .expect("the workers listen as long as there is a sender");
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        by_oneshot(self, job)
    }

    fn finish(self) {
        drop(self.jobs);
        join(self.threads);
    }
}

fn start<B>(workers: usize, body: impl Fn() -> B) -> Result<Vec<JoinHandle<()>>>
where
    B: FnOnce() + Send + 'static,
{
    (0..workers)
        .map(|_| Ok(thread::Builder::new().spawn(body())?))
        .collect()
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no job of these workloads panics");
    }
}
