//! `Drain` and real signals, each in a process of its own: this binary, run again for one program.
#![cfg(all(unix, feature = "signals"))]

#[path = "../example_binary/mod.rs"]
mod example_binary;
mod programs;

use std::process::Command;
use std::time::Instant;

use example_binary::{Finished, LIMIT, Running};
use pool::Backend;
use programs::{BACKEND, PROGRAM};

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// Starts a program of [`programs`], and waits until it listens.
fn start(backend: Backend, program: &str) -> Running {
    let mut command = Command::new(std::env::current_exe().expect("a test knows where it is"));
    let only = [
        "programs::program",
        "--exact",
        "--nocapture",
        "--test-threads=1",
    ];
    command.args(only);
    command.env(PROGRAM, program).env(BACKEND, backend.name());
    let mut run = Running::start(command);
    run.wait_for_line("listening");
    run
}

#[track_caller]
fn assert_code(run: &Finished, code: i32) {
    let ended = (run.code, run.signal);
    assert_eq!(ended, (Some(code), None), "{}\n{}", run.stdout, run.stderr);
}

#[track_caller]
fn assert_killed(run: &Finished, signal: i32) {
    let ended = (run.code, run.signal);
    assert_eq!(
        ended,
        (None, Some(signal)),
        "{}\n{}",
        run.stdout,
        run.stderr
    );
}

#[test]
fn the_first_signal_drains() {
    for backend in Backend::available() {
        for signal in ["TERM", "INT"] {
            let mut run = start(backend, "drains");
            run.send(signal);
            // Its server ends then, and the jobs that are queued start.
            run.wait_for_line("stopping");
            let run = run.finish();
            assert_code(&run, 0);
            assert!(run.stderr.contains("3 completed"), "{}", run.stderr);
        }
    }
}

#[test]
fn a_signal_before_the_run_counts() {
    for backend in Backend::available() {
        let run = start(backend, "runs_late");
        run.send("TERM");
        assert_code(&run.finish(), 0);
    }
}

#[test]
fn the_second_signal_ends_a_stop_that_hangs() {
    for backend in Backend::available() {
        for (first, second) in [("TERM", "TERM"), ("INT", "TERM")] {
            let mut run = start(backend, "job_hangs");
            run.send(first);
            run.wait_for_line("stopping");
            run.send(second);
            let run = run.finish();
            assert_code(&run, 3);
            assert!(run.stderr.contains("1 still running"), "{}", run.stderr);
            assert!(
                run.stderr.contains("the server is dropped"),
                "{}",
                run.stderr
            );
        }
    }
}

#[test]
fn the_third_signal_ends_the_process() {
    let backend = Backend::available()[0];
    let mut run = start(backend, "server_never_leaves");
    run.send("TERM");
    run.wait_for_line("stopping");
    run.send("TERM");
    run.wait_for_line("the drop hangs");
    run.send("INT");
    assert_killed(&run.finish(), SIGINT);
}

#[test]
fn a_waker_that_hangs_keeps_no_signal_from_counting() {
    let backend = Backend::available()[0];
    let mut run = start(backend, "waker_hangs");
    run.send("INT");
    run.wait_for_line("the waker hangs");
    // Signals that follow each other too fast count as one, so this one is sent until the process
    // has ended.
    let limit = Instant::now() + LIMIT;
    while run.is_alive() {
        assert!(Instant::now() < limit, "it goes on");
        run.send("TERM");
    }
    assert_killed(&run.finish(), SIGTERM);
}

#[test]
fn without_a_drain_the_signals_are_as_before() {
    let backend = Backend::available()[0];
    for program in [
        "is_dropped",
        "has_run",
        "half_run_is_dropped",
        "one_of_two_is_dropped",
    ] {
        let run = start(backend, program);
        run.send("TERM");
        let run = run.finish();
        if program == "one_of_two_is_dropped" {
            assert_code(&run, 0);
        } else {
            assert_killed(&run, SIGTERM);
        }
    }
}

#[test]
fn two_hear_the_same_signal() {
    let run = start(Backend::available()[0], "two");
    run.send("TERM");
    assert_code(&run.finish(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_to_a_forked_child_is_the_child_s() {
    for program in ["forks", "forks_and_listens"] {
        let run = start(Backend::available()[0], program);
        let run = run.finish();
        assert_code(&run, 0);
        assert!(run.stderr.contains("the parent goes on"), "{}", run.stderr);
    }
}
