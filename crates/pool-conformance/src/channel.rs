//! A channel whose receiver waits through the machine layer, which may be a simulator.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::probe::Count;

/// An unbounded queue, and its senders and waiters.
struct Shared<T> {
    sent: Mutex<VecDeque<T>>,
    /// Grows with each value, and with the end of the last sender.
    events: Count,
    senders: AtomicUsize,
}

pub(crate) struct Sender<T>(Arc<Shared<T>>);

pub(crate) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    received: usize,
}

/// Why no value came: all senders are gone, or the time has passed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    Closed,
    Timeout,
}

pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        sent: Mutex::default(),
        events: Count::new(),
        senders: AtomicUsize::new(1),
    });
    let sender = Sender(Arc::clone(&shared));
    let receiver = Receiver {
        shared,
        received: 0,
    };
    (sender, receiver)
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, value: T) {
        let mut sent = self.0.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.push_back(value);
        drop(sent);
        self.0.events.add();
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.events.add();
        }
    }
}

impl<T> Receiver<T> {
    /// Waits for the next value, for at most `time`.
    pub(crate) fn recv_timeout(&mut self, time: Duration) -> Result<T, Nothing> {
        if !self.shared.events.reaches(self.received + 1, Some(time)) {
            return Err(Nothing::Timeout);
        }
        self.take().ok_or(Nothing::Closed)
    }

    /// Waits for the next value without a limit; `None` once all senders are gone.
    pub(crate) fn recv(&mut self) -> Option<T> {
        self.shared.events.reaches(self.received + 1, None);
        self.take()
    }

    fn take(&mut self) -> Option<T> {
        let sent = self.shared.sent.lock();
        let value = sent.unwrap_or_else(PoisonError::into_inner).pop_front()?;
        self.received += 1;
        Some(value)
    }
}

impl<T> Iterator for Receiver<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.recv()
    }
}
