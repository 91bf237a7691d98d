//! Tokens on one thread at a time: what is cancelled, what is left, and what wakers may do.

mod random;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};

use super::CancelToken;
use super::node::Node;
use crate::job::id::JobId;
use crate::job::watch_list::Watch;

/// Nodes in a chain. A step that looked at all of them would not end.
const MANY: usize = 1_000_000;
/// Nodes that are held at once.
const HELD: usize = 200_000;

fn children(token: &CancelToken) -> usize {
    token.node.lock().below.len()
}

fn parents(token: &CancelToken) -> usize {
    token.node.lock().above.len()
}

fn watchers(token: &CancelToken) -> usize {
    token.node.lock().watchers.len()
}

/// Does something when it is woken.
struct OnWake<F>(F);

impl<F: Fn() + Send + Sync> Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        self.0();
    }
}

fn on_wake(act: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(OnWake(act)))
}

/// Does something when it is dropped.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}

#[test]
fn a_chain_of_which_the_last_is_held_is_one_node_long() {
    let service = CancelToken::new();
    let mut last = service.child();
    for _ in 0..MANY {
        last = last.child();
    }
    assert_eq!((children(&service), parents(&last)), (1, 1));
    service.cancel();
    assert!(last.is_cancelled());
}

#[test]
fn a_chain_without_a_root_is_one_node_long() {
    let mut last = CancelToken::new();
    let first = Arc::downgrade(&last.node);
    for _ in 0..MANY {
        last = last.child();
    }
    assert_eq!((parents(&last), first.strong_count()), (0, 0));
}

#[test]
fn a_chain_that_is_held_is_cancelled_and_dropped_from_either_end() {
    for is_cancelled in [false, true] {
        for starts_at_the_end in [false, true] {
            let mut chain = vec![CancelToken::new()];
            for n in 0..HELD / 4 {
                chain.push(chain[n].child());
            }
            if is_cancelled {
                chain[1].cancel();
                assert!(!chain[0].is_cancelled());
                assert!(chain[1..].iter().all(CancelToken::is_cancelled));
            }
            let nodes: Vec<_> = chain
                .iter()
                .map(|token| Arc::downgrade(&token.node))
                .collect();
            if starts_at_the_end {
                while chain.pop().is_some() {}
            }
            drop(chain);
            assert!(nodes.iter().all(|node| node.strong_count() == 0));
        }
    }
}

#[test]
fn a_chain_of_a_million_held_tokens_is_cancelled() {
    let mut chain = vec![CancelToken::new()];
    for n in 0..MANY {
        chain.push(chain[n].child());
    }
    chain[0].cancel();
    assert!(chain.iter().all(CancelToken::is_cancelled));
}

#[test]
fn many_children_leave_nothing_behind() {
    let parent = CancelToken::new();
    let held: Vec<_> = (0..HELD).map(|_| parent.child()).collect();
    assert_eq!(children(&parent), HELD);
    drop(held);
    assert_eq!(children(&parent), 0);
    let held: Vec<_> = (0..HELD).map(|_| parent.child()).collect();
    parent.cancel();
    assert!(held.iter().all(CancelToken::is_cancelled));
    assert_eq!(children(&parent), 0);
}

#[test]
fn generations_that_each_name_a_token_again_are_below_it_once() {
    let (service, other) = (CancelToken::new(), CancelToken::new());
    let mut last = CancelToken::below(&[&service, &other]);
    for _ in 0..HELD / 2 {
        let own = CancelToken::below(&[&last]);
        last = CancelToken::below(&[&own, &service]);
    }
    assert_eq!(parents(&last), 2);
    assert_eq!((children(&service), children(&other)), (1, 1));
    other.cancel();
    assert!(last.is_cancelled() && !service.is_cancelled());
    assert_eq!(children(&service), 0);
}

#[test]
fn chains_that_share_a_token_for_each_generation_forget_the_former_ones() {
    const CHAINS: usize = 12;
    let service = CancelToken::new();
    let mut chains: Vec<_> = (0..CHAINS).map(|_| service.child()).collect();
    let mut ticks: Vec<Weak<Node>> = Vec::new();
    for n in 0..1000 {
        // With a token above it, and without.
        let tick = if n % 2 == 0 {
            service.child()
        } else {
            CancelToken::new()
        };
        ticks.push(Arc::downgrade(&tick.node));
        for last in &mut chains {
            *last = CancelToken::below(&[last, &tick]);
        }
    }
    let left = ticks.iter().filter(|tick| tick.strong_count() > 0).count();
    assert!(left <= 2, "{left} tokens that nobody holds");
    assert!(chains.iter().all(|last| parents(last) <= 3));
    assert!(children(&service) <= CHAINS + 2);
    service.cancel();
    assert!(chains.iter().all(CancelToken::is_cancelled));
}

#[test]
fn a_diamond_of_any_depth_is_walked_through_once() {
    let top = CancelToken::new();
    let mut held = vec![top.clone()];
    let mut last = top.clone();
    for _ in 0..100 {
        let sides = [last.child(), last.child()];
        last = CancelToken::below(&[&sides[0], &sides[1]]);
        held.extend(sides);
        held.push(last.clone());
    }
    top.cancel();
    assert!(held.iter().all(CancelToken::is_cancelled));
}

#[test]
fn watchers_are_woken_from_the_top_in_the_order_of_their_making() {
    let woken = Arc::new(Mutex::new(Vec::new()));
    let root = CancelToken::new();
    let sides = [root.child(), root.child(), root.child()];
    let tokens = [
        root.clone(),
        sides[0].clone(),
        sides[0].child(),
        sides[1].clone(),
        sides[1].child(),
        CancelToken::below(&[&sides[0], &sides[2]]),
        sides[2].clone(),
    ];
    for (name, token) in tokens.iter().enumerate().rev() {
        for half in [1, 0] {
            let woken = Arc::clone(&woken);
            let waker = on_wake(move || woken.lock().expect("no panic").push((name, half)));
            let id = JobId::from_u64(half + 1).expect("it is not 0");
            assert!(token.watch(&Watch::default(), id, waker).is_ok());
        }
    }
    root.cancel();
    let expected: Vec<_> = [0, 1, 2, 3, 4, 6, 5]
        .into_iter()
        .flat_map(|name| [(name, 0), (name, 1)])
        .collect();
    assert_eq!(*woken.lock().expect("no panic"), expected);
}

#[test]
fn a_waker_may_use_the_tree_that_wakes_it_and_panic() {
    let root = CancelToken::new();
    let sibling = Arc::new(Mutex::new(Some(root.child())));
    let below = root.child();
    let waker = {
        let (root, sibling) = (root.clone(), Arc::clone(&sibling));
        on_wake(move || {
            let child = root.child();
            assert!(child.is_cancelled() && root.child().child().is_cancelled());
            child.cancel();
            root.cancel();
            drop(sibling.lock().expect("no panic").take());
            panic!("it is contained");
        })
    };
    let other = Arc::new(Mutex::new(false));
    assert!(root.watch(&Watch::default(), JobId::next(), waker).is_ok());
    let is_woken = Arc::clone(&other);
    let second = on_wake(move || *is_woken.lock().expect("no panic") = true);
    assert!(
        below
            .watch(&Watch::default(), JobId::next(), second)
            .is_ok()
    );
    root.cancel();
    assert!(below.is_cancelled() && sibling.lock().expect("no panic").is_none());
    assert!(*other.lock().expect("no panic"), "the next one is woken");
}

#[test]
fn a_wakers_drop_may_use_the_tree_and_panic() {
    let root = CancelToken::new();
    let dropped = Arc::new(Mutex::new(0));
    let waker = |token: &CancelToken| {
        let (token, dropped) = (token.clone(), Arc::clone(&dropped));
        let bomb = OnDrop(move || {
            drop(token.child());
            *dropped.lock().expect("no panic") += 1;
            panic!("it is contained");
        });
        on_wake(move || {
            let _held = &bomb;
        })
    };
    let (id, own, lefts) = (JobId::next(), Watch::default(), Watch::default());
    // Only the registration holds it.
    let watch = |token: &CancelToken, watch: &Watch| {
        let refused = token.watch(watch, id, waker(&root)).err();
        let is_cancelled = refused.is_some();
        drop(crate::job::outcome::contain(|| drop(refused)));
        is_cancelled
    };
    let count = || *dropped.lock().expect("no panic");
    assert!(!watch(&root, &own));
    root.unwatch(&own, id);
    assert_eq!(count(), 1, "taken out");
    assert!(!watch(&root, &own) && !watch(&root, &own));
    assert_eq!(count(), 2, "replaced");
    let left = root.child();
    assert!(!watch(&left, &lefts));
    drop(left);
    assert_eq!(count(), 3, "its token has gone");
    root.cancel();
    assert_eq!(count(), 4, "woken");
    assert!(watch(&root, &own));
    assert_eq!(count(), 5, "too late");
}

#[test]
fn the_future_resolves_once_the_token_is_cancelled() {
    let parent = CancelToken::new();
    let is_woken = Arc::new(Mutex::new(false));
    let waker = {
        let is_woken = Arc::clone(&is_woken);
        on_wake(move || *is_woken.lock().expect("no panic") = true)
    };
    let mut cx = Context::from_waker(&waker);
    let mut poll = |future: &mut (dyn Future<Output = ()> + Unpin)| Pin::new(future).poll(&mut cx);
    let child = parent.child();
    let (mut kept, mut left) = (child.cancelled(), child.cancelled());
    for _ in 0..3 {
        assert_eq!(poll(&mut kept), Poll::Pending);
        assert_eq!(poll(&mut left), Poll::Pending);
    }
    assert_eq!(watchers(&child), 2);
    drop(left);
    assert_eq!(watchers(&child), 1);
    drop(child);
    parent.cancel();
    assert!(*is_woken.lock().expect("no panic"));
    assert_eq!(poll(&mut kept), Poll::Ready(()));
    assert_eq!(poll(&mut kept), Poll::Ready(()));
    assert_eq!(poll(&mut parent.cancelled()), Poll::Ready(()));
    assert_eq!(Arc::strong_count(&parent.node), 1, "only its handles");
}
