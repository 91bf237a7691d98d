//! Halves of a job: a sort by halves, a panic in either, more joins than a small counter can count.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pool::{JobContext, JobError};
use pool_conformance::probe::ended;

use crate::each::{ROOM, ends_clean, job, on_each_backend, pool};

/// Unordered numbers, the same each time.
fn disorder(count: usize) -> Vec<u32> {
    let mut state = 0x2545_f491_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn sort_by_halves(ctx: &JobContext<'_>, numbers: &mut [u32]) {
    let Some(last) = numbers.len().checked_sub(1).filter(|&last| last > 0) else {
        return;
    };
    numbers.swap(last / 2, last);
    let pivot = numbers[last];
    let mut border = 0;
    for index in 0..last {
        if numbers[index] <= pivot {
            numbers.swap(index, border);
            border += 1;
        }
    }
    numbers.swap(border, last);
    let (low, high) = numbers.split_at_mut(border);
    ctx.join(
        |ctx| sort_by_halves(ctx, low),
        |ctx| sort_by_halves(ctx, &mut high[1..]),
    );
}

#[test]
fn halves_sort_their_own_part() {
    on_each_backend(|backend| {
        for workers in 1..=3 {
            let pool = pool(backend, workers, 8);
            let sort = pool.submit(job(|ctx: &JobContext<'_>| {
                let mut numbers = disorder(6 * 1024);
                sort_by_halves(ctx, &mut numbers);
                numbers
            }));
            let sorted = ended(sort.expect(ROOM)).expect("it completes");
            let mut expected = disorder(6 * 1024);
            expected.sort_unstable();
            assert_eq!(sorted, expected);
            ends_clean(&pool);
        }
    });
}

/// Gives the second half the time to start elsewhere, if it was offered.
fn until_begun(begun: &AtomicUsize) {
    let has_begun = || begun.load(Ordering::SeqCst) > 0;
    (0..1000)
        .take_while(|_| !has_begun())
        .for_each(|_| thread::yield_now());
}

#[test]
fn the_first_of_two_panics_comes_out_and_ends_the_job() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 8);
        for (a, b, seen) in [(true, false, "a"), (false, true, "b"), (true, true, "a")] {
            let throw = move |does: bool, name: &'static str| {
                if does {
                    resume_unwind(Box::new(name));
                }
            };
            for _ in 0..20 {
                let joins = move |ctx: &JobContext<'_>| {
                    let begun = AtomicUsize::new(0);
                    let first = || {
                        until_begun(&begun);
                        throw(a, "a");
                    };
                    let second = || {
                        begun.fetch_add(1, Ordering::SeqCst);
                        throw(b, "b");
                    };
                    ctx.join(|_| first(), |_| second());
                };
                match ended(pool.submit(job(joins)).expect(ROOM)) {
                    Err(JobError::Panicked(info)) => assert_eq!(info.message(), seen),
                    other => panic!("a panic of {seen} became {other:?}"),
                }
            }
        }
        ends_clean(&pool);
    });
}

/// The first half panics while the second runs elsewhere: the join does not leave before it.
#[test]
fn no_half_outlives_a_join_that_panics() {
    const TRIES: usize = 10_000;
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 8);
        let joins = |ctx: &JobContext<'_>| {
            let own = ctx.worker();
            (0..TRIES).any(|_| {
                let (begun, elsewhere) = (AtomicUsize::new(0), AtomicUsize::new(0));
                let over = Arc::new(AtomicUsize::new(0));
                let ends = Arc::clone(&over);
                let first = || {
                    until_begun(&begun);
                    resume_unwind(Box::new("the first half"))
                };
                let second = |ctx: &JobContext<'_>| {
                    elsewhere.store(usize::from(ctx.worker() != own), Ordering::SeqCst);
                    begun.fetch_add(1, Ordering::SeqCst);
                    (0..100).for_each(|_| thread::yield_now());
                    ends.fetch_add(1, Ordering::SeqCst);
                };
                let join = || ctx.join(|_| first(), second);
                let panicked: Result<((), ()), _> = catch_unwind(AssertUnwindSafe(join));
                assert!(panicked.is_err(), "the panic is lost");
                let is_over = over.load(Ordering::SeqCst) == 1;
                assert_eq!(begun.into_inner() == 1, is_over, "a half is on its way");
                elsewhere.into_inner() == 1
            })
        };
        let met = ended(pool.submit(job(joins)).expect(ROOM)).expect("it completes");
        assert!(met, "no half ever ran elsewhere");
        ends_clean(&pool);
    });
}

#[test]
fn more_joins_than_sixteen_bits_count() {
    const JOINS: u32 = (1 << 16) + 100;
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 8);
        let joins = |ctx: &JobContext<'_>| {
            (0..JOINS).fold(0, |sum, _| {
                let (a, b) = ctx.join(|_| 1, |_| 1);
                sum + a + b
            })
        };
        let sum = ended(pool.submit(job(joins)).expect(ROOM));
        assert_eq!(sum.expect("it completes"), 2 * JOINS);
        ends_clean(&pool);
    });
}
