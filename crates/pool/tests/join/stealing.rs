//! Which worker takes which half, and when.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use pool::{Backend, JobContext, Pool};

use crate::{LONG, on_each_backend, run, sooner_or_later};

/// Waits for an event of another half, or fails the test.
fn await_event(is_there: &AtomicBool, what: &str) {
    let limit = Instant::now() + LONG;
    while !is_there.load(Ordering::SeqCst) {
        assert!(Instant::now() < limit, "{what}");
        std::thread::yield_now();
    }
}

/// While the halves are forked, every other worker is busy; each of them then comes to take one.
#[test]
fn a_half_stays_free_to_be_taken_until_it_starts() {
    const DEPTH: usize = 3;
    /// Forks one half within the other, all of which are to start before the innermost first half
    /// is over.
    fn fork(ctx: &JobContext<'_>, started: &[AtomicBool], release: &dyn Fn()) {
        let Some((mine, inner)) = started.split_last() else {
            return release();
        };
        let (_, own) = ctx.join(
            |ctx| {
                fork(ctx, inner, release);
                await_event(mine, "a half that is free is not taken");
            },
            |half| {
                mine.store(true, Ordering::SeqCst);
                half.id()
            },
        );
        assert_ne!(own, ctx.id(), "it became a job of its own");
    }
    for backend in Backend::available() {
        let pool = Pool::builder().backend(backend).workers(DEPTH + 1).build();
        let pool = pool.unwrap();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (started, is_started) = mpsc::channel();
        let may_go_on = Arc::new(Mutex::new(may_go_on));
        let others: Vec<_> = (0..DEPTH)
            .map(|_| {
                let (started, may_go_on) = (started.clone(), Arc::clone(&may_go_on));
                pool.spawn(move || {
                    started.send(()).unwrap();
                    let _released = may_go_on.lock().unwrap().recv_timeout(LONG);
                })
                .unwrap()
            })
            .collect();
        (0..DEPTH).for_each(|_| is_started.recv_timeout(LONG).unwrap());
        let ran = run(&pool, move |ctx| {
            let go_on = Mutex::new(Some(go_on));
            let halves: [AtomicBool; DEPTH] = Default::default();
            fork(ctx, &halves, &|| drop(go_on.lock().unwrap().take()));
        });
        assert!(ran.is_ok(), "{backend}: {ran:?}");
        others.into_iter().for_each(|it| it.join().unwrap());
    }
}

/// With two workers, of which one runs the stolen half, only its joiner can take the part.
#[test]
fn a_joiner_works_on_parts_of_the_half_that_it_waits_for() {
    for backend in Backend::available() {
        let pool = Pool::builder().backend(backend).workers(2).build().unwrap();
        let met = run(&pool, |ctx| {
            let (owner, id) = (ctx.worker(), ctx.id());
            sooner_or_later(|| {
                let is_stolen = AtomicBool::new(false);
                let part_runs = AtomicBool::new(false);
                let part = |part: &JobContext<'_>| {
                    part_runs.store(true, Ordering::SeqCst);
                    part.worker() == owner
                };
                let half = |half: &JobContext<'_>| {
                    if half.id() == id {
                        return false; // nobody came for it
                    }
                    is_stolen.store(true, Ordering::SeqCst);
                    let first = |_: &JobContext<'_>| {
                        await_event(&part_runs, "the joiner does not help");
                    };
                    half.join(first, part).1
                };
                let first = |_: &JobContext<'_>| {
                    let _or_not = (0..1000).any(|_| {
                        std::thread::yield_now();
                        is_stolen.load(Ordering::SeqCst)
                    });
                };
                ctx.join(first, half).1.then_some(())
            });
        });
        assert!(met.is_ok(), "{backend}: {met:?}");
    }
}

/// A joiner holds a lock while it waits for its half; another job's halves want it. On the joiner's
/// worker they would wait for themselves.
#[test]
fn a_joiner_runs_nothing_that_it_does_not_wait_for() {
    for backend in Backend::available() {
        let pool = Pool::builder().backend(backend).workers(3).build().unwrap();
        for _ in 0..50 {
            let lock = Arc::new(Mutex::new(0_u32));
            let handles: Vec<_> = (0..2)
                .map(|_| {
                    let lock = Arc::clone(&lock);
                    pool.submit(move |ctx: &JobContext<'_>| {
                        let few_yields = |_: &JobContext<'_>| {
                            (0..20).for_each(|_| std::thread::yield_now());
                        };
                        let locked = |_: &JobContext<'_>| *lock.lock().unwrap() += 1;
                        // The halves of one job want the lock, which the other's frame holds.
                        for _ in 0..10 {
                            ctx.join(few_yields, locked);
                            let _held = lock.lock().unwrap();
                            ctx.join(few_yields, |ctx| ctx.join(few_yields, few_yields));
                        }
                        Ok::<_, Infallible>(())
                    })
                    .map_err(|_| "refused")
                    .unwrap()
                })
                .collect();
            for handle in handles {
                let ended = handle.join_timeout(LONG);
                ended
                    .unwrap_or_else(|_| panic!("{backend}: {pool:?}"))
                    .unwrap();
            }
            assert_eq!(*lock.lock().unwrap(), 20, "{backend}");
        }
    }
}

/// Deeper than a worker's stack of halves, and than the jobs that may be within each other.
#[test]
fn deep_forks_of_either_half_are_all_joined() {
    fn left(ctx: &JobContext<'_>, depth: u32) -> u32 {
        match depth {
            0 => 1,
            _ => {
                let (deep, own) = ctx.join(|ctx| left(ctx, depth - 1), |_| 1);
                deep + own
            }
        }
    }
    fn right(ctx: &JobContext<'_>, depth: u32) -> u32 {
        match depth {
            0 => 1,
            _ => {
                let (own, deep) = ctx.join(|_| 1, |ctx| right(ctx, depth - 1));
                deep + own
            }
        }
    }
    for backend in Backend::available() {
        let builder = Pool::builder().backend(backend).workers(3);
        let pool = builder.stack_size(64 << 20).build().unwrap();
        assert_eq!(
            run(&pool, |ctx| left(ctx, 2000)).unwrap(),
            2001,
            "{backend}"
        );
        assert_eq!(
            run(&pool, |ctx| right(ctx, 2000)).unwrap(),
            2001,
            "{backend}"
        );
    }
}

/// What is left of a half that nobody stole is dropped with the panic of the first.
#[test]
fn what_a_half_holds_is_dropped_once() {
    struct Held<'a>(&'a AtomicUsize);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    on_each_backend(|pool| {
        let drops = run(pool, |ctx| {
            let (drops, rounds) = (AtomicUsize::new(0), 500);
            for round in 0..rounds {
                let (first, second) = (Held(&drops), Held(&drops));
                let join = || {
                    ctx.join(
                        move |_| {
                            let _first = first;
                            assert_ne!(round % 2, 0, "as planned");
                        },
                        move |_| drop(second),
                    )
                };
                let joined = catch_unwind(AssertUnwindSafe(join));
                assert_eq!(joined.is_err(), round % 2 == 0);
                assert_eq!(
                    drops.load(Ordering::SeqCst),
                    2 * (round + 1),
                    "after {round}"
                );
            }
        });
        assert!(drops.is_ok(), "{drops:?}");
    });
}
