//! `ctx.sleep`: a pause that a cancellation, or the job's deadline, ends early; in both kinds of
//! job.
//!
//! # A sleep and a cancel
//! Four things end a sleep: its time, the job's deadline, a cancel of the job (by its handle, its
//! token or its parent), and the end of the pool. A sleep first asks, as `check` does, whether the
//! job is to stop; then it leaves its waker with each of them, and only then does it suspend, or
//! park. The token of the job and those of the pool either find the waker, or are found cancelled
//! by the thread that leaves it. So no cancel is missed, and the answer is always that of a look
//! after the wake.
//!
//! - *A job that is cancelled by its handle* cancels its own token too, which is made here if need
//!   be: see `OwnToken`.
//! - *A pool that is cancelled*: see `EndTokens`.
//! - *A clock that has stopped* takes no alarm. Its pool has stopped before, and said so.
//! - *A forked child* is past the end of the pool: the first look says `Cancelled`, and no lock is
//!   taken.
//!
//! # In a closure
//! The thread parks, up to the end or the deadline, and needs no clock. The closure keeps its
//! worker, and **runs no other job meanwhile**: what is queued may last longer than the sleep, and
//! may want a lock that the sleeper holds. A job that joins makes progress on what it waits for; a
//! sleep waits for no job.
//!
//! # In a future
//! The alarm lies with the clock of the job's pool. Each poll replaces the waker by that of the
//! task that polls, whichever that is. In the job itself, a cancel wakes the job as well, and ends
//! it at once (`R405`), so there nobody sees the error. A task elsewhere, to which the job has
//! given the sleep, sees it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::inheritance::token_of;
use super::{AsyncContext, AsyncView, JobContext, View};
use crate::job::cancel_token::Cancelled;
use crate::job::id::JobId;
use crate::job::outcome::Interrupted;
use crate::job::watch_list::Watch;
use crate::sys::machine;
use crate::worker::park::block_on;

impl JobContext<'_> {
    /// Pauses the job for `duration`, or until it should give up. Keeps the worker.
    ///
    /// The thread parks, and runs no other job meanwhile. It wakes at once when the job is
    /// cancelled by its handle, its token, its parent or a shutdown, and at its deadline
    /// (`R1040`). An `Ok` says that the time has passed, and that the job need not give up. A
    /// duration of zero is a [`check`](Self::check); one that overflows [`Instant`] has no end but
    /// those.
    ///
    /// A job that waits often, or for long, is better an [`AsyncJob`](crate::AsyncJob), whose
    /// [`sleep`](AsyncContext::sleep) frees the worker.
    ///
    /// # Errors
    /// [`Interrupted::Cancelled`] or [`Interrupted::Expired`], and it counts as what
    /// [`check`](Self::check) says: a job that then returns an error ends as cancelled or expired.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, JobError, JobExt, job_fn};
    /// use std::time::Duration;
    ///
    /// let poll_hourly = job_fn(|ctx| -> Result<(), Interrupted> {
    ///     loop {
    ///         ctx.sleep(Duration::from_secs(3600))?; // returns early once the job should stop
    ///     }
    /// });
    /// let late = pool.submit(poll_hourly.with_timeout(Duration::from_millis(10)))?;
    /// assert!(matches!(late.join(), Err(JobError::Expired)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sleep(&self, duration: Duration) -> Result<(), Interrupted> {
        self.check()?;
        if duration.is_zero() {
            return Ok(());
        }
        let until = machine::now().checked_add(duration);
        let limit = [until, self.deadline()].into_iter().flatten().min();
        let view = self.view();
        let mut job = token_of(view.terms, view.cancellation).map(Cancelled::new);
        let mut pool = Cancelled::new(view.life.end_tokens.of_cancel(&view.life.phase));
        let told = poll_fn(|cx| {
            if is_cancelled(&mut job, cx) || Pin::new(&mut pool).poll(cx).is_ready() {
                return Poll::Ready(());
            }
            Poll::Pending
        });
        if block_on(told, limit).is_some() {
            // A token says so to those below it first, and may not be seen as cancelled yet.
            self.note_reported(Interrupted::Cancelled);
            return Err(Interrupted::Cancelled);
        }
        self.check()
    }
}

impl AsyncContext {
    /// Pauses for `duration` from this call on, or until the job should give up. Needs no runtime,
    /// and frees the worker (`R1041`).
    ///
    /// The time is kept by the clock of the job's pool. In the job itself a cancellation and the
    /// deadline end the job at this suspension (`R405`). A task elsewhere that polls the sleep is
    /// woken for them too, and gets the error (`R1040`); except that it learns of a shutdown's
    /// cancellation only once that pool has stopped, as the backend does too that a swap has
    /// replaced, once its jobs are over. After that, a sleep is over at its first poll.
    ///
    /// A duration of zero is over at the first poll; one that overflows [`Instant`] never.
    ///
    /// # Errors
    /// [`Interrupted::Cancelled`] or [`Interrupted::Expired`], and it counts as what
    /// [`check`](Self::check) says: a job that then returns an error ends as cancelled or expired.
    ///
    /// # Cancel safety
    /// Dropped before its end, it takes its alarm back, and leaves no waker behind.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Interrupted, async_job_fn};
    /// use std::time::{Duration, Instant};
    ///
    /// let asked = Instant::now();
    /// let retry = async_job_fn(|ctx| async move {
    ///     ctx.sleep(Duration::from_millis(5)).await?; // before the next attempt
    ///     Ok::<_, Interrupted>(Instant::now())
    /// });
    /// assert!(pool.submit_future(retry)?.join()? - asked >= Duration::from_millis(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sleep(
        &self,
        duration: Duration,
    ) -> impl Future<Output = Result<(), Interrupted>> + Send + Sync + Unpin + use<> {
        Sleep {
            ctx: self.clone(),
            until: machine::now().checked_add(duration),
            ends: None,
        }
    }
}

/// What [`AsyncContext::sleep`] returns. It is one watcher of each of its ends, whichever task
/// polls it.
struct Sleep {
    ctx: AsyncContext,
    /// `None`: no time ends it.
    until: Option<Instant>,
    /// From the first poll that had to wait.
    ends: Option<Ends>,
}

/// Where the waker of the last poll is.
struct Ends {
    /// `None` for a job that only its pool can cancel.
    job: Option<Cancelled>,
    pool: Cancelled,
    /// What the clock knows the alarm by. It is not the job's id: that stands for the deadline.
    id: JobId,
    alarm: Watch,
}

impl Future for Sleep {
    type Output = Result<(), Interrupted>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.ctx.check()?;
        if this.until.is_some_and(|until| machine::now() >= until) {
            return Poll::Ready(Ok(()));
        }
        let ends = this.ends.get_or_insert_with(|| Ends::of(&this.ctx));
        if is_cancelled(&mut ends.job, cx) || Pin::new(&mut ends.pool).poll(cx).is_ready() {
            let interrupted = Interrupted::Cancelled;
            this.ctx.cell.report(interrupted);
            return Poll::Ready(Err(interrupted));
        }
        let next = [this.until, this.ctx.deadline()];
        let clock = &this.ctx.pool.0.timer;
        if let Some(next) = next.into_iter().flatten().min()
            && !clock.wake_at(&ends.alarm, next, ends.id, cx.waker())
        {
            // The system refuses the clock's thread. Nobody will wake this one, so it looks again
            // at once.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Ends {
    fn of(ctx: &AsyncContext) -> Self {
        let view: View<'_, dyn AsyncView> = ctx.view();
        Self {
            job: token_of(view.terms, view.cancellation).map(Cancelled::new),
            pool: Cancelled::new(view.life.end_tokens.of_stop(&view.life.phase)),
            id: JobId::next(),
            alarm: Watch::default(),
        }
    }
}

/// Whether the job was cancelled; otherwise leaves the waker with its token.
fn is_cancelled(job: &mut Option<Cancelled>, cx: &mut Context<'_>) -> bool {
    let polled = job.as_mut().map(|job| Pin::new(job).poll(cx));
    polled.is_some_and(|polled| polled.is_ready())
}

impl Drop for Sleep {
    /// Takes the alarm back; the tokens are left by the drop of their watches.
    fn drop(&mut self) {
        if let Some(ends) = &self.ends {
            let life = Arc::clone(&self.ctx.pool.0);
            if !life.is_forked() {
                life.timer.forget(&ends.alarm, ends.id);
            }
        }
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::Pin;
    use std::task::Poll;
    use std::time::Duration;

    use crate::backend::SpawnPool;
    use crate::{AsyncContext, Interrupted, async_job_fn};

    const HOUR: Duration = Duration::from_secs(3600);

    /// How many alarms the clock of the job's pool has.
    fn clock(ctx: &AsyncContext) -> String {
        format!("{:?}", ctx.pool.0.timer)
    }

    #[test]
    fn a_sleep_that_is_polled_again_has_one_alarm_and_dropped_none() {
        let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        let pool = SpawnPool::builder().workers(1).queue_capacity(8);
        let pool = pool.adopt(spawner).build().expect("it starts");
        let job = async_job_fn(|ctx: AsyncContext| async move {
            let mut sleep = ctx.sleep(HOUR);
            let mut seen = vec![clock(&ctx)];
            for _ in 0..3 {
                poll_fn(|cx| {
                    assert!(Pin::new(&mut sleep).poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                seen.push(clock(&ctx));
            }
            drop(sleep);
            seen.push(clock(&ctx));
            Ok::<_, Interrupted>(seen)
        });
        let seen = pool.submit_future(job).expect("there is room").join();
        let alarms = [0, 1, 1, 1, 0].map(|alarms| format!("Timer {{ alarms: {alarms} }}"));
        assert_eq!(seen.expect("it completes"), alarms);
    }
}
