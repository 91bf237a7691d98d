//! A tokio runtime of our own, which polls the futures, and on whose handle the threads for
//! closures rely.

use std::fmt;
use std::fs;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use pool_core::BuildError;
use pool_core::backend::PoolConfig;
use tokio::runtime::{Builder, Handle, Runtime};

/// Time for the threads that poll to start, in which a busy machine starts a thread for certain.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Time for the threads of a runtime that has nothing to do to end.
const EXIT_GRACE: Duration = Duration::from_millis(250);

/// Time for the system to forget a thread that has ended.
const MOMENT: Duration = Duration::from_millis(20);

/// A whole runtime: whatever works in tokio's own `main` works in a future on it. Its blocking
/// threads are tokio's, for `spawn_blocking`, files and name resolution; no job of the pool runs
/// there, so none of these ever waits for a job.
pub(crate) struct OwnRuntime(Mutex<Option<Runtime>>);

impl OwnRuntime {
    /// Builds the runtime, with at most as many threads that poll as the machine has cores.
    ///
    /// The threads that poll are named `pool-poller`, and those that tokio starts for blocking work
    /// `pool-blocking`. All of them have the configured stack size. Returns once the threads that
    /// poll have started (`R201`).
    ///
    /// # Errors
    /// [`BuildError::Spawn`] where the system would refuse a thread; [`BuildError::Engine`] with
    /// what tokio said.
    pub(crate) fn build(config: &PoolConfig) -> Result<(Self, Handle), BuildError> {
        let workers = config.workers();
        let pollers = workers.min(thread::available_parallelism().map_or(1, NonZero::get));
        try_threads(config, pollers)?;
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(pollers).enable_all();
        let named = AtomicUsize::new(0);
        builder.thread_name_fn(move || {
            // The pollers come first, within `build`.
            let is_poller = named.fetch_add(1, Ordering::Relaxed) < pollers;
            if is_poller {
                "pool-poller".to_owned()
            } else {
                "pool-blocking".to_owned()
            }
        });
        if let Some(bytes) = config.stack_size() {
            builder.thread_stack_size(bytes);
        }
        let (started, starts) = mpsc::channel();
        builder.on_thread_start(move || {
            // Threads for blocking work start later, when nobody listens.
            let _heard = started.send(());
        });
        let runtime = builder.build().map_err(|error| BuildError::Engine {
            engine: "tokio",
            reason: error.to_string(),
        })?;
        for poller in 0..pollers {
            if starts.recv_timeout(START_LIMIT).is_err() {
                runtime.shutdown_background();
                return Err(BuildError::Engine {
                    engine: "tokio",
                    reason: format!("of {pollers} threads, {poller} started in {START_LIMIT:?}"),
                });
            }
        }
        let handle = runtime.handle().clone();
        Ok((Self(Mutex::new(Some(runtime))), handle))
    }

    /// Ends the runtime. `waits`: nothing of the pool runs on it, so its threads end at once and
    /// are waited for.
    ///
    /// A second call does nothing. Where waiting is not possible, as on one of the runtime's own
    /// threads, the runtime ends in the background.
    pub(crate) fn shut_down(&self, waits: bool) {
        let runtime = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(runtime) = runtime else { return };
        match Handle::try_current() {
            _ if !waits => runtime.shutdown_background(),
            // One of the threads that would be waited for.
            Ok(current) if current.id() == runtime.handle().id() => runtime.shutdown_background(),
            Ok(_) => shut_down_elsewhere(runtime),
            Err(_) => runtime.shutdown_timeout(EXIT_GRACE),
        }
    }
}

/// Inside a runtime tokio lets nobody wait for another one; a plain thread may. Without a thread,
/// nobody waits.
fn shut_down_elsewhere(runtime: Runtime) {
    let (give, taken) = mpsc::channel::<Runtime>();
    let wait = move || {
        let runtime = taken.recv();
        runtime.map(|runtime| runtime.shutdown_timeout(EXIT_GRACE))
    };
    let waiter = thread::Builder::new().name("pool-shutdown".into());
    match waiter.spawn(wait) {
        Ok(waiter) => {
            give.send(runtime).expect("the waiter waits for it");
            let _ended = waiter.join();
        }
        Err(_) => runtime.shutdown_background(),
    }
}

/// Tokio panics where the system refuses a thread, or waits forever for those that it has, so
/// whether it would is found out first, with as many threads, which end at once.
///
/// The trial threads are all alive at once, kept by a lock, since limits count threads at one time.
/// They are joined before this returns, and given a moment to be gone for the system too.
fn try_threads(config: &PoolConfig, count: usize) -> Result<(), BuildError> {
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
                    worker: index,
                    workers: config.workers(),
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
///
/// `None` where there is no `/proc`: then nothing is waited for.
fn threads_of_the_process() -> Option<usize> {
    Some(fs::read_dir("/proc/self/task").ok()?.count())
}

impl Drop for OwnRuntime {
    /// A pool that ended by itself ends its runtime wherever its last reference goes, also on one
    /// of its own threads.
    fn drop(&mut self) {
        self.shut_down(false);
    }
}

impl fmt::Debug for OwnRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnRuntime(..)")
    }
}
