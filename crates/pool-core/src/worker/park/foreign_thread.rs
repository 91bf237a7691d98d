//! What a thread of somebody else's engine, such as a rayon pool that a pool of ours has adopted,
//! does while it waits for a job here: it runs that engine's work.
//!
//! A caller may wait for a job on a thread of the very engine that the job's pool has adopted: in a
//! `rayon` pool's `install`, say. With all of the engine's threads waiting so, nobody would be left
//! to run the job. So the engine says how a thread of its own helps meanwhile: it runs what the
//! engine has for it, a run of the pool included.
//!
//! A job of a pool does not help so: what it would run on its stack might want a lock that it
//! holds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::worker::Worker;

/// What came of the help of a thread that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// It ran something, and looks at once whether its wait is over.
    Helped,
    /// It is a thread of the engine, and there was nothing to run. It parks for a moment, and asks
    /// again.
    NothingToDo,
}

/// How a thread helps the engine that it belongs to. Returns `None` on a thread that belongs to
/// another engine, or to none.
type Help = dyn Fn() -> Option<Blocked> + Send + Sync;

/// All registered helps. Those whose engine is gone are removed when another is added.
pub(crate) type Helps = Vec<Weak<Help>>;

/// The list, for the whole process. No help is called under the lock.
static HELPS: Mutex<Helps> = Mutex::new(Vec::new());
/// How many there are: a wait looks at this first, and pays no more where no engine is adopted.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Locks the list. A fork holds the lock as well, so that the child finds it free.
pub(crate) fn lock() -> MutexGuard<'static, Helps> {
    HELPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has every thread that waits for a pool in this process call `help` in between, for as long as
/// the `Arc` is alive.
///
/// For an engine on a scheduler whose threads may wait for the pool's own jobs. `help` runs one
/// piece of the scheduler's work on the calling thread, and returns `None` on a thread that is none
/// of the scheduler's. It is not called on a thread that runs a pool's job. It must not panic: it
/// is called in the middle of a wait.
///
/// ```
/// use pool_core::backend::{Blocked, when_blocked};
/// use std::sync::Arc;
///
/// // A real one runs a piece of work of the scheduler that the calling thread belongs to.
/// let help: Arc<dyn Fn() -> Option<Blocked> + Send + Sync> = Arc::new(|| None);
/// when_blocked(&help);
/// drop(help); // an engine keeps it for as long as its threads may wait
/// ```
pub fn when_blocked(help: &Arc<Help>) {
    let mut helps = lock();
    helps.retain(|help| help.strong_count() != 0);
    helps.push(Arc::downgrade(help));
    COUNT.store(helps.len(), Ordering::Relaxed);
}

/// Helps the engine that the calling thread belongs to, unless the thread runs a job. Returns
/// `None` if there is no such engine.
pub(super) fn help() -> Option<Blocked> {
    if COUNT.load(Ordering::Relaxed) == 0 || Worker::current().is_some() {
        return None;
    }
    let helps: Vec<Arc<Help>> = match HELPS.try_lock() {
        Ok(helps) => helps.iter().filter_map(Weak::upgrade).collect(),
        // Another thread holds it for a moment.
        Err(_) => return Some(Blocked::NothingToDo),
    };
    helps.iter().find_map(|help| help())
}
