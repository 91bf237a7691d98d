//! Takes a node that no handle holds out of the graph of tokens: its only child moves up to that
//! node's parents.
//!
//! It moves one parent at a time, since that takes the locks of one path only: parent, node, child.
//! Each step leaves every node below all that it was below. The child is below the parent before
//! the node leaves its list, so a cancel finds it on one way or the other. No step touches a doomed
//! node: the cancel that has doomed it takes it out of the graph itself.

use std::sync::Arc;

use super::node::{Links, Node, link};
use crate::sys::sync::Guard;

/// Lets a node leave if it is due, then those that are due since it has left.
pub(super) fn tidy(node: Arc<Node>) {
    let mut tidying = Tidying::default();
    let mut next = Some(node);
    while let Some(node) = next {
        while tidying.leave_a_parent(&node) {}
        while let Some((child, hub)) = tidying.hubs.pop() {
            while tidying.leave_a_hub(&child, &hub) {}
        }
        next = tidying.due.pop();
    }
}

/// What is left to do before the graph is as small as it can be: lists in place of recursion, since
/// one node that leaves may let the next one leave.
#[derive(Default)]
struct Tidying {
    /// Nodes that have lost a child, and that no handle holds.
    due: Vec<Arc<Node>>,
    /// Nodes with several parents, each with a parent of it that no handle holds.
    hubs: Vec<(Arc<Node>, Arc<Node>)>,
}

impl Tidying {
    /// Takes a node that is due out of one parent's list, in which its only child takes its place.
    /// True if it is to be called again.
    fn leave_a_parent(&mut self, node: &Arc<Node>) -> bool {
        // Declared first, and so dropped last, when no lock is held.
        let (parent, child);
        let mut links = node.lock();
        if !links.is_due(node) {
            return false;
        }
        let Some(above) = links.above.first() else {
            leave_a_child(node, links);
            return false;
        };
        parent = Arc::clone(above);
        let mut up = match parent.try_lock() {
            Some(up) => up,
            None => {
                // From the top, then. Everything may be different by now.
                drop(links);
                let up = parent.lock();
                links = node.lock();
                up
            }
        };
        if !links.is_due(node) || up.is_doomed {
            return false;
        }
        child = links.child();
        let mut down = child.as_ref().map(|child| child.lock());
        if down.as_ref().is_some_and(|down| down.is_doomed) {
            return false;
        }
        let Some(link) = links.above.remove(&parent) else {
            return true;
        };
        let has_left = links.above.is_empty();
        if let (Some(child), Some(down)) = (&child, &mut down) {
            if has_left {
                let _this = down.above.remove(node);
                links.below.clear();
            }
            if down.above.has(&parent) {
                let _this = up.below.remove(&link.key);
            } else {
                let _this = up.below.insert(link.key, Arc::clone(child));
                down.above.push(link);
            }
            self.note_hubs(child, down);
        } else {
            let _this = up.below.remove(&link.key);
        }
        if up.is_due(&parent) {
            self.due.push(Arc::clone(&parent));
        }
        !has_left
    }

    /// Notes the parents that a node with several parents is to leave: those that no handle holds.
    fn note_hubs(&mut self, child: &Arc<Node>, down: &Links) {
        if down.above.len() > 1 {
            let hubs = down.above.nodes().filter(|node| node.handles() == 0);
            self.hubs
                .extend(hubs.map(|hub| (Arc::clone(child), Arc::clone(hub))));
        }
    }

    /// Puts a child below one more parent of a hub; or takes it out of the hub's list, once it is
    /// below all of them. True if it is to be called again.
    fn leave_a_hub(&mut self, child: &Arc<Node>, hub: &Arc<Node>) -> bool {
        let Some(parent) = self.missing_parent(child, hub) else {
            return false;
        };
        let mut up = parent.lock();
        let middle = hub.lock();
        let mut down = child.lock();
        if up.is_doomed || middle.is_doomed || down.is_doomed {
            return false;
        }
        if middle.above.has(&parent) && down.above.has(hub) && !down.above.has(&parent) {
            link((&parent, &mut up), (child, &mut down));
            if parent.handles() == 0 {
                self.hubs.push((Arc::clone(child), Arc::clone(&parent)));
            }
        }
        true
    }

    /// A parent of a hub that a child of the hub is not below. If there is none, the child leaves
    /// the hub.
    fn missing_parent(&mut self, child: &Arc<Node>, hub: &Arc<Node>) -> Option<Arc<Node>> {
        let mut middle = hub.lock();
        let mut down = child.lock();
        let is_hub = middle.is_unheld(hub) && down.above.has(hub);
        if !is_hub || middle.is_doomed || down.is_doomed {
            return None;
        }
        let missing = middle.above.nodes().find(|node| !down.above.has(node));
        if let Some(missing) = missing {
            return Some(Arc::clone(missing));
        }
        let link = down.above.remove(hub)?;
        let _child = middle.below.remove(&link.key);
        if middle.is_due(hub) {
            self.due.push(Arc::clone(hub));
        }
        None
    }
}

/// A node that is below nothing leaves its only child: no cancel can come from here any more.
fn leave_a_child(node: &Arc<Node>, mut links: Guard<'_, Links>) {
    let Some(child) = links.child() else { return };
    let mut down = child.lock();
    if !down.is_doomed {
        let _this = down.above.remove(node);
        links.below.clear();
    }
}
