//! Nested joins: the sum over a binary tree, in which another worker may take each subtree; and a
//! tree that is split unevenly, whose leaves are long.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use crate::contestant::ForkJoin;
use crate::measure::{Measure, float};
use crate::meter::Meter;
use crate::sample::Measures;

/// How long each leaf of an uneven tree sleeps. A leaf that sleeps keeps its worker but no core, so
/// that two cores show how well many workers share the leaves.
const LEAF: Duration = Duration::from_millis(1);

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
    let meter = Meter::start();
    for _ in 0..rounds {
        // Otherwise the compiler sees that every round has the same sum, and runs only one.
        let root = black_box(root);
        let total = contestant.enter(move |inside| sum::<C>(inside, root));
        assert_eq!(total, nodes, "each node counts once");
    }
    meter.stop().per_job(size * rounds)
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

/// Visits `leaves` leaves that sleep, `percent` of a hundred of them in the left half each time:
/// the time, to the least possible.
pub(super) fn split_tree<C: ForkJoin>(
    contestant: &C,
    leaves: usize,
    workers: usize,
    percent: usize,
) -> Measures {
    let meter = Meter::start();
    let visited = contestant.enter(move |inside| visit::<C>(inside, leaves, percent));
    let spent = meter.stop();
    assert_eq!(visited, leaves, "each leaf is visited once");
    let ideal = LEAF.mul_f64(float(leaves) / float(workers));
    let makespan = spent.time.div_duration_f64(ideal);
    spent.with([(Measure::MAKESPAN, makespan)], leaves)
}

fn visit<C: ForkJoin>(inside: &mut C::Inside<'_>, leaves: usize, percent: usize) -> usize {
    if leaves == 1 {
        thread::sleep(LEAF);
        return 1;
    }
    let left = left_of(leaves, percent);
    let (left, right) = C::join(
        inside,
        move |inside| visit::<C>(inside, left, percent),
        move |inside| visit::<C>(inside, leaves - left, percent),
    );
    left + right
}

/// The leaves of the left half: at least one, and not all.
fn left_of(leaves: usize, percent: usize) -> usize {
    (leaves * percent / 100).clamp(1, leaves - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_half_has_a_leaf_and_the_left_one_its_share() {
        assert_eq!(
            [10, 25, 50, 90].map(|it| left_of(512, it)),
            [51, 128, 256, 460]
        );
        assert_eq!([10, 90].map(|it| left_of(2, it)), [1, 1]);
        assert_eq!([10, 90].map(|it| left_of(3, it)), [1, 2]);
    }
}
