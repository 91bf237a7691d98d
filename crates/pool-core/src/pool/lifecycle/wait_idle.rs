//! `Waits`: lets `wait_idle` return after any idle moment, even if new jobs arrive before the
//! waiter looks.

use crate::sys::sync::{AtomicUsize, Ordering};

/// Which waits for quiet have seen it, by number.
///
/// A wait that began before a quiet moment is over, however late its waiter looks.
#[derive(Default)]
pub(super) struct Waits {
    /// How many have begun.
    begun: AtomicUsize,
    /// A quiet moment was seen after this many had begun.
    over: AtomicUsize,
}

impl Waits {
    /// The number of a wait that begins here.
    pub(super) fn begin(&self) -> usize {
        // ORDERING: AcqRel: pairs with itself and with `tell`: what the waiter did before, its
        // submissions among them, is seen by the thread that counts its wait.
        self.begun.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Ends all waits that have begun by now, if the pool `is_quiet`. In this order: a wait that
    /// begins between the two is not counted.
    pub(super) fn tell(&self, is_quiet: impl FnOnce() -> bool) {
        // ORDERING: Acquire, see `begin`.
        let begun = self.begun.load(Ordering::Acquire);
        if is_quiet() {
            // ORDERING: Release pairs with the Acquire in `is_over`: a waiter sees what was over
            // before the quiet moment.
            self.over.fetch_max(begun, Ordering::Release);
        }
    }

    /// Whether there was a quiet moment since this wait began.
    pub(super) fn is_over(&self, wait: usize) -> bool {
        self.over.load(Ordering::Acquire) >= wait
    }
}
