//! How long a shutdown waits, and for what.

use std::time::{Duration, Instant};

/// Time that running jobs get to notice that they were cancelled, where the policy names none; and
/// the most that [`within`](ShutdownPolicy::within) keeps for all that comes after the grace.
const DEFAULT_CANCEL_GRACE: Duration = Duration::from_millis(500);

/// Which part of a total is kept for all that comes after the grace.
const KEPT: u32 = 10;

/// The most that is kept of a total for idle workers to leave.
const MAX_FOR_THE_EXIT: Duration = Duration::from_millis(50);

/// How long a shutdown waits, for what, and what becomes of the jobs that it does not start.
///
/// | | waits for accepted jobs | then cancels, and waits | in all |
/// |---|---|---|---|
/// | [`within(total)`](Self::within), [`Duration`] | `total` less a tenth, or less half a second if that is shorter | for the rest of it | `total` |
/// | [`new(grace)`](Self::new) | `grace` | half a second, or [`cancel_grace`](Self::cancel_grace) | the sum |
/// | [`drain()`](Self::drain) | as long as it takes | | no limit |
/// | [`now()`](Self::now) | not at all | not at all | nothing |
///
/// Each of them returns as soon as nothing is left to wait for. Past the limit, workers without a
/// job get 50 ms to leave, and a job that is just ending 50 ms to end. Only where the system keeps
/// a thread from its core in the middle of a few instructions does the report wait for it, for up
/// to a second.
///
/// It is plain data: it begins to count only with the call that it is given to. If several callers
/// shut one pool down, the earliest of all their limits hold for each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownPolicy {
    /// For accepted jobs; `None`: without a limit, and then the other two never begin.
    grace: Option<Duration>,
    /// For jobs that were asked to stop, after the grace.
    cancel_grace: Duration,
    /// For workers to leave, within the limit of the whole.
    exit_grace: Duration,
    /// Whether unstarted jobs stay in the report as tasks.
    hands_back: bool,
}

impl ShutdownPolicy {
    /// Sets one limit for the whole shutdown, as an orchestrator has one before it kills the
    /// process.
    ///
    /// A tenth of it, but at most half a second, is kept for jobs that are cancelled and for
    /// workers to leave. So `within(1 s)` lets accepted jobs run for 0.9 s, cancels what is left,
    /// and returns within 1 s; see [above](Self) for what it may take beyond that. Where a job
    /// hangs, the time for workers to leave is not used up, and it returns up to 50 ms earlier.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::ShutdownPolicy;
    /// use std::time::Duration;
    ///
    /// let report = pool.shutdown(ShutdownPolicy::within(Duration::from_secs(30)));
    /// assert!(report.is_safe_to_exit());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn within(total: Duration) -> Self {
        let kept = (total / KEPT).min(DEFAULT_CANCEL_GRACE);
        let exit_grace = (kept / 2).min(MAX_FOR_THE_EXIT);
        Self {
            grace: Some(total - kept),
            cancel_grace: kept - exit_grace,
            exit_grace,
            hands_back: false,
        }
    }

    /// Waits for `grace` until accepted jobs have finished; then cancels, and waits half a second
    /// for that.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::ShutdownPolicy;
    /// use std::time::Duration;
    ///
    /// let policy = ShutdownPolicy::new(Duration::from_secs(25)).cancel_grace(Duration::from_secs(4));
    /// assert!(pool.shutdown(policy).is_clean());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(grace: Duration) -> Self {
        Self {
            grace: Some(grace),
            ..Self::drain()
        }
    }

    /// Waits for all accepted jobs, without a limit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::ShutdownPolicy;
    ///
    /// pool.spawn(|| 42)?.detach();
    /// let report = pool.shutdown(ShutdownPolicy::drain()); // as long as it takes
    /// assert_eq!(report.completed(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain() -> Self {
        Self {
            grace: None,
            cancel_grace: DEFAULT_CANCEL_GRACE,
            exit_grace: Duration::ZERO,
            hands_back: false,
        }
    }

    /// Waits for nothing: queued jobs do not start, running ones are cancelled and given up.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::ShutdownPolicy;
    ///
    /// let report = pool.shutdown(ShutdownPolicy::now());
    /// assert!(report.balances());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn now() -> Self {
        Self::within(Duration::ZERO)
    }

    /// Returns what is left of the policy after `elapsed`: several pools that end as one have one
    /// limit.
    ///
    /// The time is taken off the grace first, then off what is kept for cancelled jobs, then off
    /// what is kept for workers to leave. A policy without a limit stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::ShutdownPolicy;
    /// use std::time::Duration;
    ///
    /// let policy = ShutdownPolicy::new(Duration::from_secs(10));
    /// let left = policy.after(Duration::from_secs(4));
    /// assert_eq!(left, ShutdownPolicy::new(Duration::from_secs(6)));
    /// ```
    #[must_use]
    pub fn after(self, elapsed: Duration) -> Self {
        let Some(grace) = self.grace else { return self };
        let past_grace = elapsed.saturating_sub(grace);
        let past_cancel = past_grace.saturating_sub(self.cancel_grace);
        Self {
            grace: Some(grace.saturating_sub(elapsed)),
            cancel_grace: self.cancel_grace.saturating_sub(past_grace),
            exit_grace: self.exit_grace.saturating_sub(past_cancel),
            ..self
        }
    }

    /// Sets how long cancelled jobs are waited for, after the grace.
    ///
    /// With [`drain`](Self::drain) it has no effect, since nothing is cancelled. With
    /// [`within`](Self::within) it replaces the part that is kept for cancelled jobs, and so
    /// changes the limit of the whole.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::{Interrupted, ShutdownPolicy, job_fn};
    /// use std::time::Duration;
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let polite = job_fn(|ctx| -> Result<(), Interrupted> {
    ///     loop {
    ///         ctx.check()?;
    ///         std::thread::yield_now();
    ///     }
    /// });
    /// pool.submit(polite)?.detach();
    /// let policy = ShutdownPolicy::new(Duration::ZERO).cancel_grace(Duration::from_secs(30));
    /// let report = pool.shutdown(policy);
    /// assert!(report.is_safe_to_exit() && report.cut_short().len() == 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cancel_grace(mut self, cancel_grace: Duration) -> Self {
        self.cancel_grace = cancel_grace;
        self
    }

    /// Has the report keep the jobs that did not start, as tasks
    /// ([`take_unstarted`](crate::ShutdownReport::take_unstarted)); otherwise they resolve as
    /// `Abandoned` by the time that the shutdown returns (`R606`).
    ///
    /// Their handles stay pending for as long as the report keeps the tasks. So do not join such a
    /// handle on the thread that has the report: submit the tasks to another pool or drop the
    /// report first.
    ///
    /// If several callers shut the pool down, it is enough that one of them asks before the grace
    /// is over: each report is the same, and the first caller that takes the tasks gets them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{Executor, ShutdownPolicy};
    ///
    /// let (send, receive) = std::sync::mpsc::channel::<()>();
    /// let (started, has_started) = std::sync::mpsc::channel();
    /// let blocker = pool.spawn(move || {
    ///     started.send(()).unwrap();
    ///     receive.recv()
    /// })?;
    /// has_started.recv()?; // it keeps the only worker
    /// let queued = pool.spawn(|| 42)?;
    /// let mut report = pool.shutdown(ShutdownPolicy::now().hand_back());
    /// drop((send, blocker));
    ///
    /// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let other = SpawnPool::builder().workers(1).adopt(spawner).build()?;
    /// for task in report.take_unstarted() {
    ///     assert!(other.try_accept(task).is_ok());
    /// }
    /// assert_eq!(queued.join()?, 42); // the handle from before
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hand_back(mut self) -> Self {
        self.hands_back = true;
        self
    }

    pub(super) fn hands_back(self) -> bool {
        self.hands_back
    }
}

impl From<Duration> for ShutdownPolicy {
    /// [`within`](ShutdownPolicy::within): the limit of the whole.
    fn from(total: Duration) -> Self {
        Self::within(total)
    }
}

/// Until when to wait; `None`: forever.
///
/// Made by the first call, and shortened by each later one. Those of the default are not set yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    /// A call has begun; until then no limit here means anything.
    is_set: bool,
    /// For accepted jobs.
    pub(super) drain: Option<Instant>,
    /// For cancelled ones.
    pub(super) cancel: Option<Instant>,
    /// For the whole.
    pub(super) end: Option<Instant>,
}

impl Limits {
    /// The limits of a call that begins at `start`. One that lies beyond what an `Instant` can hold
    /// is none.
    pub(super) fn of(policy: ShutdownPolicy, start: Instant) -> Self {
        let drain = policy.grace.and_then(|grace| start.checked_add(grace));
        let cancel = drain.and_then(|drain| drain.checked_add(policy.cancel_grace));
        let end = cancel.and_then(|cancel| cancel.checked_add(policy.exit_grace));
        Self {
            is_set: true,
            drain,
            cancel,
            end,
        }
    }

    /// Another caller has limits of its own: the earlier hold for both.
    pub(super) fn shorten(&mut self, other: Self) {
        if !self.is_set {
            *self = other;
            return;
        }
        let earlier = |a: Option<Instant>, b: Option<Instant>| a.into_iter().chain(b).min();
        self.drain = earlier(self.drain, other.drain);
        self.cancel = earlier(self.cancel, other.cancel);
        self.end = earlier(self.end, other.end);
    }
}
