//! Fork and join: two halves of a job, the second of which becomes a job of its own only if a worker is free to take it.
//!
//! A half that runs in place costs a call and a look at the word of idle workers. So an algorithm may fork down to its smallest parts; the
//! pool makes as many jobs of them as there are workers that ran out of work.

use std::convert::Infallible;
use std::panic::resume_unwind;

use crate::context::JobContext;
use crate::job::Job;
use crate::outcome::{PanicInfo, contain};
use crate::sync::{LockExt, Mutex};

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

/// The second half, on the stack of the one who waits for it.
struct Half<B, RB> {
    body: Mutex<Option<B>>,
    result: Mutex<Option<Result<RB, PanicInfo>>>,
}

impl<B, RB> Half<B, RB>
where
    B: FnOnce(&JobContext<'_>) -> RB,
{
    /// Runs it, unless it was run.
    fn run(&self, ctx: &JobContext<'_>) {
        let body = self.body.lock_unpoisoned().take();
        if let Some(body) = body {
            let result = contain(|| body(ctx));
            *self.result.lock_unpoisoned() = Some(result);
        }
    }
}

type ErasedHalf<'a> = Box<dyn FnOnce(&JobContext<'_>) + Send + 'a>;

/// The second half in the form that every executor takes.
struct Forked(ErasedHalf<'static>);

impl Job for Forked {
    type Output = ();
    type Error = Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Infallible> {
        (self.0)(ctx);
        Ok(())
    }
}

#[cold]
fn join_forked<A, B, RA, RB>(ctx: &JobContext<'_>, a: A, b: B) -> (RA, RB)
where
    A: FnOnce(&JobContext<'_>) -> RA,
    B: FnOnce(&JobContext<'_>) -> RB + Send,
    RB: Send,
{
    let half = Half {
        body: Mutex::new(Some(b)),
        result: Mutex::new(None),
    };
    let erased: ErasedHalf<'_> = Box::new(|ctx: &JobContext<'_>| half.run(ctx));
    // SAFETY: only the lifetime changes. The job is gone, run or dropped, before its handle resolves, and this function neither returns nor
    // unwinds before that: `a` and all that follows the submission are contained. A refused job is dropped here.
    let erased: ErasedHalf<'static> = unsafe { std::mem::transmute(erased) };
    let forked = contain(|| ctx.submit(Forked(erased)).ok()).ok().flatten();
    let a = contain(|| a(ctx));
    if let Some(handle) = forked {
        if a.is_err() {
            handle.cancel();
        }
        // Its outcome says whether it ran; so does the half.
        let _outcome = handle.join();
    }
    let a = a.unwrap_or_else(|panic| resume_unwind(panic.into_payload()));
    // A half that was cancelled, or found the pool closed, still is half of this job.
    half.run(ctx);
    let b = half.result.lock_unpoisoned().take();
    let b = b.expect("the half has run, here or elsewhere");
    (
        a,
        b.unwrap_or_else(|panic| resume_unwind(panic.into_payload())),
    )
}
