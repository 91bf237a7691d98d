//! One poll of a future: from the looks at whether it is to be polled at all, to what came of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{AsyncCell, Content};
use crate::cell::future::source::Source;
use crate::job::context::AsyncContext;
use crate::job::outcome::{Concluded, Interrupted, JobError, PanicInfo, conclude, contain};
use crate::pool::lifecycle::Lifecycle;
use crate::pool::observer::Observed;
use crate::sys::machine::{self, Point};
use crate::sys::sync::LockExt;
use crate::worker::{Awaited, Worker};

/// What a poll of the job's future returned, unless it panicked.
type Returned<S> = Result<Poll<Result<<S as Source>::Output, <S as Source>::Error>>, PanicInfo>;

/// What a poll returned, and what the future has awaited in it.
struct Polled<S: Source> {
    returned: Returned<S>,
    awaited: Vec<Arc<dyn Awaited>>,
}

/// What came of one poll.
pub(super) enum Once<S: Source> {
    /// The future returned `Pending`.
    Suspended,
    /// The future is over, or was found interrupted and not polled. What is left of it is still in
    /// its place.
    Over(Concluded<S::Output, S::Error>),
}

impl<S: Source> AsyncCell<S> {
    /// Polls once with `waker`, unless the job is interrupted. The caller owns the poll, and keeps
    /// it.
    ///
    /// `worker` is the worker of `life` that the polling thread acts as. It is told which future is
    /// polled, and hands back what that future has awaited of its own pool, which is noted in the
    /// cell. Without a worker the future is polled as an outsider, whose awaits are not noted.
    pub(super) fn poll_once(
        &self,
        life: &Arc<Lifecycle>,
        worker: Option<&Worker>,
        waker: &Waker,
    ) -> Once<S> {
        let interrupted = |it: Interrupted| Once::Over(Concluded::Ends(Err(it.into())));
        if let Some(interruption) = self.interruption(life) {
            return interrupted(interruption);
        }
        let observers = life.hooks.observers();
        if let Some(observers) = observers {
            observers.enter(&self.observed(life, worker));
        }
        let polled = self.poll_future(life, worker, waker);
        if let Some(observers) = observers {
            observers.exit(&self.observed(life, worker));
        }
        let Polled { returned, awaited } = match polled {
            Ok(polled) => polled,
            Err(panic) => return Once::Over(Concluded::Ends(Err(JobError::Panicked(panic)))),
        };
        let result = match returned {
            Ok(Poll::Pending) => {
                self.note_awaited(awaited);
                return Once::Suspended;
            }
            Ok(Poll::Ready(result)) => Ok(result),
            Err(panic) => Err(panic),
        };
        // It counts where the job gave up alone.
        let reported = match result {
            Ok(Err(_)) => *self.reported.lock_unpoisoned(),
            _ => None,
        };
        Once::Over(conclude(result, reported))
    }

    /// Makes the future, if need be, and polls it: what came of that, and what the future has
    /// awaited. The caller owns the poll.
    ///
    /// # Errors
    /// As for [`make_future`](Self::make_future).
    #[inline(always)]
    fn poll_future(
        &self,
        life: &Arc<Lifecycle>,
        worker: Option<&Worker>,
        waker: &Waker,
    ) -> Result<Polled<S>, PanicInfo> {
        self.make_future(life)?;
        let outer = worker.map(|worker| worker.begin_polling(self.id));
        let returned = self.stage.with_mut(|place| {
            // SAFETY: the caller owns the poll.
            let Content::Started(future) = (unsafe { &mut *place }) else {
                unreachable!("the future is there until it is over")
            };
            // SAFETY: it is not moved out of the cell, see `Content`, and the cell does not move.
            let future = unsafe { Pin::new_unchecked(future) };
            contain(|| {
                machine::point(Point::Begin(self.id));
                future.poll(&mut Context::from_waker(waker))
            })
        });
        let mut awaited = Vec::new();
        if let (Some(worker), Some(outer)) = (worker, outer) {
            awaited = worker.end_polling(outer);
        }
        Ok(Polled { returned, awaited })
    }

    /// Returns the job, for the observers.
    pub(super) fn observed<'a>(
        &'a self,
        life: &'a Lifecycle,
        worker: Option<&Worker>,
    ) -> Observed<'a> {
        Observed {
            id: self.id,
            terms: self.terms.as_deref(),
            kind: Self::kind(),
            worker: worker.map(Worker::index),
            life,
        }
    }

    /// Turns the job into its future, at the first poll; does nothing later. The caller owns the
    /// poll.
    ///
    /// # Errors
    /// The job's `run` panicked before it returned a future. Then the stage is empty.
    fn make_future(&self, life: &Arc<Lifecycle>) -> Result<(), PanicInfo> {
        let source = self.stage.with_mut(|place| {
            // SAFETY: the caller owns the poll.
            let stage = unsafe { &mut *place };
            if !matches!(stage, Content::Queued(_)) {
                return None;
            }
            match std::mem::replace(stage, Content::Empty) {
                Content::Queued(source) => Some(source),
                _ => None,
            }
        });
        let Some(source) = source else {
            return Ok(());
        };
        let ctx = || AsyncContext::new(self.shared(), Arc::clone(life));
        let future = contain(|| source.start(ctx))?;
        drop(self.replace(Content::Started(future)));
        Ok(())
    }
}
