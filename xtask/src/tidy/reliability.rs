//! Checks RELIABILITY.md against the sources: it has every row, and every test and rule that it
//! names exists.

use anyhow::{Result, ensure};

/// The rows that it must have. Those that follow in the list of failures are for jobs kept outside
/// the process.
const ROWS: std::ops::RangeInclusive<u32> = 1..=44;

/// How the proof of a row without a test begins, before it says why.
const WITHOUT: &str = "No test:";

/// Checks the table against the text of every source file.
pub(crate) fn check(table: &str, sources: &[String]) -> Result<()> {
    let wrong = findings(table, sources);
    ensure!(wrong.is_empty(), "RELIABILITY.md: {}", wrong.join("; "));
    Ok(())
}

/// What is wrong with the table.
pub(crate) fn findings(table: &str, sources: &[String]) -> Vec<String> {
    let rows: Vec<(u32, &str)> = table.lines().filter_map(row).collect();
    let mut wrong = Vec::new();
    for number in ROWS {
        let proofs: Vec<&str> = rows
            .iter()
            .filter(|row| row.0 == number)
            .map(|row| row.1)
            .collect();
        let [proof] = proofs[..] else {
            wrong.push(format!("row {number} is there {} times", proofs.len()));
            continue;
        };
        let named: Vec<&str> = names(proof).collect();
        if named.is_empty() && !proof.starts_with(WITHOUT) {
            wrong.push(format!("row {number} names no test, and not why"));
        }
        let missing = named.iter().filter(|name| !is_there(name, sources));
        wrong.extend(missing.map(|name| format!("row {number} names `{name}`, which is nowhere")));
    }
    wrong
}

/// The number of a row and its last cell: `| 17 | failure | promise | proof |`.
fn row(line: &str) -> Option<(u32, &str)> {
    let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
    let number = cells.first()?.parse().ok()?;
    // Nothing follows the last bar.
    let proof = cells.iter().rev().nth(1)?;
    Some((number, proof))
}

/// The rules and tests among the words in backticks. Other words there are just code.
fn names(proof: &str) -> impl Iterator<Item = &str> {
    let quoted = proof.split('`').skip(1).step_by(2);
    quoted.filter(|name| is_rule(name) || is_test(name))
}

pub(super) fn is_rule(name: &str) -> bool {
    let number = name.strip_prefix('R');
    number.is_some_and(|number| {
        matches!(number.len(), 3 | 4) && number.bytes().all(|it| it.is_ascii_digit())
    })
}

/// A test's name is a sentence.
fn is_test(name: &str) -> bool {
    let is_word = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_';
    name.bytes().all(is_word) && name.matches('_').count() >= 2
}

fn is_there(name: &str, sources: &[String]) -> bool {
    let declared = if is_rule(name) {
        format!("\"{name}\",")
    } else {
        format!("fn {name}(")
    };
    sources.iter().any(|text| text.contains(&declared))
}
