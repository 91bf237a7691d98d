//! Scopes: jobs that borrow from the stack of the caller, who does not leave before all of them are over.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::panic::resume_unwind;

use crate::context::JobContext;
use crate::error::SubmitError;
use crate::executor::{Executor, ExecutorExt};
use crate::handle::JobHandle;
use crate::job::Job;
use crate::outcome::{JobError, PanicInfo, contain};
use crate::sync::{LockExt, Mutex};

/// What went wrong with a scope's jobs. All of them are over.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    /// A job panicked: the first one, in the order of submission.
    #[error("a job of the scope panicked: {0}")]
    Panicked(PanicInfo),
    /// Jobs that never ran, because the pool ended.
    #[error("{0} jobs of the scope did not run: the pool ended")]
    Unfinished(usize),
}

/// Takes jobs that may borrow what lives as long as `'scope`. Made by [`ExecutorExt::scope`].
pub struct Scope<'scope, 'env: 'scope, E: ?Sized> {
    executor: &'env E,
    handles: Mutex<Vec<JobHandle<(), Infallible>>>,
    // Invariant in `'scope`: a scope cannot be used as one that lives longer, or shorter, than it does.
    scope: PhantomData<&'scope mut &'scope ()>,
}

type ScopedJob<'a> = Box<dyn FnOnce() + Send + 'a>;

impl<'scope, E: Executor + ?Sized> Scope<'scope, '_, E> {
    /// Submits a job that may borrow; waits while the queue is full.
    ///
    /// # Errors
    /// [`SubmitError::Closed`]. The job comes back as a box, to be called in place if it matters.
    pub fn spawn<F>(&'scope self, job: F) -> Result<(), SubmitError<ScopedJob<'scope>>>
    where
        F: FnOnce() + Send + 'scope,
    {
        let job: ScopedJob<'scope> = Box::new(job);
        // SAFETY: only the lifetime changes. The job is gone, run or dropped, before its handle resolves: a cell moves it out
        // and consumes it before it publishes the outcome. `run` does not return, nor unwind, before every handle in `handles`
        // has resolved, and all that the job borrows outlives `'scope`, hence `run`. A job that is refused comes back here.
        let job: ScopedJob<'static> = unsafe { std::mem::transmute(job) };
        let handle = self
            .executor
            .submit(Scoped(job))
            .map_err(|refused| refused.map(|job| job.0))?;
        self.handles.lock_unpoisoned().push(handle);
        Ok(())
    }

    /// Waits for all jobs, those included that others of them have added meanwhile.
    fn join_all(&self) -> Result<(), ScopeError> {
        let mut panic = None;
        let mut unfinished = 0;
        loop {
            let handles = std::mem::take(&mut *self.handles.lock_unpoisoned());
            if handles.is_empty() {
                break;
            }
            for handle in handles {
                match handle.join() {
                    Ok(()) => {}
                    Err(JobError::Panicked(info)) => panic = panic.or(Some(info)),
                    Err(_) => unfinished += 1,
                }
            }
        }
        match (panic, unfinished) {
            (Some(info), _) => Err(ScopeError::Panicked(info)),
            (None, 0) => Ok(()),
            (None, count) => Err(ScopeError::Unfinished(count)),
        }
    }
}

/// A scope's job in the form that every executor takes.
struct Scoped(ScopedJob<'static>);

impl Job for Scoped {
    type Output = ();
    type Error = Infallible;

    fn run(self, _ctx: &JobContext<'_>) -> Result<(), Infallible> {
        (self.0)();
        Ok(())
    }
}

pub(crate) fn run<'env, E, R>(
    executor: &'env E,
    f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, E>) -> R,
) -> Result<R, ScopeError>
where
    E: Executor + ?Sized,
{
    let scope = Scope {
        executor,
        handles: Mutex::new(Vec::new()),
        scope: PhantomData,
    };
    let result = contain(|| f(&scope));
    let joined = scope.join_all();
    match result {
        Err(panic) => resume_unwind(panic.into_payload()),
        Ok(value) => joined.map(|()| value),
    }
}

impl<E: ?Sized> fmt::Debug for Scope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("jobs", &self.handles.lock_unpoisoned().len())
            .finish()
    }
}
