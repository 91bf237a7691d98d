//! A rayon thread pool of our own: named, hooked, and joined at its end, which rayon's own drop
//! does not do.

use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pool_core::BuildError;
use pool_core::backend::{Lifecycle, PoolConfig, deregister_thread, register_thread};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Time for the threads to end once their pool has nothing to do: this often, this long. One that a
/// job has left work of its own on (a `rayon::spawn` that outlives it) is not waited for any
/// longer.
///
/// Many short waits, since each has to be scheduled: a machine that is too busy to let the threads
/// end makes the wait longer too.
const EXIT_GRACE: (u32, Duration) = (50, Duration::from_millis(5));

/// They run from the build to the drop of the rayon pool. Each is registered with the pool for that
/// time, with the state that its start hook made.
#[derive(Default)]
pub(crate) struct OwnThreads {
    /// Those that were started and not joined; empty after [`join`](Self::join).
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Nothing is sent: it fails once the last thread has ended.
    ///
    /// Each thread holds a sender for as long as it lives.
    all_ended: Mutex<Option<mpsc::Receiver<()>>>,
}

impl OwnThreads {
    /// Builds the pool; each of its threads has run `on_worker_start` when this returns.
    ///
    /// A thread whose hook fails ends at once; the others leave as at the end of a pool (`R109`).
    ///
    /// Rayon starts the threads one after the other through our handler, so the index of the one
    /// that was refused is known. A `build` that fails has joined all that were started, as far as
    /// these end within a moment.
    ///
    /// # Errors
    /// [`BuildError::Spawn`] where the system refuses a thread; what the start hook said, of the
    /// first worker whose hook failed; [`BuildError::Engine`] where rayon refuses for a reason of
    /// its own.
    pub(crate) fn build(
        &self,
        life: &Arc<Lifecycle>,
        config: &PoolConfig,
    ) -> Result<ThreadPool, BuildError> {
        let workers = config.workers();
        let (ready, all_ready) = mpsc::channel();
        let (alive, all_ended) = mpsc::channel::<()>();
        *self
            .all_ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(all_ended);
        let mut refused = None;
        let pool = ThreadPoolBuilder::new()
            .num_threads(workers)
            .spawn_handler(|seat| {
                let (life, ready, index) = (Arc::clone(life), ready.clone(), seat.index());
                let mut thread = thread::Builder::new().name(config.thread_name(index));
                if let Some(bytes) = config.stack_size() {
                    thread = thread.stack_size(bytes);
                }
                let until_the_end = alive.clone();
                let body = move || {
                    let _until_the_end = until_the_end;
                    let moved_in = register_thread(&life, index);
                    let is_in = moved_in.is_ok();
                    // Nobody listens any more where a later thread was refused.
                    let _heard = ready.send((index, moved_in));
                    if is_in {
                        seat.run();
                        deregister_thread(&life);
                    }
                };
                match thread.spawn(body) {
                    Ok(thread) => self.lock().push(thread),
                    Err(source) => {
                        refused = Some(index);
                        return Err(source);
                    }
                }
                Ok(())
            })
            .build();
        // Each thread has its own: once all of these are gone, the threads are.
        drop((ready, alive));
        let pool = pool.map_err(|error| {
            self.join();
            spawn_error(error, refused.unwrap_or_default(), workers)
        })?;
        match first_failure(&all_ready, workers) {
            None => Ok(pool),
            Some(error) => {
                drop(pool);
                self.join();
                Err(error)
            }
        }
    }

    /// Waits for the threads, after their pool was dropped and none of its jobs runs: those that
    /// end within a moment.
    ///
    /// A thread that keeps working, because a job has left rayon work behind, is let go after
    /// [`EXIT_GRACE`], and so are all others then. Nothing is waited for on one of these threads
    /// itself.
    pub(crate) fn join(&self) {
        let threads = std::mem::take(&mut *self.lock());
        let all_ended = self
            .all_ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let is_own = |thread: &JoinHandle<()>| thread.thread().id() == thread::current().id();
        if threads.iter().any(is_own) || !all_ended.is_none_or(|it| is_over_in_time(&it)) {
            return;
        }
        for thread in threads {
            // Jobs and hooks are contained; a panic here would be of a thread-local's destructor,
            // reported already.
            let _ended = thread.join();
        }
    }

    /// The handles, also after a panic of a thread that held them.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for [`EXIT_GRACE`] at most. Returns whether all senders have gone.
fn is_over_in_time(all_ended: &Receiver<()>) -> bool {
    let (waits, each) = EXIT_GRACE;
    (0..waits).any(|_| all_ended.recv_timeout(each) == Err(RecvTimeoutError::Disconnected))
}

/// Waits until each thread has come or failed. The error of the first that failed, by its index.
fn first_failure(
    threads: &Receiver<(usize, Result<(), BuildError>)>,
    workers: usize,
) -> Option<BuildError> {
    let mut first = None;
    for _ in 0..workers {
        let (index, moved_in) = threads.recv().expect("every thread reports how it started");
        if let Err(error) = moved_in
            && first.as_ref().is_none_or(|(before, _)| index < *before)
        {
            first = Some((index, error));
        }
    }
    first.map(|(_index, error)| error)
}

/// What rayon's error says, as one of ours: a refusal of the system for worker `worker`, otherwise
/// an engine that could not be built.
fn spawn_error(error: rayon::ThreadPoolBuildError, worker: usize, workers: usize) -> BuildError {
    use std::error::Error;
    let reason = error.to_string();
    match error
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>())
    {
        Some(source) => BuildError::Spawn {
            worker,
            workers,
            source: std::io::Error::new(source.kind(), source.to_string()),
        },
        None => BuildError::Engine {
            engine: "rayon",
            reason,
        },
    }
}

impl fmt::Debug for OwnThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnThreads")
            .field(&self.lock().len())
            .finish()
    }
}
