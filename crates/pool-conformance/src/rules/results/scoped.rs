//! R505: jobs that borrow end before what they borrow can be dropped.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pool_core::{Executor, ExecutorExt, JobContext, Scope, ScopeError, Shutdown, ShutdownPolicy};

use crate::probe::{Count, Gate, ROOM, ended, occupy, pool, returns_only_after};
use crate::rule::Applied;
use crate::subject::Subject;

pub(super) fn r505(subject: Subject) -> Applied {
    let two = pool(subject, 2, 2);
    for closure_panics in [false, true] {
        for job_panics in [false, true] {
            over_when_left(&two, closure_panics, job_panics);
        }
    }
    borrowing(&two);
    the_first_panic(&two);
    added_by_a_drop(&two);
    inside_a_job(&pool(subject, 1, 1));
    left_over_by_a_shutdown(&pool(subject, 1, 8));
    Applied::Held
}

fn over_when_left(pool: &impl Executor, closure_panics: bool, job_panics: bool) {
    const JOBS: usize = 4;
    let (gate, over) = (Gate::new(), Count::new());
    let (pass, over_in_job) = (gate.pass(), &over);
    let leave = || {
        pool.scope(|scope| {
            for job in 0..JOBS {
                let pass = pass.clone();
                let body = move || {
                    pass.wait();
                    over_in_job.add();
                    assert!(!(job_panics && job == 1), "the job's own panic");
                };
                scope.spawn(body).expect(ROOM);
            }
            assert!(!closure_panics, "the closure's own panic");
            5
        })
    };
    let leave = || catch_unwind(AssertUnwindSafe(leave));
    let left = returns_only_after(|| gate.open(), leave);
    assert_eq!(over.get(), JOBS, "jobs over when the scope was left");
    match (closure_panics, job_panics, left) {
        (false, false, Ok(Ok(value))) => assert_eq!(value, 5),
        (false, true, Ok(Err(ScopeError::Panicked(info)))) => {
            assert_eq!(info.message(), "the job's own panic");
        }
        (true, _, Err(payload)) => {
            let message = payload.downcast_ref::<&str>();
            assert_eq!(message, Some(&"the closure's own panic"));
        }
        (.., left) => panic!("closure: {closure_panics}, job: {job_panics}: {left:?}"),
    }
}

fn borrowing(pool: &impl Executor) {
    let numbers: Vec<u64> = (0..100).collect();
    let mut halves = [0; 2];
    let sum = AtomicU64::new(0);
    let result = pool.scope(|scope| {
        for (half, numbers) in halves.iter_mut().zip(numbers.chunks(50)) {
            let sum = &sum;
            scope
                .spawn(move || {
                    *half = numbers.iter().sum();
                    let half = *half;
                    let add = move || {
                        sum.fetch_add(half, Ordering::Relaxed);
                    };
                    scope.spawn(add).expect(ROOM);
                })
                .expect(ROOM);
        }
    });
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(halves, [1225, 3725]);
    assert_eq!(sum.into_inner(), 4950, "a job's job is the scope's as well");
}

fn inside_a_job(pool: &impl Executor) {
    let job = |ctx: &JobContext<'_>| {
        let sum = AtomicU64::new(0);
        let result = ctx.executor().scope(|scope| {
            for number in 0..20 {
                let sum = &sum;
                let add = move || {
                    sum.fetch_add(number, Ordering::Relaxed);
                };
                scope.spawn(add).expect(ROOM);
            }
        });
        Ok::<_, Infallible>((result.is_ok(), sum.into_inner()))
    };
    let seen = ended(pool.submit(job).expect(ROOM));
    assert_eq!(seen.expect("it cannot fail"), (true, 190));
}

/// The reported panic is that of the job submitted first, whichever panicked first.
fn the_first_panic(pool: &impl Executor) {
    const JOBS: usize = 200;
    let over = Count::new();
    let result = pool.scope(|scope| {
        for job in 0..JOBS {
            let over = over.clone();
            let body = move || {
                if job == 0 {
                    over.wait_for(JOBS - 1);
                }
                over.add();
                std::panic::resume_unwind(Box::new(job.to_string()));
            };
            scope.spawn(body).expect(ROOM);
        }
    });
    match result {
        Err(ScopeError::Panicked(info)) => assert_eq!(info.message(), "0"),
        other => panic!("{other:?}"),
    }
}

/// A value that adds a job to its scope as it is dropped.
struct Adds<'scope, 'env, E: Executor + ?Sized> {
    scope: &'scope Scope<'scope, 'env, E>,
    added: &'env Count,
}

impl<E: Executor + ?Sized> Drop for Adds<'_, '_, E> {
    fn drop(&mut self) {
        let added = self.added;
        self.scope.spawn(move || _ = added.add()).expect(ROOM);
    }
}

/// What a job captured is dropped before the scope is left, and may add a job then.
fn added_by_a_drop(pool: &impl Executor) {
    let added = Count::new();
    let added = &added;
    let result = pool.scope(|scope| {
        for _ in 0..10 {
            let adds = Adds { scope, added };
            scope.spawn(move || drop(adds)).expect(ROOM);
            let adds = Adds { scope, added };
            let captures = move || {
                let _captured = &adds;
            };
            scope.spawn(captures).expect(ROOM);
        }
    });
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(added.get(), 20, "a job's job is the scope's as well");
}

/// Jobs that a shutdown leaves unstarted never run, and the scope is left once they are dropped.
fn left_over_by_a_shutdown(pool: &(impl Executor + Shutdown)) {
    let gate = occupy(pool, 1);
    let (ran, captured) = (Count::new(), Arc::new(()));
    let left = pool.scope(|scope| {
        for _ in 0..3 {
            let (ran, captured) = (ran.clone(), Arc::clone(&captured));
            let run = move || {
                ran.add();
                drop(captured);
            };
            scope.spawn(run).expect(ROOM);
        }
        let report = pool.shutdown(ShutdownPolicy::now());
        assert_eq!(report.unstarted(), 3, "{report}");
    });
    assert!(matches!(left, Err(ScopeError::Unfinished(3))), "{left:?}");
    assert_eq!(ran.get(), 0);
    assert!(
        Arc::into_inner(captured).is_some(),
        "captures outlive the scope"
    );
    gate.open();
}
