//! Where bodies run: on a worker of their own pool, no more at once than it has workers.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use pool::JobContext;

use super::books::{Mark, Record};
use super::pools::Marker;
use super::world::World;

/// A future that checks where it is polled, and that no two threads poll it at once.
pub(super) struct Watched<F> {
    world: Arc<World>,
    record: Arc<Record>,
    future: Pin<Box<F>>,
}

impl<F> Watched<F> {
    pub(super) fn new(world: Arc<World>, record: Arc<Record>, future: F) -> Self {
        Self {
            world,
            record,
            future: Box::pin(future),
        }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let (world, record) = (Arc::clone(&self.world), Arc::clone(&self.record));
        if record.mark(Mark::Polled) {
            let what = format!("two threads poll it at once: {record}");
            world.books.found("polls", what);
        }
        let body = Body::begin(&world, &record);
        check_poller(&world, &record);
        let polled = catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx)));
        drop(body);
        record.unmark(Mark::Polled);
        polled.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// What is on a thread's stack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Body {
        pool: u8,
        number: u32,
        /// It needs a worker.
        counts: bool,
    },
    /// A body waits for its whole pool, and lends its worker meanwhile.
    Lends { pool: u8 },
    /// A body on another stack that waits for its half on this one.
    Joins { number: u32 },
}

thread_local! {
    /// The innermost last.
    static STACK: RefCell<Vec<Level>> = const { RefCell::new(Vec::new()) };
}

/// Whether a worker of the pool runs on this stack, and is not lent to others.
fn is_counted(stack: &[Level], pool: u8) -> bool {
    let last = stack.iter().rev().find_map(|level| match *level {
        Level::Body {
            pool: other,
            counts,
            ..
        } => (other == pool).then_some(counts),
        Level::Lends { pool: other } => (other == pool).then_some(false),
        Level::Joins { .. } => None,
    });
    last.unwrap_or(false)
}

/// A body waits for its whole pool while this value exists: others may run instead.
pub(super) struct Lending<'a> {
    world: &'a World,
    pool: u8,
    was_counted: bool,
}

impl<'a> Lending<'a> {
    pub(super) fn begin(world: &'a World, pool: u8) -> Self {
        let was_counted = STACK.with_borrow_mut(|stack| {
            let was_counted = is_counted(stack, pool);
            stack.push(Level::Lends { pool });
            was_counted
        });
        if was_counted {
            world.books.body_ends(pool);
        }
        Self {
            world,
            pool,
            was_counted,
        }
    }
}

impl Drop for Lending<'_> {
    fn drop(&mut self) {
        STACK.with_borrow_mut(|stack| stack.pop());
        if self.was_counted {
            self.world.books.body_begins(self.pool);
        }
    }
}

/// Counts the bodies that run at once on a pool: one for each thread, whatever it runs in place.
pub(super) struct Body<'a> {
    world: &'a World,
    pool: u8,
    is_first: bool,
}

impl<'a> Body<'a> {
    pub(super) fn begin(world: &'a World, record: &Record) -> Self {
        let pool = record.owner();
        let is_first = STACK.with_borrow_mut(|stack| {
            let (number, counts) = (record.number, !record.has(Mark::Alone));
            let is_first = counts && !is_counted(stack, pool);
            stack.push(Level::Body {
                pool,
                number,
                counts,
            });
            is_first
        });
        if is_first {
            world.books.body_begins(pool);
        }
        Self {
            world,
            pool,
            is_first,
        }
    }
}

impl Drop for Body<'_> {
    fn drop(&mut self) {
        STACK.with_borrow_mut(|stack| stack.pop());
        if self.is_first {
            self.world.books.body_ends(self.pool);
        }
    }
}

/// The jobs that last at least as long as what the calling thread does now.
pub(super) fn own_jobs() -> Vec<u32> {
    let number = |level: &Level| match *level {
        Level::Body { number, .. } | Level::Joins { number } => Some(number),
        Level::Lends { .. } => None,
    };
    STACK.with_borrow(|stack| stack.iter().filter_map(number).collect())
}

/// Whether this job lasts at least as long as what the calling thread does now.
pub(super) fn runs_here(number: u32) -> bool {
    own_jobs().contains(&number)
}

/// A half of the topmost of these jobs is on this stack.
pub(super) struct OfJoiner(usize);

impl OfJoiner {
    pub(super) fn begin(joiners: &[u32]) -> Self {
        let joins = joiners.iter().map(|&number| Level::Joins { number });
        STACK.with_borrow_mut(|stack| stack.extend(joins));
        Self(joiners.len())
    }
}

impl Drop for OfJoiner {
    fn drop(&mut self) {
        STACK.with_borrow_mut(|stack| stack.truncate(stack.len() - self.0));
    }
}

/// A closure runs on a worker of its pool: by the thread's name, and by the worker's state.
pub(super) fn check_worker(world: &World, record: &Record, ctx: Option<&JobContext<'_>>) {
    let book = world.books.pool(record.owner());
    let thread = thread::current();
    let name = thread.name().unwrap_or_default();
    if !name.starts_with(&book.prefix) {
        let what = format!("a closure runs on thread `{name}`: {record}");
        world.books.found("foreign", what);
    }
    let Some(ctx) = ctx else { return };
    let marker = ctx.state::<Marker>().map(|marker| marker.0);
    if !book.is_adopted && marker != Some(record.owner()) {
        let what = format!("its worker's state is that of pool {marker:?}: {record}");
        world.books.found("foreign", what);
    }
    if ctx.worker() >= book.workers {
        let what = format!("it runs on worker {}: {record}", ctx.worker());
        world.books.found("foreign", what);
    }
}

/// A future is polled by its pool's threads.
fn check_poller(world: &World, record: &Record) {
    let book = world.books.pool(record.owner());
    let thread = thread::current();
    let name = thread.name().unwrap_or_default();
    // The threads of a runtime that polls futures have other names.
    if !name.starts_with(&book.prefix) && !name.starts_with("pool-") {
        let what = format!("a future is polled on thread `{name}`: {record}");
        world.books.found("foreign", what);
    }
}
