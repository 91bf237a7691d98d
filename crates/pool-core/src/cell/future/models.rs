//! Model checks of a future's cell: which side drives it when two meet.

use std::future::{Future, Pending, pending};
use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Waker};

use loom::sync::Mutex;
use loom::thread;

use super::{AsyncCell, Known, Polled};
use crate::cell::future::source::InfallibleSource;
use crate::cell::raw_handle::Outlet;
use crate::job::id::JobId;
use crate::job::outcome::Outcome;
use crate::pool::lifecycle::{Leftovers, Submission};
use crate::task::Accepted;
use crate::testing::models::{Token, life, life_of, model};
use crate::testing::noop_engine::NoopEngine;
use crate::worker::{Awaited, Helped, Worker};

fn cell() -> StdArc<AsyncCell<InfallibleSource<Pending<()>>>> {
    AsyncCell::new(JobId::next(), InfallibleSource(pending()), None)
}

/// A future that never wakes by itself is cancelled while its host suspends it: the host is woken
/// and ends it. Otherwise loom reports a deadlock.
#[test]
fn a_cancelled_future_is_ended_by_its_host() {
    model(|| {
        let cell = cell();
        let canceller = {
            let cell = StdArc::clone(&cell);
            thread::spawn(move || Outlet::cancel(&*cell))
        };
        if cell.start_hosted() {
            let engine = StdArc::new(NoopEngine(life()));
            let worker = Worker::new(&engine, 0, 0, false);
            let token = StdArc::new(Token::default());
            let waker = Waker::from(StdArc::clone(&token));
            let mut known = Known::NotYet;
            let outcome = loop {
                match cell.poll_hosted(worker.life(), Some(&worker), &waker, known, &|_| {}) {
                    Poll::Ready(outcome) => break outcome,
                    Poll::Pending => token.take(),
                }
                known = Known::Yes;
            };
            assert_eq!(outcome, Outcome::Cancelled);
            cell.publish_hosted(outcome);
        }
        canceller.join().unwrap();
        assert_eq!(cell.state.outcome(), Some(Outcome::Cancelled));
    });
}

/// A future that waits for one event, which another thread causes.
#[derive(Clone, Default)]
struct OneEvent(StdArc<Mutex<(bool, Option<Waker>)>>);

impl OneEvent {
    fn happens(&self) {
        let waker = {
            let mut event = self.0.lock().unwrap();
            event.0 = true;
            event.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for OneEvent {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut event = self.0.lock().unwrap();
        if event.0 {
            return Poll::Ready(());
        }
        event.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A future is woken while its dequeuer suspends it: it is queued in its pool again, is polled once
/// more and ends.
#[test]
fn a_woken_future_comes_back() {
    check_that_a_woken_future_comes_back(false);
}

/// The same, where the waker fires on a worker of the pool.
#[test]
fn a_future_that_is_woken_on_a_worker_comes_back() {
    // Loom's threads share the locals of one: all of them are this worker.
    check_that_a_woken_future_comes_back(true);
}

/// `on_worker`: the threads that wake and dequeue are a worker, and do not only act as one.
fn check_that_a_woken_future_comes_back(on_worker: bool) {
    model(move || {
        let event = OneEvent::default();
        let cell = AsyncCell::new(JobId::next(), InfallibleSource(event.clone()), None);
        let engine = StdArc::new(NoopEngine(life()));
        let worker = Worker::new(&engine, 0, 0, false);
        let _entered = on_worker.then(|| worker.enter());
        assert!(Submission::begin(&engine.0).is_some());
        assert_eq!(cell.accept(&engine.0), Accepted::Yes);
        let waker = thread::spawn(move || event.happens());
        StdArc::clone(&cell).run_first(&worker);
        waker.join().unwrap();
        while let Some(task) = engine.0.woken.pop() {
            task.run(&worker);
        }
        assert_eq!(cell.state.outcome(), Some(Outcome::Completed));
        assert_eq!(engine.0.stats().completed, 1);
    });
}

/// A joiner helps a future that its pool's worker dequeues at that very moment, and an event wakes
/// it: it is started by one of them, is polled after the event, ends once, and is counted once.
#[test]
fn a_future_that_is_helped_ends_once() {
    check_that_a_helped_future_ends(false);
}

/// The same, where the waker fires on a worker of the pool, and so needs no lock unless there is a
/// helper.
#[test]
fn a_helper_is_told_of_a_wake_on_a_worker() {
    // Loom's threads share the locals of one: all of them are this worker.
    check_that_a_helped_future_ends(true);
}

/// `on_worker`: the thread that wakes and dequeues is a worker, and not only acts as one.
fn check_that_a_helped_future_ends(on_worker: bool) {
    model(move || {
        let event = OneEvent::default();
        let engine = StdArc::new(NoopEngine(life_of(2)));
        let cell = AsyncCell::new(JobId::next(), InfallibleSource(event.clone()), None);
        assert!(Submission::begin(&engine.0).is_some());
        assert_eq!(cell.accept(&engine.0), Accepted::Yes);
        let joiner = {
            let (cell, engine) = (StdArc::clone(&cell), StdArc::clone(&engine));
            thread::spawn(move || {
                let worker = Worker::new(&engine, 1, 1, false);
                let token = StdArc::new(Token::default());
                let waker = Waker::from(StdArc::clone(&token));
                let mut cx = Context::from_waker(&waker);
                loop {
                    while StdArc::clone(&cell).help(&worker, &waker) == Helped::Polled {}
                    // SAFETY: no other thread polls the handle's end.
                    if unsafe { cell.waiter.poll_end(&cell.state, &mut cx) }.is_ready() {
                        break;
                    }
                    token.take();
                }
            })
        };
        let worker = Worker::new(&engine, 0, 0, false);
        let _entered = on_worker.then(|| worker.enter());
        event.happens();
        StdArc::clone(&cell).run_first(&worker);
        joiner.join().unwrap();
        while let Some(task) = engine.0.woken.pop() {
            task.run(&worker);
        }
        assert_eq!(cell.state.outcome(), Some(Outcome::Completed));
        assert_eq!(engine.0.stats().completed, 1);
        assert!(Leftovers::of(&engine.0).running.is_empty());
    });
}

/// A future notes what it awaits as a helper begins to wait for it: the helper knows of it before
/// it sleeps, or is woken to see it. Otherwise loom reports a deadlock.
#[test]
fn a_helper_hears_what_its_future_awaits() {
    model(|| {
        let engine = StdArc::new(NoopEngine(life_of(2)));
        let (cell, child) = (cell(), cell());
        assert!(Submission::begin(&engine.0).is_some());
        assert_eq!(cell.accept(&engine.0), Accepted::Yes);
        let helper = {
            let (cell, engine) = (StdArc::clone(&cell), StdArc::clone(&engine));
            thread::spawn(move || {
                let worker = Worker::new(&engine, 1, 1, false);
                let token = StdArc::new(Token::default());
                let waker = Waker::from(StdArc::clone(&token));
                loop {
                    while StdArc::clone(&cell).help(&worker, &waker) == Helped::Polled {}
                    if !cell.awaits().is_empty() {
                        break;
                    }
                    token.take();
                }
            })
        };
        let worker = Worker::new(&engine, 0, 0, false);
        StdArc::clone(&cell).run_first(&worker);
        // The same steps as the poll of the child's handle, and then the end of the poll around it.
        child.note_awaiter(Some(cell.id));
        cell.note_awaited(vec![child as _]);
        helper.join().unwrap();
        Outlet::cancel(&*cell);
        while let Some(task) = engine.0.woken.pop() {
            task.run(&worker);
        }
        assert_eq!(cell.state.outcome(), Some(Outcome::Cancelled));
    });
}
