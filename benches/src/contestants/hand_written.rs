//! Pools that people write themselves: threads on a channel of boxed closures.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use anyhow::Result;
use crossbeam_channel::{Receiver, Sender};

use crate::contestant::Contestant;
use crate::setup::Setup;

type BoxedJob = Box<dyn FnOnce() + Send>;

/// Threads on a bounded `crossbeam_channel`.
pub(super) struct Crossbeam {
    jobs: Sender<BoxedJob>,
    threads: Vec<JoinHandle<()>>,
}

impl Crossbeam {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let (jobs, queue) = crossbeam_channel::bounded(setup.capacity);
        let threads = start(setup.workers, |_| {
            let queue: Receiver<BoxedJob> = queue.clone();
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

    fn finish(self) {
        drop(self.jobs);
        join(self.threads);
    }
}

/// Threads that take turns at a `std::sync::mpsc` receiver.
pub(super) struct MutexMpsc {
    jobs: mpsc::Sender<BoxedJob>,
    threads: Vec<JoinHandle<()>>,
}

impl MutexMpsc {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<BoxedJob>();
        let queue = Arc::new(Mutex::new(queue));
        let next = |queue: &Mutex<mpsc::Receiver<BoxedJob>>| {
            let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.recv().ok()
        };
        let threads = start(setup.workers, |_| {
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

fn start<B>(workers: usize, body: impl Fn(usize) -> B) -> Result<Vec<JoinHandle<()>>>
where
    B: FnOnce() + Send + 'static,
{
    (0..workers)
        .map(|worker| Ok(thread::Builder::new().spawn(body(worker))?))
        .collect()
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no job of a workload panics");
    }
}
