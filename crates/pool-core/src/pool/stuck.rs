//! `stuck_after`: an event for each job that has run for longer than a limit, and one when it ends
//! after all.
//!
//! # Protocol
//! A job is noted as it first runs, with an alarm of its own at the pool's clock, and taken out as
//! it ends. The alarm looks whether the job is still noted, marks it as told, and tells. Both look
//! under one lock, and tell after it; so a job that ends at the moment of its alarm is told of
//! twice, in order, or not at all: the end tells only of a job that was marked. The event of the
//! end may overtake that of the alarm, whose thread is the clock's, where that thread loses its
//! core between its mark and its call.
//!
//! How many are told of and noted is a count, changed under the lock and read without it: a look at
//! the pool must not hold up the workers. A job counts from before its event to before that of its
//! end.
//!
//! Only pools that watch so pay for it: two times a lock and a change of the clock's list for each
//! job.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use crate::job::Terms;
use crate::job::extensions::Extensions;
use crate::job::id::JobId;
use crate::job::outcome::drop_contained;
use crate::job::watch_list::Watch;
use crate::pool::hooks::HookPanics;
use crate::pool::lifecycle::Lifecycle;
use crate::pool::observer::Observed;
use crate::pool::running::Printable;
use crate::sys::machine;

/// A job that runs for longer than a limit, or has done so and ended.
///
/// [`PoolBuilder::stuck_after`](crate::backend::PoolBuilder::stuck_after) gets one for each event.
/// It borrows from the pool, so what is to be kept is copied.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StuckJob<'a> {
    /// The job.
    pub id: JobId,
    /// Its name, if it has one.
    pub name: Option<&'a str>,
    /// Its kind; see [`Job::kind`](crate::Job::kind).
    pub kind: &'static str,
    /// The worker that ran it first. `None`: a future that was polled by a thread which is no
    /// worker.
    pub worker: Option<usize>,
    /// The name of the backend, as [`Capability::name`](crate::Capability::name).
    pub backend: &'static str,
    /// How long ago it started. The time that a future is suspended counts.
    pub running_for: Duration,
    /// Whether it has ended now, after all.
    pub has_ended: bool,
    extensions: &'a Extensions,
}

impl StuckJob<'_> {
    /// Returns the value of this type that the job carries, if it was given one; see
    /// [`JobOptions::with_extension`](crate::JobOptions::with_extension).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// use pool_core::{JobOptions, ExecutorExt, JobExt, StuckJob, infallible_fn};
    /// use std::time::Duration;
    ///
    /// struct Tenant(&'static str);
    ///
    /// let (send, slow) = std::sync::mpsc::channel();
    /// let tell = move |job: &StuckJob<'_>| {
    ///     let tenant = job.extension::<Tenant>().map(|tenant| tenant.0);
    ///     drop(send.send(tenant));
    /// };
    /// let pool = SpawnPool::builder().workers(1).stuck_after(Duration::from_millis(1), tell);
    /// let pool = pool.adopt(spawner).build()?;
    /// let (release, held) = std::sync::mpsc::channel::<()>();
    /// let job = infallible_fn(move || held.recv().is_err());
    /// let job = job.with_options(JobOptions::new().with_extension(Tenant("acme")));
    /// let job = pool.submit(job)?;
    /// assert_eq!(slow.recv()?, Some("acme"));
    /// drop(release);
    /// assert!(job.join()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.extensions.get()
    }
}

impl fmt::Display for StuckJob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}", self.id)?;
        if let Some(name) = self.name {
            write!(f, " `{}`", Printable(name))?;
        }
        if let Some(worker) = self.worker {
            write!(f, " on worker {worker}")?;
        }
        let what = if self.has_ended {
            "has ended after"
        } else {
            "has run for"
        };
        write!(f, " {what} {:.1?}", self.running_for)
    }
}

/// What hears of stuck jobs.
type Tell = dyn Fn(&StuckJob<'_>) + Send + Sync;

/// The limit and the hook, as a configuration has them.
#[derive(Clone)]
pub(crate) struct StuckAfter {
    limit: Duration,
    tell: Arc<Tell>,
}

impl StuckAfter {
    pub(crate) fn new(
        limit: Duration,
        tell: impl Fn(&StuckJob<'_>) + Send + Sync + 'static,
    ) -> Self {
        let tell = Arc::new(tell);
        Self { limit, tell }
    }

    /// The watch of one pool. `panics`: where a panic of the hook is counted.
    pub(crate) fn watch(&self, panics: HookPanics) -> Arc<StuckWatch> {
        Arc::new(StuckWatch {
            after: self.clone(),
            panics,
            runs: Mutex::default(),
            stuck: AtomicUsize::new(0),
        })
    }
}

/// The jobs of a pool that have started and not ended.
pub(crate) struct StuckWatch {
    after: StuckAfter,
    panics: HookPanics,
    runs: Mutex<HashMap<JobId, Run>>,
    /// How many of them were told of. Written under the lock.
    stuck: AtomicUsize,
}

/// One of them.
struct Run {
    name: Option<Box<str>>,
    kind: &'static str,
    worker: Option<usize>,
    backend: &'static str,
    /// A share, which goes with the job's end, or after the hook that hears of it just then; see
    /// `job/extensions.rs`.
    extensions: Extensions,
    since: Instant,
    is_told: bool,
    /// Where the clock has its alarm.
    alarm: Watch,
}

impl StuckWatch {
    /// A job runs, or is polled. The first time counts.
    pub(crate) fn enter(self: &Arc<Self>, job: &Observed<'_>) {
        let mut runs = machine::lock(&self.runs);
        if runs.contains_key(&job.id) {
            return;
        }
        let run = Run {
            name: job.name().map(Box::from),
            kind: job.kind,
            worker: job.worker,
            backend: job.life.capability().name,
            extensions: Terms::values(job.terms),
            since: machine::now(),
            is_told: false,
            alarm: Watch::default(),
        };
        let run = runs.entry(job.id).or_insert(run);
        let Some(due) = run.since.checked_add(self.after.limit) else {
            return; // never
        };
        let waker = Waker::from(Arc::new(Alarm {
            id: job.id,
            watch: Arc::downgrade(self),
        }));
        // Without a clock's thread nobody tells.
        let _is_kept = job.life.timer.wake_at(&run.alarm, due, job.id, &waker);
        drop(runs);
        drop_contained(waker);
    }

    /// A job has ended, perhaps without having run.
    pub(crate) fn ended(&self, id: JobId, life: &Lifecycle) {
        let run = {
            let mut runs = machine::lock(&self.runs);
            let run = runs.remove(&id);
            if run.as_ref().is_some_and(|run| run.is_told) {
                self.stuck.fetch_sub(1, Ordering::Relaxed);
            }
            run
        };
        let Some(run) = run else {
            return;
        };
        life.timer.forget(&run.alarm, id);
        if run.is_told {
            self.tell(id, &run, true);
        }
    }

    /// How many jobs have run for longer than the limit, were told of, and have not ended.
    pub(crate) fn count(&self) -> usize {
        self.stuck.load(Ordering::Relaxed)
    }

    /// The alarm of a job.
    fn look(&self, id: JobId) {
        let copy = {
            let mut runs = machine::lock(&self.runs);
            let Some(run) = runs.get_mut(&id) else {
                return;
            };
            if !std::mem::replace(&mut run.is_told, true) {
                self.stuck.fetch_add(1, Ordering::Relaxed);
            }
            Run {
                name: run.name.clone(),
                extensions: run.extensions.clone(),
                alarm: Watch::default(),
                ..*run
            }
        };
        self.tell(id, &copy, false);
    }

    fn tell(&self, id: JobId, run: &Run, has_ended: bool) {
        let job = StuckJob {
            id,
            name: run.name.as_deref(),
            kind: run.kind,
            worker: run.worker,
            backend: run.backend,
            extensions: &run.extensions,
            running_for: machine::now().saturating_duration_since(run.since),
            has_ended,
        };
        self.panics.contain(|| (self.after.tell)(&job));
    }
}

/// What the clock calls for a job that is due.
struct Alarm {
    id: JobId,
    watch: Weak<StuckWatch>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(watch) = self.watch.upgrade() {
            watch.look(self.id);
        }
    }
}
