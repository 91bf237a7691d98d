//! A round in which several pools use each other as programs do: workers with state, sockets,
//! files, swaps, chains, and handles that are polled once and kept.
//!
//! The pools are in a row. A job waits only for jobs of pools further down the row, so there is no
//! cycle of waits.

mod acts;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use fastrand::Rng;
use pool::{Backend, JobContext, JobHandle, Pool};

use super::books::lock;
use super::round::{Tally, await_threads, threads};
use super::watch::Watched;
use super::world::Events;
use acts::Actor;

/// Pools of a round. The last one is `async`, for sockets.
const POOLS: usize = 3;
/// A round's pools end within this time, or something hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// A worker's state: the pool it belongs to.
struct Mark(usize);

/// What the threads of a round share.
struct Street {
    pools: Vec<Pool>,
    server: SocketAddr,
    jobs: AtomicUsize,
    /// Jobs whose bodies have begun, and captures that are not dropped yet.
    captured: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Street {
    fn wrong(&self, what: String) {
        lock(&self.wrong).push(what);
    }

    /// A body begins: it must be on a worker of its own pool, with that worker's state.
    fn arrive(&self, owner: usize, ctx: &JobContext<'_>) {
        self.jobs.fetch_add(1, SeqCst);
        let state = ctx.state::<Mark>().map(|mark| mark.0);
        let thread = thread::current();
        let name = thread.name().unwrap_or_default();
        if state != Some(owner) || !name.starts_with(&prefix(owner)) {
            self.wrong(format!(
                "a job of pool {owner} runs on thread `{name}`, whose state is that of {state:?}"
            ));
        }
    }

    fn wrong_if_err<T, E: std::fmt::Debug>(&self, what: &str, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| self.wrong(format!("{what}: {error:?}")))
            .ok()
    }
}

fn prefix(pool: usize) -> String {
    format!("street{pool}")
}

fn build(index: usize, backend: Backend, rng: &mut Rng) -> Result<Pool> {
    let builder = Pool::builder()
        .backend(backend)
        .workers(rng.usize(1..4))
        .queue_capacity([1, 8, 64, 1024][rng.usize(0..4)])
        .thread_name(prefix(index))
        .on_worker_start(move |_| Mark(index));
    let pool = match rng.u8(0..3) {
        0 => builder.build(),
        // Unlike the others' stacks, so that a job on a wrong one shows.
        1 => builder.stack_size(8 << 20).build(),
        _ => builder.stack_size(1 << 20).build(),
    };
    Ok(pool?)
}

/// Runs the round of a seed.
pub(super) fn run(backend: Backend, seed: u64, watched: &Watched) -> Result<Tally> {
    let rng = &mut Rng::with_seed(seed);
    let before = threads()?;
    let other = Backend::ALL[rng.usize(..Backend::ALL.len())];
    let backends = [backend, other, Backend::Async];
    let (server, echo) = serve()?;
    let pools = backends.into_iter().enumerate();
    let pools: Result<Vec<Pool>> = pools.map(|(at, it)| build(at, it, rng)).collect();
    let street = Arc::new(Street {
        pools: pools?,
        server,
        jobs: AtomicUsize::new(0),
        captured: AtomicUsize::new(0),
        wrong: Mutex::default(),
    });
    let what = format!("neighbours: {backends:?}");
    watched.begins(seed, &Events::new(), &street.pools[0], &what);
    let kept = live(&street, rng);
    end(&street, kept, rng);
    watched.forgets_the_pool();
    let jobs = street.jobs.load(SeqCst);
    let mut wrong = std::mem::take(&mut *lock(&street.wrong));
    drop(street);
    stop(server, echo);
    await_threads(before, |what| wrong.push(what))?;
    watched.ends();
    ensure!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
    Ok(Tally { jobs })
}

type Kept = Vec<JobHandle<usize, std::io::Error>>;

/// Lets several threads use the pools. Returns the handles that were kept.
fn live(street: &Arc<Street>, rng: &mut Rng) -> Kept {
    let actors = (0..rng.usize(2..5)).map(|_| {
        let (street, seed, acts) = (Arc::clone(street), rng.u64(..), rng.usize(5..40));
        thread::spawn(move || {
            let mut actor = Actor::new(street, seed);
            (0..acts).for_each(|_| actor.act());
            actor.kept
        })
    });
    let actors: Vec<_> = actors.collect();
    let mut kept = Vec::new();
    for actor in actors {
        match actor.join() {
            Ok(handles) => kept.extend(handles),
            Err(_) => street.wrong("an actor panicked".to_owned()),
        }
    }
    kept
}

/// Ends the pools, those that others wait for last, and joins or drops the handles that were kept,
/// before or after.
fn end(street: &Arc<Street>, mut kept: Kept, rng: &mut Rng) {
    if rng.bool() {
        kept.clear();
    }
    for (index, pool) in street.pools.iter().enumerate() {
        let report = pool.shutdown(LIMIT);
        if !report.balances() || !report.is_safe_to_exit() || report.unstarted() > 0 {
            street.wrong(format!("pool {index}: {report}"));
        }
    }
    for handle in kept {
        match handle.join_timeout(LIMIT) {
            Ok(outcome) => drop(street.wrong_if_err("a kept handle", outcome)),
            Err(handle) => street.wrong(format!("{handle:?} has no outcome after the end")),
        }
    }
    let captured = street.captured.load(SeqCst);
    if captured > 0 {
        street.wrong(format!("what {captured} jobs captured is not dropped"));
    }
}

/// A server that sends back what it gets, one connection at a time, until one is closed without
/// data.
fn serve() -> Result<(SocketAddr, thread::JoinHandle<()>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let echo = move || {
        for mut connection in listener.incoming().flatten() {
            let mut word = [0; 8];
            if connection.read_exact(&mut word).is_err() {
                return;
            }
            // A client may be gone.
            let _sent = connection.write_all(&word);
        }
    };
    Ok((address, thread::spawn(echo)))
}

fn stop(server: SocketAddr, echo: thread::JoinHandle<()>) {
    drop(TcpStream::connect(server));
    // It cannot panic.
    let _ended = echo.join();
}
