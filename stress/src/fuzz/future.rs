//! The operations of a future: those that would block are awaited.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use pool::{AsyncContext, ExecutorExt, Interrupted};

use super::actor::{Actor, Wait};
use super::books::{Mark, Record};
use super::handle::{Handle, poll_once};
use super::program::{Op, Then, Way};
use super::submit::{Got, name_of};
use super::timer::Timer;

impl Actor {
    /// Runs the operations, up to a check that says that the job should stop.
    pub(super) async fn run_async(
        &self,
        ctx: Option<&AsyncContext>,
        ops: &[Op],
    ) -> Result<(), Interrupted> {
        for op in ops {
            self.is_at(op);
            match op {
                Op::Submit {
                    pool,
                    way: way @ (Way::SubmitAsync | Way::SubmitAsyncDropped | Way::SubmitAsyncKept),
                    job,
                    then,
                } => self.submit_awaiting(ctx, *pool, *way, *job, *then).await,
                Op::Submit {
                    pool,
                    way,
                    job,
                    then,
                } if then.waits() => {
                    // The handle is kept for a moment, so that it can be awaited.
                    let keep = Op::Submit {
                        pool: *pool,
                        way: *way,
                        job: *job,
                        then: Then::Keep,
                    };
                    self.step(None, &keep)?;
                    self.await_kept(*job, *then).await;
                }
                Op::Handle { job, then } if then.waits() => self.await_kept(*job, *then).await,
                Op::SubmitAll { pool, jobs, then } if then.waits() => {
                    let keep = Op::SubmitAll {
                        pool: *pool,
                        jobs: jobs.clone(),
                        then: Then::Keep,
                    };
                    self.step(None, &keep)?;
                    let waits = jobs.iter().map(|&job| self.await_kept(job, *then));
                    waits.collect::<FuturesUnordered<_>>().collect().await
                }
                Op::Sleep(micros) => sleep(*micros).await,
                Op::Yield => yield_now().await,
                Op::Check => {
                    if let Some(ctx) = ctx {
                        ctx.check()?;
                    }
                }
                Op::WaitIdle(pool) => self.wait_idle_async(*pool).await,
                Op::Shutdown { .. } => self.shutdown_async(op).await,
                _ => self.step(None, op)?,
            }
        }
        self.is_at_nothing();
        Ok(())
    }

    async fn await_kept(&self, job: u16, then: Then) {
        if let Some((record, handle)) = self.world.take_handle(job) {
            self.await_handle(&record, handle, then).await;
        }
    }

    async fn await_handle(&self, record: &Arc<Record>, handle: Handle, then: Then) {
        if then.cancels() {
            self.cancel(record, &handle);
        }
        let said = handle.await;
        self.resolved(record, said);
    }

    async fn submit_awaiting(
        &self,
        ctx: Option<&AsyncContext>,
        pool: u8,
        way: Way,
        number: u16,
        then: Then,
    ) {
        let Some(lease) = self.pool(pool) else { return };
        let mut job = self.make(number, name_of(way), pool);
        let record = Arc::clone(&job.payload.record);
        if way != Way::SubmitAsync {
            let got = self.half_way(&lease, way, job);
            drop(lease);
            return self.took(record, got, then);
        }
        if let Some(ctx) = ctx.filter(|_| record.owner() == self.owner()) {
            record.mark(Mark::MayBeCancelled);
            record.mark(Mark::MayExpire);
            job.inherited = Some(ctx.inherited());
        }
        let submitted = lease.pool().executor().submit_async(job).await;
        drop(lease);
        let got = match submitted {
            Ok(handle) => Got::Handle(Handle::Fallible(handle)),
            Err(refused) => self.refused(&record, refused),
        };
        let Some(handle) = self.took_handle(&record, got) else {
            return;
        };
        if then.waits() {
            self.await_handle(&record, handle, then).await;
        } else {
            self.use_handle(record, handle, then);
        }
    }

    fn owner(&self) -> u8 {
        self.record
            .as_ref()
            .map_or(u8::MAX, |record| record.owner())
    }

    async fn wait_idle_async(&self, pool: u8) {
        let Some(lease) = self.pool(pool) else { return };
        let wait = Wait::begin(self, pool);
        lease.pool().executor().wait_idle_async().await;
        wait.end();
    }
}

/// Suspends until the timer or another thread wakes it.
async fn sleep(micros: u32) {
    let until = Instant::now() + Duration::from_micros(u64::from(micros));
    let mut is_first = true;
    poll_fn(|cx| {
        if !std::mem::take(&mut is_first) {
            return Poll::Ready(());
        }
        Timer::global().wake_at(until, cx.waker().clone());
        Poll::Pending
    })
    .await;
}

/// Suspends once, and wakes itself.
async fn yield_now() {
    let mut is_first = true;
    poll_fn(|cx| {
        if !std::mem::take(&mut is_first) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls a boxed future once, and drops it.
pub(super) fn poll_once_and_drop<T>(
    mut future: Pin<Box<dyn Future<Output = T> + Send + '_>>,
) -> Option<T> {
    match poll_once(future.as_mut()) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
