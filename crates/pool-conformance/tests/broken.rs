//! The kit proves itself: each faulty executor is caught, by the rules that should, and for its
//! flaw.

use pool_conformance::broken;

/// One test, one executor after the other: rules that measure the process would be misled by a
/// neighbour.
#[test]
fn every_broken_executor_is_caught_and_its_sound_twin_is_not() {
    let control = broken::control();
    let caught = control.catch();
    let ran: Vec<_> = caught.verdicts.iter().map(|(rule, _)| rule.id).collect();
    assert_eq!(ran, control.rules, "a rule that is relied on is not there");
    assert!(
        caught.by().is_empty(),
        "the engine without a flaw fails: {caught:#?}"
    );

    let missed: Vec<_> = broken::all()
        .iter()
        .map(|broken| (broken, broken.catch()))
        .filter(|(broken, caught)| caught.by() != broken.rules)
        .map(|(broken, caught)| format!("{}: {:#?}", broken.name, caught.verdicts))
        .collect();
    assert!(missed.is_empty(), "not caught: {}", missed.join("\n"));
}

#[test]
fn there_are_at_least_twelve_of_different_names() {
    let mut names: Vec<_> = broken::all().iter().map(|broken| broken.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), broken::all().len(), "a name is used twice");
    assert!(names.len() >= 12);
}
