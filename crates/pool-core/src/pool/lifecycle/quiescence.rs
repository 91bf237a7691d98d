//! `Quiescence`: how threads and futures watch a pool, and learn that it is quiet.
//!
//! A watcher is counted, fences, and looks. A thread that ends a job counts that, fences, and looks
//! for watchers. So either the watcher sees the end, or it is seen and woken, and looks again.

use std::future::poll_fn;

use super::Lifecycle;
use super::excluded_waiters::Awaits;
use super::notify::Notices;
use super::phase::AtomicPhase;
use super::wait_idle::Waits;
use crate::sys::sync::{AtomicUsize, Ordering, fence};

/// The watchers of a pool. While there are none, to tell them costs one fence and one load.
#[derive(Default)]
pub(crate) struct Quiescence {
    /// How many watch, each counted before its first look.
    watchers: AtomicUsize,
    /// Which waits for quiet have had a quiet moment since they began.
    waits: Waits,
    /// Something changed that a watcher may wait for: a quiet moment, or the last worker's leave.
    notices: Notices,
}

impl Quiescence {
    /// Waits until `is_over` holds, which it looks at again whenever the pool may have become quiet
    /// or lost a worker.
    pub(crate) async fn watch(&self, phase: &AtomicPhase, mut is_over: impl FnMut() -> bool) {
        let _watching = Watching::new(&self.watchers);
        while !phase.is_forked() {
            let mut listening = self.notices.listen(phase);
            // ORDERING: pairs with the fence in `tell`.
            fence(Ordering::SeqCst);
            if is_over() {
                return;
            }
            poll_fn(|cx| listening.poll(cx)).await;
        }
    }

    /// Waits until nothing is in flight in `life`, now or at a moment since the wait began: new
    /// jobs after such a moment do not keep it waiting.
    pub(crate) async fn wait_idle(&self, life: &Lifecycle) {
        let wait = self.waits.begin();
        self.watch(&life.phase, || {
            life.ledger.in_flight() == 0 || self.waits.is_over(wait)
        })
        .await;
    }

    /// The same for a job of the pool, which does not wait for itself, nor for others that wait
    /// likewise.
    ///
    /// Called on a thread that runs a job of the pool.
    pub(crate) async fn wait_idle_inside(&self, life: &Lifecycle) {
        let wait = self.waits.begin();
        let is_idle = || {
            life.excluded_waiters
                .is_nothing_else_in_flight(Awaits::Quiet, &life.ledger)
        };
        self.watch(&life.phase, || is_idle() || self.waits.is_over(wait))
            .await;
    }

    /// Tells the watchers of `life` if it may have become quiet.
    pub(super) fn tell(&self, life: &Lifecycle) {
        // ORDERING: pairs with the fence in `watch`: this side has counted, that side has announced
        // itself.
        fence(Ordering::SeqCst);
        if self.watchers.load(Ordering::Relaxed) != 0 {
            let mut in_flight = 0;
            self.waits.tell(|| {
                in_flight = life.ledger.in_flight();
                in_flight == 0
            });
            if in_flight <= life.excluded_waiters.len() {
                self.wake_watchers(&life.phase);
            }
        }
    }

    /// Wakes all watchers.
    pub(crate) fn wake_watchers(&self, phase: &AtomicPhase) {
        if !phase.is_forked() {
            self.notices.notify();
        }
    }
}

/// Counts a watcher for as long as it watches, also where its future is dropped.
struct Watching<'a> {
    watchers: &'a AtomicUsize,
}

impl<'a> Watching<'a> {
    fn new(watchers: &'a AtomicUsize) -> Self {
        watchers.fetch_add(1, Ordering::SeqCst);
        Self { watchers }
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.watchers.fetch_sub(1, Ordering::SeqCst);
    }
}
