//! The pool's clock: wakes jobs at their deadlines, and an asynchronous shutdown at its limits.
//!
//! It has no thread until somebody needs one, and none after the pool. Jobs that need no clock cost
//! none.
//!
//! # Who keeps time
//! The alarms lie by their time (`timer/by_time.rs`). One thread is the **keeper**: it parks until
//! the earliest of them. A new alarm unparks it only if it is earlier than that. An alarm that is
//! forgotten never does: the keeper looks once at the time of an alarm that has gone, and parks
//! again. So alarms that are set and forgotten cost a few steps each, and one look for all of the
//! time until the first of them would have been due.
//!
//! # Wakers are user code
//! A waker can end a job, and so drop what it captured and call the waker of the thread or task
//! that waits for it. It is called, and dropped, with no lock held, and its panic is contained. The
//! thread that calls it does not keep time meanwhile: while alarms are left another thread does,
//! one that rests or a new one. Alarms that are due wait for the calls under way, so that many at
//! once take one thread; but for each call no longer than [`PATIENCE`]. So **a waker that is slow
//! or never returns makes the alarms after it late by [`PATIENCE`]**, as long as fewer than
//! [`MAX_CALLS`] hang at once and the system gives threads.
//!
//! # The end
//! The threads hold the alarms and not the pool. `stop` drops the alarms and waits for the threads
//! that call nobody. It waits for a call under way only for [`END_PATIENCE`], since that call may
//! wait for the thread that stops the clock; and not at all for a call that it is itself in. Such a
//! thread ends as soon as its waker returns.

mod by_time;
#[cfg(all(test, not(pool_loom)))]
mod tests;

use std::cell::Cell;
use std::fmt;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use crate::job::id::JobId;
use crate::job::outcome::{drop_contained, wake_contained};
use crate::job::watch_list::Watch;
use crate::sys::machine::{self, JoinHandle, Thread};
use by_time::ByTime;

/// How long alarms that are due wait for a waker to return before another thread calls theirs.
const PATIENCE: Duration = Duration::from_millis(10);
/// How long the end of the clock waits for a waker to return.
const END_PATIENCE: Duration = Duration::from_millis(100);
/// How many wakers are called at once. All but the last of them have not returned for [`PATIENCE`].
const MAX_CALLS: usize = 16;

/// The clock of one pool: a handle to alarms that its threads share. Its drop stops it.
#[derive(Default)]
pub(crate) struct Timer(Arc<Mutex<Alarms>>);

/// Everything about a clock, behind one lock that is never held while a waker is called or dropped.
#[derive(Default)]
struct Alarms {
    /// An alarm that is set again replaces the one before.
    by_time: ByTime,
    /// By number.
    threads: Vec<JoinHandle<()>>,
    /// The thread that keeps time, if one does.
    keeper: Option<Keeper>,
    /// Threads that are not needed now.
    resting: Vec<(usize, Thread)>,
    /// A thread has been told to keep time, and does not yet.
    is_keeper_coming: bool,
    /// The threads that call a waker, and since when.
    calls: Vec<(usize, Instant)>,
    /// Threads that look leave, and new alarms are dropped.
    is_stopped: bool,
    /// The thread that waits for the calls to end.
    stopper: Option<Thread>,
    #[cfg(test)]
    looks: usize,
}

/// The thread that waits for the next alarm. It parks outside the lock; a thread that needs it
/// earlier unparks it.
struct Keeper {
    /// Which of [`Alarms::threads`] it is.
    number: usize,
    thread: Thread,
    /// What it parks for; `None`: until it is unparked.
    until: Option<Instant>,
}

thread_local! {
    /// The alarms that the calling thread looks at, if it is a clock's. Nothing is to be dropped,
    /// so this is there as long as the thread.
    static OWN: Cell<*const Mutex<Alarms>> = const { Cell::new(ptr::null()) };
}

impl Timer {
    /// Wakes `waker` at `when`, or soon after. False where the system refuses the clock's thread,
    /// and nobody will, unless a later call gets one: a future's deadline is then seen at its next
    /// poll.
    ///
    /// The alarm is that of `watch` and `id`: set again, it replaces the one before. A clock that
    /// has stopped drops the waker and says true.
    pub(crate) fn wake_at(&self, watch: &Watch, when: Instant, id: JobId, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut alarms = self.lock();
        if alarms.is_stopped {
            drop(alarms);
            drop_contained(waker);
            return true;
        }
        let replaced = alarms.by_time.insert(watch, id, (when, waker));
        let is_kept = match &mut alarms.keeper {
            Some(keeper) => {
                keeper.expect(when);
                true
            }
            None => alarms.call_keeper(&self.0),
        };
        drop(alarms);
        if let Some(replaced) = replaced {
            drop_contained(replaced);
        }
        is_kept
    }

    /// Takes an alarm back, if it has not been due yet. The keeper is not unparked for it.
    pub(crate) fn forget(&self, watch: &Watch, id: JobId) {
        let waker = self.lock().by_time.remove(watch, id);
        if let Some(waker) = waker {
            drop_contained(waker);
        }
    }

    /// Ends the threads, and waits for that as the head of this file says.
    pub(crate) fn stop(&self) {
        let mut alarms = self.lock();
        if std::mem::replace(&mut alarms.is_stopped, true) {
            return;
        }
        alarms.keeper.iter().for_each(|it| it.thread.unpark());
        alarms.resting.iter().for_each(|it| it.1.unpark());
        let by_time = std::mem::take(&mut alarms.by_time);
        let threads = std::mem::take(&mut alarms.threads);
        drop(alarms);
        by_time.into_wakers().for_each(drop_contained);
        if threads.is_empty() {
            return;
        }
        let own = thread::current().id();
        let this = threads.iter().position(|it| it.thread().id() == own);
        let hanging = self.wait_for_calls(this);
        for (number, thread) in threads.into_iter().enumerate() {
            if Some(number) != this && !hanging.contains(&number) {
                machine::join(thread);
            }
        }
    }

    /// Waits until no thread but `this` calls a waker, or as long as that is worth it. Those that
    /// still do.
    fn wait_for_calls(&self, this: Option<usize>) -> Vec<usize> {
        let mut limit = None;
        loop {
            let mut alarms = self.lock();
            let calls = alarms.calls.iter().map(|(number, _)| *number);
            let hanging: Vec<_> = calls.filter(|call| Some(*call) != this).collect();
            let now = machine::now();
            let limit = *limit.get_or_insert(now + END_PATIENCE);
            if hanging.is_empty() || now >= limit {
                return hanging;
            }
            alarms.stopper = Some(machine::current());
            drop(alarms);
            machine::park(Some(limit));
        }
    }

    /// Whether the calling thread is one of the clock's.
    pub(crate) fn is_own_thread(&self) -> bool {
        ptr::eq(OWN.get(), Arc::as_ptr(&self.0))
    }

    /// The alarms, locked: a lock that the simulator knows of.
    fn lock(&self) -> MutexGuard<'_, Alarms> {
        machine::lock(&self.0)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Keeper {
    /// Sees to it that the keeper looks at `when`.
    fn expect(&mut self, when: Instant) {
        if self.until.is_none_or(|until| when < until) {
            self.until = Some(when);
            self.thread.unpark();
        }
    }
}

/// One of the clock's threads, from its start to its end.
fn run(shared: &Arc<Mutex<Alarms>>, number: usize) {
    OWN.set(Arc::as_ptr(shared));
    let this = machine::current();
    loop {
        let next = machine::lock(shared).next(shared, number, &this);
        match next {
            Next::Leave => return,
            Next::Call(waker) => wake_contained(waker),
            Next::Wait(limit) => machine::park(limit),
        }
    }
}

/// What one of the clock's threads does after a look at the alarms.
enum Next {
    /// The clock has stopped.
    Leave,
    /// This waker is due, and is the thread's to call, with no lock held.
    Call(Waker),
    /// Until the limit, or forever; or until it is unparked.
    Wait(Option<Instant>),
}

impl Alarms {
    /// What thread `number` does now. It has come from its start, from a call, or from a park.
    fn next(&mut self, shared: &Arc<Mutex<Self>>, number: usize, this: &Thread) -> Next {
        let expected = self.give_up_role(number);
        if self.is_stopped {
            return Next::Leave;
        }
        #[cfg(test)]
        {
            self.looks += 1;
        }
        let first = self.by_time.first();
        let now = first.map(|_| machine::now());
        let until = match (first, now) {
            (Some(first), Some(now)) if first <= now => match self.call_at(now) {
                Some(when) if when <= now => return self.begin_call(shared, number, now),
                when => when,
            },
            (Some(first), _) => Some(first),
            // The alarm that it was unparked for has gone. It parks for that nevertheless: were it
            // to wait for any, one that is forgotten at once would unpark it each time.
            (None, _) => expected.filter(|it| *it > machine::now()),
        };
        let Some(keeper) = &mut self.keeper else {
            self.keeper = Some(Keeper {
                number,
                thread: this.clone(),
                until,
            });
            return Next::Wait(until);
        };
        if let Some(until) = until {
            keeper.expect(until);
        }
        self.resting.push((number, this.clone()));
        Next::Wait(None)
    }

    /// Takes the thread off whatever it did until now: a call, a rest, or the keeping of time. For
    /// the last, returns when it was to look.
    fn give_up_role(&mut self, number: usize) -> Option<Instant> {
        if let Some(at) = self.calls.iter().position(|(other, _)| *other == number) {
            self.calls.swap_remove(at);
            if let Some(stopper) = &self.stopper {
                stopper.unpark();
            }
        } else if let Some(at) = self.resting.iter().position(|it| it.0 == number) {
            // Nobody has called it: it has returned early from its park.
            self.resting.swap_remove(at);
        } else if let Some(keeper) = self.keeper.take_if(|it| it.number == number) {
            return keeper.until;
        } else {
            self.is_keeper_coming = false;
        }
        None
    }

    /// When a waker that is due may be called: once no other is, or those have had their time. None
    /// if too many are.
    fn call_at(&self, now: Instant) -> Option<Instant> {
        if self.calls.len() >= MAX_CALLS {
            return None;
        }
        let last = self.calls.iter().map(|(_, since)| *since + PATIENCE).max();
        Some(last.unwrap_or(now))
    }

    /// Takes out the first waker. While it is called somebody else keeps time, if there is any to
    /// keep.
    fn begin_call(&mut self, shared: &Arc<Mutex<Self>>, number: usize, now: Instant) -> Next {
        let Some(waker) = self.by_time.pop_first() else {
            unreachable!("there is one, and it is due")
        };
        self.calls.push((number, now));
        if !self.by_time.is_empty() {
            // Without one the other alarms wait for this call.
            let _is_kept = self.call_keeper(shared);
        }
        Next::Call(waker)
    }

    /// Sees to it that there is a keeper, or soon will be. False where the system refuses the
    /// thread.
    fn call_keeper(&mut self, shared: &Arc<Mutex<Self>>) -> bool {
        if self.keeper.is_some() || self.is_keeper_coming {
            return true;
        }
        if let Some((_, thread)) = self.resting.pop() {
            thread.unpark();
            self.is_keeper_coming = true;
            return true;
        }
        if self.threads.len() > MAX_CALLS {
            return false;
        }
        let (shared, number) = (Arc::clone(shared), self.threads.len());
        let body = move || run(&shared, number);
        if let Ok(thread) = machine::spawn_named("pool-clock".into(), None, body) {
            self.threads.push(thread);
            self.is_keeper_coming = true;
        }
        self.is_keeper_coming
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("alarms", &self.lock().by_time.len())
            .finish()
    }
}
