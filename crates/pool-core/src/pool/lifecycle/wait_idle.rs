//! Who waits for a quiet moment gets out after it, though the pool be busy again by the time that the waiter looks.

use crate::sys::sync::{AtomicUsize, Ordering};

/// Which of those who wait for quiet have seen it, by the numbers of their waits.
#[derive(Default)]
pub(super) struct Waits {
    begun: AtomicUsize,
    /// A moment of quiet was seen after this many had begun.
    over: AtomicUsize,
}

impl Waits {
    /// The number of a wait that begins here.
    pub(super) fn begin(&self) -> usize {
        // ORDERING: AcqRel: pairs with itself and with `tell`: what the waiter did before, its submissions among them, is seen by who counts
        // its wait.
        self.begun.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whoever has begun to wait by now is told, if the pool `is_quiet`. In this order: a wait that begins between the two is not counted.
    pub(super) fn tell(&self, is_quiet: impl FnOnce() -> bool) {
        // ORDERING: Acquire, see `begin`.
        let begun = self.begun.load(Ordering::Acquire);
        if is_quiet() {
            // ORDERING: Release pairs with the Acquire in `is_over`: what was over before the quiet moment is seen by who waited for it.
            self.over.fetch_max(begun, Ordering::Release);
        }
    }

    pub(super) fn is_over(&self, wait: usize) -> bool {
        self.over.load(Ordering::Acquire) >= wait
    }
}
