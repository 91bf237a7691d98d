//! The threads of a backend that has its own: started all or none, and joined when they have left.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use crate::config::PoolConfig;
use crate::engine::Engine;
use crate::error::BuildError;
use crate::lifecycle::Lifecycle;
use crate::worker::Worker;

/// Joins what it started. A backend keeps one beside its queue.
#[derive(Default)]
pub struct Threads(Mutex<Vec<JoinHandle<()>>>);

impl Threads {
    /// Starts one thread for each worker; each runs `wrap` around its work. Returns once all of them wait for jobs.
    ///
    /// # Errors
    /// The system refused a thread: those already started have ended.
    pub fn start<E: Engine>(
        &self,
        engine: &Arc<E>,
        config: &PoolConfig,
        wrap: impl Fn(&dyn Fn()) + Clone + Send + 'static,
    ) -> Result<(), BuildError> {
        let workers = config.workers();
        let (ready, all_ready) = mpsc::channel();
        for index in 0..workers {
            let (engine_of_worker, ready, wrap) = (Arc::clone(engine), ready.clone(), wrap.clone());
            let mut thread = thread::Builder::new().name(config.thread_name(index));
            if let Some(bytes) = config.stack_size() {
                thread = thread.stack_size(bytes);
            }
            let body = move || {
                wrap(&|| {
                    let worker = Worker::start(&engine_of_worker, index);
                    // Nobody listens any more where a later thread was refused.
                    let _heard = ready.send(());
                    worker.work(&*engine_of_worker);
                });
            };
            match thread.spawn(body) {
                Ok(thread) => self.lock().push(thread),
                Err(source) => {
                    engine.life().stop();
                    self.join_those(|_| true);
                    return Err(BuildError::Spawn {
                        worker: index,
                        workers,
                        source,
                    });
                }
            }
        }
        drop(ready);
        for _ in 0..workers {
            // A thread that ended before it was ready has panicked in code of ours; the pool would be short of a worker.
            all_ready
                .recv()
                .expect("every worker reports that it is ready");
        }
        Ok(())
    }

    /// Joins the threads whose workers have left, and forgets those of jobs that hang.
    pub fn join(&self, life: &Lifecycle) {
        self.join_those(|index| life.has_left(index));
    }

    fn join_those(&self, has_left: impl Fn(usize) -> bool) {
        let threads = std::mem::take(&mut *self.lock());
        for (index, thread) in threads.into_iter().enumerate() {
            if has_left(index) && thread.thread().id() != thread::current().id() {
                // Jobs and hooks are contained; a panic here would be of a thread-local's destructor, reported already.
                let _ended = thread.join();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Threads").field(&self.lock().len()).finish()
    }
}
