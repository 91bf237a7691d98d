//! What the threads of a round do with its pools.

use std::fs;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Waker};
use std::time::Duration;

use fastrand::Rng;
use pool::{AsyncContext, Backend, CancelToken, JobContext, JobExt, Pool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Kept, POOLS, Street, build};

/// Jobs of a chain.
const CHAIN: usize = 500;
/// Jobs below one token.
const CHILDREN: usize = 200;

/// The next job of a chain.
type Link = Box<dyn FnOnce(&JobContext<'_>) -> io::Result<()> + Send>;

/// What a job captures: it is dropped once.
struct Captured(Arc<Street>);

impl Captured {
    fn new(street: &Arc<Street>) -> Self {
        street.captured.fetch_add(1, SeqCst);
        Self(Arc::clone(street))
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        self.0.captured.fetch_sub(1, SeqCst);
    }
}

/// A result whose drop submits to another pool.
struct Submits(Arc<Street>);

impl Drop for Submits {
    fn drop(&mut self) {
        let captured = Captured::new(&self.0);
        // The pool may be full or closed; then it accepts nothing.
        let _submitted = self.0.pools[POOLS - 1].try_execute(move |_: &JobContext<'_>| {
            drop(captured);
            Ok::<_, io::Error>(())
        });
    }
}

/// Runs one of the threads.
pub(super) struct Actor {
    street: Arc<Street>,
    rng: Rng,
    pub(super) kept: Kept,
}

impl Actor {
    pub(super) fn new(street: Arc<Street>, seed: u64) -> Self {
        Self {
            street,
            rng: Rng::with_seed(seed),
            kept: Vec::new(),
        }
    }

    pub(super) fn act(&mut self) {
        let pool = self.rng.usize(..POOLS);
        match self.rng.u8(0..10) {
            0..=1 => self.join_down_the_row(pool),
            2 => self.talk(),
            3 => self.read_a_file(pool),
            4 => self.swap(pool),
            5 => self.poll_once_and_keep(pool),
            6 => self.drop_the_last_handle_inside(),
            7 => self.chain(pool),
            8 => self.drop_a_result_that_submits(pool),
            _ => self.cancel_many(pool),
        }
    }

    /// Each job of the row joins the next, so each pool waits for those behind it.
    fn join_down_the_row(&self, from: usize) {
        fn step(street: Arc<Street>, at: usize) -> io::Result<usize> {
            let Some(pool) = street.pools.get(at) else {
                return Ok(0);
            };
            let captured = Captured::new(&street);
            let inner = Arc::clone(&street);
            let job = move |ctx: &JobContext<'_>| {
                let _captured = captured;
                inner.arrive(at, ctx);
                // Down the row, and also a child in the same pool.
                let child = ctx.submit(|_: &JobContext<'_>| Ok::<_, io::Error>(1));
                let below = step(Arc::clone(&inner), at + 1)?;
                let child = child.map_err(|refused| io::Error::other(refused.to_string()))?;
                Ok::<_, io::Error>(below + child.join().map_err(io::Error::other)?)
            };
            let job = pool.submit(job);
            let job = job.map_err(|refused| io::Error::other(refused.to_string()))?;
            job.join().map_err(io::Error::other)
        }
        let sum = step(Arc::clone(&self.street), from);
        if !matches!(sum, Ok(sum) if sum == POOLS - from) {
            self.street
                .wrong(format!("a join down the row from {from}: {sum:?}"));
        }
    }

    /// A future talks to the server, next to a timer; and a closure of another pool joins it.
    fn talk(&mut self) {
        let (server, word) = (self.street.server, self.rng.u64(..).to_le_bytes());
        let talk = async move {
            let mut stream = TcpStream::connect(server).await?;
            stream.write_all(&word).await?;
            tokio::time::sleep(Duration::from_micros(50)).await;
            let mut echo = [0; 8];
            stream.read_exact(&mut echo).await?;
            Ok::<_, io::Error>(echo == word)
        };
        let captured = Captured::new(&self.street);
        let future = move |_: AsyncContext| async move {
            let _captured = captured;
            talk.await
        };
        let handle = self.street.pools[POOLS - 1].submit_future(future);
        let Some(handle) = self
            .street
            .wrong_if_err("a future", handle.map_err(|e| e.without_job()))
        else {
            return;
        };
        let joins = self.street.pools[0].spawn(move || handle.join());
        let Some(joins) = self
            .street
            .wrong_if_err("a joiner", joins.map_err(|e| e.without_job()))
        else {
            return;
        };
        let outcome = joins.join();
        if !matches!(outcome, Ok(Ok(true))) {
            self.street.wrong(format!("the server's echo: {outcome:?}"));
        }
    }

    fn read_a_file(&self, pool: usize) {
        let street = Arc::clone(&self.street);
        let job = self.street.pools[pool].submit(move |ctx: &JobContext<'_>| {
            street.arrive(pool, ctx);
            fs::read("/proc/self/stat").map(|read| read.len())
        });
        let job = self
            .street
            .wrong_if_err("a reader", job.map_err(|e| e.without_job()));
        let read = job.map(|job| job.join());
        if !matches!(read, Some(Ok(1..))) {
            self.street.wrong(format!("a file: {read:?}"));
        }
    }

    fn swap(&mut self, pool: usize) {
        // The last one stays: on the others there are no sockets.
        if pool == POOLS - 1 {
            return;
        }
        for _ in 0..self.rng.usize(1..6) {
            let next = Backend::ALL[self.rng.usize(..Backend::ALL.len())];
            let swapped = self.street.pools[pool].swap(next);
            self.street.wrong_if_err("a swap", swapped);
        }
    }

    fn poll_once_and_keep(&mut self, pool: usize) {
        let captured = Captured::new(&self.street);
        let street = Arc::clone(&self.street);
        let job = move |ctx: &JobContext<'_>| {
            let _captured = captured;
            street.arrive(pool, ctx);
            Ok::<_, io::Error>(1)
        };
        let handle = self.street.pools[pool].submit(job);
        let handle = handle.map_err(|e| e.without_job());
        let Some(mut handle) = self.street.wrong_if_err("a job", handle) else {
            return;
        };
        let mut cx = Context::from_waker(Waker::noop());
        if Pin::new(&mut handle).poll(&mut cx).is_pending() {
            self.kept.push(handle);
        }
    }

    /// A separate small pool, whose last handle is dropped inside one of its jobs.
    fn drop_the_last_handle_inside(&mut self) {
        let backend = Backend::ALL[self.rng.usize(..Backend::ALL.len())];
        let built = build(POOLS, backend, &mut self.rng);
        let Some(pool) = self.street.wrong_if_err("a small pool", built) else {
            return;
        };
        let (captured, holds): (_, Pool) = (Captured::new(&self.street), pool.clone());
        let job = move || {
            let _captured = captured;
            drop(holds);
        };
        let job = pool.spawn(job).map_err(|e| e.without_job());
        drop(pool);
        let ended = self.street.wrong_if_err("a job", job).map(|job| job.join());
        if !matches!(ended, Some(Ok(()))) {
            self.street.wrong(format!("it held its pool: {ended:?}"));
        }
    }

    /// Each job submits the next one, and ends.
    fn chain(&self, pool: usize) {
        fn link(
            street: Arc<Street>,
            pool: usize,
            left: usize,
        ) -> impl FnOnce(&JobContext<'_>) -> io::Result<()> + Send + 'static {
            let captured = Captured::new(&street);
            move |ctx| {
                let _captured = captured;
                street.arrive(pool, ctx);
                if left > 0 {
                    let next: Link = Box::new(link(street, pool, left - 1));
                    ctx.execute(next)
                        .map_err(|refused| io::Error::other(refused.to_string()))?;
                }
                Ok(())
            }
        }
        let first = link(Arc::clone(&self.street), pool, CHAIN);
        let started = self.street.pools[pool].execute(first);
        self.street
            .wrong_if_err("a chain", started.map_err(|e| e.without_job()));
    }

    fn drop_a_result_that_submits(&self, pool: usize) {
        let street = Arc::clone(&self.street);
        let job = self.street.pools[pool].spawn(move || Submits(street));
        let job = self
            .street
            .wrong_if_err("a job", job.map_err(|e| e.without_job()));
        let result = job.map(|job| job.join().map(drop));
        if !matches!(result, Some(Ok(()))) {
            self.street
                .wrong("a result that submits is lost".to_owned());
        }
    }

    fn cancel_many(&self, pool: usize) {
        let token = CancelToken::new();
        for _ in 0..CHILDREN {
            let captured = Captured::new(&self.street);
            let job = move |_: &JobContext<'_>| {
                drop(captured);
                Ok::<_, io::Error>(())
            };
            let handle = self.street.pools[pool].try_submit(job.with_token(&token));
            // A full queue takes no more.
            let Ok(handle) = handle else { break };
            handle.detach();
        }
        token.cancel();
    }
}
