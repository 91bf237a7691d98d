//! The servers of a `Drain`: futures that are polled along with each of its waits.
//!
//! They are user code, so each call and each drop of one is contained; the first panic is kept.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// What a panic carries.
type Panic = Box<dyn Any + Send>;

type Server = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
pub(super) struct Servers {
    running: Vec<Server>,
    has_one_ended: bool,
    panic: Option<Panic>,
}

impl Servers {
    pub(super) fn add(&mut self, server: impl Future + Send + 'static) {
        let without_output = async { drop(server.await) };
        self.running.push(Box::pin(without_output));
    }

    /// How many have not ended.
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// The panic of the first that panicked.
    pub(super) fn take_panic(&mut self) -> Option<Panic> {
        self.panic.take()
    }

    /// Until `other` is ready, or until one of them has ended.
    pub(super) async fn serve_until_one_ends(&mut self, other: impl Future<Output = ()>) {
        let mut other = pin!(other);
        poll_fn(|cx| {
            self.poll(cx);
            if self.has_one_ended {
                return Poll::Ready(());
            }
            other.as_mut().poll(cx)
        })
        .await;
    }

    /// Until `other` is ready, or until all of them have ended.
    pub(super) async fn serve_until_all_end(&mut self, other: impl Future<Output = ()>) {
        let mut other = pin!(other);
        poll_fn(|cx| {
            self.poll(cx);
            if self.running.is_empty() {
                return Poll::Ready(());
            }
            other.as_mut().poll(cx)
        })
        .await;
    }

    /// Until `main` is ready, or `other`: then `None`.
    pub(super) async fn serve_while<T>(
        &mut self,
        main: impl Future<Output = T>,
        other: impl Future<Output = ()>,
    ) -> Option<T> {
        let (mut main, mut other) = (pin!(main), pin!(other));
        poll_fn(|cx| {
            self.poll(cx);
            if let Poll::Ready(()) = other.as_mut().poll(cx) {
                return Poll::Ready(None);
            }
            main.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Drops those that have not ended.
    pub(super) fn drop_all(&mut self) {
        while let Some(server) = self.running.pop() {
            contain(&mut self.panic, || drop(server));
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        let mut index = 0;
        while let Some(server) = self.running.get_mut(index) {
            let mut is_pending = false;
            contain(&mut self.panic, || {
                is_pending = server.as_mut().poll(cx).is_pending();
            });
            if is_pending {
                index += 1;
                continue;
            }
            self.has_one_ended = true;
            let ended = self.running.swap_remove(index);
            contain(&mut self.panic, || drop(ended));
        }
    }
}

/// Calls code of the user's. Of several panics the first is kept.
fn contain(first: &mut Option<Panic>, call: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
        match first {
            None => *first = Some(panic),
            // The drop of what it carries may panic as well.
            Some(_) => mem::forget(panic),
        }
    }
}
