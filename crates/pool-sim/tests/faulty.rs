//! The faulty executors of the kit, in a simulation: each is found within a stated number of seeds,
//! and the executor without a fault is not.

use pool_conformance::faulty::{self, Faulty};
use pool_conformance::{Rule, Verdict};
use pool_sim::Simulation;

/// Within this many seeds, each rule that an executor breaks finds it.
const BOUND: u64 = 10;

fn found(rule: Rule) -> Option<String> {
    let simulation = Simulation::new(0).most_steps(200_000);
    let found = simulation.find(0..BOUND, move |_| match Faulty::run_here(&rule) {
        // A rule that does not apply finds nothing.
        Verdict::Passed | Verdict::Skipped(_) => {}
        Verdict::Failed(reason) => panic!("{}: {reason}", rule.id),
    });
    found.map(|failure| failure.to_string())
}

#[test]
fn each_is_found_within_the_bound_and_their_sound_twin_is_not() {
    let blamed: Vec<_> = faulty::control()
        .with_each_rule(found)
        .into_iter()
        .filter_map(|(_, failure)| failure)
        .collect();
    assert!(blamed.is_empty(), "without a flaw: {}", blamed.join("\n"));
    let missed: Vec<_> = faulty::all()
        .iter()
        .flat_map(|executor| {
            let found = executor.with_each_rule(found);
            let missed = found
                .into_iter()
                .filter(|(rule, failure)| failure.is_none() && rule.can_be_simulated());
            missed.map(|(rule, _)| format!("{} by {}", executor.name, rule.id))
        })
        .collect();
    assert!(missed.is_empty(), "missed within {BOUND} seeds: {missed:?}");
}
