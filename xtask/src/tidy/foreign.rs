//! The table of foreign suites, checked against the tests and the rules that it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::find;
use crate::root;

/// The suites, with their table.
const SUITES: &str = "crates/pool/tests/foreign";
/// All tests that the table may name.
const TESTS: &str = "crates/pool/tests";
const RULES: &str = "crates/pool-conformance/src/rules";

/// The names that exist.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) tests: BTreeSet<String>,
    /// Those that the table must name.
    pub(crate) foreign: BTreeSet<String>,
    pub(crate) rules: BTreeSet<String>,
}

pub(crate) fn check() -> Result<()> {
    let path = root().join(SUITES).join("README.md");
    let table = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let known = Known {
        tests: names(TESTS, tests_in)?,
        foreign: names(SUITES, tests_in)?,
        rules: names(RULES, rules_in)?,
    };
    let findings = findings(&table, &known);
    for finding in &findings {
        println!("{SUITES}/README.md: {finding}");
    }
    let found = findings.len();
    ensure!(
        found == 0,
        "{found} findings in the table of foreign suites"
    );
    Ok(())
}

fn names(directory: &str, names_in: fn(&str) -> Vec<String>) -> Result<BTreeSet<String>> {
    let mut files = Vec::new();
    find(&root().join(directory), "rs", &mut files)?;
    let read = |file: &Path| {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        Ok(names_in(&text))
    };
    let names: Result<Vec<_>> = files.iter().map(|file| read(file)).collect();
    Ok(names?.into_iter().flatten().collect())
}

/// The names of the tests in a file.
pub(crate) fn tests_in(text: &str) -> Vec<String> {
    let mut lines = text.lines().map(str::trim);
    let mut names = Vec::new();
    while lines.any(|line| line == "#[test]") {
        let function = lines.find_map(|line| line.strip_prefix("fn "));
        names.extend(function.and_then(|rest| Some(rest.split_once('(')?.0.to_owned())));
    }
    names
}

/// The numbers of the rules in a file of the kit, where they are strings.
pub(crate) fn rules_in(text: &str) -> Vec<String> {
    let strings = text.split('"');
    let is_rule = |word: &&str| is_rule_number(word);
    strings.filter(is_rule).map(str::to_owned).collect()
}

fn is_rule_number(word: &str) -> bool {
    let digits = word.strip_prefix('R');
    digits
        .is_some_and(|it| matches!(it.len(), 3 | 4) && it.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What is wrong with the table.
pub(crate) fn findings(table: &str, known: &Known) -> Vec<String> {
    let mut findings = Vec::new();
    let mut named = BTreeSet::new();
    for (case, here) in table.lines().filter_map(row) {
        let tests: Vec<&str> = here.split('`').skip(1).step_by(2).collect();
        let rules = here.split(|it: char| !it.is_ascii_alphanumeric());
        let rules: Vec<&str> = rules.filter(|word| is_rule_number(word)).collect();
        for &test in &tests {
            if !known.tests.contains(test) {
                findings.push(format!("no test is named `{test}`"));
            }
            named.insert(test);
        }
        for &rule in &rules {
            if !known.rules.contains(rule) {
                findings.push(format!("the kit has no rule {rule}"));
            }
        }
        let is_explained = here.contains('\u{2013}') || here.contains("as under");
        if tests.is_empty() && rules.is_empty() && !is_explained {
            findings.push(format!("neither a test, a rule nor a reason for: {case}"));
        }
    }
    let missing = known
        .foreign
        .iter()
        .filter(|it| !named.contains(it.as_str()));
    findings.extend(missing.map(|test| format!("the test `{test}` is in no row")));
    findings
}

/// A row of the table: the original cases, and what is here. Not the header or the ruler.
fn row(line: &str) -> Option<(&str, &str)> {
    let (case, here) = line
        .strip_prefix("| ")?
        .strip_suffix(" |")?
        .split_once(" | ")?;
    (case != "case").then_some((case, here))
}
