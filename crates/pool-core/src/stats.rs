//! What an operator reads off a pool: counts since its start, and what is in it now.

use std::fmt;

/// A snapshot of a pool's books. Taking one blocks no worker (`R702`).
///
/// `accepted` is never less than the sum of the rest; once the pool is quiet it equals the sum of the outcomes and of
/// `unstarted`, exactly (`R701`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Jobs accepted since the start.
    pub accepted: u64,
    /// Jobs that returned `Ok`.
    pub completed: u64,
    /// Jobs that returned `Err`.
    pub failed: u64,
    /// Jobs that panicked.
    pub panicked: u64,
    /// Jobs cancelled before their start, or that gave up for it.
    pub cancelled: u64,
    /// Jobs whose deadline passed before their start, or that gave up for it.
    pub expired: u64,
    /// Jobs whose task was dropped unrun.
    pub abandoned: u64,
    /// Jobs given back unstarted: by a shutdown, or to the next backend by a swap.
    pub unstarted: u64,
    /// Jobs accepted and not started.
    pub queued: u64,
    /// Jobs started and not over, suspended futures included.
    pub running: u64,
    /// Workers alive.
    pub workers: usize,
    /// Hooks that panicked, which changed no outcome (`R304`).
    pub hook_panics: u64,
}

impl Stats {
    /// Jobs that reached an outcome.
    pub fn finished(&self) -> u64 {
        self.completed
            + self.failed
            + self.panicked
            + self.cancelled
            + self.expired
            + self.abandoned
    }

    /// The sums of two pools.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            accepted: self.accepted + other.accepted,
            completed: self.completed + other.completed,
            failed: self.failed + other.failed,
            panicked: self.panicked + other.panicked,
            cancelled: self.cancelled + other.cancelled,
            expired: self.expired + other.expired,
            abandoned: self.abandoned + other.abandoned,
            unstarted: self.unstarted + other.unstarted,
            queued: self.queued + other.queued,
            running: self.running + other.running,
            workers: self.workers + other.workers,
            hook_panics: self.hook_panics + other.hook_panics,
        }
    }
}

impl Stats {
    /// The sums of several pools after `count` jobs went from one of them to another, and were accepted by both.
    #[must_use]
    pub fn without_handed_over(self, count: u64) -> Self {
        let accepted = self.accepted.saturating_sub(count);
        let unstarted = self.unstarted.saturating_sub(count);
        Self {
            accepted,
            unstarted,
            ..self
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} accepted: {} completed, {} failed, {} panicked, {} cancelled, {} expired, {} abandoned, \
             {} unstarted; {} queued, {} running on {} workers",
            self.accepted,
            self.completed,
            self.failed,
            self.panicked,
            self.cancelled,
            self.expired,
            self.abandoned,
            self.unstarted,
            self.queued,
            self.running,
            self.workers
        )
    }
}
