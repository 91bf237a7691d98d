//! What runs the operations of a program: an outside thread, a closure or a future.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pool::{ExecutorExt, Interrupted, JobContext, Stats};
use pool_conformance::probe::is_grown;

use super::books::{Record, lock};
use super::place::{Lending, runs_here};
use super::pools::{AnyPool, backend_of};
use super::program::{Engine, Op};
use super::world::{Lease, World, address_of};

/// A submission that was polled once and is kept.
pub(super) type Left = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A thread, or a job that runs.
pub(super) struct Actor {
    pub(super) world: Arc<World>,
    /// The record of the job; `None` for a thread.
    pub(super) record: Option<Arc<Record>>,
    thread: usize,
    held: Mutex<Vec<(u8, AnyPool)>>,
    pub(super) kept: Mutex<Vec<Left>>,
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

    /// Runs the operations, up to a check that says that the job should stop.
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

    fn place(&self) -> &AtomicUsize {
        match &self.record {
            Some(record) => &record.at,
            None => &self.world.at[self.thread],
        }
    }

    pub(super) fn found(&self, class: &'static str, what: String) {
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
            Op::Fork { left, right, bad } => self.fork(ctx, left, right, *bad)?,
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

    /// The actor's own clone of a pool, otherwise one borrowed from the main thread.
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

    fn wait_idle(&self, pool: u8) {
        let Some(lease) = self.pool(pool) else { return };
        let wait = Wait::begin(self, pool);
        let lending = Lending::begin(&self.world, pool);
        lease.pool().executor().wait_idle();
        drop(lending);
        wait.end();
    }

    /// Counters never fall, and no more jobs end than begin (`R701`).
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
        let before = lock(&self.seen).insert(pool, stats);
        if let Some(before) = before.filter(|before| !is_grown(before, &stats)) {
            self.found("stats", format!("a count fell: {before}; then {stats}"));
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

/// A wait for a whole pool, and what is known about it.
pub(super) struct Wait<'a> {
    actor: &'a Actor,
    pool: u8,
    before: Vec<Arc<Record>>,
    /// How many such waits of jobs had begun; `None` if others were going on.
    begun: Option<u64>,
}

impl<'a> Wait<'a> {
    pub(super) fn begin(actor: &'a Actor, pool: u8) -> Self {
        let book = actor.world.books.pool(pool);
        let mut before = actor.world.books.unfinished(pool);
        // It does not wait for what this thread runs itself.
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

    /// All that it waited for is over. Jobs that wait like this at the same time do not wait for
    /// each other, nor for the jobs that they are nested in, so then nothing is known.
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
