//! Those that are told when a pool closes, or another generation takes its place, and that wait for
//! no place: jobs that are not due yet.
//!
//! The list is apart from the line, so that the line's length stays that of the submitters. A
//! waker is taken out when it is called; a caller that wants to be told again leaves it again.

use std::task::Waker;

use super::Room;
use crate::job::id::JobId;
use crate::job::outcome::{drop_contained, wake_contained};
use crate::job::watch_list::{Watch, WatchList};
use crate::sys::sync::{LockExt, Mutex};

/// The wakers, each in the slot that its owner knows.
#[derive(Default)]
pub(super) struct Changes(Mutex<WatchList<Waker>>);

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Changes")
    }
}

impl Room {
    /// Calls `waker` at the next [`wake_all`](Self::wake_all). The caller looks at the pool
    /// afterwards.
    pub(crate) fn tell_of_change(&self, watch: &Watch, id: JobId, waker: &Waker) {
        let waker = waker.clone();
        let replaced = self.changes.0.lock_unpoisoned().insert(watch, id, waker);
        drop_contained(replaced);
    }

    /// Takes the waker back.
    pub(crate) fn forget_change(&self, watch: &Watch, id: JobId) {
        let waker = self.changes.0.lock_unpoisoned().remove(watch, id);
        drop_contained(waker);
    }

    /// How many are to be told, for a test that looks for leaks.
    #[cfg(all(test, not(pool_loom)))]
    pub(crate) fn told_of_changes(&self) -> usize {
        self.changes.0.lock_unpoisoned().len()
    }

    /// Calls all of them, with no lock held.
    pub(super) fn tell_all_of_change(&self) {
        let changes = std::mem::take(&mut *self.changes.0.lock_unpoisoned());
        let wakers = changes.into_taken().map(|(_, waker)| waker);
        wakers.for_each(wake_contained);
    }
}
