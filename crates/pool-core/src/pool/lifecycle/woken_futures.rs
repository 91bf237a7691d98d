//! `WokenFutures`: the futures of a pool that were woken. Their entries are in a queue of their
//! own, which has no bound.
//!
//! The queue is that of jobs (`queue/segments`): one read-modify-write a side. It ends for
//! dequeuers where a thread is between claim and mark, and that thread notifies a worker
//! afterwards. A worker that is about to leave for good, which nobody could notify any more, must
//! not be misled by that: it asks [`may_come`](WokenFutures::may_come).
//!
//! # A wake as the last worker is lost
//! Nobody is left to notify, so the entry is given up, which ends its future. The thread that loses
//! the worker says that the pool is deserted, makes a heavy fence, and then takes out what is in
//! the list. A wake adds its entry, makes the light fence of the notice, and then looks whether the
//! pool is deserted. So one of the two finds the entry.

use std::iter;
use std::mem::{self, MaybeUninit};

use super::Lifecycle;
use super::taken_out::TakenOut;
use crate::cell::future::queue_side::WokenEntry;
use crate::queue::segments::Segments;
use crate::task::{Task, TaskPlace, TaskRef};

/// The slots of a segment: 16 KiB, half of a core's nearest cache, so that few woken futures stay
/// there. Memory goes back to the system in whole pages, and a segment has several of them.
const SLOTS: usize = if cfg!(pool_loom) { 2 } else { 256 };

/// Also a hosted future that asks for a slot has an entry here. An entry of a future that was
/// polled elsewhere in the meantime is dead: it finds nothing to do.
pub(crate) struct WokenFutures {
    /// First in, first out. Its capacity is more than any memory holds.
    entries: Segments,
}

impl WokenFutures {
    pub(super) fn new() -> Self {
        Self {
            entries: Segments::in_segments_of(SLOTS, usize::MAX),
        }
    }

    /// A woken future of `life` comes back; never refused (`R803`). If no worker is left, it ends
    /// here, and is dropped.
    pub(crate) fn requeue(&self, task: Task, life: &Lifecycle) {
        if life.phase.is_forked() {
            // Its slot is in the parent; what another thread was about to do to the list stays half
            // done.
            mem::forget(task);
            return;
        }
        let mut place = MaybeUninit::uninit();
        let pushed = self.entries.push(TaskRef::new(&mut place, task), || ());
        assert!(pushed.is_ok(), "it has no bound");
        life.notify();
        // ORDERING: `notify` begins with a light fence, after the push; its partner is the heavy
        // one in `Lifecycle::end_without_workers`.
        if life.ending.is_deserted() {
            TakenOut::end_all_without_workers(life, Vec::new).tell(life);
        }
    }

    /// Takes all entries out, in order.
    pub(super) fn take_all(&self) -> Vec<Task> {
        iter::from_fn(|| self.pop()).collect()
    }

    /// Takes the future that was woken first.
    pub(crate) fn pop(&self) -> Option<Task> {
        Some(self.pop_to(&mut MaybeUninit::uninit())?.into_task())
    }

    /// Moves the entry of the future that was woken first to `place`.
    #[inline]
    pub(crate) fn pop_to<'a>(&self, place: TaskPlace<'a>) -> Option<TaskRef<'a>> {
        self.entries.pop(place).ok()
    }

    /// Checks up to `most` entries, and drops those of futures that have ended. The others go to
    /// the end, in order.
    ///
    /// Called by a worker on which some futures have ended whose entries may still lie here, so
    /// that these do not pile up.
    #[cold]
    pub(crate) fn drop_dead_entries(&self, most: usize, life: &Lifecycle) {
        for _ in 0..most.min(self.entries.about_len()) {
            let Some(task) = self.pop() else { return };
            let id = task.id();
            match task.into_payload::<WokenEntry>() {
                Ok(entry) if entry.0.is_ended() => drop(entry),
                Ok(entry) => self.requeue(Task::new(id, entry), life),
                Err(other) => self.requeue(other, life),
            }
        }
    }

    /// Returns whether nothing was woken, as far as a cheap look tells. A worker asks
    /// [`Lifecycle::has_woken`] before it rests.
    #[inline(always)]
    pub(crate) fn seems_empty(&self) -> bool {
        self.entries.seems_empty()
    }

    /// Returns about how many entries there are.
    pub(crate) fn about_len(&self) -> usize {
        self.entries.about_len()
    }

    /// Returns the position of the first entry: another one once that was taken out.
    pub(crate) fn first(&self) -> usize {
        self.entries.head()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether an entry is queued, or is just being queued by another thread.
    pub(crate) fn may_come(&self) -> bool {
        self.entries.has_claims()
    }
}
