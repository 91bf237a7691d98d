//! Makes of each kind of job a task for the queue, and what its submitter keeps; gives the job back
//! if the task is refused.
//!
//! Each way in is one of three kinds of job (a closure with a handle, a closure without one, a
//! future) and one of four ways to wait for a place. The observers of the executor's pool see the
//! options before the task is made of them.

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::Executor;
use super::admit::admit_at;
use crate::cell::closure::{CellHandle, queue_and_handle_with};
use crate::cell::future::AsyncCell;
use crate::cell::future::queue_side::AsyncEntry;
use crate::cell::future::source::{InfallibleSource, JobSource, Large, Source};
use crate::job::context::Inherited;
use crate::job::handle::JobHandle;
use crate::job::id::JobId;
use crate::job::{AsyncJob, Job, JobOptions, Terms};
use crate::pool::lifecycle::Lifecycle;
use crate::pool::observer::Observers;
use crate::submit::error::{Refused, SubmitError};
use crate::submit::room::Admission;
use crate::task::fire_and_forget;
use crate::task::{Task, TaskRef};

/// What a submitter keeps of a job whose task is on its way in. Exactly one of its two methods is
/// called, unless the submission is dropped before its end.
pub(super) trait Kept: Sized {
    /// What the submitter gets once the task is accepted.
    type Accepted;
    /// What it gets back if the task is refused.
    type Job;

    /// Turns what was kept into the submitter's handle or id. The job may have ended by now.
    fn accepted(self) -> Self::Accepted;

    /// Takes the job out of the task, or of its cell, before the task is dropped, which would
    /// abandon the job. Panics if the executor has run the task that it refuses.
    fn give_back(self, refused: Refused<Task>) -> SubmitError<Self::Job>;
}

/// What a submission by `K` ends with.
pub(super) type Submitted<K> = Result<<K as Kept>::Accepted, SubmitError<<K as Kept>::Job>>;

/// Sends a task in by `admit`, and turns the answer into the submitter's: its handle, or the job.
/// The task lies in this frame until it is in its queue.
#[inline(always)]
pub(super) fn enter<K: Kept>(
    (task, kept): (Task, K),
    admit: impl FnOnce(TaskRef<'_>) -> Result<(), Refused<Task>>,
) -> Submitted<K> {
    match admit(TaskRef::new(&mut MaybeUninit::uninit(), task)) {
        Ok(()) => Ok(kept.accepted()),
        Err(refused) => Err(kept.give_back(refused)),
    }
}

/// Sends a task in and awaits its place. Nothing is submitted before the first poll; dropped
/// earlier, the future drops the job.
pub(super) fn enter_async<E: Executor + ?Sized, K: Kept>(
    executor: &E,
    (task, kept): (Task, K),
) -> impl Future<Output = Submitted<K>> {
    let admission = Admission::new(executor, task);
    async move {
        match admission.await {
            Ok(()) => Ok(kept.accepted()),
            Err(refused) => Err(kept.give_back(refused)),
        }
    }
}

impl<J: Job> Kept for CellHandle<J> {
    type Accepted = JobHandle<J::Output, J::Error>;
    type Job = J;

    #[inline]
    fn accepted(self) -> Self::Accepted {
        JobHandle::new(self.into_raw())
    }

    #[cold]
    fn give_back(self, refused: Refused<Task>) -> SubmitError<J> {
        let job = self.reclaim().expect(NEVER_RUN);
        refused.map(|_entry| job).into()
    }
}

/// An executor that breaks this has run a task and refused it, and there is no job to give back.
const NEVER_RUN: &str = "a refused job was never run, and nobody else has its handle";

/// What is kept of a job without a handle: its id. Its task has all of it, and is asked for the job
/// by its type if it is refused.
pub(super) struct Detached<J>(JobId, PhantomData<fn() -> J>);

/// Where the options of a job come from: its own method, or that and its parent.
///
/// Asked on both sides of a branch. A closure that is called twice is not inlined, and these are.
pub(in crate::submit) trait Options<J> {
    /// Makes the options, for observers to see.
    fn of(self, job: &J) -> JobOptions;

    /// Makes what becomes of the options, where nobody sees them.
    fn terms(self, job: &J) -> Option<Terms>;
}

impl<J, F: FnOnce(&J) -> JobOptions> Options<J> for F {
    #[inline(always)]
    fn of(self, job: &J) -> JobOptions {
        self(job)
    }

    #[inline(always)]
    fn terms(self, job: &J) -> Option<Terms> {
        self(job).resolve()
    }
}

/// The options of a bare future.
struct NoOptions;

impl<J> Options<J> for NoOptions {
    #[inline(always)]
    fn of(self, _: &J) -> JobOptions {
        JobOptions::default()
    }

    #[inline(always)]
    fn terms(self, _: &J) -> Option<Terms> {
        None
    }
}

/// Makes the task of a job, and what its submitter keeps.
pub(in crate::submit) trait Make<J, K>:
    FnOnce(J, Option<Terms>) -> (Task, K)
{
}

impl<J, K, F: FnOnce(J, Option<Terms>) -> (Task, K)> Make<J, K> for F {}

/// A job on its way in, before its task is made.
///
/// Whether anybody observes is asked once, and the rest is done on each side of that branch. So
/// nothing that owns memory crosses it: where nobody observes, options that are none are known to
/// be none, and the task is made where the queue takes it from.
pub(in crate::submit) struct Submission<'a, J, O, M> {
    observers: Option<&'a Observers>,
    job: J,
    options: O,
    make: M,
    /// Whether the observers hear that nobody has a handle, and no job is the parent.
    is_detached: bool,
}

impl<J, O, M, K> Submission<'_, J, O, M>
where
    O: Options<J>,
    M: FnOnce(J, Option<Terms>) -> (Task, K),
{
    /// Makes the task, whose options the observers see first, if there are any.
    #[inline(always)]
    pub(in crate::submit) fn made(self) -> (Task, K) {
        self.made_then(|made| made)
    }

    /// Makes the task, and sends it in by `admit`.
    #[inline(always)]
    pub(super) fn enter(
        self,
        admit: impl FnOnce(TaskRef<'_>) -> Result<(), Refused<Task>>,
    ) -> Submitted<K>
    where
        K: Kept,
    {
        self.made_then(|made| enter(made, admit))
    }

    #[inline(always)]
    fn made_then<R>(self, then: impl FnOnce((Task, K)) -> R) -> R {
        let Some(observers) = self.observers else {
            let terms = self.options.terms(&self.job);
            return then((self.make)(self.job, terms));
        };
        self.observed_then(observers, then)
    }

    #[cold]
    #[inline(never)]
    fn observed_then<R>(self, observers: &Observers, then: impl FnOnce((Task, K)) -> R) -> R {
        let mut options = self.options.of(&self.job);
        observers.submitted(&mut options, self.is_detached);
        then((self.make)(self.job, options.resolve()))
    }
}

/// The observers of an executor's pool.
#[inline(always)]
fn observers_of<E: Executor + ?Sized>(executor: &E) -> Option<&Observers> {
    executor.room().observers()
}

/// A job with a handle, with its own options.
#[inline(always)]
pub(in crate::submit) fn closure<E: Executor + ?Sized, J: Job>(
    executor: &E,
    job: J,
) -> Submission<'_, J, impl Options<J>, impl Make<J, CellHandle<J>>> {
    Submission {
        observers: observers_of(executor),
        job,
        options: J::options,
        make: queue_and_handle_with,
        is_detached: false,
    }
}

/// A job without a handle, with its own options.
#[inline(always)]
pub(super) fn detached<E: Executor + ?Sized, J: Job>(
    executor: &E,
    job: J,
) -> Submission<'_, J, impl Options<J>, impl Make<J, Detached<J>>> {
    Submission {
        observers: observers_of(executor),
        job,
        options: J::options,
        make: detached_with,
        is_detached: true,
    }
}

/// Makes the task of a job without a handle, with these options in place of its own.
#[inline(always)]
fn detached_with<J: Job>(job: J, terms: Option<Terms>) -> (Task, Detached<J>) {
    let (id, task) = fire_and_forget::task_with(job, terms);
    (task, Detached(id, PhantomData))
}

impl<J: Job> Kept for Detached<J> {
    type Accepted = JobId;
    type Job = J;

    #[inline(always)]
    fn accepted(self) -> JobId {
        self.0
    }

    #[cold]
    fn give_back(self, refused: Refused<Task>) -> SubmitError<J> {
        fire_and_forget::give_back(refused)
    }
}

/// Makes the task and the cell of a job whose work is a future, with the job's own options.
#[inline]
pub(super) fn future<E: Executor + ?Sized, J: AsyncJob>(
    executor: &E,
    job: J,
) -> (
    Task,
    FutureSide<impl Source<Job = J, Output = J::Output, Error = J::Error>>,
) {
    let submission = Submission {
        observers: observers_of(executor),
        job,
        options: J::options,
        make: future_with,
        is_detached: false,
    };
    submission.made()
}

/// [`future`] with these options in place of the job's own.
#[inline]
fn future_with<J: AsyncJob>(
    job: J,
    terms: Option<Terms>,
) -> (
    Task,
    FutureSide<impl Source<Job = J, Output = J::Output, Error = J::Error>>,
) {
    FutureSide::of(JobSource { job, run: J::run }, terms)
}

/// Makes the task and the cell of a bare future, which has no options.
#[inline]
pub(super) fn bare_future<E, F>(executor: &E, future: F) -> (Task, FutureSide<InfallibleSource<F>>)
where
    E: Executor + ?Sized,
    F: Future<Output: Send> + Send + 'static,
{
    made_of_future(observers_of(executor), future, NoOptions)
}

/// [`bare_future`] with options: for a child, those that it inherits.
#[inline]
fn made_of_future<F>(
    observers: Option<&Observers>,
    future: F,
    options: impl Options<F> + Options<Box<F>>,
) -> (Task, FutureSide<InfallibleSource<F>>)
where
    F: Future<Output: Send> + Send + 'static,
{
    // Each function that a large future passes through has room for every copy that it may make,
    // also for those of the other branch: so it goes into its box at once, and the rest is another
    // function's.
    if Large::<InfallibleSource<F>>::is_due() {
        let make = |job, terms| FutureSide::boxed(InfallibleSource::boxed(job), terms);
        made_of_source(observers, Box::new(future), options, make)
    } else {
        let make = |job, terms| FutureSide::in_place(InfallibleSource(job), terms);
        made_of_source(observers, future, options, make)
    }
}

/// The part of [`made_of_future`] for a future, or for the box that it is in.
#[inline]
fn made_of_source<J, K>(
    observers: Option<&Observers>,
    job: J,
    options: impl Options<J>,
    make: impl Make<J, K>,
) -> (Task, K) {
    let submission = Submission {
        observers,
        job,
        options,
        make,
        is_detached: false,
    };
    submission.made()
}

/// The cell of a future on its way in, as its submitter keeps it.
pub(super) enum FutureSide<S: Source> {
    /// The future is made within the cell.
    InPlace(Arc<AsyncCell<S>>),
    /// The job or its future is too large for that, and has a box.
    Boxed(Arc<AsyncCell<Large<S>>>),
}

impl<S: Source> FutureSide<S> {
    /// Chooses by size, which is known when this is compiled.
    #[inline]
    fn of(source: S, terms: Option<Terms>) -> (Task, Self) {
        if Large::<S>::is_due() {
            Self::boxed(Box::new(source), terms)
        } else {
            Self::in_place(source, terms)
        }
    }

    /// A cell that holds the source itself.
    #[inline]
    fn in_place(source: S, terms: Option<Terms>) -> (Task, Self) {
        let (task, cell) = cell_of(source, terms);
        (task, Self::InPlace(cell))
    }

    /// Apart from [`in_place`](Self::in_place), so that a stack that has the copies of the one has
    /// not those of the other.
    fn boxed(source: Box<S>, terms: Option<Terms>) -> (Task, Self) {
        let (task, cell) = cell_of(Large(source), terms);
        (task, Self::Boxed(cell))
    }
}

/// A cell and its task, which has one count of it.
#[inline]
fn cell_of<S: Source>(source: S, terms: Option<Terms>) -> (Task, Arc<AsyncCell<S>>) {
    let id = JobId::next();
    let cell = AsyncCell::new(id, source, terms.map(Box::new));
    let task = Task::new(id, AsyncEntry(Arc::clone(&cell) as _));
    (task, cell)
}

impl<S: Source> Kept for FutureSide<S> {
    type Accepted = JobHandle<S::Output, S::Error>;
    type Job = S::Job;

    #[inline]
    fn accepted(self) -> Self::Accepted {
        JobHandle::new(match self {
            Self::InPlace(cell) => cell.raw_handle(),
            Self::Boxed(cell) => cell.raw_handle(),
        })
    }

    #[cold]
    fn give_back(self, refused: Refused<Task>) -> SubmitError<S::Job> {
        let job = match self {
            Self::InPlace(cell) => cell.reclaim().map(Source::into_job),
            Self::Boxed(cell) => cell.reclaim().map(Source::into_job),
        };
        let job = job.expect(NEVER_RUN);
        refused.map(|_entry| job).into()
    }
}

/// What a job hands down to its children.
///
/// Copied out of its context: a function that is not inlined and gets a reference to the context
/// would have each child read it anew.
pub(crate) trait Parent: Copy {
    /// Returns the job's deadline, its token, and the values that are inherited.
    fn inherited(self) -> Inherited;
}

/// The children of a job: each way in with what they inherit (`R406`). Made by a context for one
/// call.
///
/// The options are added to the job's own, so that they need no memory of their own.
pub(crate) struct Children<'a, P> {
    /// The parent's pool. On a worker of it no child waits for a place.
    pub(crate) executor: &'a dyn Executor,
    pub(crate) parent: P,
    /// The life of that pool.
    pub(crate) life: &'a Lifecycle,
}

/// The options of a child: its own, within what it inherits.
struct OfChild<P, O> {
    parent: P,
    own: O,
}

impl<J, P: Parent, O: Options<J>> Options<J> for OfChild<P, O> {
    #[inline(always)]
    fn of(self, job: &J) -> JobOptions {
        let own = self.own.of(job);
        own.around(self.parent.inherited().into())
    }

    #[inline(always)]
    fn terms(self, job: &J) -> Option<Terms> {
        let own = self.own.of(job);
        if own.is_none() {
            std::mem::forget(own); // see `JobOptions::resolve`
            return self.parent.inherited().into_terms();
        }
        around(own, self.parent.inherited())
    }
}

/// What becomes of a child's own options within what it inherits.
///
/// Apart, since most children have none: each level of jobs within jobs would have room for this on
/// its stack.
#[inline(never)]
fn around(own: JobOptions, inherited: Inherited) -> Option<Terms> {
    own.around(inherited.into()).resolve()
}

impl<'a, P: Parent> Children<'a, P> {
    /// A child, with what it inherits around its own options.
    #[inline(always)]
    fn child<J, O, M>(self, job: J, own: O, make: M) -> Submission<'a, J, OfChild<P, O>, M> {
        Submission {
            observers: self.life.hooks.observers(),
            job,
            options: OfChild {
                parent: self.parent,
                own,
            },
            make,
            is_detached: false,
        }
    }

    /// A child with a handle. Refused only as closed, or at a deadline on a thread that is no
    /// worker of the pool.
    pub(crate) fn submit<J: Job>(
        self,
        job: J,
    ) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
        let (executor, room) = (self.executor, self.life.room());
        let child = self.child(job, J::options, queue_and_handle_with);
        child.enter(|task| admit_at(executor, room, task, None))
    }

    /// A child without a handle.
    #[inline(always)]
    pub(crate) fn execute<J: Job>(self, job: J) -> Result<JobId, SubmitError<J>> {
        let (executor, room) = (self.executor, self.life.room());
        let child = self.child(job, J::options, detached_with);
        child.enter(|task| admit_at(executor, room, task, None))
    }

    /// A child with a handle. Refused only as closed, or at a deadline on a thread that is no
    /// worker of the pool.
    pub(crate) fn submit_future<J: AsyncJob>(
        self,
        job: J,
    ) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
        let (executor, room) = (self.executor, self.life.room());
        let child = self.child(job, J::options, future_with);
        child.enter(|task| admit_at(executor, room, task, None))
    }

    /// A child that is a bare future, whose only options are those that it inherits.
    pub(crate) fn spawn_future<F>(
        self,
        future: F,
    ) -> Result<JobHandle<F::Output, Infallible>, SubmitError<F>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let Self {
            executor,
            parent,
            life,
        } = self;
        let own = NoOptions;
        let options = OfChild { parent, own };
        let parts = made_of_future(life.hooks.observers(), future, options);
        enter(parts, |task| admit_at(executor, life.room(), task, None))
    }
}
