//! What the jobs and the submitters of one round share: the pool, the books, and the alarm that
//! wakes sleeping futures.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Waker;
use std::time::Instant;

use pool::Pool;

use super::books::{Books, lock};

/// How many events of a round to keep, and how many of them to print.
const KEPT: usize = 512;
const TOLD: usize = 60;

/// Everything that a job of a round may use.
#[derive(Debug)]
pub(super) struct World {
    pub(super) pool: Pool,
    pub(super) books: Arc<Books>,
    pub(super) alarm: Arc<Alarm>,
    pub(super) events: Arc<Events>,
    /// The submitters stop.
    pub(super) is_over: AtomicBool,
    /// Whether submitters swap the pool, and jobs split themselves.
    pub(super) swaps: bool,
    pub(super) splits: bool,
}

impl World {
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(SeqCst)
    }
}

/// Wakes sleeping futures from its own thread, some more than once.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    state: Mutex<AlarmState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct AlarmState {
    wakers: Vec<Waker>,
    is_over: bool,
}

impl Alarm {
    pub(super) fn set(&self, waker: &Waker) {
        lock(&self.state).wakers.push(waker.clone());
        self.changed.notify_one();
    }

    /// Wakes all that come, until it is over.
    pub(super) fn ring(&self) {
        let mut last: Option<Waker> = None;
        loop {
            let (wakers, is_over) = {
                let mut state = self
                    .changed
                    .wait_while(lock(&self.state), |state| {
                        state.wakers.is_empty() && !state.is_over
                    })
                    .unwrap_or_else(PoisonError::into_inner);
                (std::mem::take(&mut state.wakers), state.is_over)
            };
            for waker in &wakers {
                waker.wake_by_ref();
            }
            // An extra wake, perhaps of a future that has ended.
            if let Some(waker) = std::mem::replace(&mut last, wakers.into_iter().last()) {
                waker.wake();
            }
            if is_over {
                return;
            }
        }
    }

    pub(super) fn end(&self) {
        lock(&self.state).is_over = true;
        self.changed.notify_one();
    }
}

/// The last events of a round, printed if something went wrong.
#[derive(Debug)]
pub(super) struct Events {
    start: Instant,
    last: Mutex<VecDeque<(Instant, u64, &'static str)>>,
}

impl Events {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            last: Mutex::default(),
        })
    }

    /// `number` is the job's, if the event belongs to one.
    pub(super) fn note(&self, number: u64, what: &'static str) {
        let mut last = lock(&self.last);
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back((Instant::now(), number, what));
    }

    pub(super) fn told(&self) -> Vec<String> {
        let last = lock(&self.last);
        let skipped = last.len().saturating_sub(TOLD);
        let tell = |(when, number, what): &(Instant, u64, &'static str)| {
            let micros = when.duration_since(self.start).as_micros();
            format!("{micros:>9} µs  {number:>6}  {what}")
        };
        last.iter().skip(skipped).map(tell).collect()
    }
}
