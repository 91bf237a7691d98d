//! The executors of the examples keep every rule.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Rules measure the machine: two at once would slow each other down.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs an example, which `cargo test` builds next to the tests.
fn keeps_every_rule(example: &str) {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let test = std::env::current_exe().expect("a test knows where it is");
    let profile = test.ancestors().nth(2).expect("tests lie in `deps`");
    let path: PathBuf = profile.join("examples").join(example);
    let output = Command::new(&path).output();
    let output = output.unwrap_or_else(|error| {
        let path = path.display();
        panic!("{path}: {error}; `cargo build -p pool-conformance --examples` builds it")
    });
    let verdicts = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {verdicts}", output.status);
    let rules = pool_conformance::all().len();
    assert_eq!(verdicts.lines().count(), rules, "a line a rule: {verdicts}");
}

#[test]
fn an_executor_of_ones_own() {
    keeps_every_rule("own_executor");
}

#[test]
fn a_thread_for_each_run_of_a_worker() {
    keeps_every_rule("thread_per_run");
}
