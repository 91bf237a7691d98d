//! Libraries for data parallelism, used as their documentation says: rayon and chili.

use std::num::NonZero;

use anyhow::{Context, Result};

use super::by_oneshot;
use crate::contestant::{Contestant, ForkJoin};
use crate::setup::Setup;

/// `rayon::ThreadPool::spawn`.
pub(super) struct RayonSpawn(rayon::ThreadPool);

impl RayonSpawn {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        // Without a handler, a job that panics ends the process.
        let builder = rayon::ThreadPoolBuilder::new()
            .num_threads(setup.workers)
            .panic_handler(drop);
        Ok(Self(builder.build()?))
    }
}

impl Contestant for RayonSpawn {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.0.spawn(job);
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        by_oneshot(self, job)
    }

    fn finish(self) {
        drop(self.0);
    }
}

impl ForkJoin for RayonSpawn {
    type Inside<'a> = ();

    fn enter<T: Send + 'static>(&self, root: impl FnOnce(&mut ()) -> T + Send + 'static) -> T {
        self.0.install(|| root(&mut ()))
    }

    fn join<A: Send + 'static, B: Send + 'static>(
        _: &mut (),
        a: impl FnOnce(&mut ()) -> A + Send + 'static,
        b: impl FnOnce(&mut ()) -> B + Send + 'static,
    ) -> (A, B) {
        rayon::join(|| a(&mut ()), || b(&mut ()))
    }

    fn finish(self) {
        drop(self.0);
    }
}

/// `rayon::ThreadPool::spawn_fifo`.
pub(super) struct RayonFifo(rayon::ThreadPool);

impl RayonFifo {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        Ok(Self(RayonSpawn::build(setup)?.0))
    }
}

impl Contestant for RayonFifo {
    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.0.spawn_fifo(job);
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        by_oneshot(self, job)
    }

    fn finish(self) {
        drop(self.0);
    }
}

/// The crate `chili`; the caller is one of its workers.
pub(super) struct Chili(chili::ThreadPool);

impl Chili {
    pub(super) fn build(setup: &Setup) -> Result<Self> {
        let threads = NonZero::new(setup.workers).context("no workers")?;
        Ok(Self(chili::ThreadPool::with_config(chili::Config {
            thread_count: Some(threads),
            ..chili::Config::default()
        })))
    }
}

impl ForkJoin for Chili {
    type Inside<'a> = chili::Scope<'a>;

    fn enter<T: Send + 'static>(
        &self,
        root: impl FnOnce(&mut chili::Scope<'_>) -> T + Send + 'static,
    ) -> T {
        root(&mut self.0.scope())
    }

    fn join<A: Send + 'static, B: Send + 'static>(
        inside: &mut chili::Scope<'_>,
        a: impl FnOnce(&mut chili::Scope<'_>) -> A + Send + 'static,
        b: impl FnOnce(&mut chili::Scope<'_>) -> B + Send + 'static,
    ) -> (A, B) {
        // It runs the second closure first, and gives the first one away. With the two exchanged,
        // it visits a tree in the order of the others.
        let (b, a) = inside.join(b, a);
        (a, b)
    }

    fn finish(self) {
        drop(self.0);
    }
}
