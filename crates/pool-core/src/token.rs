//! Cancellation tokens: one flag that many jobs watch, in a tree.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use crate::id::JobId;
use crate::machine::{self, Point};
use crate::sync::{AtomicBool, LockExt, Mutex, Ordering};

/// Asks every job that carries it, or a child of it, to stop.
///
/// A clone is the same token. Cancelling is final. A job that has not started when its token is cancelled never
/// starts; a running job sees it in [`JobContext::check`](crate::JobContext::check); a suspended future is dropped.
///
/// ```
/// use pool_core::CancelToken;
///
/// let service = CancelToken::new();
/// let request = service.child();
/// request.cancel();
/// assert!(request.is_cancelled() && !service.is_cancelled());
/// service.cancel();
/// assert!(service.child().is_cancelled());
/// ```
#[derive(Clone, Default)]
pub struct CancelToken {
    node: Arc<Node>,
}

#[derive(Default)]
struct Node {
    cancelled: AtomicBool,
    parents: Vec<Arc<Node>>,
    // Suspended futures that must be polled once more when the token is cancelled: in the order of their ids, not in one that no run repeats.
    watchers: Mutex<BTreeMap<JobId, Waker>>,
    // Children, so that a cancel reaches the futures that watch them.
    children: Mutex<Vec<std::sync::Weak<Node>>>,
}

impl CancelToken {
    /// A token of its own, not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled with this one, and can be cancelled alone.
    pub fn child(&self) -> Self {
        Self::below(&[self])
    }

    /// How many hold this token, for a model that looks for leaks.
    #[cfg(all(test, pool_loom))]
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.node)
    }

    /// Asks for the stop. Never blocks on a job; wakes the suspended futures that watch.
    pub fn cancel(&self) {
        self.node.cancel();
    }

    /// Whether this token or one above it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        machine::point(Point::Ask);
        self.node.is_cancelled()
    }

    /// A token that is cancelled with any of `parents`.
    pub(crate) fn below(parents: &[&Self]) -> Self {
        let nodes = parents
            .iter()
            .map(|token| Arc::clone(&token.node))
            .collect();
        let token = Self {
            node: Arc::new(Node {
                parents: nodes,
                ..Node::default()
            }),
        };
        for parent in parents {
            parent.node.adopt(&token.node);
        }
        token
    }

    /// Wakes `waker` once when the token is cancelled. The caller checks the flag afterwards.
    pub(crate) fn watch(&self, id: JobId, waker: &Waker) {
        self.node
            .watchers
            .lock_unpoisoned()
            .insert(id, waker.clone());
    }

    pub(crate) fn unwatch(&self, id: JobId) {
        let watcher = self.node.watchers.lock_unpoisoned().remove(&id);
        drop(watcher);
    }
}

impl Node {
    fn is_cancelled(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `cancel`: what the canceller did before is visible to the job.
        self.cancelled.load(Ordering::Acquire)
            || self.parents.iter().any(|node| node.is_cancelled())
    }

    /// The flag is set before the watchers are taken, and a watcher is registered before the flag is read: one of
    /// the two sides sees the other.
    fn cancel(&self) {
        // ORDERING: Release, see `is_cancelled`; the lock below orders it against `watch`.
        self.cancelled.store(true, Ordering::Release);
        let watchers = std::mem::take(&mut *self.watchers.lock_unpoisoned());
        for waker in watchers.into_values() {
            waker.wake();
        }
        let children = self.children.lock_unpoisoned().clone();
        for child in children.iter().filter_map(std::sync::Weak::upgrade) {
            child.cancel();
        }
    }

    fn adopt(&self, child: &Arc<Node>) {
        let mut children = self.children.lock_unpoisoned();
        // Dead children leave when the list would have to grow, so a long-lived token stays small.
        if children.len() == children.capacity() {
            children.retain(|node| node.strong_count() > 0);
        }
        children.push(Arc::downgrade(child));
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.is_cancelled())
            .finish()
    }
}
