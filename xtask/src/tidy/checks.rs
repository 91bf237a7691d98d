//! The checks, each a function from a file to what is wrong with it.

use std::fmt;

use super::english::old_fashioned_turns;
use super::source::{Source, code};

/// The most lines of code in a file: it holds one concept.
const FILE_LIMIT: usize = 400;
/// The most lines of a function: it fits on one screen.
const FUNCTION_LIMIT: usize = 60;

// In parts, so that this file does not break the rules it checks.
const SLEEP: &str = concat!("thread", "::sleep");
const IGNORE: &str = concat!("#[", "ignore");
const WALL_CLOCK: &str = concat!("System", "Time");
const UNFINISHED: [&str; 2] = [concat!("todo", "!("), concat!("unimplemented", "!(")];
const UNSAFE: [&str; 2] = [concat!("unsafe", " {"), concat!("unsafe", " impl")];

/// The most columns of a comment, as of code. Tables, links and examples may be wider.
const COLUMNS: usize = 100;
/// Words that the field's terms replaced, and what to say instead.
const RETIRED: [(&str, &str); 7] = [
    (concat!("err", "and"), "deferred action"),
    (concat!("dep", "uty"), "proxy waker"),
    (concat!("pop", "per"), "dequeuer"),
    (concat!("end", "er"), "finisher"),
    (concat!("sta", "sh"), "local cache"),
    (concat!("rec", "all"), "reclaim"),
    (concat!("Front", "Door"), "FrontRef"),
];

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    /// `index` counts lines from 0.
    pub(crate) fn at(source: &Source<'_>, index: usize, what: impl Into<String>) -> Self {
        Self {
            path: source.path.clone(),
            line: index + 1,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// All that is wrong with a file.
pub(crate) fn all(source: &Source<'_>) -> Vec<Finding> {
    if source.is_markdown() {
        return old_fashioned_turns(source);
    }
    [
        module_doc(source),
        length_of_file(source),
        length_of_functions(source),
        safety_comments(source),
        sleeping_tests(source),
        unfinished(source),
        wall_clock(source),
        wide_comments(source),
        retired_words(source),
        old_fashioned_turns(source),
    ]
    .concat()
}

fn wide_comments(source: &Source<'_>) -> Vec<Finding> {
    let what = format!("a comment has at most {COLUMNS} columns");
    let is_wide = |line: &str| {
        let Some(comment) = line.trim_start().strip_prefix("//") else {
            return false;
        };
        let text = comment.trim_start_matches(['/', '!', ' ']);
        let is_table_or_example = ["|", "# ", "let ", "--", "~"];
        line.chars().count() > COLUMNS
            && !is_table_or_example
                .iter()
                .any(|start| text.starts_with(start))
            && !["](", "://"].iter().any(|link| text.contains(link))
    };
    let lines = source.lines.iter().enumerate();
    lines
        .filter(|(_, line)| is_wide(line))
        .map(|(index, _)| Finding::at(source, index, &what))
        .collect()
}

/// One word for one thing: the field's term.
fn retired_words(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        let words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        for word in words {
            let singular = word.strip_suffix('s').unwrap_or(word);
            for (retired, instead) in RETIRED {
                if word == retired || singular == retired {
                    let what = format!("`{word}`: say {instead}");
                    findings.push(Finding::at(source, index, what));
                }
            }
        }
    }
    findings
}

fn module_doc(source: &Source<'_>) -> Vec<Finding> {
    let has_doc = source
        .lines
        .first()
        .is_some_and(|line| line.starts_with("//!"));
    let what = "a file begins with `//!`: one sentence on what it is for";
    let missing = (!has_doc).then(|| Finding::at(source, 0, what));
    missing.into_iter().collect()
}

fn length_of_file(source: &Source<'_>) -> Vec<Finding> {
    let lines = source.lines_of_code();
    let is_long = source.path.starts_with("crates/") && lines > FILE_LIMIT;
    let what = || format!("{lines} lines of code; the most is {FILE_LIMIT}: split the file");
    is_long
        .then(|| Finding::at(source, 0, what()))
        .into_iter()
        .collect()
}

fn length_of_functions(source: &Source<'_>) -> Vec<Finding> {
    if !source.path.starts_with("crates/") {
        return Vec::new();
    }
    let long = source
        .functions()
        .into_iter()
        .filter(|it| it.length > FUNCTION_LIMIT);
    long.map(|function| {
        let lines = function.length;
        let what = format!("a function of {lines} lines; the most is {FUNCTION_LIMIT}");
        Finding::at(source, function.start, what)
    })
    .collect()
}

fn safety_comments(source: &Source<'_>) -> Vec<Finding> {
    let is_bare = |index: &usize| {
        contains_any(source.lines[*index], &UNSAFE) && !source.is_explained(*index, "SAFETY:")
    };
    let what = "needs a comment above, `SAFETY:` and why the precondition holds";
    let bare = (0..source.lines.len()).filter(is_bare);
    bare.map(|index| Finding::at(source, index, what)).collect()
}

fn sleeping_tests(source: &Source<'_>) -> Vec<Finding> {
    let is_test = source.path.contains("/tests/") || source.path.contains("pool-conformance/");
    if !is_test {
        return Vec::new();
    }
    each(source, &[SLEEP], "a test waits for an event, not for time")
}

fn unfinished(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = each(source, &UNFINISHED, "write it, or leave it out");
    findings.extend(each(source, &[IGNORE], "a test runs, or is deleted"));
    findings
}

/// Deadlines, limits and ages must not jump when a clock is set.
fn wall_clock(source: &Source<'_>) -> Vec<Finding> {
    if !(source.path.starts_with("crates/") && source.path.contains("/src/")) {
        return Vec::new();
    }
    let what = "the pool reads the monotonic clock alone: `Instant`";
    each(source, &[WALL_CLOCK], what)
}

/// A finding for each line whose code contains one of `needles`.
fn each(source: &Source<'_>, needles: &[&str], what: &str) -> Vec<Finding> {
    let lines = source.lines.iter().enumerate();
    lines
        .filter(|(_, line)| contains_any(line, needles))
        .map(|(index, _)| Finding::at(source, index, what))
        .collect()
}

fn contains_any(line: &str, needles: &[&str]) -> bool {
    needles.iter().any(|needle| code(line).contains(needle))
}
