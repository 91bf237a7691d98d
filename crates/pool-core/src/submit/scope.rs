//! Scopes: jobs that borrow from the stack of the caller, which does not leave before all of them
//! are over.

mod jobs;

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::sync::Arc;

use crate::job::Job;
use crate::job::context::JobContext;
use crate::job::outcome::{PanicInfo, contain, drop_contained};
use crate::submit::error::SubmitError;
use crate::submit::executor::{Executor, ExecutorExt};
use crate::submit::scoped_closure::{Back, Loan};
use jobs::Jobs;

/// What went wrong with a scope's jobs. All of them are over.
///
/// If both happened, the panic is told.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    /// A job panicked: of those that did, the one that was submitted first.
    #[error("a job of the scope panicked: {0}")]
    Panicked(PanicInfo),
    /// Jobs that never ran, because the pool ended.
    #[error("{0} jobs of the scope did not run: the pool ended")]
    Unfinished(usize),
}

/// Takes jobs that may borrow what lives as long as `'scope`. Made by [`ExecutorExt::scope`].
///
/// A shared reference to it is enough to submit, so a job of the scope may submit further ones.
pub struct Scope<'scope, 'env: 'scope, E: ?Sized> {
    /// Where the jobs go.
    executor: &'env E,
    /// Those that were accepted, which [`run`] waits for.
    jobs: Jobs,
    // Invariant in `'scope`: a scope cannot be used as one that lives longer, or shorter, than it
    // does.
    scope: PhantomData<&'scope mut &'scope ()>,
}

/// A closure that was refused, with its type forgotten: `SubmitError` then names no closure.
type ScopedJob<'a> = Box<dyn FnOnce() + Send + 'a>;

impl<'scope, E: Executor + ?Sized> Scope<'scope, '_, E> {
    /// Submits a job that may borrow; waits while the queue is full. There is no handle: what the
    /// job finds out, it writes to what it borrows.
    ///
    /// # Errors
    /// [`SubmitError::Closed`]. The job comes back as a box, to be called in place if it matters.
    ///
    /// # Panics
    /// With a panic of the executor itself. A panic of the job ends the scope with
    /// [`ScopeError::Panicked`].
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let mut words = ["one".to_owned(), "two".to_owned()];
    /// pool.scope(|scope| {
    ///     for word in &mut words {
    ///         if let Err(refused) = scope.spawn(|| word.make_ascii_uppercase()) {
    ///             refused.into_job()(); // here, then
    ///         }
    ///     }
    /// })?;
    /// assert_eq!(words, ["ONE", "TWO"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn<F>(&'scope self, job: F) -> Result<(), SubmitError<ScopedJob<'scope>>>
    where
        F: FnOnce() + Send + 'scope,
    {
        let loan = Arc::new(Loan::new(job));
        let lent: Arc<dyn Lent + 'scope> = Arc::clone(&loan) as _;
        // SAFETY: only the lifetime changes. What is borrowed is in the closure, and the closure is
        // gone before `'scope` ends: `run` neither returns nor unwinds before each loan in `jobs`
        // is over, and the loan of any other job is over when this function returns or unwinds. A
        // loan that is over holds nothing borrowed; its methods and its drop touch only its stage.
        let lent: Arc<dyn Lent> =
            unsafe { std::mem::transmute::<Arc<dyn Lent + 'scope>, Arc<dyn Lent>>(lent) };
        let scoped = Scoped(Arc::clone(&lent));
        let refused = match contain(|| self.executor.submit(scoped)) {
            Ok(Ok(handle)) => {
                self.jobs.add(handle, lent);
                return Ok(());
            }
            Ok(Err(refused)) => refused,
            Err(panic) => {
                // The executor may have kept the job, of which there is no handle.
                lent.end();
                resume_unwind(panic.into_payload())
            }
        };
        let Back::Unused(job) = loan.take_back() else {
            unreachable!("a refused job was never run, and is still in the error");
        };
        Err(refused.map(|_scoped| Box::new(job) as _))
    }
}

/// A scoped closure as the pool and the scope see it: without its type and its lifetime. Once it is
/// over, nothing borrowed is left in it.
trait Lent: Send + Sync {
    /// Calls it, unless somebody was first.
    fn run(&self);
    /// Drops it, unless somebody was first.
    fn drop_unused(&self);
    /// Whether it is gone.
    fn is_over(&self) -> bool;
    /// Returns once it is gone. Drops it, if nobody has called it.
    fn end(&self);
}

impl<F: FnOnce() + Send> Lent for Loan<F, ()> {
    fn run(&self) {
        self.call_by(|job| job());
    }

    fn drop_unused(&self) {
        Loan::drop_unused(self);
    }

    fn is_over(&self) -> bool {
        Loan::is_over(self)
    }

    fn end(&self) {
        drop_contained(self.take_back());
    }
}

/// A scope's job in the form that every executor takes. An executor may keep it for longer than the
/// scope lives: it finds nothing to call then.
struct Scoped(Arc<dyn Lent>);

impl Job for Scoped {
    type Output = ();
    type Error = Infallible;

    fn run(self, _ctx: &JobContext<'_>) -> Result<(), Infallible> {
        self.0.run();
        Ok(())
    }

    fn kind() -> &'static str {
        "pool_core::scope"
    }
}

impl Drop for Scoped {
    /// One that never ran gives its captures free at once: the scope's own closure may wait for
    /// that.
    fn drop(&mut self) {
        self.0.drop_unused();
    }
}

/// Runs `f` with a scope, and waits for all of the scope's jobs, whether or not `f` panics; see
/// [`ExecutorExt::scope`]. A panic of `f` comes before an error of the jobs.
pub(crate) fn run<'env, E, R>(
    executor: &'env E,
    f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, E>) -> R,
) -> Result<R, ScopeError>
where
    E: Executor + ?Sized,
{
    let scope = Scope {
        executor,
        jobs: Jobs::default(),
        scope: PhantomData,
    };
    let result = contain(|| f(&scope));
    let joined = scope.jobs.join_all();
    match result {
        Err(panic) => resume_unwind(panic.into_payload()),
        Ok(value) => joined.map(|()| value),
    }
}

impl<E: ?Sized> fmt::Debug for Scope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("jobs", &self.jobs.len())
            .finish()
    }
}
