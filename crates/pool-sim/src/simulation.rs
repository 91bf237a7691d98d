//! `Simulation`: how to run a test under one schedule, or under many.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pool_core::machine::{self, Simulator};

use crate::schedule::Schedule;
use crate::sim::Sim;
use crate::state::State;
use crate::trace::Trace;
use crate::world::World;

/// The variable whose schedule is run instead of all others.
pub const VARIABLE: &str = "POOL_SIM_SEED";

/// Steps after which a simulation has failed, unless it says otherwise.
const MOST_STEPS: u64 = 1_000_000;

/// Real time without a step after which a thread is taken to wait for what the simulator does not
/// know.
const PATIENCE: Duration = Duration::from_secs(20);

/// Events of the trace that a failure shows.
const SHOWN: usize = 40;

/// How to simulate: the schedule, and the limits.
#[derive(Debug, Clone)]
pub struct Simulation {
    pub(crate) schedule: Schedule,
    is_fifo: bool,
    most_steps: u64,
    patience: Duration,
    replay: Option<String>,
}

/// A simulation that came to its end.
#[derive(Debug, Clone)]
pub struct Ran<R> {
    /// What the test returned.
    pub value: R,
    /// What happened.
    pub trace: Trace,
    /// How many steps it took.
    pub steps: u64,
    /// Threads that have not ended and never will, since nobody is left to wake them.
    pub left_behind: usize,
}

/// A simulation that failed: the test panicked, or could not come to its end.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What replays it.
    pub schedule: Schedule,
    /// Why.
    pub reason: String,
    /// What happened.
    pub trace: Trace,
    command: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            schedule, reason, ..
        } = self;
        writeln!(
            f,
            "the simulation failed under schedule {schedule}: {reason}"
        )?;
        writeln!(f, "the last of {} events:", self.trace.len())?;
        f.write_str(&self.trace.last(SHOWN))?;
        write!(f, "replay it with:\n    {}", self.command)
    }
}

impl std::error::Error for Failure {}

/// Whether pools start jobs in order, in the simulation that runs the calling thread. `None`: none
/// does.
pub(crate) fn is_fifo_here() -> Option<bool> {
    let (simulator, _) = machine::this_simulation()?;
    let simulator: &dyn Any = &*simulator;
    Some(simulator.downcast_ref::<World>()?.lock().is_fifo)
}

impl Simulation {
    /// A walk at random, drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        Self::of(Schedule::Random { seed })
    }

    /// Under this schedule.
    pub fn of(schedule: Schedule) -> Self {
        Self {
            schedule,
            is_fifo: false,
            most_steps: MOST_STEPS,
            patience: PATIENCE,
            replay: None,
        }
    }

    /// The same, under another schedule: that of a [`Failure`], to replay it.
    #[must_use]
    pub fn under(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Draws priorities instead, for bugs that need `depth` orderings to show, 2 or 3 for most;
    /// they change among the first `steps` steps. See [`Schedule::Pct`].
    #[must_use]
    pub fn pct(mut self, depth: usize, steps: u64) -> Self {
        let seed = self.schedule.seed();
        self.schedule = Schedule::Pct { seed, depth, steps };
        self
    }

    /// Pools start their jobs in the order of submission, as `channel` does. Otherwise a worker
    /// takes any job that is queued, as the seed says: what holds then holds on every backend.
    #[must_use]
    pub fn fifo(mut self) -> Self {
        self.is_fifo = true;
        self
    }

    /// How many steps it may take; a million if nothing is said.
    #[must_use]
    pub fn most_steps(mut self, steps: u64) -> Self {
        self.most_steps = steps;
        self
    }

    /// For how long of real time nothing may move; 20 seconds if nothing is said.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The command that a failure tells to run; `{}` stands for the schedule. Otherwise it is made
    /// of the program's name and the test's.
    #[must_use]
    pub fn replay(mut self, command: impl Into<String>) -> Self {
        self.replay = Some(command.into());
        self
    }

    /// Runs `body` as the first thread of a simulation, and whatever it starts, one thread at a
    /// time.
    ///
    /// # Errors
    /// [`Failure`] if it panicked, if nobody could go on, or if it found no end.
    pub fn try_run<R, F>(&self, body: F) -> Result<Ran<R>, Failure>
    where
        R: Send + 'static,
        F: FnOnce(&Sim) -> R + Send + 'static,
    {
        let world = World::new(State::new(self.schedule, self.most_steps, self.is_fifo));
        let result = Arc::new(Mutex::new(None));
        let (own, slot) = (Arc::clone(&world), Arc::clone(&result));
        let first = thread::Builder::new().name("test".to_owned());
        let first = first.spawn(move || {
            let sim = Sim(Arc::clone(&own));
            let simulator: Arc<dyn Simulator> = own;
            machine::simulate(simulator, 0, || {
                let ended = catch_unwind(AssertUnwindSafe(|| body(&sim)));
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
            });
        });
        let first = first.expect("the system gives the test a thread");
        world.start();
        let moved = world.wait_until_over(self.patience);
        let mut state = world.lock();
        if !moved {
            let _over = state.fail(format!(
                "nothing moved for {:?}: a thread computes without end, or waits for what the simulator does not know",
                self.patience
            ));
        }
        let (trace, failure) = (state.trace.clone(), state.failure.take());
        let (steps, left_behind) = (state.steps, state.left_behind());
        drop(state);
        if let Some(reason) = failure {
            return Err(self.failure(reason, trace));
        }
        // The first thread has left, so it ends without waiting for anybody.
        let _ended = first.join();
        let ended = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        match ended.expect("the first thread has left") {
            Ok(value) => Ok(Ran {
                value,
                trace,
                steps,
                left_behind,
            }),
            Err(payload) => Err(self.failure(message(&*payload), trace)),
        }
    }

    fn failure(&self, reason: String, trace: Trace) -> Failure {
        Failure {
            schedule: self.schedule,
            reason,
            trace,
            command: self.command(),
        }
    }

    fn command(&self) -> String {
        let schedule = self.schedule.to_string();
        if let Some(command) = &self.replay {
            return command.replace("{}", &schedule);
        }
        let package = std::env::var("CARGO_PKG_NAME");
        match (package, thread::current().name()) {
            (Ok(package), Some(test)) if test != "main" => {
                format!("{VARIABLE}={schedule} cargo test -p {package} -- --exact {test}")
            }
            (_, test) => {
                let program = std::env::args().next().unwrap_or_default();
                let test = test.filter(|name| *name != "main");
                let test = test.map_or_else(String::new, |test| format!(" --exact {test}"));
                format!("{VARIABLE}={schedule} {program}{test}")
            }
        }
    }
}

/// The text of a panic.
fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    format!(
        "panicked: {}",
        text.as_deref().unwrap_or("a payload that is not a string")
    )
}
