//! Models of the graph of tokens: a cancel at the same time as other changes.

use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Waker};

use loom::thread;

use super::{CancelToken, ListedWaker};
use crate::job::id::JobId;
use crate::job::watch_list::Watch;
use crate::sys::sync::UnsafeCell;
use crate::testing::models::{Token, model};

/// A watcher registers while another thread cancels the token: it is told at once, or woken.
#[test]
fn a_watcher_that_is_not_told_is_woken() {
    model(|| {
        let token = CancelToken::new();
        let canceller = {
            let token = token.clone();
            thread::spawn(move || token.cancel())
        };
        let woken = Arc::new(Token::default());
        let waker = Waker::from(Arc::clone(&woken));
        if token.watch(&Watch::default(), JobId::next(), waker).is_ok() {
            woken.take();
        }
        assert!(token.is_cancelled());
        canceller.join().unwrap();
    });
}

/// A waker that is lent is taken back while another thread cancels the token: what it wakes is
/// looked at only while the one that lends it keeps it.
#[test]
fn a_lent_waker_is_cloned_while_it_is_lent() {
    /// What is lent: loom reports a look at it at the same time as its end.
    type Lent = UnsafeCell<bool>;

    fn look(lent: *const ()) -> RawWaker {
        // SAFETY: it is what the model lends, which outlives the model's threads.
        let lent = unsafe { &*lent.cast::<Lent>() };
        // SAFETY: loom checks that nobody writes meanwhile.
        assert!(lent.with(|lent| unsafe { *lent }), "it has ended");
        RawWaker::new(ptr::null(), &CLONE)
    }

    static LENT: RawWakerVTable = RawWakerVTable::new(look, |_| {}, |_| {}, |_| {});
    static CLONE: RawWakerVTable =
        RawWakerVTable::new(|_| unreachable!("nobody clones it"), |_| {}, |_| {}, |_| {});

    model(|| {
        let (token, lent) = (CancelToken::new(), Arc::new(Lent::new(true)));
        let canceller = {
            let token = token.clone();
            thread::spawn(move || token.cancel())
        };
        let (watch, id) = (Watch::default(), JobId::next());
        let waker = RawWaker::new(Arc::as_ptr(&lent).cast(), &LENT);
        // SAFETY: it is taken back below, before what it wakes ends.
        let waker = unsafe { ListedWaker::lent(ManuallyDrop::new(Waker::from_raw(waker))) };
        drop(token.watch_listed(&watch, id, waker));
        token.unwatch(&watch, id);
        // SAFETY: loom checks that nobody looks meanwhile.
        lent.with_mut(|lent| unsafe { *lent = false });
        canceller.join().unwrap();
    });
}

/// A child is made below a token, and below two, while another thread cancels that token: it is
/// cancelled.
#[test]
fn a_child_made_during_a_cancel_is_cancelled() {
    model(|| {
        let token = CancelToken::new();
        let canceller = {
            let token = token.clone();
            thread::spawn(move || token.cancel())
        };
        let child = token.child();
        canceller.join().unwrap();
        assert!(child.is_cancelled());
    });
}

/// The same for a token below two, when the second is cancelled.
#[test]
fn a_token_put_below_a_second_during_a_cancel_is_cancelled() {
    model(|| {
        let (other, token) = (CancelToken::new(), CancelToken::new());
        let canceller = {
            let token = token.clone();
            thread::spawn(move || token.cancel())
        };
        let child = CancelToken::below(&[&other, &token]);
        canceller.join().unwrap();
        assert!(child.is_cancelled() && !other.is_cancelled());
        assert!(other.node.lock().below.is_empty());
    });
}

/// A token leaves the graph while one above it is cancelled: when the cancel returns, the child
/// that it left is cancelled.
#[test]
fn a_cancel_reaches_the_child_of_a_token_that_leaves() {
    model(|| {
        let root = CancelToken::new();
        let middle = root.child();
        let leaf = middle.child();
        let canceller = {
            let leaf = leaf.clone();
            thread::spawn(move || {
                root.cancel();
                assert!(leaf.is_cancelled());
            })
        };
        let left = Arc::downgrade(&middle.node);
        drop(middle);
        canceller.join().unwrap();
        assert_eq!(left.strong_count(), 0);
        assert!(leaf.node.lock().above.is_empty());
    });
}

/// Two cancels meet: each has cancelled all that is below its token when it returns.
#[test]
fn each_of_two_cancels_is_complete_when_it_returns() {
    model(|| {
        let root = CancelToken::new();
        let middle = root.child();
        let leaf = middle.child();
        let canceller = {
            let leaf = leaf.clone();
            thread::spawn(move || {
                root.cancel();
                assert!(leaf.is_cancelled());
            })
        };
        middle.cancel();
        assert!(leaf.is_cancelled());
        canceller.join().unwrap();
    });
}

/// A token and the one above it leave at once: neither is left, and what is below them is below the
/// root.
#[test]
fn two_neighbours_leave_at_once() {
    model(|| {
        let root = CancelToken::new();
        let upper = root.child();
        let lower = upper.child();
        let leaf = lower.child();
        let nodes = [&upper, &lower].map(|token| Arc::downgrade(&token.node));
        let other = thread::spawn(move || drop(upper));
        drop(lower);
        other.join().unwrap();
        assert!(nodes.iter().all(|node| node.strong_count() == 0));
        root.cancel();
        assert!(leaf.is_cancelled());
    });
}

/// A token leaves while one of its two children leaves: it does not stay for the other child.
#[test]
fn a_token_and_its_child_leave_at_once() {
    model(|| {
        let root = CancelToken::new();
        let middle = root.child();
        let (leaf, left) = (middle.child(), middle.child());
        let node = Arc::downgrade(&middle.node);
        let other = thread::spawn(move || drop(middle));
        drop(left);
        other.join().unwrap();
        assert_eq!(node.strong_count(), 0);
        root.cancel();
        assert!(leaf.is_cancelled());
    });
}

/// A token below two leaves, and its child leaves a hub, while what is above the hub is cancelled.
#[test]
fn a_cancel_reaches_a_token_that_leaves_a_hub() {
    model(|| {
        let (root, other) = (CancelToken::new(), CancelToken::new());
        let hub = root.child();
        let middle = CancelToken::below(&[&hub, &other]);
        let (leaf, _held) = (middle.child(), hub.child());
        drop(hub);
        let canceller = {
            let leaf = leaf.clone();
            thread::spawn(move || {
                root.cancel();
                assert!(leaf.is_cancelled());
            })
        };
        drop(middle);
        canceller.join().unwrap();
        assert!(other.node.lock().below.is_empty());
    });
}
