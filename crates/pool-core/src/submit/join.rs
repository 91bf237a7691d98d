//! Fork and join: two halves of a job, the second of which may be stolen until it starts.
//!
//! The second half lies in the frame of its joiner, and on the stack of the worker's forked halves
//! (`worker/fork_stack.rs`). If nobody steals it, it costs a few stores and no locked instruction,
//! so an algorithm may fork down to its smallest parts. A thief moves it out of the frame and makes
//! a job of it, a child of the one that forked it; the joiner waits for that, and works on parts of
//! it meanwhile (`worker/leapfrog.rs`).
//!
//! # What is borrowed
//! A half may borrow from its joiner's frame. A stolen one is **lent** (`Loan`): it is on the heap,
//! shared by the job and the joiner, which neither returns nor unwinds before it has taken it back.
//! A task that lies in a queue or in a report for longer finds nothing to call.

use std::cell::{RefCell, UnsafeCell};
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::panic::resume_unwind;
use std::process;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use crate::cell::closure::queue_and_shared_handle;
use crate::job::Job;
use crate::job::context::JobContext;
use crate::job::handle::JobHandle;
use crate::job::outcome::{Interrupted, JobError, contain, drop_contained};
use crate::pool::lifecycle::Joiner;
use crate::submit::scoped_closure::{Back, Loan};
use crate::task::Task;
use crate::worker::leapfrog::{Halves, Origin, StolenHalf};

/// See [`JobContext::join`].
#[inline(always)]
pub(crate) fn join<A, B, RA, RB>(ctx: &JobContext<'_>, a: A, b: B) -> (RA, RB)
where
    A: FnOnce(&JobContext<'_>) -> RA,
    B: FnOnce(&JobContext<'_>) -> RB + Send,
    RB: Send,
{
    let worker = ctx.on_worker();
    let halves = worker.halves();
    if !halves.is_origin(ctx.id()) {
        worker.begin_forks(ctx.id());
    }
    let half = Half {
        header: ForkedHalf {
            take: Half::<B, RB>::take,
        },
        ctx,
        place: halves.next_place(),
        body: UnsafeCell::new(ManuallyDrop::new(b)),
        stolen: UnsafeCell::new(MaybeUninit::uninit()),
    };
    // SAFETY: this job's origin has begun.
    unsafe { halves.fork_at(half.place, NonNull::from(&half).cast()) };
    let unwinding = Unwinding(&half);
    worker.has_forked(halves);
    let a = a(ctx);
    mem::forget(unwinding);
    let b = match half.join(halves) {
        Ok(b) => b(ctx),
        Err(stolen) => stolen.join(ctx),
    };
    (a, b)
}

/// A second half as thieves see it: without the types of its closure and its result.
#[repr(C)]
pub(crate) struct ForkedHalf {
    /// See [`take`](Self::take).
    take: unsafe fn(NonNull<Self>, &Origin) -> Task,
}

impl ForkedHalf {
    /// Moves a half that was stolen out of its joiner's frame, into a job that is yet to be
    /// submitted. Runs no user code.
    ///
    /// # Safety
    /// The half is in its joiner's frame, and the caller's alone for the time of the call, which is
    /// the only one: the joiner then finds it stolen.
    pub(crate) unsafe fn take(half: NonNull<Self>, origin: &Origin) -> Task {
        // SAFETY: as the caller says.
        unsafe { (half.as_ref().take)(half, origin) }
    }
}

/// A second half in the frame of its joiner.
#[repr(C)]
struct Half<'c, 'j, B, RB> {
    /// First, so that a pointer to it is one to the whole.
    header: ForkedHalf,
    /// Of the job that it is half of.
    ctx: &'c JobContext<'j>,
    /// On the stack of forked halves.
    place: usize,
    /// Until the joiner or a thief takes it out.
    body: UnsafeCell<ManuallyDrop<B>>,
    /// Written by a thief as it takes the body out, and read by the joiner then.
    stolen: UnsafeCell<MaybeUninit<Stolen<B, RB>>>,
}

impl<B, RB> Half<'_, '_, B, RB>
where
    B: FnOnce(&JobContext<'_>) -> RB + Send,
    RB: Send,
{
    /// Takes the half back; or, if it was stolen, what is left to be waited for. Called once, by
    /// the joiner.
    #[inline(always)]
    fn join(&self, halves: &Halves) -> Result<B, Stolen<B, RB>> {
        if halves.join(self.place) {
            // SAFETY: nobody has stolen it, nor will: the body is here, and is taken once.
            Ok(unsafe { ManuallyDrop::take(&mut *self.body.get()) })
        } else {
            // SAFETY: a thief wrote it before it released the lock that `join` has had since.
            Err(unsafe { (*self.stolen.get()).assume_init_read() })
        }
    }

    /// See [`ForkedHalf::take`].
    ///
    /// # Safety
    /// As there, and the header is that of a half of this type.
    unsafe fn take(half: NonNull<ForkedHalf>, origin: &Origin) -> Task {
        // SAFETY: the header is the first part of the half, which the pointer was made of. The
        // joiner has shared references to it only, and leaves the cells alone.
        let half = unsafe { half.cast::<Self>().as_ref() };
        // The joiner waits for what is made here of the body.
        let whole = AbortOnUnwind;
        // SAFETY: the body is the caller's, who asks once; see the function.
        let body = unsafe { ManuallyDrop::take(&mut *half.body.get()) };
        let (ctx, stolen) = (&raw const *half.ctx, half.stolen.get());
        // SAFETY: the context outlives the join, which waits for what was stolen.
        let inherited = unsafe { JobContext::inherited_elsewhere(ctx) };
        let lent = Arc::new(Lent {
            loan: Loan::new(body),
            told: OnceLock::new(),
        });
        let half = Arc::new(StolenHalf::new(origin.within.clone()));
        let erased: Arc<dyn Callable + '_> = Arc::clone(&lent) as _;
        // SAFETY: only the lifetime changes. What is borrowed is in the closure and its result. The
        // joiner neither returns nor unwinds before it has taken both back; a loan that was taken
        // back holds nothing borrowed.
        let erased: Arc<dyn Callable> =
            unsafe { mem::transmute::<Arc<dyn Callable + '_>, Arc<dyn Callable>>(erased) };
        let job = HalfJob {
            call: erased,
            half: Arc::clone(&half),
            joiner: Arc::clone(&origin.joiner),
        };
        let (task, handle) = queue_and_shared_handle(job, inherited.into_terms());
        let handle = JobHandle::new(handle.into_raw());
        let stolen_by = Stolen { lent, half, handle };
        // SAFETY: as for the body; there is nothing to drop.
        unsafe { (*stolen).write(stolen_by) };
        mem::forget(whole);
        task
    }
}

/// Ends the process if it is dropped by a panic, where nothing but a fault of the pool's own could
/// raise one, and a half would be gone that its joiner believes in.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    #[cold]
    fn drop(&mut self) {
        process::abort();
    }
}

/// The frame of a half that is forked. Dropped, because the first half panics, it joins the half:
/// that does not start, or is asked to stop and waited for.
struct Unwinding<'h, 'c, 'j, B, RB>(&'h Half<'c, 'j, B, RB>)
where
    B: FnOnce(&JobContext<'_>) -> RB + Send,
    RB: Send;

impl<B, RB> Drop for Unwinding<'_, '_, '_, B, RB>
where
    B: FnOnce(&JobContext<'_>) -> RB + Send,
    RB: Send,
{
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        let half = self.0;
        match half.join(half.ctx.on_worker().halves()) {
            Ok(body) => drop_contained(body),
            Err(stolen) => {
                stolen.handle.cancel();
                drop_contained(stolen.lent.loan.take_back());
            }
        }
    }
}

/// What a joiner has of a half that was stolen.
struct Stolen<B, RB> {
    lent: Arc<Lent<B, RB>>,
    half: Arc<StolenHalf>,
    handle: JobHandle<(), Interrupted>,
}

impl<B, RB> Stolen<B, RB>
where
    B: FnOnce(&JobContext<'_>) -> RB,
{
    /// Waits for the half, and works on parts of it meanwhile. Unwinds with the half's panic.
    #[cold]
    #[inline(never)]
    fn join(self, ctx: &JobContext<'_>) -> RB {
        let Self { lent, half, handle } = self;
        let loan = &lent.loan;
        let ending = RefCell::new(Ending::Awaited(handle));
        // A half that nobody has called yet is about to be, unless its job ends without: it was
        // cancelled, or its pool was given up. It is then the joiner's again, and only then, so
        // that a half that a job accounts for is called by that job.
        let poll_end = |cx: &mut Context<'_>| match loan.poll_end(cx) {
            Poll::Ready(true) => Poll::Ready(()),
            Poll::Ready(false) => ending.borrow_mut().poll(cx),
            Poll::Pending => Poll::Pending,
        };
        // The half may borrow from the caller's frame, which is not unwound before it is back.
        let waited = contain(|| ctx.on_worker().leapfrog(&half, poll_end));
        let back = loan.take_back();
        // The half is part of this job: what it was told, this job was told (`R402`).
        if let Some(&interrupted) = lent.told.get() {
            ctx.note_reported(interrupted);
        }
        match back {
            Back::Returned(b) => b,
            // One that was cancelled, or found the pool closed, still is half of this job.
            Back::Unused(half) => half(ctx),
            Back::Nothing => match contain(|| ending.into_inner().join()) {
                Ok(Err(JobError::Panicked(panic))) | Err(panic) => {
                    resume_unwind(panic.into_payload())
                }
                Ok(_) => match waited {
                    Err(panic) => resume_unwind(panic.into_payload()),
                    Ok(()) => unreachable!("a half that is gone has returned or panicked"),
                },
            },
        }
    }
}

/// The end of a stolen half's job, for the joiner.
enum Ending {
    Awaited(JobHandle<(), Interrupted>),
    Came(Result<(), JobError<Interrupted>>),
}

impl Ending {
    /// Ready once the job is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Awaited(handle) = self {
            *self = Self::Came(ready!(handle.poll_elsewhere(cx)));
        }
        Poll::Ready(())
    }

    /// Waits for it.
    fn join(self) -> Result<(), JobError<Interrupted>> {
        match self {
            Self::Awaited(handle) => handle.join(),
            Self::Came(outcome) => outcome,
        }
    }
}

/// A half that was stolen, as its job and its joiner share it.
struct Lent<B, RB> {
    loan: Loan<B, RB>,
    /// What the half's own context reported to it.
    told: OnceLock<Interrupted>,
}

/// A stolen half without the types of its closure and its result.
trait Callable: Send + Sync {
    /// Calls it, unless the joiner has taken it back. Returns whether it did.
    fn call(&self, ctx: &JobContext<'_>) -> bool;
}

impl<B, RB> Callable for Lent<B, RB>
where
    B: FnOnce(&JobContext<'_>) -> RB + Send,
    RB: Send,
{
    fn call(&self, ctx: &JobContext<'_>) -> bool {
        self.loan.call_by(|half| {
            let _told = Told(ctx, &self.told);
            half(ctx)
        })
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

/// The job that a thief makes of a half. Dropped unrun, it leaves the half to its joiner: the loan
/// is still here.
struct HalfJob {
    call: Arc<dyn Callable>,
    half: Arc<StolenHalf>,
    /// The job that it is half of: on whichever worker the half runs, waits for the whole pool
    /// leave that job out (`R609`).
    joiner: Arc<Joiner>,
}

impl Job for HalfJob {
    type Output = ();
    type Error = Interrupted;

    fn kind() -> &'static str {
        "pool_core::join"
    }

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Interrupted> {
        // A panic of the half is this job's: in its outcome, in the books, and for the joiner to
        // resume.
        let (call, worker) = (self.call, ctx.on_worker());
        let run = || self.joiner.run_half(|| call.call(ctx));
        if worker.run_within(self.half, run) {
            return Ok(());
        }
        // The joiner, which unwinds, cancelled this job at the moment of its start.
        ctx.note_reported(Interrupted::Cancelled);
        Err(Interrupted::Cancelled)
    }
}
