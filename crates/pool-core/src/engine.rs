//! `Engine`: what a backend writes. `WorkerPool`: what a user holds of it.

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::Arc;

use async_trait::async_trait;

use crate::builder::PoolBuilder;
use crate::capability::Capability;
use crate::config::PoolConfig;
use crate::error::{BuildError, Refused};
use crate::executor::{Executor, forward_executor};
use crate::lifecycle::{Lifecycle, Submission};
use crate::machine::{self, Point};
use crate::report::ShutdownReport;
use crate::room::Room;
use crate::shutdown::{HandOver, Shutdown, ShutdownPolicy, drive_async, drive_blocking};
use crate::stats::Stats;
use crate::task::{Held, Task, TaskPlace};
use crate::worker::{Step, Worker};

/// Where and when tasks run: the part of a pool that differs between backends.
///
/// All that must hold on every backend is in [`Lifecycle`], [`Worker`] and [`WorkerPool`]; an engine is a queue and its threads.
/// Its methods are called by those; a user of a pool never calls them.
pub trait Engine: Send + Sync + Sized + 'static {
    /// A caller's own engine that this one can run on; [`Infallible`](std::convert::Infallible) where there is none.
    type Adopted: Send;

    /// The backend's name: `"work-stealing"`.
    const NAME: &'static str;

    /// Starts the workers, and returns once all of them wait for jobs (`R201`).
    ///
    /// # Errors
    /// What was wrong; nothing is left running (`R109`).
    fn start(config: PoolConfig, adopted: Option<Self::Adopted>) -> Result<Arc<Self>, BuildError>;

    /// The life of the pool.
    fn life(&self) -> &Arc<Lifecycle>;

    /// Queues a task, or gives it back if there is no room. Never blocks.
    fn push(&self, task: Held<'_>) -> Result<(), Task>;

    /// Queues a task whatever the bound, before all others: the hand-over of a swap, at most as many as fit by the bound of the pool they
    /// left.
    fn push_unbounded(&self, task: Task);

    /// Queues a task whatever the bound, to take turns with the others: the child of a job that is the innermost of very many. Such a task
    /// takes no place: chains that are always queued so would keep all others out (`R107`).
    fn push_past_bound(&self, task: Task) {
        self.push_unbounded(task);
    }

    /// Takes the next task for `worker`, to `place`, and tells [`Lifecycle::room`] of the place that came free.
    fn pop<'a>(&self, worker: &Worker, place: TaskPlace<'a>) -> Option<Held<'a>>;

    /// Runs a task that `worker` popped. An engine that hosts futures elsewhere says so here.
    #[inline]
    fn run(&self, worker: &Worker, task: Held<'_>) -> Step {
        worker.run_held(task);
        Step::Ran
    }

    /// Whether a `pop` may find something. A push before the call is always seen.
    fn has_queued(&self) -> bool;

    /// Takes all that is queued, in order where there is one.
    fn take_queued(&self) -> Vec<Task>;

    /// Waits for the threads that have left, and forgets those that have not (a job that hangs). Called once all that can
    /// leave have; never by one of them.
    fn join_threads(&self);
}

/// An engine as the executor that its own workers submit children to.
pub(crate) struct Inside<E: Engine>(pub(crate) Arc<E>);

/// What a worker holds of its engine.
pub(crate) trait Host: Executor {
    /// Runs one task on `worker`, within the job that it runs already. False: there is none.
    fn help(&self, worker: &Worker) -> bool;
    /// See [`Engine::has_queued`].
    fn has_queued(&self) -> bool;
    /// Queues a task that has entered the ledger, whatever the bound and the phase.
    fn queue_past_bound(&self, task: Task);
}

impl<E: Engine> Host for Inside<E> {
    fn help(&self, worker: &Worker) -> bool {
        let woken_come_first = worker.begin_look();
        (woken_come_first && worker.run_woken())
            || self
                .0
                .pop(worker, &mut MaybeUninit::uninit())
                .map(|task| worker.run_held(task))
                .is_some()
            || worker.run_woken()
    }

    fn has_queued(&self) -> bool {
        self.0.has_queued()
    }

    fn queue_past_bound(&self, task: Task) {
        self.0.push_past_bound(task);
        let life = self.0.life();
        life.notify();
        // ORDERING: as in `Lifecycle::pushed`.
        if life.is_cancelling() {
            life.take_out(self.0.take_queued());
        }
    }
}

impl<E: Engine> Inside<E> {
    /// There was no place for a task that had entered the books.
    #[cold]
    fn refuse(&self, submission: Submission, task: Task) -> Result<(), Refused<Task>> {
        let life = self.0.life();
        if !task.change_pool(life, None) {
            // Its job was cancelled in the meantime: it was accepted, and is over.
            return Ok(());
        }
        life.refuse(submission);
        machine::point(Point::Refused(task.id()));
        Err(Refused::Full(task))
    }
}

impl<E: Engine> Executor for Inside<E> {
    fn try_execute(&self, task: Task) -> Result<(), Refused<Task>> {
        self.try_execute_held(Held::new(&mut MaybeUninit::uninit(), task))
    }

    #[inline(always)]
    fn try_execute_held(&self, task: Held<'_>) -> Result<(), Refused<Task>> {
        let life = self.0.life();
        let id = task.id();
        let Some(submission) = life.begin_submission() else {
            machine::point(Point::Refused(id));
            return Err(Refused::Closed(task.into_task()));
        };
        machine::point(Point::Submit(id));
        if let Err(outcome) = task.accept(life) {
            life.over_on_arrival(submission, outcome);
            return Ok(());
        }
        match self.0.push(task) {
            Ok(()) => {
                machine::point(Point::Pushed(id));
                life.pushed(|| self.0.take_queued());
                Ok(())
            }
            Err(task) => self.refuse(submission, task),
        }
    }

    fn room(&self) -> &Room {
        self.0.life().room()
    }

    fn capability(&self) -> Capability {
        self.0.life().capability()
    }

    fn stats(&self) -> Stats {
        self.0.life().stats()
    }

    fn is_closed(&self) -> bool {
        self.0.life().is_closed()
    }

    fn lives(&self) -> Vec<Arc<Lifecycle>> {
        vec![Arc::clone(self.0.life())]
    }
}

/// A pool of workers on engine `E`. A clone is the same pool.
///
/// Dropping the last clone closes the pool and drains it, without a limit; on one of its own workers it closes it and returns
/// (`R610`). [`shutdown`](Self::shutdown) is the way that has a limit and a report.
///
/// In a process forked from this one (Linux, by the C library's `fork`) the pool is closed for ever: submissions come back as `Closed`, a
/// shutdown reports at once that the jobs are the parent's ([`ShutdownReport::is_forked`]), and a drop waits for nothing. A handle from before
/// the fork does not resolve there. A pool built in the child is as any other.
pub struct WorkerPool<E: Engine>(Arc<Owner<E>>);

/// Ends the pool with its last handle. The workers hold the engine, not this.
struct Owner<E: Engine>(Inside<E>);

impl<E: Engine> WorkerPool<E> {
    /// Starts from the defaults.
    pub fn builder() -> PoolBuilder<E> {
        PoolBuilder::new()
    }

    pub(crate) fn build(
        config: PoolConfig,
        adopted: Option<E::Adopted>,
    ) -> Result<Self, BuildError> {
        config.check()?;
        Ok(Self(Arc::new(Owner(Inside(E::start(config, adopted)?)))))
    }

    /// Ends intake: every later submission is refused, and blocked submitters return with `Closed` (`R601`). Accepted jobs run.
    pub fn close(&self) {
        self.life().close();
    }

    /// Drains, cancels, abandons, under one limit, and reports; see [`Shutdown::shutdown`].
    pub fn shutdown(&self, policy: impl Into<ShutdownPolicy>) -> ShutdownReport {
        drive_blocking(self.engine(), policy.into())
    }

    /// [`shutdown`](Self::shutdown) for async callers: blocks no thread (`R612`).
    pub async fn shutdown_async(&self, policy: impl Into<ShutdownPolicy>) -> ShutdownReport {
        drive_async(self.engine(), policy.into()).await
    }

    /// What went through the pool and what is in it.
    pub fn stats(&self) -> Stats {
        self.life().stats()
    }

    #[inline]
    fn engine(&self) -> &Arc<E> {
        &self.0.0.0
    }

    #[inline]
    fn life(&self) -> &Arc<Lifecycle> {
        self.engine().life()
    }
}

impl<E: Engine> Clone for WorkerPool<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: Engine> WorkerPool<E> {
    crate::inherent_ways_in!();
}

forward_executor!([E: Engine] WorkerPool<E>, |pool| pool.0.0);

#[async_trait]
impl<E: Engine> Shutdown for WorkerPool<E> {
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

impl<E: Engine> HandOver for WorkerPool<E> {
    fn retire(&self) -> Vec<Task> {
        let life = self.life();
        life.close();
        let tasks = life.hand_over(self.engine().take_queued());
        life.stop_when_quiet();
        tasks
    }

    fn adopt(&self, tasks: Vec<Task>) -> Vec<Task> {
        let life = self.life();
        let adopt = |task: Task| {
            let Some(submission) = life.begin_submission() else {
                return Some(task);
            };
            if let Err(outcome) = task.accept(life) {
                life.over_on_arrival(submission, outcome);
                return None;
            }
            self.engine().push_unbounded(task);
            life.pushed(|| self.engine().take_queued());
            None
        };
        tasks.into_iter().filter_map(adopt).collect()
    }
}

impl<E: Engine> Drop for Owner<E> {
    fn drop(&mut self) {
        let life = self.0.0.life();
        if life.is_forked() {
            // The engine's own end would wait for threads, or take locks, that are the parent's.
            std::mem::forget(Arc::clone(&self.0.0));
            return;
        }
        if life.is_stopped() {
            return;
        }
        let is_own_worker = Worker::current_of(&self.0).is_some();
        if is_own_worker {
            life.stop_when_quiet();
        } else {
            drop(drive_blocking(&self.0.0, ShutdownPolicy::drain()));
        }
    }
}

impl<E: Engine> fmt::Debug for WorkerPool<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool")
            .field("life", self.life())
            .finish()
    }
}
