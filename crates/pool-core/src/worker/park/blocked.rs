//! What a thread of an adopted engine does while it waits here.
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

/// What came of a thread's help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// It ran something.
    Helped,
    /// It is a thread of the engine, and there was nothing to run.
    NothingToDo,
}

/// How a thread helps the engine that it belongs to; `None`: it belongs to another, or to none.
type Help = dyn Fn() -> Option<Blocked> + Send + Sync;

/// All of them.
pub(crate) type Helps = Vec<Weak<Help>>;

static HELPS: Mutex<Helps> = Mutex::new(Vec::new());
/// How many there are: the look that every other wait pays.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Locks the list: for a fork as well, so that the child finds it free.
pub(crate) fn lock() -> MutexGuard<'static, Helps> {
    HELPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has threads that wait here call `help`, for as long as that is alive.
pub fn when_blocked(help: &Arc<Help>) {
    let mut helps = lock();
    helps.retain(|help| help.strong_count() != 0);
    helps.push(Arc::downgrade(help));
    COUNT.store(helps.len(), Ordering::Relaxed);
}

/// Helps the engine that the calling thread belongs to, unless it runs a job.
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
