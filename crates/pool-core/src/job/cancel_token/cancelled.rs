//! The future that resolves once a token is cancelled.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::CancelToken;
use crate::job::id::JobId;
use crate::job::outcome::drop_contained;
use crate::job::watch_list::Watch;

/// What [`CancelToken::cancelled`] returns. It is one watcher of the token, whichever task polls
/// it.
pub(crate) struct Cancelled {
    /// A handle of its own, which keeps the node where it is.
    token: CancelToken,
    /// What its waker is registered with, from the first poll that had to wait.
    id: Option<JobId>,
    /// The slot of its waker. Each poll replaces the waker that is there.
    watch: Watch,
}

impl Cancelled {
    /// Registers nothing before the first poll.
    pub(crate) fn new(token: CancelToken) -> Self {
        Self {
            token,
            id: None,
            watch: Watch::default(),
        }
    }
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.token.is_cancelled() {
            return Poll::Ready(());
        }
        let id = *self.id.get_or_insert_with(JobId::next);
        match self.token.watch(&self.watch, id, cx.waker().clone()) {
            Ok(()) => Poll::Pending,
            Err(waker) => {
                drop_contained(waker);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Cancelled {
    /// Takes the waker out, so that a token that outlives many of these keeps nothing of them.
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.token.unwatch(&self.watch, id);
        }
    }
}
