//! `WakerSlot`: the waker of the thread or task that waits for a job's end, in a slot that the
//! job's state guards.
//!
//! # Protocol
//! `State` says whether the slot is **marked**. Unmarked, it is the handle's alone. The handle
//! fills it and marks it, unless the job has ended by then; to fill it with another waker, or to
//! take the waker back, it takes the mark back first, unless the job has ended by then. Marked, the
//! slot is neither read nor written. The side that ends the job learns in the same step whether the
//! slot was marked; if so the waker is its own, to be called and dropped. So a waker is gone as
//! soon as nobody needs it: with the end of the job, or with the handle.

use std::task::{Context, Poll, Waker};

use crate::cell::state::State;
use crate::sys::sync::UnsafeCell;

/// The slot for the handle's waker. The mark that guards it is in the [`State`] of the same cell.
#[derive(Debug)]
pub(crate) struct WakerSlot(UnsafeCell<Option<Waker>>);

// SAFETY: a waker may be shared between threads, and the protocol keeps a write from every other
// access.
unsafe impl Sync for WakerSlot {}

impl WakerSlot {
    /// Returns an empty slot, which is the handle's.
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Whether no waker was ever put here, or has been left.
    ///
    /// # Safety
    /// Both ends have left the cell.
    #[inline]
    pub(crate) unsafe fn is_empty(&self) -> bool {
        // SAFETY: nobody else is left to touch the slot.
        self.0.with(|slot| unsafe { (*slot).is_none() })
    }

    /// Ready once the job has ended; otherwise `cx` will be woken.
    ///
    /// # Safety
    /// The caller has the handle's end of the cell, whose state this is, and makes no two such
    /// calls at once.
    pub(crate) unsafe fn poll_end(&self, state: &State, cx: &mut Context<'_>) -> Poll<()> {
        if state.is_ended() {
            return Poll::Ready(());
        }
        if state.has_waiter() {
            let is_same = |slot: *const Option<Waker>| {
                // SAFETY: unmarked, the slot is the handle's alone.
                let waker = unsafe { &*slot }.as_ref();
                waker.is_some_and(|waker| waker.will_wake(cx.waker()))
            };
            if state.unmark_waiter() {
                return Poll::Ready(());
            }
            if self.0.with(is_same) {
                return self.mark(state);
            }
        }
        let waker = Some(cx.waker().clone());
        // SAFETY: unmarked, the slot is the handle's, and this is its only call.
        let former = self
            .0
            .with_mut(|slot| unsafe { std::mem::replace(&mut *slot, waker) });
        drop(former);
        self.mark(state)
    }

    /// Marks the slot, which holds the handle's waker. Ready if the job has ended, and nobody will
    /// call it.
    fn mark(&self, state: &State) -> Poll<()> {
        if !state.mark_waiter() {
            return Poll::Pending;
        }
        // SAFETY: unmarked, the slot is the handle's. Nobody needs the waker any more, and it may
        // hold what it wakes.
        drop(self.0.with_mut(|slot| unsafe { (*slot).take() }));
        Poll::Ready(())
    }

    /// Takes the handle's waker back, if the job has not ended: nobody waits any more.
    ///
    /// # Safety
    /// As for [`poll_end`](Self::poll_end).
    #[inline]
    pub(crate) unsafe fn take_back(&self, state: &State) -> Option<Waker> {
        if !state.has_waiter() || state.unmark_waiter() {
            return None;
        }
        // SAFETY: unmarked, the slot is the handle's.
        self.0.with_mut(|slot| unsafe { (*slot).take() })
    }

    /// Takes the waker of the one that waits.
    ///
    /// # Safety
    /// The caller has ended the job, and found the slot marked as it did.
    pub(crate) unsafe fn take(&self) -> Waker {
        // SAFETY: marked when the job ended, the slot is the finisher's: the handle neither reads
        // nor writes it once the job has ended.
        self.0
            .with_mut(|slot| unsafe { (*slot).take() })
            .expect("a marked slot is filled")
    }
}
