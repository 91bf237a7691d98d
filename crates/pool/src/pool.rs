//! `Pool`: a worker pool on a backend chosen at run time, and changed under load.
//!
//! # Swap
//! A pool is a chain of **generations**, each a backend's pool; the newest takes jobs in. A swap
//! builds the next one, retires the newest (its intake ends, and its queued jobs are taken out;
//! running ones go on), has the next adopt those jobs, in order, and then publishes it. It is in
//! the list of generations from before the first job moves, so a job is in the books of a listed
//! one at each moment. A submitter that meets a closed generation while a swap is under way waits
//! for the publication, which nothing can hold up but the moving of the queue; so what one thread
//! submits stays in order. All generations share one line of submitters waiting for room, so no
//! submitter that waits is left behind. A job of an old generation submits its children here, as
//! everybody does, and they go to the newest.
//!
//! How the next generation is built, and from which configuration: see `succession`. A pool that is
//! paused has each of its generations paused: see `pausing`.
//!
//! # What becomes of an old generation
//! It is kept until its last job is over. Then its workers end by themselves, and the last of them
//! says so: the counts of the generation are added to those of the **past**, and it is let go. So a
//! pool has as many generations as have work, however many swaps there were. Nothing waits for the
//! threads that leave; what they ran on goes with the last of them.
//!
//! # Who may still have it
//! A submission finds the newest generation without a count or a lock ([`Published`]), so one may
//! be inside a generation that was just let go. It is dropped once nobody is. That is looked after
//! as a generation ends, at each swap, and by each call of `stats`: a submission may be held up by
//! what it wakes, and a swap may be made within one.
//!
//! # The books
//! The list of generations and the past are behind a lock that is held for a look at the counts, or
//! for a change of the list, and never while a backend is built, a queue is moved or user code
//! runs. A job that moves stays in the count of the generation that accepted it, and ends in that
//! of another. So the sums show nothing of a swap, at no moment.
//!
//! In a forked child the lock may stay taken forever. The child asks the newest generation whether
//! it was forked, and takes no lock then.

mod broadcasting;
mod pausing;
mod submit_methods;
mod succession;

use std::fmt;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use pool_core::backend::{Lifecycle, PoolConfig, TaskRef};
use pool_core::machine;
use pool_core::swap::{self, Front, FrontRef, Published, Tally};
use pool_core::{
    BuildError, Capability, Executor, ExecutorExt, Pools, Refused, Room, RunningJob, Shutdown,
    ShutdownPolicy, ShutdownReport, Snapshot, Stats, Task,
};

use crate::adopted::AdoptedEngines;
use crate::builder::Builder;
use crate::choice::Backend;
use crate::strategy::{self, Strategy};

/// A worker pool. A clone is the same pool; every method works through `&self`.
///
/// Dropping the last clone closes the pool and drains it without a limit (`R610`);
/// [`shutdown`](Self::shutdown) is the way that has a limit, and says what it did not finish.
///
/// In a process forked from this one (Linux, by the C library's `fork`) the pool is closed forever:
/// submissions come back as `Closed`, a shutdown reports at once that the jobs are the
/// parent's ([`ShutdownReport::is_forked`]), and a drop waits for nothing. A handle from before the
/// fork does not resolve there. A pool built in the child is as any other.
///
/// # Examples
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
pub struct Pool {
    inner: Arc<Inner>,
    /// Dropped with the last clone.
    _end: Arc<End>,
}

/// Ends the pool with its last handle. Jobs that submit children hold the rest, for a moment, and
/// not this.
struct End(Arc<Inner>);

/// What a pool's clones share, and what its generations see of it as their [`Front`]. It owns the
/// generations; they have a weak reference to it.
struct Inner {
    /// The generation that takes jobs in: read without a lock for each submission.
    newest: Published<Generation>,
    /// The caller's engines, for swaps to their backends.
    adopted: AdoptedEngines,
    /// The line of submitters, which all generations share.
    room: Arc<Room>,
    /// Leads the generations to this.
    front: FrontRef,
    /// The newest generation is closed, and the next not yet published.
    is_swapping: AtomicBool,
    /// How many of the jobs that a swap is moving may be beyond the capacity: while they are in
    /// neither queue, no queue counts them as that.
    moving_beyond: AtomicU64,
    /// Held by the thread that changes the chain, for a few steps and while the queue moves.
    chain: Mutex<Chain>,
    books: Mutex<Books>,
}

/// What decides about the next generation. No user code runs while it is locked.
struct Chain {
    /// No generation follows any more.
    is_closed: bool,
    /// Each generation is paused, those that follow too.
    is_paused: bool,
    /// What the next generation is built from, as users set it: it has no room and no front.
    config: PoolConfig,
    /// How often that was changed.
    changes: u64,
}

/// A backend's pool, and its place in the chain.
struct Generation {
    /// How many came before.
    number: u64,
    backend: Backend,
    /// Dropped with the generation, which waits for no job: it has stopped by then.
    pool: Box<dyn Strategy>,
}

/// Behind a lock that is held for a few steps, and never while user code runs.
#[derive(Default)]
struct Books {
    /// Oldest first, the newest last.
    alive: Vec<Arc<Generation>>,
    /// The sums over all others.
    past: Tally,
    /// The bound of the newest.
    capacity: usize,
    /// The generations and the past as the first shutdown found them: every other one reports of
    /// the same.
    at_the_end: Option<(Vec<Arc<Generation>>, Tally)>,
}

impl Pool {
    /// Starts from the defaults.
    ///
    /// As many workers as the system grants in parallel, a queue of
    /// [`DEFAULT_CAPACITY`](crate::DEFAULT_CAPACITY), and the backend that the environment or the
    /// features choose.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    ///
    /// let pool = Pool::builder().workers(4).queue_capacity(256).thread_name("reports").build()?;
    /// let name = pool.spawn(|| std::thread::current().name().map(str::to_owned))?.join()?;
    /// assert!(name.is_some_and(|name| name.starts_with("reports-")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Builds the first generation and the pool around it. The front is set before anybody has the
    /// pool, so no job meets a generation without one.
    pub(crate) fn build(
        backend: Backend,
        config: PoolConfig,
        adopted: AdoptedEngines,
    ) -> Result<Self, BuildError> {
        let (room, front) = (Arc::new(Room::new()), FrontRef::new());
        let own = succession::as_generation(&config, &room, &front);
        let first = Arc::new(Generation {
            number: 0,
            backend,
            pool: strategy::build(backend, own, &adopted)?,
        });
        let books = Books {
            alive: vec![Arc::clone(&first)],
            capacity: config.capacity(),
            ..Books::default()
        };
        let inner = Arc::new(Inner {
            newest: Published::new(first),
            adopted,
            room,
            front,
            is_swapping: AtomicBool::new(false),
            moving_beyond: AtomicU64::new(0),
            chain: Mutex::new(Chain {
                is_closed: false,
                is_paused: false,
                config,
                changes: 0,
            }),
            books: Mutex::new(books),
        });
        let weak = Arc::downgrade(&inner);
        inner.front.set(weak);
        Ok(Self {
            _end: Arc::new(End(Arc::clone(&inner))),
            inner,
        })
    }

    /// Returns the backend that takes jobs in now.
    ///
    /// During a swap it is the old one up to the moment that the new one takes jobs in.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{Backend, Pool};
    ///
    /// let pool = Pool::builder().backend(Backend::Channel).workers(1).build()?;
    /// assert_eq!(pool.backend(), Backend::Channel);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backend(&self) -> Backend {
        self.inner.newest.read(|newest| newest.backend)
    }

    /// Moves to another backend, under load: every accepted job runs exactly once and every handle
    /// resolves (`R902`).
    ///
    /// Returns once the new backend takes jobs in; jobs that run go on where they are, and their
    /// children go to the new backend. Waits for no job. Once the last of those jobs is over,
    /// nothing of the old backend is left: no thread, no runtime, no memory (`R903`).
    ///
    /// **A queued future that needs tokio's timers or sockets panics where it runs next, if that is
    /// not on `async`**: swap such a pool while it has none queued.
    ///
    /// Between backends a job is waited for as if it were another pool's. So if all workers of the
    /// new backend wait for jobs of the old one, and one of those for its child, which is queued on
    /// the new one, all wait forever. Jobs that wait for nothing but their own children cannot
    /// deadlock this way.
    ///
    /// Until the jobs of the old backend are over, more jobs than [`workers`](Builder::workers) may
    /// run at once: those, and as many on the new backend. What limits connections or memory by the
    /// number of workers has to allow for that.
    ///
    /// # Errors
    /// The new backend could not be built, the pool is closed, or this is called by the closure of
    /// a [`reconfigure`](Self::reconfigure) of the pool. Nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{Backend, BuildError, Pool};
    ///
    /// let pool = Pool::builder().backend(Backend::Channel).workers(2).build()?;
    /// let before = pool.spawn(|| 6 * 7)?;
    /// pool.swap(Backend::WorkStealing)?;
    /// assert_eq!(pool.backend(), Backend::WorkStealing);
    /// assert_eq!(before.join()?, 42); // wherever it ran
    /// pool.close();
    /// assert!(matches!(pool.swap(Backend::Channel), Err(BuildError::Closed)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn swap(&self, backend: Backend) -> Result<(), BuildError> {
        self.inner.swap(backend)
    }

    /// Ends intake: every later submission is refused, and blocked submitters return with `Closed`
    /// (`R601`). Accepted jobs run.
    ///
    /// Waits for no job, and may be called more than once, also within a job or a hook. A swap that
    /// has built its backend comes to its end first; one that builds it finds the pool closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let early = pool.spawn(|| 42)?;
    /// pool.close();
    /// assert!(pool.spawn(|| 43).is_err_and(|refused| refused.is_closed()));
    /// assert_eq!(early.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        if !self.inner.is_forked() {
            self.inner.close();
        }
    }

    /// Drains, cancels and abandons, under one limit, and reports; see [`Shutdown::shutdown`].
    ///
    /// A [`Duration`](std::time::Duration) is the limit of the whole: see
    /// [`ShutdownPolicy::within`].
    ///
    /// A pool that was swapped ends all its backends under that one limit, and the report is of all
    /// of them.
    ///
    /// There is one report for all callers. If a job of the pool shuts it down too, and is first,
    /// the report names that job as running and says that it is not safe to exit, since it was made
    /// within it: let a job ask for the stop, by a token or a channel, and one thread outside do
    /// it.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{Pool, job_fn};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// pool.spawn(|| 42)?.detach();
    /// pool.submit(job_fn(|_| Err::<(), _>("out of ink")))?.detach();
    /// let report = pool.shutdown(Duration::from_secs(30));
    /// assert_eq!((report.completed(), report.failed()), (1, 1));
    /// assert!(report.is_safe_to_exit());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(&self, policy: impl Into<ShutdownPolicy>) -> ShutdownReport {
        let policy = policy.into();
        self.close();
        let Some((generations, past)) = self.inner.at_the_end() else {
            return self.report_forked(policy);
        };
        let parts = pools_of(&generations);
        swap::end_as_one_blocking(swap::lives(&parts), policy, || {
            end_pauses_of(&generations);
            let generations = generations.iter();
            ShutdownReport::merged(generations.map(|it| it.pool.shutdown(policy)), past)
        })
    }

    /// Shuts the pool down as [`shutdown`](Self::shutdown) does, and blocks no thread (`R612`).
    ///
    /// Dropped before it is ready, the pool stays closed and the shutdown half done: see
    /// [`Shutdown::shutdown_async`].
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    /// use std::time::Duration;
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// pool.spawn(|| 42)?.detach();
    /// let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// let report = runtime.block_on(pool.shutdown_async(Duration::from_secs(30)));
    /// assert_eq!(report.completed(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn shutdown_async(&self, policy: impl Into<ShutdownPolicy> + Send) -> ShutdownReport {
        let policy = policy.into();
        self.close();
        let Some((generations, past)) = self.inner.at_the_end() else {
            return self.report_forked(policy);
        };
        let parts = pools_of(&generations);
        let ends = async {
            end_pauses_of(&generations);
            let mut reports = Vec::new();
            for generation in &generations {
                reports.push(generation.pool.shutdown_async(policy).await);
            }
            ShutdownReport::merged(reports, past)
        };
        swap::end_as_one(swap::lives(&parts), policy, ends).await
    }

    /// Returns what went through the pool, whatever the backend, and what is in it.
    ///
    /// Blocks no worker (`R702`), and shows nothing of a swap.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// pool.spawn(|| 42)?.detach();
    /// pool.wait_idle();
    /// assert_eq!((pool.stats().accepted, pool.stats().completed), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        Executor::stats(&*self.inner)
    }

    /// Returns the jobs that run now: which, on which worker, and for how long (`R1020`).
    ///
    /// Jobs on workers come first, worker by worker. Of a job and the one that it runs in place, as
    /// a child that it joins, the outer one comes first. Then come futures that were suspended,
    /// which have no worker, also while one polls them again. A pool that was swapped lists the
    /// jobs of its older backends as well.
    ///
    /// A job that has ended is not listed, although a hook, a destructor or a waker of its may
    /// still keep its worker: a [`snapshot`](Self::snapshot) shows those too. Each job that is
    /// listed ran at some moment of the call. [`RunningJob::running_for`] says how exact the time
    /// is.
    ///
    /// Waits for no job, and holds up no worker (`R1021`), so it may be called at any time, also
    /// within a job or a hook. In a forked child the list is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{JobExt, Pool, infallible_fn};
    /// use std::sync::mpsc;
    ///
    /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
    /// let (release, held) = mpsc::channel::<()>();
    /// let (start, started) = mpsc::channel();
    /// let job = infallible_fn(move || {
    ///     let _gone = start.send(());
    ///     held.recv()
    /// });
    /// let handle = pool.submit(job.named("invoice-17"))?;
    /// started.recv()?;
    /// let running = pool.running();
    /// assert_eq!((running[0].id, running[0].worker), (handle.id(), Some(0)));
    /// println!("{}", running[0]); // #1 `invoice-17` on worker 0, running for 8.4µs
    ///
    /// drop(release);
    /// assert!(handle.join()?.is_err());
    /// assert!(pool.running().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn running(&self) -> Vec<RunningJob> {
        ExecutorExt::running(&*self.inner)
    }

    /// Returns what the pool does now, with a text for a log: its workers and what each runs, the
    /// queue, the counts, and where the pool is in its life (`R1022`).
    ///
    /// Waits for no job, and holds up no worker (`R1021`), as [`running`](Self::running) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{Pool, PoolPhase};
    ///
    /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
    /// let snapshot = pool.snapshot();
    /// assert_eq!((snapshot.phase, snapshot.workers.len()), (PoolPhase::Open, 1));
    /// println!("{snapshot}"); // pool on …, open: 0 of 1 workers have a job, 1 sleep; 0 queued …
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        ExecutorExt::snapshot(&*self.inner)
    }

    /// The report in a forked child, which waits for nothing.
    #[cold]
    fn report_forked(&self, policy: ShutdownPolicy) -> ShutdownReport {
        self.inner
            .newest
            .read(|newest| newest.pool.shutdown(policy))
    }
}

impl Inner {
    /// Closes the chain, so no swap adds a generation any more, and then the newest generation.
    /// Older ones are closed since they were retired.
    fn close(&self) {
        let newest = {
            let mut chain = self.chain();
            chain.is_closed = true;
            self.last()
        };
        // It wakes the submitters that wait for room: user code, which may close the pool as well.
        newest.pool.close();
    }

    /// Tries again with the next generation, if there is one or will be.
    #[cold]
    fn try_next(&self, mut closed: u64, mut task: Task) -> Result<(), Refused<Task>> {
        loop {
            if self.is_last(closed) {
                return Err(Refused::Closed(task));
            }
            machine::yield_now();
            let (tried, result) = self
                .newest
                .read(|newest| (newest.number, newest.pool.try_accept(task)));
            match result {
                Err(Refused::Closed(refused)) => (closed, task) = (tried, refused),
                result => return result,
            }
        }
    }

    /// Whether no generation comes after one that is closed.
    #[cold]
    fn is_last(&self, closed: u64) -> bool {
        // ORDERING: SeqCst, against the swap's writes: a generation that refused was either
        // retired, and then the flag or the new one is seen, or it was closed with the pool.
        let is_swapping = self.is_swapping.load(Ordering::SeqCst);
        let newest = self.newest.read(|newest| newest.number);
        newest == closed && (!is_swapping || self.is_forked())
    }

    /// Whether this process is a forked child, in which nobody will ever publish, and a lock may
    /// stay taken forever.
    #[cold]
    fn is_forked(&self) -> bool {
        let pools = self.newest.read(|newest| newest.pool.pools());
        swap::lives(&pools).iter().any(|life| life.is_forked())
    }

    /// The right to change the chain. Never asked for in a forked child.
    fn chain(&self) -> MutexGuard<'_, Chain> {
        machine::lock(&self.chain)
    }

    /// The books; `None` in a forked child.
    fn books(&self) -> Option<MutexGuard<'_, Books>> {
        (!self.is_forked()).then(|| machine::lock(&self.books))
    }

    /// Whether no generation can follow, for a thread that has the chain: while it does not, the
    /// newest may be closed because another one is about to follow. A pool without its workers,
    /// which an adopted engine has lost, is closed as well.
    fn is_over(&self, chain: &MutexGuard<'_, Chain>) -> bool {
        chain.is_closed || self.last().pool.is_closed()
    }

    /// The newest generation, for a thread that has the chain.
    fn last(&self) -> Arc<Generation> {
        let books = machine::lock(&self.books);
        let last = books.alive.last().expect("a pool has a generation");
        Arc::clone(last)
    }

    /// The generations that a shutdown of the closed pool ends, and the past; `None` in a forked
    /// child.
    fn at_the_end(&self) -> Option<(Vec<Arc<Generation>>, Tally)> {
        let mut books = self.books()?;
        let now = (books.alive.clone(), books.past);
        Some(books.at_the_end.get_or_insert(now).clone())
    }
}

/// The pools behind the generations, oldest first.
fn pools_of(generations: &[Arc<Generation>]) -> Pools {
    let pools = generations.iter().map(|it| it.pool.pools());
    pools.fold(Pools::none(), Pools::and)
}

/// Ends the pause for good, since the pool is about to end: once the limits are set. All are asked
/// before any is waited for: a job of one may wait for a job of another.
fn end_pauses_of(generations: &[Arc<Generation>]) {
    for generation in generations {
        generation.pool.end_pauses();
    }
}

impl Books {
    /// The sums over all generations.
    fn tally(&self) -> Tally {
        let alive = self.alive.iter().map(|generation| generation.pool.tally());
        alive.fold(self.past, Tally::plus)
    }

    /// Takes a generation off the list that is over, and not the newest.
    fn strike(&mut self, life: &Lifecycle) -> Option<Arc<Generation>> {
        let older = self.alive.split_last()?.1;
        let place = older.iter().position(|generation| {
            let pools = generation.pool.pools();
            let mut lives = swap::lives(&pools).iter();
            lives.any(|it| std::ptr::eq(&raw const **it, life))
        })?;
        let over = self.alive.remove(place);
        self.past = self.past.plus(over.pool.tally().of_the_past());
        Some(over)
    }
}

// What an unwinding may find here is whole: the chain changes under a lock whose holder builds the
// next generation before it changes anything, and the rest in single atomic steps.
impl UnwindSafe for Pool {}
impl RefUnwindSafe for Pool {}

impl Executor for Inner {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        self.try_accept_ref(TaskRef::new(&mut MaybeUninit::uninit(), task))
    }

    #[inline]
    fn try_accept_ref(&self, task: TaskRef<'_>) -> Result<(), Refused<Task>> {
        let refused = self.newest.read(|newest| {
            let tried = newest.pool.try_accept_ref(task);
            tried.map_err(|refused| (newest.number, refused))
        });
        match refused {
            Ok(()) => Ok(()),
            Err((closed, Refused::Closed(task))) => self.try_next(closed, task),
            Err((_, full)) => Err(full),
        }
    }

    fn seems_full(&self) -> bool {
        self.room.seems_full()
    }

    fn room(&self) -> &Room {
        &self.room
    }

    fn capability(&self) -> Capability {
        self.newest.read(|newest| newest.pool.capability())
    }

    fn stats(&self) -> Stats {
        let Some(books) = self.books() else {
            return self.newest.read(|newest| {
                let mut stats = newest.pool.stats();
                stats.swaps = newest.number;
                stats
            });
        };
        let moving = self.moving_beyond.load(Ordering::SeqCst);
        let tally = books.tally().allowing(moving);
        let capacity = books.capacity;
        drop(books);
        self.newest.collect_at_once();
        let mut stats = tally.of_one_pool().stats(Some(capacity));
        // Each generation has the next number, and is the newest once its swap is done.
        stats.swaps = self.newest.read(|newest| newest.number);
        stats
    }

    fn is_closed(&self) -> bool {
        let (newest, is_closed) = self
            .newest
            .read(|newest| (newest.number, newest.pool.is_closed()));
        is_closed && self.is_last(newest)
    }

    fn pools(&self) -> Pools {
        let Some(books) = self.books() else {
            return self.newest.read(|newest| newest.pool.pools());
        };
        pools_of(&books.alive)
    }
}

impl Front for Inner {
    fn ended(&self, life: &Lifecycle) {
        let Some(mut books) = self.books() else {
            return;
        };
        let over = books.strike(life);
        drop(books);
        // The last of it, perhaps: the end of its threads, which wait for nobody.
        drop(over);
        self.newest.collect();
    }

    fn close(&self) {
        Self::close(self);
    }

    fn cancel_those_due(&self) {
        let Some(books) = self.books() else {
            return;
        };
        let alive = books.alive.clone();
        drop(books);
        for generation in alive {
            generation.pool.cancel_if_due();
        }
    }
}

impl Executor for Pool {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        self.inner.try_accept(task)
    }

    #[inline]
    fn try_accept_ref(&self, task: TaskRef<'_>) -> Result<(), Refused<Task>> {
        self.inner.try_accept_ref(task)
    }

    fn seems_full(&self) -> bool {
        self.inner.seems_full()
    }

    fn room(&self) -> &Room {
        self.inner.room()
    }

    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    fn stats(&self) -> Stats {
        Executor::stats(&*self.inner)
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn pools(&self) -> Pools {
        self.inner.pools()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if self.0.is_forked() {
            // The generations' own end would wait for threads, or take locks, that are the
            // parent's.
            std::mem::forget(Arc::clone(&self.0));
            return;
        }
        self.0.close();
        let alive = machine::lock(&self.0.books).alive.clone();
        end_pauses_of(&alive);
        // A job of one generation may wait for a job of another, so they are asked together.
        let waits = !alive.iter().any(|it| it.pool.needs_this_thread());
        for generation in alive {
            if waits {
                generation.pool.end();
            } else {
                generation.pool.leave();
            }
        }
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
