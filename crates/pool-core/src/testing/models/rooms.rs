//! Models of the line before a full queue.

use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Waker};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

use super::{Token, model, nothing};
use crate::pool::capability::Capability;
use crate::pool::stats::Stats;
use crate::submit::error::Refused;
use crate::submit::executor::{Executor, Pools};
use crate::submit::room::{Admission, Call, Coming, Room, Waiter};
use crate::task::Task;
use crate::testing::with_capacity;

/// An executor with some slots, for the line: it keeps no task, only the number of free slots.
#[derive(Default)]
struct Full {
    left: AtomicUsize,
    room: Room,
}

impl Full {
    fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    fn free(&self) {
        self.left.fetch_add(1, Relaxed);
        self.room.freed();
    }
}

impl Executor for Full {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        let taken = self
            .left
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        match taken {
            Ok(_) => Ok(()),
            Err(_) => Err(Refused::Full(task)),
        }
    }

    fn room(&self) -> &Room {
        &self.room
    }

    fn capability(&self) -> Capability {
        with_capacity(1)
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn pools(&self) -> Pools {
        Pools::none()
    }

    fn is_closed(&self) -> bool {
        false
    }
}

/// Waits in line until the executor has a slot. Otherwise loom reports a deadlock.
fn get_in(executor: &Full) {
    let token = StdArc::new(Token::default());
    let waker = Waker::from(StdArc::clone(&token));
    let mut cx = Context::from_waker(&waker);
    let mut admission = std::pin::pin!(Admission::blocking(executor, nothing()));
    while let Poll::Pending = admission.as_mut().poll(&mut cx) {
        token.take();
    }
}

fn gets_in(executor: &Arc<Full>) -> thread::JoinHandle<()> {
    let executor = Arc::clone(executor);
    thread::spawn(move || get_in(&executor))
}

/// A future that was polled once, and is not polled again.
fn kept(executor: &Full) -> Waiter {
    let mut waiter = executor.room.enter(Coming::Watched);
    let turn = executor.room.listen(&mut waiter, Waker::noop());
    assert!(turn.may_try && executor.try_accept(nothing()).is_err());
    waiter
}

/// A submitter that waits for a slot gets in when one comes free.
#[test]
fn a_freed_place_is_not_missed() {
    model(|| {
        let executor = Full::new();
        let submitter = gets_in(&executor);
        executor.free();
        submitter.join().unwrap();
        assert_eq!(executor.left.load(Relaxed), 0);
    });
}

/// Two slots come free before two submitters announce that they wait, after that, or in between:
/// both get in.
#[test]
fn each_of_two_places_lets_one_in() {
    model(|| {
        let executor = Full::new();
        let submitters = [gets_in(&executor), gets_in(&executor)];
        executor.free();
        executor.free();
        for submitter in submitters {
            submitter.join().unwrap();
        }
    });
}

/// One submitter gives up while the only slot comes free for it: the one behind it gets in.
#[test]
fn who_leaves_the_line_wakes_the_next() {
    model(|| {
        let executor = Full::new();
        let gives_up = kept(&executor);
        let behind = gets_in(&executor);
        executor.free();
        executor.room.leave(&gives_up, None);
        behind.join().unwrap();
        assert_eq!(executor.left.load(Relaxed), 0);
    });
}

/// A future that does not come costs the slot that it was called for, and no other.
#[test]
fn a_future_that_is_not_polled_costs_one_place() {
    model(|| {
        let executor = Full::new();
        let _kept = kept(&executor);
        let behind = gets_in(&executor);
        executor.free();
        executor.free();
        behind.join().unwrap();
        assert_eq!(executor.left.load(Relaxed), 1);
    });
}

/// A slot that comes free while no submitter listens is left to the next that comes.
#[test]
fn a_place_that_nobody_is_called_for_is_not_lost() {
    model(|| {
        let executor = Full::new();
        let _called = kept(&executor);
        executor.free();
        let comes = gets_in(&executor);
        executor.free();
        comes.join().unwrap();
        assert_eq!(executor.left.load(Relaxed), 1);
    });
}

/// A future that does not come costs nothing once two rounds have begun, whenever the slot came
/// free.
#[test]
fn a_future_that_is_not_polled_is_passed_over() {
    model(|| {
        let executor = Full::new();
        let _kept = kept(&executor);
        executor.free();
        let behind = gets_in(&executor);
        for _ in 0..2 {
            executor.room.next_round(1);
        }
        behind.join().unwrap();
        assert_eq!(executor.left.load(Relaxed), 0);
    });
}

/// A future that comes while it is passed over has its slot, or is called for the next one.
#[test]
fn a_future_that_comes_late_is_called_again() {
    model(|| {
        let executor = Full::new();
        let mut late = kept(&executor);
        executor.free();
        assert!(executor.room.next_round(1));
        let round = {
            let executor = Arc::clone(&executor);
            thread::spawn(move || executor.room.next_round(1))
        };
        let turn = executor.room.listen(&mut late, Waker::noop());
        assert!(turn.may_try, "nobody else is in line");
        assert!(executor.try_accept(nothing()).is_ok());
        let look = (turn.call != Some(Call::Place)).then_some(Call::Look);
        executor.room.leave(&late, look);
        let _is_watched = round.join().unwrap();
        assert!(!executor.room.has_line());
    });
}

/// A spare slot lets a try in, also while the last future in line is passed over.
#[test]
fn a_try_is_not_refused_as_the_line_goes() {
    model(|| {
        let executor = Full::new();
        let _kept = kept(&executor);
        executor.room.freed(); // calls the future
        executor.room.freed(); // is spare
        assert!(executor.room.next_round(1));
        let round = {
            let executor = Arc::clone(&executor);
            thread::spawn(move || executor.room.next_round(1))
        };
        assert!(
            executor.room.may_barge(|| with_capacity(1)),
            "a place is spare"
        );
        assert!(!round.join().unwrap());
    });
}
