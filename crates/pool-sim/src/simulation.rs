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
const MAX_STEPS: u64 = 1_000_000;

/// Real time without a step after which a thread is taken to wait for what the simulator does not
/// know.
const PATIENCE: Duration = Duration::from_secs(20);

/// Events of the trace that a failure shows.
const SHOWN: usize = 40;

/// How to simulate: the schedule, and the limits.
///
/// Each run is a simulation of its own: the same `Simulation` may run a test as often as is wanted,
/// and gives the same trace each time.
///
/// # Examples
///
/// ```
/// use pool_core::ExecutorExt;
/// use pool_sim::{SimPool, Simulation};
///
/// let simulation = Simulation::new(7).fifo().most_steps(10_000);
/// let test = |_sim: &pool_sim::Sim| {
///     let pool = SimPool::builder().workers(2).build().expect("two workers can be had");
///     pool.spawn(|| 42).unwrap().join().unwrap()
/// };
/// let (first, second) = (simulation.try_run(test)?, simulation.try_run(test)?);
/// assert_eq!(first.trace.to_string(), second.trace.to_string());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Simulation {
    pub(crate) schedule: Schedule,
    /// What `SimPool`s in it do: take the oldest job.
    is_fifo: bool,
    /// Past it the simulation fails: no end was found.
    most_steps: u64,
    /// Real time without a move past which it fails.
    patience: Duration,
    /// The command to print, with `{}` where the schedule goes.
    replay: Option<String>,
}

/// A simulation that came to its end.
///
/// # Examples
///
/// ```
/// use pool_sim::{Simulation, thread};
///
/// let ran = Simulation::new(7).try_run(|_sim| thread::spawn(|| 42).join().unwrap())?;
/// assert_eq!((ran.value, ran.left_behind), (42, 0));
/// assert!(ran.steps > 0 && ran.trace.len() > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// Its text has the reason, the last events, and the command that brings it back.
///
/// # Examples
///
/// ```
/// use pool_sim::Simulation;
///
/// let failure = Simulation::new(7).try_run(|_sim| panic!("out of ink")).unwrap_err();
/// assert!(failure.reason.contains("out of ink"));
/// let again = Simulation::of(failure.schedule).try_run(|_sim| panic!("out of ink")).unwrap_err();
/// assert_eq!(failure.trace.to_string(), again.trace.to_string());
/// ```
#[derive(Debug, Clone)]
pub struct Failure {
    /// What replays it.
    pub schedule: Schedule,
    /// Why.
    pub reason: String,
    /// What happened.
    pub trace: Trace,
    /// What to run to see it again.
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
    /// Makes a simulation that is a walk at random, drawn from `seed`.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_sim::{Schedule, Simulation};
    ///
    /// let ran = Simulation::new(7).try_run(|sim| sim.schedule())?;
    /// assert_eq!(ran.value, Schedule::Random { seed: 7 });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(seed: u64) -> Self {
        Self::of(Schedule::Random { seed })
    }

    /// Makes a simulation under this schedule.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_sim::Simulation;
    ///
    /// let ran = Simulation::of("pct:3:5000:42".parse()?).try_run(|sim| sim.schedule().seed())?;
    /// assert_eq!(ran.value, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(schedule: Schedule) -> Self {
        Self {
            schedule,
            is_fifo: false,
            most_steps: MAX_STEPS,
            patience: PATIENCE,
            replay: None,
        }
    }

    /// Replaces the schedule by another one: that of a [`Failure`], to replay it.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_sim::{Schedule, Simulation};
    ///
    /// let simulation = Simulation::new(7).fifo();
    /// let other = Schedule::Random { seed: 8 };
    /// assert_eq!(simulation.under(other).try_run(|sim| sim.schedule())?.value, other);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn under(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Draws priorities instead, for bugs that need `depth` orderings to show, 2 or 3 for most;
    /// they change among the first `steps` steps. See [`Schedule::Pct`].
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_sim::Simulation;
    ///
    /// let ran = Simulation::new(7).pct(3, 5000).try_run(|sim| sim.schedule().to_string())?;
    /// assert_eq!(ran.value, "pct:3:5000:7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn pct(mut self, depth: usize, steps: u64) -> Self {
        let seed = self.schedule.seed();
        self.schedule = Schedule::Pct { seed, depth, steps };
        self
    }

    /// Pools start their jobs in the order of submission, as `channel` does. Otherwise a worker
    /// takes any job that is queued, as the seed says: what holds then holds on every backend.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::Executor;
    /// use pool_sim::{SimPool, Simulation};
    ///
    /// let is_fifo = |_sim: &pool_sim::Sim| {
    ///     let pool = SimPool::builder().workers(1).build().expect("a worker can be had");
    ///     pool.capability().fifo
    /// };
    /// assert!(Simulation::new(7).fifo().try_run(is_fifo)?.value);
    /// assert!(!Simulation::new(7).try_run(is_fifo)?.value);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fifo(mut self) -> Self {
        self.is_fifo = true;
        self
    }

    /// Sets how many steps it may take; a million if nothing is said.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_sim::{Simulation, thread};
    ///
    /// let endless = |_sim: &pool_sim::Sim| loop {
    ///     thread::yield_now();
    /// };
    /// let failure = Simulation::new(7).most_steps(100).try_run::<(), _>(endless).unwrap_err();
    /// assert!(failure.reason.contains("no end"));
    /// ```
    #[must_use]
    pub fn most_steps(mut self, steps: u64) -> Self {
        self.most_steps = steps;
        self
    }

    /// Sets for how long of real time nothing may move; 20 seconds if nothing is said.
    ///
    /// A test that waits in real time, for a process or the network, sets it to more than that
    /// takes. Time that the simulated clock skips does not count.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_sim::Simulation;
    /// use std::time::Duration;
    ///
    /// let patient = Simulation::new(7).patience(Duration::from_secs(120));
    /// assert_eq!(patient.try_run(|_sim| 42)?.value, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets the command that a failure tells to run; `{}` stands for the schedule. Otherwise it is
    /// made of the program's name and the test's.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_sim::Simulation;
    ///
    /// let simulation = Simulation::new(7).replay("POOL_SIM_SEED={} cargo test orders");
    /// let failure = simulation.try_run(|_sim| panic!("out of ink")).unwrap_err();
    /// assert!(failure.to_string().contains("POOL_SIM_SEED=7 cargo test orders"));
    /// ```
    #[must_use]
    pub fn replay(mut self, command: impl Into<String>) -> Self {
        self.replay = Some(command.into());
        self
    }

    /// Runs `body` as the first thread of a simulation, and whatever it starts, one thread at a
    /// time.
    ///
    /// Returns once that first thread has ended and nobody else can go on. It waits for no thread
    /// that is left behind then: [`Ran::left_behind`] counts these.
    ///
    /// # Errors
    /// [`Failure`] if it panicked, if nobody could go on, or if it found no end.
    ///
    /// # Panics
    /// If the system gives the first thread no thread of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::ExecutorExt;
    /// use pool_sim::{SimPool, Simulation};
    ///
    /// let ran = Simulation::new(7).try_run(|_sim| {
    ///     let pool = SimPool::builder().workers(2).build().expect("two workers can be had");
    ///     let halves = [pool.spawn(|| 20).unwrap(), pool.spawn(|| 22).unwrap()];
    ///     halves.map(|half| half.join().unwrap()).iter().sum::<i32>()
    /// })?;
    /// assert_eq!(ran.value, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// The command that a failure tells to run: the one that was given, otherwise one made of the
    /// names of the package and the test that run here.
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
