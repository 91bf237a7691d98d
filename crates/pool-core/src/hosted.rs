//! A pool's future on a runtime that polls it: what a backend spawns there.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::async_cell::Polled;
use crate::async_entry::AsyncEntry;
use crate::engine::Engine;
use crate::task::{Payload, Ran};
use crate::worker::Worker;

/// Runs an async job to its end, for its pool, polled by a runtime's task. Its end is recorded with the pool.
///
/// Ready when the job is over, or was taken by somebody else (a joiner, a canceller). Dropped before that, as by a runtime that
/// shuts down, it ends the job as `Cancelled`, or as `Abandoned` if it had not started.
#[must_use = "a future does nothing unless it is polled"]
pub struct Hosted<E: Engine> {
    job: Option<Arc<dyn Polled>>,
    engine: Arc<E>,
    token: usize,
    is_started: bool,
}

impl<E: Engine> Hosted<E> {
    pub(crate) fn new(entry: AsyncEntry, engine: &Arc<E>, token: usize) -> Self {
        Self {
            job: Some(entry.0),
            engine: Arc::clone(engine),
            token,
            is_started: false,
        }
    }

    /// The first poll takes the right to start. False if the job was taken meanwhile, and its entry settled.
    fn start(&self, job: &Arc<dyn Polled>) -> bool {
        let life = self.engine.life();
        if job.start() {
            job.set_home(life);
            Arc::clone(job).leave(life);
            return true;
        }
        if Arc::clone(job).settle_popped(life) == Ran::Over {
            life.entry_over();
        }
        false
    }
}

impl<E: Engine> Hosted<E> {
    /// One poll, as a worker of the pool: so the job may submit to it, join, close and drop it like any other.
    fn poll_as_worker(&self, job: &Arc<dyn Polled>) -> Option<Poll<()>> {
        let taken = self.engine.life().seats.take(None);
        let worker = Worker::new(&self.engine, taken.index, self.token, false);
        let _entered = worker.enter();
        worker.keeping_place(|| Arc::clone(job).poll_at(worker.seat(), None))
    }
}

impl<E: Engine> Future for Hosted<E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(job) = self.job.clone() else {
            return Poll::Ready(());
        };
        // The host is known before the start, so a joiner that comes too late to claim the job sees that it is hosted.
        job.set_host(cx.waker());
        if !std::mem::replace(&mut self.is_started, true) && !self.start(&job) {
            self.job = None;
            return Poll::Ready(());
        }
        let is_over = match self.poll_as_worker(&job) {
            Some(polled) => polled.is_ready(),
            // Not due: the runtime polled of itself.
            None => job.is_ended(),
        };
        if is_over {
            self.job = None;
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl<E: Engine> Drop for Hosted<E> {
    fn drop(&mut self) {
        match self.job.take() {
            Some(job) if self.is_started => job.end_unhosted(),
            Some(job) => AsyncEntry(job).abandon(),
            None => {}
        }
    }
}

impl<E: Engine> fmt::Debug for Hosted<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosted")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
