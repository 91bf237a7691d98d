//! Nested joins: the sum over a binary tree, in which another worker may take each subtree.

use std::hint::black_box;
use std::time::Instant;

use crate::contestant::ForkJoin;
use crate::measure::{measures, per_job};
use crate::sample::Measures;

/// A node of a tree. Leaked, so that a job that must own its captures captures one word.
pub(crate) struct Node {
    value: u64,
    children: Option<[&'static Node; 2]>,
}

impl Node {
    /// A balanced tree of `nodes` nodes, or one less: each has two children or none.
    fn tree(nodes: usize) -> &'static Self {
        let below = nodes.saturating_sub(1) / 2;
        let children = (below > 0).then(|| [Self::tree(below), Self::tree(below)]);
        Box::leak(Box::new(Self { value: 1, children }))
    }

    fn count(&self) -> u64 {
        let below = |children: [&Self; 2]| children.iter().map(|child| child.count()).sum();
        1 + self.children.map_or(0, below)
    }
}

/// Sums up a tree of `size` nodes, `rounds` times.
pub(super) fn tree_sum<C: ForkJoin>(contestant: &C, size: usize, rounds: usize) -> Measures {
    let root = Node::tree(size);
    let nodes = root.count();
    let start = Instant::now();
    for _ in 0..rounds {
        // Otherwise the compiler sees that every round has the same sum, and runs only one.
        let root = black_box(root);
        let total = contestant.enter(move |inside| sum::<C>(inside, root));
        assert_eq!(total, nodes, "each node counts once");
    }
    measures([per_job(start.elapsed(), size * rounds)])
}

fn sum<C: ForkJoin>(inside: &mut C::Inside<'_>, node: &'static Node) -> u64 {
    let Some([left, right]) = node.children else {
        return node.value;
    };
    let (left, right) = C::join(
        inside,
        move |inside| sum::<C>(inside, left),
        move |inside| sum::<C>(inside, right),
    );
    node.value + left + right
}
