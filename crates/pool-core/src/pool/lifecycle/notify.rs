//! `Notices`: tells all that watch a pool that something changed, and runs none of their code under
//! a lock.
//!
//! # Protocol
//! The list of watchers is `event_listener`'s, which wakes them, and drops their wakers, under its
//! own lock. A waker is user code: it may panic, which would leave the list wrong; and it may end a
//! future that watches this very list, which would wait for the lock that its own thread holds. So
//! the list holds **proxy wakers**. A proxy that is woken or dropped leaves a deferred action in a
//! second list, and the thread that touched the first list runs these actions once it has released
//! the lock.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use event_listener::{Event, EventListener};

use super::phase::AtomicPhase;
use crate::job::outcome::{contain, drop_contained};
use crate::sys::machine;

/// The watchers of a pool, and what is still to be done with their wakers.
#[derive(Default)]
pub(super) struct Notices {
    /// The list of watchers, which holds proxy wakers alone.
    event: Event,
    /// What is to be done once the list's lock is free.
    actions: Arc<DeferredActions>,
}

/// What was to be done with wakers while the list was locked.
#[derive(Default)]
struct DeferredActions {
    list: Mutex<Vec<Deferred>>,
}

enum Deferred {
    /// The list has woken this proxy: its waker is to be woken.
    Wake(Arc<ProxyWaker>),
    /// The list has dropped the proxy of this waker.
    Drop(Waker),
}

/// Stands in the list for a waker of the user's.
struct ProxyWaker {
    /// There until the drop.
    waker: Option<Waker>,
    actions: Arc<DeferredActions>,
}

/// A watcher.
pub(super) struct Listening<'a> {
    /// Where it is in the list.
    notices: &'a Notices,
    /// Asked whether this process is a forked child, which touches no list.
    phase: &'a AtomicPhase,
    /// There until the drop.
    listener: Option<EventListener>,
}

impl Notices {
    /// Begins to watch a pool in this phase: every [`notify`](Self::notify) from here on is seen.
    pub(super) fn listen<'a>(&'a self, phase: &'a AtomicPhase) -> Listening<'a> {
        Listening {
            notices: self,
            phase,
            listener: Some(self.event.listen()),
        }
    }

    /// Wakes all watchers.
    pub(super) fn notify(&self) {
        self.event.notify(usize::MAX);
        self.actions.run();
    }
}

impl Listening<'_> {
    /// Ready once somebody has notified; or in a forked child, where the list's lock is the
    /// parent's.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(listener) = self.listener.as_mut().filter(|_| !self.phase.is_forked()) else {
            return Poll::Ready(());
        };
        let actions = &self.notices.actions;
        let proxy = Waker::from(Arc::new(ProxyWaker {
            waker: Some(cx.waker().clone()),
            actions: Arc::clone(actions),
        }));
        let polled = Pin::new(listener).poll(&mut Context::from_waker(&proxy));
        drop(proxy);
        actions.run();
        polled
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        let listener = self.listener.take();
        if self.phase.is_forked() {
            std::mem::forget(listener);
            return;
        }
        drop(listener);
        self.notices.actions.run();
    }
}

impl Wake for ProxyWaker {
    fn wake(self: Arc<Self>) {
        let actions = Arc::clone(&self.actions);
        actions.add(Deferred::Wake(self));
    }
}

impl Drop for ProxyWaker {
    fn drop(&mut self) {
        if let Some(waker) = self.waker.take() {
            self.actions.add(Deferred::Drop(waker));
        }
    }
}

impl DeferredActions {
    /// Notes an action; the thread that holds the list's lock now runs it afterwards.
    fn add(&self, action: Deferred) {
        machine::lock(&self.list).push(action);
    }

    /// Runs all actions, and those that come of them.
    ///
    /// Runs no action under a lock, so an action may come back here.
    fn run(&self) {
        loop {
            let actions = std::mem::take(&mut *machine::lock(&self.list));
            if actions.is_empty() {
                return;
            }
            for action in actions {
                match action {
                    Deferred::Wake(proxy) => {
                        if let Some(waker) = &proxy.waker {
                            drop_contained(contain(|| waker.wake_by_ref()));
                        }
                    }
                    Deferred::Drop(waker) => drop_contained(waker),
                }
            }
        }
    }
}
