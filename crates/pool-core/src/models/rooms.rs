//! Models of the line before a full queue.

use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Waker};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

use super::{Token, life, model, nothing};
use crate::capability::Capability;
use crate::error::Refused;
use crate::executor::Executor;
use crate::room::{Admission, Room};
use crate::stats::Stats;
use crate::task::Task;

/// An executor with one place, for the line: it keeps no task, only whether there is one.
struct OnePlace {
    is_taken: AtomicUsize,
    room: Room,
}

impl Executor for OnePlace {
    fn try_execute(&self, task: Task) -> Result<(), Refused<Task>> {
        match self.is_taken.compare_exchange(0, 1, Relaxed, Relaxed) {
            Ok(_) => Ok(()),
            Err(_) => Err(Refused::Full(task)),
        }
    }

    fn room(&self) -> &Room {
        &self.room
    }

    fn capability(&self) -> Capability {
        life().capability()
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn is_closed(&self) -> bool {
        false
    }
}

/// Waits in line until the executor has a place.
fn get_in(executor: &OnePlace) {
    let token = StdArc::new(Token::default());
    let waker = Waker::from(StdArc::clone(&token));
    let mut cx = Context::from_waker(&waker);
    let mut admission = std::pin::pin!(Admission::new(executor, nothing()));
    while let Poll::Pending = admission.as_mut().poll(&mut cx) {
        token.take();
    }
}

fn full() -> Arc<OnePlace> {
    Arc::new(OnePlace {
        is_taken: AtomicUsize::new(1),
        room: Room::new(),
    })
}

/// A submitter that waits for a place gets in as it comes free: else loom reports a deadlock.
#[test]
fn a_freed_place_is_not_missed() {
    model(|| {
        let executor = full();
        let submitter = {
            let executor = Arc::clone(&executor);
            thread::spawn(move || get_in(&executor))
        };
        executor.is_taken.store(0, Relaxed);
        executor.room.freed();
        submitter.join().unwrap();
        assert_eq!(executor.is_taken.load(Relaxed), 1);
    });
}

/// One gives up as the only place comes free for it: the one behind it gets in, else loom reports a deadlock.
#[test]
fn who_leaves_the_line_wakes_the_next() {
    model(|| {
        let executor = full();
        let mut gives_up = Box::pin(Admission::new(&*executor, nothing()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(gives_up.as_mut().poll(&mut cx).is_pending());
        let behind = {
            let executor = Arc::clone(&executor);
            thread::spawn(move || get_in(&executor))
        };
        executor.is_taken.store(0, Relaxed);
        executor.room.freed();
        drop(gives_up);
        behind.join().unwrap();
        assert_eq!(executor.is_taken.load(Relaxed), 1);
    });
}
