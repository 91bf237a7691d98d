//! `after`: a job that is submitted once a time has passed, by the clock of its pool.
//!
//! # When it enters the books
//! When it is due, and not before. Until then it is a **delayed** job: in no pool, in no count, on
//! no bound; `wait_idle` and a drain do not wait for it. Its handle is there from the call on.
//!
//! When it is due it is queued **past the bound**, as a woken future and a child are. The clock's
//! thread must not wait for a place, and there is nobody to give the job back to; and its memory is
//! held already, so a bound would bound nothing. From there on it is a job as any other.
//!
//! # Who may end the wait
//! A delayed job has one task, behind one lock. Whatever may concern it calls it as a waker, on its
//! own thread: the clock at its time, and at the job's deadline if that comes first; the job's
//! token; the room of the pool, when the pool closes or another generation takes its place. The
//! thread that is called **looks**: under the lock it decides by the state of the pool, the clock
//! and the token, and takes the task out, if it is to go. What it then does with it runs user code,
//! and comes after the lock. So the job is submitted once or dropped once, whatever comes together.
//!
//! - *It is due, or its token was cancelled, or its deadline has passed:* it is submitted. In the
//!   last two cases it ends as it arrives, as any job does that is submitted too late.
//! - *The pool is closed:* the job is given up, and its handle says abandoned. A submission at the
//!   moment of a close enters the ledger before it reads the phase, so it is in or refused. If it
//!   is refused the thread asks again, and gives the job up. What the job captured is dropped by
//!   a worker that has nothing to run, in a frame that names the job (`after_cancel`): the thread
//!   that closes may be that of a shutdown, which has a limit, and reports a destructor that does
//!   not return.
//! - *Otherwise* it has itself called again, by the clock of the newest generation.
//!
//! Wakers are left first, the room's before all others, and then the pool is looked at once more: a
//! swap retires a generation before it calls the room, so one of the two sees the other.
//!
//! # A cancel by the handle
//! It ends the job, which is in no pool, on its own thread, and drops what it captured. The job
//! lies in a wrapper whose drop takes the task back from here, with all wakers. So a cancelled job
//! leaves nothing behind, however far its time is. In a forked child it does not: the lock may be
//! taken there forever.
//!
//! # What keeps what
//! The wakers own the delayed job, which owns the task, and so the job. The wrapper and the pool
//! are referred to weakly. If the pool goes, so do its clock and its room, and with the last waker
//! the task: then too the job ends as abandoned. So no handle waits forever, unless the time has
//! no end and the pool lives on.

use std::process;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use crate::cell::closure::queue_and_shared_handle;
use crate::job::cancel_token::CancelToken;
use crate::job::context::JobContext;
use crate::job::handle::JobHandle;
use crate::job::id::JobId;
use crate::job::outcome::{drop_contained, wake_contained};
use crate::job::watch_list::Watch;
use crate::job::{Job, JobOptions};
use crate::pool::by_life::ByLife;
use crate::pool::front::FrontRef;
use crate::pool::lifecycle::Lifecycle;
use crate::pool::observer::Observed;
use crate::submit::error::SubmitError;
use crate::submit::executor::{Executor, newest_life};
use crate::submit::refusals::{Refusal, came_back_as};
use crate::sys::machine;
use crate::sys::sync::{LockExt, Mutex};
use crate::task::{GivenUp, GivenUpAs, Task, Uncounted};
use crate::worker::current_index;

/// A job that is not due. Each of its wakers is a count of it.
struct Delayed {
    /// What the clock, the token and the room know it by.
    id: JobId,
    /// `None`: its time is too far for the clock, and never comes.
    due: Option<Instant>,
    /// The job's own token, if it has one.
    token: Option<CancelToken>,
    /// The process of the call. In a forked child nothing is done: a lock may be taken forever.
    process: u32,
    /// What users have of the pool, if it is swapped: it leads to the newest generation, also where
    /// the one that has the alarm is gone.
    front: Option<FrontRef>,
    /// Locks of the pool are taken within this one, and it within none of theirs. No user code runs
    /// under it: all that is dropped here are counts of this type, and never the last.
    wait: Mutex<Wait>,
}

/// What the lock protects.
#[derive(Default)]
struct Wait {
    /// `None` once a thread has taken it.
    task: Option<Task>,
    /// The generation whose clock has the alarm, and where each has the waker.
    life: Weak<Lifecycle>,
    alarm: Watch,
    in_room: Watch,
    at_token: Watch,
}

/// What a look has decided.
enum Look {
    /// The task is gone, or all wakers are left.
    Over,
    /// A swap is under way: the next generation is about to be there.
    Again,
    /// It goes to this pool, which takes it in.
    Submit(Arc<Lifecycle>, Task),
    /// The pool takes it no more; or is gone.
    Abandon(Option<Arc<Lifecycle>>, Task),
}

/// Submits `job` once `delay` has passed.
pub(crate) fn after<E: Executor + ?Sized, J: Job>(
    executor: &E,
    delay: Duration,
    job: J,
) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
    let mut options = job.options();
    if let Some(observers) = executor.room().observers() {
        observers.submitted(&mut options, false);
    }
    let open = newest_life(executor).filter(|_| !executor.is_closed());
    let Some(life) = open else {
        return Err(closed(executor, job, options));
    };
    let options = options.delayed_by(delay);
    let delayed = Arc::new(Delayed {
        id: JobId::next(),
        due: machine::now().checked_add(delay),
        token: options.token().cloned(),
        process: process::id(),
        front: life.owners.front_ref(),
        wait: Mutex::default(),
    });
    let forget = Forget(Arc::downgrade(&delayed));
    let (task, handle) = queue_and_shared_handle(Wrapped { job, forget }, options.resolve());
    {
        let mut wait = delayed.wait.lock_unpoisoned();
        wait.task = Some(task);
        wait.life = Arc::downgrade(&life);
    }
    delayed.look();
    Ok(JobHandle::new(handle.into_raw()))
}

/// Gives a job back that no pool takes, and of which there is no task.
#[cold]
fn closed<E: Executor + ?Sized, J: Job>(
    executor: &E,
    job: J,
    options: JobOptions,
) -> SubmitError<J> {
    let terms = options.resolve();
    came_back_as(executor, Refusal::Closed, |observers, life| {
        let observed = Observed {
            id: JobId::next(),
            terms: terms.as_ref(),
            kind: J::kind(),
            worker: current_index(life),
            life,
        };
        observers.refused(&observed, Refusal::Closed);
    });
    drop_contained(terms);
    SubmitError::Closed(job)
}

impl Delayed {
    /// Whether this process was forked from that of the call.
    fn is_forked(&self) -> bool {
        process::id() != self.process
    }

    /// Looks what is to be done now, and does it.
    fn look(self: &Arc<Self>) {
        if self.is_forked() {
            return;
        }
        loop {
            match self.decide() {
                Look::Over => return,
                Look::Again => machine::yield_now(),
                Look::Submit(life, task) => return submit(life, task),
                Look::Abandon(life, task) => return abandon(life.as_deref(), task),
            }
        }
    }

    fn decide(self: &Arc<Self>) -> Look {
        // Dropped after the lock: each may be the last count of what it counts.
        let front = self.front.as_ref().and_then(FrontRef::get);
        let mut kept = Vec::new();
        let mut wait = self.wait.lock_unpoisoned();
        let Some(task) = &wait.task else {
            return Look::Over;
        };
        let deadline = task.deadline();
        // The generation that has the alarm may have ended in the middle of a swap that is to tell
        // of it, while another was quicker.
        let of_front = || newest_life(&**front.as_ref()?);
        let Some(life) = wait.life.upgrade().or_else(of_front) else {
            let taken = self.take(&mut wait, &mut kept);
            return taken.map_or(Look::Over, |task| Look::Abandon(None, task));
        };
        kept.push(Arc::clone(&life));
        let pool = ByLife(life);
        if pool.is_closed() {
            let taken = self.take(&mut wait, &mut kept);
            return taken.map_or(Look::Over, |task| Look::Abandon(Some(pool.0), task));
        }
        let next = [self.due, deadline].into_iter().flatten().min();
        let is_cancelled = self.token.as_ref().is_some_and(CancelToken::is_cancelled);
        if is_cancelled || next.is_some_and(|next| machine::now() >= next) {
            let taken = self.take(&mut wait, &mut kept);
            return taken.map_or(Look::Over, |task| Look::Submit(pool.0, task));
        }
        self.wait_on(&mut wait, &mut kept, &pool, next)
    }

    /// Leaves its waker with all that may concern it, the clock of the newest generation included.
    /// `kept`: what is dropped once the lock is free.
    fn wait_on(
        self: &Arc<Self>,
        wait: &mut Wait,
        kept: &mut Vec<Arc<Lifecycle>>,
        pool: &ByLife,
        next: Option<Instant>,
    ) -> Look {
        let newest = newest_life(pool).unwrap_or_else(|| Arc::clone(&pool.0));
        kept.push(Arc::clone(&newest));
        if !Arc::ptr_eq(&newest, &pool.0) {
            pool.0.timer.forget(&wait.alarm, self.id);
        }
        wait.life = Arc::downgrade(&newest);
        let waker = Waker::from(Arc::clone(self));
        newest.room().tell_of_change(&wait.in_room, self.id, &waker);
        let is_cancelled = self.token.as_ref().is_some_and(|token| {
            let left = token.watch(&wait.at_token, self.id, waker.clone());
            left.is_err()
        });
        let is_kept =
            next.is_none_or(|next| newest.timer.wake_at(&wait.alarm, next, self.id, &waker));
        if !is_kept {
            // The system refuses the clock's thread, and nobody would keep the time.
            let taken = self.take(wait, kept);
            return taken.map_or(Look::Over, |task| Look::Abandon(Some(newest), task));
        }
        if is_cancelled || newest.phase.is_closed() {
            return Look::Again;
        }
        Look::Over
    }

    /// Takes the task out, and all wakers back. `None` if another thread was first.
    fn take(&self, wait: &mut Wait, kept: &mut Vec<Arc<Lifecycle>>) -> Option<Task> {
        let task = wait.task.take()?;
        if let Some(life) = wait.life.upgrade() {
            life.timer.forget(&wait.alarm, self.id);
            life.room().forget_change(&wait.in_room, self.id);
            kept.push(life);
        }
        if let Some(token) = &self.token {
            token.unwatch(&wait.at_token, self.id);
        }
        Some(task)
    }
}

impl Wake for Delayed {
    fn wake(self: Arc<Self>) {
        self.look();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.look();
    }
}

/// Queues a task that is due, in the newest generation, whatever the bound. If the pool is closed
/// by now, drops it.
fn submit(life: Arc<Lifecycle>, mut task: Task) {
    let mut pool = ByLife(life);
    loop {
        if let Some(engine) = pool.0.owners.engine() {
            match engine.take_in_past_bound(task) {
                Ok(()) => return,
                Err(refused) => task = refused,
            }
        }
        if pool.is_closed() {
            return abandon(Some(&pool.0), task);
        }
        // A swap is under way, or was: nothing holds up its end but the moving of a queue.
        machine::yield_now();
        let newest = newest_life(&pool);
        pool = ByLife(newest.unwrap_or(pool.0));
    }
}

/// Ends a job that no pool will run, and leaves what it captured to the workers of `life`. Where
/// the pool is gone, that is dropped here.
fn abandon(life: Option<&Lifecycle>, task: Task) {
    let Some(life) = life else {
        return drop_contained(task);
    };
    if let GivenUp::Left(_, remains, waiter) = task.give_up(life, GivenUpAs::OffTheBooks) {
        life.chores.leave_remains(vec![Uncounted::task(remains)]);
        life.notify();
        waiter.into_iter().for_each(wake_contained);
        life.chores.drop_late_remains(life);
    }
}

/// A delayed job, which takes its task back from the clock if it is dropped before it is due.
struct Wrapped<J> {
    job: J,
    forget: Forget,
}

/// See [`Wrapped`].
struct Forget(Weak<Delayed>);

impl<J: Job> Job for Wrapped<J> {
    type Output = J::Output;
    type Error = J::Error;

    #[inline]
    fn run(self, ctx: &JobContext<'_>) -> Result<J::Output, J::Error> {
        drop(self.forget);
        self.job.run(ctx)
    }

    fn options(&self) -> JobOptions {
        self.job.options()
    }

    fn error_text(error: &J::Error) -> Option<String> {
        J::error_text(error)
    }

    fn kind() -> &'static str {
        J::kind()
    }
}

impl Drop for Forget {
    fn drop(&mut self) {
        let Some(delayed) = self.0.upgrade() else {
            return;
        };
        if delayed.is_forked() {
            return;
        }
        let mut kept = Vec::new();
        let task = {
            let mut wait = delayed.wait.lock_unpoisoned();
            delayed.take(&mut wait, &mut kept)
        };
        // It has nothing to run: its job is being ended, or runs.
        drop_contained(task);
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::time::Duration;

    use crate::backend::SpawnPool;
    use crate::{CancelToken, Executor, JobExt, infallible_fn};

    const HOUR: Duration = Duration::from_secs(3600);

    /// The token may be used for years, and the hour be one.
    #[test]
    fn a_delayed_job_that_is_cancelled_leaves_nothing_with_clock_room_and_token() {
        let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        let pool = SpawnPool::builder().workers(1).queue_capacity(8);
        let pool = pool.adopt(spawner).build().expect("it starts");
        let token = CancelToken::new();
        let lives = pool.pools();
        let life = &lives.lives()[0];
        let left = || {
            let alarms = format!("{:?}", life.timer);
            (alarms, life.room().told_of_changes(), token.watchers())
        };
        let before = left();
        let job = infallible_fn(|| ()).with_token(&token);
        let handle = pool.after(HOUR, job).expect("it is open");
        assert_eq!(left(), ("Timer { alarms: 1 }".to_owned(), 1, 1));
        handle.cancel();
        assert_eq!(left(), before);
    }
}
