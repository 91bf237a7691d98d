//! `EndTokens`: the tokens that are cancelled with the pool, for sleeps that its end ends.
//!
//! Each is made when a sleep first asks for it. The thread that makes it then reads the phase. The
//! thread that moves the phase on then looks for the token. Between its two steps each has a
//! sequentially consistent fence, so at least one of the two cancels the token.
//!
//! There are two, since the thread that keeps the time of a shutdown may begin the cancellation,
//! and that may not call any number of wakers of others' tasks. So with the cancellation only the
//! **closures** that sleep are woken, each of which keeps a thread of its own, and whose wakers are
//! ours. A future that sleeps in its own job is woken with that job, by the workers. A sleep that
//! another task polls is told once the pool has stopped, together with all waits for that.

use std::sync::OnceLock;

use super::phase::AtomicPhase;
use crate::job::cancel_token::CancelToken;
use crate::sys::sync::{Ordering, fence};

/// See the module.
#[derive(Default)]
pub(crate) struct EndTokens {
    cancelling: OnceLock<CancelToken>,
    stopped: OnceLock<CancelToken>,
}

impl EndTokens {
    /// A token that is cancelled once the pool's grace is over.
    pub(crate) fn of_cancel(&self, phase: &AtomicPhase) -> CancelToken {
        get(&self.cancelling, || phase.is_cancelling())
    }

    /// A token that is cancelled once the pool has stopped.
    pub(crate) fn of_stop(&self, phase: &AtomicPhase) -> CancelToken {
        get(&self.stopped, || phase.is_stopped())
    }

    /// Called after the phase has come to `Cancelling`. Wakes threads, and runs no user code.
    pub(super) fn cancel(&self) {
        cancel(&self.cancelling);
    }

    /// Called after the phase has come to `Stopped`. Wakers of others are called here.
    pub(super) fn stop(&self) {
        cancel(&self.cancelling);
        cancel(&self.stopped);
    }
}

/// The token, made at the first call, and cancelled if it comes too late for the one that ends the
/// pool.
fn get(token: &OnceLock<CancelToken>, is_over: impl Fn() -> bool) -> CancelToken {
    let token = token.get_or_init(CancelToken::new);
    // ORDERING: pairs with the fence in `cancel`; see the head of this file.
    fence(Ordering::SeqCst);
    if is_over() {
        token.cancel();
    }
    token.clone()
}

fn cancel(token: &OnceLock<CancelToken>) {
    // ORDERING: pairs with the fence in `get`.
    fence(Ordering::SeqCst);
    if let Some(token) = token.get() {
        token.cancel();
    }
}
