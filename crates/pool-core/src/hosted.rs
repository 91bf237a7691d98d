//! A pool's future on a runtime that polls it: what a backend spawns there.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::async_cell::{AsyncEntry, Polled};
use crate::task::{Payload, Ran};
use crate::worker::Seat;

/// Runs an async job to its end, at its pool's seat, polled by a runtime's task. Its end is recorded with the pool.
///
/// Ready when the job is over, or was taken by somebody else (a joiner, a canceller). Dropped before that, as by a runtime that
/// shuts down, it ends the job as `Cancelled`, or as `Abandoned` if it had not started.
#[must_use = "a future does nothing unless it is polled"]
pub struct Hosted {
    job: Option<Arc<dyn Polled>>,
    seat: Seat,
    is_started: bool,
}

impl Hosted {
    pub(crate) fn new(entry: AsyncEntry, seat: Seat) -> Self {
        Self {
            job: Some(entry.0),
            seat,
            is_started: false,
        }
    }

    /// The first poll takes the right to start. False if the job was taken meanwhile, and its entry settled.
    fn start(&self, job: &Arc<dyn Polled>) -> bool {
        let life = self.seat.life();
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

impl Future for Hosted {
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
        let is_over = match Arc::clone(&job).poll_at(&self.seat, None) {
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

impl Drop for Hosted {
    fn drop(&mut self) {
        match self.job.take() {
            Some(job) if self.is_started => job.end_unhosted(),
            Some(job) => AsyncEntry(job).abandon(),
            None => {}
        }
    }
}

impl fmt::Debug for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosted")
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}
