//! A tokio runtime of our own: its blocking threads are the workers, started and named before the first job.

use std::cell::Cell;
use std::fmt;
use std::fs;
use std::future::poll_fn;
use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use pool_core::{BuildError, Lifecycle, PoolConfig, move_in, move_out};
use tokio::runtime::{Builder, Handle, Runtime};

/// A worker's thread does not end for want of work.
const KEEP_ALIVE: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// Time for the threads of a runtime that has nothing to do to end.
const EXIT_GRACE: Duration = Duration::from_secs(1);

/// Time for the system to forget a thread that has ended, and between two requests for one that it refuses.
const MOMENT: Duration = Duration::from_millis(20);

/// How long the system may refuse the next thread, once it had given as many a moment ago.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct OwnRuntime(Mutex<Option<Runtime>>);

thread_local! {
    /// Whether the calling thread is a worker, and not one of the few that poll futures.
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
    /// Whether the calling thread is known to poll futures.
    static IS_POLLER: Cell<bool> = const { Cell::new(false) };
}

impl OwnRuntime {
    /// Builds the runtime; each worker's thread runs and has run `on_worker_start` when this returns.
    pub(crate) fn build(
        life: &Arc<Lifecycle>,
        config: &PoolConfig,
    ) -> Result<(Self, Handle), BuildError> {
        let workers = config.workers();
        let pollers = workers.min(thread::available_parallelism().map_or(1, NonZero::get));
        try_threads(config, workers + pollers)?;
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(pollers)
            .max_blocking_threads(workers)
            .thread_keep_alive(KEEP_ALIVE)
            .enable_time();
        let (named, names) = (AtomicUsize::new(0), config.clone());
        builder.thread_name_fn(move || {
            // The pollers come first, within `build`.
            match named.fetch_add(1, Ordering::Relaxed).checked_sub(pollers) {
                Some(index) => names.thread_name(index),
                None => "pool-poller".to_owned(),
            }
        });
        if let Some(bytes) = config.stack_size() {
            builder.thread_stack_size(bytes);
        }
        // Held by the runtime, and so by its last thread: who ends the pool may not wait for them.
        let life_of_threads = Arc::clone(life);
        builder.on_thread_stop(move || {
            if IS_WORKER.get() {
                move_out(&life_of_threads);
            }
        });
        let runtime = builder.build().map_err(|error| BuildError::Engine {
            engine: "tokio",
            reason: error.to_string(),
        })?;
        let handle = runtime.handle().clone();
        await_pollers(&handle, pollers);
        let this = Self(Mutex::new(Some(runtime)));
        start_workers(&handle, life, config).inspect_err(|_| this.shut_down(true))?;
        Ok((this, handle))
    }

    /// Ends the runtime. `waits`: nothing runs on it, so its threads end at once and are waited for.
    pub(crate) fn shut_down(&self, waits: bool) {
        let runtime = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(runtime) = runtime else { return };
        if !waits || IS_WORKER.get() {
            runtime.shutdown_background();
        } else if Handle::try_current().is_err() {
            runtime.shutdown_timeout(EXIT_GRACE);
        } else {
            // Inside a runtime tokio lets nobody wait for another one; a plain thread may. Without a thread, nobody waits.
            let (give, taken) = mpsc::channel::<Runtime>();
            let wait = move || {
                taken
                    .recv()
                    .map(|runtime| runtime.shutdown_timeout(EXIT_GRACE))
            };
            match thread::Builder::new()
                .name("pool-shutdown".into())
                .spawn(wait)
            {
                Ok(waiter) => {
                    give.send(runtime).expect("the waiter waits for it");
                    let _ended = waiter.join();
                }
                Err(_) => runtime.shutdown_background(),
            }
        }
    }
}

/// Tokio panics where the system refuses a thread, or waits for ever for those that it has, so whether it would is found out first, with
/// as many threads, which end at once.
fn try_threads(config: &PoolConfig, count: usize) -> Result<(), BuildError> {
    let workers = config.workers();
    let before = threads_of_the_process();
    let open = Arc::new(Mutex::new(()));
    let guard = open.lock().unwrap_or_else(PoisonError::into_inner);
    let mut threads = Vec::with_capacity(count);
    let mut refused = None;
    for index in 0..count {
        let mut thread = thread::Builder::new();
        if let Some(bytes) = config.stack_size() {
            thread = thread.stack_size(bytes);
        }
        let wait = Arc::clone(&open);
        match thread.spawn(move || drop(wait.lock())) {
            Ok(thread) => threads.push(thread),
            Err(source) => {
                refused = Some(BuildError::Spawn {
                    worker: index.min(workers - 1),
                    workers,
                    source,
                });
                break;
            }
        }
    }
    drop(guard);
    for thread in threads {
        let _ended = thread.join();
    }
    // A thread that was joined still counts for the system's limits, for a moment.
    let limit = Instant::now() + MOMENT;
    while threads_of_the_process() > before && Instant::now() < limit {
        thread::yield_now();
    }
    refused.map_or(Ok(()), Err)
}

/// As the system counts them, where it tells.
fn threads_of_the_process() -> Option<usize> {
    Some(fs::read_dir("/proc/self/task").ok()?.count())
}

/// Waits until the pollers poll: tokio starts them on threads that would else take a worker's place below.
///
/// The tasks that find out yield until each poller has had one of them. A task that blocked until then might keep the next one in
/// its own poller's queue, of which nobody tells the others.
fn await_pollers(handle: &Handle, pollers: usize) {
    let arrived = Arc::new(AtomicUsize::new(0));
    let (tell, told) = mpsc::channel::<()>();
    for _ in 0..pollers {
        let (arrived, tell) = (Arc::clone(&arrived), tell.clone());
        handle.spawn(async move {
            let _until_the_end = tell;
            poll_fn(|cx| {
                if !IS_POLLER.replace(true) {
                    arrived.fetch_add(1, Ordering::Relaxed);
                }
                if arrived.load(Ordering::Relaxed) == pollers {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        });
    }
    drop(tell);
    // Nothing is sent: it fails once the last task has gone.
    let _all_here = told.recv();
}

/// How far a worker's thread has come.
enum Arrival {
    Begins,
    IsReady,
}

/// Has the runtime start all its blocking threads: none of the first jobs ends before the last has begun.
///
/// Tokio tells nobody that the system refuses it a thread while it has others; it tries again with the next job that it is given.
fn start_workers(
    handle: &Handle,
    life: &Arc<Lifecycle>,
    config: &PoolConfig,
) -> Result<(), BuildError> {
    let workers = config.workers();
    let all_here = Arc::new(Mutex::new(()));
    let held = all_here.lock().unwrap_or_else(PoisonError::into_inner);
    let next = Arc::new(AtomicUsize::new(0));
    let (tell, told) = mpsc::channel();
    for _ in 0..workers {
        let (life, all_here, next) = (Arc::clone(life), Arc::clone(&all_here), Arc::clone(&next));
        let tell = tell.clone();
        handle.spawn_blocking(move || {
            let index = thread::current()
                .name()
                .and_then(index_in)
                .unwrap_or_else(|| next.fetch_add(1, Ordering::Relaxed));
            IS_WORKER.set(true);
            // The builder waits for both, unless it has given up.
            let _heard = tell.send(Arrival::Begins);
            move_in(&life, index);
            let _heard = tell.send(Arrival::IsReady);
            drop(all_here.lock());
        });
    }
    let (mut begun, mut ready) = (0, 0);
    let mut limit = Instant::now() + PATIENCE;
    while ready < workers {
        match told.recv_timeout(MOMENT) {
            Ok(Arrival::Begins) => {
                begun += 1;
                limit = Instant::now() + PATIENCE;
            }
            Ok(Arrival::IsReady) => ready += 1,
            // The hook of a start may take its time.
            Err(_) if begun == workers => {}
            Err(_) if Instant::now() < limit => drop(handle.spawn_blocking(|| ())),
            Err(_) => break,
        }
    }
    drop(held);
    if ready == workers {
        return Ok(());
    }
    Err(BuildError::Spawn {
        worker: begun,
        workers,
        source: io::Error::new(
            io::ErrorKind::WouldBlock,
            "the system has refused the runtime a thread for too long",
        ),
    })
}

/// The index at the end of a worker's name.
fn index_in(name: &str) -> Option<usize> {
    name.rsplit_once('-')?.1.parse().ok()
}

impl Drop for OwnRuntime {
    /// A pool that ended by itself ends its runtime wherever its last reference goes, be it one of its own threads.
    fn drop(&mut self) {
        self.shut_down(false);
    }
}

impl fmt::Debug for OwnRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnRuntime(..)")
    }
}
