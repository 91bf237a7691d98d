//! Tests the kit itself: each faulty executor is caught by the rules that it breaks, and because of
//! its flaw.

use pool_conformance::faulty;

/// One test, one executor after the other: another executor would mislead the rules that measure
/// the process.
#[test]
fn every_faulty_executor_is_caught_and_its_sound_twin_is_not() {
    let control = faulty::control();
    let caught = control.catch();
    let ran: Vec<_> = caught.verdicts.iter().map(|(rule, _)| rule.id).collect();
    assert_eq!(ran, control.rules, "a rule that is relied on is not there");
    assert!(
        caught.by().is_empty(),
        "the engine without a flaw fails: {caught:#?}"
    );

    let missed: Vec<_> = faulty::all()
        .iter()
        .map(|faulty| (faulty, faulty.catch()))
        .filter(|(faulty, caught)| caught.by() != faulty.rules)
        .map(|(faulty, caught)| format!("{}: {:#?}", faulty.name, caught.verdicts))
        .collect();
    assert!(missed.is_empty(), "not caught: {}", missed.join("\n"));
}

#[test]
fn there_are_at_least_twelve_of_different_names() {
    let mut names: Vec<_> = faulty::all().iter().map(|faulty| faulty.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), faulty::all().len(), "a name is used twice");
    assert!(names.len() >= 12);
}
