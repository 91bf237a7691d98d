//! Futures that are cancelled while they sleep, and the errors of jobs that gave no value.

use std::any::Any;
use std::convert::Infallible;
use std::fmt::Display;
use std::future::pending;
use std::panic::resume_unwind;
use std::thread::{self, ThreadId};
use std::time::Duration;

use pool::{JobContext, JobError, JobExt, JobHandle, ShutdownPolicy};
use pool_conformance::probe::{Count, Log, ended, occupy};

use crate::each::{ROOM, ends_clean, on_each_backend, pool};

/// Records on which thread it is dropped, and panics if told to.
struct Dropped {
    on: Log<ThreadId>,
    told: Count,
    panics: bool,
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.on.note(thread::current().id());
        self.told.add();
        if self.panics {
            resume_unwind(Box::new("as it is dropped"));
        }
    }
}

/// Whether the canceller keeps the handle.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Joins,
    LetsGo,
}

#[test]
fn a_sleeping_future_that_is_cancelled_is_dropped_whoever_still_holds_its_handle() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 4);
        for then in [Then::Joins, Then::LetsGo] {
            for panics in [false, true] {
                let (asleep, on, told) = (Count::new(), Log::new(), Count::new());
                let (polled, captured) = (asleep.clone(), (on.clone(), told.clone()));
                let future = pool.spawn_future(async move {
                    let _dropped = Dropped {
                        on: captured.0,
                        told: captured.1,
                        panics,
                    };
                    polled.add();
                    pending::<()>().await;
                });
                let future = future.expect(ROOM);
                asleep.wait_for(1);
                future.cancel();
                match then {
                    // A panic in a drop does not change the outcome.
                    Then::Joins => assert!(matches!(ended(future), Err(JobError::Cancelled))),
                    Then::LetsGo => drop(future),
                }
                told.wait_for(1);
                assert_ne!(on.take(), [thread::current().id()], "a worker drops it");
            }
        }
        let report = ends_clean(&pool);
        assert_eq!(report.cancelled(), 4, "{report}");
    });
}

/// Cancelled from another thread at the moment at which it falls asleep or ends.
#[test]
fn a_cancel_at_any_moment_of_a_future_leaves_one_outcome() {
    const ROUNDS: usize = 400;
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 8);
        let (mut completed, mut cancelled) = (0, 0);
        for round in 0..ROUNDS {
            let future = pool.spawn_future(async move {
                for _ in 0..round % 3 {
                    tokio::task::yield_now().await;
                }
                round
            });
            let future = future.expect("room appears");
            thread::scope(|threads| {
                threads.spawn(|| {
                    (0..round % 50).for_each(|_| std::hint::spin_loop());
                    future.cancel();
                });
            });
            match ended(future) {
                Ok(value) => {
                    assert_eq!(value, round);
                    completed += 1;
                }
                Err(JobError::Cancelled) => cancelled += 1,
                Err(other) => panic!("a cancelled future became {other:?}"),
            }
        }
        let report = ends_clean(&pool);
        assert_eq!(
            (report.completed(), report.cancelled()),
            (completed, cancelled),
            "{report}"
        );
    });
}

/// What the handle's error says of a job that gave no value.
fn said<T, E: Display>(handle: JobHandle<T, E>) -> String {
    match ended(handle) {
        Ok(_) => panic!("it has no value to give"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_error_says_what_happened() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 8);
        let nothing = |_: &JobContext<'_>| Ok::<(), Infallible>(());
        let throws = |payload: Box<dyn Any + Send>| {
            let body = move || resume_unwind(payload);
            pool.spawn(body).map(|it: JobHandle<(), _>| it).expect(ROOM)
        };
        let fails = pool.submit(|_: &JobContext<'_>| Err::<(), _>("no ink"));
        assert_eq!(said(fails.expect(ROOM)), "the job failed: no ink");
        assert_eq!(
            said(throws(Box::new("a literal"))),
            "the job panicked: a literal"
        );
        let made_up = String::from("made up");
        assert_eq!(said(throws(Box::new(made_up))), "the job panicked: made up");
        let no_text = said(throws(Box::new(5_u8)));
        assert_eq!(no_text, "the job panicked: a payload that is not a string");
        let shown = format!("{:?}", ended(throws(Box::new("a literal"))));
        assert!(
            shown.contains("Panicked") && shown.contains("a literal"),
            "{shown}"
        );
        let expires = pool
            .submit(nothing.with_timeout(Duration::ZERO))
            .expect(ROOM);
        assert_eq!(said(expires), "the job's deadline passed");
        let gate = occupy(&pool, 1);
        let cancelled = pool.submit(nothing).expect(ROOM);
        cancelled.cancel();
        assert_eq!(said(cancelled), "the job was cancelled");
        let abandoned = pool.submit(nothing).expect(ROOM);
        drop(pool.shutdown(ShutdownPolicy::now()));
        assert_eq!(said(abandoned), "the job was abandoned before it started");
        gate.open();
    });
}
