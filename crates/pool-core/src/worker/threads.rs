//! The threads of a backend that has its own: started all or none, and joined when they have left.
//!
//! Each thread tells the builder once how its start ended: ready, failed in `on_worker_start`, or,
//! by a drop without a word, lost. The builder waits for all of them, since a hook that runs cannot
//! be left. If one did not come, it stops the pool: those that are ready end as at any end, with
//! `on_worker_stop` and the drop of their state, and are joined.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use crate::pool::config::PoolConfig;
use crate::pool::engine::Engine;
use crate::pool::lifecycle::Lifecycle;
use crate::submit::error::BuildError;
use crate::sys::machine::{self, JoinHandle};
use crate::worker::Worker;
use crate::worker::park::Parker;

/// The threads of a backend that has its own: starts them, and joins them when they have left. A
/// backend keeps one in addition to its queue.
///
/// Dropped, it joins nothing: the threads then end by themselves after the pool has stopped. For an
/// engine that uses it, see the example at [`Worker`].
#[derive(Default)]
pub struct Threads(Mutex<Vec<JoinHandle<()>>>);

impl Threads {
    /// Starts one thread for each worker, and returns once all of them wait for jobs.
    ///
    /// Each thread has the name and the stack size of `config`, runs `on_worker_start`, and then
    /// calls [`Engine::work`] until the pool stops. `wrap` is given that work and must call it
    /// once, on the same thread: `|work| work()`, or a closure that enters a runtime around it.
    /// Blocks until every hook has returned.
    ///
    /// # Errors
    /// The system refused a thread, or `on_worker_start` failed on one. Those already started have
    /// ended and were joined.
    ///
    /// # Panics
    /// If a thread ends before it is ready, without an error of its hook: `wrap` panicked, or did
    /// not call the work.
    pub fn start<E: Engine>(
        &self,
        engine: &Arc<E>,
        config: &PoolConfig,
        wrap: impl Fn(&dyn Fn()) + Clone + Send + 'static,
    ) -> Result<(), BuildError> {
        let workers = config.workers();
        let parker = Parker::new();
        let starting = Arc::new(Starting::default());
        for index in 0..workers {
            let (engine_of_worker, wrap) = (Arc::clone(engine), wrap.clone());
            let own = Ready {
                starting: Arc::clone(&starting),
                builder: parker.waker(),
                is_ready: false,
            };
            let body = move || {
                let own = Cell::new(Some(own));
                wrap(&|| match Worker::start(&engine_of_worker, index) {
                    Ok(worker) => {
                        own.take().into_iter().for_each(Ready::report);
                        E::work(&engine_of_worker, worker);
                    }
                    Err(error) => {
                        if let Some(own) = own.take() {
                            own.fail(index, error);
                        }
                    }
                });
            };
            match machine::spawn_named(config.thread_name(index), config.stack_size(), body) {
                Ok(thread) => self.lock().push(thread),
                Err(source) => {
                    self.give_up(engine.life());
                    return Err(BuildError::Spawn {
                        worker: index,
                        workers,
                        source,
                    });
                }
            }
        }
        while starting.heard() < workers {
            let _woken = parker.park(None);
        }
        if let Some(error) = starting.take_error() {
            self.give_up(engine.life());
            return Err(error);
        }
        // A thread that ended before it was ready has panicked in code of ours; the pool would be
        // short of a worker.
        let ready = starting.ready.load(Ordering::Acquire);
        assert_eq!(ready, workers, "every worker reports that it is ready");
        Ok(())
    }

    /// Joins the threads whose workers have left, and forgets those of jobs that hang: they are not
    /// waited for, now or later. For [`Engine::join_threads`]. A caller that is one of the threads
    /// is not joined. After the first call there is nothing left to join.
    pub fn join(&self, life: &Lifecycle) {
        self.join_those(|index| life.roster.has_left(index));
    }

    /// Stops a pool that is not built, and waits for its workers to end.
    fn give_up(&self, life: &Lifecycle) {
        life.stop();
        self.join_those(|_| true);
    }

    /// Takes all threads out, joins those for whose index `has_left` holds, and detaches the
    /// others. Nothing is locked while it waits.
    fn join_those(&self, has_left: impl Fn(usize) -> bool) {
        let threads = std::mem::take(&mut *self.lock());
        for (index, thread) in threads.into_iter().enumerate() {
            if has_left(index) {
                // Jobs and hooks are contained; a panic here would be of a thread-local's
                // destructor, reported already.
                machine::join(thread);
            }
        }
    }

    /// Locks the list of threads, which is in the order of the workers' indices.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        machine::lock(&self.0)
    }
}

/// What the builder and the starting threads share: how many threads have come so far that their
/// work begins, and how many have come to their end before.
#[derive(Default)]
struct Starting {
    /// Threads whose hook has returned without an error.
    ready: AtomicUsize,
    /// Threads whose hook failed or panicked, or that ended without a report.
    failed: AtomicUsize,
    /// The error of the first worker, by its index, whose hook failed.
    error: Mutex<Option<(usize, BuildError)>>,
}

impl Starting {
    /// Returns how many threads have reported. Once that is all of them, nothing here changes any
    /// more.
    fn heard(&self) -> usize {
        // ORDERING: Acquire pairs with the Release in `Ready`: what a worker did as it started is
        // visible to the builder.
        self.ready.load(Ordering::Acquire) + self.failed.load(Ordering::Acquire)
    }

    /// Takes the error that the builder returns, if a hook failed.
    fn take_error(&self) -> Option<BuildError> {
        let first = machine::lock(&self.error).take();
        first.map(|(_index, error)| error)
    }
}

/// A thread's part in it. Dropped, it reports how the thread's start has ended: ready if
/// [`report`](Self::report) was called, otherwise failed, also where the thread panicked.
struct Ready {
    /// Where to report.
    starting: Arc<Starting>,
    /// Wakes the builder, which waits for all reports.
    builder: Waker,
    /// What the drop will report.
    is_ready: bool,
}

impl Ready {
    /// Reports that the thread is about to work.
    fn report(mut self) {
        self.is_ready = true;
    }

    /// Reports that the hook of worker `index` failed. The error of the lowest index is kept.
    fn fail(self, index: usize, error: BuildError) {
        let mut first = machine::lock(&self.starting.error);
        if first.as_ref().is_none_or(|(before, _)| index < *before) {
            *first = Some((index, error));
        }
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        let Starting { ready, failed, .. } = &*self.starting;
        // ORDERING: see `heard`.
        let count = if self.is_ready { ready } else { failed };
        count.fetch_add(1, Ordering::Release);
        self.builder.wake_by_ref();
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Threads").field(&self.lock().len()).finish()
    }
}
