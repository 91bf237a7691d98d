//! Random graphs of tokens: checked against their history with one thread, and for what is left
//! with several.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};

use super::{CancelToken, Node, children};

/// Draws numbers that look random, from a seed.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("it is below a usize")
    }
}

/// Tokens as sets of the tokens that cancel them: what the graph must agree with.
#[derive(Default)]
struct Tokens {
    held: Vec<(usize, CancelToken)>,
    above: Vec<BTreeSet<usize>>,
    is_cancelled: Vec<bool>,
    nodes: Vec<Weak<Node>>,
}

impl Tokens {
    fn add(&mut self, token: CancelToken, parents: &[usize]) {
        let name = self.above.len();
        let mut above: BTreeSet<_> = parents
            .iter()
            .flat_map(|&parent| self.above[parent].clone())
            .collect();
        above.insert(name);
        self.is_cancelled
            .push(parents.iter().any(|&parent| self.is_cancelled[parent]));
        self.above.push(above);
        self.nodes.push(Arc::downgrade(&token.node));
        self.held.push((name, token));
    }

    fn act(&mut self, draws: &mut Draws) {
        let kind = draws.below(20);
        if kind < 2 || self.held.is_empty() {
            return self.add(CancelToken::new(), &[]);
        }
        let (name, token) = self.held[draws.below(self.held.len())].clone();
        match kind {
            2..8 => self.add(token.child(), &[name]),
            8..11 => {
                let (other, with) = self.held[draws.below(self.held.len())].clone();
                let (third, last) = self.held[draws.below(self.held.len())].clone();
                let below = CancelToken::below(&[&token, &with, &last]);
                self.add(below, &[name, other, third]);
            }
            11 => {
                token.cancel();
                for (is_cancelled, above) in self.is_cancelled.iter_mut().zip(&self.above) {
                    *is_cancelled |= above.contains(&name);
                }
            }
            _ => {
                let at = draws.below(self.held.len());
                drop(token);
                drop(self.held.swap_remove(at));
            }
        }
    }

    fn check(&self, seed: u64) {
        for (name, token) in &self.held {
            assert_eq!(
                token.is_cancelled(),
                self.is_cancelled[*name],
                "seed {seed}, token {name}"
            );
        }
        let alive = self.nodes.iter().filter_map(Weak::upgrade);
        for node in alive {
            let links = node.lock();
            let (above, below) = (links.above.len(), links.below.len());
            assert!(node.handles() > 0 || below > 1, "seed {seed}: not needed");
            assert!(
                !node.is_cancelled() || (above == 0 && below == 0),
                "seed {seed}: in the graph"
            );
        }
    }
}

#[test]
fn random_graphs_cancel_what_their_history_says_and_keep_what_is_needed() {
    for seed in 1..400_u64 {
        let mut draws = Draws(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut tokens = Tokens::default();
        for _ in 0..80 {
            tokens.act(&mut draws);
            tokens.check(seed);
        }
        while !tokens.held.is_empty() {
            let at = draws.below(tokens.held.len());
            drop(tokens.held.swap_remove(at));
            tokens.check(seed);
        }
        let left = tokens.nodes.iter().filter(|node| node.strong_count() > 0);
        assert_eq!(left.count(), 0, "seed {seed}");
    }
}

#[test]
fn threads_that_make_cancel_and_drop_leave_nothing_behind() {
    for round in 0..50_u64 {
        let root = CancelToken::new();
        let shared = Arc::new(Mutex::new(vec![root.child()]));
        let nodes: Vec<Weak<Node>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let (root, shared) = (&root, &shared);
                    scope.spawn(move || mix(round * 4 + thread + 1, root, shared))
                })
                .collect();
            let ended = threads
                .into_iter()
                .flat_map(|thread| thread.join().expect("it does not panic"));
            ended.collect()
        });
        shared.lock().expect("no panic").clear();
        assert_eq!(children(&root), 0, "round {round}");
        let left = nodes.iter().filter(|node| node.strong_count() > 0);
        assert_eq!(left.count(), 0, "round {round}");
    }
}

/// Makes tokens below those of other threads, shares them with others, and drops or cancels some.
fn mix(seed: u64, root: &CancelToken, shared: &Mutex<Vec<CancelToken>>) -> Vec<Weak<Node>> {
    let mut draws = Draws(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut nodes = Vec::new();
    let mut own = root.child();
    for _ in 0..300 {
        let other = {
            let shared = shared.lock().expect("no panic");
            shared.get(draws.below(8) % shared.len().max(1)).cloned()
        };
        let next = match other {
            Some(other) if draws.below(3) == 0 => CancelToken::below(&[&own, &other]),
            Some(other) if draws.below(3) == 0 => other.child(),
            _ if own.is_cancelled() => root.child(),
            _ => own.child(),
        };
        nodes.push(Arc::downgrade(&next.node));
        own = next;
        if draws.below(40) == 0 {
            own.cancel();
            assert!(own.child().is_cancelled());
        }
        let replaced = {
            let mut shared = shared.lock().expect("no panic");
            if shared.len() < 8 {
                shared.push(own.clone());
                None
            } else {
                let at = draws.below(8);
                Some(std::mem::replace(&mut shared[at], own.clone()))
            }
        };
        drop(replaced);
    }
    nodes
}
