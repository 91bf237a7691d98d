//! The contract, rule by rule, under many schedules: on the simulator's own engine, and on the
//! backends that have their own threads.

use pool_channel::ChannelPool;
use pool_conformance::{Fixture, Rule, Verdict};
use pool_core::BuildError;
use pool_core::backend::PoolConfig;
use pool_sim::{Ran, SimPool, Simulation};
use pool_work_stealing::WorkStealingPool;

/// Schedules of each rule; `cargo xtask sim` has more.
const SEEDS: u64 = 20;

/// How many of them are run twice.
const TWICE: u64 = 4;

/// Half of the schedules are random walks, half use priorities; in half of each, the simulator's
/// own engine is first in, first out.
fn simulation(seed: u64) -> Simulation {
    let simulation = Simulation::new(seed);
    let simulation = if seed.is_multiple_of(2) {
        simulation
    } else {
        simulation.pct(3, 1000)
    };
    if (seed / 2).is_multiple_of(2) {
        simulation
    } else {
        simulation.fifo()
    }
}

fn run(seed: u64, rule: Rule, on: fn(&Rule) -> Verdict) -> Ran<()> {
    let ran = simulation(seed).try_run(move |_| {
        if let Verdict::Failed(reason) = on(&rule) {
            panic!("{} ({}): {reason}", rule.id, rule.title);
        }
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"))
}

/// The rule holds under each schedule and leaves no thread behind, and the second run of a schedule
/// repeats the first.
fn holds(name: &str, on: fn(&Rule) -> Verdict) {
    let rule = pool_conformance::all()
        .into_iter()
        .find(|rule| rule.is_named(name));
    let rule = rule.expect("the kit has the rule");
    for seed in 0..SEEDS {
        let ran = run(seed, rule, on);
        assert_eq!(
            ran.left_behind, 0,
            "{} left threads under seed {seed}",
            rule.id
        );
        if seed < TWICE {
            let (first, second) = (ran.trace.to_string(), run(seed, rule, on).trace.to_string());
            assert_eq!(first, second, "the second run of seed {seed}");
        }
    }
}

macro_rules! kit {
    ($d:tt $($module:ident: $pool:ident;)*) => {$(
        mod $module {
            use super::*;

            struct Simulated;

            impl Fixture for Simulated {
                type Pool = $pool;

                fn build(config: PoolConfig) -> Result<$pool, BuildError> {
                    $pool::builder().config(config).build()
                }

                fn pause(pool: &$pool) -> bool {
                    pool.pause();
                    true
                }

                fn resume(pool: &$pool) {
                    pool.resume();
                }
            }

            macro_rules! rules {
                ($d($rule:ident)*) => {$d(
                    #[test]
                    fn $rule() {
                        holds(stringify!($rule), |rule| rule.run_here::<Simulated>());
                    }
                )*};
            }

            pool_conformance::for_each_rule! { (rules) }
        }
    )*};
}

kit! { $
    sim: SimPool;
    channel: ChannelPool;
    work_stealing: WorkStealingPool;
}
