//! `ListedWaker`: a waker in the list of a token: the list's own, or lent to it.
//!
//! # A waker that is lent
//! A queued job watches its token only until it starts, and its task keeps its cell alive for that
//! long. So the job's waker has no count of the cell: it is **lent** to the list. The thread that
//! starts the job takes it back, under the list's lock, before it lets the cell go. A cancel that
//! finds it in the list makes a counted waker of it, under the same lock: at that moment the cell
//! is alive. What the cancel calls later is counted.

use std::mem::ManuallyDrop;
use std::task::Waker;

/// A waker that a list of watchers has. Its drop drops the list's own, which may be user code, and
/// does nothing to what is lent.
pub(crate) struct ListedWaker {
    waker: ManuallyDrop<Waker>,
    is_lent: bool,
}

impl ListedWaker {
    /// A waker of the list's own.
    #[inline]
    pub(crate) fn own(waker: Waker) -> Self {
        Self {
            waker: ManuallyDrop::new(waker),
            is_lent: false,
        }
    }

    /// A waker that owns nothing.
    ///
    /// # Safety
    /// What it wakes is alive for as long as the caller has this, or a list has it that the caller
    /// has left it in: it is taken out, by [`unwatch`](super::CancelToken::unwatch), before that
    /// ends. A clone of the waker owns what it wakes, and runs no user code as it is made.
    #[inline]
    pub(crate) unsafe fn lent(waker: ManuallyDrop<Waker>) -> Self {
        Self {
            waker,
            is_lent: true,
        }
    }

    /// Whether its drop may be user code.
    #[inline]
    pub(super) fn is_own(&self) -> bool {
        !self.is_lent
    }

    /// The waker, to be cloned.
    #[inline]
    pub(crate) fn as_waker(&self) -> &Waker {
        &self.waker
    }

    /// The waker as one that owns what it wakes. Called under the lock of the list that this is in,
    /// or by the one that lends it.
    pub(crate) fn into_waker(self) -> Waker {
        if self.is_lent {
            return self.as_waker().clone();
        }
        let mut this = ManuallyDrop::new(self);
        // SAFETY: it is moved out this once: what it was in is not dropped.
        unsafe { ManuallyDrop::take(&mut this.waker) }
    }

    /// Makes this one own what it wakes. As for [`into_waker`](Self::into_waker).
    pub(super) fn into_own(self) -> Self {
        Self::own(self.into_waker())
    }
}

impl Drop for ListedWaker {
    #[inline]
    fn drop(&mut self) {
        if !self.is_lent {
            // SAFETY: it is dropped this once, and not used after it.
            unsafe { ManuallyDrop::drop(&mut self.waker) }
        }
    }
}
