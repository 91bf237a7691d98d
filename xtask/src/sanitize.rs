//! `cargo xtask sanitize`: the suite under the address and leak sanitizers, and one stress program
//! under memcheck.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::root;
use crate::steps::{Step, run_all};

/// Sanitizers change only code that is built for a named target, not build scripts and macros.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// A separate folder: the flags differ from the usual ones.
const FOLDER: &str = "target/sanitize";

/// Deliberate leaks, which are not findings.
///
/// A payload that panics when it is dropped, with a payload that does so too, is finally forgotten
/// (`R303`). Only the tests of that rule make such payloads, by panics with their own type, so the
/// name of that panic identifies them. And one of the executors that the kit must catch keeps its
/// pool alive forever: that is its flaw.
const SUPPRESSED: &str = "\
leak:begin_panic*pool_conformance::rules::bombs::Bomb
leak:pool_conformance::faulty::endings::Immortal
";

/// Tests of what a sanitizer changes: the memory and stack of the process, since it keeps freed
/// memory for a while; and chains and forks, which take many times as long under it. Forks also
/// leave its own locks behind.
const NOT_UNDER_IT: [&str; 16] = [
    "chains::a_chain_of_values",
    "chains::futures_that_a_chain_of_wakers",
    "each_mistake_is_told",
    "fork::a_drop_in_a_forked_child",
    "fork::a_worker_that_is_forked",
    "many::the_memory_of_a_scope",
    "memory::a_burst_gives_its_memory_back",
    "memory::a_capacity_of_any_size",
    "memory::a_million_submissions",
    "memory::a_short_queue_takes_no_more_memory",
    "memory::futures_that_a_job_joins",
    "memory::jobs_that_end_in_the_queue",
    "refused::a_stack_overflow",
    "scopes::jobs_of_a_scope_do_not_pile_up",
    "threads::threads_that_were_given",
    "tokens::generations_of_jobs_take_no_memory",
];

pub(crate) fn run() -> Result<()> {
    require_linux()?;
    require(
        Command::new("rustup").args(["run", "nightly", "rustc", "--version"]),
        "the sanitizers need a nightly compiler: rustup toolchain install nightly",
    )?;
    require(
        Command::new("valgrind").arg("--version"),
        "memcheck needs valgrind: install the package `valgrind` of the system",
    )?;
    run_all(&[examples(), suite()?, stress(), memcheck()])
}

fn require_linux() -> Result<()> {
    let host = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    ensure!(
        host == "x86_64-linux",
        "the sanitizers run on x86_64-linux alone, and this is {host}"
    );
    Ok(())
}

fn require(command: &mut Command, otherwise: &str) -> Result<()> {
    let output = command.output();
    if !output.is_ok_and(|output| output.status.success()) {
        bail!("{otherwise}");
    }
    Ok(())
}

/// A step of nightly cargo, with the sanitizer in everything it builds.
fn sanitized(arguments: &str, to_tests: &str) -> Step {
    let arguments =
        format!("run nightly cargo {arguments} --target {TARGET} --target-dir {FOLDER}{to_tests}");
    Step::program("rustup", &arguments).with("RUSTFLAGS", "-Zsanitizer=address")
}

/// Tests start them.
fn examples() -> Step {
    sanitized("build --all-features --examples", "")
}

/// Every test except those in the documentation, which do not link with a sanitizer. Leaks are
/// looked for at the end of each binary.
fn suite() -> Result<Step> {
    let folder = root().join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let file = folder.join("leaks.txt");
    fs::write(&file, SUPPRESSED).with_context(|| file.display().to_string())?;
    let suppressions = format!("suppressions={}:print_suppressions=0", file.display());
    let skipped = NOT_UNDER_IT.map(|test| format!(" --skip {test}")).concat();
    let tests = sanitized(
        "test --all-features --lib --bins --tests --no-fail-fast",
        &format!(" --{skipped}"),
    );
    // One of the executors that the kit must catch asks for all of its capacity at once.
    let options = "detect_leaks=1:allocator_may_return_null=1";
    Ok(tests
        .with("ASAN_OPTIONS", options)
        .with("LSAN_OPTIONS", suppressions))
}

fn stress() -> Step {
    Step::cargo("build -p stress")
}

/// Some rounds of the soak, which uses everything, at a hundredth of its speed.
fn memcheck() -> Step {
    let soak = "target/debug/stress soak --backend all --seconds 20 --seed 1";
    let options =
        "--fair-sched=yes --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=9";
    Step::program("valgrind", &format!("{options} {soak}"))
}
