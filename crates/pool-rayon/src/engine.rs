//! The engine: a bounded queue with a deque for each of rayon's threads, and runs there that empty
//! it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use pool_core::backend::{
    Blocked, BorrowedRun, Engine, Lifecycle, PoolConfig, STAY, StealingQueue, after_this_job,
    is_within_a_job, put_to_sleep, run_on_borrowed_thread, run_pinned, when_blocked,
};
use pool_core::{BuildError, Capability};
use rayon::ThreadPool;

use crate::threads::OwnThreads;

/// The engine of [`RayonPool`](crate::RayonPool).
///
/// Jobs wait in a queue of the pool's own, since rayon's has no bound. At most `workers` runs at
/// once take from it, each a rayon job that goes on until the queue is empty, so a burst of jobs
/// costs rayon one job for each worker. What a job submits goes onto a deque of its thread's, as
/// with rayon's own.
///
/// A slot that is resumed becomes a run by `ThreadPool::spawn`. On threads of the pool's own a run
/// goes on for as long as there is work. On an adopted pool it makes room for the caller's own work
/// after [`STAY`], and goes on as a new rayon job.
///
/// A rayon thread that waits within a job of this pool (in a `join` or a `scope`) may be given such
/// a run by rayon, on top of that job. It does not make it, since a job that starts there might
/// want a lock that the job below holds; the run goes to another thread.
pub struct RayonEngine {
    /// Shared with the runs and the registered threads.
    life: Arc<Lifecycle>,
    /// With a deque for each of rayon's threads, however many workers there are.
    queue: StealingQueue,
    /// Taken at the end: the drop of the last reference ends the threads of a pool of our own.
    rayon: Mutex<Option<Arc<ThreadPool>>>,
    /// The same, for runs on their way: they keep nothing alive.
    ///
    /// Once it leads nowhere there is no thread to run on, and a slot that is resumed has left.
    for_runs: Weak<ThreadPool>,
    /// What a thread of the rayon pool does that waits for a job of this one.
    ///
    /// The list of such helps in pool-core holds it weakly, so it goes with the engine.
    help: Arc<Help>,
    /// `None` on an adopted pool, whose threads nobody here waits for.
    own_threads: Option<OwnThreads>,
}

impl Engine for RayonEngine {
    type Adopted = Arc<ThreadPool>;
    type Queue = StealingQueue;

    const NAME: &'static str = "rayon";

    fn start(
        mut config: PoolConfig,
        adopted: Option<Arc<ThreadPool>>,
    ) -> Result<Arc<Self>, BuildError> {
        if let Some(rayon) = &adopted
            && config.chosen_workers().is_none()
        {
            config.set_workers(rayon.current_num_threads());
        }
        if let Some(rayon) = &adopted
            && config.workers() > rayon.current_num_threads()
        {
            return Err(BuildError::Engine {
                engine: "rayon",
                reason: format!(
                    "{} workers cannot run at once on the {} threads of the adopted pool: ask for as many or fewer",
                    config.workers(),
                    rayon.current_num_threads()
                ),
            });
        }
        let capability = Capability {
            fifo: false,
            owns_threads: adopted.is_none(),
            ..Capability::new(Self::NAME, &config)
        };
        let life = Lifecycle::new(&config, capability);
        let own_threads = adopted.is_none().then(OwnThreads::default);
        let rayon = match (&own_threads, adopted) {
            (Some(own), _) => Arc::new(own.build(&life, &config)?),
            (None, Some(adopted)) => adopted,
            (None, None) => unreachable!("without an adopted pool there are threads of our own"),
        };
        let engine = Arc::new(Self {
            queue: StealingQueue::new(config.capacity(), rayon.current_num_threads()),
            help: help_of(&rayon),
            for_runs: Arc::downgrade(&rayon),
            rayon: Mutex::new(Some(rayon)),
            own_threads,
            life,
        });
        let weak = Arc::downgrade(&engine);
        engine.life.resume_with(move |slot| {
            if let Some(engine) = weak.upgrade() {
                engine.start_run(slot);
            }
        });
        when_blocked(&engine.help);
        put_to_sleep(&engine.life);
        Ok(engine)
    }

    fn life(&self) -> &Arc<Lifecycle> {
        &self.life
    }

    fn queue(&self) -> &StealingQueue {
        &self.queue
    }

    /// A slot that is resumed makes its run on whichever thread comes first, so each thread is
    /// asked instead. rayon calls a broadcast on each once, as soon as that has nothing else to do.
    /// Nothing is pinned to the threads of an adopted pool.
    fn visit_threads(engine: &Arc<Self>) {
        let Some(rayon) = engine.for_runs.upgrade() else {
            return; // only after the end
        };
        let engine = Arc::downgrade(engine);
        rayon.spawn_broadcast(move |_| engine.upgrade().iter().for_each(run_pinned));
    }

    fn join_threads(&self) {
        let have_all_left = self.life.have_all_left();
        // On threads of the pool's own each run lasts to the end, and idle threads need not wait
        // for one that hangs. On others a run goes on in another one, which needs the rayon pool.
        if self.own_threads.is_some() || have_all_left {
            let rayon = self
                .rayon
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            drop(rayon);
        }
        if let Some(own) = &self.own_threads
            && have_all_left
        {
            own.join();
        }
    }
}

/// See [`when_blocked`].
///
/// Called by a thread that waits for a job outside any job of a pool. `None`: it is no thread of
/// this rayon pool.
type Help = dyn Fn() -> Option<Blocked> + Send + Sync;

impl fmt::Debug for RayonEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RayonEngine")
            .field("life", &self.life)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

impl RayonEngine {
    /// Has some thread of the rayon pool work with a slot that was resumed.
    fn start_run(self: &Arc<Self>, slot: usize) {
        let engine = Arc::clone(self);
        match self.for_runs.upgrade() {
            Some(rayon) => rayon.spawn(move || engine.run_slot(slot)),
            // Only after the end is there no pool to run on.
            None => self.life.worker_gone(slot),
        }
    }

    /// Works with the slot on the calling thread, and goes on where that says so: in a new rayon
    /// job, or on another thread.
    fn run_slot(self: &Arc<Self>, slot: usize) {
        // On threads of the pool's own there are no others to be let in.
        let stay = self.own_threads.is_none().then_some(STAY);
        match run_on_borrowed_thread(self, slot, stay) {
            BorrowedRun::Over => {}
            BorrowedRun::Paused => self.start_run(slot),
            BorrowedRun::Refused => self.start_run_elsewhere(slot),
        }
    }

    /// A thread that waits within a job has met a run, and does not make it. The first thread that
    /// comes to it and does not wait so makes it; if all do, the first of them whose job is over.
    ///
    /// rayon calls a broadcast on each thread once, as soon as that has nothing else to do.
    ///
    /// The slot is made use of once, whatever the order in which the threads come: the swap of
    /// `is_taken` decides. If none of them can wait for its job, the last to come queues the run
    /// anew.
    fn start_run_elsewhere(self: &Arc<Self>, slot: usize) {
        let Some(rayon) = self.for_runs.upgrade() else {
            return self.life.worker_gone(slot);
        };
        let engine = Arc::clone(self);
        let is_taken = Arc::new(AtomicBool::new(false));
        let left = AtomicUsize::new(rayon.current_num_threads());
        let somebody_waits = AtomicBool::new(false);
        // ORDERING: Relaxed: the one that takes the slot is told by the swap alone, and needs to
        // see nothing of the others.
        rayon.spawn_broadcast(move |_| {
            if is_within_a_job() {
                let (again, is_taken) = (Arc::clone(&engine), Arc::clone(&is_taken));
                let waits = after_this_job(move || {
                    if !is_taken.swap(true, Ordering::Relaxed) {
                        again.start_run(slot);
                    }
                });
                somebody_waits.fetch_or(waits, Ordering::Relaxed);
            } else if !is_taken.swap(true, Ordering::Relaxed) {
                engine.run_slot(slot);
            }
            // ORDERING: AcqRel: the last to come sees whether one of the others waits.
            let is_last = left.fetch_sub(1, Ordering::AcqRel) == 1;
            if is_last
                && !somebody_waits.load(Ordering::Relaxed)
                && !is_taken.swap(true, Ordering::Relaxed)
            {
                engine.start_run(slot);
            }
        });
    }
}

/// A thread of `rayon` that waits runs what rayon has for it.
///
/// So a caller in the adopted pool's `install` that joins a job does not keep the pool from running
/// it. It holds the rayon pool weakly.
fn help_of(rayon: &Arc<ThreadPool>) -> Arc<Help> {
    let rayon = Arc::downgrade(rayon);
    Arc::new(move || {
        let rayon = rayon.upgrade()?;
        match rayon.yield_now()? {
            rayon::Yield::Executed => Some(Blocked::Helped),
            rayon::Yield::Idle => Some(Blocked::NothingToDo),
        }
    })
}
