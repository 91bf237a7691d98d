//! Tests of what a mutant becomes, and of what is made of a model's run.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output};

use super::copy::mutate;
use super::mutants::{MUTANTS, Mutant};
use super::{Verdict, verdict_of};

const MUTANT: Mutant = Mutant {
    name: "no_fence",
    model: "models::m",
    what: "no fence",
    file: "f.rs",
    old: "fence();",
    new: "();",
};

#[test]
fn a_mutant_is_a_switch_around_the_code() {
    let mutated = mutate("a();\nfence();\n", &MUTANT).unwrap();
    let expected = "a();\nif crate::mutants::is_on(\"no_fence\") { (); } else { fence(); }\n";
    assert_eq!(mutated, expected);
}

#[test]
fn a_mutant_can_place_its_switch_itself() {
    let mutant = Mutant {
        new: "if !MUTANT { fence(); }",
        ..MUTANT
    };
    let mutated = mutate("fence();", &mutant).unwrap();
    assert_eq!(
        mutated,
        "if !crate::mutants::is_on(\"no_fence\") { fence(); }"
    );
}

#[test]
fn a_mutant_whose_code_has_moved_on_is_an_error() {
    for text in ["a();", "fence(); fence();"] {
        let error = mutate(text, &MUTANT).unwrap_err().to_string();
        assert!(error.contains("no_fence"), "{error}");
    }
}

#[test]
fn mutants_have_names_of_their_own() {
    let names: BTreeSet<&str> = MUTANTS.iter().map(|mutant| mutant.name).collect();
    assert_eq!(names.len(), MUTANTS.len());
}

fn output(status: i32, said: &str) -> Output {
    Output {
        status: ExitStatus::from_raw(status),
        stdout: said.into(),
        stderr: Vec::new(),
    }
}

#[test]
fn a_model_that_was_not_run_is_neither_passed_nor_failed() {
    assert!(verdict_of(&output(0, "running 0 tests\n")).is_none());
    let verdict = |status| verdict_of(&output(status, "running 1 test\n")).map(|it| it.0);
    assert_eq!(verdict(0), Some(Verdict::Passed));
    assert_eq!(verdict(101 << 8), Some(Verdict::Failed));
    // A signal: the mutant led into undefined behaviour.
    assert_eq!(verdict(11), Some(Verdict::Failed));
}
