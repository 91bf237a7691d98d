//! Models of cancellation: the token that a job makes for its children, and the futures that watch
//! one.

use std::sync::Arc as StdArc;
use std::task::Waker;

use loom::sync::Arc;
use loom::thread;

use super::{Token, model};
use crate::cell::state::State;
use crate::job::cancel_token::CancelToken;
use crate::job::context::OwnToken;
use crate::job::id::JobId;
use crate::job::watch_list::Watch;

/// A job makes a token for its first child while its handle cancels it: the child's token is
/// cancelled.
#[test]
fn a_child_sees_its_parents_cancellation() {
    model(|| {
        let parent = Arc::new((State::new(), OwnToken::default()));
        let canceller = {
            let parent = Arc::clone(&parent);
            thread::spawn(move || {
                parent.0.request_cancel();
                OwnToken::cancel(|| Some(&parent.1));
            })
        };
        let childs = parent.1.get(None, &parent.0);
        canceller.join().unwrap();
        assert!(childs.is_cancelled());
    });
}

/// A future registers with a token, then looks at it, while another thread cancels it: it sees that
/// or is woken. Otherwise loom reports a deadlock.
#[test]
fn a_watcher_of_a_token_is_woken() {
    model(|| {
        let token = CancelToken::new();
        let canceller = {
            let token = token.clone();
            thread::spawn(move || token.cancel())
        };
        let woken = StdArc::new(Token::default());
        let waker = Waker::from(StdArc::clone(&woken));
        let _told = token.watch(&Watch::default(), JobId::next(), waker);
        if !token.is_cancelled() {
            woken.take();
            assert!(token.is_cancelled());
        }
        canceller.join().unwrap();
    });
}
