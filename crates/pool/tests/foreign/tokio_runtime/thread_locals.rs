//! What the end of a thread causes: submissions, joins, wakes and ends of pools from the
//! destructors of thread locals.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

use pool::{Executor, JobError, Pool};
use pool_conformance::probe::{Count, Log, PATIENCE, ended};

use crate::each::{ROOM, ends_clean, nothing_runs, on_each_backend, pool};

/// Runs when its thread ends.
struct AtTheEnd(Option<Box<dyn FnOnce() + Send>>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        if let Some(body) = self.0.take() {
            body();
        }
    }
}

thread_local! {
    static AT_THE_END: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
}

/// Makes the calling thread run this when it ends.
fn at_the_end(body: impl FnOnce() + Send + 'static) {
    AT_THE_END.with(|place| *place.borrow_mut() = Some(AtTheEnd(Some(Box::new(body)))));
}

/// When a thread uses the pool, and its locals, for the first time.
#[derive(Debug, Clone, Copy)]
enum Before {
    /// After it has set up its end, so the pool's own locals may be dropped before.
    Arranged,
    /// Before that.
    Used,
}

/// A thread that uses the pool and ends; when it ends it runs `body`.
fn on_an_ending_thread(pool: &Pool, before: Before, body: impl FnOnce(&Pool) + Send + 'static) {
    let (pool, own) = (pool.clone(), pool.clone());
    let uses = move || ended(own.spawn(|| 1).expect(ROOM)).expect("it completes");
    let ends = move || {
        let arrange = || at_the_end(move || body(&pool));
        match before {
            Before::Arranged => {
                arrange();
                uses();
            }
            Before::Used => {
                uses();
                arrange();
            }
        }
    };
    thread::spawn(ends)
        .join()
        .expect("the thread ends without a panic");
}

#[test]
fn jobs_are_submitted_and_joined_by_threads_that_end() {
    on_each_backend(|backend| {
        for before in [Before::Arranged, Before::Used] {
            let pool = pool(backend, 1, 1);
            let seen = Log::new();
            let sees = seen.clone();
            on_an_ending_thread(&pool, before, move |pool| {
                // More than there is room for: some of these wait for a slot.
                let handles: Vec<_> = (0..20)
                    .map(|number| pool.spawn(move || number).expect("room appears"))
                    .collect();
                let joined = handles
                    .into_iter()
                    .map(|it| it.join().expect("it completes"));
                sees.note(joined.sum::<u32>());
                let future = pool.spawn_future(async { 5 }).expect("room appears");
                sees.note(ended(future).expect("it completes"));
                sees.note(
                    pool.map(0..10_u32, |it| it)
                        .map(|it| it.expect("it completes"))
                        .sum(),
                );
                pool.wait_idle();
            });
            assert_eq!(seen.take(), [190, 5, 45], "{before:?}");
            ends_clean(&pool);
        }
    });
}

#[test]
fn a_pool_is_ended_by_a_thread_that_ends() {
    on_each_backend(|backend| {
        for before in [Before::Arranged, Before::Used] {
            let (ran, seen) = (Count::new(), Log::new());
            let (runs, sees) = (ran.clone(), seen.clone());
            on_an_ending_thread(&pool(backend, 2, 4), before, move |pool| {
                pool.spawn(move || runs.add()).expect(ROOM).detach();
                let report = ends_clean(pool);
                sees.note((report.completed(), runs_of(pool)));
            });
            // The thread's first job, and its last one.
            assert_eq!(seen.take(), [(2, 0)], "{before:?}");
            assert_eq!(ran.get(), 1);
        }
    });
}

/// Jobs that run in the pool now.
fn runs_of(pool: &Pool) -> u64 {
    pool.stats().running
}

/// The pool's only handle is a thread local of a thread that ends, and is dropped with it.
#[test]
fn a_pool_in_a_thread_local_ends_with_its_thread() {
    thread_local! {
        static POOL: RefCell<Option<Pool>> = const { RefCell::new(None) };
    }
    on_each_backend(|backend| {
        let (ran, stopped) = (Count::new(), Count::new());
        let (runs, stops) = (ran.clone(), stopped.clone());
        let thread = thread::spawn(move || {
            let builder = Pool::builder().backend(backend).workers(2);
            let pool = builder
                .on_worker_stop(move |_| {
                    stops.add();
                })
                .build()
                .expect("a plain configuration is accepted");
            POOL.with(|place| *place.borrow_mut() = Some(pool));
            // A second one that is used after it, and dropped before it.
            let second = crate::each::pool(backend, 1, 4);
            POOL.with(|place| {
                let pool = place.borrow();
                let pool = pool.as_ref().expect("it was put there");
                pool.spawn(move || runs.add()).expect(ROOM).detach();
            });
            ends_clean(&second);
        });
        thread.join().expect("the thread ends without a panic");
        assert_eq!(ran.get(), 1, "the pool was drained");
        stopped.wait_for(2);
    });
}

/// A worker's own locals are dropped after its last job, at the end of its pool: what they submit
/// there is refused, and nothing hangs.
#[test]
fn what_a_workers_locals_submit_as_it_ends_is_refused() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 4);
        let (refused, own) = (Log::new(), pool.clone());
        let (notes, other) = (refused.clone(), crate::each::pool(backend, 1, 4));
        let elsewhere = other.clone();
        let arranges = pool.spawn(move || {
            at_the_end(move || {
                let back = own.spawn(|| ()).err().map(|error| error.is_closed());
                let future = own
                    .spawn_future(async {})
                    .err()
                    .map(|error| error.is_closed());
                let joined = elsewhere.spawn(|| 9).expect("another pool is open").join();
                notes.note((back, future, joined.expect("it completes")));
                drop(own);
            });
        });
        ended(arranges.expect(ROOM)).expect("it completes");
        let report = pool.shutdown(std::time::Duration::from_secs(20));
        assert!(report.is_clean(), "{report}");
        let limit = std::time::Instant::now() + PATIENCE;
        let seen = loop {
            let seen = refused.take();
            if !seen.is_empty() {
                break seen;
            }
            assert!(
                std::time::Instant::now() < limit,
                "the worker's locals never went"
            );
            thread::yield_now();
        };
        assert_eq!(seen, [(Some(true), Some(true), 9)]);
        ends_clean(&other);
    });
}

/// The last handle of a pool is a thread local of its own worker. No other thread could end the
/// pool then, so it is ended from outside first.
#[test]
fn a_pool_whose_handle_is_its_own_workers_local_ends() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 4);
        let own = pool.clone();
        let gone = Count::new();
        let tells = gone.clone();
        let arranges = pool.spawn(move || {
            at_the_end(move || {
                drop(own);
                tells.add();
            });
        });
        ended(arranges.expect(ROOM)).expect("it completes");
        let report = pool.shutdown(std::time::Duration::from_secs(20));
        nothing_runs(&pool, &report);
        drop(pool);
        gone.wait_for(1);
    });
}

/// Whether the waker is used up.
#[derive(Debug, Clone, Copy)]
enum Wakes {
    ByValue,
    ByReference,
}

#[test]
fn a_future_is_woken_by_a_thread_that_ends() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 4);
        for wakes in [Wakes::ByValue, Wakes::ByReference] {
            let (left, is_woken) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
            let (leaves, fired, asleep) = (Arc::clone(&left), Arc::clone(&is_woken), Count::new());
            let polled = asleep.clone();
            let sleeper = pool.spawn_future(poll_fn(move |cx| {
                if fired.load(Ordering::SeqCst) {
                    return Poll::Ready(());
                }
                *leaves.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
                polled.add();
                Poll::Pending
            }));
            let sleeper = sleeper.expect(ROOM);
            asleep.wait_for(1);
            let ends = thread::spawn(move || {
                at_the_end(move || {
                    is_woken.store(true, Ordering::SeqCst);
                    let waker: Option<Waker> =
                        left.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let waker = waker.expect("the sleeper left it");
                    match wakes {
                        Wakes::ByValue => waker.wake(),
                        Wakes::ByReference => waker.wake_by_ref(),
                    }
                });
            });
            ends.join().expect("the thread ends without a panic");
            ended(sleeper).expect("it is woken");
        }
        ends_clean(&pool);
    });
}

/// A handle that is dropped with its thread lets its job go on; a job that a thread cancels as it
/// ends is cancelled.
#[test]
fn handles_in_thread_locals_go_with_their_thread() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 8);
        let gate = pool_conformance::probe::occupy(&pool, 1);
        let ran = Count::new();
        let (runs, runs_not) = (ran.clone(), ran.clone());
        let goes_on = pool.spawn(move || runs.add()).expect(ROOM);
        let cancelled = pool.spawn(move || runs_not.add()).expect(ROOM);
        let kept = Arc::new(Mutex::new(None));
        let keeps = Arc::clone(&kept);
        let ends = thread::spawn(move || {
            at_the_end(move || {
                drop(goes_on);
                cancelled.cancel();
                *keeps.lock().unwrap_or_else(PoisonError::into_inner) = Some(cancelled);
            });
        });
        ends.join().expect("the thread ends without a panic");
        let cancelled = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let cancelled = cancelled.expect("the thread left it");
        assert!(matches!(ended(cancelled), Err(JobError::Cancelled)));
        gate.open();
        assert!(!pool.is_closed());
        ends_clean(&pool);
        assert_eq!(ran.get(), 1);
    });
}
