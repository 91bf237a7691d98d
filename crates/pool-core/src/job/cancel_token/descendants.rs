//! A cancel: a walk through all that is below a node, whose flags it sets from the bottom up.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::listed_waker::ListedWaker;
use super::node::Node;
use super::unheld_nodes;
use crate::job::id::JobId;
use crate::job::outcome::wake_contained;
use crate::job::watch_list::WatchList;

/// Cancels a node and all below it, then wakes their watchers: parents before their children,
/// children in the order in which they were made, the watchers of one node in the order of their
/// ids.
pub(super) fn cancel(node: &Arc<Node>) {
    if node.is_cancelled() {
        return;
    }
    let mut walk = Walk::default();
    walk.steps.push(WalkStep::Down(Arc::clone(node)));
    while let Some(step) = walk.steps.pop() {
        match step {
            WalkStep::Down(node) => walk.down(node),
            WalkStep::Up(node) => walk.up(&node),
        }
    }
    walk.bereft.into_iter().for_each(unheld_nodes::tidy);
    // The last child was the first to be left, and its parent comes after it.
    for mut watchers in walk.watchers.into_iter().rev() {
        watchers.sort_unstable_by_key(|(id, _)| *id);
        let wakers = watchers.into_iter().map(|(_, waker)| waker.into_waker());
        wakers.for_each(wake_contained);
    }
}

/// Takes what is in a list whose node is locked, as wakers that own what they wake. Once the lock
/// is free, what was lent may go.
fn owned(watchers: WatchList<ListedWaker>) -> Vec<(JobId, ListedWaker)> {
    let watchers = watchers.into_taken();
    watchers.map(|(id, waker)| (id, waker.into_own())).collect()
}

/// What is to be done with a node, kept on a stack of the walk's own: a chain of nodes may be
/// longer than a thread's stack.
enum WalkStep {
    /// To be doomed, and its children to be walked through.
    Down(Arc<Node>),
    /// To be cancelled: all steps for what is below it lay above this one on the stack.
    Up(Arc<Node>),
}

/// A cancel that is under way. Several may walk through the same nodes at once.
#[derive(Default)]
struct Walk {
    /// The stack. The next step is the last.
    steps: Vec<WalkStep>,
    /// The nodes with several parents that the walk has come to, by address: it walks through each
    /// once. They stay alive meanwhile, so that no address is used twice.
    met: BTreeMap<usize, Arc<Node>>,
    /// The watchers of the nodes that this walk has cancelled, children before their parents. They
    /// are woken when the walk holds no lock any more.
    watchers: Vec<Vec<(JobId, ListedWaker)>>,
    /// Nodes that are not cancelled, and that nobody needs since they have lost a child.
    bereft: Vec<Arc<Node>>,
}

impl Walk {
    /// Dooms a node, so that its lists stay as they are, and goes on to its children.
    fn down(&mut self, node: Arc<Node>) {
        let mut links = node.lock();
        if node.is_cancelled() {
            return;
        }
        links.is_doomed = true;
        if links.above.len() > 1 {
            let address = Arc::as_ptr(&node).addr();
            if self.met.insert(address, Arc::clone(&node)).is_some() {
                return;
            }
        }
        self.steps.push(WalkStep::Up(Arc::clone(&node)));
        let children = links.below.values().map(Arc::clone);
        self.steps.extend(children.map(WalkStep::Down));
    }

    /// Cancels a node below which everything is cancelled, and takes it out of the graph. A parent
    /// that is not doomed and is due since it has lost this child is noted, to be tidied when no
    /// lock is held.
    fn up(&mut self, node: &Arc<Node>) {
        let mut links = node.lock();
        if node.is_cancelled() {
            return;
        }
        node.set_cancelled();
        let watchers = owned(std::mem::take(&mut links.watchers));
        let above = std::mem::take(&mut links.above);
        let below = std::mem::take(&mut links.below);
        drop(links);
        drop(below);
        if !watchers.is_empty() {
            self.watchers.push(watchers);
        }
        for link in above.into_links() {
            let mut up = link.node.lock();
            // What is doomed gives up its whole list at once, when its own turn comes.
            if up.is_doomed {
                continue;
            }
            let _this = up.below.remove(&link.key);
            if up.is_due(&link.node) {
                drop(up);
                self.bereft.push(link.node);
            }
        }
    }
}
