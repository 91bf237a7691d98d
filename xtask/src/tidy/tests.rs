//! Each check finds what it is for, and nothing in correct code.

use super::checks;
use super::english::OLD_FASHIONED;
use super::foreign::{self, Known};
use super::reliability;
use super::source::{Function, Source};

/// A file without findings.
const GOOD: &str = "//! What this file is for.

/// Counts.
pub fn count(
    numbers: &[u32],
) -> usize {
    // SAFETY: nothing is read.
    let zero =
        unsafe { none() };
    numbers.len() + zero
}

// SAFETY: it is a number.
#[expect(some_lint, reason = \"it is a number\")]
unsafe impl Send for Number {}

trait Shape {
    fn area(&self) -> u32;
    fn name(&self) -> &str { \"shape\" }
}
";

fn findings(path: &str, text: &str) -> Vec<String> {
    let findings = checks::all(&Source::new(path, text));
    findings.iter().map(ToString::to_string).collect()
}

/// Asserts one finding for `text` in `path`, at `line`.
fn assert_found(path: &str, text: &str, line: usize) {
    let found = findings(path, text);
    assert_eq!(found.len(), 1, "{found:?}");
    let place = format!("{path}:{line}: ");
    assert!(found[0].starts_with(&place), "{found:?}");
}

#[test]
fn good_code_is_left_alone() {
    assert_eq!(findings("crates/a/tests/good.rs", GOOD), [""; 0]);
}

#[test]
fn a_wide_comment_is_found_unless_it_is_a_table() {
    let wide = format!("//! Doc.\n\n// {}\n", "word ".repeat(20));
    assert_found("benches/src/a.rs", &wide, 3);
    let table = format!("//! Doc.\n//! | {} |\n", "word ".repeat(20));
    assert_eq!(findings("benches/src/a.rs", &table), [""; 0]);
}

#[test]
fn a_retired_word_is_found_and_a_part_of_another_is_not() {
    let text = concat!(
        "//! Doc.\n\nlet sender = tender(calendar);\n// An err",
        "and.\n"
    );
    assert_found("crates/a/src/a.rs", text, 4);
}

#[test]
fn each_old_fashioned_turn_is_found_in_comments_and_in_markdown() {
    for (turn, _) in OLD_FASHIONED {
        let alone = format!("//! Doc.\n\nlet a = 1; // It is {turn} so.\n");
        assert_found("crates/a/src/a.rs", &alone, 3);
        let wrapped = turn.replace(' ', "\n    /// ");
        assert_found(
            "stress/src/a.rs",
            &format!("//! Doc.\n    /// {wrapped}.\n"),
            2,
        );
        assert_found("docs/a.md", &format!("# Title\n\nIt is ({turn}) so.\n"), 3);
        let capital = format!("{}{}", turn[..1].to_uppercase(), &turn[1..]);
        assert_found("README.md", &format!("**{capital}** it is.\n"), 1);
    }
}

#[test]
fn plain_english_is_left_alone() {
    let text = "//! Doc.\n\n// Forever besides: at least one, at most ten. It may be. It is at the\n\
                // best for every_workers_beside_a_sleeper, the latest, or for\nlet ever = 1;\n";
    assert_eq!(findings("crates/a/src/a.rs", text), [""; 0]);
    let code = "//! Doc.\n\nlet beside = \"whoever\";\n";
    assert_eq!(findings("crates/a/src/a.rs", code), [""; 0]);
    let plain =
        "The thread that waits | for\n\never | may be, it seems, next to `workers_beside`.\n";
    assert_eq!(findings("docs/a.md", plain), [""; 0]);
}

#[test]
fn a_file_without_module_doc_is_found() {
    assert_found("xtask/src/a.rs", "use std::fmt;\n", 1);
    assert_found("xtask/src/a.rs", "", 1);
}

#[test]
fn a_long_file_is_found_by_its_code_alone() {
    let code = "const A: u8 = 0;\n";
    let with = |lines: usize| format!("//! Doc.\n\n// Why.\n{}", code.repeat(lines));
    assert_eq!(findings("crates/a/src/a.rs", &with(400)), [""; 0]);
    assert_found("crates/a/src/a.rs", &with(401), 1);
}

#[test]
fn a_long_function_is_found_where_it_begins() {
    let with = |lines: usize| {
        let body = "        step();\n".repeat(lines);
        format!("//! Doc.\nimpl A {{\n    pub(crate) async fn go() {{\n{body}    }}\n}}\n")
    };
    assert_eq!(findings("crates/a/src/a.rs", &with(58)), [""; 0]);
    assert_found("crates/a/src/a.rs", &with(59), 3);
}

#[test]
fn functions_are_told_from_declarations() {
    let source = Source::new("a.rs", GOOD);
    let lengths: Vec<(usize, usize)> = source
        .functions()
        .iter()
        .map(|Function { start, length }| (*start, *length))
        .collect();
    assert_eq!(lengths, [(3, 8), (18, 1)]);
}

#[test]
fn an_unexplained_unsafe_is_found() {
    let block = format!(
        "//! Doc.\n// Fast.\nlet a = {} b() }};\n",
        concat!("unsafe", " {")
    );
    assert_found("crates/a/src/a.rs", &block, 3);
    let marker = format!(
        "//! Doc.\n// SAFETY: so.\n\n{} Send for A {{}}\n",
        concat!("unsafe", " impl")
    );
    assert_found("crates/a/src/a.rs", &marker, 4);
}

#[test]
fn a_test_that_sleeps_is_found_and_a_program_that_does_is_not() {
    let text = format!(
        "//! Doc.\nfn a() {{\n    {}(TICK);\n}}\n",
        concat!("thread", "::sleep")
    );
    assert_found("crates/a/tests/a.rs", &text, 3);
    assert_found("crates/pool-conformance/src/rules/a.rs", &text, 3);
    assert_eq!(findings("crates/a/src/a.rs", &text), [""; 0]);
}

#[test]
fn what_is_unfinished_is_found() {
    let hole = format!("//! Doc.\nfn a() {{\n    {})\n}}\n", concat!("todo", "!("));
    assert_found("benches/src/a.rs", &hole, 3);
    let skipped = format!("//! Doc.\n{}]\n", concat!("#[", "ignore"));
    assert_found("benches/src/a.rs", &skipped, 2);
}

#[test]
fn a_comment_may_name_what_code_may_not_hold() {
    let text = format!("//! Doc.\n// No {} here.\n", concat!("thread", "::sleep"));
    assert_eq!(findings("crates/a/tests/a.rs", &text), [""; 0]);
}

/// A table, what it names, and the tests that it must name.
fn table_findings(rows: &str, foreign: &[&str]) -> Vec<String> {
    let owned = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
    let known = Known {
        tests: owned(&["one_runs", "two_run"]),
        foreign: owned(foreign),
        rules: owned(&["R101"]),
    };
    foreign::findings(
        &format!("# Table\n| case | here |\n|---|---|\n{rows}"),
        &known,
    )
}

#[test]
fn a_table_that_names_what_there_is_is_left_alone() {
    let rows = "| testOne | `one_runs`, R101 |\n| testTwo | \u{2013} no such thing |\n";
    assert_eq!(table_findings(rows, &["one_runs"]), [""; 0]);
}

#[test]
fn a_table_that_names_what_is_not_there_is_found() {
    let found = table_findings("| testOne | `one_walks`, R102 |\n", &[]);
    assert_eq!(
        found,
        ["no test is named `one_walks`", "the kit has no rule R102"]
    );
}

#[test]
fn a_case_without_a_place_or_a_reason_is_found() {
    let found = table_findings("| testOne | somewhere |\n", &[]);
    assert_eq!(found, ["neither a test, a rule nor a reason for: testOne"]);
}

#[test]
fn a_test_that_no_row_names_is_found() {
    let found = table_findings("| testOne | `one_runs` |\n", &["one_runs", "two_run"]);
    assert_eq!(found, ["the test `two_run` is in no row"]);
}

#[test]
fn tests_and_rules_are_read_off_their_files() {
    let text = "#[test]\n#[cfg(unix)]\nfn one_runs() {\n}\n\nfn two() {}\n";
    assert_eq!(foreign::tests_in(text), ["one_runs"]);
    let text = "rule(\"R101\", \"R1011\", \"R10\", \"R10x\")";
    assert_eq!(foreign::rules_in(text), ["R101", "R1011"]);
}

#[test]
fn a_wall_clock_in_the_pool_is_found_and_in_a_tool_is_not() {
    let text = format!("//! Doc.\nuse std::time::{};\n", concat!("System", "Time"));
    assert_found("crates/a/src/a.rs", &text, 2);
    assert_eq!(findings("xtask/src/a.rs", &text), [""; 0]);
    assert_eq!(findings("crates/a/tests/a.rs", &text), [""; 0]);
}

/// A table of all rows, where `proof` stands for row 7.
fn reliability_with(proof: &str) -> Vec<String> {
    let row = |number| match number {
        7 => format!("| 7 | a failure | a promise | {proof} |\n"),
        _ => format!("| {number} | a failure | a promise | `R101`, `a_test_of_it` |\n"),
    };
    let table: String = (1..=45).map(row).collect();
    let sources = ["required(\"R101\", x)".into(), "fn a_test_of_it() {".into()];
    reliability::findings(&table, &sources)
}

#[test]
fn a_row_of_reliability_names_what_is_there() {
    for proof in [
        "`R101`",
        "with `Waker`: `a_test_of_it`",
        "No test: it cannot be",
    ] {
        assert_eq!(reliability_with(proof), [""; 0], "{proof}");
    }
    for proof in [
        "`R102`",
        "`R101` and `a_test_of_nothing`",
        "none yet",
        "`Waker`",
    ] {
        assert_eq!(reliability_with(proof).len(), 1, "{proof}");
    }
    assert_eq!(
        reliability_with("`R101` |\n| 7 | twice | | `R101`").len(),
        1
    );
    let missing = reliability::findings("| 1 | a | b | `R101` |", &["\"R101\",".into()]);
    assert_eq!(missing.len(), 43, "{missing:?}");
}
