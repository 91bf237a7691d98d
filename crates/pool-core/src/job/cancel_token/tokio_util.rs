//! Tokens from and for tokio-util's `CancellationToken`, with no task and no thread between them.
//!
//! Each direction is a waker of the one side in the list of the other. A conversion goes one way,
//! as a child does: what is made is cancelled with its source, and can be cancelled alone.
//!
//! # From tokio-util
//! The node that is made owns a **bridge**, as one of its watchers: the future of the other token's
//! cancellation, polled once, with a waker that knows the bridge weakly. So the bridge goes with
//! the node, or as the node is cancelled, and takes its waker back from the other side.
//!
//! A node without handles leaves the graph of tokens, and its children go on below what is above
//! it. A node with a bridge is below something that is not in the graph. So it stays as long as it
//! has a child, which keeps it; nothing is above it, so it is in nobody's list.
//!
//! # To tokio-util
//! A node has one token on the other side, made at the first conversion, and a watcher that cancels
//! that. Each conversion is a child of it. The other side lets go of its children as their last
//! handle goes; so conversions leave nothing behind, however many there are. The node does not know
//! whether a child is left, so it does not stay in the graph for it.
//!
//! # Locks
//! A waker of the other side is called there with no lock held: this is so from version 0.7.20 on,
//! and what a cancel drops here may be a token of there. No lock of ours is held while one of
//! theirs is cancelled or dropped.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::listed_waker::ListedWaker;
use super::node::Node;
use super::{CancelToken, descendants};
use crate::job::id::JobId;
use crate::job::outcome::drop_contained;
use crate::job::watch_list::Watch;
use crate::sys::sync::{LockExt, Mutex};

/// Makes a token that is cancelled with tokio-util's, and can be cancelled alone.
///
/// It is a token as any other: its children, and the jobs that carry it, are cancelled with the
/// source too. It may outlive all handles of the source, which then never cancels it.
///
/// # Examples
/// ```
/// use pool_core::CancelToken;
/// use tokio_util::sync::CancellationToken;
///
/// let server = CancellationToken::new();
/// let jobs = CancelToken::from(&server);
/// let request = jobs.child();
/// server.cancel();
/// assert!(jobs.is_cancelled() && request.is_cancelled());
/// ```
impl From<&CancellationToken> for CancelToken {
    fn from(source: &CancellationToken) -> Self {
        let node = Node::new();
        node.lock().has_bridge = true;
        let bridge = Arc::new(Bridge {
            node: Arc::downgrade(&node),
            wait: Mutex::new(Some(Box::pin(source.clone().cancelled_owned()))),
        });
        let token = Self::owning(node);
        bridge.look();
        let owner = Waker::from(bridge);
        if let Err(cancelled) = token.watch(&Watch::default(), JobId::next(), owner) {
            drop_contained(cancelled);
        }
        token
    }
}

/// Makes a token of tokio-util that is cancelled with this one, and can be cancelled alone.
///
/// It is cancelled as long as there is somebody to cancel the source: a handle of it, or a job
/// that carries it. A source whose last handle is dropped is no longer cancelled with
/// what was above it, and so neither is this; keep the source.
///
/// # Examples
/// ```
/// use pool_core::CancelToken;
/// use tokio_util::sync::CancellationToken;
///
/// let jobs = CancelToken::new();
/// let connection = CancellationToken::from(&jobs);
/// jobs.cancel();
/// assert!(connection.is_cancelled());
/// ```
impl From<&CancelToken> for CancellationToken {
    fn from(source: &CancelToken) -> Self {
        let node = &source.node;
        let own = {
            let mut links = node.lock();
            if node.is_cancelled() {
                None
            } else if let Some(own) = &links.elsewhere {
                Some(own.clone())
            } else {
                let own = Self::new();
                links.elsewhere = Some(own.clone());
                let waker = Waker::from(Arc::new(Elsewhere(own.clone())));
                let waker = ListedWaker::own(waker);
                let _new = links
                    .watchers
                    .insert(&Watch::default(), JobId::next(), waker);
                Some(own)
            }
        };
        match own {
            Some(own) => own.child_token(),
            None => {
                let cancelled = Self::new();
                cancelled.cancel();
                cancelled
            }
        }
    }
}

/// Cancels the node's token on the other side.
struct Elsewhere(CancellationToken);

impl Wake for Elsewhere {
    fn wake(self: Arc<Self>) {
        self.0.cancel();
    }
}

/// What a node that is below a token of the other side owns.
struct Bridge {
    node: Weak<Node>,
    /// `None` once either side was cancelled. Only the future's own code runs under the lock, which
    /// clones and drops wakers of [`Ring`].
    wait: Mutex<Option<Pin<Box<WaitForCancellationFutureOwned>>>>,
}

/// What the other side wakes.
struct Ring(Weak<Bridge>);

impl Bridge {
    /// Cancels the node if the other side is cancelled; otherwise leaves a waker there.
    fn look(self: &Arc<Self>) {
        let waker = Waker::from(Arc::new(Ring(Arc::downgrade(self))));
        let over = {
            let mut wait = self.wait.lock_unpoisoned();
            let polled = wait
                .as_mut()
                .map(|wait| wait.as_mut().poll(&mut Context::from_waker(&waker)));
            match polled {
                Some(Poll::Ready(())) => wait.take(),
                _ => return,
            }
        };
        drop_contained(over);
        if let Some(node) = self.node.upgrade() {
            descendants::cancel(&node);
        }
    }
}

impl Wake for Ring {
    /// The other side was cancelled.
    fn wake(self: Arc<Self>) {
        if let Some(bridge) = self.0.upgrade() {
            bridge.look();
        }
    }
}

impl Wake for Bridge {
    /// The node was cancelled: there is nothing to wait for.
    fn wake(self: Arc<Self>) {
        let over = self.wait.lock_unpoisoned().take();
        drop_contained(over);
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;
    use crate::backend::SpawnPool;
    use crate::{JobError, JobExt, ShutdownPolicy, infallible_fn};

    #[test]
    fn a_token_is_cancelled_with_its_source_and_can_be_cancelled_alone() {
        let theirs = CancellationToken::new();
        let (one, other) = (CancelToken::from(&theirs), CancelToken::from(&theirs));
        one.cancel();
        assert!(!other.is_cancelled() && !theirs.is_cancelled());
        theirs.cancel();
        assert!(other.is_cancelled());
        assert!(
            CancelToken::from(&theirs).is_cancelled(),
            "it comes too late"
        );

        let ours = CancelToken::new();
        let (one, other) = (
            CancellationToken::from(&ours),
            CancellationToken::from(&ours),
        );
        one.cancel();
        assert!(!other.is_cancelled() && !ours.is_cancelled());
        ours.cancel();
        assert!(other.is_cancelled());
        assert!(
            CancellationToken::from(&ours).is_cancelled(),
            "it comes too late"
        );
    }

    /// A token that nobody holds leaves the graph, and its children go up. This one stays.
    #[test]
    fn children_are_cancelled_although_their_token_is_dropped() {
        let theirs = CancellationToken::new();
        let child = CancelToken::from(&theirs).child();
        let grandchild = child.child();
        drop(child);
        let other = CancelToken::new();
        let of_two = CancelToken::below(&[&CancelToken::from(&theirs), &other.child()]);
        let alone = CancelToken::below(&[&other, &CancelToken::from(&theirs)]).child();
        theirs.cancel();
        assert!(grandchild.is_cancelled() && of_two.is_cancelled() && alone.is_cancelled());
    }

    #[test]
    fn nothing_is_left_when_either_side_is_dropped_or_cancelled() {
        let theirs = CancellationToken::new();
        for is_cancelled in [false, true] {
            let ours = CancelToken::from(&theirs);
            let node = Arc::downgrade(&ours.node);
            let child = ours.child();
            if is_cancelled {
                child.cancel();
                ours.cancel();
            }
            drop(ours);
            drop(child);
            assert!(node.upgrade().is_none(), "the node is left");
        }
        let ours = CancelToken::new();
        for _ in 0..3 {
            drop(CancellationToken::from(&ours));
        }
        assert_eq!(ours.watchers(), 1, "one for all");
        let (node, theirs) = (Arc::downgrade(&ours.node), CancellationToken::from(&ours));
        drop(ours);
        assert!(node.upgrade().is_none(), "the node is left");
        assert!(!theirs.is_cancelled(), "nobody has cancelled it");
    }

    /// The captures are dropped within the cancel, and are handles of the tokens that it is at.
    #[test]
    fn a_queued_job_is_cancelled_that_captures_tokens_of_the_same_tree() {
        let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
        let pool = SpawnPool::builder().workers(1).adopt(nowhere).build();
        let pool = pool.expect("it starts");
        let root = CancellationToken::new();
        let request = root.child_token();
        let captured = (root.clone(), request.clone());
        let job = infallible_fn(move || drop(captured));
        let job = job.with_token(&CancelToken::from(&request));
        let handle = pool.submit(job).expect("there is room");
        drop(request);
        root.cancel();
        assert!(matches!(handle.join(), Err(JobError::Cancelled)));
        pool.shutdown(ShutdownPolicy::now());
    }
}
