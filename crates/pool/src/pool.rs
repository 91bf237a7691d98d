//! `Pool`: a worker pool on a backend chosen at run time, and changed under load.
//!
//! # Swap
//! A pool is a chain of **generations**, each a backend's pool; the newest takes jobs in. A swap builds the next one, retires the
//! newest (its intake ends, its queued jobs are taken out, its running ones go on), has the next adopt those jobs, in order,
//! and then publishes it. A submitter that meets a closed generation while a swap is under way waits for the publication, which
//! nothing can hold up but the moving of the queue; so what one thread submits stays in order. All generations share one line of
//! submitters waiting for room, so nobody who waits is left behind.
//!
//! Generations are kept as long as the pool: its report and its counts are of all of them. So a submission finds the newest by two
//! plain loads, and counts no reference.

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use pool_core::machine;
use pool_core::{
    BuildError, Capability, Executor, Held, Lifecycle, PoolConfig, Refused, Room, Shutdown,
    ShutdownPolicy, ShutdownReport, Stats, Task,
};

use crate::backend::Backend;
use crate::builder::Builder;
use crate::strategy::{self, Strategy};

/// A worker pool. A clone is the same pool; every method works through `&self`.
///
/// Dropping the last clone closes the pool and drains it without a limit (`R610`); [`shutdown`](Self::shutdown) is the way that
/// has a limit, and says what it did not finish.
///
/// In a process forked from this one (Linux, by the C library's `fork`) the pool is closed for ever: submissions come back as `Closed`, a
/// shutdown reports at once that the jobs are the parent's ([`ShutdownReport::is_forked`]), and a drop waits for nothing. A handle from
/// before the fork does not resolve there. A pool built in the child is as any other.
///
/// ```
/// use pool::Pool;
///
/// let pool = Pool::builder().workers(3).queue_capacity(100).build()?;
/// let answer = pool.spawn(|| 6 * 7)?;
/// assert_eq!(answer.join()?, 42);
/// let report = pool.shutdown(std::time::Duration::from_secs(30));
/// assert!(report.is_clean() && report.is_safe_to_exit());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    /// Oldest first; never empty, and only ever added to.
    generations: boxcar::Vec<Generation>,
    /// Which of them takes jobs in.
    newest: AtomicUsize,
    config: PoolConfig,
    room: Arc<Room>,
    /// The newest generation is closed, and the next not yet published.
    is_swapping: AtomicBool,
    /// Held by whoever changes the chain; true once the pool is closed.
    chain: Mutex<bool>,
}

struct Generation {
    backend: Backend,
    pool: Box<dyn Strategy>,
    /// Jobs that one generation handed over to the next: each was accepted twice.
    handed_over: u64,
}

impl Pool {
    /// Starts from the defaults.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn build(backend: Backend, mut config: PoolConfig) -> Result<Self, BuildError> {
        let room = Arc::new(Room::new());
        config.set_room(Arc::clone(&room));
        let first = Generation {
            backend,
            pool: strategy::build(backend, config.clone())?,
            handed_over: 0,
        };
        Ok(Self(Arc::new(Inner {
            generations: boxcar::vec![first],
            newest: AtomicUsize::new(0),
            config,
            room,
            is_swapping: AtomicBool::new(false),
            chain: Mutex::new(false),
        })))
    }

    /// The backend that takes jobs in now.
    pub fn backend(&self) -> Backend {
        self.newest().backend
    }

    /// Moves to another backend, under load: every accepted job runs exactly once and every handle resolves (`R902`).
    ///
    /// Returns once the new backend takes jobs in; jobs that run go on where they are. Waits for no job.
    ///
    /// # Errors
    /// The new backend could not be built, or the pool is closed. Nothing has changed then.
    pub fn swap(&self, backend: Backend) -> Result<(), BuildError> {
        if self.is_forked() {
            return Err(BuildError::Closed);
        }
        let is_closed = self.chain();
        if *is_closed {
            return Err(BuildError::Closed);
        }
        let next = strategy::build(backend, self.0.config.clone())?;
        let newest = self.newest();
        self.0.is_swapping.store(true, Ordering::SeqCst);
        let tasks = newest.pool.retire();
        let handed_over = newest.handed_over + tasks.len() as u64;
        let refused = next.adopt(tasks);
        debug_assert!(
            refused.is_empty(),
            "nobody else knows the next generation, so nobody closed it"
        );
        let next = self.0.generations.push(Generation {
            backend,
            pool: next,
            handed_over,
        });
        // ORDERING: SeqCst, with the reads of a submitter that was refused.
        self.0.newest.store(next, Ordering::SeqCst);
        self.0.is_swapping.store(false, Ordering::SeqCst);
        self.0.room.wake_all();
        Ok(())
    }

    /// Ends intake: every later submission is refused, and blocked submitters return with `Closed` (`R601`). Accepted jobs run.
    pub fn close(&self) {
        if self.is_forked() {
            return;
        }
        let mut is_closed = self.chain();
        *is_closed = true;
        self.newest().pool.close();
    }

    /// Drains, cancels, abandons, under one limit, and reports; see [`Shutdown::shutdown`].
    ///
    /// A [`Duration`](std::time::Duration) is the grace; cancelled jobs then have half a second, unless a [`ShutdownPolicy`] says
    /// otherwise.
    pub fn shutdown(&self, policy: impl Into<ShutdownPolicy>) -> ShutdownReport {
        let (policy, start) = (policy.into(), machine::now());
        self.close();
        let reports = self
            .all()
            .map(|pool| pool.shutdown(policy.after(machine::since(start))));
        self.merge(reports.collect())
    }

    /// [`shutdown`](Self::shutdown) for async callers: blocks no thread (`R612`).
    pub async fn shutdown_async(&self, policy: impl Into<ShutdownPolicy> + Send) -> ShutdownReport {
        let (policy, start) = (policy.into(), machine::now());
        self.close();
        let mut reports = Vec::new();
        for pool in self.all() {
            reports.push(
                pool.shutdown_async(policy.after(machine::since(start)))
                    .await,
            );
        }
        self.merge(reports)
    }

    /// What went through the pool, whatever the backend, and what is in it.
    pub fn stats(&self) -> Stats {
        let (newest, all) = self.newest_and_all();
        let sum = all.map(|pool| pool.stats());
        sum.fold(Stats::default(), Stats::plus)
            .without_handed_over(newest.handed_over)
    }

    pool_core::inherent_ways_in!();

    /// Tries again with the next generation, if there is one or will be.
    #[cold]
    fn try_next<'a>(
        &'a self,
        mut closed: &'a Generation,
        mut task: Task,
    ) -> Result<(), Refused<Task>> {
        loop {
            // ORDERING: SeqCst, against the swap's writes: a generation that refused was either retired, and then the
            // flag or the new pointer is seen, or it was closed with the pool.
            let is_swapping = self.0.is_swapping.load(Ordering::SeqCst);
            let newest = self.newest();
            if std::ptr::eq(closed, newest) && (!is_swapping || self.is_forked()) {
                return Err(Refused::Closed(task));
            }
            machine::yield_now();
            closed = self.newest();
            match closed.pool.try_execute(task) {
                Err(Refused::Closed(refused)) => task = refused,
                result => return result,
            }
        }
    }

    /// Whether this process is a forked child, in which nobody will ever publish, and the lock may stay taken for ever.
    #[cold]
    fn is_forked(&self) -> bool {
        let lives = self.newest().pool.lives();
        lives.iter().any(|life| life.is_forked())
    }

    fn chain(&self) -> MutexGuard<'_, bool> {
        machine::lock(&self.0.chain)
    }

    #[inline]
    fn newest(&self) -> &Generation {
        // ORDERING: SeqCst, see `try_execute`; on common processors it costs no more than Acquire.
        &self.0.generations[self.0.newest.load(Ordering::SeqCst)]
    }

    /// The newest generation, and every backend's pool up to it, oldest first.
    fn newest_and_all(&self) -> (&Generation, impl Iterator<Item = &dyn Strategy>) {
        let newest = self.0.newest.load(Ordering::SeqCst);
        let all = (0..=newest).map(|index| &*self.0.generations[index].pool);
        (&self.0.generations[newest], all)
    }

    fn all(&self) -> impl Iterator<Item = &dyn Strategy> {
        self.newest_and_all().1
    }

    fn merge(&self, reports: Vec<ShutdownReport>) -> ShutdownReport {
        ShutdownReport::merged(reports, self.newest().handed_over)
    }
}

impl Executor for Pool {
    fn try_execute(&self, task: Task) -> Result<(), Refused<Task>> {
        self.try_execute_held(Held::new(&mut MaybeUninit::uninit(), task))
    }

    #[inline]
    fn try_execute_held(&self, task: Held<'_>) -> Result<(), Refused<Task>> {
        let newest = self.newest();
        match newest.pool.try_execute_held(task) {
            Ok(()) => Ok(()),
            Err(Refused::Closed(task)) => self.try_next(newest, task),
            Err(full) => Err(full),
        }
    }

    fn room(&self) -> &Room {
        &self.0.room
    }

    fn capability(&self) -> Capability {
        self.newest().pool.capability()
    }

    fn stats(&self) -> Stats {
        Self::stats(self)
    }

    fn is_closed(&self) -> bool {
        let newest = self.newest();
        // ORDERING: SeqCst, against the swap's writes, as in `try_next`: one that is closed and stays the newest is closed with the pool.
        newest.pool.is_closed()
            && (!self.0.is_swapping.load(Ordering::SeqCst) || self.is_forked())
            && std::ptr::eq(newest, self.newest())
    }

    fn lives(&self) -> Vec<Arc<Lifecycle>> {
        self.all().flat_map(|pool| pool.lives()).collect()
    }
}

#[async_trait]
impl Shutdown for Pool {
    fn close(&self) {
        Self::close(self);
    }

    fn shutdown(&self, policy: ShutdownPolicy) -> ShutdownReport {
        Self::shutdown(self, policy)
    }

    async fn shutdown_async(&self, policy: ShutdownPolicy) -> ShutdownReport {
        Self::shutdown_async(self, policy).await
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("backend", &self.backend())
            .field("stats", &self.stats())
            .finish()
    }
}
