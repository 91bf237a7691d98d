//! Crates of others that do the same work, each as its documentation says.

use anyhow::Result;

use crate::contestant::Contestant;
use crate::setup::Setup;

/// `rayon::ThreadPool::spawn`.
pub(super) struct RayonSpawn(rayon::ThreadPool);

impl RayonSpawn {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(setup.workers);
        Ok(Self(builder.build()?))
    }
}

impl Contestant for RayonSpawn {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.0.spawn(job);
    }

    fn finish(self) {
        drop(self.0);
    }
}

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
