//! The list of names is the list of rules.

use pool_conformance::{Rule, all};

macro_rules! names {
    ($($rule:ident)*) => {
        [$(stringify!($rule)),*]
    };
}

/// `R101`, "an accepted job's end": `r101_an_accepted_jobs_end`.
fn name_of(rule: &Rule) -> String {
    let title = rule.title.to_lowercase().replace('\'', "");
    let words = title.split(|letter: char| !letter.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!("{}_{}", rule.id.to_lowercase(), words.join("_"))
}

#[test]
fn every_rule_has_its_promise_for_a_name() {
    let named = pool_conformance::for_each_rule! { (names) };
    let rules: Vec<String> = all().iter().map(name_of).collect();
    assert_eq!(rules, named);
}
