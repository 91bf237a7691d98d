//! Cancellation tokens: one flag that many jobs watch, below any number of others.
//!
//! # The graph
//! Each token is a [`Node`]. A node lists the nodes directly below it and directly above it. A
//! token with two parents is below both, so this is a graph without circles rather than a tree.
//! A cancel sets the flag of each node below, so `is_cancelled` reads one flag.
//!
//! A node that no handle holds is there for its children alone, and leaves as soon as it can:
//! without children at once; with one child, it hands that child to what is above it. So each step
//! costs the same, however long the chain of generations was. With two or more children it stays
//! until it has one, as a **hub**: in a tree there are always fewer hubs than tokens with a handle.
//! A node with several parents leaves the hubs among them instead, since it could outlive any
//! number of them. See [`unheld_nodes`].
//!
//! # Locks
//! Each node has one lock, for its lists, its watchers and the mark below. A thread that holds the
//! lock of a node takes only locks of nodes below it, or tries a lock and goes on without it. A
//! node stays below what it was below (it may only lose intermediate nodes), so the waits for locks
//! run from top to bottom, and never in a circle. No user code runs with a lock held: wakers are
//! cloned before, and called and dropped after.
//!
//! # A cancel
//! It is a walk with a stack of its own (see [`descendants`]). On the way down it **dooms** each
//! node; on the way up it sets the flag, takes the watchers and takes the node out of all lists. It
//! calls the watchers last, with no lock held. All else happens under the node's lock, so that:
//!
//! - *a child that is created at this very moment* is either in the list that the walk reads, or
//!   finds its parent doomed and is cancelled before any other thread sees it;
//! - *a node that leaves at this very moment* has left before the walk dooms what is above it, and
//!   then the walk finds its child in its place; otherwise it finds the mark and stays: nothing
//!   that touches a doomed node moves;
//! - *a watch at this very moment* is either among the watchers that the walk takes, or finds the
//!   flag;
//! - *a second cancel at this very moment* does not wait for the first: it walks through doomed
//!   nodes, and stops only at a flag. A flag is set after those of all nodes below, so a thread
//!   that sees one sees all of them, and a `cancel` that has returned has cancelled everything
//!   below.

mod cancelled;
mod descendants;
mod listed_waker;
#[cfg(all(test, pool_loom))]
mod models;
mod node;
#[cfg(all(test, not(pool_loom)))]
mod tests;
#[cfg(feature = "tokio-util")]
mod tokio_util;
mod unheld_nodes;

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::task::Waker;

use crate::job::id::JobId;
use crate::job::watch_list::Watch;
use crate::sys::machine::{self, Point};
pub(crate) use cancelled::Cancelled;
pub(crate) use listed_waker::ListedWaker;
use node::Node;

/// Asks every job that carries it, or a child of it, to stop.
///
/// A clone is the same token. Cancelling is final. A job that has not started when its token is
/// cancelled never starts; a running job sees it in
/// [`JobContext::check`](crate::JobContext::check); a suspended future is dropped by the next
/// worker that is free.
///
/// With the feature `tokio-util`, `From` makes one of that crate's `CancellationToken`, and the
/// other way round.
///
/// A chain of children may have any length: a token without a handle leaves it, unless it has
/// several children, and then as soon as it has one. So memory and time follow the tokens in use,
/// not those that were ever made.
///
/// # Examples
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
pub struct CancelToken {
    /// All handles of a node own one count of its `Arc` together; `Node::handles` says how many
    /// they are.
    node: ManuallyDrop<Arc<Node>>,
}

impl CancelToken {
    /// Makes a token of its own, not cancelled.
    ///
    /// # Examples
    /// ```
    /// use pool_core::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// assert!(!token.is_cancelled());
    /// ```
    pub fn new() -> Self {
        Self::below(&[])
    }

    /// Makes a token that is cancelled with this one, and can be cancelled alone.
    ///
    /// # Examples
    /// ```
    /// use pool_core::CancelToken;
    ///
    /// let service = CancelToken::new();
    /// let (one, other) = (service.child(), service.child());
    /// one.cancel();
    /// assert!(!other.is_cancelled() && !service.is_cancelled());
    /// service.cancel();
    /// assert!(other.is_cancelled());
    /// ```
    pub fn child(&self) -> Self {
        Self::below(&[self])
    }

    /// How many hold this token, for a model that looks for leaks.
    #[cfg(all(test, pool_loom))]
    pub(crate) fn holders(&self) -> usize {
        self.node.handles()
    }

    /// How many watch this token, for a model, or a test that looks for leaks.
    #[cfg(test)]
    pub(crate) fn watchers(&self) -> usize {
        self.node.lock().watchers.len()
    }

    /// Asks the jobs of this token, and of all tokens below it, to stop. Never blocks on a job;
    /// wakes the suspended futures that watch, on this thread.
    ///
    /// Once it returns, [`is_cancelled`](Self::is_cancelled) is true for this token and all below.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::{CancelToken, JobError, JobExt, infallible_fn};
    ///
    /// let token = CancelToken::new();
    /// token.cancel();
    /// let late = pool.submit(infallible_fn(|| 42).with_token(&token))?;
    /// assert!(matches!(late.join(), Err(JobError::Cancelled)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) {
        descendants::cancel(&self.node);
    }

    /// Returns whether this token or one above it was cancelled. Reads one flag, however long the
    /// chain.
    ///
    /// # Examples
    /// ```
    /// use pool_core::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// token.clone().cancel();
    /// assert!(token.is_cancelled());
    /// ```
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        machine::point(Point::Ask);
        self.node.is_cancelled()
    }

    /// Returns a future that resolves once this token or one above it is cancelled; at once if it
    /// is already.
    ///
    /// The future holds the token, so it may outlive this handle.
    ///
    /// # Cancel safety
    /// Dropped before it resolves, it leaves no waker behind.
    ///
    /// # Examples
    /// ```
    /// use pool_core::CancelToken;
    ///
    /// # async fn shown(request: CancelToken) {
    /// request.cancelled().await;
    /// assert!(request.is_cancelled());
    /// # }
    /// ```
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + Sync + Unpin + use<> {
        Cancelled::new(self.clone())
    }

    /// A token that is cancelled with any of `parents`.
    pub(crate) fn below(parents: &[&Self]) -> Self {
        let Some((first, others)) = parents.split_first() else {
            return Self::owning(Node::new());
        };
        let token = Self::owning(Node::below(&first.node));
        if !others
            .iter()
            .all(|parent| Node::add_parent(&token.node, &parent.node))
        {
            token.cancel();
        }
        token
    }

    /// Wakes `waker` once when the token is cancelled, unless it is already: then it comes back,
    /// and nothing is registered. A waker that was registered by the same watcher is replaced.
    #[inline(always)]
    pub(crate) fn watch(&self, watch: &Watch, id: JobId, waker: Waker) -> Result<(), Waker> {
        let refused = self.watch_listed(watch, id, ListedWaker::own(waker)).err();
        refused.map_or(Ok(()), |waker| Err(waker.into_waker()))
    }

    /// [`watch`](Self::watch) with a waker that may be lent.
    #[inline(always)]
    pub(crate) fn watch_listed(
        &self,
        watch: &Watch,
        id: JobId,
        waker: ListedWaker,
    ) -> Result<(), ListedWaker> {
        self.node.watch(watch, id, waker)
    }

    /// Takes the waker out. One that is being woken right now may still fire.
    #[inline(always)]
    pub(crate) fn unwatch(&self, watch: &Watch, id: JobId) {
        self.node.unwatch(watch, id);
    }

    /// The first handle of a node that is not cancelled, or not in the graph.
    fn owning(node: Arc<Node>) -> Self {
        Self {
            node: ManuallyDrop::new(node),
        }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for CancelToken {
    #[inline]
    fn clone(&self) -> Self {
        self.node.add_handle();
        Self {
            // SAFETY: the copy shares the one count that all handles own together. It is given back
            // by the last of them, and the line above made the copy one of them.
            node: unsafe { std::ptr::read(&raw const self.node) },
        }
    }
}

impl Drop for CancelToken {
    #[inline]
    fn drop(&mut self) {
        if self.node.remove_handle() {
            // SAFETY: this was the last handle, so it alone has the count that they owned together;
            // it is not used again.
            leave(unsafe { ManuallyDrop::take(&mut self.node) });
        }
    }
}

/// The last handle of a node has gone.
#[cold]
fn leave(node: Arc<Node>) {
    // A node that is in a list, or lists another, is counted there too.
    if Arc::strong_count(&node) > 1 && !node.is_cancelled() {
        unheld_nodes::tidy(node);
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.is_cancelled())
            .finish()
    }
}
