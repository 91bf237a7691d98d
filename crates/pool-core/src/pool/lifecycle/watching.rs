//! How somebody watches a pool: asked again after each end that may matter.

use std::future::poll_fn;

use super::{Awaits, Lifecycle};
use crate::sys::sync::{AtomicUsize, Ordering, fence};

impl Lifecycle {
    /// Waits until `is_over` holds, which it looks at again whenever the pool may have become quiet or lost a worker.
    pub(crate) async fn watch(&self, mut is_over: impl FnMut() -> bool) {
        let _watching = Watching::new(&self.watchers);
        while !self.is_forked() {
            let mut listening = self.notices.listen(self);
            // ORDERING: pairs with the fence in `tell_watchers`.
            fence(Ordering::SeqCst);
            if is_over() {
                return;
            }
            poll_fn(|cx| listening.poll(cx)).await;
        }
    }

    /// Waits until nothing is in flight, now or at a moment since the wait began: who submits at once after such a moment does not
    /// keep the others waiting.
    pub(crate) async fn quiet(&self) {
        let wait = self.waits.begin();
        self.watch(|| self.ledger.in_flight() == 0 || self.waits.is_over(wait))
            .await;
    }

    /// The same for a job of the pool, which does not wait for itself, nor for others that wait likewise.
    pub(crate) async fn quiet_but_for_those_who_wait(&self) {
        let wait = self.waits.begin();
        self.watch(|| self.is_quiet_but_for(Awaits::Quiet) || self.waits.is_over(wait))
            .await;
    }
}

/// Counts a watcher for as long as it watches, also where its future is dropped.
struct Watching<'a>(&'a AtomicUsize);

impl<'a> Watching<'a> {
    fn new(watchers: &'a AtomicUsize) -> Self {
        watchers.fetch_add(1, Ordering::SeqCst);
        Self(watchers)
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
