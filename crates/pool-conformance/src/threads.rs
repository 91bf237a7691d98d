//! What the system says about a pool's threads, which are found by name.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use pool_core::machine;

use crate::probe::PATIENCE;

/// A prefix for thread names that no other pool in this process has. Short: Linux shows 15 bytes of
/// a name.
pub(crate) fn unique_prefix() -> String {
    if machine::is_simulated() {
        // It is the same in each run; simulated threads are not looked up in the system.
        return "k0x".to_owned();
    }
    static MADE: AtomicUsize = AtomicUsize::new(0);
    format!("k{}x", MADE.fetch_add(1, Ordering::Relaxed))
}

/// The threads whose names begin with `prefix` and a `-`. `None`: this system does not list them,
/// or it is simulated, and its threads end in virtual time.
fn named(prefix: &str) -> Option<Vec<PathBuf>> {
    if machine::is_simulated() {
        return None;
    }
    let begin = format!("{prefix}-");
    let threads = fs::read_dir("/proc/self/task").ok()?;
    // A thread may end between the listing and the look at its name.
    let is_named = |thread: &PathBuf| {
        fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.starts_with(&begin))
    };
    let paths = threads.filter_map(|thread| Some(thread.ok()?.path()));
    Some(paths.filter(is_named).collect())
}

/// How many threads there are with this prefix. `None`: this system does not list them.
pub(crate) fn count(prefix: &str) -> Option<usize> {
    named(prefix).map(|threads| threads.len())
}

/// Waits until no thread with this prefix is left: the system lists one for a moment after it was
/// joined.
pub(crate) fn wait_until_gone(prefix: &str) {
    let limit = Instant::now() + PATIENCE;
    while let Some(left @ 1..) = count(prefix) {
        assert!(
            Instant::now() < limit,
            "{left} threads of the pool are left"
        );
        thread::yield_now();
    }
}

/// The CPU time that the threads with this prefix have used. `None`: this system does not say.
pub(crate) fn cpu_nanos(prefix: &str) -> Option<u64> {
    named(prefix)?
        .iter()
        .map(|thread| {
            let line = fs::read_to_string(thread.join("schedstat")).ok()?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        })
        .sum()
}
