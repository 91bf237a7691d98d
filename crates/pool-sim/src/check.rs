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
const DEPTH: usize = 3;
const STEPS: u64 = 1000;

impl Simulation {
    /// Like [`check`](crate::check()), with the settings of this simulation.
    ///
    /// # Panics
    /// With the [`Failure`] of the first schedule under which the test fails.
    pub fn check<F>(&self, seeds: Range<u64>, test: F)
    where
        F: Fn(&Sim) + Send + Sync + 'static,
    {
        if let Some(failure) = self.find(seeds, test) {
            panic!("{failure}");
        }
    }

    /// The first schedule under which the test fails.
    ///
    /// # Panics
    /// If `POOL_SIM_SEED` is set to what is no schedule.
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

fn from_environment() -> Option<Schedule> {
    let text = std::env::var(VARIABLE).ok()?;
    let schedule = text.parse::<Schedule>();
    Some(schedule.unwrap_or_else(|error| panic!("{VARIABLE}: {error}")))
}
