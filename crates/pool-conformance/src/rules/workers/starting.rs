//! A worker cannot start: the build fails, and the workers that had started have stopped.

use std::error::Error;
use std::fmt;

use pool_core::BuildError;
use pool_core::backend::PoolConfig;

use super::{Own, Seen, WORKERS, config};
use crate::probe::Count;
use crate::subject::Subject;
use crate::thread::{self, ThreadId};
use crate::threads::{unique_prefix, wait_until_gone};

/// How a worker's start ends early.
#[derive(Debug, Clone, Copy)]
enum Fails {
    Error,
    Panic,
    /// By a panic, through `on_worker_start`, which returns no error.
    PlainPanic,
}

/// The error of a start, with a source.
#[derive(Debug)]
struct NoDatabase(fmt::Error);

impl fmt::Display for NoDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no database")
    }
}

impl Error for NoDatabase {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Part of `R109`: whichever worker fails, and in whichever way.
pub(super) fn a_start_that_fails_fails_the_build(subject: Subject) {
    for fails in [Fails::Error, Fails::Panic, Fails::PlainPanic] {
        for failing in 0..WORKERS {
            one_fails(subject, fails, failing, failing);
        }
        // If several fail, the error names the first.
        one_fails(subject, fails, 1, WORKERS - 1);
    }
}

/// The workers from `first` to `last` fail.
fn one_fails(subject: Subject, fails: Fails, first: usize, last: usize) {
    let (seen, prefix) = (Seen::default(), unique_prefix());
    let mut config = config(WORKERS, &prefix);
    seen.observe(&mut config);
    let (holds, others) = (seen.states.value(), Count::new());
    let (counted, observed) = (others.clone(), seen.clone());
    let start = move |index: usize| {
        let _held = &holds;
        if (first..=last).contains(&index) {
            // Last, so that the others wait for jobs by now, or soon.
            counted.wait_for(WORKERS - (last - first + 1));
            return match fails {
                Fails::Error => Err(NoDatabase(fmt::Error)),
                Fails::Panic | Fails::PlainPanic => panic!("R109: no database"),
            };
        }
        let state = observed.start(index);
        counted.add();
        Ok(state)
    };
    set_start(&mut config, fails, start);
    let Err(error) = subject.build(config) else {
        panic!("a pool was built whose worker {first} did not start ({fails:?})");
    };
    says_which_and_why(&error, fails, first);
    nothing_is_left(&seen, &prefix, WORKERS - (last - first + 1));
}

fn set_start(
    config: &mut PoolConfig,
    fails: Fails,
    start: impl Fn(usize) -> Result<Own, NoDatabase> + Send + Sync + 'static,
) {
    match fails {
        Fails::Error | Fails::Panic => config.set_try_on_worker_start(start),
        Fails::PlainPanic => {
            config.set_on_worker_start(move |index| start(index).expect("it panics instead"));
        }
    }
}

#[track_caller]
fn says_which_and_why(error: &BuildError, fails: Fails, failed: usize) {
    let text = error.to_string();
    match (error, fails) {
        (BuildError::WorkerStart { worker, reason }, Fails::Error) => {
            assert_eq!(*worker, failed, "{text}");
            assert!(reason.is::<NoDatabase>(), "{reason:?}");
            let cause = fmt::Error.to_string();
            assert_eq!(text.matches(&cause).count(), 1, "{text}");
        }
        (BuildError::WorkerStartPanicked { worker, panic }, Fails::Panic | Fails::PlainPanic) => {
            assert_eq!(*worker, failed, "{text}");
            assert_eq!(panic.message(), "R109: no database");
        }
        _ => panic!("{fails:?} became {error:?}"),
    }
    assert!(text.contains(&format!("worker {failed}")), "{text}");
    assert_eq!(text.matches("no database").count(), 1, "{text}");
}

/// Each worker that had started has stopped and dropped its state, on its own thread.
#[track_caller]
fn nothing_is_left(seen: &Seen, prefix: &str, started: usize) {
    wait_until_gone(prefix);
    let sorted = |mut entries: Vec<(usize, ThreadId)>| {
        entries.sort_by_key(|entry| entry.0);
        entries
    };
    let starts = sorted(seen.started.take());
    assert_eq!(starts.len(), started, "each other worker has started once");
    let own = thread::current().id();
    assert!(starts.iter().all(|(_, thread)| *thread != own));
    assert_eq!(sorted(seen.stopped.take()), starts, "stops");
    assert_eq!(sorted(seen.dropped.take()), starts, "drops of the state");
    assert_eq!(seen.states.count(), 0, "what the hooks hold is dropped");
}
