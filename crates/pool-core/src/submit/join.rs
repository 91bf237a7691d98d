//! Fork and join: two halves of a job, the second of which becomes a job of its own only if a
//! worker is free to take it.
//!
//! A half that runs in place costs a call and a look at the word of idle workers. So an algorithm
//! may fork down to its smallest parts; the pool makes as many jobs of them as there are workers
//! that ran out of work.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock};

use crate::job::Job;
use crate::job::context::JobContext;
use crate::job::outcome::{Interrupted, JobError, contain, drop_contained};
use crate::pool::lifecycle::Joiner;
use crate::submit::scoped_closure::{Back, Loan};

/// See [`JobContext::join`].
#[inline]
pub(crate) fn join<A, B, RA, RB>(ctx: &JobContext<'_>, a: A, b: B) -> (RA, RB)
where
    A: FnOnce(&JobContext<'_>) -> RA,
    B: FnOnce(&JobContext<'_>) -> RB + Send,
    RB: Send,
{
    if ctx.is_somebody_free() {
        join_forked(ctx, a, b)
    } else {
        (a(ctx), b(ctx))
    }
}

/// A second half as the pool sees it: without the types of its closure and its result.
trait Half: Send + Sync {
    /// Calls it, unless somebody was first.
    fn run(&self, ctx: &JobContext<'_>);
}

impl<B, RB> Half for Loan<B, RB>
where
    B: FnOnce(&JobContext<'_>) -> RB + Send,
    RB: Send,
{
    fn run(&self, ctx: &JobContext<'_>) {
        self.call_by(|half| half(ctx));
    }
}

/// The second half in the form that every executor takes. Dropped unrun, it leaves the half to its
/// joiner: the loan is still here.
struct Forked {
    /// The half, and room for its result.
    half: Arc<dyn Half>,
    /// The job that it is half of: on whichever worker the half runs, waits for the whole pool
    /// leave that job out (`R609`).
    joiner: Joiner,
}

impl Job for Forked {
    type Output = ();
    type Error = Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Infallible> {
        // A panic of the half is this job's: in its outcome, in the books, and for the joiner to
        // resume.
        let half = self.half;
        self.joiner.run_half(|| half.run(ctx));
        Ok(())
    }
}

/// Records what its own context reported to a half, also if the half panics.
struct Told<'a>(&'a JobContext<'a>, &'a OnceLock<Interrupted>);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if let Some(interrupted) = self.0.reported() {
            let _first = self.1.set(interrupted);
        }
    }
}

/// [`join`] with a second half that others may run. Rare: a worker was free a moment ago.
///
/// All that may panic before the half is taken back is contained, since the half may borrow from
/// the caller's frame: it is neither left nor unwound before that.
#[cold]
fn join_forked<A, B, RA, RB>(ctx: &JobContext<'_>, a: A, b: B) -> (RA, RB)
where
    A: FnOnce(&JobContext<'_>) -> RA,
    B: FnOnce(&JobContext<'_>) -> RB + Send,
    RB: Send,
{
    let told = OnceLock::new();
    let half = Arc::new(Loan::new(|ctx: &JobContext<'_>| {
        let _told = Told(ctx, &told);
        b(ctx)
    }));
    let lent: Arc<dyn Half + '_> = Arc::clone(&half) as _;
    // SAFETY: only the lifetime changes. What is borrowed is in the half and its result. This
    // function neither returns nor unwinds before it has taken both back: all before that is
    // contained. A loan that was taken back holds nothing borrowed.
    let lent: Arc<dyn Half> =
        unsafe { std::mem::transmute::<Arc<dyn Half + '_>, Arc<dyn Half>>(lent) };
    let forked = Forked {
        half: lent,
        joiner: ctx.as_joiner(),
    };
    let forked = contain(|| ctx.submit(forked).ok()).ok().flatten();
    let a = contain(|| a(ctx));
    let joined = contain(|| {
        let handle = forked?;
        if a.is_err() {
            handle.cancel();
        }
        Some(handle.join())
    });
    let b = half.take_back();
    let a = match a {
        Ok(a) => a,
        Err(panic) => {
            drop_contained((b, joined));
            resume_unwind(panic.into_payload())
        }
    };
    // The half is part of this job: what it was told, this job was told (`R402`).
    if let Some(&interrupted) = told.get() {
        ctx.note_reported(interrupted);
    }
    let b = match (b, joined) {
        (Back::Returned(b), _) => b,
        // One that was cancelled, or found the pool closed, still is half of this job.
        (Back::Unused(half), _) => half(ctx),
        (Back::Nothing, Ok(Some(Err(JobError::Panicked(panic)))) | Err(panic)) => {
            resume_unwind(panic.into_payload())
        }
        (Back::Nothing, _) => unreachable!("a half that is gone has returned or panicked"),
    };
    (a, b)
}
