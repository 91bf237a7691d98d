//! The life of a pool, from its first job to the end of its last worker: what every backend shares.
//!
//! # Parts
//! On the way in: `intake` (one submission), `phase`. While it runs: `roster` (the workers),
//! `counts`, `notify` (the worker that an arrival wakes), `quiescence` (waits for an idle pool),
//! `excluded_waiters` (jobs that wait for their own pool), `woken_futures`, `pinned` (tasks for one
//! worker each). At the end: `ending`, `end_tokens`, `taken_out`, `after_cancel`, `owners`.
//!
//! # Phases
//! ```text
//! open ──close──▶ draining ──grace over──▶ cancelling ──cancel grace over──▶ stopped
//! ```
//! | phase | a submission | a queued job | a running job | an idle worker |
//! |---|---|---|---|---|
//! | open | enters | runs | runs | sleeps |
//! | draining | refused; from inside: runs on its submitter | runs | runs | sleeps |
//! | cancelling | refused | is abandoned, or goes into the report | is asked to stop; a suspended future is dropped | sleeps |
//! | stopped | refused | as above | goes on until it returns | ends |
//!
//! Workers also drop what was captured by jobs that are given up (`after_cancel`). No other thread
//! does, as long as the pool has a worker.
//!
//! Workers on borrowed threads may be lost with these, in any phase. Without any the pool is
//! **deserted**: it is closed, what it holds is ended by the thread that lost the last worker, and
//! what comes later by the thread that brings it. What is queued is abandoned, unless a shutdown
//! has taken charge of it by then; a suspended future is cancelled.
//!
//! A pool that a forked child inherits is past all of them (`atfork`): it refuses, runs nothing,
//! and takes no lock.
//!
//! # Parts
//! [`Lifecycle`] holds the parts of a pool together, and callers address the part. Each has the
//! data of one concern, its steps, and the protocol in prose at the head of its file. A step that
//! needs one other part takes it as an argument; one that needs several takes the whole `life`.
//! What stands on `Lifecycle` itself moves the phase, tells several parts of one event, or is for
//! backends.

mod after_cancel;
mod age;
mod counts;
mod end_tokens;
mod ending;
mod excluded_waiters;
mod intake;
mod notify;
mod owners;
mod phase;
mod pinned;
mod quiescence;
mod released;
mod roster;
mod taken_out;
mod wait_idle;
mod woken_futures;

use std::fmt;
use std::sync::Arc;

use crate::job::id::JobId;
use crate::pool::capability::Capability;
use crate::pool::config::PoolConfig;
use crate::pool::front::FrontRef;
use crate::pool::hooks::ContainedHooks;
use crate::pool::ledger::Ledger;
use crate::pool::off_worker::OffWorker;
use crate::pool::registry::{self, PoolId};
use crate::pool::shared_values::SharedValues;
use crate::pool::stats::{Stats, Tally};
use crate::pool::timer::Timer;
use crate::submit::room::Room;
use crate::sys::asymmetric_fence::{self, heavy};
use crate::sys::atfork;
use crate::sys::machine::{self, Point};
use crate::task::{GivenUpAs, Task};
use crate::worker::current_index;
use crate::worker::park;
use after_cancel::Chores;
use age::Age;
pub(crate) use counts::Leftovers;
use end_tokens::EndTokens;
use ending::Ending;
pub(crate) use ending::EndsWithOthers;
use excluded_waiters::ExcludedWaiters;
pub(crate) use excluded_waiters::{Awaits, Joiner, leaving_out, own_worker};
pub(crate) use intake::{Adoption, Submission, arrived};
use owners::Owners;
use phase::AtomicPhase;
pub use phase::Phase;
use pinned::Pinned;
use quiescence::Quiescence;
use roster::Roster;
pub(crate) use taken_out::TakenOut;
use woken_futures::WokenFutures;

/// Everything that a pool's jobs, workers, submitters and operators share, whatever the strategy.
///
/// A backend makes one, has [`WorkerPool`](crate::backend::WorkerPool) admit through it, and gives
/// each worker a [`Worker`](crate::backend::Worker) on it.
///
/// Every worker, every engine and every future of the pool holds it by an `Arc`; it holds engines
/// and fronts weakly, except that a pool without handles keeps its engine until its last worker has
/// left. It has no thread of its own until a deadline asks for a clock.
pub struct Lifecycle {
    /// The pool's number: what the cells of its jobs name it by.
    pub(crate) id: PoolId,
    capability: Capability,
    /// How far the pool is on its way from open to stopped.
    pub(crate) phase: AtomicPhase,
    /// What was accepted, and how it ended.
    pub(crate) ledger: Ledger,
    /// The line of submitters; generations of a swapped pool share one.
    room: Arc<Room>,
    /// The workers: what each runs, and which sleep.
    pub(crate) roster: Roster,
    /// Jobs that have started and are in no worker's frames: futures that were suspended.
    pub(crate) off_worker: OffWorker,
    /// Futures that were woken. This way in is never refused.
    pub(crate) woken: WokenFutures,
    /// Wakes jobs at their deadlines, and an asynchronous shutdown at its limits.
    pub(crate) timer: Timer,
    /// The user's hooks, contained.
    pub(crate) hooks: ContainedHooks,
    /// What the jobs share.
    pub(crate) shared: SharedValues,
    /// The engine and the front, by weak references.
    pub(crate) owners: Owners,
    /// The waits for quiet, and for the end.
    pub(crate) quiescence: Quiescence,
    /// Jobs of the pool that wait so themselves, and that such waits leave out.
    pub(crate) excluded_waiters: ExcludedWaiters,
    /// What workers do for a pool that is cancelled: wake its suspended futures, drop what was
    /// given up.
    pub(crate) chores: Chores,
    /// How far the calls of `shutdown` have come, and what the end waits for in addition to the
    /// phase.
    pub(crate) ending: Ending,
    /// Tasks that wait for one worker each.
    pub(crate) pinned: Pinned,
    /// Tells the sleeps of its jobs of the end.
    pub(crate) end_tokens: EndTokens,
    /// By which starts of jobs are noted.
    pub(crate) age: Age,
}

impl Lifecycle {
    /// Makes the life of a pool that is about to be built from `config`.
    ///
    /// Called by [`Engine::start`](crate::backend::Engine::start), once for each pool; it starts no
    /// thread. `capability` is what the engine promises, and names as many workers as `config`.
    ///
    /// # Panics
    /// If the process has as many pools at once as there are numbers for: a million.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::Capability;
    /// use pool_core::backend::{Lifecycle, PoolConfig};
    ///
    /// let mut config = PoolConfig::default();
    /// config.set_workers(2);
    /// let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// assert_eq!((life.capability().name, life.stats().accepted), ("own", 0));
    /// ```
    pub fn new(config: &PoolConfig, capability: Capability) -> Arc<Self> {
        asymmetric_fence::prepare();
        park::prepare();
        atfork::prepare();
        let workers = config.workers();
        let hook_panics = config.front.as_ref().map(FrontRef::hook_panics);
        let hook_panics = hook_panics.unwrap_or_default();
        let room = config.room.clone().unwrap_or_default();
        let hooks = ContainedHooks::new(config.hooks.clone(), &room, hook_panics);
        let shared = match &config.front {
            Some(front) => front.share(&config.shared),
            None => config.shared.clone(),
        };
        let ledger = Ledger::new(workers);
        registry::enlist(|id| Self {
            id,
            capability,
            phase: if config.is_paused {
                AtomicPhase::paused()
            } else {
                AtomicPhase::open()
            },
            room,
            roster: Roster::new(workers, &ledger),
            ledger,
            off_worker: OffWorker::new(workers),
            woken: WokenFutures::new(),
            timer: Timer::default(),
            hooks,
            shared,
            owners: Owners::new(config.front.clone()),
            quiescence: Quiescence::default(),
            excluded_waiters: ExcludedWaiters::default(),
            chores: Chores::none(workers),
            ending: Ending::default(),
            pinned: Pinned::none(workers),
            end_tokens: EndTokens::default(),
            age: Age::begin(),
        })
    }

    /// Sets how a sleeping worker is resumed, for a backend whose workers are not parked threads.
    ///
    /// Called once, before the first job. `resume` gets the slot of the worker, on whichever thread
    /// has work for it: a submitter, a worker, a shutdown. It must not block, and holds the engine
    /// weakly. The slot is then its own: a thread works with it
    /// ([`run_on_borrowed_thread`](crate::backend::run_on_borrowed_thread)), or it is
    /// [lost](Self::worker_lost).
    pub fn resume_with(&self, resume: impl Fn(usize) + Send + Sync + 'static) {
        self.roster.resume_with(resume);
    }

    /// Returns what the backend promises.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::Capability;
    /// # use pool_core::backend::{Lifecycle, PoolConfig};
    /// # let config = PoolConfig::default();
    /// # let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// assert_eq!(life.capability(), Capability::new("own", &config));
    /// ```
    pub fn capability(&self) -> Capability {
        self.capability
    }

    /// Returns the line of submitters that wait for a place in the queue.
    ///
    /// A queue tells it of each place that comes free.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::Capability;
    /// # use pool_core::backend::{Lifecycle, PoolConfig};
    /// # let config = PoolConfig::default();
    /// # let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// life.room().freed(); // nobody waits: this costs next to nothing
    /// assert!(!life.room().has_line());
    /// ```
    #[inline]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Returns what is in the pool, and what went through it. Blocks no worker.
    ///
    /// As the pool's own, except that `queued` is not cut to the capacity: that is the queue's to
    /// know.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::Capability;
    /// # use pool_core::backend::{Lifecycle, PoolConfig};
    /// # let config = PoolConfig::default();
    /// # let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// assert_eq!((life.stats().accepted, life.stats().queued), (0, 0));
    /// ```
    pub fn stats(&self) -> Stats {
        Tally::of(self, u64::MAX).stats(None)
    }

    // --- workers ------------------------------------------------------------------------------

    /// Wakes a worker, if one is needed, for work that was just pushed.
    ///
    /// Called after each push, for queues by the pool itself. An engine calls it where tasks become
    /// visible in another way, as those that a thief brings to its own deque. It wakes at most one
    /// worker; that one wakes the next if there is more.
    #[inline]
    pub fn notify(&self) {
        let is_worker = || current_index(self).is_some();
        if let Some(worker) = self.roster.sleep.notify(is_worker) {
            self.roster.resume(worker);
        }
    }

    /// [`notify`](Self::notify), for a task that was queued. Wakes nobody while the pool is paused:
    /// the thread that ends the pause does. Where jobs are long, it wakes a worker although others
    /// search, if more than those are queued.
    #[inline]
    pub(crate) fn notify_of_queued(&self, about_queued: impl FnOnce() -> usize) {
        let is_worker = || current_index(self).is_some();
        let is_wanted = || !self.phase.is_paused();
        let worth_a_wake = || {
            let is_worth_it = self.roster.hints.are_jobs_long();
            if is_worth_it { about_queued() } else { 0 }
        };
        let sleep = &self.roster.sleep;
        if let Some(worker) = sleep.notify_if(is_wanted, is_worker, worth_a_wake) {
            self.roster.resume(worker);
        }
    }

    /// Wakes a worker although others search, if more tasks are queued than workers search.
    pub(crate) fn wake_another(&self, queued: usize) {
        if let Some(worker) = self.roster.sleep.take_another(queued) {
            self.roster.resume(worker);
        }
    }

    /// Whether there is something for a worker that is in no queue: a future that was woken, or a
    /// chore at the end of the pool.
    #[inline]
    pub(crate) fn has_woken(&self) -> bool {
        !self.woken.is_empty() || self.has_chores()
    }

    /// Whether there is a chore at the end of the pool.
    #[inline]
    pub(crate) fn has_chores(&self) -> bool {
        self.chores.are_left()
    }

    /// Whether a worker that has nothing else to do could steal a half of a job. Out of date at
    /// once.
    #[inline]
    pub(crate) fn has_halves(&self) -> bool {
        self.roster.forks.has_any() && !self.is_cancelling()
    }

    /// Whether there may be a half to steal, also one that another worker is at, and may leave.
    #[inline]
    pub(crate) fn may_have_halves(&self) -> bool {
        self.roster.forks.may_have_any() && !self.is_cancelling()
    }

    /// Counts a worker that has taken its slot.
    ///
    /// Called once for each worker that starts; [`Worker::start`](crate::backend::Worker::start)
    /// and [`put_to_sleep`](crate::backend::put_to_sleep) do so. Its counterpart is
    /// [`worker_gone`](Self::worker_gone).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::Capability;
    /// # use pool_core::backend::{Lifecycle, PoolConfig};
    /// # let config = PoolConfig::default();
    /// # let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// life.worker_alive();
    /// assert_eq!(life.stats().workers, 1);
    /// ```
    pub fn worker_alive(&self) {
        self.roster.count_in();
        self.quiescence.wake_watchers(&self.phase);
    }

    /// Returns whether a worker that has found nothing may leave: the pool has stopped, nothing is
    /// left to be done, and no future will need a worker in order to see the end.
    ///
    /// A worker that leaves without asking may leave a future without anybody to poll it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::Capability;
    /// # use pool_core::backend::{Lifecycle, PoolConfig};
    /// # let config = PoolConfig::default();
    /// # let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// assert!(!life.may_leave());
    /// life.stop();
    /// assert!(life.may_leave());
    /// ```
    pub fn may_leave(&self) -> bool {
        match self.phase.load() {
            Phase::Forked => true,
            // In this order: a future that is told of the end is woken before.
            Phase::Stopped => {
                (self.ending.is_told() || !self.excluded_waiters.does_a_future_await_end())
                    && !self.woken.may_come()
                    && !self.chores.are_left()
            }
            _ => false,
        }
    }

    /// Counts out worker `index`, which has left its slot for good.
    ///
    /// Called once for each worker, after its last job and its stop hook. With the last one the
    /// pool is closed, and what still waits for a worker ends; the clock of a stopped pool ends,
    /// and an engine that nobody else holds is let go of.
    ///
    /// # Panics
    /// If the pool has no worker of this index.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::Capability;
    /// # use pool_core::backend::{Lifecycle, PoolConfig};
    /// # let config = PoolConfig::default();
    /// # let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// life.worker_alive();
    /// life.worker_gone(0);
    /// assert_eq!(life.stats().workers, 0);
    /// ```
    pub fn worker_gone(&self, index: usize) {
        self.worker_out(index, Vec::new);
    }

    /// Counts out worker `index`, which was lost with the thread that it borrowed. With the last
    /// one the pool closes, and nothing waits for a worker any more: what is queued is abandoned,
    /// and futures that sleep, or were woken, end as cancelled. What they captured is dropped here.
    ///
    /// `queued` empties the queue; it is called only if this was the last worker.
    pub fn worker_lost(&self, index: usize, queued: impl FnMut() -> Vec<Task>) {
        self.worker_out(index, queued);
    }

    /// Counts out a worker that has left, or was lost.
    fn worker_out(&self, index: usize, queued: impl FnMut() -> Vec<Task>) {
        if self.roster.count_out(index) {
            if self.phase.is_stopped() {
                self.timer.stop();
            }
            if !self.is_forked() {
                self.end_without_workers(queued);
            }
            self.ending.release_if_deserted(&self.roster);
        }
        self.quiescence.wake_watchers(&self.phase);
        self.owners.tell_front(self);
    }

    /// Ends all that waits for a worker, since the last one is out. Where it has left by itself,
    /// that is little or nothing. No destructor is called before all of it has ended, nor a waker
    /// of those that wait for its handles: they may wait for the pool.
    #[cold]
    fn end_without_workers(&self, queued: impl FnMut() -> Vec<Task>) {
        // Before it is said that nobody is left: so all of them are in the list of woken ones, and
        // none ends by itself.
        self.off_worker.wake_all();
        self.ending.desert();
        // ORDERING: the heavy fence in this is the partner of the light ones of `arrived` and
        // `WokenFutures::requeue`: either that side sees that nobody is left, or this one sees what
        // that side has brought.
        let has_closed = self.phase.end_intake();
        let ended = TakenOut::end_all_without_workers(self, queued);
        if has_closed {
            // Otherwise who closed it does so; the line may be that of a newer generation.
            self.room.wake_all();
        }
        ended.tell(self);
        self.chores.drop_late_remains(self);
    }

    /// Returns whether every worker has left its slot for good.
    ///
    /// A worker that has not started has not left either: it looks at the slots, and not at the
    /// count of workers alive.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::Capability;
    /// use pool_core::backend::{Lifecycle, PoolConfig};
    ///
    /// let mut config = PoolConfig::default();
    /// config.set_workers(1);
    /// let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// life.worker_alive();
    /// assert!(!life.have_all_left());
    /// life.worker_gone(0);
    /// assert!(life.have_all_left());
    /// ```
    pub fn have_all_left(&self) -> bool {
        self.roster.have_all_left()
    }

    // --- ends of jobs -------------------------------------------------------------------------

    /// Nothing of a job is left, and no worker may pass by to notice.
    ///
    /// Called by the thread that ended the job elsewhere than on a worker: a cancel, a deadline, a
    /// drop.
    pub(crate) fn entry_over(&self) {
        self.ledger.over(None);
        self.tell_watchers();
    }

    /// Nothing of a job that was given up is left but what it captured.
    ///
    /// A job that was off the books is counted over already. The thread that gives jobs up tells
    /// those that watch the pool, after the last of them.
    pub(crate) fn given_up_over(&self, ends: GivenUpAs) {
        if ends != GivenUpAs::OffTheBooks {
            self.ledger.over(None);
        }
    }

    /// Called where the pool may have become quiet: by a worker that found nothing, and by a thread
    /// that ends a job elsewhere.
    pub(crate) fn tell_watchers(&self) {
        self.quiescence.tell(self);
        if self.ending.is_stop_due() && self.ledger.in_flight() == 0 {
            self.stop();
        }
        self.owners.tell_front(self);
    }

    /// Gives up a task that an engine holds outside its queue, once the pool is cancelling: it did
    /// not start.
    ///
    /// The job resolves as abandoned, or stays in the report as a task, as the shutdown's policy
    /// says.
    #[cold]
    pub fn give_up(self: &Arc<Self>, task: Task) {
        if self.is_forked() {
            // The parent's copy is run there; this one must not even be dropped, which would be the
            // end of what it holds.
            return std::mem::forget(task);
        }
        TakenOut::give_up_some(self, || vec![task]);
    }

    // --- pauses -------------------------------------------------------------------------------

    /// Has queued jobs wait from now on; see the head of `phase`. Wakes nobody and runs no user
    /// code. In a forked child it does nothing that matters.
    pub(crate) fn pause(&self) {
        self.phase.pause();
        machine::point(Point::Pause);
    }

    /// Has queued jobs start again. True if the pool was paused: then the caller calls
    /// [`resume_after_pause`](Self::resume_after_pause), once it holds no lock.
    #[must_use]
    pub(crate) fn end_pause(&self) -> bool {
        self.phase.end_pause()
    }

    /// Ends the pause, if there is one, and all later ones: the pool is about to end, and must not
    /// be held up. Resumes workers, as [`resume_after_pause`](Self::resume_after_pause) does.
    pub(crate) fn end_pauses(&self) {
        if self.phase.end_pauses() {
            self.resume_after_pause();
        }
    }

    /// The pause is over: resumes all that sleep, to look at the queue. On borrowed threads it
    /// calls a spawner, which may run user code.
    #[cold]
    pub(crate) fn resume_after_pause(&self) {
        if !self.is_forked() {
            machine::point(Point::Resume);
            self.roster.resume_sleepers();
        }
    }

    // --- phases -------------------------------------------------------------------------------

    /// Ends intake. Idempotent.
    ///
    /// Submissions from now on come back as `Closed`. Those in line are woken on the calling
    /// thread. In a forked child it does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::Executor;
    ///
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// pool.close(); // calls it
    /// assert!(pool.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        if self.is_forked() {
            return;
        }
        self.phase.end_intake();
        self.room.wake_all();
    }

    /// The grace is over: queued jobs will not start, running ones are asked to stop, suspended
    /// futures are dropped. Takes a time that does not depend on how many these are, and runs no
    /// job's code, so the thread that keeps the time may call it; except that on borrowed threads a
    /// spawner may drop the run that it is called with, and the last worker with it. Idempotent.
    pub(crate) fn begin_cancel(&self) {
        if !self.phase.advance(Phase::Cancelling) {
            return;
        }
        machine::point(Point::CancelAll);
        self.chores.begin();
        self.off_worker.wake_hosts();
        self.roster.resume_sleepers();
        self.end_tokens.cancel();
    }

    /// The same, and gives up what is queued, of which `take` takes some until it finds none.
    pub(crate) fn cancel(self: &Arc<Self>, take: impl FnMut() -> Vec<Task>) {
        self.begin_cancel();
        // ORDERING: partner is the light fence in the `notify` of `Submission::pushed`. Each caller
        // has its own, since each goes on to take the queue out.
        heavy();
        TakenOut::give_up_all(self, take);
    }

    /// Returns whether the grace is over: queued jobs no longer start, and running ones are asked
    /// to stop.
    ///
    /// An engine that hosts futures asks: from then on it gives tasks to a worker, which gives them
    /// up.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::Capability;
    /// # use pool_core::backend::{Lifecycle, PoolConfig};
    /// # let config = PoolConfig::default();
    /// # let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// assert!(!life.is_cancelling());
    /// life.stop(); // stopped is past cancelling
    /// assert!(life.is_cancelling());
    /// ```
    #[inline]
    pub fn is_cancelling(&self) -> bool {
        self.phase.is_cancelling()
    }

    /// Whether future `id` is to be dropped because the pool is being cancelled.
    #[inline]
    pub(crate) fn cancels(&self, id: JobId) -> bool {
        self.is_cancelling() && !self.excluded_waiters.awaits_end(id)
    }

    /// Has the workers end as soon as there is nothing left for them. Idempotent.
    ///
    /// Called by a shutdown as its last step but the report, by a pool without handles once it is
    /// quiet, and by the start of an engine that fails half way. Sleeping workers are resumed to
    /// leave.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::Capability;
    /// # use pool_core::backend::{Lifecycle, PoolConfig};
    /// # let config = PoolConfig::default();
    /// # let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// life.stop();
    /// life.stop(); // does nothing
    /// assert!(life.may_leave());
    /// ```
    pub fn stop(&self) {
        if !self.phase.advance(Phase::Stopped) {
            return;
        }
        machine::point(Point::Stop);
        self.roster.resume_sleepers();
        self.end_tokens.stop();
        self.quiescence.wake_watchers(&self.phase);
        self.owners.tell_front(self); // all workers may be lost already
    }

    /// Returns whether this process is a forked child, and the pool its parent's: nothing of it
    /// runs here, and nothing ever will.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::Capability;
    /// # use pool_core::backend::{Lifecycle, PoolConfig};
    /// # let config = PoolConfig::default();
    /// # let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// assert!(!life.is_forked());
    /// ```
    #[inline]
    pub fn is_forked(&self) -> bool {
        self.phase.is_forked()
    }
}

impl Drop for Lifecycle {
    fn drop(&mut self) {
        registry::strike(self.id);
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle")
            .field("backend", &self.capability.name)
            .field("phase", &self.phase.load())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
