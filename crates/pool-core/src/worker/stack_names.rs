//! Identities for jobs on a worker's stack, by which a wait for the whole pool leaves out the jobs
//! that wait themselves (`lifecycle/excluded_waiters.rs`).

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Worker;

/// A job on a stack, by a name that no other job ever has. It has no other of its own while it
/// runs: its cell may be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StackName(u64);

impl StackName {
    /// Returns a name that was never given.
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed: each gets its own, in whatever order.
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The names that were given on one worker, by level of its stack; the outermost job first. A level
/// without a name has none yet.
#[derive(Default)]
pub(super) struct Names(RefCell<Vec<Option<StackName>>>);

impl Worker {
    /// Returns the name of the job at this level of the stack, from 1, and gives it one if it has
    /// none. The name is forgotten as that job ends.
    pub(crate) fn name_at(&self, level: usize) -> StackName {
        self.may_leave_something();
        let mut names = self.0.names.0.borrow_mut();
        if names.len() < level {
            names.resize(level, None);
        }
        *names[level - 1].get_or_insert_with(StackName::next)
    }

    /// Forgets the names above this level, whose jobs have ended. The waits that such a job has
    /// begun, and left to other threads, no longer leave it out.
    pub(super) fn forget_names_above(&self, level: usize) {
        let mut names = self.0.names.0.borrow_mut();
        if let Some(gone) = names.get(level..) {
            let life = self.life();
            let gone = gone.iter().copied().flatten();
            life.excluded_waiters.forget(gone, &life.phase);
            names.truncate(level);
        }
    }
}
