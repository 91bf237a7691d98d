//! `Sim`: what a test does to the simulation that it runs in.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pool_core::JobId;
use pool_core::machine::{self, Simulator};

use crate::schedule::Schedule;
use crate::state::Status;
use crate::trace::{Trace, What};
use crate::world::World;

/// The simulation, as the test that runs in it sees it. The test is its first thread, and takes
/// turns like the others.
#[derive(Clone)]
pub struct Sim(pub(crate) Arc<World>);

impl Sim {
    /// Lets one other thread, chosen as the schedule says, go on up to its next point. False if
    /// none can.
    pub fn step(&self) -> bool {
        let thread = this_thread();
        let before = self.0.lock().steps;
        let state = self.0.lock();
        self.0.block(state, thread, Status::Steps);
        self.0.lock().steps > before + 1
    }

    /// Lets the others go on until none can. No time passes but what their steps take.
    pub fn run_until_idle(&self) {
        let state = self.0.lock();
        self.0.block(state, this_thread(), Status::Idles(None));
    }

    /// Lets the others go on until none can, and `time` pass: whatever is due meanwhile happens in
    /// its order, each time until nobody can go on. Takes no real time.
    pub fn advance(&self, time: Duration) {
        let state = self.0.lock();
        let until = state.clock.saturating_add(time);
        self.0
            .block(state, this_thread(), Status::Idles(Some(until)));
    }

    /// What the simulated clock says.
    pub fn now(&self) -> Instant {
        self.0.now()
    }

    /// How long the simulation has run, by its own clock.
    pub fn elapsed(&self) -> Duration {
        self.0.lock().clock
    }

    /// Has a job panic where its own code would begin, or at a future's next poll.
    pub fn inject_panic(&self, job: JobId) {
        self.0.lock().panicking.insert(job);
    }

    /// Has the next job that begins, whichever, panic in its stead.
    pub fn inject_panic_next(&self) {
        self.0.lock().is_next_panicking = true;
    }

    /// Has the system refuse a thread, after it has given `given` more.
    pub fn refuse_thread_after(&self, given: usize) {
        self.0.lock().threads_before_refusal = Some(given);
    }

    /// Keeps the thread of this name, as `worker-1`, from going on for `time`.
    ///
    /// # Panics
    /// If no thread that has not ended is called so.
    pub fn stall(&self, name: &str, time: Duration) {
        let mut state = self.0.lock();
        let until = state.clock.saturating_add(time);
        let found = state
            .threads
            .iter()
            .position(|thread| thread.name == name && thread.status != Status::Left);
        let Some(found) = found else {
            drop(state);
            panic!("no thread of the simulation is called `{name}`");
        };
        state.threads[found].stalled_until = Some(until);
        state.note(this_thread(), What::Stall(found, until));
    }

    /// Writes a line into the trace.
    pub fn note(&self, text: impl Into<String>) {
        self.0.note(this_thread(), What::Note(text.into()));
    }

    /// A choice among `0..options`, drawn from the seed.
    ///
    /// # Panics
    /// If there is no option.
    pub fn draw(&self, options: usize) -> usize {
        assert!(options > 0, "a choice among nothing");
        self.0.draw(options)
    }

    /// The schedule, whose text replays the simulation.
    pub fn schedule(&self) -> Schedule {
        self.0.lock().schedule
    }

    /// What happened until now.
    pub fn trace(&self) -> Trace {
        self.0.lock().trace.clone()
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Sim")
            .field("schedule", &state.schedule)
            .field("steps", &state.steps)
            .field("clock", &state.clock)
            .finish_non_exhaustive()
    }
}

fn this_thread() -> usize {
    let (_, thread) = machine::this_simulation().expect("the caller is a thread of the simulation");
    thread
}
