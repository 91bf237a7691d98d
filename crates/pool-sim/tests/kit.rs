//! The contract, rule by rule, under many schedules; on the simulator's own engine and on those of the backends that have their own threads.

use pool_channel::ChannelPool;
use pool_conformance::{Fixture, Verdict};
use pool_core::{BuildError, PoolConfig};
use pool_sim::{SimPool, Simulation};
use pool_work_stealing::WorkStealingPool;

/// Seeds of each rule.
const SEEDS: u64 = 20;

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
            }

            fn holds(id: &str) {
                let rules = pool_conformance::all::<Simulated>();
                let rule = rules.into_iter().find(|rule| rule.id.eq_ignore_ascii_case(id));
                let rule = rule.expect("the kit has the rule");
                let seeds = std::env::var("SEEDS").map_or(SEEDS, |it| it.parse().unwrap());
                Simulation::new(0).check(0..seeds, move |_| {
                    if let Verdict::Failed(reason) = rule.run_here::<Simulated>() {
                        panic!("{}: {reason}", rule.id);
                    }
                });
            }

            macro_rules! rules {
                ($d($rule:ident)*) => {$d(
                    #[test]
                    fn $rule() {
                        holds(stringify!($rule));
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
