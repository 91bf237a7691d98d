//! Batches: all results, or the first, with or without a time limit, and results as they come.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use pool::{CancelToken, Interrupted, JobContext, JobError, JobExt, JobHandle, Pool};
use pool_conformance::probe::{Count, Gate, PATIENCE, ended, poll_once};

use crate::each::{ROOM, ends_clean, on_each_backend, pool, until_interrupted};

/// Why a job of these tests fails.
#[derive(Debug, PartialEq)]
enum Failure {
    Number(usize),
    Stopped(Interrupted),
}

type Handle = JobHandle<usize, Failure>;

fn fails(number: usize) -> impl FnOnce(&JobContext<'_>) -> Result<usize, Failure> + Send + 'static {
    move |_: &JobContext<'_>| Err(Failure::Number(number))
}

#[test]
fn a_batch_of_nothing_is_no_work() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 4);
        let nothing = (0..0).map(fails);
        assert!(pool.submit_all(nothing).expect("nothing fits").is_empty());
        assert_eq!(pool.map(0..0, |input: usize| input).count(), 0);
        assert!(
            pool.map_unordered(0..0, |input: usize| input)
                .next()
                .is_none()
        );
        assert_eq!(ends_clean(&pool).accepted(), 0);
    });
}

#[test]
fn each_of_a_batch_has_its_own_result_and_its_own_cause() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 4);
        let jobs = (0..20_usize).map(|number| {
            move |_: &JobContext<'_>| match number % 3 {
                0 => Ok(number),
                1 => Err(Failure::Number(number)),
                _ => panic!("number {number}"),
            }
        });
        let handles = pool.submit_all(jobs).expect("room appears");
        for (number, handle) in handles.into_iter().enumerate() {
            match (number % 3, ended(handle)) {
                (0, Ok(value)) => assert_eq!(value, number),
                (1, Err(JobError::Failed(Failure::Number(cause)))) => assert_eq!(cause, number),
                (2, Err(JobError::Panicked(info))) => {
                    assert_eq!(info.message(), format!("number {number}"));
                }
                (_, other) => panic!("{number} became {other:?}"),
            }
        }
        ends_clean(&pool);
    });
}

/// One of three jobs waits until it is told that its time is over. On a very busy machine the time
/// of the others may pass too; then all get more.
#[test]
fn what_is_late_in_a_batch_with_a_limit_is_stopped_and_the_rest_is_not() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 4);
        let mut limit = Duration::from_millis(20);
        loop {
            let mut outcomes = limited_batch(&pool, limit);
            let last = outcomes.pop().expect("there are three");
            let late = outcomes.pop().expect("there are three");
            assert!(matches!(late, Err(JobError::Expired)), "{late:?}");
            match (outcomes.pop().expect("there are three"), last) {
                (Ok(0), Ok(2)) => break,
                (first, last) => assert!(limit < PATIENCE, "{first:?}, {last:?}"),
            }
            limit *= 2;
        }
        pool.wait_idle();
        let stats = pool.stats();
        assert_eq!(stats.finished(), stats.accepted, "{stats}");
        ends_clean(&pool);
    });
}

fn limited_batch(pool: &Pool, limit: Duration) -> Vec<Result<usize, JobError<Failure>>> {
    let jobs = (0..3).map(|number| {
        let job = move |ctx: &JobContext<'_>| {
            if number == 1 {
                return Err(Failure::Stopped(until_interrupted(ctx)));
            }
            Ok(number)
        };
        job.with_timeout(limit)
    });
    let handles = pool.submit_all(jobs).expect("room appears");
    handles.into_iter().map(ended).collect()
}

#[test]
fn a_batch_of_which_none_is_in_time_is_over_all_the_same() {
    const JOBS: usize = 6;
    on_each_backend(|backend| {
        let pool = pool(backend, 2, JOBS);
        let (stopped, deadline) = (Count::new(), Instant::now() + Duration::from_millis(20));
        let jobs = (0..JOBS).map(|_| {
            let stopped = stopped.clone();
            let late = move |ctx: &JobContext<'_>| {
                let interrupted = until_interrupted(ctx);
                stopped.add();
                Err::<(), _>(Failure::Stopped(interrupted))
            };
            late.with_deadline(deadline)
        });
        let handles = pool.submit_all(jobs).expect("room appears");
        for handle in handles {
            assert!(matches!(ended(handle), Err(JobError::Expired)));
        }
        let report = ends_clean(&pool);
        assert_eq!(report.expired(), JOBS as u64, "{report}");
        assert!(
            stopped.get() <= 2,
            "those that were late in the queue did not start"
        );
    });
}

/// The equivalent of `invokeAny`: results as they come, and a token for the rest.
#[test]
fn the_first_result_of_a_batch_stops_the_others() {
    const JOBS: usize = 6;
    on_each_backend(|backend| {
        let pool = pool(backend, 2, JOBS);
        let (token, gate) = (CancelToken::new(), Gate::new());
        let mut handles: Vec<Handle> = (0..JOBS)
            .map(|number| {
                let pass = gate.pass();
                let job = move |ctx: &JobContext<'_>| {
                    if number == 1 {
                        return Ok(number);
                    }
                    // The first keeps one worker busy; those behind the winner find the other.
                    pass.wait();
                    Err(Failure::Stopped(until_interrupted(ctx)))
                };
                pool.submit(job.with_token(&token)).expect(ROOM)
            })
            .collect();
        let winner = handles.remove(1);
        assert_eq!(ended(winner).expect("one wins"), 1);
        token.cancel();
        gate.open();
        for handle in handles {
            assert!(matches!(ended(handle), Err(JobError::Cancelled)));
        }
        pool.wait_idle();
        let stats = pool.stats();
        assert_eq!(
            (stats.completed, stats.cancelled),
            (1, JOBS as u64 - 1),
            "{stats}"
        );
        ends_clean(&pool);
    });
}

#[test]
fn a_batch_of_which_none_succeeds_tells_every_cause() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 4);
        let handles = pool.submit_all((0..10).map(fails)).expect("room appears");
        let causes: BTreeSet<usize> = handles
            .into_iter()
            .map(|handle| match ended(handle) {
                Err(JobError::Failed(Failure::Number(number))) => number,
                other => panic!("it failed, and became {other:?}"),
            })
            .collect();
        assert_eq!(causes, (0..10).collect());
        ends_clean(&pool);
    });
}

#[test]
fn a_result_is_not_there_before_its_job_has_ended() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 4);
        let (gate, woken) = (Gate::new(), Count::new());
        let pass = gate.pass();
        let body = move |_: &JobContext<'_>| {
            pass.wait();
            Ok::<_, Failure>(5)
        };
        let mut handle = pool.submit(body).expect(ROOM);
        assert!(poll_once(Pin::new(&mut handle), &woken).is_pending());
        for limit in [Duration::ZERO, Duration::from_millis(5)] {
            handle = match handle.join_timeout(limit) {
                Err(back) => back,
                Ok(outcome) => panic!("it waits at the gate, and gave {outcome:?}"),
            };
            assert!(!handle.is_finished());
        }
        assert!(poll_once(Pin::new(&mut handle), &woken).is_pending());
        gate.open();
        woken.wait_for(1);
        assert!(handle.is_finished());
        assert_eq!(ended(handle).expect("it completes"), 5);
        ends_clean(&pool);
    });
}

/// Several threads that take results at the same time get each result once.
#[test]
fn results_are_taken_once_whoever_asks() {
    const JOBS: usize = 200;
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 16);
        let results = Mutex::new(pool.map_unordered(0..JOBS, |input| input));
        let taken: Vec<usize> = thread::scope(|threads| {
            let take_all = || {
                let next = || results.lock().expect("no taker panics").next();
                std::iter::from_fn(next)
                    .map(|it| it.expect("it completes"))
                    .collect::<Vec<_>>()
            };
            let takers: Vec<_> = (0..4).map(|_| threads.spawn(take_all)).collect();
            let taken = takers
                .into_iter()
                .map(|it| it.join().expect("no taker panics"));
            taken.flatten().collect()
        });
        assert_eq!(taken.len(), JOBS);
        assert_eq!(
            taken.into_iter().collect::<BTreeSet<_>>(),
            (0..JOBS).collect()
        );
        ends_clean(&pool);
    });
}
