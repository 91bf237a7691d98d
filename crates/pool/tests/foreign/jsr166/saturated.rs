//! A pool that is full or ending rejects a job: it comes back, and the caller may try again or run
//! it.

use std::convert::Infallible;
use std::thread;
use std::time::Duration;

use pool::{Job, JobContext, Pool, ShutdownPolicy, SubmitError};
use pool_conformance::probe::{Count, Gate, occupy, poll_once, ready, wait_until};

use crate::each::{ROOM, ends_clean, on_each_backend, pool};

/// A job that can be told from any other.
#[derive(Debug)]
struct Recycled {
    number: usize,
    rejections: usize,
    done: Count,
}

impl Job for Recycled {
    type Output = usize;
    type Error = Infallible;

    fn run(self, _ctx: &JobContext<'_>) -> Result<usize, Infallible> {
        self.done.add();
        Ok(self.number)
    }
}

#[test]
fn a_rejected_job_is_submitted_again_until_it_gets_in() {
    const JOBS: usize = 1000;
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 3);
        let done = Count::new();
        for number in 0..JOBS {
            let mut job = Recycled {
                number,
                rejections: 0,
                done: done.clone(),
            };
            loop {
                match pool.try_submit(job) {
                    Ok(handle) => break handle.detach(),
                    Err(SubmitError::Full(back)) => {
                        assert_eq!(back.number, number, "another job came back");
                        job = Recycled {
                            rejections: back.rejections + 1,
                            ..back
                        };
                        thread::yield_now();
                    }
                    Err(SubmitError::Closed(_)) => panic!("nobody closed the pool"),
                }
            }
        }
        done.wait_for(JOBS);
        assert_eq!(ends_clean(&pool).accepted(), JOBS as u64);
        assert_eq!(done.get(), JOBS, "each ran once");
    });
}

#[test]
fn who_is_rejected_may_run_the_job_itself_or_let_it_go() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 1);
        let gate = occupy(&pool, 1);
        let queued = pool.spawn(|| ()).expect("one place is free");
        let caller = thread::current().id();
        let rejected = pool.try_submit(|_: &JobContext<'_>| Ok::<_, Infallible>(()));
        assert!(rejected.is_err_and(|error| error.is_full()));
        // The pool's own way to wait, for a caller that could also try again.
        let rejected = pool.submit_timeout(
            move |_: &JobContext<'_>| Ok::<_, Infallible>(()),
            Duration::ZERO,
        );
        assert!(rejected.is_err_and(|error| error.is_full()));
        pool.close();
        let closed = pool.spawn(move || thread::current().id() == caller);
        let own = closed.expect_err("the pool is closed").into_job();
        assert!(own(), "it runs where it is called");
        gate.open();
        assert!(queued.join().is_ok());
        let report = ends_clean(&pool);
        assert_eq!(report.accepted(), 2, "a rejected job is no job: {report}");
    });
}

/// How a saturated pool is brought to its end.
#[derive(Debug, Clone, Copy)]
enum End {
    Closed,
    Drained,
    Now,
}

#[test]
fn a_saturated_pool_rejects_before_during_and_after_its_end() {
    on_each_backend(|backend| {
        for end in [End::Closed, End::Drained, End::Now] {
            rejects_to_the_last(&pool(backend, 1, 1), end);
        }
    });
}

fn rejects_to_the_last(pool: &Pool, end: End) {
    let gate = occupy(pool, 1);
    let queued = pool.spawn(|| ()).expect("one place is free");
    rejects(pool, |error| error.is_full());
    let report = match end {
        End::Closed => {
            pool.close();
            None
        }
        End::Drained => {
            let policy = ShutdownPolicy::drain();
            Some(drain_while_rejecting(pool, policy, &gate))
        }
        End::Now => Some(pool.shutdown(ShutdownPolicy::now())),
    };
    rejects(pool, |error| error.is_closed());
    gate.open();
    wait_until("both have ended, or come back", pool, || {
        let stats = pool.stats();
        stats.finished() + stats.unstarted == 2
    });
    rejects(pool, |error| error.is_closed());
    let ran = pool.stats().completed;
    match end {
        End::Now => {
            let report = report.expect("there is one");
            assert_eq!((ran, report.unstarted()), (1, 1), "{report}");
            drop(report);
            assert!(queued.join().is_err(), "it did not run");
        }
        End::Closed | End::Drained => {
            assert_eq!(ran, 2, "what was accepted ran");
            assert!(queued.join().is_ok());
        }
    }
}

/// The pool is seen closed while its drain still waits for the gate.
fn drain_while_rejecting(pool: &Pool, policy: ShutdownPolicy, gate: &Gate) -> pool::ShutdownReport {
    thread::scope(|threads| {
        let draining = threads.spawn(|| pool.shutdown(policy));
        wait_until("the drain begins", pool, || {
            pool.stats().accepted == 2 && {
                let rejected = pool.try_submit(|_: &JobContext<'_>| Ok::<_, Infallible>(()));
                rejected.is_err_and(|error| error.is_closed())
            }
        });
        assert!(!draining.is_finished(), "the gate is shut");
        gate.open();
        draining.join().expect("a drain does not panic")
    })
}

#[track_caller]
fn rejects(pool: &Pool, is_right: impl Fn(&SubmitError<()>) -> bool) {
    let nothing = |_: &JobContext<'_>| Ok::<_, Infallible>(());
    let errors = [
        pool.try_submit(nothing).err().map(|it| it.map(drop)),
        pool.submit_timeout(nothing, Duration::ZERO)
            .err()
            .map(|it| it.map(drop)),
        pool.try_submit_future(|_| async { Ok::<_, Infallible>(()) })
            .err()
            .map(|it| it.map(drop)),
    ];
    for error in errors {
        let error = error.expect("it must be rejected");
        assert!(is_right(&error), "{error:?}");
    }
}

/// All of them are in line for a slot when the pool is told to end.
#[test]
fn whoever_waits_for_a_place_is_told_of_the_end() {
    const WAITING: usize = 8;
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 1);
        let gate = occupy(&pool, 1);
        pool.spawn(|| ()).expect(ROOM).detach();
        let woken = Count::new();
        let mut waiting: Vec<_> = (0..WAITING)
            .map(|_| Box::pin(pool.submit_async(|_: &JobContext<'_>| Ok::<_, Infallible>(()))))
            .collect();
        for submission in &mut waiting {
            assert!(
                poll_once(submission.as_mut(), &woken).is_pending(),
                "there is no place"
            );
        }
        pool.close();
        woken.wait_for(WAITING);
        for mut submission in waiting {
            assert!(ready(submission.as_mut()).is_err_and(|error| error.is_closed()));
        }
        gate.open();
        assert_eq!(ends_clean(&pool).accepted(), 2);
    });
}
