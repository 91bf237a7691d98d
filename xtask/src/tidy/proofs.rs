//! Checks that each rule of the conformance kit is proven: its test must catch a listed executor
//! that breaks it, or a listed mutant of pool-core.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::reliability::is_rule;

/// The rules, each as a quoted number.
const RULES: &str = "crates/pool-conformance/src/rules/";
/// The executors that break them, with the numbers of what they break.
const FAULTY: &str = "crates/pool-conformance/src/faulty/";
/// The mutants, with the tests that must notice them.
const MUTANTS: &str = "xtask/src/mutants/list.rs";

/// Checks the names and texts of all sources.
pub(crate) fn check<'a>(sources: impl Iterator<Item = (&'a str, &'a str)>) -> Result<()> {
    let unproven = unproven(sources);
    ensure!(
        unproven.is_empty(),
        "no faulty executor and no mutant is to fail {}",
        unproven.join(", ")
    );
    Ok(())
}

/// The rules that nothing listed must fail.
pub(crate) fn unproven<'a>(sources: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let (mut rules, mut proven) = (BTreeSet::new(), BTreeSet::new());
    for (name, text) in sources {
        if name.starts_with(RULES) {
            rules.extend(quoted(text).filter(|it| is_rule(it)).map(str::to_owned));
        } else if name.starts_with(FAULTY) {
            proven.extend(quoted(text).filter(|it| is_rule(it)).map(str::to_owned));
        } else if name == MUTANTS {
            proven.extend(quoted(text).filter_map(rule_of_test));
        }
    }
    rules.difference(&proven).cloned().collect()
}

/// The parts between quotation marks, and those outside.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"')
}

/// The rule whose test this is: `PACKAGE conformance r101_its_promise`, below a module or not.
fn rule_of_test(test: &str) -> Option<String> {
    let (_, name) = test.split_once(" conformance ")?;
    let name = name.rsplit(':').next()?;
    let rule = name.split('_').next()?.to_uppercase();
    is_rule(&rule).then_some(rule)
}

#[cfg(test)]
mod tests {
    use super::{FAULTY, MUTANTS, RULES, unproven};

    fn unproven_of(proofs: &[(&str, &str)]) -> Vec<String> {
        let rules = format!("{RULES}intake.rs");
        let declared = r#"rule("R101", "once"), rule("R102", "whole")"#;
        unproven(
            [(&*rules, declared)]
                .into_iter()
                .chain(proofs.iter().copied()),
        )
    }

    #[test]
    fn a_rule_that_nothing_breaks_is_found() {
        let faulty = format!("{FAULTY}intake.rs");
        assert_eq!(unproven_of(&[]), ["R101", "R102"]);
        assert_eq!(unproven_of(&[(&faulty, r#"&["R101"]"#)]), ["R102"]);
        assert_eq!(
            unproven_of(&[("crates/pool/src/lib.rs", r#""R101""#)]),
            ["R101", "R102"]
        );
    }

    #[test]
    fn a_mutant_is_a_proof_as_a_faulty_executor_is() {
        let list = r#""pool-channel conformance r101_once" {} "pool-async conformance own::r102_whole" {}"#;
        assert!(unproven_of(&[(MUTANTS, list)]).is_empty());
        assert_eq!(
            unproven_of(&[(MUTANTS, r#""pool join r101""#)]),
            ["R101", "R102"]
        );
    }
}
