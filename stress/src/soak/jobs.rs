//! The jobs of the soak: what their bodies do, closures and futures alike.

mod futures;

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use fastrand::Rng;
use pool::{ExecutorExt, Interrupted, Job, JobContext, JobOptions, Outcome, SubmitError};

use super::books::{Payload, Record};
use super::world::World;
pub(super) use futures::{Coming, Watched, run_future};

/// The longest that a job waits to be asked to stop, so that it hangs no round.
const PATIENCE: Duration = Duration::from_millis(3);
/// The most levels of nested children.
const DEPTH: u8 = 3;

/// What a job is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Completes,
    WorksAWhile,
    Fails,
    Panics,
    WaitsToBeAsked,
    HasChildren,
    Splits,
    OpensAScope,
    Maps,
}

impl Act {
    pub(super) fn any(rng: &mut Rng) -> Self {
        match rng.u8(0..32) {
            0..=13 => Self::Completes,
            14..=17 => Self::WorksAWhile,
            18..=20 => Self::Fails,
            21..=23 => Self::Panics,
            24..=25 => Self::WaitsToBeAsked,
            26..=27 => Self::HasChildren,
            28..=29 => Self::Splits,
            30 => Self::OpensAScope,
            _ => Self::Maps,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Completes => "completes",
            Self::WorksAWhile => "works a while",
            Self::Fails => "fails",
            Self::Panics => "panics",
            Self::WaitsToBeAsked => "waits to be asked to stop",
            Self::HasChildren => "has children",
            Self::Splits => "splits itself",
            Self::OpensAScope => "opens a scope",
            Self::Maps => "maps",
        }
    }
}

/// The error of a job that fails.
#[derive(Debug)]
pub(super) struct Failure;

/// The panic of a job that panics, to tell it from one that is a bug.
struct Planned;

/// A closure's job, or what a future is made of.
pub(super) struct SoakJob {
    pub(super) payload: Payload,
    pub(super) world: Arc<World>,
    pub(super) act: Act,
    pub(super) depth: u8,
    pub(super) seed: u64,
    pub(super) options: JobOptions,
}

impl SoakJob {
    /// A random job.
    pub(super) fn new(world: &Arc<World>, rng: &mut Rng, way: &'static str, depth: u8) -> Self {
        let act = match Act::any(rng) {
            Act::Splits if !world.splits => Act::Completes,
            act => act,
        };
        Self {
            payload: world.books.open(way, act.name()),
            world: Arc::clone(world),
            act,
            depth,
            seed: rng.u64(..),
            options: JobOptions::new(),
        }
    }

    /// Runs the body and keeps the books.
    fn keep_books(
        &self,
        body: impl FnOnce() -> Result<(), Option<Interrupted>>,
    ) -> Result<u64, Failure> {
        let (books, record) = (&self.world.books, &self.payload.record);
        books.begins(record);
        let (result, returns) = match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(())) => (Outcome::Completed, Ok(Ok(record.number))),
            Ok(Err(None)) => (Outcome::Failed, Ok(Err(Failure))),
            Ok(Err(Some(Interrupted::Cancelled))) => (Outcome::Cancelled, Ok(Err(Failure))),
            Ok(Err(Some(_))) => (Outcome::Expired, Ok(Err(Failure))),
            Err(panic) => (Outcome::Panicked, Err(panic)),
        };
        books.ends(record, result);
        returns.unwrap_or_else(|panic| {
            self.blame_unplanned(&*panic);
            resume_unwind(panic)
        })
    }

    fn blame_unplanned(&self, panic: &(dyn Any + Send)) {
        if !panic.is::<Planned>() {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            let record = &self.payload.record;
            let what = format!("an unplanned panic, {message:?}: {record}");
            self.world.books.wrong(what);
        }
    }

    fn act(&self, ctx: &JobContext<'_>) -> Result<(), Option<Interrupted>> {
        let rng = &mut Rng::with_seed(self.seed);
        match self.act {
            Act::Completes => Ok(()),
            Act::WorksAWhile => {
                let end = Instant::now() + Duration::from_micros(rng.u64(1..60));
                while Instant::now() < end {
                    std::hint::spin_loop();
                }
                Ok(())
            }
            Act::Fails => Err(None),
            Act::Panics => resume_unwind(Box::new(Planned)),
            Act::WaitsToBeAsked => wait_to_be_asked(ctx),
            Act::HasChildren => self.have_children(ctx, rng),
            Act::Splits => {
                let panics = rng.u8(..) < 32;
                let half = |_: &JobContext<'_>| 1;
                let other = |_: &JobContext<'_>| {
                    if panics {
                        resume_unwind(Box::new(Planned))
                    } else {
                        2
                    }
                };
                let (a, b): (u64, u64) = ctx.join(half, other);
                self.demand(a + b == 3, "the halves of a job gave something else");
                Ok(())
            }
            Act::OpensAScope => {
                open_a_scope(&self.world, ctx.executor(), rng);
                Ok(())
            }
            Act::Maps => {
                map(&self.world, ctx.executor(), rng);
                Ok(())
            }
        }
    }

    fn demand(&self, is_so: bool, what: &str) {
        if !is_so {
            self.world
                .books
                .wrong(format!("{what}: {}", self.payload.record));
        }
    }

    fn have_children(
        &self,
        ctx: &JobContext<'_>,
        rng: &mut Rng,
    ) -> Result<(), Option<Interrupted>> {
        if self.depth >= DEPTH {
            return Ok(());
        }
        let books = &self.world.books;
        for _ in 0..rng.usize(1..4) {
            let child = Self::new(&self.world, rng, "ctx.submit", self.depth + 1);
            let record = Arc::clone(&child.payload.record);
            match ctx.submit(child) {
                Err(refused) => {
                    self.demand(
                        refused.is_closed(),
                        "a child was refused by a pool that is full",
                    );
                    take_back(&self.world, refused, &record);
                }
                Ok(handle) => {
                    books.accepted(&record);
                    match rng.u8(0..4) {
                        0 => handle.detach(),
                        1 => {
                            handle.cancel();
                            books.outcome(&record, &handle.join());
                        }
                        _ => books.outcome(&record, &handle.join()),
                    }
                }
            }
        }
        Ok(())
    }
}

/// Runs until it is asked to stop, for a while.
fn wait_to_be_asked(ctx: &JobContext<'_>) -> Result<(), Option<Interrupted>> {
    let limit = Instant::now() + PATIENCE;
    while Instant::now() < limit {
        if let Err(interrupted) = ctx.check() {
            return Err(Some(interrupted));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// A refused job comes back whole, and is the same.
pub(super) fn take_back(world: &World, refused: SubmitError<SoakJob>, record: &Arc<Record>) {
    let job = refused.into_job();
    if !Arc::ptr_eq(&job.payload.record, record) {
        let other = &job.payload.record;
        world
            .books
            .wrong(format!("another job came back, {other}: {record}"));
    }
    world.books.refused(record);
}

impl Job for SoakJob {
    type Output = u64;
    type Error = Failure;

    fn run(self, ctx: &JobContext<'_>) -> Result<u64, Failure> {
        let body = Body::begin(&self.world);
        let result = self.keep_books(|| self.act(ctx));
        drop(body);
        result
    }

    fn options(&self) -> JobOptions {
        self.options.clone()
    }
}

thread_local! {
    static DEPTH_HERE: Cell<usize> = const { Cell::new(0) };
}

/// Counts the bodies that run at once: one for each thread, whatever it runs in place.
pub(super) struct Body<'a>(&'a World);

impl<'a> Body<'a> {
    pub(super) fn begin(world: &'a World) -> Self {
        if DEPTH_HERE.replace(DEPTH_HERE.get() + 1) == 0 {
            world.books.body_begins();
        }
        Self(world)
    }
}

impl Drop for Body<'_> {
    fn drop(&mut self) {
        DEPTH_HERE.set(DEPTH_HERE.get() - 1);
        if DEPTH_HERE.get() == 0 {
            self.0.books.body_ends();
        }
    }
}

/// Runs a body that has no context of its own.
fn run_plain(world: &World, payload: &Payload) {
    let _body = Body::begin(world);
    world.books.begins(&payload.record);
    world.books.ends(&payload.record, Outcome::Completed);
}

/// Jobs that borrow from this stack are over before it is left.
pub(super) fn open_a_scope<E: pool::Executor + ?Sized>(
    world: &Arc<World>,
    executor: &E,
    rng: &mut Rng,
) {
    let mut jobs = 0;
    let ran = std::sync::atomic::AtomicUsize::new(0);
    let scope = executor.scope(|scope| {
        for _ in 0..rng.usize(1..4) {
            let payload = world.books.open("scope", Act::Completes.name());
            let record = Arc::clone(&payload.record);
            let ran = &ran;
            let spawned = scope.spawn(move || {
                run_plain(world, &payload);
                ran.fetch_add(1, SeqCst);
            });
            match spawned {
                Ok(()) => {
                    jobs += 1;
                    world.books.accepted(&record);
                }
                Err(_refused) => world.books.refused(&record),
            }
        }
    });
    let ran = ran.load(SeqCst);
    let is_whole = match scope {
        Ok(()) => ran == jobs,
        Err(pool::ScopeError::Unfinished(count)) => ran + count == jobs,
        Err(pool::ScopeError::Panicked(_)) => false,
    };
    if !is_whole {
        let what = format!("a scope of {jobs} jobs was left when {ran} had run");
        world.books.wrong(what);
    }
}

/// Outcomes come back one for each input, in their order or as they come.
pub(super) fn map<E: pool::Executor + ?Sized>(world: &Arc<World>, executor: &E, rng: &mut Rng) {
    let payloads: Vec<Payload> = (0..rng.usize(0..6))
        .map(|_| world.books.open("map", Act::Completes.name()))
        .collect();
    let records: Vec<_> = payloads.iter().map(|it| Arc::clone(&it.record)).collect();
    let run = {
        let world = Arc::clone(world);
        move |payload: Payload| {
            run_plain(&world, &payload);
            payload.record.number
        }
    };
    let came = if rng.bool() {
        let mut came = 0;
        for (record, outcome) in records.iter().zip(executor.map(payloads, run)) {
            world.books.outcome(record, &outcome);
            came += 1;
        }
        came
    } else {
        let mut came = 0;
        for outcome in executor.map_unordered(payloads, run) {
            came += 1;
            let number = outcome.as_ref().ok();
            let record = number.and_then(|it| records.iter().find(|record| record.number == *it));
            if let Some(record) = record {
                world.books.outcome(record, &outcome);
            }
        }
        came
    };
    if came != records.len() {
        let what = format!("a map of {} inputs gave {came} outcomes", records.len());
        world.books.wrong(what);
    }
}
