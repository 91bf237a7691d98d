//! Futures: two that hand over to each other, and many that sleep.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use atomic_waker::AtomicWaker;

use crate::contestant::Futures;
use crate::latch::Latch;
use crate::meter::Meter;
use crate::sample::Measures;

/// How long each sleeper sleeps.
const NAP: Duration = Duration::from_millis(1);

/// What two tasks pass back and forth.
struct Ball {
    /// How often it has been handed over: even, and it is with task 0.
    turns: AtomicUsize,
    players: [AtomicWaker; 2],
}

impl Ball {
    /// Waits for the turn of `player`, then hands over, until the ball has been handed over `until`
    /// times.
    async fn play(&self, player: usize, until: usize) {
        loop {
            let turns = poll_fn(|cx| {
                self.players[player].register(cx.waker());
                // ORDERING: pairs with the release in the hand-over; registered before, so a
                // hand-over after it wakes.
                let turns = self.turns.load(Ordering::Acquire);
                if turns % 2 == player || turns >= until {
                    Poll::Ready(turns)
                } else {
                    Poll::Pending
                }
            })
            .await;
            if turns >= until {
                return;
            }
            // ORDERING: releases what was done in this turn to the other task, which acquires it.
            self.turns.store(turns + 1, Ordering::Release);
            self.players[1 - player].wake();
        }
    }
}

/// Two tasks that wait for each other `size` times.
pub(super) fn ping_pong<C: Futures>(contestant: &C, size: usize) -> Measures {
    let ball: &'static Ball = Box::leak(Box::new(Ball {
        turns: AtomicUsize::new(0),
        players: [AtomicWaker::new(), AtomicWaker::new()],
    }));
    let latch = Latch::leaked(2);
    let meter = Meter::start();
    for player in 0..2 {
        contestant.spawn_future(async move {
            ball.play(player, size).await;
            latch.arrive();
        });
    }
    latch.wait();
    meter.stop().per_job(size)
}

/// Futures that sleep on the runtime's timer.
pub(super) fn sleepers<C: Futures>(contestant: &C, size: usize) -> Measures {
    let latch = Latch::leaked(size);
    let meter = Meter::start();
    for _ in 0..size {
        contestant.spawn_future(async {
            tokio::time::sleep(NAP).await;
            latch.arrive();
        });
    }
    latch.wait();
    meter.stop().per_job(size)
}
