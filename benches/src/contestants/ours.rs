//! The pool, on any backend, as its users hold it.

use std::convert::Infallible;

use anyhow::Result;
use pool::{Backend, JobContext, Pool, ShutdownPolicy};

use crate::contestant::Contestant;
use crate::setup::Setup;

pub(crate) struct Ours(Pool);

impl Ours {
    pub(crate) fn build(backend: Backend, setup: &Setup) -> Result<Self> {
        let pool = Pool::builder()
            .backend(backend)
            .workers(setup.workers)
            .queue_capacity(setup.capacity)
            .build()?;
        Ok(Self(pool))
    }
}

impl Contestant for Ours {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        let job = move |_: &JobContext<'_>| {
            job();
            Ok::<(), Infallible>(())
        };
        self.0.execute(job).expect("the pool is open");
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        let handle = self.0.spawn(job).expect("the pool is open");
        move || handle.join().expect("the job completes")
    }

    fn finish(self) {
        let report = self.0.shutdown(ShutdownPolicy::drain());
        assert!(report.is_safe_to_exit(), "a job is left: {report:?}");
    }
}
