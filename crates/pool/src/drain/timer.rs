//! The thread that cancels tokens: at once, or when a time has come.
//!
//! A cancel calls wakers, which are user code. If one never returns, this thread does not either;
//! the listener, which counts the signals, goes on.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvError, RecvTimeoutError, Sender};
use std::thread;
use std::time::Instant;

use pool_core::CancelToken;

/// Leads to the thread, which leaves with the last clone.
#[derive(Clone)]
pub(super) struct Timer(Sender<Order>);

enum Order {
    Cancel(CancelToken),
    /// Replaces the one before.
    CancelAt(Instant, CancelToken),
}

impl Timer {
    pub(super) fn start() -> io::Result<Self> {
        let (sender, orders) = mpsc::channel();
        let thread = thread::Builder::new().name("drain-timer".to_owned());
        thread.spawn(move || keep(&orders))?;
        Ok(Self(sender))
    }

    /// Cancels a token without calling its wakers here.
    pub(super) fn cancel(&self, token: CancelToken) {
        // It leaves after all senders.
        let _is_there = self.0.send(Order::Cancel(token));
    }

    /// Cancels a token at a time; one that was given a time before, and has not come to it, is not
    /// cancelled any more.
    pub(super) fn cancel_at(&self, when: Instant, token: CancelToken) {
        let _is_there = self.0.send(Order::CancelAt(when, token));
    }
}

/// The thread's loop, up to the last sender.
fn keep(orders: &Receiver<Order>) {
    let mut alarm = None;
    loop {
        match next(orders, alarm.as_ref().map(|(when, _)| *when)) {
            Ok(Some(Order::Cancel(token))) => cancel(&token),
            Ok(Some(Order::CancelAt(when, token))) => alarm = Some((when, token)),
            Ok(None) => {
                let due = alarm.take();
                due.into_iter().for_each(|(_, token)| cancel(&token));
            }
            Err(RecvError) => return,
        }
    }
}

/// The next order; `None`: the time has come.
fn next(orders: &Receiver<Order>, when: Option<Instant>) -> Result<Option<Order>, RecvError> {
    let Some(when) = when else {
        return orders.recv().map(Some);
    };
    let left = when.saturating_duration_since(Instant::now());
    match orders.recv_timeout(left) {
        Ok(order) => Ok(Some(order)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(RecvError),
    }
}

/// A waker that panics has said so; the next token needs this thread.
fn cancel(token: &CancelToken) {
    let _panic = catch_unwind(AssertUnwindSafe(|| token.cancel()));
}
