//! `check`: a test under many schedules.

use std::ops::Range;
use std::sync::Arc;

use crate::schedule::Schedule;
use crate::sim::Sim;
use crate::simulation::{Failure, Simulation, VARIABLE};

/// Runs `test` once for each seed, and panics at the first that fails, with the command that
/// replays it.
///
/// Half of the seeds are walks at random, half are priorities at depth 3. If `POOL_SIM_SEED` names
/// a schedule, that one alone is run.
///
/// # Panics
/// With the [`Failure`] of the first schedule under which the test fails.
///
/// # Examples
///
/// ```
/// use pool_core::ExecutorExt;
/// use pool_sim::SimPool;
///
/// pool_sim::check(0..100, |_sim| {
///     let pool = SimPool::builder().workers(2).build().expect("two workers can be had");
///     let halves = [pool.spawn(|| 20).unwrap(), pool.spawn(|| 22).unwrap()];
///     let sum: i32 = halves.map(|half| half.join().unwrap()).iter().sum();
///     assert_eq!(sum, 42);
/// });
/// ```
pub fn check<F>(seeds: Range<u64>, test: F)
where
    F: Fn(&Sim) + Send + Sync + 'static,
{
    Simulation::new(seeds.start).check(seeds, test);
}

/// The depth of every other seed of [`check`], and the steps that it is spread over until one is
/// measured.
///
/// Two changes of priority: enough for most bugs.
const DEPTH: usize = 3;
/// Before the first run it is not known how many steps the test takes.
const STEPS: u64 = 1000;

impl Simulation {
    /// Runs `test` once for each seed, like [`check`](crate::check()), with the settings of this
    /// simulation.
    ///
    /// # Panics
    /// With the [`Failure`] of the first schedule under which the test fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::ExecutorExt;
    /// use pool_sim::{SimPool, Simulation};
    ///
    /// Simulation::new(0).fifo().check(0..20, |_sim| {
    ///     let pool = SimPool::builder().workers(1).build().expect("a worker can be had");
    ///     assert_eq!(pool.spawn(|| 6 * 7).unwrap().join().unwrap(), 42);
    /// });
    /// ```
    pub fn check<F>(&self, seeds: Range<u64>, test: F)
    where
        F: Fn(&Sim) + Send + Sync + 'static,
    {
        if let Some(failure) = self.find(seeds, test) {
            panic!("{failure}");
        }
    }

    /// Returns the failure of the first schedule under which the test fails.
    ///
    /// Like [`check`](Self::check), with the failure as a value: for tests that expect one. `None`:
    /// the test passed under every schedule that was tried.
    ///
    /// # Panics
    /// If `POOL_SIM_SEED` is set to what is no schedule.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_sim::{Simulation, thread};
    /// use std::sync::{Arc, Mutex};
    ///
    /// let order_matters = Simulation::new(0).find(0..100, |_sim| {
    ///     let seen = Arc::new(Mutex::new(Vec::new()));
    ///     let others = [1, 2].map(|number| {
    ///         let seen = Arc::clone(&seen);
    ///         thread::spawn(move || {
    ///             thread::yield_now();
    ///             seen.lock().unwrap().push(number);
    ///         })
    ///     });
    ///     others.into_iter().for_each(|other| drop(other.join()));
    ///     assert_eq!(*seen.lock().unwrap(), [1, 2]); // not under every schedule
    /// });
    /// assert!(order_matters.is_some());
    /// ```
    pub fn find<F>(&self, seeds: Range<u64>, test: F) -> Option<Failure>
    where
        F: Fn(&Sim) + Send + Sync + 'static,
    {
        let test = Arc::new(test);
        let run = |schedule| {
            let (test, mut simulation) = (Arc::clone(&test), self.clone());
            simulation.schedule = schedule;
            simulation.try_run(move |sim| test(sim))
        };
        if let Some(schedule) = from_environment() {
            return run(schedule).err();
        }
        let mut steps = STEPS;
        for seed in seeds {
            match run(self.schedule_of(seed, steps)) {
                Ok(ran) => steps = ran.steps,
                Err(failure) => return Some(failure),
            }
        }
        None
    }

    /// Odd seeds are priorities, over as many steps as the run before took; even ones are walks. A
    /// simulation that was told to draw priorities always does.
    fn schedule_of(&self, seed: u64, steps: u64) -> Schedule {
        match self.schedule {
            Schedule::Random { .. } if seed.is_multiple_of(2) => Schedule::Random { seed },
            Schedule::Random { .. } => Schedule::Pct {
                seed,
                depth: DEPTH,
                steps,
            },
            pct @ Schedule::Pct { .. } => pct.with_seed(seed),
        }
    }
}

/// The one schedule to run, if the environment names one.
///
/// # Panics
/// If it names something that is no schedule: a typing error must not pass for a run.
fn from_environment() -> Option<Schedule> {
    let text = std::env::var(VARIABLE).ok()?;
    let schedule = text.parse::<Schedule>();
    Some(schedule.unwrap_or_else(|error| panic!("{VARIABLE}: {error}")))
}
