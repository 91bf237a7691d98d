//! The timer for sleeping futures: plain threads, outside every pool.

use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::Instant;

use super::books::lock;

/// More than one, since a wake may drop the last handle of a pool.
const TIMERS: usize = 3;

/// Calls wakers when their time has come, from plain threads.
#[derive(Debug, Default)]
pub(super) struct Timer {
    due: Mutex<BinaryHeap<Due>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Due(Instant, Waker);

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The earliest is the greatest.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.cmp(&self.0)
    }
}

impl Timer {
    /// The timer of the process. Its threads start with it and never end.
    pub(super) fn global() -> &'static Self {
        static TIMER: OnceLock<&'static Timer> = OnceLock::new();
        TIMER.get_or_init(|| {
            let timer: &'static Self = Box::leak(Box::default());
            for _ in 0..TIMERS {
                thread::spawn(|| timer.run());
            }
            timer
        })
    }

    pub(super) fn wake_at(&self, when: Instant, waker: Waker) {
        lock(&self.due).push(Due(when, waker));
        self.changed.notify_one();
    }

    /// Wakes all that sleep, some before their time.
    pub(super) fn wake_all(&self) {
        let all = std::mem::take(&mut *lock(&self.due));
        for Due(_, waker) in all {
            waker.wake();
        }
    }

    fn run(&self) {
        let mut due = lock(&self.due);
        loop {
            let now = Instant::now();
            let next = due.peek().map(|first| first.0);
            due = match next {
                Some(when) if when <= now => {
                    let first = due.pop();
                    drop(due);
                    if let Some(Due(_, waker)) = first {
                        waker.wake();
                    }
                    lock(&self.due)
                }
                Some(when) => {
                    let waited = self.changed.wait_timeout(due, when - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.changed.wait(due);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }
}
