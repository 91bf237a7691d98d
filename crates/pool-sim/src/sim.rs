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
///
/// [`check`](crate::check()) and [`Simulation::try_run`](crate::Simulation::try_run) give one to
/// the test. A clone drives the same simulation; its methods are for threads of that simulation,
/// and panic elsewhere where they need to know the caller.
#[derive(Clone)]
pub struct Sim(pub(crate) Arc<World>);

impl Sim {
    /// Lets one other thread, chosen as the schedule says, go on up to its next point. False if
    /// none can.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::ExecutorExt;
    /// # use pool_sim::{SimPool, Simulation};
    /// let ran = Simulation::new(7).try_run(|sim| {
    ///     let pool = SimPool::builder().workers(1).build().expect("a worker can be had");
    ///     let job = pool.spawn(|| 42).unwrap();
    ///     while !job.is_finished() {
    ///         sim.step();
    ///     }
    ///     job.join().unwrap()
    /// })?;
    /// assert_eq!(ran.value, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn step(&self) -> bool {
        let thread = this_thread();
        let before = self.0.lock().steps;
        let state = self.0.lock();
        self.0.block(state, thread, Status::Steps);
        self.0.lock().steps > before + 1
    }

    /// Lets the others go on until none can. No time passes but what their steps take.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::ExecutorExt;
    /// # use pool_sim::{SimPool, Simulation};
    /// Simulation::new(7).try_run(|sim| {
    ///     let pool = SimPool::builder().workers(1).build().expect("a worker can be had");
    ///     let job = pool.spawn(|| 42).unwrap();
    ///     sim.run_until_idle();
    ///     assert!(job.is_finished());
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_until_idle(&self) {
        let state = self.0.lock();
        self.0.block(state, this_thread(), Status::Idles(None));
    }

    /// Lets the others go on until none can, and `time` pass: whatever is due meanwhile happens in
    /// its order, each time until nobody can go on. Takes no real time.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::ExecutorExt;
    /// # use pool_sim::{SimPool, Simulation};
    /// # use std::time::Duration;
    /// Simulation::new(7).try_run(|sim| {
    ///     let pool = SimPool::builder().workers(1).build().expect("a worker can be had");
    ///     let slow = pool.spawn(|| pool_sim::sleep(Duration::from_secs(60))).unwrap();
    ///     sim.advance(Duration::from_secs(59));
    ///     assert!(!slow.is_finished());
    ///     sim.advance(Duration::from_secs(2));
    ///     assert!(slow.is_finished());
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance(&self, time: Duration) {
        let state = self.0.lock();
        let until = state.clock.saturating_add(time);
        self.0
            .block(state, this_thread(), Status::Idles(Some(until)));
    }

    /// Returns what the simulated clock says.
    ///
    /// It begins at the real time of the simulation's start, and moves by steps, jumps and
    /// [`advance`](Self::advance) alone. The pool's deadlines are on it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_sim::Simulation;
    /// # use std::time::Duration;
    /// Simulation::new(7).try_run(|sim| {
    ///     let before = sim.now();
    ///     pool_sim::sleep(Duration::from_secs(60));
    ///     assert!(sim.now() - before >= Duration::from_secs(60));
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn now(&self) -> Instant {
        self.0.now()
    }

    /// Returns how long the simulation has run, by its own clock.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_sim::Simulation;
    /// # use std::time::Duration;
    /// Simulation::new(7).try_run(|sim| {
    ///     sim.advance(Duration::from_secs(60));
    ///     assert!(sim.elapsed() >= Duration::from_secs(60));
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn elapsed(&self) -> Duration {
        self.0.lock().clock
    }

    /// Has a job panic where its own code would begin, or at a future's next poll.
    ///
    /// A job that has begun, and is no future, goes on unharmed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::{ExecutorExt, JobError};
    /// # use pool_sim::{SimPool, Simulation};
    /// # use std::time::Duration;
    /// Simulation::new(7).try_run(|sim| {
    ///     let pool = SimPool::builder().workers(1).build().expect("a worker can be had");
    ///     sim.stall("pool-worker-0", Duration::from_secs(1)); // or it might have begun
    ///     let job = pool.spawn(|| 42).unwrap();
    ///     sim.inject_panic(job.id());
    ///     assert!(matches!(job.join(), Err(JobError::Panicked(_))));
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inject_panic(&self, job: JobId) {
        self.0.lock().panicking.insert(job);
    }

    /// Has the next job that begins, whichever it is, panic in place of its own code; a future does
    /// so at its next poll.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::{ExecutorExt, JobError};
    /// # use pool_sim::{SimPool, Simulation};
    /// Simulation::new(7).try_run(|sim| {
    ///     let pool = SimPool::builder().workers(1).build().expect("a worker can be had");
    ///     sim.inject_panic_next();
    ///     let (first, second) = (pool.spawn(|| 1).unwrap().join(), pool.spawn(|| 2).unwrap().join());
    ///     assert!(matches!(first, Err(JobError::Panicked(_))) && second.is_ok());
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inject_panic_next(&self) {
        self.0.lock().is_next_panicking = true;
    }

    /// Has the system refuse a thread, after it has given `given` more.
    ///
    /// One thread is refused; later ones are given again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::BuildError;
    /// # use pool_sim::{SimPool, Simulation};
    /// Simulation::new(7).try_run(|sim| {
    ///     sim.refuse_thread_after(1);
    ///     let refused = SimPool::builder().workers(2).build();
    ///     assert!(matches!(refused, Err(BuildError::Spawn { worker: 1, .. })));
    ///     assert!(SimPool::builder().workers(2).build().is_ok());
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refuse_thread_after(&self, given: usize) {
        self.0.lock().threads_before_refusal = Some(given);
    }

    /// Keeps the thread of this name, as `worker-1`, from going on for `time`.
    ///
    /// As a system that is busy elsewhere does. The thread has its turn again once the time is
    /// over; what it waits for counts as usual meanwhile.
    ///
    /// # Panics
    /// If no thread that has not ended is called so.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::ExecutorExt;
    /// # use pool_sim::{SimPool, Simulation};
    /// # use std::time::Duration;
    /// Simulation::new(7).try_run(|sim| {
    ///     let pool = SimPool::builder().workers(1).build().expect("a worker can be had");
    ///     sim.stall("pool-worker-0", Duration::from_secs(60));
    ///     pool.spawn(|| 42).unwrap().join().unwrap();
    ///     assert!(sim.elapsed() >= Duration::from_secs(60));
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_sim::Simulation;
    /// Simulation::new(7).try_run(|sim| {
    ///     sim.note("the second half begins");
    ///     assert!(sim.trace().to_string().contains("notes: the second half begins"));
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn note(&self, text: impl Into<String>) {
        self.0.note(this_thread(), What::Note(text.into()));
    }

    /// Draws a choice among `0..options` from the seed.
    ///
    /// For choices of the test itself, so that a replay makes the same ones.
    ///
    /// # Panics
    /// If there is no option.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_sim::Simulation;
    /// let draws = |seed| {
    ///     let test = |sim: &pool_sim::Sim| [sim.draw(1000), sim.draw(1000)];
    ///     Simulation::new(seed).try_run(test).map(|ran| ran.value)
    /// };
    /// assert_eq!(draws(7)?, draws(7)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn draw(&self, options: usize) -> usize {
        assert!(options > 0, "a choice among nothing");
        self.0.draw(options)
    }

    /// Returns the schedule, whose text replays the simulation.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_sim::Simulation;
    /// let ran = Simulation::new(7).try_run(|sim| sim.schedule().to_string())?;
    /// assert_eq!(ran.value, "7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn schedule(&self) -> Schedule {
        self.0.lock().schedule
    }

    /// Returns what happened until now.
    ///
    /// A copy: later events are not in it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_sim::{Simulation, thread};
    /// Simulation::new(7).try_run(|sim| {
    ///     thread::spawn(|| ()).join().unwrap();
    ///     assert!(!sim.trace().is_empty());
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

/// The number of the calling thread in its simulation.
///
/// # Panics
/// If no simulation runs it.
fn this_thread() -> usize {
    let (_, thread) = machine::this_simulation().expect("the caller is a thread of the simulation");
    thread
}
