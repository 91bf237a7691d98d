//! The pool's clock: wakes suspended futures at their deadlines, and an asynchronous shutdown at its limits.
//!
//! It is one thread, started by the first that needs it and gone with the pool. Jobs that need no clock cost none.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Instant;

use crate::id::JobId;
use crate::machine::{self, JoinHandle, Thread};
use crate::outcome::wake_contained;

#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<Mutex<Alarms>>);

#[derive(Default)]
struct Alarms {
    by_time: BTreeMap<(Instant, JobId), Waker>,
    thread: Option<JoinHandle<()>>,
    /// The thread, once it looks at the alarms. It parks after a look, outside the lock; who changes them unparks it.
    looking: Option<Thread>,
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
            let spawned = machine::spawn_named("pool-clock".into(), None, move || clock.run());
            alarms.thread = spawned.ok();
        }
        alarms.tell();
        alarms.thread.is_some()
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
            alarms.tell();
            (alarms.thread.take(), std::mem::take(&mut alarms.by_time))
        };
        drop(alarms);
        // The thread catches nothing and runs no user code but wakers; a panic of those has been reported already.
        thread.into_iter().for_each(machine::join);
    }

    fn run(&self) {
        self.lock().looking = Some(machine::current());
        loop {
            match self.due() {
                Next::Stop => return,
                Next::Wake(waker) => wake_contained(waker),
                Next::Wait(limit) => machine::park(limit),
            }
        }
    }

    fn due(&self) -> Next {
        let mut alarms = self.lock();
        if alarms.is_stopped {
            return Next::Stop;
        }
        match alarms.by_time.first_entry() {
            None => Next::Wait(None),
            Some(first) if first.key().0 <= machine::now() => Next::Wake(first.remove()),
            Some(first) => Next::Wait(Some(first.key().0)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Alarms> {
        machine::lock(&self.0)
    }
}

impl Alarms {
    fn tell(&self) {
        if let Some(thread) = &self.looking {
            thread.unpark();
        }
    }
}

/// What the clock's thread does after a look at the alarms.
enum Next {
    Stop,
    Wake(Waker),
    /// Until the limit, or for ever; or until the alarms change.
    Wait(Option<Instant>),
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock")
            .field("alarms", &self.lock().by_time.len())
            .finish()
    }
}
