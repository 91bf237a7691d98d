//! The end of a pool: the policy, the three steps under one limit, and the report.
//!
//! # Many callers
//! Each caller goes through the steps by itself: it waits for the jobs, cancels, waits again,
//! stops, waits for the workers to leave. The limits are common to all callers, and the earliest
//! hold. Each step does nothing where another caller has done it before. So no caller relies on
//! another one: a caller may be a future that is dropped half-way, or a job beneath another caller
//! on the same stack, which waits for that other one to return. Only the report is made by one of
//! them, in one go and without user code in between, and is the same for all (`R608`).
//!
//! Jobs that are inside `shutdown` themselves are left out of what it waits for (`R609`): see
//! `lifecycle/excluded_waiters.rs`.
//!
//! # The limit
//! A job that shuts its own pool down lends it its worker, and may have a job run in place beneath
//! which it cannot look at the time. So the pool's clock has an alarm as well: it begins the
//! cancellation, which asks the job in place to stop.
//!
//! # A pool that was swapped
//! Its generations end one after the other, oldest first, since the jobs of the older ones may
//! submit children to the newest. A job of one generation may be what another one waits for, so a
//! job that waits in here helps the generation that its worker is of, whichever ends at the time.
//! It waits for the end of its own generation all the while, and so is left out of what others wait
//! for there; and the workers stay that a future needs to see the end of all. The limits begin for
//! all at once, and the thread that notices that the grace is over asks the jobs of all to stop
//! ([`end_as_one`]).
//!
//! Past the limit the caller drops nothing of the user's, and starts no job: see
//! `lifecycle/after_cancel.rs`. It calls the wakers of the handles whose jobs it gives up.

mod policy;
mod progress;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::job::id::JobId;
use crate::job::watch_list::Watch;
use crate::pool::engine::{Engine, take_some_queued};
use crate::pool::lifecycle::{
    Awaits, EndsWithOthers, Leftovers, Lifecycle, TakenOut, leaving_out, own_worker,
};
use crate::pool::report::{ReportBody, ShutdownReport};
use crate::submit::executor::{Executor, Pools};
use crate::sys::machine;
use crate::sys::sync::{LockExt, Mutex, yield_now};
use crate::worker::Worker;
use crate::worker::park::{block_on_helping, helping};
use policy::Limits;
pub use policy::ShutdownPolicy;
pub(crate) use progress::Progress;
use progress::{Calling, Reporting};

/// Time that idle workers get to leave, once there is nothing more to wait for, within the limit.
const EXIT_GRACE: Duration = Duration::from_secs(1);

/// The least time that they get, also past the limit.
const MIN_EXIT_GRACE: Duration = Duration::from_millis(50);

/// How long a thread may be kept from its core in the middle of a few steps between which the books
/// do not balance.
const BOOKS_GRACE: Duration = Duration::from_secs(1);

/// How long the report waits for the last step of a job that has ended.
const ENDING_GRACE: Duration = Duration::from_millis(50);

/// The end of intake, and of a pool.
///
/// Every pool has these as methods of its own as well. The trait is for code that ends pools
/// without knowing their types: `&dyn Shutdown`.
///
/// # Examples
///
/// ```
/// use pool_core::{Shutdown, ShutdownPolicy, ShutdownReport};
/// use std::time::Duration;
///
/// fn stop_all(pools: &[&dyn Shutdown]) -> Vec<ShutdownReport> {
///     pools.iter().for_each(|pool| pool.close()); // no new jobs from one to the other
///     let policy = ShutdownPolicy::within(Duration::from_secs(30));
///     pools.iter().map(|pool| pool.shutdown(policy)).collect()
/// }
///
/// # use pool_core::backend::SpawnPool;
/// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
/// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
/// assert!(stop_all(&[&pool]).iter().all(ShutdownReport::is_clean));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait Shutdown: Send + Sync {
    /// Ends intake. Accepted jobs run. Idempotent.
    ///
    /// Waits for nothing. Call a shutdown afterwards, or drop the last handle.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::{Executor, Shutdown};
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// Shutdown::close(&pool);
    /// assert!(pool.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn close(&self);

    /// Ends intake, lets accepted jobs finish within the grace, asks the rest to stop, and gives up
    /// what does not.
    ///
    /// Returns promptly once the limits have passed, even when a job or a destructor never returns
    /// (`R604`). The report says exactly what was not finished, and what was cut short (`R605`).
    /// Jobs that did not start resolve as `Abandoned` before this returns, unless the policy asks
    /// to have them [handed back](ShutdownPolicy::hand_back) (`R606`). What they captured is dropped
    /// by the workers, since a destructor may block; if all workers hang, it is not dropped. Handed
    /// back, it is the caller's to drop.
    ///
    /// Inside a job of the same pool it leaves out that job, and every other job that waits for the
    /// end or for quiet likewise. It runs queued jobs on the calling worker, which might be the
    /// only one (`R609`). A job that is run so is asked to stop at the end of the grace; one that
    /// does not return keeps the caller as well.
    ///
    /// A job that joins or awaits the calling one is waited for up to the limits, unless the caller
    /// runs within it or is its half. Without a limit the two wait for each other forever: such a
    /// call needs one.
    ///
    /// The first report is the report of all later calls (`R608`): one that was made inside a job
    /// says that this job still runs.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::{Shutdown, ShutdownPolicy};
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let first = Shutdown::shutdown(&pool, ShutdownPolicy::drain());
    /// let again = Shutdown::shutdown(&pool, ShutdownPolicy::now()); // the same report
    /// assert_eq!(first.took(), again.took());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn shutdown(&self, policy: ShutdownPolicy) -> ShutdownReport;

    /// Shuts down as [`shutdown`](Self::shutdown) does, without blocking the thread.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the pool stays closed and the shutdown half done; call it again
    /// to go on. Jobs that it took out of the queue by then have resolved as `Abandoned`; those
    /// that were to be handed back do so with the drop.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let other = SpawnPool::builder().workers(1).adopt(spawner).build()?;
    /// use pool_core::{Shutdown, ShutdownPolicy};
    ///
    /// let pool = SpawnPool::builder().workers(1).adopt(spawner).build()?;
    /// let stop = async move { Shutdown::shutdown_async(&pool, ShutdownPolicy::drain()).await };
    /// let report = other.spawn_future(stop).map_err(|refused| refused.without_job())?.join()?;
    /// assert!(report.all_completed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    async fn shutdown_async(&self, policy: ShutdownPolicy) -> ShutdownReport;
}

/// How a caller is woken at a limit: by the parking of its own thread, or by the pool's clock.
enum Alarm {
    /// A caller that blocks: it parks until this limit at the latest, and looks at the time itself.
    Thread(Mutex<Option<Instant>>),
    /// A caller that is a future: the clock finds the alarm by these two, and it is set for this
    /// time.
    Timer(Watch, JobId, Mutex<Option<Instant>>),
}

impl Alarm {
    /// The key is an id of its own, so the alarms of several callers do not replace each other.
    fn with_clock() -> Self {
        Self::Timer(Watch::default(), JobId::next(), Mutex::new(None))
    }

    /// Wakes the caller at `when`, and no longer at a limit that was set before.
    fn set(&self, life: &Lifecycle, when: Option<Instant>, waker: &Waker) {
        match self {
            Self::Thread(limit) => *limit.lock_unpoisoned() = when,
            Self::Timer(watch, key, limit) => {
                let former = std::mem::replace(&mut *limit.lock_unpoisoned(), when);
                if former.is_some() && former != when {
                    life.timer.forget(watch, *key);
                }
                if let Some(when) = when
                    && !life.timer.wake_at(watch, when, *key, waker)
                {
                    // Nobody will wake the caller, so it looks at the time itself, again and again:
                    // the limit holds.
                    waker.wake_by_ref();
                }
            }
        }
    }
}

/// Takes an alarm back with the call that has set it.
struct Armed<'a>(&'a Lifecycle, &'a Alarm);

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        if !self.0.is_forked() {
            self.1.set(self.0, None, Waker::noop());
        }
    }
}

/// The worker of the same pool that the calling thread is, of whichever generation.
fn pool_worker(life: &Lifecycle) -> Option<Worker> {
    Worker::current().filter(|worker| std::ptr::eq(worker.life().room(), life.room()))
}

/// The grace of `life` is over: its jobs are asked to stop, and those of the pool's other
/// generations whose grace is over likewise.
fn begin_cancel(life: &Lifecycle) {
    life.begin_cancel();
    let now = machine::now();
    let others = life
        .owners
        .front()
        .map_or_else(Pools::none, |front| front.pools());
    for other in others.lives() {
        let grace = other.ending.progress.lock_unpoisoned().limits().drain;
        if grace.is_some_and(|end| end <= now) {
            other.begin_cancel();
        }
    }
}

/// Begins the cancellation of a pool at the end of the grace, while the callers of its shutdown run
/// jobs in place.
struct CancelsInTime(Weak<Lifecycle>);

impl Wake for CancelsInTime {
    fn wake(self: Arc<Self>) {
        if let Some(life) = self.0.upgrade() {
            begin_cancel(&life);
        }
    }
}

/// The alarm of [`CancelsInTime`] with the pool's clock.
struct Reminder<'a> {
    /// The pool whose clock keeps it.
    life: &'a Arc<Lifecycle>,
    /// What the alarm is taken back by, with an id of its own.
    watch: Watch,
    key: JobId,
    /// What it is set to, if it is.
    when: Option<Instant>,
}

impl<'a> Reminder<'a> {
    fn new(life: &'a Arc<Lifecycle>) -> Self {
        Self {
            life,
            watch: Watch::default(),
            key: JobId::next(),
            when: None,
        }
    }

    /// Sets it to the end of the grace, if a job of the pool waits here.
    fn update(&mut self, when: Option<Instant>) {
        if self.when == when || pool_worker(self.life).is_none() {
            return;
        }
        self.clear();
        if let Some(when) = when.filter(|&when| when > machine::now()) {
            let waker = Waker::from(Arc::new(CancelsInTime(Arc::downgrade(self.life))));
            // Without a clock the callers alone keep the time.
            let _is_kept = self.life.timer.wake_at(&self.watch, when, self.key, &waker);
            self.when = Some(when);
        }
    }

    /// Takes the alarm back, if one is set.
    fn clear(&mut self) {
        if self.when.take().is_some() {
            self.life.timer.forget(&self.watch, self.key);
        }
    }
}

impl Drop for Reminder<'_> {
    fn drop(&mut self) {
        if !self.life.is_forked() {
            self.clear();
        }
    }
}

/// Shuts a pool down on the calling thread, which parks in between. On a worker of the same pool it
/// runs queued jobs meanwhile.
pub(crate) fn drive_blocking<E: Engine>(engine: &Arc<E>, policy: ShutdownPolicy) -> ShutdownReport {
    let alarm = Alarm::Thread(Mutex::new(None));
    let worker = pool_worker(engine.life());
    let shutdown = pin!(shut_down(engine, policy, &alarm));
    block_on_helping(shutdown, worker.as_ref(), Awaits::End, || match &alarm {
        Alarm::Thread(limit) => *limit.lock_unpoisoned(),
        Alarm::Timer(..) => None,
    })
}

/// Shuts a pool down without blocking: the pool's clock wakes the caller at the limits.
pub(crate) async fn drive_async<E: Engine>(
    engine: &Arc<E>,
    policy: ShutdownPolicy,
) -> ShutdownReport {
    let alarm = Alarm::with_clock();
    let _armed = Armed(engine.life(), &alarm);
    let shutdown = pin!(shut_down(engine, policy, &alarm));
    helping(shutdown, || pool_worker(engine.life()), Awaits::End).await
}

/// Shuts the parts of a pool down, one after the other, under limits that begin for all of them
/// now. `ends` calls the shutdown of each.
pub async fn end_as_one<F: Future>(
    parts: &[Arc<Lifecycle>],
    policy: ShutdownPolicy,
    ends: F,
) -> F::Output {
    let now = machine::now();
    let begin = |life| Calling::begin(life, policy, now);
    let _calls: Vec<_> = parts.iter().map(begin).collect();
    let together = parts.iter().filter(|_| parts.len() > 1);
    let _together: Vec<_> = together.map(EndsWithOthers::begin).collect();
    let ends = pin!(ends);
    match parts.iter().find(|life| own_worker(life).is_some()) {
        Some(own) => leaving_out(own, Awaits::End, ends).await,
        None => ends.await,
    }
}

/// [`end_as_one`], where `ends` blocks.
pub fn end_as_one_blocking<R>(
    parts: &[Arc<Lifecycle>],
    policy: ShutdownPolicy,
    ends: impl FnOnce() -> R,
) -> R {
    let all = pin!(end_as_one(parts, policy, async { ends() }));
    match all.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("it suspends nowhere"),
    }
}

/// One call, up to its report: its limits begin here, intake ends, and the steps follow, which
/// leave out the jobs that the caller is in.
async fn shut_down<E: Engine>(
    engine: &Arc<E>,
    policy: ShutdownPolicy,
    alarm: &Alarm,
) -> ShutdownReport {
    let life = engine.life();
    if life.is_forked() {
        return ShutdownReport::forked();
    }
    let _calling = Calling::begin(life, policy, machine::now());
    life.close();
    end_pauses(life);
    life.quiescence.wake_watchers(&life.phase);
    let steps = pin!(drive(engine, alarm));
    leaving_out(life, Awaits::End, steps).await
}

/// Ends a pause for good, since the pool is about to end. If there is no time to drain it, the
/// grace ends first: what the pause has held back does not start.
pub(crate) fn end_pauses(life: &Lifecycle) {
    let drain = life.ending.progress.lock_unpoisoned().limits().drain;
    if drain.is_some_and(|end| end <= machine::now()) {
        life.begin_cancel();
    }
    life.end_pauses();
}

/// Drain, cancel, stop, report.
///
/// Each step is over at once where another caller has done it before. The limits are looked up anew
/// at each wake, since a later caller may shorten them.
async fn drive<E: Engine>(engine: &Arc<E>, alarm: &Alarm) -> ShutdownReport {
    let life = engine.life();
    let is_quiet = || {
        life.excluded_waiters
            .is_nothing_else_in_flight(Awaits::End, &life.ledger)
    };
    {
        let mut reminder = Reminder::new(life);
        let limit = |limits: Limits| {
            reminder.update(limits.drain);
            limits.drain
        };
        wait(life, alarm, limit, is_quiet).await;
    }
    // A wait ends in a child that a job forked beneath it; nothing here is the child's to end, and
    // no lock is its to take.
    if life.is_forked() {
        return ShutdownReport::forked();
    }
    if let Some(report) = finished(life) {
        return report;
    }
    begin_cancel(life);
    life.cancel(|| take_some_queued(&**engine));
    if let Some(front) = life.owners.front() {
        // The other generations' shutdowns come after this one, which may wait for as long as a job
        // listens.
        front.cancel_those_due();
    }
    // In this order: what a taking has left to be dropped is there when it is over.
    let is_taking = || life.ending.progress.lock_unpoisoned().is_taking();
    let is_over = || is_quiet() && !is_taking() && !life.chores.has_undropped();
    wait(life, alarm, |limits| limits.cancel, is_over).await;
    if life.is_forked() {
        return ShutdownReport::forked();
    }
    life.stop();
    wait_for_exits(engine, alarm).await;
    // A future that waits for the end needs a worker to see it: the workers stay until it was told.
    loop {
        if life.is_forked() {
            return ShutdownReport::forked();
        }
        if let Some(report) = finished(life) {
            if life.have_all_left() {
                engine.join_threads();
            }
            return report;
        }
        // Before the report is begun: this calls wakers.
        TakenOut::give_up_all(life, || take_some_queued(&**engine));
        if let Some(reporting) = Reporting::begin(life) {
            return report(engine, reporting);
        }
        let is_reported = || !life.ending.progress.lock_unpoisoned().is_reporting();
        wait(life, alarm, |_| None, is_reported).await;
    }
}

/// Waits for the workers without a job to leave.
async fn wait_for_exits<E: Engine>(engine: &Arc<E>, alarm: &Alarm) {
    let life = engine.life();
    // Workers that need the thread that waits here cannot leave while it waits.
    let is_in_the_way = matches!(alarm, Alarm::Thread(_)) && engine.is_own_thread();
    if is_in_the_way || life.excluded_waiters.does_a_future_await_end() {
        return;
    }
    let (soon, later) = (machine::now() + MIN_EXIT_GRACE, machine::now() + EXIT_GRACE);
    let limit = |limits: Limits| {
        let end = limits.end.map_or(later, |end| end.min(later));
        Some(end.max(soon))
    };
    let have_left = || life.roster.alive() <= busy_workers(life);
    wait(life, alarm, limit, have_left).await;
}

/// Makes the report, tells all that wait for it, and then waits for the threads. In this order: a
/// thread that ends may run a destructor of its locals that waits for the end of the pool as well.
fn report<E: Engine>(engine: &Arc<E>, reporting: Reporting<'_>) -> ShutdownReport {
    let life = engine.life();
    let report = settled(life);
    drop(reporting);
    life.ending.tell(life);
    if !life.excluded_waiters.does_a_future_await_end() {
        engine.join_threads();
        life.timer.stop();
    }
    report
}

/// The report, if a caller has made it.
fn finished(life: &Lifecycle) -> Option<ShutdownReport> {
    life.ending.progress.lock_unpoisoned().report()
}

/// How many workers have a job, or what is left of one, on their stack: these need not leave.
fn busy_workers(life: &Lifecycle) -> usize {
    life.roster
        .statuses
        .iter()
        .filter(|status| status.depth() > 0)
        .count()
}

/// Waits until `is_over`, until the limit, which others may shorten meanwhile, or until another
/// caller has made the report.
///
/// Waits on the pool's watchers, so each end of a job that may matter wakes it.
async fn wait(
    life: &Lifecycle,
    alarm: &Alarm,
    mut limit: impl FnMut(Limits) -> Option<Instant>,
    is_over: impl Fn() -> bool,
) {
    let is_done = || life.ending.progress.lock_unpoisoned().is_done();
    let mut watching = pin!(
        life.quiescence
            .watch(&life.phase, || is_over() || is_done())
    );
    poll_fn(|cx| {
        if watching.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let limits = life.ending.progress.lock_unpoisoned().limits();
        let limit = limit(limits);
        if limit.is_some_and(|limit| machine::now() >= limit) {
            return Poll::Ready(());
        }
        alarm.set(life, limit, cx.waker());
        Poll::Pending
    })
    .await;
}

/// Reads the books until all that is on its way in has arrived, no task is being taken out, the
/// books balance, and no job is between its end on record and its last step; then makes the report.
///
/// The first three are a matter of a few instructions of some thread, and none of the user's. The
/// last can take as long as a hook, a waker or a destructor. None is waited for without a limit:
/// where the books do not balance within the grace, the sum of what is accounted for stands as
/// `accepted`.
///
/// What is read is the report of one moment: `is_still` says that no job ended while the counts and
/// the running jobs were read, and the number of takings that none was given up.
pub(crate) fn settled(life: &Arc<Lifecycle>) -> ShutdownReport {
    let progress = &life.ending.progress;
    let start = progress.lock_unpoisoned().start();
    let last = machine::now() + BOOKS_GRACE;
    let mut whole_since = None;
    loop {
        let takings = progress.lock_unpoisoned().takings();
        // Read before the counts: what it does not count has reached them.
        let have_all_arrived = life.ledger.is_nothing_on_its_way();
        let Leftovers {
            is_still,
            is_ending,
            stats,
            running,
        } = Leftovers::of(life);
        let accounted = stats.finished() + stats.unstarted + running.len() as u64;
        let is_complete = stats.accepted + stats.adopted == accounted + stats.handed_over;
        let is_whole = takings.is_some() && have_all_arrived && is_still && is_complete;
        let now = machine::now();
        whole_since = is_whole.then(|| whole_since.unwrap_or(now));
        // Workers may drop what was given up one after another, and each is just ending then.
        let is_settled = |since| !is_ending || now >= since + ENDING_GRACE;
        let is_late = now >= last;
        if whole_since.is_some_and(is_settled) || is_late {
            // A submission still on its way has not returned. It will be abandoned.
            let body = ReportBody {
                accepted: accounted,
                stats,
                still_running: running,
                threads_left: life.roster.alive(),
                took: machine::since(start),
                ..ReportBody::default()
            };
            let mut progress = progress.lock_unpoisoned();
            if progress.takings() == takings || is_late {
                return progress.finish(body);
            }
        }
        yield_now();
    }
}
