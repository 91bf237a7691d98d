//! The end of a pool: the policy, the three steps under one limit, and the report.
//!
//! One caller drives; others wait for the same report (`R608`), and can only shorten the limits. If the driver's future is
//! dropped, one of those who wait goes on. Jobs that are themselves inside `shutdown` are left out of what it waits for
//! (`R609`).

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::engine::Engine;
use crate::id::JobId;
use crate::lifecycle::Lifecycle;
use crate::machine;
use crate::report::{ReportBody, ShutdownReport};
use crate::sync::{LockExt, Mutex};
use crate::task::Task;
use crate::wait::{block_on_helping, helping};
use crate::worker::Worker;

/// Time that running jobs get to notice that they were cancelled, where the policy names none.
const DEFAULT_CANCEL_GRACE: Duration = Duration::from_millis(500);

/// Time that idle workers get to leave, once there is nothing more to wait for.
const EXIT_GRACE: Duration = Duration::from_millis(250);

/// The end of intake, and of a pool.
#[async_trait]
pub trait Shutdown: Send + Sync {
    /// Ends intake. Accepted jobs run. Idempotent.
    fn close(&self);

    /// Ends intake, lets accepted jobs finish within the grace, asks the rest to stop, and gives up what does not.
    ///
    /// Returns promptly once the limits have passed, even when a job never returns (`R604`). The report says exactly what was
    /// not finished (`R605`). Inside a job of the same pool it leaves that job out, and runs queued jobs on the calling worker, which
    /// might be the only one (`R609`).
    fn shutdown(&self, policy: ShutdownPolicy) -> ShutdownReport;

    /// [`shutdown`](Self::shutdown) without blocking the thread.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the pool stays closed and the shutdown half done; call it again to go on.
    async fn shutdown_async(&self, policy: ShutdownPolicy) -> ShutdownReport;
}

/// How long a shutdown waits, and for what. Both times run from the call, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownPolicy {
    grace: Option<Duration>,
    cancel_grace: Duration,
}

impl ShutdownPolicy {
    /// Waits for `grace` until accepted jobs have finished; then cancels, and waits half a second for that.
    pub fn new(grace: Duration) -> Self {
        Self {
            grace: Some(grace),
            cancel_grace: DEFAULT_CANCEL_GRACE,
        }
    }

    /// Waits for all accepted jobs, without a limit.
    pub fn drain() -> Self {
        Self {
            grace: None,
            cancel_grace: DEFAULT_CANCEL_GRACE,
        }
    }

    /// Waits for nothing: queued jobs come back, running ones are cancelled and given up.
    pub fn now() -> Self {
        Self {
            grace: Some(Duration::ZERO),
            cancel_grace: Duration::ZERO,
        }
    }

    /// What is left of the policy after `elapsed`: several pools that end as one have one limit.
    #[must_use]
    pub fn after(self, elapsed: Duration) -> Self {
        let Some(grace) = self.grace else { return self };
        let over = elapsed.saturating_sub(grace);
        Self {
            grace: Some(grace.saturating_sub(elapsed)),
            cancel_grace: self.cancel_grace.saturating_sub(over),
        }
    }

    /// Sets how long cancelled jobs are waited for.
    #[must_use]
    pub fn cancel_grace(mut self, cancel_grace: Duration) -> Self {
        self.cancel_grace = cancel_grace;
        self
    }
}

impl From<Duration> for ShutdownPolicy {
    fn from(grace: Duration) -> Self {
        Self::new(grace)
    }
}

/// How far the shutdown of a pool has come.
#[derive(Default)]
pub(crate) struct Ending {
    limits: Limits,
    /// Jobs that are inside `shutdown` themselves.
    inside: u64,
    /// Those of them that are futures, which a cancelled pool would else drop, and their shutdown with them.
    inside_futures: HashSet<JobId>,
    is_driven: bool,
    unstarted: Vec<Task>,
    done: Option<Done>,
}

/// The report, for who asks again. The tasks are held by the reports given out: dropped with the last of them, they resolve.
type Done = (Arc<ReportBody>, Weak<Mutex<Vec<Task>>>);

/// Until when to wait; `None`: for ever.
#[derive(Debug, Clone, Copy, Default)]
struct Limits {
    is_set: bool,
    drain: Option<Instant>,
    cancel: Option<Instant>,
}

impl Ending {
    /// Keeps tasks for the report. What comes back is too late for it.
    pub(crate) fn keep(&mut self, tasks: Vec<Task>) -> Vec<Task> {
        if self.done.is_some() {
            return tasks;
        }
        self.unstarted.extend(tasks);
        Vec::new()
    }

    /// Whether future `id` is inside `shutdown`, and so is not to be dropped by it.
    pub(crate) fn is_inside(&self, id: JobId) -> bool {
        self.inside_futures.contains(&id)
    }

    fn shorten(&mut self, limits: Limits) {
        if !std::mem::replace(&mut self.limits.is_set, true) {
            self.limits = limits;
            return;
        }
        let earlier = |a: Option<Instant>, b: Option<Instant>| a.into_iter().chain(b).min();
        self.limits.drain = earlier(self.limits.drain, limits.drain);
        self.limits.cancel = earlier(self.limits.cancel, limits.cancel);
    }
}

impl Limits {
    fn of(policy: ShutdownPolicy, start: Instant) -> Self {
        let drain = policy.grace.and_then(|grace| start.checked_add(grace));
        let cancel = drain.and_then(|drain| drain.checked_add(policy.cancel_grace));
        Self {
            is_set: true,
            drain,
            cancel,
        }
    }
}

/// How the driver is woken at a limit: by the parking of its own thread, or by the pool's clock.
enum Alarm {
    Thread(Mutex<Option<Instant>>),
    Clock(JobId),
}

impl Alarm {
    /// Wakes the driver at `when`, and no earlier for the sake of a former limit.
    fn set(&self, life: &Lifecycle, when: Option<Instant>, waker: &Waker) {
        match self {
            Self::Thread(limit) => *limit.lock_unpoisoned() = when,
            Self::Clock(key) => {
                if let Some(when) = when
                    && !life.clock().wake_at(when, *key, waker)
                {
                    // Nobody will wake the driver, so it looks at the time itself, again and again: the limit holds.
                    waker.wake_by_ref();
                }
            }
        }
    }
}

pub(crate) fn drive_blocking<E: Engine>(engine: &Arc<E>, policy: ShutdownPolicy) -> ShutdownReport {
    let alarm = Alarm::Thread(Mutex::new(None));
    let worker = own_worker(engine.life());
    let shutdown = pin!(shut_down(engine, policy, &alarm));
    block_on_helping(shutdown, worker.as_ref(), || match &alarm {
        Alarm::Thread(limit) => *limit.lock_unpoisoned(),
        Alarm::Clock(_) => None,
    })
}

pub(crate) async fn drive_async<E: Engine>(
    engine: &Arc<E>,
    policy: ShutdownPolicy,
) -> ShutdownReport {
    let alarm = Alarm::Clock(JobId::next());
    let shutdown = pin!(shut_down(engine, policy, &alarm));
    helping(shutdown, || own_worker(engine.life())).await
}

/// The worker of the pool that the calling thread is, if it is one.
fn own_worker(life: &Arc<Lifecycle>) -> Option<Worker> {
    Worker::current().filter(|worker| Arc::ptr_eq(worker.life(), life))
}

async fn shut_down<E: Engine>(
    engine: &Arc<E>,
    policy: ShutdownPolicy,
    alarm: &Alarm,
) -> ShutdownReport {
    let life = engine.life();
    if life.is_forked() {
        return ShutdownReport::forked();
    }
    let start = machine::now();
    {
        let mut ending = life.ending.lock_unpoisoned();
        ending.shorten(Limits::of(policy, start));
        if let Some(worker) = own_worker(life) {
            ending.inside += worker.own_jobs() as u64;
            ending.inside_futures.extend(worker.polling());
        }
    }
    life.close();
    life.wake_watchers();
    loop {
        if let Some(report) = finished(life) {
            return report;
        }
        if let Some(_driving) = Driving::begin(life) {
            return drive(engine, start, alarm).await;
        } else {
            life.watch(|| {
                let ending = life.ending.lock_unpoisoned();
                ending.done.is_some() || !ending.is_driven
            })
            .await;
        }
    }
}

/// The report, if a driver has made it.
fn finished(life: &Lifecycle) -> Option<ShutdownReport> {
    let ending = life.ending.lock_unpoisoned();
    let (body, tasks) = ending.done.as_ref()?;
    let tasks = tasks.upgrade().unwrap_or_default();
    Some(ShutdownReport::new(Arc::clone(body), tasks))
}

/// Marks the one driver, also where its future is dropped half-way.
struct Driving<'a>(&'a Lifecycle);

impl<'a> Driving<'a> {
    fn begin(life: &'a Lifecycle) -> Option<Self> {
        let was_driven = std::mem::replace(&mut life.ending.lock_unpoisoned().is_driven, true);
        (!was_driven).then(|| Self(life))
    }
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        self.0.ending.lock_unpoisoned().is_driven = false;
        self.0.wake_watchers();
    }
}

/// Drain, cancel, stop, report.
async fn drive<E: Engine>(engine: &Arc<E>, start: Instant, alarm: &Alarm) -> ShutdownReport {
    let life = engine.life();
    let is_quiet = || life.in_flight() <= life.ending.lock_unpoisoned().inside;
    wait(life, alarm, |limits| limits.drain, is_quiet).await;
    life.cancel(|| engine.take_queued());
    wait(life, alarm, |limits| limits.cancel, is_quiet).await;
    life.stop();
    life.take_out(engine.take_queued());
    // Workers that need the thread that waits here cannot leave while it waits.
    let is_in_the_way = matches!(alarm, Alarm::Thread(_)) && engine.is_own_thread();
    if !is_in_the_way && life.ending.lock_unpoisoned().inside_futures.is_empty() {
        let exit = machine::now() + EXIT_GRACE;
        let have_left = || life.workers_alive() <= busy_workers(life);
        wait(life, alarm, |_| Some(exit), have_left).await;
    }
    // A future that shuts down its own pool has no worker left to wake it: it goes on without a pause.
    engine.join_threads();
    life.clock().stop();
    let body = Arc::new(settle(life, start));
    let mut ending = life.ending.lock_unpoisoned();
    let tasks = Arc::new(Mutex::new(std::mem::take(&mut ending.unstarted)));
    ending.done = Some((Arc::clone(&body), Arc::downgrade(&tasks)));
    ShutdownReport::new(body, tasks)
}

fn busy_workers(life: &Lifecycle) -> usize {
    life.slots.iter().filter(|slot| slot.depth() > 0).count()
}

/// Waits until `is_over`, or the limit, which others may shorten meanwhile.
async fn wait(
    life: &Lifecycle,
    alarm: &Alarm,
    limit: impl Fn(Limits) -> Option<Instant>,
    is_over: impl Fn() -> bool,
) {
    let now_limit = || limit(life.ending.lock_unpoisoned().limits);
    let mut watching = pin!(life.watch(is_over));
    poll_fn(|cx| {
        if watching.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let limit = now_limit();
        if limit.is_some_and(|limit| machine::now() >= limit) {
            return Poll::Ready(());
        }
        alarm.set(life, limit, cx.waker());
        Poll::Pending
    })
    .await;
}

/// Reads the books until they balance: only a job that ends at this very moment can keep them from it, and not for long.
fn settle(life: &Arc<Lifecycle>, start: Instant) -> ReportBody {
    let patience = machine::now() + EXIT_GRACE;
    loop {
        let before = life.stats();
        let running = life.running_jobs();
        let stats = life.stats();
        let accounted = stats.finished() + stats.unstarted + running.len() as u64;
        let is_still = (before.finished(), before.unstarted) == (stats.finished(), stats.unstarted);
        let is_complete = stats.accepted + stats.adopted == accounted + stats.handed_over;
        if (is_still && is_complete) || machine::now() >= patience {
            // A submission still on its way has not returned, and so was not accepted; it will be refused or abandoned.
            return ReportBody {
                accepted: accounted,
                stats,
                still_running: running,
                threads_left: life.workers_alive(),
                took: machine::since(start),
                is_forked: false,
            };
        }
        machine::yield_now();
    }
}
