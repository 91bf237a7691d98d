//! The future that resolves once a token is cancelled.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::CancelToken;
use crate::id::JobId;

pub(super) struct Cancelled {
    token: CancelToken,
    /// What its waker is registered with, from the first poll that had to wait.
    watch: Option<JobId>,
}

impl Cancelled {
    pub(super) fn new(token: CancelToken) -> Self {
        Self { token, watch: None }
    }
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.token.is_cancelled() {
            return Poll::Ready(());
        }
        let id = *self.watch.get_or_insert_with(JobId::next);
        if self.token.watch(id, cx.waker()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let Some(id) = self.watch {
            self.token.unwatch(id);
        }
    }
}
