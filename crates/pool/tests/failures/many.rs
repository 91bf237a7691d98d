//! Row 29 at scale: many or endless inputs, and many jobs of a scope, also inside a job and at the
//! pool's end.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pool::{ExecutorExt, JobContext, JobError, Pool, ScopeError, ShutdownPolicy};

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, each_backend, ended, ends_clean, hold, on, value};
use crate::system::most_resident;

const INPUTS: usize = 4000;

/// A count that many threads may read.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Endless numbers, each counted when it is taken.
    fn endless(&self) -> impl Iterator<Item = usize> + Send + use<> {
        let count = self.clone();
        (0..).inspect(move |_| count.add())
    }
}

/// Runs `body` in a job of the pool.
#[track_caller]
fn inside<T: Send + std::fmt::Debug + 'static>(
    pool: &Pool,
    body: impl FnOnce(&JobContext<'_>) -> T + Send + 'static,
) -> T {
    let job = |ctx: &JobContext<'_>| Ok::<T, Infallible>(body(ctx));
    value(pool.submit(job).expect("there is room"))
}

/// Checks that the inputs are taken at most `window` ahead of the outcomes. Returns the outcomes'
/// sum.
fn sum_within(
    window: usize,
    taken: &Counter,
    outcomes: impl Iterator<Item = Result<usize, JobError<Infallible>>>,
) -> usize {
    let mut sum = 0;
    for (given, outcome) in outcomes.enumerate() {
        let ahead = taken.get() - given;
        assert!(
            ahead <= window + 1,
            "{ahead} inputs ahead of {given} outcomes"
        );
        sum += outcome.expect("it completes");
    }
    sum
}

#[test]
fn a_map_inside_a_job_takes_inputs_as_it_gives_outcomes() {
    each_backend(|backend| {
        for workers in [1, 2] {
            let pool = on(backend, workers, 8);
            let sums = inside(&pool, move |ctx| {
                let window = workers + 8;
                let taken = Counter::default();
                let inputs = taken.endless().take(INPUTS);
                let ordered = ctx.executor().map(inputs, |n| n);
                let ordered = sum_within(window, &taken, ordered);
                let taken = Counter::default();
                let inputs = taken.endless().take(INPUTS);
                let unordered = ctx.executor().map_unordered(inputs, |n| n);
                (ordered, sum_within(window, &taken, unordered))
            });
            let sum = INPUTS * (INPUTS - 1) / 2;
            assert_eq!(sums, (sum, sum), "{backend}");
            ends_clean(&pool);
        }
    });
}

/// No outcome that is ready waits for the one that is not.
#[test]
fn an_outcome_inside_a_job_waits_for_no_other() {
    each_backend(|backend| {
        let pool = on(backend, 2, 8);
        let (release, released) = mpsc::channel::<()>();
        let released = std::sync::Mutex::new(released);
        let (start, started) = mpsc::channel();
        let came = inside(&pool, move |ctx| {
            let mut all = ctx.executor().map_unordered(0..INPUTS, move |n| {
                if n == 0 {
                    start.send(()).expect("the parent listens");
                    let released = released.lock().expect("nobody panics");
                    let _released = released.recv_timeout(LIMIT);
                }
                n
            });
            started
                .recv_timeout(LIMIT)
                .expect("another worker takes it");
            let others = all.by_ref().take(INPUTS - 1);
            let others: usize = others.map(|n| n.expect("it completes")).sum();
            drop(release);
            let last = all.next().map(|n| n.expect("it completes"));
            (others, last, all.next().is_none())
        });
        let sum = INPUTS * (INPUTS - 1) / 2;
        assert_eq!(came, (sum, Some(0), true), "{backend}");
        ends_clean(&pool);
    });
}

#[test]
fn inputs_may_be_without_end() {
    each_backend(|backend| {
        // A queue of any size takes no more inputs than others do.
        for capacity in [1, 8, usize::MAX] {
            let pool = on(backend, 2, capacity);
            let taken = Counter::default();
            let first: Vec<_> = pool
                .map(taken.endless(), |n| n)
                .flatten()
                .take(10)
                .collect();
            assert_eq!(first, (0..10).collect::<Vec<_>>(), "{backend}");
            let unordered = pool.map_unordered(taken.endless(), |n| n);
            assert_eq!(unordered.flatten().take(10).count(), 10, "{backend}");
            assert!(taken.get() <= 2 * (1024 + 2 + 10), "{}", taken.get());
            let inner = pool.clone();
            let ten = inside(&pool, move |_| {
                let ordered = inner
                    .map(0.., |n: usize| n)
                    .flatten()
                    .take(10)
                    .sum::<usize>();
                let unordered = inner.map_unordered(0.., |n: usize| n);
                (ordered, unordered.flatten().take(10).count())
            });
            assert_eq!(ten, (45, 10), "{backend}");
            ends_clean(&pool);
        }
    });
}

/// Outside and inside, with jobs that run and others that wait.
#[test]
fn a_map_that_is_dropped_cancels_what_has_not_started() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (release, held) = hold(&pool);
        let (ran, taken) = (Counter::default(), Counter::default());
        let run = || {
            let ran = ran.clone();
            move |_| ran.add()
        };
        drop(pool.map(taken.endless(), run()));
        drop(pool.map_unordered(taken.endless(), run()));
        drop(release);
        assert!(value(held), "{backend}");
        let inner = pool.clone();
        let (in_map, in_unordered) = (run(), run());
        let first = inside(&pool, move |_| {
            let mut map = inner.map(0.., in_map);
            let ordered = map.next().is_some_and(|it| it.is_ok());
            let mut map = inner.map_unordered(0.., in_unordered);
            (ordered, map.next().is_some_and(|it| it.is_ok()))
        });
        pool.wait_idle();
        assert_eq!((first, ran.get()), ((true, true), 2), "{backend}");
        // Jobs that never ran hold nothing.
        assert_eq!(Arc::strong_count(&ran.0), 1, "{backend}");
        assert_eq!(Arc::strong_count(&taken.0), 1, "{backend}");
        ends_clean(&pool);
    });
}

#[test]
fn a_map_whose_inputs_panic_gives_what_it_has_taken() {
    each_backend(|backend| {
        let pool = on(backend, 2, 8);
        let held = Arc::new(());
        let faulty = || {
            let held = Arc::clone(&held);
            (0..100).map(move |n| {
                if n == 50 {
                    resume_unwind(Box::new("the inputs' own"));
                }
                (n, Arc::clone(&held))
            })
        };
        fn given<T>(mut outcomes: impl Iterator<Item = Result<T, JobError<Infallible>>>) -> usize {
            let (mut panics, mut given) = (0, 0);
            loop {
                match catch_unwind(AssertUnwindSafe(|| outcomes.next())) {
                    Ok(Some(outcome)) => given += usize::from(outcome.is_ok()),
                    Ok(None) => break,
                    Err(_) => panics += 1,
                }
            }
            assert_eq!(panics, 1, "the panic is the caller's, once");
            given
        }
        assert_eq!(given(pool.map(faulty(), |(n, _)| n)), 50, "{backend}");
        assert_eq!(
            given(pool.map_unordered(faulty(), |(n, _)| n)),
            50,
            "{backend}"
        );
        pool.wait_idle();
        assert_eq!(Arc::strong_count(&held), 1, "{backend}");
        ends_clean(&pool);
    });
}

/// The pool ends while its jobs and threads outside take outcomes. Each input has one, and endless
/// inputs come to an end.
#[test]
fn a_map_comes_to_an_end_with_its_pool() {
    each_backend(|backend| {
        let pool = on(backend, 2, 4);
        let (ran, enough) = (Counter::default(), 20);
        let outcomes = |is_ordered: bool, is_finite: bool| {
            let (inner, ran) = (pool.clone(), ran.clone());
            move || {
                let count = move |_| ran.add();
                match (is_ordered, is_finite) {
                    (true, true) => inner.map(0..INPUTS, count).count(),
                    (false, true) => inner.map_unordered(0..INPUTS, count).count(),
                    (true, false) => inner.map(0.., count).count(),
                    (false, false) => inner.map_unordered(0.., count).count(),
                }
            }
        };
        let mut threads = Vec::new();
        let mut jobs = Vec::new();
        for is_ordered in [true, false] {
            for is_finite in [true, false] {
                let from_outside = outcomes(is_ordered, is_finite);
                threads.push((is_finite, thread::spawn(from_outside)));
            }
            let from_inside = outcomes(is_ordered, false);
            jobs.push(pool.spawn(from_inside).expect("there is room"));
        }
        let begins = std::time::Instant::now();
        while ran.get() < enough {
            assert!(begins.elapsed() < LIMIT, "{backend}: {pool:?}");
            thread::yield_now();
        }
        // The jobs' children are refused once the grace is over, and so their maps end.
        let policy = ShutdownPolicy::new(Duration::from_millis(50)).cancel_grace(LIMIT);
        let report = pool.shutdown(policy);
        assert!(report.balances(), "{backend}: {report}");
        drop(report);
        for (is_finite, thread) in threads {
            let count = thread.join().expect("it comes to an end");
            assert!(!is_finite || count == INPUTS, "{backend}: {count}");
        }
        for job in jobs {
            drop(ended(job));
        }
    });
}

/// A scope keeps little of a job that has ended, and frees it.
#[test]
fn the_memory_of_a_scope_follows_what_is_alive() {
    const JOBS: usize = 200_000;
    const MOST: u64 = 4 << 20;
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 2, 64);
        let ran = AtomicUsize::new(0);
        let spawn = |jobs: usize| {
            let (pool, ran) = (&pool, &ran);
            let scope = pool.scope(|scope| {
                for _ in 0..jobs {
                    let job = move || _ = ran.fetch_add(1, Ordering::Relaxed);
                    scope.spawn(job).expect("the pool is open");
                }
            });
            scope.expect("no job panics");
        };
        spawn(1000);
        let before = most_resident();
        spawn(JOBS);
        let grown = most_resident() - before;
        assert!(grown <= MOST, "{backend}: {grown} bytes for {JOBS} jobs");
        assert_eq!(ran.load(Ordering::Relaxed), JOBS + 1000);
        ends_clean(&pool);
    });
}

/// Reports its drop.
struct Tells(mpsc::Sender<()>);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.send(()).expect("the test listens");
    }
}

/// Another thread ends the pool, whose only worker hangs in a job outside the scope.
#[test]
fn a_scope_is_left_when_its_pool_is_shut_down() {
    each_backend(|backend| {
        const JOBS: usize = 4;
        let pool = on(backend, 1, 8);
        let (release, held) = hold(&pool);
        let (tell, told) = mpsc::channel();
        let ran = AtomicUsize::new(0);
        let left = pool.scope(|scope| {
            for _ in 0..JOBS {
                let (ran, captured) = (&ran, Tells(tell.clone()));
                let job = move || {
                    ran.fetch_add(1, Ordering::SeqCst);
                    drop(captured);
                };
                scope.spawn(job).expect("there is room");
            }
            let other = pool.clone();
            let ends = thread::spawn(move || drop(other.shutdown(ShutdownPolicy::now())));
            ends.join().expect("the shutdown returns");
        });
        // No worker is free to drop what the jobs captured, but the jobs are borrowed: the scope
        // takes them back, and drops them itself.
        for _ in 0..JOBS {
            told.try_recv()
                .expect("it is dropped before the scope is left");
        }
        assert!(
            matches!(left, Err(ScopeError::Unfinished(JOBS))),
            "{backend}: {left:?}"
        );
        assert_eq!(ran.load(Ordering::SeqCst), 0, "{backend}");
        drop(release);
        assert!(value(held));
    });
}
