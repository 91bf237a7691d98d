//! The ways in, and the result of a submission.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use pool::{ExecutorExt, JobContext, JobId, SubmitError};

use super::actor::{Actor, Left};
use super::books::{Mark, Record, lock};
use super::handle::{Handle, block_on, poll_once};
use super::jobs::{FuzzFuture, FuzzJob, Payload, watched};
use super::program::{Deadline, Then, Way};
use super::world::Lease;

/// The result of a submission.
pub(super) enum Got {
    Handle(Handle),
    Bare(JobId),
    Refused,
    /// It was dropped half-way, and has submitted nothing.
    Left,
}

impl Actor {
    /// The job with a number, about to be submitted.
    pub(super) fn make(&self, number: u16, way: &'static str, pool: u8) -> FuzzJob {
        let world = &self.world;
        let record = world.books.open(Some(number), way, pool);
        let job = &world.program.jobs[usize::from(number)];
        let parent = self.record.as_ref().filter(|_| way.starts_with("Ctx"));
        if job.token.is_some() || parent.is_some() {
            record.mark(Mark::MayBeCancelled);
        }
        let has_limit = matches!(job.deadline, Some(Deadline::Past | Deadline::In(_)));
        if has_limit || parent.is_some_and(|parent| parent.has(Mark::MayExpire)) {
            record.mark(Mark::MayExpire);
        }
        let hold = |&pool: &u8| self.pool(pool).map(|lease| (pool, lease.pool().clone()));
        let holds = job.holds.iter().filter_map(hold).collect();
        FuzzJob {
            payload: Payload::of_job(world, record, number, holds),
            number,
            inherited: None,
        }
    }

    pub(super) fn submit(
        &self,
        ctx: Option<&JobContext<'_>>,
        pool: u8,
        way: Way,
        number: u16,
        then: Then,
    ) {
        let Some(lease) = self.pool(pool) else { return };
        let job = self.make(number, name_of(way), pool);
        let record = Arc::clone(&job.payload.record);
        let got = self.submit_by(ctx, &lease, way, job);
        drop(lease);
        self.took(record, got, then);
    }

    /// Continues with the result of a submission.
    pub(super) fn took(&self, record: Arc<Record>, got: Got, then: Then) {
        if let Some(handle) = self.took_handle(&record, got) {
            self.use_handle(record, handle, then);
        }
    }

    pub(super) fn took_handle(&self, record: &Arc<Record>, got: Got) -> Option<Handle> {
        match got {
            Got::Handle(handle) => {
                record.set_id(handle.id());
                self.world.books.accepted(record);
                Some(handle)
            }
            Got::Bare(id) => {
                record.set_id(id);
                self.world.books.accepted(record);
                None
            }
            Got::Refused | Got::Left => None,
        }
    }

    fn submit_by(
        &self,
        ctx: Option<&JobContext<'_>>,
        lease: &Lease<'_>,
        way: Way,
        job: FuzzJob,
    ) -> Got {
        let record = Arc::clone(&job.payload.record);
        let executor = lease.pool().executor();
        let handle = |handle| Got::Handle(Handle::Fallible(handle));
        let refused = |refused| self.refused(&record, refused);
        let future_refused =
            |it: SubmitError<FuzzFuture>| self.refused(&record, it.map(|future| future.0));
        match (way, ctx) {
            (Way::CtxSubmit, Some(ctx)) => ctx.submit(job).map_or_else(refused, handle),
            (Way::CtxExecute, Some(ctx)) => ctx.execute(job).map_or_else(refused, Got::Bare),
            (Way::Submit | Way::CtxSubmit, _) => executor.submit(job).map_or_else(refused, handle),
            (Way::TrySubmit, _) => executor.try_submit(job).map_or_else(refused, handle),
            (Way::SubmitTimeout(micros), _) => {
                let limit = Duration::from_micros(u64::from(micros));
                let result = executor.submit_timeout(job, limit);
                result.map_or_else(refused, handle)
            }
            (Way::SubmitAsync, _) => {
                block_on(pin!(executor.submit_async(job))).map_or_else(refused, handle)
            }
            (Way::SubmitAsyncDropped | Way::SubmitAsyncKept, _) => self.half_way(lease, way, job),
            (Way::Execute | Way::CtxExecute, _) => {
                executor.execute(job).map_or_else(refused, Got::Bare)
            }
            (Way::TryExecute, _) => executor.try_execute(job).map_or_else(refused, Got::Bare),
            (Way::SubmitFuture, _) => executor
                .submit_future(FuzzFuture(job))
                .map_or_else(future_refused, handle),
            (Way::TrySubmitFuture, _) => executor
                .try_submit_future(FuzzFuture(job))
                .map_or_else(future_refused, handle),
            (Way::Spawn | Way::SpawnFuture, _) => self.spawn(lease, way, job),
        }
    }

    fn spawn(&self, lease: &Lease<'_>, way: Way, job: FuzzJob) -> Got {
        let record = Arc::clone(&job.payload.record);
        let executor = lease.pool().executor();
        let sure = |handle| Got::Handle(Handle::Sure(handle));
        if way == Way::Spawn {
            let run = move || job.run_closure(None).unwrap_or_else(|_| unreachable!());
            let spawned = executor.spawn(run);
            return spawned.map_or_else(|refused| self.refused_whole(&record, refused), sure);
        }
        let future = watched(job, None);
        let future = async move { future.await.unwrap_or_else(|_| unreachable!()) };
        let spawned = executor.spawn_future(future);
        spawned.map_or_else(|refused| self.refused_whole(&record, refused), sure)
    }

    /// Polls a `submit_async` once; then drops it, in which case it has submitted nothing (`R106`),
    /// or keeps it.
    pub(super) fn half_way(&self, lease: &Lease<'_>, way: Way, job: FuzzJob) -> Got {
        let record = Arc::clone(&job.payload.record);
        let pool = lease.pool().clone();
        let actor_books = Arc::clone(&self.world.books);
        let took = {
            let record = Arc::clone(&record);
            move |result: Result<_, SubmitError<FuzzJob>>| match result {
                Ok(handle) => {
                    let handle = Handle::Fallible(handle);
                    record.set_id(handle.id());
                    actor_books.accepted(&record);
                    handle.detach();
                }
                Err(refused) => {
                    actor_books.refused(&record);
                    drop(refused);
                }
            }
        };
        // The clone is dropped with the future, before its owner's other clones.
        let mut future: Left =
            Box::pin(async move { took(pool.executor().submit_async(job).await) });
        if poll_once(future.as_mut()).is_ready() {
            return Got::Left;
        }
        self.world.books.refused(&record);
        if way == Way::SubmitAsyncKept {
            lock(&self.kept).push(future);
        }
        Got::Left
    }

    /// A refused job comes back whole, and is the same (`R102`).
    pub(super) fn refused(&self, record: &Arc<Record>, refused: SubmitError<FuzzJob>) -> Got {
        self.world.books.refused(record);
        let job = refused.into_job();
        if !Arc::ptr_eq(&job.payload.record, record) || job.payload.record.are_captures_dropped() {
            let other = &job.payload.record;
            self.found(
                "refused",
                format!("another job came back, {other}: {record}"),
            );
        }
        Got::Refused
    }

    fn refused_whole<J>(&self, record: &Record, refused: SubmitError<J>) -> Got {
        self.world.books.refused(record);
        if record.are_captures_dropped() {
            self.found("refused", format!("it was refused and dropped: {record}"));
        }
        drop(refused.into_job());
        Got::Refused
    }

    pub(super) fn submit_all(&self, pool: u8, numbers: &[u16], then: Then) {
        let Some(lease) = self.pool(pool) else { return };
        let jobs: Vec<FuzzJob> = numbers
            .iter()
            .map(|&number| self.make(number, "SubmitAll", pool))
            .collect();
        let records: Vec<_> = jobs
            .iter()
            .map(|job| Arc::clone(&job.payload.record))
            .collect();
        let mut records = records.into_iter();
        let accepted = match lease.pool().executor().submit_all(jobs) {
            Ok(handles) => handles,
            Err(error) => {
                let count = error.accepted.len();
                let told = count + 1 + error.rest.len();
                if told != records.len() {
                    let what = format!("a batch of {} became {told}", records.len());
                    self.found("refused", what);
                }
                for record in records.as_slice().iter().skip(count) {
                    self.world.books.refused(record);
                }
                error.accepted
            }
        };
        drop(lease);
        let got = accepted.into_iter().map(Handle::Fallible);
        let accepted = records.by_ref().zip(got);
        if then == Then::Await {
            self.await_together(pool, accepted);
            return;
        }
        for (record, handle) in accepted {
            self.took(record, Got::Handle(handle), then);
        }
    }

    /// Waits for all at once, each with its own waker.
    fn await_together(&self, pool: u8, accepted: impl Iterator<Item = (Arc<Record>, Handle)>) {
        let taken = accepted.filter_map(|(record, handle)| {
            let handle = self.took_handle(&record, Got::Handle(handle))?;
            Some((record, handle))
        });
        let waits = taken.map(|(record, handle)| async move { (record, handle.await) });
        let mut waits: FuturesUnordered<_> = waits.collect();
        let lending = self.lending(pool);
        while let Some((record, said)) = block_on(pin!(waits.next())) {
            self.resolved(&record, said);
        }
        drop(lending);
    }
}

pub(super) fn name_of(way: Way) -> &'static str {
    match way {
        Way::Submit => "Submit",
        Way::TrySubmit => "TrySubmit",
        Way::SubmitTimeout(_) => "SubmitTimeout",
        Way::SubmitAsync => "SubmitAsync",
        Way::SubmitAsyncDropped => "SubmitAsyncDropped",
        Way::SubmitAsyncKept => "SubmitAsyncKept",
        Way::Execute => "Execute",
        Way::TryExecute => "TryExecute",
        Way::Spawn => "Spawn",
        Way::SubmitFuture => "SubmitFuture",
        Way::TrySubmitFuture => "TrySubmitFuture",
        Way::SpawnFuture => "SpawnFuture",
        Way::CtxSubmit => "CtxSubmit",
        Way::CtxExecute => "CtxExecute",
    }
}
