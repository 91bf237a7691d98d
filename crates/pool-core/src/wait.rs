//! The one way in which a thread waits: it polls a future and parks in between, for ever or up to a limit.
//!
//! Joining, waiting for room, for quiet and for the end of a shutdown are futures; their blocking and timed forms are these
//! few lines around them.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// Parks this thread until its waker fires.
///
/// The flag, not the thread's park token, carries the wake: a job may park and unpark threads as it likes.
#[derive(Debug)]
pub(crate) struct Parker(Arc<ThreadWaker>);

#[derive(Debug)]
struct ThreadWaker {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Parker {
    pub(crate) fn new() -> Self {
        Self(Arc::new(ThreadWaker {
            thread: thread::current(),
            is_woken: AtomicBool::new(false),
        }))
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    /// Returns once the waker has fired since the last return, or at `limit`. False at the limit.
    pub(crate) fn park(&self, limit: Option<Instant>) -> bool {
        // ORDERING: Acquire pairs with the waker's Release: what it did before is visible to the next poll.
        while !self.0.is_woken.swap(false, Ordering::Acquire) {
            match limit {
                None => thread::park(),
                Some(limit) => {
                    let left = limit.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    thread::park_timeout(left);
                }
            }
        }
        true
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release, see `park`.
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Runs `future` on this thread. `None` if `limit` passed first.
pub(crate) fn block_on<F: Future>(future: F, limit: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(future);
    let parker = Parker::new();
    let waker = parker.waker();
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        if !parker.park(limit) {
            return None;
        }
    }
}
