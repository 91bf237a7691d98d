//! The jobs of a program: what they capture, how their bodies run, and how they end.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pool::{
    AsyncContext, AsyncJob, ExecutorExt, Interrupted, Job, JobContext, JobOptions, Outcome,
};

use crate::intake::Intake;

use super::actor::Actor;
use super::books::{Mark, Record};
use super::handle::Disarm;
use super::place::{Body, Watched, check_worker};
use super::pools::AnyPool;
use super::program::{Deadline, End, OnDrop};
use super::timer::Timer;
use super::world::World;

/// The panic of a job that panics, to tell it from one that is a bug.
#[derive(Debug)]
pub(super) struct Planned;

/// A panic payload that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_unless_panicking();
    }
}

fn panic_unless_panicking() {
    if !thread::panicking() {
        // Not by `panic!`: the hook reports only unplanned panics.
        resume_unwind(Box::new(Planned));
    }
}

/// What a job captures. It is dropped once, wherever the job ends.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) record: Arc<Record>,
    pub(super) world: Arc<World>,
    act: OnDrop,
    holds: Vec<(u8, AnyPool)>,
}

impl Payload {
    /// The payload of a leaf.
    pub(super) fn plain(world: &Arc<World>, record: Arc<Record>) -> Self {
        Self {
            record,
            world: Arc::clone(world),
            act: OnDrop::Nothing,
            holds: Vec::new(),
        }
    }

    pub(super) fn of_job(
        world: &Arc<World>,
        record: Arc<Record>,
        job: u16,
        holds: Vec<(u8, AnyPool)>,
    ) -> Self {
        let mut payload = Self::plain(world, record);
        payload.act = world.program.jobs[usize::from(job)].on_drop;
        payload.holds = holds;
        payload
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.world.books.capture_dropped(&self.record);
        if self.record.intake() != Intake::Refused {
            perform(&self.world, self.act);
        }
    }
}

/// The value of a job.
#[derive(Debug)]
pub(super) struct Value {
    record: Arc<Record>,
    world: Arc<World>,
    act: OnDrop,
}

impl Value {
    fn new(world: &Arc<World>, record: &Arc<Record>, act: OnDrop) -> Self {
        world.books.result_made(record);
        Self {
            record: Arc::clone(record),
            world: Arc::clone(world),
            act,
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.world.books.result_dropped(&self.record);
        perform(&self.world, self.act);
    }
}

impl Disarm for Value {
    fn disarm(mut self) -> u32 {
        self.act = OnDrop::Nothing;
        self.record.number
    }
}

/// The error of a job that fails.
#[derive(Debug)]
pub(super) struct Failure(Value);

impl Disarm for Failure {
    fn disarm(self) -> u32 {
        self.0.disarm()
    }
}

/// Performs the action of a drop, on whatever thread this is. It never waits.
fn perform(world: &Arc<World>, act: OnDrop) {
    match act {
        OnDrop::Nothing => {}
        OnDrop::Panics => panic_unless_panicking(),
        OnDrop::Submits(pool) => submit_a_leaf(world, pool),
        OnDrop::CancelsToken(token) => world.tokens[usize::from(token)].cancel(),
        OnDrop::CancelsJob(job) => {
            if let Some((record, handle)) = world.take_handle(job) {
                record.mark(Mark::MayBeCancelled);
                handle.cancel();
                world.keep(record, handle);
            }
        }
        OnDrop::DropsHandle(job) => drop(world.take_handle(job)),
        OnDrop::WakesAll => Timer::global().wake_all(),
    }
}

fn submit_a_leaf(world: &Arc<World>, pool: u8) {
    let Some(lease) = world.borrow(pool) else {
        return;
    };
    let record = world.books.open(None, "from a drop", pool);
    let payload = Payload::plain(world, Arc::clone(&record));
    let job = move |ctx: &JobContext<'_>| -> Result<(), ()> {
        run_leaf(&payload, Some(ctx));
        Ok(())
    };
    match lease.pool().executor().try_execute(job) {
        Ok(_) => world.books.accepted(&record),
        Err(refused) => {
            world.books.refused(&record);
            drop(lease);
            drop(refused);
        }
    }
}

/// A body that only keeps the books.
pub(super) fn run_leaf(payload: &Payload, ctx: Option<&JobContext<'_>>) {
    let _body = Body::begin(&payload.world, &payload.record);
    check_worker(&payload.world, &payload.record, ctx);
    payload.world.books.begins(&payload.record);
    let books = &payload.world.books;
    books.ends(&payload.record, Outcome::Completed);
}

/// A leaf that returns a value, or panics.
pub(super) fn run_leaf_for_value(payload: Payload, panics: bool) -> Value {
    let (world, record) = (Arc::clone(&payload.world), Arc::clone(&payload.record));
    let _body = Body::begin(&world, &record);
    check_worker(&world, &record, None);
    world.books.begins(&record);
    drop(payload);
    let outcome = if panics {
        Outcome::Panicked
    } else {
        Outcome::Completed
    };
    world.books.ends(&record, outcome);
    if panics {
        resume_unwind(Box::new(Planned));
    }
    Value::new(&world, &record, OnDrop::Nothing)
}

/// A closure's job, or what a future is made of.
#[derive(Debug)]
pub(super) struct FuzzJob {
    pub(super) payload: Payload,
    pub(super) number: u16,
    /// It inherits these from a future that submits it.
    pub(super) inherited: Option<JobOptions>,
}

impl FuzzJob {
    fn job_options(&self) -> JobOptions {
        let world = &self.payload.world;
        let job = &world.program.jobs[usize::from(self.number)];
        let mut options = self.inherited.clone().unwrap_or_default();
        if job.named {
            options = options.named(format!("job {}", self.number));
        }
        if let Some(token) = job.token {
            options = options.with_token(&world.tokens[usize::from(token)]);
        }
        match job.deadline {
            None => options,
            Some(Deadline::Past) => options.with_deadline(Instant::now()),
            Some(Deadline::In(micros)) => {
                options.with_timeout(Duration::from_micros(u64::from(micros)))
            }
            Some(Deadline::Far) => options.with_timeout(Duration::MAX),
        }
    }

    /// Runs the body of a closure, whichever way it was submitted.
    pub(super) fn run_closure(self, ctx: Option<&JobContext<'_>>) -> Result<Value, Failure> {
        let Self {
            mut payload,
            number,
            ..
        } = self;
        let (world, record) = (Arc::clone(&payload.world), Arc::clone(&payload.record));
        let body = Body::begin(&world, &record);
        check_worker(&world, &record, ctx);
        world.books.begins(&record);
        let held = std::mem::take(&mut payload.holds);
        let job = &world.program.jobs[usize::from(number)];
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let actor = Actor::of_job(&world, &record, held);
            actor.run(ctx, &job.ops)?;
            if job.end == End::Never {
                wait_to_be_asked(ctx)?;
            }
            Ok(())
        }));
        let end = come_to_an_end(payload, job.end, ran, ctx.is_some());
        drop(body);
        end.finish(&world, &record, job.on_result_drop)
    }

    /// The future of a job.
    async fn run_future(self, ctx: Option<AsyncContext>) -> Result<Value, Failure> {
        let Self {
            mut payload,
            number,
            ..
        } = self;
        let (world, record) = (Arc::clone(&payload.world), Arc::clone(&payload.record));
        world.books.begins(&record);
        let held = std::mem::take(&mut payload.holds);
        let job = &world.program.jobs[usize::from(number)];
        let actor = Actor::of_job(&world, &record, held);
        let mut ran = actor.run_async(ctx.as_ref(), &job.ops).await;
        if job.end == End::Never && ran.is_ok() {
            std::future::pending::<()>().await;
        }
        if ctx.is_none() {
            ran = Ok(());
        }
        drop(actor);
        come_to_an_end(payload, job.end, Ok(ran), ctx.is_some()).finish(
            &world,
            &record,
            job.on_result_drop,
        )
    }
}

/// How a body ends.
enum Ending {
    Value,
    Failure(Outcome),
    Panic(Box<dyn Any + Send>),
}

impl Ending {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Value => Outcome::Completed,
            Self::Failure(outcome) => *outcome,
            Self::Panic(_) => Outcome::Panicked,
        }
    }

    /// Returns, or panics.
    fn finish(
        self,
        world: &Arc<World>,
        record: &Arc<Record>,
        act: OnDrop,
    ) -> Result<Value, Failure> {
        world.books.ends(record, self.outcome());
        match self {
            Self::Value => Ok(Value::new(world, record, act)),
            Self::Failure(_) => Err(Failure(Value::new(world, record, act))),
            Self::Panic(panic) => resume_unwind(panic),
        }
    }
}

/// Drops the captures, as a closure that returns does, and decides.
fn come_to_an_end(
    payload: Payload,
    end: End,
    ran: thread::Result<Result<(), Interrupted>>,
    can_fail: bool,
) -> Ending {
    let (world, record) = (Arc::clone(&payload.world), Arc::clone(&payload.record));
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    let ran = match ran {
        Ok(ran) => ran,
        Err(panic) => {
            let what = format!("an operation panicked, {}: {record}", said(&*panic));
            world.books.found("panic", what);
            return Ending::Panic(panic);
        }
    };
    if let Err(panic) = dropped {
        return Ending::Panic(panic);
    }
    match (ran, end) {
        (Err(Interrupted::Cancelled), _) if can_fail => Ending::Failure(Outcome::Cancelled),
        (Err(_), _) if can_fail => Ending::Failure(Outcome::Expired),
        (_, End::Err) if can_fail => Ending::Failure(Outcome::Failed),
        (_, End::Panics) => Ending::Panic(Box::new(Planned)),
        (_, End::PanicsTwice) => Ending::Panic(Box::new(Bomb)),
        _ => Ending::Value,
    }
}

pub(super) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("with something else").to_owned()
}

/// Runs until it is asked to stop.
fn wait_to_be_asked(ctx: Option<&JobContext<'_>>) -> Result<(), Interrupted> {
    let Some(ctx) = ctx else { return Ok(()) };
    loop {
        ctx.check()?;
        thread::sleep(Duration::from_micros(100));
    }
}

impl Job for FuzzJob {
    type Output = Value;
    type Error = Failure;

    fn run(self, ctx: &JobContext<'_>) -> Result<Value, Failure> {
        self.run_closure(Some(ctx))
    }

    fn options(&self) -> JobOptions {
        self.job_options()
    }
}

/// A future's job.
pub(super) struct FuzzFuture(pub(super) FuzzJob);

impl AsyncJob for FuzzFuture {
    type Output = Value;
    type Error = Failure;

    fn run(
        self,
        ctx: AsyncContext,
    ) -> impl Future<Output = Result<Value, Failure>> + Send + 'static {
        watched(self.0, Some(ctx))
    }

    fn options(&self) -> JobOptions {
        self.0.job_options()
    }
}

/// The future of a job, with its polls checked.
pub(super) fn watched(
    job: FuzzJob,
    ctx: Option<AsyncContext>,
) -> impl Future<Output = Result<Value, Failure>> + Send + 'static {
    let (world, record) = (
        Arc::clone(&job.payload.world),
        Arc::clone(&job.payload.record),
    );
    Watched::new(world, record, job.run_future(ctx))
}
