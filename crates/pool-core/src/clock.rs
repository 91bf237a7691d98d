//! The pool's clock: wakes suspended futures at their deadlines, and an asynchronous shutdown at its limits.
//!
//! It is one thread, started by the first that needs it and gone with the pool. Jobs that need no clock cost none.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::Instant;

use crate::id::JobId;

#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<Shared>);

#[derive(Default)]
struct Shared {
    alarms: Mutex<Alarms>,
    changed: Condvar,
}

#[derive(Default)]
struct Alarms {
    by_time: BTreeMap<(Instant, JobId), Waker>,
    thread: Option<thread::JoinHandle<()>>,
    is_stopped: bool,
}

impl Clock {
    /// Wakes `waker` at `when`, or soon after. False where the system refuses the clock's thread, and nobody will, unless a later call
    /// gets one: a future's deadline is then seen at its next poll.
    pub(crate) fn wake_at(&self, when: Instant, id: JobId, waker: &Waker) -> bool {
        let mut alarms = self.lock();
        if alarms.is_stopped {
            return true;
        }
        alarms.by_time.insert((when, id), waker.clone());
        if alarms.thread.is_none() {
            let clock = self.clone();
            let spawned = thread::Builder::new()
                .name("pool-clock".into())
                .spawn(move || clock.run());
            alarms.thread = spawned.ok();
        }
        let is_kept = alarms.thread.is_some();
        drop(alarms);
        self.0.changed.notify_one();
        is_kept
    }

    pub(crate) fn forget(&self, when: Instant, id: JobId) {
        let waker = self.lock().by_time.remove(&(when, id));
        drop(waker);
    }

    /// Ends the thread and waits for that, unless it is the caller.
    pub(crate) fn stop(&self) {
        let (thread, alarms) = {
            let mut alarms = self.lock();
            alarms.is_stopped = true;
            (alarms.thread.take(), std::mem::take(&mut alarms.by_time))
        };
        self.0.changed.notify_one();
        drop(alarms);
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // The thread catches nothing and runs no user code but wakers; a panic of those has been reported already.
            let _ended = thread.join();
        }
    }

    fn run(&self) {
        let mut alarms = self.lock();
        while !alarms.is_stopped {
            let Some((&(when, id), _)) = alarms.by_time.first_key_value() else {
                alarms = self
                    .0
                    .changed
                    .wait(alarms)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = when.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let waker = alarms.by_time.remove(&(when, id));
                drop(alarms);
                if let Some(waker) = waker {
                    crate::outcome::drop_contained(crate::outcome::contain(|| waker.wake()));
                }
                alarms = self.lock();
            } else {
                let waited = self.0.changed.wait_timeout(alarms, left);
                alarms = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Alarms> {
        self.0.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock")
            .field("alarms", &self.lock().by_time.len())
            .finish()
    }
}
