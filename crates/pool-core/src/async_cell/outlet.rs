//! The cell of a future as its handle and its own context see it.

use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use super::{AsyncCell, Driver, Polled, Stage};
use crate::context::{AsyncView, Cancellation, OwnToken};
use crate::id::JobId;
use crate::job::Terms;
use crate::outcome::{Interrupted, JobError, Outcome, drop_contained, wake_contained};
use crate::source::Source;
use crate::sync::{LockExt, Ordering};
use crate::ticket::{Joined, Outlet, Release, Resolution, Ticket};
use crate::token::CancelToken;
use crate::wait::Parker;
use crate::worker::Worker;

impl<S: Source> AsyncCell<S> {
    /// The handle's end.
    pub(crate) fn ticket(self: Arc<Self>) -> Ticket<S::Output, S::Error> {
        let cell = Arc::into_raw(self).cast_mut();
        // SAFETY: an `Arc`'s pointer is not null; the cell lives until `release` takes the reference back that is counted here.
        unsafe { Ticket::new(NonNull::new_unchecked(cell)) }
    }

    /// The caller has the handle's end, and the job has ended.
    fn take_resolution(&self) -> Resolution<S::Output, S::Error> {
        match self.replace(Stage::Empty) {
            Stage::Ended(resolution) => resolution,
            _ => unreachable!("the outcome is there when the job has ended, and taken once"),
        }
    }

    /// The handle has gone.
    pub(super) fn detach(self: &Arc<Self>) {
        if self.state.detach() {
            self.drop_resolution();
            return;
        }
        self.stop_driving();
    }

    /// The handle drives the future no longer, if it ever did.
    fn stop_driving(self: &Arc<Self>) {
        // A joiner's waker is put there through this very handle.
        if self.has_way_back.load(Ordering::Relaxed) {
            let driver = self.way_back.lock_unpoisoned().joiner.take();
            if driver.is_some() {
                self.find_new_driver();
            }
            drop_contained(driver);
        }
    }
}

impl<S: Source> Outlet<S::Output, S::Error> for AsyncCell<S> {
    fn id(&self) -> JobId {
        self.id
    }

    fn is_ended(&self) -> bool {
        self.state.is_ended()
    }

    fn poll_outcome(&self, cx: &mut Context<'_>) -> Poll<Resolution<S::Output, S::Error>> {
        // SAFETY: by the trait's rule, the handle calls this, and nobody else at once.
        ready!(unsafe { self.waiter.poll_end(&self.state, cx) });
        Poll::Ready(self.take_resolution())
    }

    fn take_ended(&self) -> Option<Joined<S::Output, S::Error>> {
        if !self.state.is_ended() {
            return None;
        }
        let resolution = self.take_resolution();
        let leave = leave::<S>;
        Some(Joined { resolution, leave })
    }

    fn cancel(&self) {
        self.state.request_cancel();
        OwnToken::cancel(|| Some(&self.token));
        if self.state.start() {
            // Not started: ended here and now. The turn is `ready`, and who wants it must win `start` first.
            let _is_taken = self.turn.begin();
            self.turn.finish();
            self.clear();
            drop(self.replace(Stage::Ended(Err(JobError::Cancelled))));
            self.publish(Outcome::Cancelled);
            self.home.settle_claimed(self.id, Outcome::Cancelled);
            return;
        }
        // Suspended: its next poll drops it.
        let host = self.way_back.lock_unpoisoned().host.clone();
        if let Some(host) = host {
            wake_contained(host);
        }
        Wake::wake_by_ref(&self.shared());
    }

    fn join_on(&self, worker: &Worker) -> Option<Joined<S::Output, S::Error>> {
        // ORDERING: Relaxed: the start that this one lost to came after the write.
        if !self.state.start() && self.is_hosted.load(Ordering::Relaxed) {
            return None; // a runtime hosts it and needs no worker of ours
        }
        let this = self.shared();
        let parker = Parker::new();
        self.lead_back(|way| way.joiner = Some(parker.waker()));
        let mut is_noted = false;
        worker.keeping_place(|| {
            loop {
                if self.turn.begin() {
                    this.take_turn(worker, None, Driver::Joiner);
                }
                let waker = parker.waker();
                let mut cx = Context::from_waker(&waker);
                // SAFETY: the handle joins, so it does not poll meanwhile.
                if unsafe { self.waiter.poll_end(&self.state, &mut cx) }.is_ready() {
                    break;
                }
                if !std::mem::replace(&mut is_noted, true) {
                    // The joiner's pool may be another one, and is cancelled with its jobs.
                    let waker = Waker::from(Arc::clone(&this));
                    let life = worker.life();
                    life.leave(self.id, self.name(), life.nanos(), Some(waker));
                    if life.is_cancelling() {
                        this.wake_by_ref();
                    }
                    continue;
                }
                parker.park(None);
            }
        });
        if is_noted {
            worker.life().forget(self.id);
        }
        None
    }

    fn await_on(&self, worker: &Worker, cx: &mut Context<'_>) {
        let is_claimed = self.state.start();
        if !is_claimed && self.way_back.lock_unpoisoned().joiner.is_none() {
            return; // started elsewhere, and polled there
        }
        self.lead_back(|way| way.joiner = Some(cx.waker().clone()));
        if self.turn.begin() {
            worker.keeping_place(|| self.shared().take_turn(worker, None, Driver::Joiner));
        }
    }

    fn rely_on_others(&self) {
        if self.has_way_back.load(Ordering::Relaxed) {
            self.shared().stop_driving();
        }
    }

    fn release(&self) -> Release {
        release::<S>
    }
}

/// [`release`], after the outcome was taken.
///
/// # Safety
/// As for `release`.
unsafe fn leave<S: Source>(cell: NonNull<()>, _outcome: Outcome) {
    // SAFETY: the caller's promise.
    unsafe { release::<S>(cell) }
}

/// See [`Outlet::release`].
///
/// # Safety
/// `cell` is the address of an `AsyncCell<S>`, and comes with the reference that [`AsyncCell::ticket`] counted.
unsafe fn release<S: Source>(cell: NonNull<()>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { Arc::from_raw(cell.cast::<AsyncCell<S>>().as_ptr()) };
    cell.detach();
}

impl<S: Source> Cancellation for AsyncCell<S> {
    fn is_requested(&self) -> bool {
        self.state.is_cancel_requested()
    }

    fn token(&self) -> CancelToken {
        self.token.get(self.terms.as_deref(), &self.state)
    }
}

impl<S: Source> AsyncView for AsyncCell<S> {
    fn id(&self) -> JobId {
        self.id
    }

    fn terms(&self) -> Option<&Terms> {
        self.terms.as_deref()
    }

    fn report(&self, interrupted: Interrupted) {
        *self.reported.lock_unpoisoned() = Some(interrupted);
    }
}
