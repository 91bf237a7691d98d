//! `Waiter`: the waker of the one who waits for a job's end, in a slot that the job's state guards.
//!
//! # Protocol
//! `State` says whether the slot is **marked**. Unmarked, it is the handle's alone. The handle fills it and marks it, unless the job has ended by then;
//! to fill it with another waker it takes the mark back first, unless the job has ended by then. Marked, the slot is read, by both sides, and
//! written by neither. Who ends the job learns in the same step whether it was marked, and wakes if so. What is in the slot goes with the
//! cell.

use std::task::{Context, Poll, Waker};

use crate::state::State;
use crate::sync::UnsafeCell;

#[derive(Debug)]
pub(crate) struct Waiter(UnsafeCell<Option<Waker>>);

// SAFETY: a waker may be shared between threads, and the protocol keeps a write from every other access.
unsafe impl Sync for Waiter {}

impl Waiter {
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

    /// Ready once the job has ended; else `cx` will be woken.
    ///
    /// # Safety
    /// The caller has the handle's end of the cell, whose state this is, and makes no two such calls at once.
    pub(crate) unsafe fn poll_end(&self, state: &State, cx: &mut Context<'_>) -> Poll<()> {
        if state.is_ended() {
            return Poll::Ready(());
        }
        if state.has_waiter() {
            let is_same = |slot: *const Option<Waker>| {
                // SAFETY: only the handle, here, marks and unmarks; so the slot stays marked, and unwritten, during this read.
                let waker = unsafe { &*slot }.as_ref();
                waker.is_some_and(|waker| waker.will_wake(cx.waker()))
            };
            if self.0.with(is_same) {
                return Poll::Pending;
            }
            if state.unmark_waiter() {
                return Poll::Ready(());
            }
        }
        let waker = Some(cx.waker().clone());
        // SAFETY: unmarked, the slot is the handle's, and this is its only call.
        let former = self
            .0
            .with_mut(|slot| unsafe { std::mem::replace(&mut *slot, waker) });
        drop(former);
        if state.mark_waiter() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Wakes who waits.
    ///
    /// # Safety
    /// The caller has ended the job, and found the slot marked as it did.
    pub(crate) unsafe fn wake(&self) {
        self.0.with(|slot| {
            // SAFETY: marked when the job ended, the slot is never written again.
            let waker = unsafe { &*slot };
            waker
                .as_ref()
                .expect("a marked slot is filled")
                .wake_by_ref();
        });
    }
}
