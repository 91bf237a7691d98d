//! `Notices`: tells all who watch a pool that something changed, and runs none of their code under a lock.
//!
//! # Protocol
//! The list of those who watch is `event_listener`'s, which wakes them, and drops their wakers, under its own lock. A waker is the user's
//! code: it may panic, which would leave the list wrong; and it may end a future that watches this very list, which would wait for the
//! lock that its thread holds. So the list is given **deputies**. A deputy that is woken, or dropped, leaves an errand in a second list;
//! and who touched the first list runs the errands once it has let go of it.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use event_listener::{Event, EventListener};

use super::Lifecycle;
use crate::job::outcome::{contain, drop_contained};
use crate::sys::machine;

#[derive(Default)]
pub(super) struct Notices {
    event: Event,
    errands: Arc<Errands>,
}

/// What was to be done with wakers while the list was locked.
#[derive(Default)]
struct Errands(Mutex<Vec<Deferred>>);

enum Deferred {
    Wake(Arc<ProxyWaker>),
    Drop(Waker),
}

/// Stands in the list for a waker of the user's.
struct ProxyWaker {
    /// There until the drop.
    waker: Option<Waker>,
    errands: Arc<Errands>,
}

/// One who watches.
pub(super) struct Listening<'a> {
    life: &'a Lifecycle,
    /// There until the drop.
    listener: Option<EventListener>,
}

impl Notices {
    /// Begins to watch `life`, whose notices these are: every [`notify`](Self::notify) from here on is seen.
    pub(super) fn listen<'a>(&self, life: &'a Lifecycle) -> Listening<'a> {
        Listening {
            life,
            listener: Some(self.event.listen()),
        }
    }

    /// Wakes all who watch.
    pub(super) fn notify(&self) {
        self.event.notify(usize::MAX);
        self.errands.run();
    }
}

impl Listening<'_> {
    /// Ready once somebody has notified; or in a forked child, where the list's lock is the parent's.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(listener) = self.listener.as_mut().filter(|_| !self.life.is_forked()) else {
            return Poll::Ready(());
        };
        let errands = &self.life.notices.errands;
        let deputy = Waker::from(Arc::new(ProxyWaker {
            waker: Some(cx.waker().clone()),
            errands: Arc::clone(errands),
        }));
        let polled = Pin::new(listener).poll(&mut Context::from_waker(&deputy));
        drop(deputy);
        errands.run();
        polled
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        let listener = self.listener.take();
        if self.life.is_forked() {
            std::mem::forget(listener);
            return;
        }
        drop(listener);
        self.life.notices.errands.run();
    }
}

impl Wake for ProxyWaker {
    fn wake(self: Arc<Self>) {
        let errands = Arc::clone(&self.errands);
        errands.add(Deferred::Wake(self));
    }
}

impl Drop for ProxyWaker {
    fn drop(&mut self) {
        if let Some(waker) = self.waker.take() {
            self.errands.add(Deferred::Drop(waker));
        }
    }
}

impl Errands {
    fn add(&self, errand: Deferred) {
        machine::lock(&self.0).push(errand);
    }

    /// Runs all errands, and those that come of them.
    fn run(&self) {
        loop {
            let errands = std::mem::take(&mut *machine::lock(&self.0));
            if errands.is_empty() {
                return;
            }
            for errand in errands {
                match errand {
                    Deferred::Wake(deputy) => {
                        if let Some(waker) = &deputy.waker {
                            drop_contained(contain(|| waker.wake_by_ref()));
                        }
                    }
                    Deferred::Drop(waker) => drop_contained(waker),
                }
            }
        }
    }
}
