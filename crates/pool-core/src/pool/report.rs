//! What a shutdown found: a report that balances, and names every job that it could not end.

use std::collections::HashSet;
use std::fmt;
use std::process::{ExitCode, Termination};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::job::id::JobId;
use crate::pool::running::{Printable, RunningJob};
use crate::pool::stats::{Stats, Tally};
use crate::sys::sync::{LockExt, Mutex};
use crate::task::Task;

/// A job that was accepted, and had not started when the shutdown took the queue out.
///
/// # Examples
///
/// ```
/// use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
///
/// # use pool_core::backend::SpawnPool;
/// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
/// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
/// let (release, held) = std::sync::mpsc::channel::<()>();
/// let blocker = pool.spawn(move || held.recv())?; // keeps the only worker
/// let queued = pool.submit(infallible_fn(|| 42).named("invoice"))?;
/// let report = pool.shutdown(ShutdownPolicy::now());
/// drop(release);
/// let names: Vec<_> = report.unstarted_jobs().iter().map(|job| job.name.as_deref()).collect();
/// assert!(names.contains(&Some("invoice")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnstartedJob {
    /// The job.
    pub id: JobId,
    /// Its name, if it has one.
    pub name: Option<Box<str>>,
}

impl UnstartedJob {
    /// The job of a task.
    pub(crate) fn of(task: &Task) -> Self {
        Self {
            id: task.id(),
            name: task.name().map(Box::from),
        }
    }
}

/// A job that did not come to its own end because of the shutdown.
///
/// Its text is the job's id, its name and what was done to it, for a log.
///
/// # Examples
///
/// ```
/// use pool_core::{Cut, ShutdownPolicy};
///
/// # use pool_core::backend::SpawnPool;
/// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
/// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
/// let (release, held) = std::sync::mpsc::channel::<()>();
/// let blocker = pool.spawn(move || held.recv())?; // keeps the only worker
/// let queued = pool.spawn(|| 42)?;
/// let report = pool.shutdown(ShutdownPolicy::now());
/// drop(release);
/// let cut = report.cut_short().iter().find(|job| job.id == queued.id());
/// assert_eq!(cut.map(|job| job.how), Some(Cut::Unstarted));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutShort {
    /// The job.
    pub id: JobId,
    /// Its name, if it has one.
    pub name: Option<Box<str>>,
    /// What the shutdown did to it.
    pub how: Cut,
}

/// How a shutdown cut a job short.
///
/// Each has a text for a log: `cancelled`, `not started` and `still running`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cut {
    /// It had started, and ended as cancelled because the grace was over, or because no worker was
    /// left; a future that slept was dropped.
    Cancelled,
    /// It did not start.
    Unstarted,
    /// It had started, and was given up.
    StillRunning,
}

impl CutShort {
    pub(crate) fn new(id: JobId, name: Option<Box<str>>, how: Cut) -> Self {
        Self { id, name, how }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled",
            Self::Unstarted => "not started",
            Self::StillRunning => "still running",
        })
    }
}

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " `{}`", Printable(name))?;
        }
        write!(f, ", {}", self.how)
    }
}

/// The counts and names of a report. It is made once, and shared by all reports of one pool; the
/// tasks that a report keeps lie apart from it, since the first caller takes them.
#[derive(Debug, Default)]
pub(crate) struct ReportBody {
    /// Jobs that the pool accepted, as the sum of where they are: so the report balances also where
    /// a submission had not been counted when it was made.
    pub(crate) accepted: u64,
    /// The counts, without the jobs that are among those still running.
    pub(crate) stats: Stats,
    /// Jobs that were taken out of the queue, by id and name.
    pub(crate) unstarted: Vec<UnstartedJob>,
    /// Jobs that the end of the pool has cancelled.
    pub(crate) cancelled: Vec<UnstartedJob>,
    /// Those on workers' stacks first, then those that sleep or run elsewhere.
    pub(crate) still_running: Vec<RunningJob>,
    /// All of those, named when somebody asks: they may be millions, and a shutdown keeps its
    /// limit.
    pub(crate) cut_short: OnceLock<Vec<CutShort>>,
    /// Workers that had not left when the report was made.
    pub(crate) threads_left: usize,
    /// From the first call of a shutdown to the report.
    pub(crate) took: Duration,
    /// The pool is the parent's, and everything else is zero or empty.
    pub(crate) is_forked: bool,
}

impl ReportBody {
    /// The cancelled, then the unstarted, then those still running; each job once.
    fn cut_short(&self) -> Vec<CutShort> {
        let cut = |how| move |job: &UnstartedJob| CutShort::new(job.id, job.name.clone(), how);
        let cancelled = self.cancelled.iter().map(cut(Cut::Cancelled));
        let unstarted = self.unstarted.iter().map(cut(Cut::Unstarted));
        // One whose end is noted may be among those that sleep, at the moment that it ends.
        let noted: HashSet<JobId> = self.cancelled.iter().map(|job| job.id).collect();
        let running = self.still_running.iter();
        let running = running
            .filter(|job| job.worker.is_some() || !noted.contains(&job.id))
            .map(|job| CutShort::new(job.id, job.name.clone(), Cut::StillRunning));
        cancelled.chain(unstarted).chain(running).collect()
    }
}

/// What became of every job that the pool accepted (`R605`). A clone is the same report.
///
/// `accepted` is the sum of the six outcomes, of `unstarted` and of the jobs still running.
///
/// | question | answer |
/// |---|---|
/// | Did every job complete? | [`all_completed`](Self::all_completed) |
/// | Did every job come to its own end, good or bad? | [`is_clean`](Self::is_clean) |
/// | Which jobs did this shutdown cut short? | [`cut_short`](Self::cut_short) |
/// | May the process exit? | [`is_safe_to_exit`](Self::is_safe_to_exit) |
/// | With which code? | [`exit_code`](Self::exit_code), and `main` may return the report |
///
/// The handles of jobs that did not start say `Abandoned`. With a policy that [hands
/// back](crate::ShutdownPolicy::hand_back), these jobs are in the report as tasks: submit them to
/// another pool ([`Executor::try_accept`](crate::Executor::try_accept)) and their handles resolve
/// there; drop the report and they resolve as `Abandoned` (`R606`).
///
/// # Examples
///
/// ```
/// use pool_core::job_fn;
///
/// # use pool_core::backend::SpawnPool;
/// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
/// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
/// pool.spawn(|| 42)?.detach();
/// pool.submit(job_fn(|_| Err::<(), _>("out of ink")))?.detach();
/// let report = pool.shutdown(std::time::Duration::from_secs(30));
/// assert_eq!((report.accepted(), report.completed(), report.failed()), (2, 1, 1));
/// println!("{report}"); // its last line says whether it is safe to exit
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ShutdownReport {
    /// Shared by all reports of one shutdown.
    body: Arc<ReportBody>,
    /// The unstarted jobs as tasks, for the first caller that takes them. The pool has them by a
    /// weak reference only, so they go with the last report.
    tasks: Arc<Mutex<Vec<Task>>>,
}

impl ShutdownReport {
    pub(crate) fn new(body: Arc<ReportBody>, tasks: Arc<Mutex<Vec<Task>>>) -> Self {
        Self { body, tasks }
    }

    /// The report in a forked child, of a pool that is its parent's: of nothing.
    pub(crate) fn forked() -> Self {
        let body = ReportBody {
            is_forked: true,
            ..ReportBody::default()
        };
        Self::new(Arc::new(body), Arc::default())
    }

    /// The report of a pool that was swapped: the sums over its generations, of which those of the
    /// `past` have no report.
    pub fn merged(reports: impl IntoIterator<Item = Self>, past: Tally) -> Self {
        let past = past.of_one_pool().counts;
        let mut reports: Vec<Self> = reports.into_iter().collect();
        if past == Stats::default() && reports.len() == 1 {
            return reports.remove(0);
        }
        let mut body = ReportBody {
            accepted: past.finished() + past.unstarted,
            stats: past,
            ..ReportBody::default()
        };
        let mut tasks = Vec::new();
        for report in reports {
            // Each job is accounted for where it ended, wherever it was accepted.
            body.accepted += report.body.accepted;
            body.stats = body.stats.plus(report.body.stats);
            body.still_running
                .extend(report.body.still_running.iter().cloned());
            body.unstarted.extend(report.body.unstarted.iter().cloned());
            body.cancelled.extend(report.body.cancelled.iter().cloned());
            body.threads_left += report.body.threads_left;
            // They began together.
            body.took = body.took.max(report.body.took);
            body.is_forked |= report.body.is_forked;
            tasks.append(&mut report.take_unstarted());
        }
        Self {
            body: Arc::new(body),
            tasks: Arc::new(Mutex::new(tasks)),
        }
    }

    /// Returns how many jobs were accepted since the start.
    ///
    /// A pool that was swapped counts those of all its backends.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.spawn(|| 42)?.detach();
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// assert!(pool.spawn(|| 43).is_err()); // refused, and so in no report
    /// assert_eq!(report.accepted(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn accepted(&self) -> u64 {
        self.body.accepted
    }

    /// Returns how many jobs returned `Ok`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.spawn(|| 42)?.detach();
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// assert_eq!(report.completed(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn completed(&self) -> u64 {
        self.body.stats.completed
    }

    /// Returns how many jobs returned `Err`.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::job_fn;
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.submit(job_fn(|_| "no number".parse::<u32>()))?.detach();
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// assert_eq!(report.failed(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn failed(&self) -> u64 {
        self.body.stats.failed
    }

    /// Returns how many jobs panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.spawn(|| panic!("out of ink"))?.detach();
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// assert_eq!((report.panicked(), report.is_clean()), (1, true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn panicked(&self) -> u64 {
        self.body.stats.panicked
    }

    /// Returns how many jobs were cancelled: before their start, or because they gave up when they
    /// were asked. Those that this shutdown cancelled are among them, and among
    /// [`cut_short`](Self::cut_short).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::{CancelToken, JobExt, infallible_fn};
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let token = CancelToken::new();
    /// token.cancel();
    /// pool.submit(infallible_fn(|| 42).with_token(&token))?.detach();
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// assert_eq!((report.cancelled(), report.cut_short().len()), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancelled(&self) -> u64 {
        self.body.stats.cancelled
    }

    /// Returns how many jobs had their deadline pass before their start, or gave up for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::{Interrupted, JobExt, job_fn};
    /// use std::time::Duration;
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let endless = job_fn(|ctx| -> Result<(), Interrupted> {
    ///     loop {
    ///         ctx.check()?;
    ///         std::thread::yield_now();
    ///     }
    /// });
    /// pool.submit(endless.with_timeout(Duration::from_millis(10)))?.detach();
    /// let report = pool.shutdown(Duration::from_secs(30));
    /// assert_eq!(report.expired(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expired(&self) -> u64 {
        self.body.stats.expired
    }

    /// Returns how many jobs had their task dropped unrun, as by an engine that ended before the
    /// pool. Those that a shutdown took out of the queue are [`unstarted`](Self::unstarted)
    /// instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::SpawnPool;
    ///
    /// let gone = |run: Box<dyn FnOnce() + Send>| drop(run); // a runtime that has shut down
    /// let pool = SpawnPool::builder().workers(1).adopt(gone).build()?;
    /// let lost = pool.spawn(|| 42)?;
    /// assert!(lost.join().is_err());
    /// let report = pool.shutdown(std::time::Duration::from_secs(1));
    /// assert_eq!((report.abandoned(), report.is_clean()), (1, false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abandoned(&self) -> u64 {
        self.body.stats.abandoned
    }

    /// Returns how many jobs were accepted and had not started when the queue was taken out, as
    /// tasks or abandoned.
    ///
    /// A job of this pool that still runs and joins one of them waits as anybody does: for the task
    /// that was handed back to run or to be dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::{JobError, ShutdownPolicy};
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let (release, held) = std::sync::mpsc::channel::<()>();
    /// let blocker = pool.spawn(move || held.recv())?; // keeps the only worker
    /// let queued = pool.spawn(|| 42)?;
    /// let report = pool.shutdown(ShutdownPolicy::now());
    /// drop(release);
    /// assert!(report.unstarted() >= 1);
    /// assert!(matches!(queued.join(), Err(JobError::Abandoned)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unstarted(&self) -> u64 {
        self.body.stats.unstarted
    }

    /// Returns the [`unstarted`](Self::unstarted) jobs by id and name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let report = pool.shutdown(std::time::Duration::from_secs(1));
    /// for job in report.unstarted_jobs() {
    ///     println!("{} did not start", job.id);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unstarted_jobs(&self) -> &[UnstartedJob] {
        &self.body.unstarted
    }

    /// Takes the unstarted jobs as tasks, in order where the queue had one.
    ///
    /// There are some only if the policy asked to have them [handed
    /// back](crate::ShutdownPolicy::hand_back), and the first call gets them.
    ///
    /// A handle of such a job stays pending until its task has run elsewhere or was dropped. So a
    /// thread that has the tasks, or the report, must not join one: it would wait for itself. And a
    /// pool whose workers all wait for such jobs cannot run them.
    ///
    /// No pool watches a task that lies here: its handle can cancel the job, but its token and its
    /// deadline end it only when it is submitted again.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::{Executor, ShutdownPolicy};
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let (release, held) = std::sync::mpsc::channel::<()>();
    /// let blocker = pool.spawn(move || held.recv())?; // keeps the only worker
    /// let queued = pool.spawn(|| 42)?;
    /// let report = pool.shutdown(ShutdownPolicy::now().hand_back());
    /// drop(release);
    ///
    /// let other = SpawnPool::builder().workers(1).adopt(spawner).build()?;
    /// for task in report.take_unstarted() {
    ///     assert!(other.try_accept(task).is_ok());
    /// }
    /// assert_eq!(queued.join()?, 42);
    /// assert!(report.take_unstarted().is_empty()); // the first call had them
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_unstarted(&self) -> Vec<Task> {
        std::mem::take(&mut *self.tasks.lock_unpoisoned())
    }

    /// Returns the jobs that this shutdown cut short: it cancelled them, did not start them, or
    /// gave them up. Futures that the pool cancelled since it had lost its last worker, or that
    /// ended with their runtime, are among them. A job that its handle, its token or its deadline
    /// ended is not among them, nor is one that failed or panicked.
    ///
    /// Made at the first call, and kept: there may be very many.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// for job in report.cut_short() {
    ///     eprintln!("{job}"); // `17 `invoice`, not started`
    /// }
    /// assert!(report.cut_short().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cut_short(&self) -> &[CutShort] {
        let cut_short = &self.body.cut_short;
        cut_short.get_or_init(|| self.body.cut_short())
    }

    /// Returns the jobs that started and were given up. One that had not started is among them, and
    /// not among the unstarted, if what it captured was being dropped when the report was made:
    /// that is code of the job's too.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let report = pool.shutdown(std::time::Duration::from_secs(1));
    /// for job in report.still_running() {
    ///     println!("{} has not returned", job.id);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn still_running(&self) -> &[RunningJob] {
        &self.body.still_running
    }

    /// Returns how many threads had not ended: those of the jobs still running, and any that was
    /// slow to leave.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// assert_eq!(report.threads_left(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn threads_left(&self) -> usize {
        self.body.threads_left
    }

    /// Returns how long the shutdown took, from its first call to the report.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// assert!(report.took() < std::time::Duration::from_secs(30));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn took(&self) -> Duration {
        self.body.took
    }

    /// Returns whether `accepted` is the sum of all the rest. It always is; for tests.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.spawn(|| 42)?.detach();
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// assert!(report.balances());
    /// assert_eq!((report.accepted(), report.completed()), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn balances(&self) -> bool {
        let ended = self.body.stats.finished() + self.unstarted();
        self.accepted() == ended + self.still_running().len() as u64
    }

    /// Returns whether this process was forked from the one that the pool is in. Then the report is
    /// of nothing: the jobs are the parent's, and none of them is run, cancelled or dropped here.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// assert!(!report.is_forked());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_forked(&self) -> bool {
        self.body.is_forked
    }

    /// Returns whether every accepted job ran and returned `Ok`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::job_fn;
    ///
    /// drop(pool.submit(job_fn(|_| Err::<(), _>("out of ink")))?);
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// assert!(!report.all_completed()); // one failed
    /// assert!(report.is_clean()); // each ran to its own end
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn all_completed(&self) -> bool {
        self.completed() == self.accepted()
    }

    /// Returns whether every accepted job came to its own end: it returned, panicked, was cancelled
    /// by its submitter or expired. Nothing was [cut short](Self::cut_short), and nothing was
    /// abandoned.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::ShutdownPolicy;
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let (release, held) = std::sync::mpsc::channel::<()>();
    /// let blocker = pool.spawn(move || held.recv())?; // keeps the only worker
    /// let queued = pool.spawn(|| 42)?;
    /// let report = pool.shutdown(ShutdownPolicy::now());
    /// drop(release);
    /// assert!(!report.is_clean()); // one did not start
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_clean(&self) -> bool {
        self.body.cancelled.is_empty()
            && self.unstarted() == 0
            && self.still_running().is_empty()
            && self.abandoned() == 0
    }

    /// Returns whether nothing of the pool ran any more when the report was made.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// if !report.is_safe_to_exit() {
    ///     eprintln!("{report}"); // names what still runs
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_safe_to_exit(&self) -> bool {
        self.still_running().is_empty() && self.threads_left() == 0
    }

    /// Returns what a process may exit with. `main` may return the report for the same effect. It
    /// says how things stood as the report was made: a report from a shutdown inside a job counts
    /// that job as one that still runs.
    ///
    /// | code | |
    /// |---|---|
    /// | 0 | every job completed |
    /// | 1 | every job came to its own end, and not all completed |
    /// | 2 | jobs were cut short or abandoned, and nothing runs any more |
    /// | 3 | something still runs |
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::job_fn;
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.submit(job_fn(|_| Err::<(), _>("out of ink")))?.detach();
    /// let report = pool.shutdown(std::time::Duration::from_secs(30));
    /// assert_eq!(report.exit_code(), 1); // to its own end, and no value
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exit_code(&self) -> u8 {
        if !self.is_safe_to_exit() {
            3
        } else if !self.is_clean() {
            2
        } else {
            u8::from(!self.all_completed())
        }
    }
}

impl Termination for ShutdownReport {
    /// See [`exit_code`](ShutdownReport::exit_code).
    fn report(self) -> ExitCode {
        ExitCode::from(self.exit_code())
    }
}

/// Jobs of one kind that a report's text names, at most.
const MAX_NAMED: usize = 64;

/// Writes a line for each job, up to a number, and how many more there are.
pub(crate) fn write_jobs(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    jobs: impl ExactSizeIterator<Item: fmt::Display>,
) -> fmt::Result {
    let more = jobs.len().saturating_sub(MAX_NAMED);
    for job in jobs.take(MAX_NAMED) {
        writeln!(f, "  {what}: {job}")?;
    }
    if more > 0 {
        writeln!(f, "  {what}: {more} more")?;
    }
    Ok(())
}

impl fmt::Display for ShutdownReport {
    /// For a log: the last line says whether it is safe to exit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_forked() {
            return write!(
                f,
                "shutdown in a forked child: the pool's threads and jobs are its parent's\n\
                 safe to exit: nothing of the pool runs in this process"
            );
        }
        let running = self.still_running().len();
        writeln!(
            f,
            "shutdown took {:.1?}: {} jobs accepted",
            self.took(),
            self.accepted()
        )?;
        writeln!(
            f,
            "  {} completed, {} failed, {} panicked, {} cancelled, {} expired, {} abandoned, {} unstarted, {running} still running",
            self.completed(),
            self.failed(),
            self.panicked(),
            self.cancelled(),
            self.expired(),
            self.abandoned(),
            self.unstarted(),
        )?;
        let ended = |cut: &&CutShort| cut.how != Cut::StillRunning;
        let cut_short: Vec<_> = self.cut_short().iter().filter(ended).collect();
        write_jobs(f, "cut short", cut_short.into_iter())?;
        write_jobs(f, "still running", self.still_running().iter())?;
        if !self.is_safe_to_exit() {
            let threads = self.threads_left();
            return write!(
                f,
                "NOT safe to exit: {running} jobs still running, {threads} threads left"
            );
        }
        match self.unstarted() {
            0 => write!(f, "safe to exit: every accepted job has ended"),
            count => write!(
                f,
                "safe to exit: nothing runs any more; {count} jobs did not start"
            ),
        }
    }
}

impl fmt::Debug for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownReport")
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
