//! The handles of a program's jobs, and operations on them.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pool::{JobError, JobHandle, JobId, Outcome};

use super::jobs::{Failure, Value};

/// What a handle resolved to, with the value or the error safely dropped.
pub(super) struct Resolved {
    pub(super) outcome: Outcome,
    /// The number that the job returned.
    pub(super) number: Option<u32>,
}

/// A handle of a job that can fail, or of one that cannot.
#[derive(Debug)]
pub(super) enum Handle {
    Fallible(JobHandle<Value, Failure>),
    Sure(JobHandle<Value, Infallible>),
}

/// Does the same with either handle.
macro_rules! either {
    ($self:expr, $handle:ident => $does:expr) => {
        match $self {
            Handle::Fallible($handle) => $does,
            Handle::Sure($handle) => $does,
        }
    };
}

impl Handle {
    pub(super) fn id(&self) -> JobId {
        either!(self, handle => handle.id())
    }

    pub(super) fn is_finished(&self) -> bool {
        either!(self, handle => handle.is_finished())
    }

    pub(super) fn cancel(&self) {
        either!(self, handle => handle.cancel());
    }

    pub(super) fn join(self) -> Resolved {
        either!(self, handle => resolve(handle.join()))
    }

    pub(super) fn join_timeout(self, limit: Duration) -> Result<Resolved, Self> {
        match self {
            Self::Fallible(handle) => handle
                .join_timeout(limit)
                .map(resolve)
                .map_err(Self::Fallible),
            Self::Sure(handle) => handle.join_timeout(limit).map(resolve).map_err(Self::Sure),
        }
    }

    pub(super) fn detach(self) {
        either!(self, handle => handle.detach());
    }
}

impl Future for Handle {
    type Output = Resolved;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Resolved> {
        either!(self.get_mut(), handle => Pin::new(handle).poll(cx).map(resolve))
    }
}

fn resolve<E: Disarm>(said: Result<Value, JobError<E>>) -> Resolved {
    match said {
        Ok(value) => Resolved {
            outcome: Outcome::Completed,
            number: Some(value.disarm()),
        },
        Err(error) => {
            let outcome = error.outcome();
            let number = match error {
                JobError::Failed(error) => Some(error.disarm()),
                // The pool's own type drops a payload that panics when dropped.
                _ => None,
            };
            Resolved { outcome, number }
        }
    }
}

/// Makes the drop of a value do nothing, and returns the number of its job.
pub(super) trait Disarm {
    fn disarm(self) -> u32;
}

impl Disarm for Infallible {
    fn disarm(self) -> u32 {
        match self {}
    }
}

/// Unparks the thread that waits. It has its own flag: what runs in place within the poll may park,
/// and take the token of the thread.
struct Unparks {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, SeqCst);
        self.thread.unpark();
    }
}

/// Waits for a future on this thread.
pub(super) fn block_on<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    let unparks = Arc::new(Unparks {
        thread: thread::current(),
        is_woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&unparks));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        while !unparks.is_woken.swap(false, SeqCst) {
            thread::park();
        }
    }
}

/// Polls a future once, with a waker that does nothing.
pub(super) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A waker that does nothing, and knows whether clones of it are left.
pub(super) struct Counted(Arc<Nobody>);

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

impl Counted {
    pub(super) fn new() -> Self {
        Self(Arc::new(Nobody))
    }

    pub(super) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    /// Whether a clone is left for longer than it takes to wake.
    pub(super) fn is_left(&self, patience: Duration) -> bool {
        let limit = Instant::now() + patience;
        while Arc::strong_count(&self.0) > 1 {
            if Instant::now() > limit {
                return true;
            }
            thread::yield_now();
        }
        false
    }
}
