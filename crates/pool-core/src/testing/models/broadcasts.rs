//! Models of tasks that are pinned to one worker: the worker hears of them, and none is left behind
//! at the end of the pool.

use std::sync::Arc as StdArc;

use loom::sync::Arc;
use loom::thread;

use super::{Token, life, model, nothing};
use crate::pool::lifecycle::Lifecycle;
use crate::worker::sleep::Announced;

/// A pool of one worker, whose thread is a home, and which sleeps on the token.
fn with_home(token: &Arc<Token>) -> StdArc<Lifecycle> {
    let life = life();
    life.pinned.add_home();
    let token = Arc::clone(token);
    life.resume_with(move |_| token.give());
    life
}

/// Broadcasts, and has the worker look, as an engine does.
fn broadcast(life: &StdArc<Lifecycle>) -> bool {
    let is_pinned = life.pin(vec![nothing()]).is_ok();
    if is_pinned {
        life.resume_for_pinned();
    }
    is_pinned
}

/// Takes one task, as the loop of a worker does whose every look is at the bit of the phase.
fn take_one(life: &Lifecycle, token: &Token) {
    let sleep = &life.roster.sleep;
    loop {
        if life.phase.looks_beside_queue() && life.pinned.take(0, &life.phase).is_some() {
            return;
        }
        sleep.begin_search();
        match sleep.announce(0, || life.pinned.waits_for(0)) {
            Announced::Sleep | Announced::Resumed => token.take(),
            Announced::Search => {}
        }
        let _was_last = sleep.end_search();
    }
}

/// A worker goes to sleep as a broadcast comes: it takes its share. Otherwise loom reports a
/// deadlock.
#[test]
fn a_worker_that_goes_to_sleep_takes_its_share() {
    model(|| {
        let token = Arc::default();
        let life = with_home(&token);
        let worker = {
            let life = StdArc::clone(&life);
            thread::spawn(move || take_one(&life, &token))
        };
        assert!(broadcast(&life));
        worker.join().unwrap();
        assert!(!life.phase.looks_beside_queue(), "nothing is pinned");
    });
}

/// A share is taken as another broadcast comes: the bit says whether something is pinned.
#[test]
fn the_bit_stands_while_something_is_pinned() {
    model(|| {
        let life = with_home(&Arc::default());
        assert!(broadcast(&life));
        let worker = {
            let life = StdArc::clone(&life);
            thread::spawn(move || drop(life.pinned.take(0, &life.phase)))
        };
        assert!(broadcast(&life));
        worker.join().unwrap();
        assert!(life.phase.looks_beside_queue(), "a share is pinned");
        assert!(life.pinned.take(0, &life.phase).is_some());
        assert!(!life.phase.looks_beside_queue(), "nothing is pinned");
    });
}

/// A broadcast races the end of a pool: it is refused, or its shares are in the report, and the
/// books balance.
#[test]
fn a_broadcast_is_refused_or_accounted_for() {
    model(|| {
        let life = with_home(&Arc::default());
        let operator = {
            let life = StdArc::clone(&life);
            thread::spawn(move || broadcast(&life))
        };
        life.close();
        life.cancel(Vec::new);
        let is_pinned = operator.join().unwrap();
        assert_eq!(life.pinned.len(), 0, "none is left where nobody looks");
        let stats = life.stats();
        let expected = u64::from(is_pinned);
        assert_eq!((stats.accepted, stats.unstarted), (expected, expected));
        assert_eq!(life.ledger.in_flight(), 0);
    });
}
