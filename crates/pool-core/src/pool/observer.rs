//! Observers: what a service sees of each job, for traces and metrics.
//!
//! # Who calls
//! Each call is made by the thread on which the thing happens: `submitted` by the submitter,
//! `enter` and `exit` by the one that runs the job or polls its future, `ended` by the one that
//! ends it, which may be a canceller, the pool's clock, or a shutdown. The submitter's thread also
//! tells what becomes of a submission that finds no room (`submit/refusals`). No lock is held. An
//! end is on record before it is told, except that of a future that a runtime hosts. The end of a
//! job that ran is told within the job's frame, and before its handle resolves. That of a job that
//! never ran may be told a moment later.
//!
//! An observer is user code: its panic is contained and counted, as that of a hook, and changes no
//! outcome (`R304`, `R1004`). In a forked child it is the parent's, and is not called.
//!
//! Jobs that a pool gives up are told of by the workers that drop what these captured
//! (`ToldLater`), since an observer that blocks must not hold up a shutdown.
//!
//! # What it costs
//! A pool without observers looks for them as a job is submitted, and before and after its run.
//! Clocks are read where an observer [`wants`](Observer::wants) times; then each job carries
//! the time of its submission among its options, which it would not have otherwise. Refusals and
//! waits for room are told of on paths that no job passes which finds room.

use std::fmt;
use std::ops::BitOr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::job::extensions::Extensions;
use crate::job::id::JobId;
use crate::job::outcome::Outcome;
use crate::job::{JobOptions, Terms};
use crate::pool::hooks::HookPanics;
use crate::pool::lifecycle::Lifecycle;
use crate::pool::stuck::{StuckAfter, StuckWatch};
use crate::submit::refusals::Refusal;
use crate::sys::machine;
use crate::task::Task;
use crate::worker::current_index;

/// Sees each job of a pool as it is submitted, runs and ends.
///
/// Every method does nothing by default. They are called on the threads that do the work, so they
/// should be quick, and must not wait for the pool. A panic is contained and counted in
/// [`Stats::hook_panics`](crate::Stats::hook_panics); it changes no outcome.
///
/// # What is promised
/// - Each accepted job has exactly one [`ended`](Self::ended), with its outcome, also one that was
///   cancelled in the queue, that its joiner ran, or that a shutdown gave up (`R1001`). A task that
///   a shutdown hands back has not ended: it has its end in the pool that accepts it next, and none
///   if nobody submits it again.
/// - Each [`enter`](Self::enter) has its [`exit`](Self::exit), on the same thread, and those of jobs
///   within each other are nested (`R1002`). A closure has one pair, and a future one for each
///   poll. A job that never ran has none.
/// - The end of a job that ran comes after its last `exit`, and before its handle resolves; except
///   that of a suspended future which a pool without workers gives up. Jobs that never ran may be
///   told of after their handles resolve, and after a shutdown has returned.
/// - A job that comes back to its submitter is told of once ([`refused`](Self::refused), `R1060`),
///   after its [`submitted`](Self::submitted), if it had one.
/// - In a forked child nothing is called for the jobs of the parent, nor for one that comes back
///   from its pool.
///
/// # Examples
/// ```
/// use pool_core::{JobEnd, JobInfo, Observer, Outcome};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Default)]
/// struct Panics(AtomicU64);
///
/// impl Observer for Panics {
///     fn ended(&self, _job: &JobInfo<'_>, end: &JobEnd<'_>) {
///         if end.outcome == Outcome::Panicked {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # use pool_core::backend::SpawnPool;
/// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
/// let panics = Arc::new(Panics::default());
/// let pool = SpawnPool::builder().workers(1).observe(Arc::clone(&panics)).adopt(spawner).build()?;
/// assert!(pool.spawn(|| panic!("out of ink"))?.join().is_err());
/// assert_eq!(panics.0.load(Ordering::Relaxed), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A job is about to be submitted: the options may be added to, for example by what
    /// [`with_extension`](JobOptions::with_extension) has the job carry.
    ///
    /// Called on the submitter's thread, after [`Job::options`](crate::Job::options) and before the
    /// job is a task. The pool may refuse the job after that. For a child, the options contain what
    /// it inherits. What is changed before a panic is undone. Not called for a half of [`JobContext::join`](crate::JobContext::join) that
    /// another worker takes, which carries what its job does, nor for a task that is handed back
    /// and submitted again.
    ///
    /// # Examples
    /// ```
    /// use pool_core::{JobOptions, Observer};
    ///
    /// struct Origin(std::thread::ThreadId);
    ///
    /// struct Origins;
    ///
    /// impl Observer for Origins {
    ///     fn submitted(&self, options: &mut JobOptions) {
    ///         let origin = Origin(std::thread::current().id());
    ///         *options = std::mem::take(options).with_extension(origin);
    ///     }
    /// }
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # use pool_core::{Interrupted, job_fn};
    /// let pool = SpawnPool::builder().workers(1).observe(Origins).adopt(spawner).build()?;
    /// let job = job_fn(|ctx| Ok::<_, Interrupted>(ctx.extension().map(|it: &Origin| it.0)));
    /// assert_eq!(pool.submit(job)?.join()?, Some(std::thread::current().id()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn submitted(&self, options: &mut JobOptions) {
        let _unchanged = options;
    }

    /// The job's closure is about to be called, or its future to be polled, on this thread.
    fn enter(&self, job: &JobInfo<'_>) {
        let _unused = job;
    }

    /// The closure, or the poll, has returned or panicked.
    fn exit(&self, job: &JobInfo<'_>) {
        let _unused = job;
    }

    /// The job has ended.
    fn ended(&self, job: &JobInfo<'_>, end: &JobEnd<'_>) {
        let _unused = (job, end);
    }

    /// A job comes back to its submitter, which the pool did not take in.
    ///
    /// Called once for each, as [`Stats::refused_full`](crate::Stats::refused_full) and
    /// [`refused_closed`](crate::Stats::refused_closed) count them (`R1060`), on the submitter's
    /// thread and before the job is back. It has no end in this pool. Of a job that was to run
    /// [later](crate::ExecutorExt::after) the id is one that nobody else sees.
    ///
    /// # Examples
    /// ```
    /// use pool_core::{JobInfo, Observer, Refusal};
    /// use std::sync::mpsc::{Sender, channel};
    ///
    /// struct Turned(Sender<Refusal>);
    ///
    /// impl Observer for Turned {
    ///     fn refused(&self, _job: &JobInfo<'_>, reason: Refusal) {
    ///         let _gone = self.0.send(reason);
    ///     }
    /// }
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let (send, reasons) = channel();
    /// let pool = SpawnPool::builder().workers(1).observe(Turned(send)).adopt(spawner).build()?;
    /// pool.close();
    /// assert!(pool.spawn(|| 42).is_err());
    /// assert_eq!(reasons.recv()?, Refusal::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn refused(&self, job: &JobInfo<'_>, reason: Refusal) {
        let _unused = (job, reason);
    }

    /// A submitter found no room, and has waited for a place: until its job was taken in, or is
    /// about to be [refused](Self::refused).
    ///
    /// Called once for each such submission, on the thread that submits or polls it, if an observer
    /// of the pool wants [`Wants::ROOM_WAITS`] (`R1061`). The job may have ended by then. Not
    /// called for a submission that found room at once or did not wait, for one that is dropped
    /// while it waits, for a child that runs in place, nor for a [map](crate::ExecutorExt::map),
    /// which waits for its outcomes at the same time.
    ///
    /// # Examples
    /// ```
    /// use pool_core::{Observer, Wants};
    /// use std::sync::mpsc::{Sender, channel};
    /// use std::time::Duration;
    ///
    /// struct Waits(Sender<Duration>);
    ///
    /// impl Observer for Waits {
    ///     fn waited_for_room(&self, waited: Duration) {
    ///         let _gone = self.0.send(waited);
    ///     }
    ///
    ///     fn wants(&self) -> Wants {
    ///         Wants::ROOM_WAITS
    ///     }
    /// }
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let (send, waits) = channel();
    /// let pool = SpawnPool::builder().workers(1).queue_capacity(1).observe(Waits(send));
    /// let pool = pool.adopt(spawner).build()?;
    /// # let (release, held) = channel::<()>();
    /// # let (start, started) = channel();
    /// # pool.spawn(move || (start.send(()), held.recv()))?.detach();
    /// # started.recv()?;
    /// pool.spawn(|| "fills the queue")?.detach();
    /// assert!(pool.spawn_timeout(|| 42, Duration::from_millis(5)).is_err());
    /// println!("waited for {:?}", waits.recv()?); // about 5 ms
    /// # drop(release);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn waited_for_room(&self, waited: Duration) {
        let _unused = waited;
    }

    /// Returns what the observer needs that costs something. Asked once, as the observer is
    /// added to a builder.
    ///
    /// The default is [`Wants::ENDS`]: no clock is read.
    fn wants(&self) -> Wants {
        Wants::ENDS
    }
}

/// An observer that several pools, or other code, share.
impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn submitted(&self, options: &mut JobOptions) {
        (**self).submitted(options);
    }

    fn enter(&self, job: &JobInfo<'_>) {
        (**self).enter(job);
    }

    fn exit(&self, job: &JobInfo<'_>) {
        (**self).exit(job);
    }

    fn ended(&self, job: &JobInfo<'_>, end: &JobEnd<'_>) {
        (**self).ended(job, end);
    }

    fn refused(&self, job: &JobInfo<'_>, reason: Refusal) {
        (**self).refused(job, reason);
    }

    fn waited_for_room(&self, waited: Duration) {
        (**self).waited_for_room(waited);
    }

    fn wants(&self) -> Wants {
        (**self).wants()
    }
}

/// What an observer needs of a pool, beyond its calls.
///
/// # Examples
/// ```
/// use pool_core::Wants;
///
/// assert!((Wants::ENDS | Wants::TIMES).contains(Wants::TIMES));
/// assert!(!Wants::ENDS.contains(Wants::TIMES));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants(u8);

impl Wants {
    /// The calls alone.
    pub const ENDS: Self = Self(0);
    /// How long each job waited and ran: [`JobEnd::waited`] and [`JobEnd::ran`]. Costs two or three
    /// looks at the clock for each job, and the memory of its options.
    pub const TIMES: Self = Self(1);
    /// For how long submitters wait for room: [`Observer::waited_for_room`]. Costs two looks at the
    /// clock for each submission that finds no room, and nothing for the others.
    pub const ROOM_WAITS: Self = Self(2);

    /// Returns whether these contain all of `other`.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Wants {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A job as an observer sees it. It borrows from the job, so what is to be kept is copied.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobInfo<'a> {
    /// The job.
    pub id: JobId,
    /// Its name, if it has one. Names may be those of single jobs: no label for a metric.
    pub name: Option<&'a str>,
    /// Its kind, which all jobs of a type share; see [`Job::kind`](crate::Job::kind).
    pub kind: &'static str,
    /// The index of the worker that runs it, or ends it. `None`: another thread ends the job, or
    /// polls a future.
    pub worker: Option<usize>,
    /// The name of the backend, as [`Capability::name`](crate::Capability::name).
    pub backend: &'static str,
    extensions: Extensions,
}

impl JobInfo<'_> {
    /// Returns the value of this type that the job carries, if it was given one; see
    /// [`JobOptions::with_extension`].
    pub fn extension<T: std::any::Any + Send + Sync>(&self) -> Option<&T> {
        self.extensions.get()
    }
}

/// How a job ended, as an observer sees it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct JobEnd<'a> {
    /// The outcome, as the handle gives it. Jobs that a shutdown gives up before they start are
    /// abandoned; its report counts them as unstarted.
    pub outcome: Outcome,
    /// The message of a panic, or what the error of a job that failed says, as far as that is
    /// known; see [`JobFailure::message`](crate::JobFailure::message).
    pub message: Option<&'a str>,
    /// The time from the submission to the start, or to the end of a job that never started. With
    /// [`Wants::TIMES`] alone, and for jobs that were submitted to a pool that is observed so; a
    /// half of [`JobContext::join`](crate::JobContext::join) has no times.
    ///
    /// What a submitter waited for a place in the queue is part of it.
    pub waited: Option<Duration>,
    /// The time from the start to the end, that of a future with all its suspensions. `None` as for
    /// [`waited`](Self::waited), and if the job never started.
    pub ran: Option<Duration>,
}

/// The observers as a configuration has them, in the order in which they were added.
#[derive(Clone)]
pub(crate) struct Attached {
    all: Vec<Arc<dyn Observer>>,
    /// What they want together.
    wants: Wants,
    pub(crate) stuck: Option<StuckAfter>,
}

impl Default for Attached {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            wants: Wants::ENDS,
            stuck: None,
        }
    }
}

impl Attached {
    pub(crate) fn add(&mut self, observer: Arc<dyn Observer>) {
        self.wants = self.wants | observer.wants();
        self.all.push(observer);
    }
}

/// The observers of one pool, or of all generations of one that is swapped.
pub(crate) struct Observers {
    attached: Attached,
    /// Watches for jobs that run for too long.
    stuck: Option<Arc<StuckWatch>>,
    panics: HookPanics,
}

impl Observers {
    /// `None`: nobody observes.
    pub(crate) fn new(attached: &Attached, panics: &HookPanics) -> Option<Arc<Self>> {
        let observers = || Self {
            attached: attached.clone(),
            stuck: attached.stuck.as_ref().map(|it| it.watch(panics.clone())),
            panics: panics.clone(),
        };
        let hears = !attached.all.is_empty() || attached.stuck.is_some();
        hears.then(|| Arc::new(observers()))
    }

    fn wants_times(&self) -> bool {
        self.attached.wants.contains(Wants::TIMES)
    }

    pub(crate) fn wants_room_waits(&self) -> bool {
        self.attached.wants.contains(Wants::ROOM_WAITS)
    }

    /// How many jobs the watch for stuck ones has told of that have not ended; `None`: nobody
    /// watches.
    pub(crate) fn stuck(&self) -> Option<usize> {
        self.stuck.as_deref().map(StuckWatch::count)
    }

    #[cold]
    pub(crate) fn refused(&self, job: &Observed<'_>, reason: Refusal) {
        if job.life.is_forked() {
            return;
        }
        let info = job.info();
        for observer in &self.attached.all {
            self.panics.contain(|| observer.refused(&info, reason));
        }
    }

    #[cold]
    pub(crate) fn waited_for_room(&self, waited: Duration) {
        for observer in &self.attached.all {
            self.panics.contain(|| observer.waited_for_room(waited));
        }
    }

    /// `is_detached`: nobody has a handle, and no job is the parent.
    #[cold]
    pub(crate) fn submitted(&self, options: &mut JobOptions, is_detached: bool) {
        let now = self.wants_times().then(machine::now);
        for observer in &self.attached.all {
            // For each: the one before may have put others in their place.
            options.note_detached(is_detached);
            let before = options.clone();
            if self
                .panics
                .contain(|| observer.submitted(options))
                .is_none()
            {
                // It may have taken them out to change them.
                *options = before;
            }
        }
        if let Some(now) = now {
            options.note_submitted(now);
        }
    }

    #[cold]
    pub(crate) fn enter(&self, job: &Observed<'_>) {
        if job.life.is_forked() {
            return;
        }
        if let Some(terms) = job.terms {
            terms.carried.note_started();
        }
        if let Some(stuck) = &self.stuck {
            stuck.enter(job);
        }
        let info = job.info();
        for observer in &self.attached.all {
            self.panics.contain(|| observer.enter(&info));
        }
    }

    /// In the opposite order, since what an observer enters may be nested in what the one before
    /// has.
    #[cold]
    pub(crate) fn exit(&self, job: &Observed<'_>) {
        if job.life.is_forked() {
            return;
        }
        let info = job.info();
        for observer in self.attached.all.iter().rev() {
            self.panics.contain(|| observer.exit(&info));
        }
    }

    #[cold]
    pub(crate) fn ended(&self, job: &Observed<'_>, outcome: Outcome, message: Option<&str>) {
        if !job.life.is_forked() {
            let times = Times::of(job.terms);
            self.tell(&job.info(), times, outcome, message);
            if let Some(stuck) = &self.stuck {
                stuck.ended(job.id, job.life);
            }
        }
    }

    fn tell(&self, info: &JobInfo<'_>, times: Times, outcome: Outcome, message: Option<&str>) {
        let (waited, ran) = if self.wants_times() {
            times.until_now()
        } else {
            (None, None)
        };
        let end = JobEnd {
            outcome,
            message,
            waited,
            ran,
        };
        for observer in self.attached.all.iter().rev() {
            self.panics.contain(|| observer.ended(info, &end));
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers")
            .field("count", &self.attached.all.len())
            .field("wants", &self.attached.wants)
            .finish_non_exhaustive()
    }
}

/// A job that is told of.
pub(crate) struct Observed<'a> {
    pub(crate) id: JobId,
    pub(crate) terms: Option<&'a Terms>,
    pub(crate) kind: &'static str,
    pub(crate) worker: Option<usize>,
    pub(crate) life: &'a Lifecycle,
}

impl<'a> Observed<'a> {
    /// The job of a task, on a thread that does not run it.
    pub(crate) fn task(task: &'a Task, life: &'a Lifecycle) -> Self {
        Self {
            id: task.id(),
            terms: task.terms(),
            kind: task.kind(),
            worker: current_index(life),
            life,
        }
    }

    pub(crate) fn name(&self) -> Option<&'a str> {
        self.terms?.name.as_deref()
    }

    fn info(&self) -> JobInfo<'a> {
        JobInfo {
            id: self.id,
            name: self.name(),
            kind: self.kind,
            worker: self.worker,
            backend: self.life.capability().name,
            extensions: Terms::values(self.terms),
        }
    }

    /// The same, to be told of when the job is gone.
    pub(crate) fn keep(&self) -> KeptJob {
        let info = self.info();
        KeptJob {
            name: info.name.map(Box::from),
            info: JobInfo { name: None, ..info },
            times: Times::of(self.terms),
        }
    }
}

/// A job that is told of after its end, when its cell may be gone. Its drop may run user code.
pub(crate) struct KeptJob {
    name: Option<Box<str>>,
    /// But for the name.
    info: JobInfo<'static>,
    times: Times,
}

impl KeptJob {
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Tells the observers of `life`, if it has any.
    pub(crate) fn ended(self, life: &Lifecycle, outcome: Outcome) {
        let observers = life.hooks.observers().filter(|_| !life.is_forked());
        if let Some(observers) = observers {
            let info = JobInfo {
                name: self.name.as_deref(),
                ..self.info
            };
            observers.tell(&info, self.times, outcome, None);
            if let Some(stuck) = &observers.stuck {
                stuck.ended(info.id, life);
            }
        }
    }
}

/// When a job was submitted and when it started, as far as that is known.
#[derive(Clone, Copy, Default)]
struct Times {
    submitted: Option<Instant>,
    started: Option<Instant>,
}

impl Times {
    fn of(terms: Option<&Terms>) -> Self {
        terms.map_or_else(Self::default, |terms| Self {
            submitted: terms.carried.submitted(),
            started: terms.carried.started(),
        })
    }

    /// How long the job waited, and how long it ran.
    fn until_now(self) -> (Option<Duration>, Option<Duration>) {
        let now = machine::now();
        let waited_until = self.started.unwrap_or(now);
        let waited = self
            .submitted
            .map(|at| waited_until.saturating_duration_since(at));
        let ran = self.started.map(|at| now.saturating_duration_since(at));
        (waited, ran)
    }
}
