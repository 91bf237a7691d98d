//! A token's node: its flag, its handles, and under its lock what is above it, below it and watches
//! it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::listed_waker::ListedWaker;
use crate::job::id::JobId;
use crate::job::outcome::drop_contained;
use crate::job::watch_list::{Watch, WatchList};
use crate::sys::sync::{AtomicBool, AtomicUsize, Guard, LockExt, Mutex, Ordering};

/// More handles than this could make the count overflow.
const MAX_HANDLES: usize = isize::MAX as usize;

/// What all clones of a token share.
///
/// It lives as long as a handle, a list of another node, or a cancel that is under way has it. Once
/// it is cancelled, it stays so.
pub(super) struct Node {
    /// Set once, under the lock, and only after the flags of all nodes below. Read without the
    /// lock.
    is_cancelled: AtomicBool,
    /// How many [`CancelToken`](super::CancelToken)s there are of this node. At 0 it stays 0.
    handles: AtomicUsize,
    links: Mutex<Links>,
}

/// What a node's lock protects.
///
/// A child and its parent list each other while neither is cancelled. So a listed node is alive.
#[derive(Default)]
pub(super) struct Links {
    /// The parents. Empty for a root, and for a node that is cancelled.
    pub(super) above: Above,
    /// The children in the order of their keys, which is the order of wakes.
    pub(super) below: BTreeMap<u64, Arc<Node>>,
    /// The key that was given last. None is given twice, so the order of keys is that of arrival.
    next_key: u64,
    /// The wakers that a cancel calls.
    pub(super) watchers: WatchList<ListedWaker>,
    /// A cancel has reached the node. From here on nothing is added to the lists, and nothing
    /// moves.
    pub(super) is_doomed: bool,
    /// The node is cancelled with a token of tokio-util, so it stays as long as it has a child.
    #[cfg(feature = "tokio-util")]
    pub(super) has_bridge: bool,
    /// The node's token on the side of tokio-util, once there is one.
    #[cfg(feature = "tokio-util")]
    pub(super) elsewhere: Option<tokio_util::sync::CancellationToken>,
}

/// A parent, and where its list has the child.
pub(super) struct Link {
    /// The parent. Its count keeps a hub alive that no handle holds.
    pub(super) node: Arc<Node>,
    /// The child's key in the parent's `below`.
    pub(super) key: u64,
}

/// The parents of a node, no two of which are the same. Nearly every node has one at most.
#[derive(Default)]
pub(super) struct Above {
    /// `None` only if there are no parents at all, so that `more` is empty then.
    first: Option<Link>,
    /// The others, in no order: allocates nothing for a node with one parent.
    more: Vec<Link>,
}

impl Node {
    /// A node by itself, with one handle.
    pub(super) fn new() -> Arc<Self> {
        Self::with(Links::default())
    }

    /// A node below `parent`, with one handle.
    pub(super) fn below(parent: &Arc<Self>) -> Arc<Self> {
        let mut up = parent.lock();
        if up.is_doomed {
            drop(up);
            return Self::new_cancelled();
        }
        let key = up.fresh_key();
        let mut links = Links::default();
        links.above.push(Link {
            node: Arc::clone(parent),
            key,
        });
        let child = Self::with(links);
        up.below.insert(key, Arc::clone(&child));
        child
    }

    /// A node with these links and one handle. No list has it yet.
    fn with(links: Links) -> Arc<Self> {
        Arc::new(Self {
            is_cancelled: AtomicBool::new(false),
            handles: AtomicUsize::new(1),
            links: Mutex::new(links),
        })
    }

    /// A node that is cancelled from the start: a child of a doomed parent. It is in no list, and
    /// never will be.
    fn new_cancelled() -> Arc<Self> {
        let node = Self::with(Links {
            is_doomed: true,
            ..Links::default()
        });
        // ORDERING: Relaxed: a thread that gets the node from here gets the flag with it.
        node.is_cancelled.store(true, Ordering::Relaxed);
        node
    }

    /// Puts a node that the caller holds below one more. False if that one is doomed: then the
    /// caller cancels the child.
    ///
    /// The child has no children, so to lock it after the parent keeps the order of locks. A child
    /// that is doomed itself needs no parent any more.
    #[must_use]
    pub(super) fn add_parent(child: &Arc<Self>, parent: &Arc<Self>) -> bool {
        let mut up = parent.lock();
        if up.is_doomed {
            return false;
        }
        let mut down = child.lock();
        if !down.is_doomed && !down.above.has(parent) {
            link((parent, &mut up), (child, &mut down));
        }
        true
    }

    /// Locks the links. Allowed while the caller has locks of nodes above this one, and none of
    /// others.
    #[inline]
    pub(super) fn lock(&self) -> Guard<'_, Links> {
        self.links.lock_unpoisoned()
    }

    /// Locks the links against the order of locks. `None` if another thread has the lock.
    pub(super) fn try_lock(&self) -> Option<Guard<'_, Links>> {
        self.links.try_lock_unpoisoned()
    }

    /// Whether the flag is set. True means that all nodes below are cancelled as well.
    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `set_cancelled`: what the canceller did
        // before is visible to the job.
        self.is_cancelled.load(Ordering::Acquire)
    }

    /// Sets the flag. The caller has the lock, so that a watcher finds the flag or is found.
    pub(super) fn set_cancelled(&self) {
        // ORDERING: Release, see `is_cancelled`.
        self.is_cancelled.store(true, Ordering::Release);
    }

    /// Registers a watcher, unless the node is cancelled: then gives the waker back.
    #[inline(always)]
    pub(super) fn watch(
        &self,
        watch: &Watch,
        id: JobId,
        waker: ListedWaker,
    ) -> Result<(), ListedWaker> {
        let mut links = self.lock();
        if self.is_cancelled() {
            return Err(waker);
        }
        let replaced = links.watchers.insert(watch, id, waker);
        drop(links);
        if let Some(replaced) = replaced {
            drop_contained(replaced);
        }
        Ok(())
    }

    /// Takes a watcher's waker out, and drops it with no lock held. Inlined always: its callers are
    /// rare code to the compiler.
    #[inline(always)]
    pub(super) fn unwatch(&self, watch: &Watch, id: JobId) {
        let watcher = self.lock().watchers.remove(watch, id);
        if let Some(watcher) = watcher.filter(ListedWaker::is_own) {
            drop_contained(watcher);
        }
    }

    /// How many handles there are. Asked by a thread that has the lock.
    pub(super) fn handles(&self) -> usize {
        // ORDERING: Relaxed. A node without handles never has one again. The thread that asks has
        // the lock, after which the last to leave takes it: if a handle is still seen here, that
        // one sees what is done here.
        self.handles.load(Ordering::Relaxed)
    }

    /// Counts a handle that is cloned from another. Aborts where the count could overflow, as `Arc`
    /// does.
    #[inline]
    pub(super) fn add_handle(&self) {
        // ORDERING: Relaxed, as in `Arc`: the new handle comes from one that exists.
        if self.handles.fetch_add(1, Ordering::Relaxed) > MAX_HANDLES {
            std::process::abort();
        }
    }

    /// Counts a handle less. True if it was the last: the caller then has the node leave the graph.
    #[inline]
    pub(super) fn remove_handle(&self) -> bool {
        // ORDERING: AcqRel, as in `Arc`: the last one sees all that was done through the others.
        self.handles.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// Lists a child and a parent with each other. The caller has both locks; neither is doomed.
pub(super) fn link(
    (parent, up): (&Arc<Node>, &mut Links),
    (child, down): (&Arc<Node>, &mut Links),
) {
    let key = up.fresh_key();
    up.below.insert(key, Arc::clone(child));
    down.above.push(Link {
        node: Arc::clone(parent),
        key,
    });
}

impl Drop for Node {
    /// A watcher that was not taken out is user code, and dropped like all of that.
    fn drop(&mut self) {
        let links = self.links.get_mut();
        let links = links.unwrap_or_else(|poisoned| poisoned.into_inner());
        let watchers = std::mem::take(&mut links.watchers);
        watchers.into_taken().for_each(drop_contained);
    }
}

impl Links {
    /// A key above all that were given before.
    fn fresh_key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }

    /// Whether `node`, whose links these are, is to leave: nobody holds it, and it has one child at
    /// most.
    pub(super) fn is_due(&self, node: &Node) -> bool {
        let is_linked = !(self.above.is_empty() && self.below.is_empty());
        self.below.len() < 2 && !self.is_doomed && is_linked && self.is_unheld(node)
    }

    /// Whether nothing but other nodes may cancel `node`, whose links these are.
    pub(super) fn is_unheld(&self, node: &Node) -> bool {
        #[cfg(feature = "tokio-util")]
        if self.has_bridge {
            return false;
        }
        node.handles() == 0
    }

    /// One of the children, the only one of a node that is due.
    pub(super) fn child(&self) -> Option<Arc<Node>> {
        self.below.values().next().map(Arc::clone)
    }
}

impl Above {
    /// Adds a parent, which is none of them yet.
    pub(super) fn push(&mut self, link: Link) {
        match self.first {
            None => self.first = Some(link),
            Some(_) => self.more.push(link),
        }
    }

    /// Takes this parent out, if it is one, and returns its link. The others may change their
    /// order.
    pub(super) fn remove(&mut self, node: &Arc<Node>) -> Option<Link> {
        if let Some(found) = self.first.take_if(|link| Arc::ptr_eq(&link.node, node)) {
            self.first = self.more.pop();
            return Some(found);
        }
        let at = self
            .more
            .iter()
            .position(|link| Arc::ptr_eq(&link.node, node))?;
        Some(self.more.swap_remove(at))
    }

    /// Any of the parents.
    pub(super) fn first(&self) -> Option<&Arc<Node>> {
        self.first.as_ref().map(|link| &link.node)
    }

    /// Whether this is one of the parents.
    pub(super) fn has(&self, node: &Arc<Node>) -> bool {
        self.nodes().any(|parent| Arc::ptr_eq(parent, node))
    }

    /// The parents, in no order.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.first.iter().chain(&self.more).map(|link| &link.node)
    }

    /// How many parents there are: more than one for a node that a cancel may come to twice.
    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The parents with the child's keys, for a cancel that takes the child out of their lists.
    pub(super) fn into_links(self) -> impl Iterator<Item = Link> {
        self.first.into_iter().chain(self.more)
    }
}
