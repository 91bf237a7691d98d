//! What an operator reads off a pool: counts since its start, and what is in it now.

use std::fmt;

/// A snapshot of a pool's books. Taking one blocks no worker (`R702`).
///
/// No count ever falls, except those of what is in the pool now. `accepted` never counts a job that
/// is refused in the end, and is never less than the sum of the rest; once the pool is quiet it
/// equals the sum of the outcomes and of `unstarted`, exactly (`R701`). A swap changes none of
/// this, and shows in none of it.
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
/// pool.wait_idle();
/// let stats = pool.stats();
/// assert_eq!((stats.accepted, stats.completed, stats.failed), (2, 1, 1));
/// assert_eq!((stats.queued, stats.running), (0, 0));
/// println!("{stats}"); // a line for a log
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Jobs accepted since the start.
    pub accepted: u64,
    /// Jobs that returned `Ok`.
    pub completed: u64,
    /// Jobs that returned `Err`.
    pub failed: u64,
    /// Jobs that panicked.
    pub panicked: u64,
    /// Jobs cancelled before their start, or that gave up for it.
    pub cancelled: u64,
    /// Jobs whose deadline passed before their start, or that gave up for it.
    pub expired: u64,
    /// Jobs whose task was dropped unrun.
    pub abandoned: u64,
    /// Jobs that a shutdown did not start: abandoned, or handed back if the policy asked for it.
    pub unstarted: u64,
    /// Jobs accepted and not started: no more than the capacity, but for those that take no place.
    /// These are shares of broadcasts, jobs of [`after`](crate::ExecutorExt::after) that are due,
    /// children of jobs within very many others, on `async` children of futures; and, after the
    /// capacity was lowered, what was queued before.
    pub queued: u64,
    /// Jobs started and not over, suspended futures included. One whose end is on record while a
    /// hook or a destructor of its runs is in neither this nor `queued`, which may be too low by as
    /// many meanwhile.
    pub running: u64,
    /// Workers alive; after a swap also those of older backends that work or are about to leave.
    pub workers: usize,
    /// Hooks that panicked, which changed no outcome (`R304`).
    pub hook_panics: u64,
    /// Jobs taken over from another pool, which had accepted them. Zero for a pool that is swapped:
    /// it is one pool.
    pub adopted: u64,
    /// Jobs given to another pool, where they end. Zero for a pool that is swapped.
    pub handed_over: u64,
    /// Jobs that came back to their submitters as full. Each counts once, however often its
    /// submitter tried while it waited (`R1060`); one that is submitted again counts again.
    pub refused_full: u64,
    /// Jobs that came back as closed: the pool takes none any more, or a decorator turned them
    /// away. An input of a map that the closed pool did not take counts too, although nothing comes
    /// back of it.
    pub refused_closed: u64,
    /// How often the pool was swapped or reconfigured, as far as that is done (`R1062`). Zero for a
    /// pool that cannot be swapped.
    pub swaps: u64,
}

impl Stats {
    /// Returns how many jobs reached an outcome.
    ///
    /// The sum of the six outcomes: [`unstarted`](Self::unstarted) jobs, which a shutdown took out,
    /// are not among them.
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
    /// pool.wait_idle();
    /// assert_eq!(pool.stats().finished(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finished(&self) -> u64 {
        self.completed
            + self.failed
            + self.panicked
            + self.cancelled
            + self.expired
            + self.abandoned
    }

    /// Returns how many jobs came back to their submitters, for either reason.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.close();
    /// assert!(pool.spawn(|| 42).is_err());
    /// let stats = pool.stats();
    /// assert_eq!((stats.refused(), stats.refused_closed, stats.accepted), (1, 1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refused(&self) -> u64 {
        self.refused_full + self.refused_closed
    }

    /// Jobs that came out of the pool.
    ///
    /// Those that went to another pool are among them: they end there.
    fn out(&self) -> u64 {
        self.finished() + self.unstarted + self.handed_over
    }

    /// The sums of two generations of a pool that was swapped. Their hooks and their submitters are
    /// the same, and are counted together.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            accepted: self.accepted + other.accepted,
            completed: self.completed + other.completed,
            failed: self.failed + other.failed,
            panicked: self.panicked + other.panicked,
            cancelled: self.cancelled + other.cancelled,
            expired: self.expired + other.expired,
            abandoned: self.abandoned + other.abandoned,
            unstarted: self.unstarted + other.unstarted,
            queued: self.queued + other.queued,
            running: self.running + other.running,
            workers: self.workers + other.workers,
            hook_panics: self.hook_panics.max(other.hook_panics),
            adopted: self.adopted + other.adopted,
            handed_over: self.handed_over + other.handed_over,
            refused_full: self.refused_full.max(other.refused_full),
            refused_closed: self.refused_closed.max(other.refused_closed),
            swaps: self.swaps.max(other.swaps),
        }
    }
}

/// What [`Stats`] are made of: the counts of a pool, or their sums over the generations of a pool
/// that is swapped.
///
/// The counts are read one after the other while jobs go on, so they disagree a little. Only what
/// is done with their sums makes up for that, so sums come first.
///
/// [`of_one_pool`](Self::of_one_pool) and [`stats`](Self::stats) come last: they hide what the sums
/// need, and correct what they show.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// As they were read. `accepted` may be less than what has come out, and `queued` is not filled
    /// in.
    pub(crate) counts: Stats,
    /// Tasks that are queued beyond the bound.
    pub(crate) beyond_bound: u64,
}

impl Tally {
    /// The sums of two generations of a pool.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            counts: self.counts.plus(other.counts),
            beyond_bound: self.beyond_bound.saturating_add(other.beyond_bound),
        }
    }

    /// Whether more runs than is accepted and not over: a job may run before its submitter has
    /// counted it.
    pub(crate) fn runs_uncounted(&self) -> bool {
        let accepted = self.counts.accepted + self.counts.adopted;
        self.counts.running > accepted.saturating_sub(self.counts.out())
    }

    /// What remains of a generation that is over: all that it accepted has come out.
    ///
    /// The counts of what is in the pool are zero, so they do not grow forever with the
    /// generations.
    #[must_use]
    pub fn of_the_past(self) -> Self {
        let counts = self.counts;
        // A submitter may still be about to count a job that has ended.
        let accepted = counts.out().saturating_sub(counts.adopted);
        Self {
            counts: Stats {
                accepted: counts.accepted.max(accepted),
                queued: 0,
                running: 0,
                workers: 0,
                ..counts
            },
            beyond_bound: 0,
        }
    }

    /// The tally of a pool, from the sums over its generations: what went from one to the next is
    /// nobody else's matter.
    #[must_use]
    pub fn of_one_pool(self) -> Self {
        Self {
            counts: Stats {
                adopted: 0,
                handed_over: 0,
                ..self.counts
            },
            ..self
        }
    }

    /// The same, where that many tasks more may be beyond the bound.
    #[must_use]
    pub fn allowing(self, tasks: u64) -> Self {
        Self {
            beyond_bound: self.beyond_bound.saturating_add(tasks),
            ..self
        }
    }

    /// Tasks that are queued beyond the bound.
    pub fn beyond_bound(&self) -> u64 {
        self.beyond_bound
    }

    /// What an operator reads, of a pool that may have that many jobs queued in addition to those
    /// beyond the bound.
    ///
    /// `running` is cut to what is accepted and not over, and `queued` is the rest, up to the
    /// bound: so a reader never sees more jobs in the pool than were accepted. `None` as
    /// `capacity`: there is no bound.
    pub fn stats(self, capacity: Option<usize>) -> Stats {
        let counts = self.counts;
        let (finished, out) = (counts.finished(), counts.out());
        // A job that has ended before its submitter has counted it was accepted all the same.
        let accepted = counts.accepted.max(out.saturating_sub(counts.adopted));
        let unfinished = (accepted + counts.adopted).saturating_sub(out);
        let running = counts.running.min(unfinished);
        let capacity = capacity.and_then(|capacity| u64::try_from(capacity).ok());
        // What has left the queue and is noted nowhere else yet is just about to start.
        let most = capacity.map_or(u64::MAX, |most| most.saturating_add(self.beyond_bound));
        debug_assert!(finished <= accepted + counts.adopted);
        Stats {
            accepted,
            running,
            queued: (unfinished - running).min(most),
            ..counts
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} accepted: {} completed, {} failed, {} panicked, {} cancelled, {} expired, {} abandoned, \
             {} unstarted; {} queued, {} running on {} workers",
            self.accepted,
            self.completed,
            self.failed,
            self.panicked,
            self.cancelled,
            self.expired,
            self.abandoned,
            self.unstarted,
            self.queued,
            self.running,
            self.workers
        )?;
        match self.refused() {
            0 => Ok(()),
            refused => write!(
                f,
                "; {refused} refused: {} full, {} closed",
                self.refused_full, self.refused_closed
            ),
        }
    }
}
