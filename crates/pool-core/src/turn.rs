//! Whose turn it is to poll a future.
//!
//! ```text
//! ready ──begin──▶ polling ──suspend──▶ idle ──wake──▶ ready, and one way back is taken
//!                     │ wake                              (an entry among the woken, or a waker)
//!                     ▼
//!                  woken ──suspend──▶ ready, and one way back is taken
//! polling | woken ──finish──▶ over
//! ```
//!
//! Only the side that moved `ready` to `polling` touches the future, so it is never polled by two threads at once, and after
//! `over` by none (`R802`). A wake is one transition and one way back. A way back that finds the turn already taken is stale and
//! does nothing, so a wake too many costs nothing and a wake too few cannot be (`R803`).

use crate::sync::{AtomicU8, Ordering};

const READY: u8 = 0;
const POLLING: u8 = 1;
const WOKEN: u8 = 2;
const IDLE: u8 = 3;
const OVER: u8 = 4;

/// Whose turn it is; the transitions of the module's diagram.
#[derive(Debug)]
pub(crate) struct Turn(AtomicU8);

impl Turn {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(READY))
    }

    /// Takes the turn. False if the future is being polled, sleeps or is over: the caller's way back was stale.
    pub(crate) fn begin(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `suspend` and `wake`: what the last poll wrote is visible to this one.
        self.0
            .compare_exchange(READY, POLLING, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Gives the turn back after `Pending`. True if a wake came meanwhile: the caller must take a way back.
    pub(crate) fn suspend(&self) -> bool {
        // ORDERING: Release publishes the poll's writes to the next `begin`.
        if self
            .0
            .compare_exchange(POLLING, IDLE, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            return false;
        }
        // ORDERING: a read-modify-write, so that it takes in what every waker before it has released, the second and third too.
        self.0.swap(READY, Ordering::AcqRel);
        true
    }

    /// A waker fired. True if the caller must take a way back.
    pub(crate) fn wake(&self) -> bool {
        let mut turn = self.0.load(Ordering::Acquire);
        loop {
            let next = match turn {
                OVER => return false,
                POLLING | WOKEN => WOKEN,
                _ => READY,
            };
            // ORDERING: Release: what the waker's caller did before is visible to the poll that follows, also where the turn stays as
            // it is, which is why it is written all the same. Acquire: the way back that the last poll chose is visible here.
            match self
                .0
                .compare_exchange_weak(turn, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return turn == IDLE,
                Err(now) => turn = now,
            }
        }
    }

    pub(crate) fn finish(&self) {
        // ORDERING: Release, for symmetry; nobody reads the future after `over`.
        self.0.store(OVER, Ordering::Release);
    }
}
