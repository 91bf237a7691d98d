//! Runs every rule against an executor, prints the verdicts, and says whether all rules hold.

use std::process::ExitCode;

use pool_conformance::{Fixture, Verdict};

#[expect(clippy::print_stdout, reason = "the verdicts are the program's output")]
pub(crate) fn print<F: Fixture>() -> ExitCode {
    let mut exit = ExitCode::SUCCESS;
    for rule in pool_conformance::all() {
        let verdict = match rule.run::<F>() {
            Verdict::Passed => "passed".to_owned(),
            Verdict::Skipped(reason) => format!("skipped: {reason}"),
            Verdict::Failed(reason) => {
                exit = ExitCode::FAILURE;
                format!("FAILED: {reason}")
            }
        };
        println!("{} {:<72} {verdict}", rule.id, rule.title);
    }
    exit
}
