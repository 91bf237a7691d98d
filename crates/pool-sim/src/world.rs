//! The simulator: threads of the system that take turns, one at a time, as the schedule says; and
//! the clock that they go by.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pool_core::machine::{Point, Simulator};

use crate::schedule::Turn;
use crate::state::{Next, State, Status};
use crate::trace::What;

/// One simulation, as its threads share it.
///
/// Pool-core reaches it as a [`Simulator`]: every park, wake, lock, start and look at the clock of
/// a simulated thread comes here. A thread that has no turn is parked at its [`Baton`].
pub(crate) struct World {
    /// The real time at which the simulated clock stood at zero.
    epoch: Instant,
    /// Held for a few steps at a time, never across a turn.
    state: Mutex<State>,
    /// Notified once, for the thread that waits for the end.
    is_over: Condvar,
}

/// A thread's own turn, as the thread that hands over to it sets it.
///
/// Each wait takes it, so it is given once for each turn.
#[derive(Debug, Default)]
pub(crate) struct Baton {
    /// The turn was given, and the thread has not taken it.
    is_given: AtomicBool,
    /// The thread to be unparked; there once it has come.
    thread: Mutex<Option<thread::Thread>>,
}

impl Baton {
    /// Gives the thread its turn. It may not have come yet: then it finds the turn given.
    fn give(&self) {
        // ORDERING: Release pairs with the Acquire in `wait`: all that the turn before did is
        // visible to this one.
        self.is_given.store(true, Ordering::Release);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = &*thread {
            thread.unpark();
        }
    }

    /// Waits for the thread's own turn. A spurious return of the park does not end the wait.
    fn wait(&self) {
        // ORDERING: see `give`.
        while !self.is_given.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

impl World {
    pub(crate) fn new(state: State) -> Arc<Self> {
        Arc::new(Self {
            epoch: Instant::now(),
            state: Mutex::new(state),
            is_over: Condvar::new(),
        })
    }

    /// The state, also after a panic of a thread that held it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets thread 0, the first, begin.
    pub(crate) fn start(&self) {
        let baton = Arc::clone(&self.lock().threads[0].baton);
        baton.give();
    }

    /// Waits until the simulation is over. Returns early, with false, if nothing has moved for
    /// `patience` of real time.
    pub(crate) fn wait_until_over(&self, patience: Duration) -> bool {
        let mut state = self.lock();
        let mut seen = state.moves;
        let mut since = Instant::now();
        while !state.is_over {
            let left = patience.saturating_sub(since.elapsed());
            if left.is_zero() {
                return false;
            }
            let waited = self.is_over.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if std::mem::replace(&mut seen, state.moves) != state.moves {
                since = Instant::now();
            }
        }
        true
    }

    /// The caller's turn ends here, and may begin again at once.
    ///
    /// Returns when the caller has its next turn. After the end of the simulation it never returns.
    fn hand_over(&self, mut state: MutexGuard<'_, State>, thread: usize, turn: Turn) {
        state.is_test_panicking |= thread == 0 && thread::panicking();
        match state.next(thread, turn) {
            Next::Thread(next) if next == thread => {}
            Next::Thread(next) => {
                let own = Arc::clone(&state.threads[thread].baton);
                let other = Arc::clone(&state.threads[next].baton);
                drop(state);
                other.give();
                own.wait();
            }
            Next::Over => {
                let own = Arc::clone(&state.threads[thread].baton);
                drop(state);
                self.is_over.notify_all();
                // Nobody gives a turn any more: the thread is left behind.
                own.wait();
            }
        }
    }

    /// The caller blocks as `status` says, and returns when it no longer does.
    pub(crate) fn block(&self, mut state: MutexGuard<'_, State>, thread: usize, status: Status) {
        state.threads[thread].status = status;
        self.hand_over(state, thread, Turn::Blocked);
    }

    pub(crate) fn note(&self, thread: usize, what: What) {
        self.lock().note(thread, what);
    }

    /// A time as the simulated clock counts it.
    fn age(&self, when: Instant) -> Duration {
        when.saturating_duration_since(self.epoch)
    }
}

impl Simulator for World {
    fn now(&self) -> Instant {
        self.epoch + self.lock().clock
    }

    fn point(&self, thread: usize, point: Point) {
        let mut state = self.lock();
        state.come_to(thread, point);
        let turn = state.turn_at_point();
        self.hand_over(state, thread, turn);
        if let Point::Begin(job) = point
            && self.lock().panics(thread, job)
        {
            panic!("the simulation has job {job} panic");
        }
    }

    fn yield_now(&self, thread: usize) {
        let mut state = self.lock();
        state.note(thread, What::Yield);
        state.spin();
        self.hand_over(state, thread, Turn::Yield);
    }

    fn park(&self, thread: usize, limit: Option<Instant>) {
        let limit = limit.map(|limit| self.age(limit));
        let mut state = self.lock();
        state.note(thread, What::Park(limit));
        if std::mem::take(&mut state.threads[thread].is_unparked) {
            return self.hand_over(state, thread, Turn::Point);
        }
        self.block(state, thread, Status::Parked(limit));
        self.lock().threads[thread].is_unparked = false;
    }

    fn unpark(&self, thread: usize) {
        self.lock().unpark(thread);
    }

    fn next_job(&self) -> u64 {
        let mut state = self.lock();
        state.jobs += 1;
        state.jobs
    }

    fn draw(&self, options: usize) -> usize {
        self.lock().drawing.random.below(options)
    }

    fn turns(&self) -> u64 {
        self.lock().steps
    }

    fn begin(&self, name: Option<&str>) -> io::Result<usize> {
        self.lock().begin(name)
    }

    fn forget(&self, thread: usize) {
        self.lock().threads[thread].status = Status::Left;
    }

    fn enter(&self, thread: usize) {
        let baton = Arc::clone(&self.lock().threads[thread].baton);
        *baton.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
        baton.wait();
    }

    fn leave(&self, thread: usize) {
        let mut state = self.lock();
        state.leave(thread);
        match state.next(thread, Turn::Blocked) {
            Next::Thread(next) => {
                let other = Arc::clone(&state.threads[next].baton);
                drop(state);
                other.give();
            }
            Next::Over => self.is_over.notify_all(),
        }
    }

    fn has_left(&self, other: usize) -> bool {
        matches!(self.lock().threads[other].status, Status::Left)
    }

    fn wait_for(&self, thread: usize, other: usize) {
        let mut state = self.lock();
        if matches!(state.threads[other].status, Status::Left) {
            return;
        }
        state.note(thread, What::WaitFor(other));
        self.block(state, thread, Status::WaitsFor(other));
    }
}
