//! Every example of the numbered tour runs to its end, and asserts what it claims. The last one, a
//! service, has the tests of `http_service`.

mod example_binary;

use example_binary::{Running, command};
use pool::Backend;

/// Runs the example on every backend that is compiled in.
fn succeeds(name: &str) {
    for backend in Backend::available() {
        let mut command = command(name);
        command.env("POOL_BACKEND", backend.name());
        let run = Running::start(command).finish();
        assert_eq!(run.code, Some(0), "{name} on {backend}:\n{}", run.stderr);
        assert!(!run.stdout.is_empty(), "{name} on {backend} tells nothing");
    }
}

macro_rules! tour {
    ($($test:ident: $name:literal,)*) => {$(
        #[test]
        fn $test() {
            succeeds($name);
        }
    )*};
}

tour! {
    first_pool: "01_first_pool",
    errors_and_panics: "02_errors_and_panics",
    back_pressure: "03_back_pressure",
    deadlines_and_cancellation: "04_deadlines_and_cancellation",
    results_and_map: "05_results_and_map",
    nested_jobs_and_scope: "06_nested_jobs_and_scope",
    futures: "07_futures",
    worker_state: "08_worker_state",
    swapping: "09_swapping",
    shutdown_with_a_hang: "10_shutdown_with_a_hang",
    dyn_executor: "11_dyn_executor",
}

/// It brings its own backend, and its own schedules.
#[cfg(feature = "sim")]
#[test]
fn simulation_finds_the_planted_bug_and_replays_it() {
    let mut command = command("12_simulation");
    command.env_remove("POOL_SIM_SEED");
    let run = Running::start(command).finish();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let replay = run
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("POOL_SIM_SEED="))
        .expect("the failure says how to replay it");
    let (schedule, _program) = replay.split_once(' ').expect("a schedule and a program");
    let mut command = example_binary::command("12_simulation");
    command.env("POOL_SIM_SEED", schedule);
    let again = Running::start(command).finish();
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(again.stdout, run.stdout, "another run of the same schedule");
}

#[test]
fn first_pool_says_safe_to_exit() {
    let run = Running::start(command("01_first_pool")).finish();
    assert!(run.stdout.contains("\nsafe to exit"), "{}", run.stdout);
}

#[test]
fn shutdown_with_a_hang_names_the_job() {
    let run = Running::start(command("10_shutdown_with_a_hang")).finish();
    assert!(run.stdout.contains("still running: "), "{}", run.stdout);
    assert!(
        run.stdout.contains("`waits for a dead peer`"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("\nNOT safe to exit"), "{}", run.stdout);
}
