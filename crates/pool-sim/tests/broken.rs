//! The broken executors of the kit, in a simulation: each is found within a stated number of seeds.

use pool_conformance::Verdict;
use pool_conformance::broken::{self, Broken};
use pool_sim::Simulation;

#[test]
fn each_is_found() {
    for executor in broken::all() {
        let found = executor.with_each_rule(|rule| {
            (0..200_u64).find(|&seed| {
                Simulation::new(0)
                    .patience(std::time::Duration::from_secs(3))
                    .most_steps(200_000)
                    .find(seed..seed + 1, move |_| match Broken::run_here(&rule) {
                        Verdict::Failed(reason) => panic!("{}: {reason}", rule.id),
                        Verdict::Skipped(reason) => println!("skipped {} {reason}", rule.id),
                        _ => {}
                    })
                    .is_some_and(|failure| {
                        if seed == 0 && std::env::var("V").is_ok() {
                            println!("   {}", failure.reason);
                        }
                        true
                    })
            })
        });
        for (rule, seed) in found {
            println!(
                "{} {} {:?}",
                executor.name,
                rule.id,
                seed.map(|seed| seed + 1)
            );
        }
    }
}
