//! What the tests of the rules need for futures: a runtime to poll them on, and an event that wakes
//! them.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::probe::{Count, ready};
use crate::thread;

/// Runs a future on this thread: on a runtime or, in a simulation, without one.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    if thread::is_simulated() {
        return ready(pin!(future));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without input and output needs nothing");
    runtime.block_on(future)
}

/// A future that sleeps until it is fired.
#[derive(Clone, Default)]
pub(crate) struct Signal(Arc<SignalState>);

#[derive(Default)]
struct SignalState {
    is_fired: AtomicBool,
    waker: Mutex<Option<Waker>>,
    polled: Count,
}

impl Signal {
    /// Wakes the sleeper.
    pub(crate) fn fire(&self) {
        self.0.is_fired.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker() {
            waker.wake();
        }
    }

    /// Waits until the future has been polled, and gives its waker.
    pub(crate) fn wait_for_sleeper(&self) -> Waker {
        self.0.polled.wait_for(1);
        self.waker().expect("the first poll left it")
    }

    fn waker(&self) -> Option<Waker> {
        let waker = self.0.waker.lock();
        waker.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Future for Signal {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut waker = self.0.waker.lock().unwrap_or_else(PoisonError::into_inner);
        *waker = Some(cx.waker().clone());
        drop(waker);
        self.0.polled.add();
        if self.0.is_fired.load(Ordering::SeqCst) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
