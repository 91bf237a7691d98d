//! What the ways in come to: a job becomes a task and a handle, or comes back.

use std::convert::Infallible;
use std::future::Future;
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::{Executor, admit};
use crate::cell::closure::{CellHandle, queue_and_handle, queue_and_handle_with};
use crate::cell::future::AsyncCell;
use crate::cell::future::queue_side::AsyncEntry;
use crate::cell::future::source::{JobSource, Large, Source, SureSource};
use crate::job::handle::JobHandle;
use crate::job::id::JobId;
use crate::job::{AsyncJob, Job, JobOptions};
use crate::submit::error::{Refused, SubmitError};
use crate::task::fire_and_forget;
use crate::task::{Task, TaskRef};

#[inline]
pub(super) fn submit_with<J: Job>(
    job: J,
    admit: impl FnOnce(TaskRef<'_>) -> Result<(), Refused<Task>>,
) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
    submit_cell(queue_and_handle(job), admit)
}

#[inline]
pub(super) fn submit_cell<J: Job>(
    (task, handle): (Task, CellHandle<J>),
    admit: impl FnOnce(TaskRef<'_>) -> Result<(), Refused<Task>>,
) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
    match admit(TaskRef::new(&mut MaybeUninit::uninit(), task)) {
        Ok(()) => Ok(JobHandle::new(handle.into_ticket())),
        Err(refused) => Err(give_back(handle, refused)),
    }
}

/// [`submit`](crate::ExecutorExt::submit) for a job to which `options` are added, so that they need no place beside it.
pub(crate) fn submit_around<J: Job>(
    executor: &dyn Executor,
    options: JobOptions,
    job: J,
) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
    let options = job.options().around(options);
    let cell = queue_and_handle_with(job, options);
    submit_cell(cell, |task| admit(executor, task, None))
}

/// [`execute`](crate::ExecutorExt::execute) for a job to which `options` are added, so that they need no place beside it.
#[inline(always)]
pub(crate) fn execute_around<J: Job>(
    executor: &dyn Executor,
    options: JobOptions,
    job: J,
) -> Result<JobId, SubmitError<J>> {
    let options = job.options().around(options);
    let (id, task) = fire_and_forget::task_with(job, options);
    let mut place = MaybeUninit::uninit();
    let task = TaskRef::new(&mut place, task);
    admit(executor, task, None).map_err(fire_and_forget::give_back)?;
    Ok(id)
}

/// Takes the job out of its cell before the entry is dropped, which would abandon it.
pub(super) fn give_back<J: Job>(handle: CellHandle<J>, refused: Refused<Task>) -> SubmitError<J> {
    let job = handle
        .reclaim()
        .expect("a refused job was never run, and nobody else has its handle");
    refused
        .map(|entry| {
            drop(entry);
            job
        })
        .into()
}

pub(super) fn submit_future_with<J: AsyncJob>(
    job: J,
    admit: impl FnOnce(TaskRef<'_>) -> Result<(), Refused<Task>>,
) -> Result<JobHandle<J::Output, J::Error>, SubmitError<J>> {
    let options = job.options();
    let source = JobSource { job, run: J::run };
    submit_source(source, options, admit).map_err(|error| error.map(|source| source.job))
}

/// Apart from [`spawn_small`], so that a stack that has the copies of the one has not those of the other.
pub(super) fn spawn_large<F>(
    future: Box<F>,
    admit: impl FnOnce(TaskRef<'_>) -> Result<(), Refused<Task>>,
) -> Result<JobHandle<F::Output, Infallible>, SubmitError<F>>
where
    F: Future<Output: Send> + Send + 'static,
{
    let large = Large(SureSource::boxed(future));
    let refused = match submit_as_it_is(large, JobOptions::default(), admit) {
        Ok(handle) => return Ok(handle),
        Err(error) => error,
    };
    Err(refused.map(|large| large.0.0))
}

pub(super) fn spawn_small<F>(
    future: F,
    admit: impl FnOnce(TaskRef<'_>) -> Result<(), Refused<Task>>,
) -> Result<JobHandle<F::Output, Infallible>, SubmitError<F>>
where
    F: Future<Output: Send> + Send + 'static,
{
    submit_as_it_is(SureSource(future), JobOptions::default(), admit)
        .map_err(|error| error.map(|source| source.0))
}

pub(super) fn submit_source<S: Source>(
    source: S,
    options: JobOptions,
    admit: impl FnOnce(TaskRef<'_>) -> Result<(), Refused<Task>>,
) -> Result<JobHandle<S::Output, S::Error>, SubmitError<S>> {
    if Large::<S>::is_due() {
        let large = Large(Box::new(source));
        return submit_as_it_is(large, options, admit).map_err(|error| error.map(|large| *large.0));
    }
    submit_as_it_is(source, options, admit)
}

pub(super) fn submit_as_it_is<S: Source>(
    source: S,
    options: JobOptions,
    admit: impl FnOnce(TaskRef<'_>) -> Result<(), Refused<Task>>,
) -> Result<JobHandle<S::Output, S::Error>, SubmitError<S>> {
    let id = JobId::next();
    let cell = AsyncCell::new(id, source, options.resolve().map(Box::new));
    let task = Task::new(id, AsyncEntry(Arc::clone(&cell) as _));
    match admit(TaskRef::new(&mut MaybeUninit::uninit(), task)) {
        Ok(()) => Ok(JobHandle::new(cell.ticket())),
        Err(refused) => {
            let source = cell
                .reclaim()
                .expect("a refused job was never run, and nobody else has its handle");
            Err(refused.map(|_entry| source).into())
        }
    }
}
