//! `Snapshot`: a pool at a glance, for the person who is on call.
//!
//! It is put together from what may be read at any time: the frames and notes of running jobs
//! (`running`), the books, the phase, and how many workers sleep. These are read one after the
//! other while jobs go on, so they may differ by what happened in between. Nothing is locked that a
//! job can hold, nobody is waited for, and nothing of it exists before somebody asks.

use std::fmt;
use std::sync::Arc;

use crate::pool::lifecycle::{Lifecycle, Phase};
use crate::pool::observer::Observers;
use crate::pool::report::write_jobs;
use crate::pool::running::{Printable, Running, RunningJob};
use crate::pool::stats::Stats;
use crate::submit::executor::Executor;

/// What a pool does at this moment. By
/// [`ExecutorExt::snapshot`](crate::ExecutorExt::snapshot) (`R1022`).
///
/// A pool that was swapped shows the workers of its older backends as well, for as long as these
/// have jobs. Its parts are read one after the other while jobs go on. So
/// [`Stats::running`](crate::Stats::running) may differ from the jobs that are listed.
///
/// Its text is for a log at three in the morning: a first line that says how the pool is, then a
/// line for each worker that has a job, then one for each future that was suspended, then the
/// counts. Up to 64 lines of a kind are written, and how many more there are.
///
/// # Examples
///
/// ```
/// use pool_core::{ExecutorExt, JobExt, PoolPhase, infallible_fn};
/// use std::sync::mpsc;
///
/// # use pool_core::backend::SpawnPool;
/// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
/// # let pool = SpawnPool::builder().workers(2).queue_capacity(8).adopt(spawner).build()?;
/// let (release, held) = mpsc::channel::<()>();
/// let (start, started) = mpsc::channel();
/// let job = infallible_fn(move || {
///     let _gone = start.send(());
///     held.recv()
/// });
/// let handle = pool.submit(job.named("invoice-17"))?;
/// started.recv()?;
///
/// let snapshot = pool.snapshot();
/// assert_eq!((snapshot.phase, snapshot.idle_workers()), (PoolPhase::Open, 1));
/// let busy: Vec<_> = snapshot.running().map(|job| job.id).collect();
/// assert_eq!(busy, [handle.id()]);
/// assert!(snapshot.to_string().contains("`invoice-17`"));
/// # drop(release);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// The name of the backend that takes jobs in: `"work-stealing"`.
    pub backend: &'static str,
    /// Where the pool is in its life. Of a pool that was swapped, that of the backend that has come
    /// least far: one that takes jobs in, if there is one.
    pub phase: Phase,
    /// Whether queued jobs are held back by a [`pause`](crate::backend::WorkerPool::pause).
    pub is_paused: bool,
    /// The most jobs that are accepted and not started; `None`: there is no bound.
    pub capacity: Option<usize>,
    /// The counts: jobs queued and running now, how jobs have ended, hooks that panicked.
    pub stats: Stats,
    /// The workers that have not left, by index, and those of older backends first.
    pub workers: Vec<WorkerSnapshot>,
    /// How many workers sleep. One that neither sleeps nor has a job looks for one, or polls a
    /// future that was [suspended](Self::suspended) before.
    pub asleep: usize,
    /// The jobs that have started and have no worker's place: futures that were suspended, also
    /// those that a worker polls again at this moment.
    pub suspended: Vec<RunningJob>,
    /// How many jobs run for longer than the limit of
    /// [`stuck_after`](crate::backend::PoolBuilder::stuck_after), as that tells of them: those that
    /// it has told of and that have not ended (`R1063`). `None`: the pool does not watch for them,
    /// or this is a forked child.
    pub stuck: Option<usize>,
}

/// A worker of a pool, and what it runs.
///
/// # Examples
///
/// ```
/// use pool_core::ExecutorExt;
///
/// # use pool_core::backend::SpawnPool;
/// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
/// # let pool = SpawnPool::builder().workers(2).queue_capacity(8).adopt(spawner).build()?;
/// for worker in &pool.snapshot().workers {
///     println!("{worker}"); // worker 0: idle
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerSnapshot {
    /// The worker's index, from 0.
    pub index: usize,
    /// The name of its backend. After a swap two workers may have the same index.
    pub backend: &'static str,
    /// What it runs: the job that it took, then the jobs that run in place within that one, the
    /// innermost last. Empty: it is idle.
    ///
    /// A job that has ended is here for as long as a hook, a destructor or a waker of its runs, and
    /// is marked as [ending](RunningJob::is_ending).
    pub jobs: Vec<RunningJob>,
}

impl Snapshot {
    /// Looks at the pools behind an executor.
    pub(crate) fn of<E: Executor + ?Sized>(executor: &E) -> Self {
        let pools = executor.pools();
        let capability = executor.capability();
        let mut workers = Vec::new();
        let mut suspended = Vec::new();
        for life in pools.lives() {
            let running = Running::of(life);
            suspended.extend(running.suspended);
            workers.extend(workers_of(life, running.on_workers));
        }
        Self {
            backend: capability.name,
            is_paused: pools.lives().iter().any(|life| life.phase.is_paused()),
            phase: phase_of(executor, pools.lives()),
            capacity: capability.capacity,
            stats: executor.stats(),
            workers,
            asleep: asleep(pools.lives()),
            suspended,
            stuck: stuck(executor, pools.lives()),
        }
    }

    /// Returns the jobs that run and are not [ending](RunningJob::is_ending): those on workers, then
    /// those that are suspended. What [`ExecutorExt::running`](crate::ExecutorExt::running)
    /// lists.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::ExecutorExt;
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(2).queue_capacity(8).adopt(spawner).build()?;
    /// pool.spawn(|| 42)?.join()?;
    /// assert_eq!(pool.snapshot().running().count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn running(&self) -> impl Iterator<Item = &RunningJob> {
        let on_workers = self.workers.iter().flat_map(|worker| &worker.jobs);
        on_workers
            .chain(&self.suspended)
            .filter(|job| !job.is_ending)
    }

    /// Returns how many workers have no job.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::ExecutorExt;
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(2).queue_capacity(8).adopt(spawner).build()?;
    /// pool.wait_idle();
    /// assert_eq!(pool.snapshot().idle_workers(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn idle_workers(&self) -> usize {
        let idle = self.workers.iter().filter(|worker| worker.is_idle());
        idle.count()
    }
}

impl WorkerSnapshot {
    /// Returns whether the worker has no job: it sleeps, looks for one, or polls a future that was
    /// suspended before.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::ExecutorExt;
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(2).queue_capacity(8).adopt(spawner).build()?;
    /// assert!(pool.snapshot().workers.iter().all(|worker| worker.is_idle()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }
}

/// The workers of one pool that have not left, with their jobs.
fn workers_of(
    life: &Lifecycle,
    on_workers: Vec<Vec<RunningJob>>,
) -> impl Iterator<Item = WorkerSnapshot> {
    let all = on_workers.into_iter().enumerate();
    let have_stayed = all.filter(|(index, jobs)| !jobs.is_empty() || !life.roster.has_left(*index));
    have_stayed.map(|(index, jobs)| WorkerSnapshot {
        index,
        backend: life.capability().name,
        jobs,
    })
}

/// How many workers of these pools sleep.
fn asleep(lives: &[Arc<Lifecycle>]) -> usize {
    let alive = lives.iter().filter(|life| !life.is_forked());
    alive.map(|life| life.roster.sleep.asleep()).sum()
}

/// How many jobs are stuck; all of these pools have one watch.
fn stuck<E: Executor + ?Sized>(executor: &E, lives: &[Arc<Lifecycle>]) -> Option<usize> {
    let is_forked = lives.iter().any(|life| life.is_forked());
    let observers = executor.room().observers().filter(|_| !is_forked);
    observers.and_then(Observers::stuck)
}

/// Where the pools behind an executor are in their life, as one.
fn phase_of<E: Executor + ?Sized>(executor: &E, lives: &[Arc<Lifecycle>]) -> Phase {
    if lives.iter().any(|life| life.is_forked()) {
        return Phase::Forked;
    }
    let least = lives.iter().map(|life| life.phase.load()).min();
    least.unwrap_or_else(|| {
        if executor.is_closed() {
            Phase::Stopped
        } else {
            Phase::Open
        }
    })
}

impl fmt::Display for WorkerSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}: ", self.index)?;
        if self.is_idle() {
            return f.write_str("idle");
        }
        for (depth, job) in self.jobs.iter().enumerate() {
            if depth > 0 {
                f.write_str(", and within it ")?;
            }
            write!(f, "{}", Brief(job))?;
        }
        Ok(())
    }
}

/// A job without its worker, which the line has named.
struct Brief<'a>(&'a RunningJob);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = self.0;
        write!(f, "{}", job.id)?;
        if let Some(name) = &job.name {
            write!(f, " `{}`", Printable(name))?;
        }
        write!(f, " for {:.1?}", job.running_for)?;
        if job.is_ending {
            f.write_str(" (ended but for a hook, a destructor or a waker)")?;
        }
        Ok(())
    }
}

/// A busy worker in the text of a snapshot.
struct Line<'a> {
    worker: &'a WorkerSnapshot,
    /// The backend that takes jobs in: another one is named.
    newest: &'static str,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.worker.backend != self.newest {
            write!(f, "{} ", self.worker.backend)?;
        }
        write!(f, "{}", self.worker)
    }
}

impl fmt::Display for Snapshot {
    /// For a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.workers.len();
        write!(
            f,
            "pool on {}, {}{}: {} of {all} workers have a job, {} sleep; {} queued",
            self.backend,
            self.phase,
            if self.is_paused { ", paused" } else { "" },
            all - self.idle_workers(),
            self.asleep,
            self.stats.queued,
        )?;
        if let Some(capacity) = self.capacity {
            write!(f, " of {capacity}")?;
        }
        match self.suspended.len() {
            1 => write!(f, ", 1 future suspended")?,
            several => write!(f, ", {several} futures suspended")?,
        }
        if let Some(stuck @ 1..) = self.stuck {
            write!(f, ", {stuck} stuck")?;
        }
        writeln!(f)?;
        let busy = self.workers.iter().filter(|worker| !worker.is_idle());
        let newest = self.backend;
        let lines: Vec<_> = busy.map(|worker| Line { worker, newest }).collect();
        write_jobs(f, "busy", lines.into_iter())?;
        write_jobs(f, "suspended", self.suspended.iter().map(Brief))?;
        write!(f, "  {}", self.stats)?;
        match self.stats.hook_panics {
            0 => Ok(()),
            panics => write!(f, "; {panics} hooks panicked"),
        }
    }
}
