//! Row 64: configurations that change under load, and at the same time.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use pool::backend::PoolConfig;
use pool::{Backend, BuildError, Executor, JobContext, Pool};

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, builder, each_backend, ends_clean, hold, nothing, on, value};
use crate::swaps::{Held, held, under_load, wait_for};

/// How many reconfigurations must leave nothing.
const CHANGES: usize = 1000;

/// Workers and capacity, as the pool says them.
fn size(pool: &Pool) -> (usize, Option<usize>) {
    let capability = pool.capability();
    (capability.workers, capability.capacity)
}

/// Changes the size this often, and leaves it as it was.
fn resize_often(pool: &Pool, changes: usize) {
    for change in (0..changes).rev() {
        let resized = pool.reconfigure(|config| {
            config.set_workers(2 + change % 2);
            config.set_capacity(64 + change % 3);
        });
        resized.expect("the pool can have that size");
    }
}

#[test]
fn a_thousand_reconfigurations_leave_nothing() {
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 2, 64);
        under_load(&pool, 1, || resize_often(&pool, 60));
        pool.wait_idle();
        let limit = Instant::now() + LIMIT;
        while pool.stats().workers > 2 {
            assert!(Instant::now() < limit, "{}", pool.stats());
            thread::yield_now();
        }
        let before = held();
        under_load(&pool, 1, || resize_often(&pool, CHANGES));
        pool.wait_idle();
        wait_for(Held {
            threads: before.threads,
            mappings: before.mappings + 40,
            bytes: before.bytes + (512 << 10),
        });
        assert_eq!(size(&pool), (2, Some(64)));
        ends_clean(&pool);
    });
}

#[test]
fn no_change_of_a_configuration_is_lost() {
    const CHANGES_EACH: usize = 10;
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    for _ in 0..CHANGES_EACH {
                        let more = |config: &mut PoolConfig| {
                            config.set_capacity(config.capacity() + 1);
                        };
                        pool.reconfigure(more).expect("there may be more places");
                    }
                });
            }
            threads.spawn(|| {
                for _ in 0..CHANGES_EACH {
                    pool.swap(backend).expect("the backend can be built");
                }
            });
        });
        let capacity = 8 + 2 * CHANGES_EACH;
        assert_eq!(size(&pool), (1, Some(capacity)), "{backend}");
        ends_clean(&pool);
    });
}

/// Returns a closure that calls `act` on another thread the first time that it is called.
fn once_elsewhere(act: impl Fn() + Sync) -> impl Fn() {
    let is_first = AtomicBool::new(true);
    move || {
        if is_first.swap(false, Ordering::Relaxed) {
            thread::scope(|threads| {
                threads.spawn(&act).join().expect("the act succeeds");
            });
        }
    }
}

#[test]
fn a_change_is_made_anew_to_what_another_one_has_left() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let calls = AtomicUsize::new(0);
        let other = once_elsewhere(|| {
            let more = |config: &mut PoolConfig| config.set_workers(2);
            pool.reconfigure(more).expect("two can be had");
        });
        let changed = pool.reconfigure(|config| {
            calls.fetch_add(1, Ordering::Relaxed);
            other();
            config.set_capacity(config.capacity() * 2);
        });
        changed.expect("the pool can have that size");
        assert_eq!(calls.load(Ordering::Relaxed), 2, "{backend}");
        assert_eq!(size(&pool), (2, Some(16)), "{backend}");

        let elsewhere = Backend::available().into_iter().find(|it| *it != backend);
        let elsewhere = elsewhere.unwrap_or(backend);
        let other = once_elsewhere(|| pool.swap(elsewhere).expect("it can be built"));
        let changed = pool.reconfigure(|config| {
            other();
            config.set_capacity(4);
        });
        changed.expect("the pool can have that size");
        assert_eq!(pool.backend(), elsewhere, "the swap stands");
        assert_eq!(size(&pool), (2, Some(4)), "{backend}");
        ends_clean(&pool);
    });
}

#[test]
fn a_closure_that_changes_its_own_pool_is_told_so() {
    each_backend(|backend| {
        let (pool, other) = (on(backend, 1, 8), on(backend, 1, 8));
        let changed = pool.reconfigure(|config| {
            let inner = pool.reconfigure(|config| config.set_workers(7));
            assert!(matches!(inner, Err(BuildError::Reentrant)), "{inner:?}");
            let inner = pool.swap(backend);
            assert!(matches!(inner, Err(BuildError::Reentrant)), "{inner:?}");
            let inner = other.reconfigure(|config| config.set_workers(2));
            inner.expect("another pool is not this one's matter");
            config.set_workers(3);
        });
        changed.expect("the closure returns");
        assert_eq!((size(&pool).0, size(&other).0), (3, 2), "{backend}");
        pool.swap(backend).expect("the closure is over");
    });
}

#[test]
fn a_configuration_that_no_pool_can_have_changes_nothing() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let queued = pool.spawn(|| 7).expect("there is room");
        let wrong = pool.reconfigure(|config| config.set_workers(0));
        assert!(matches!(wrong, Err(BuildError::NoWorkers)), "{wrong:?}");
        let wrong = pool.reconfigure(|config| config.set_capacity(0));
        assert!(matches!(wrong, Err(BuildError::ZeroCapacity)), "{wrong:?}");
        let wrong = pool.reconfigure(|config| {
            config.set_workers(2);
            config.set_try_on_worker_start(|_| "no port".parse::<u16>());
        });
        assert!(
            matches!(wrong, Err(BuildError::WorkerStart { .. })),
            "{wrong:?}"
        );
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            pool.reconfigure(|config| {
                config.set_workers(2);
                std::panic::resume_unwind(Box::new("jam"));
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(size(&pool), (1, Some(8)), "{backend}");
        assert_eq!(value(queued), 7);
        pool.swap(backend)
            .expect("the configuration is the former one");
        assert_eq!(size(&pool), (1, Some(8)), "{backend}");
        pool.close();
        let late = pool.reconfigure(|_| unreachable!("it is closed"));
        assert!(matches!(late, Err(BuildError::Closed)), "{late:?}");
    });
}

#[test]
fn a_configuration_may_be_replaced_as_a_whole() {
    each_backend(|backend| {
        let pool = on(backend, 1, 1);
        let (release, held) = hold(&pool);
        let (parent_release, parent) = {
            // A job of the old generation, whose child finds its way to the new one.
            let (release, released) = std::sync::mpsc::channel::<()>();
            let parent = move |ctx: &JobContext<'_>| {
                assert!(released.recv().is_err());
                Ok::<_, Infallible>(ctx.submit(nothing).expect("it is open").join().is_ok())
            };
            (release, pool.submit(parent).expect("there is room"))
        };
        thread::scope(|threads| {
            let waits = threads.spawn(|| pool.spawn(|| 8).expect("it gets in"));
            let limit = Instant::now() + LIMIT;
            while !pool.room().has_line() {
                assert!(Instant::now() < limit, "it waits for room");
                thread::yield_now();
            }
            let replaced = pool.reconfigure(|config| {
                *config = PoolConfig::default();
                config.set_workers(2);
            });
            replaced.expect("the defaults can be had");
            assert_eq!(value(waits.join().expect("it is submitted")), 8);
        });
        drop((release, parent_release));
        assert!(value(held) && value(parent), "{backend}");
        assert_eq!(size(&pool), (2, Some(pool::DEFAULT_CAPACITY)));
        ends_clean(&pool);
    });
}

#[test]
fn a_pool_is_reconfigured_within_its_jobs_and_hooks() {
    each_backend(|backend| {
        let inner: Arc<std::sync::OnceLock<Pool>> = Arc::default();
        let hooked = {
            let (inner, is_first) = (Arc::clone(&inner), AtomicBool::new(true));
            move |_| {
                if let Some(pool) = inner.get()
                    && is_first.swap(false, Ordering::Relaxed)
                {
                    let more = pool.reconfigure(|config| config.set_capacity(32));
                    more.expect("a hook may reconfigure the pool");
                }
            }
        };
        let pool = builder(backend, 1)
            .queue_capacity(8)
            .on_worker_start(hooked);
        let pool = pool.build().expect("the backend can be built");
        assert!(inner.set(pool.clone()).is_ok());
        let within = pool.clone();
        let job = pool.spawn(move || within.reconfigure(|config| config.set_workers(2)));
        value(job.expect("there is room")).expect("a job may reconfigure its pool");
        assert_eq!(size(&pool), (2, Some(32)), "{backend}");
        ends_clean(&pool);
    });
}

#[test]
fn later_backends_have_the_new_configuration() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (starts, stops) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = |count: &Arc<AtomicUsize>| {
            let count = Arc::clone(count);
            move |_: usize| _ = count.fetch_add(1, Ordering::Relaxed)
        };
        let changed = pool.reconfigure(|config| {
            config.set_workers(2);
            config.set_thread_name("other");
            config.set_on_worker_start(counts(&starts));
            config.set_on_worker_stop(counts(&stops));
        });
        changed.expect("the pool can have that size");
        pool.swap(backend).expect("the backend can be built");
        let name = pool.spawn(|| thread::current().name().map(str::to_owned));
        let name = value(name.expect("there is room"));
        assert!(name.is_some_and(|it| it.starts_with("other-")), "{backend}");
        assert_eq!(starts.load(Ordering::Relaxed), 4, "{backend}");
        ends_clean(&pool);
        let limit = Instant::now() + LIMIT;
        while stops.load(Ordering::Relaxed) < 4 {
            assert!(
                Instant::now() < limit,
                "{backend}: a worker has not stopped"
            );
            thread::yield_now();
        }
    });
}
