//! Jobs as futures: what they do between two suspensions, and whether two threads poll one at once.

use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};
use std::time::Instant;

use fastrand::Rng;
use pool::{AsyncContext, AsyncJob, Interrupted, JobOptions, Outcome};

use super::super::books::Record;
use super::super::world::World;
use super::{Act, DEPTH, Failure, PATIENCE, Planned, SoakJob, take_back};

/// The future of a job: yields, sleeps until the alarm, awaits a child; then ends as planned.
pub(in crate::soak) async fn run_future(
    job: SoakJob,
    ctx: Option<AsyncContext>,
) -> Result<u64, Failure> {
    let rng = &mut Rng::with_seed(job.seed);
    job.world.books.begins(&job.payload.record);
    for _ in 0..rng.usize(0..4) {
        suspend(&job.world, rng.bool()).await;
    }
    let result = match (job.act, &ctx) {
        (Act::Fails, Some(_)) => Err(None),
        (Act::WaitsToBeAsked, Some(ctx)) => {
            let limit = Instant::now() + PATIENCE;
            loop {
                if let Err(interrupted) = ctx.check() {
                    break Err(Some(interrupted));
                }
                if Instant::now() >= limit {
                    break Ok(());
                }
                suspend(&job.world, true).await;
            }
        }
        (Act::HasChildren, Some(ctx)) if job.depth < DEPTH => {
            await_a_child(&job, ctx, rng).await;
            Ok(())
        }
        _ => Ok(()),
    };
    job.keep_books_of_future(result)
}

impl SoakJob {
    /// The last step of a future: its outcome is in the books before it returns.
    fn keep_books_of_future(
        &self,
        result: Result<(), Option<Interrupted>>,
    ) -> Result<u64, Failure> {
        let (books, record) = (&self.world.books, &self.payload.record);
        if self.act == Act::Panics {
            books.ends(record, Outcome::Panicked);
            resume_unwind(Box::new(Planned));
        }
        let outcome = match result {
            Ok(()) => Outcome::Completed,
            Err(None) => Outcome::Failed,
            Err(Some(Interrupted::Cancelled)) => Outcome::Cancelled,
            Err(Some(_)) => Outcome::Expired,
        };
        books.ends(record, outcome);
        result.map(|()| record.number).map_err(|_| Failure)
    }
}

/// Submits a child without blocking, and awaits or detaches it.
async fn await_a_child(job: &SoakJob, ctx: &AsyncContext, rng: &mut Rng) {
    let mut child = SoakJob::new(&job.world, rng, "submit_async", job.depth + 1);
    child.options = ctx.inherited();
    let record = Arc::clone(&child.payload.record);
    let books = &job.world.books;
    match job.world.pool.submit_async(child).await {
        Err(refused) => take_back(&job.world, refused, &record),
        Ok(handle) => {
            books.accepted(&record);
            if rng.bool() {
                let said = handle.await;
                books.outcome(&record, &said);
            }
        }
    }
}

/// Suspends once: woken by itself, or by the alarm.
async fn suspend(world: &World, is_woken_by_itself: bool) {
    let mut is_first = true;
    poll_fn(|cx| {
        if !mem::take(&mut is_first) {
            return Poll::Ready(());
        }
        if is_woken_by_itself {
            cx.waker().wake_by_ref();
        } else {
            world.alarm.set(cx.waker());
        }
        Poll::Pending
    })
    .await;
}

/// A future that detects two threads polling it at once.
pub(in crate::soak) struct Watched<F> {
    future: Pin<Box<F>>,
    world: Arc<World>,
    record: Arc<Record>,
}

impl<F> Watched<F> {
    pub(in crate::soak) fn new(future: F, world: Arc<World>, record: Arc<Record>) -> Self {
        Self {
            future: Box::pin(future),
            world,
            record,
        }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.record.is_polled.swap(true, SeqCst) {
            let what = format!("two threads poll it at once: {}", self.record);
            self.world.books.wrong(what);
        }
        let record = Arc::clone(&self.record);
        let polled = catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx)));
        record.is_polled.store(false, SeqCst);
        polled.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// A future's job, as [`AsyncJob`] wants it.
pub(in crate::soak) struct Coming(pub(in crate::soak) SoakJob);

impl AsyncJob for Coming {
    type Output = u64;
    type Error = Failure;

    fn run(self, ctx: AsyncContext) -> impl Future<Output = Result<u64, Failure>> + Send + 'static {
        let (world, record) = (
            Arc::clone(&self.0.world),
            Arc::clone(&self.0.payload.record),
        );
        Watched::new(run_future(self.0, Some(ctx)), world, record)
    }

    fn options(&self) -> JobOptions {
        self.0.options.clone()
    }
}
