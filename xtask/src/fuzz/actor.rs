//! Who does the operations of a program: an outside thread, a closure or a future.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use pool::{
    ExecutorExt, Interrupted, JobContext, JobError, JobId, Outcome, ScopeError, Stats, SubmitError,
};

use super::books::{Mark, Record, lock};
use super::handle::{Counted, Disarm, Handle, Resolved, block_on, poll_once};
use super::jobs::{
    Body, FuzzFuture, FuzzJob, Payload, Planned, Value, check_worker, run_leaf_for_value,
    runs_here, said, watched,
};
use super::pools::{AnyPool, backend_of};
use super::program::{Bad, Deadline, Engine, Op, Then, Way};
use super::world::{Lease, World, address_of};

/// How long a cancelled job that has not started may take to be over.
const PROMPTLY: Duration = Duration::from_secs(2);

type Left = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What became of a submission.
pub(super) enum Got {
    Handle(Handle),
    Bare(JobId),
    Refused,
    /// It was left half-way, and has submitted nothing.
    Left,
}

pub(super) struct Actor {
    pub(super) world: Arc<World>,
    /// The job's; `None`: a thread's.
    pub(super) record: Option<Arc<Record>>,
    thread: usize,
    held: Mutex<Vec<(u8, AnyPool)>>,
    kept: Mutex<Vec<Left>>,
    seen: Mutex<HashMap<u8, Stats>>,
}

impl Actor {
    pub(super) fn of_thread(world: &Arc<World>, thread: usize, held: Vec<(u8, AnyPool)>) -> Self {
        Self {
            world: Arc::clone(world),
            record: None,
            thread,
            held: Mutex::new(held),
            kept: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    pub(super) fn of_job(
        world: &Arc<World>,
        record: &Arc<Record>,
        held: Vec<(u8, AnyPool)>,
    ) -> Self {
        Self {
            record: Some(Arc::clone(record)),
            ..Self::of_thread(world, 0, held)
        }
    }

    /// Does the operations, up to a check that says that the job should stop.
    pub(super) fn run(&self, ctx: Option<&JobContext<'_>>, ops: &[Op]) -> Result<(), Interrupted> {
        for op in ops {
            self.is_at(op);
            self.step(ctx, op)?;
        }
        self.is_at_nothing();
        Ok(())
    }

    pub(super) fn is_at(&self, op: &Op) {
        self.place().store(address_of(op), SeqCst);
    }

    pub(super) fn is_at_nothing(&self) {
        self.place().store(0, SeqCst);
    }

    fn place(&self) -> &std::sync::atomic::AtomicUsize {
        match &self.record {
            Some(record) => &record.at,
            None => &self.world.at[self.thread],
        }
    }

    fn found(&self, class: &'static str, what: String) {
        self.world.books.found(class, what);
    }

    /// One operation, on a thread that may block.
    pub(super) fn step(&self, ctx: Option<&JobContext<'_>>, op: &Op) -> Result<(), Interrupted> {
        match op {
            Op::Submit {
                pool,
                way,
                job,
                then,
            } => self.submit(ctx, *pool, *way, *job, *then),
            Op::SubmitAll { pool, jobs, then } => self.submit_all(*pool, jobs, *then),
            Op::Map { .. } => self.map(op),
            Op::Scope { pool, jobs, panics } => self.scope(*pool, jobs, *panics),
            Op::Fork { left, right, bad } => self.fork(ctx, left, right, *bad),
            Op::Handle { job, then } => {
                if let Some((record, handle)) = self.world.take_handle(*job) {
                    self.use_handle(record, handle, *then);
                }
            }
            Op::CancelToken(token) => self.cancel_token(*token),
            Op::Work(micros) => work(*micros),
            Op::Sleep(micros) => thread::sleep(Duration::from_micros(u64::from(*micros))),
            Op::Yield => thread::yield_now(),
            Op::Check => {
                if let Some(ctx) = ctx {
                    ctx.check()?;
                }
            }
            Op::WaitIdle(pool) => self.wait_idle(*pool),
            Op::Stats(pool) => self.look_at_stats(*pool),
            Op::Swap(pool, engine) => self.swap(*pool, *engine),
            Op::Close(pool) => {
                if let Some(lease) = self.pool(*pool) {
                    self.world.books.pool(*pool).is_ending.store(true, SeqCst);
                    lease.pool().ending().close();
                }
            }
            Op::Shutdown { .. } => self.shutdown(op),
            Op::DropPool(pool) => self.drop_pool(*pool),
        }
        Ok(())
    }

    /// The actor's own clone of a pool, otherwise one that the main thread lends.
    pub(super) fn pool(&self, pool: u8) -> Option<Lease<'_>> {
        let own = lock(&self.held)
            .iter()
            .find(|(it, _)| *it == pool)
            .map(|(_, pool)| pool.clone());
        own.map(Lease::own).or_else(|| self.world.borrow(pool))
    }

    fn drop_pool(&self, pool: u8) {
        let mut held = lock(&self.held);
        let dropped = held.extract_if(.., |(it, _)| *it == pool);
        let dropped: Vec<_> = dropped.collect();
        drop(held);
        if !dropped.is_empty() {
            // It may be the last handle.
            self.world.books.pool(pool).is_ending.store(true, SeqCst);
        }
        drop(dropped);
    }

    /// The job of a number, about to be submitted.
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

    fn submit(&self, ctx: Option<&JobContext<'_>>, pool: u8, way: Way, number: u16, then: Then) {
        let Some(lease) = self.pool(pool) else { return };
        let job = self.make(number, name_of(way), pool);
        let record = Arc::clone(&job.payload.record);
        let got = self.submit_by(ctx, &lease, way, job);
        drop(lease);
        self.took(record, got, then);
    }

    /// Goes on with what a submission gave.
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
            (Way::TryExecute, _) => executor
                .try_execute_job(job)
                .map_or_else(refused, Got::Bare),
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

    /// Polls a `submit_async` once; then drops it, when it has submitted nothing (`R106`), or keeps it.
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

    pub(super) fn use_handle(&self, record: Arc<Record>, mut handle: Handle, then: Then) {
        if then.cancels() {
            self.cancel(&record, &handle);
        }
        match then {
            Then::Keep | Then::CancelKeep => self.world.keep(record, handle),
            Then::Join | Then::CancelJoin => self.resolved(&record, handle.join()),
            Then::JoinTimeout(micros) => {
                let limit = Duration::from_micros(u64::from(micros));
                match handle.join_timeout(limit) {
                    Ok(said) => self.resolved(&record, said),
                    Err(handle) => self.world.keep(record, handle),
                }
            }
            Then::Await => {
                let said = block_on(Pin::new(&mut handle));
                self.resolved(&record, said);
            }
            Then::PollOnceKeep | Then::PollOnceDrop => self.poll_handle(record, handle, then),
            Then::Look => {
                self.look_at_handle(&record, &handle);
                self.world.keep(record, handle);
            }
            Then::Detach | Then::CancelDrop => handle.detach(),
            Then::Forget => {
                record.mark(Mark::Forgotten);
                std::mem::forget(handle);
            }
        }
    }

    /// The waker goes with the handle, or with the outcome.
    fn poll_handle(&self, record: Arc<Record>, mut handle: Handle, then: Then) {
        let counted = Counted::new();
        let waker = counted.waker();
        let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
        drop(waker);
        match polled {
            Poll::Ready(said) => self.resolved(&record, said),
            Poll::Pending if then == Then::PollOnceKeep => return self.world.keep(record, handle),
            Poll::Pending => drop(handle),
        }
        // In a job it would hold up those that may have to wake it.
        if self.record.is_none() && counted.is_left(PROMPTLY) {
            self.found("waker", format!("its waker is left behind: {record}"));
        }
    }

    /// One that has not started by its deadline is over then (`R403`).
    fn look_at_handle(&self, record: &Record, handle: &Handle) {
        let deadline = self.world.program.jobs[record.number as usize].deadline;
        let most = match deadline {
            Some(Deadline::Past) => PROMPTLY,
            Some(Deadline::In(micros)) => PROMPTLY + Duration::from_micros(u64::from(micros)),
            _ => return,
        };
        if self.record.is_none() && !self.is_over_or_begun(record, handle, most) {
            self.found(
                "deadline",
                format!("past its deadline and not over: {record}"),
            );
        }
    }

    /// Waits a while for a job that should be over unless it has begun.
    fn is_over_or_begun(&self, record: &Record, handle: &Handle, most: Duration) -> bool {
        let limit = Instant::now() + most;
        while !record.has_begun() && !(handle.is_finished() && record.are_captures_dropped()) {
            if Instant::now() > limit {
                return false;
            }
            thread::yield_now();
        }
        true
    }

    /// Cancels by a token; what has not started is over at once (`R401`).
    fn cancel_token(&self, token: u8) {
        self.world.tokens[usize::from(token)].cancel();
        if self.record.is_some() {
            return;
        }
        for (number, job) in self.world.program.jobs.iter().enumerate() {
            if job.token != Some(token) {
                continue;
            }
            if let Some((record, handle)) = self.world.take_handle(number as u16) {
                if !self.is_over_or_begun(&record, &handle, PROMPTLY) {
                    let what = format!("cancelled by its token, and not over: {record}");
                    self.found("cancel", what);
                }
                self.world.keep(record, handle);
            }
        }
    }

    /// Cancels by the handle; a job that has not started is over at once (`R401`).
    pub(super) fn cancel(&self, record: &Record, handle: &Handle) {
        record.mark(Mark::MayBeCancelled);
        let had_begun = record.has_begun();
        handle.cancel();
        if had_begun || self.record.is_some() {
            return;
        }
        if !self.is_over_or_begun(record, handle, PROMPTLY) {
            let what = format!("cancelled before the start, and not over: {record}");
            self.found("cancel", what);
        }
    }

    pub(super) fn resolved(&self, record: &Record, said: Resolved) {
        if said.number.is_some_and(|number| number != record.number) {
            let what = format!("its handle gave {:?}: {record}", said.number);
            self.found("outcome", what);
        }
        self.world.books.outcome(record, said.outcome);
    }

    fn submit_all(&self, pool: u8, numbers: &[u16], then: Then) {
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
        for (record, handle) in records.by_ref().zip(accepted) {
            self.took(record, Got::Handle(Handle::Fallible(handle)), then);
        }
    }

    fn map(&self, op: &Op) {
        let Op::Map {
            pool,
            inputs,
            ordered,
            taken,
            panics,
        } = *op
        else {
            return;
        };
        let Some(lease) = self.pool(pool) else { return };
        let records: Vec<_> = (0..inputs)
            .map(|_| self.world.books.open(None, "Map", pool))
            .collect();
        for record in &records {
            // A map that is dropped cancels the rest.
            record.mark(Mark::MayBeCancelled);
        }
        let payloads: Vec<_> = records
            .iter()
            .map(|record| Payload::plain(&self.world, Arc::clone(record)))
            .collect();
        let run = move |payload: Payload| {
            let panics = panics && payload.record.number.is_multiple_of(3);
            run_leaf_for_value(payload, panics)
        };
        let executor = lease.pool().executor();
        let taken = usize::from(taken);
        let mut came = 0;
        if ordered {
            for (record, said) in records.iter().zip(executor.map(payloads, run)).take(taken) {
                came += 1;
                self.map_gave(Some(record), said);
            }
        } else {
            for said in executor.map_unordered(payloads, run).take(taken) {
                came += 1;
                self.map_gave(None, said);
            }
        }
        if came != taken.min(records.len()) {
            let what = format!("a map of {} inputs gave {came} of {taken}", records.len());
            self.found("map", what);
        }
    }

    fn map_gave(
        &self,
        record: Option<&Arc<Record>>,
        said: Result<Value, JobError<std::convert::Infallible>>,
    ) {
        let (outcome, number) = match said {
            Ok(value) => (Outcome::Completed, Some(value.disarm())),
            Err(error) => (error.outcome(), None),
        };
        if let Some(record) = record {
            self.resolved(record, Resolved { outcome, number });
        }
    }

    /// Jobs that may borrow from this stack are over before it is left (`R505`).
    fn scope(&self, pool: u8, numbers: &[u16], panics: bool) {
        let Some(lease) = self.pool(pool) else { return };
        let mut records = Vec::new();
        let scope = catch_unwind(AssertUnwindSafe(|| {
            lease.pool().executor().scope(|scope| {
                for &number in numbers {
                    let job = self.make(number, "Scope", pool);
                    let record = Arc::clone(&job.payload.record);
                    let spawned = scope.spawn(move || {
                        if let Ok(value) = job.run_closure(None) {
                            value.disarm();
                        }
                    });
                    match spawned {
                        Ok(()) => {
                            self.world.books.accepted(&record);
                            records.push(record);
                        }
                        Err(refused) => {
                            self.world.books.refused(&record);
                            drop(refused);
                        }
                    }
                }
                if panics {
                    resume_unwind(Box::new(Planned));
                }
            })
        }));
        for record in &records {
            if !record.are_captures_dropped() {
                let what = format!("a scope was left before its job was over: {record}");
                self.found("scope", what);
            }
        }
        self.check_scope(scope, &records, panics);
    }

    fn check_scope(
        &self,
        scope: thread::Result<Result<(), ScopeError>>,
        records: &[Arc<Record>],
        panics: bool,
    ) {
        let unrun = records.iter().filter(|record| !record.has_begun()).count();
        let panicked = records
            .iter()
            .any(|record| record.result() == Some(Outcome::Panicked));
        let is_so = match &scope {
            Err(panic) => panics && panic.is::<Planned>(),
            Ok(_) if panics => false,
            Ok(Ok(())) => unrun == 0 && !panicked,
            Ok(Err(ScopeError::Unfinished(count))) => *count == unrun && !panicked,
            Ok(Err(ScopeError::Panicked(_))) => panicked,
        };
        if !is_so {
            let what = match scope {
                Err(panic) => said(&*panic),
                Ok(result) => format!("{result:?}"),
            };
            let what = format!("a scope gave {what}, of {records:?}");
            self.found("scope", what);
        }
    }

    fn fork(&self, ctx: Option<&JobContext<'_>>, left: &[Op], right: &[Op], bad: Bad) {
        let (Some(ctx), Some(record)) = (ctx, &self.record) else {
            return;
        };
        let book = self.world.books.pool(record.home());
        book.halves.fetch_add(1, SeqCst);
        let half = |ctx: &JobContext<'_>, ops, is_bad| {
            let _body = Body::begin(&self.world, record);
            check_worker(&self.world, record, Some(ctx));
            // It is part of its job, which decides for itself.
            let _interrupted = self.run(Some(ctx), ops);
            if is_bad {
                resume_unwind(Box::new(Planned));
            }
            1
        };
        let forked = catch_unwind(AssertUnwindSafe(|| {
            ctx.join(
                |ctx| half(ctx, left, bad == Bad::Left),
                |ctx| {
                    if bad == Bad::Right {
                        book.halves_panicked.fetch_add(1, SeqCst);
                    }
                    half(ctx, right, bad == Bad::Right)
                },
            )
        }));
        let is_so = match &forked {
            Ok(halves) => bad == Bad::None && *halves == (1, 1),
            Err(panic) => bad != Bad::None && panic.is::<Planned>(),
        };
        if !is_so {
            self.found("fork", format!("a fork gave {forked:?}: {record}"));
        }
    }

    fn wait_idle(&self, pool: u8) {
        let Some(lease) = self.pool(pool) else { return };
        let wait = Wait::begin(self, pool);
        lease.pool().executor().wait_idle();
        wait.end();
    }

    /// Counters never fall, and never more ends than begins (`R701`).
    fn look_at_stats(&self, pool: u8) {
        let Some(lease) = self.pool(pool) else { return };
        let stats = lease.pool().stats();
        drop(lease);
        let book = self.world.books.pool(pool);
        if stats.finished() + stats.unstarted > stats.accepted {
            self.found("stats", format!("more ended than accepted: {stats}"));
        }
        if !book.may_exceed && stats.queued > book.capacity as u64 {
            let what = format!("queued past a capacity of {}: {stats}", book.capacity);
            self.found("stats", what);
        }
        let columns = |stats: &Stats| {
            [
                stats.accepted,
                stats.completed,
                stats.failed,
                stats.panicked,
                stats.cancelled,
                stats.expired,
                stats.abandoned,
                stats.unstarted,
            ]
        };
        if let Some(before) = lock(&self.seen).insert(pool, stats) {
            let pairs = columns(&before).into_iter().zip(columns(&stats));
            if pairs.into_iter().any(|(before, now)| now < before) {
                self.found("stats", format!("a count fell: {before}; then {stats}"));
            }
        }
    }

    fn swap(&self, pool: u8, engine: Engine) {
        let Some(backend) = backend_of(engine) else {
            return;
        };
        let Some(lease) = self.pool(pool) else { return };
        if let Some(Err(error)) = lease.pool().swap(backend)
            && !matches!(error, pool::BuildError::Closed)
        {
            self.found("swap", format!("a swap failed: {error}"));
        }
    }
}

/// A wait for all of a pool, and what is known of it.
pub(super) struct Wait<'a> {
    actor: &'a Actor,
    pool: u8,
    before: Vec<Arc<Record>>,
    /// How many such waits of jobs had begun; `None` if others went on.
    begun: Option<u64>,
}

impl<'a> Wait<'a> {
    pub(super) fn begin(actor: &'a Actor, pool: u8) -> Self {
        let book = actor.world.books.pool(pool);
        let mut before = actor.world.books.unfinished(pool);
        // Not for what this thread runs itself.
        before.retain(|record| !runs_here(record.number));
        let begun = match &actor.record {
            None => None,
            Some(_) => {
                let begun = book.waits_begun.fetch_add(1, SeqCst) + 1;
                (book.waits_going_on.fetch_add(1, SeqCst) == 0).then_some(begun)
            }
        };
        Self {
            actor,
            pool,
            before,
            begun,
        }
    }

    /// All that it waited for is over. Jobs that wait so at once do not wait for each other, nor for what
    /// they run within: then nothing is known.
    pub(super) fn end(self) {
        let book = self.actor.world.books.pool(self.pool);
        let is_alone = self.begun == Some(book.waits_begun.load(SeqCst));
        if self.actor.record.is_none() || is_alone {
            let books = &self.actor.world.books;
            books.idle_was_reached(self.pool, &self.before);
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if self.actor.record.is_some() {
            let book = self.actor.world.books.pool(self.pool);
            book.waits_going_on.fetch_sub(1, SeqCst);
        }
    }
}

fn work(micros: u32) {
    let end = Instant::now() + Duration::from_micros(u64::from(micros));
    while Instant::now() < end {
        std::hint::spin_loop();
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
