//! The facade in a simulation: `Backend::Sim` by value and by name, its errors, and a swap between
//! simulated backends.
#![cfg(feature = "sim")]

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::iter;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool::sim::{Sim, Simulation, check, sleep, thread};
use pool::{Backend, BuildError, JobContext, JobError, JobExt, Pool, ShutdownPolicy, SubmitError};

fn pool(workers: usize, capacity: usize) -> Pool {
    Pool::builder()
        .backend(Backend::Sim)
        .workers(workers)
        .queue_capacity(capacity)
        .build()
        .expect("the simulation gives threads")
}

#[test]
fn outside_of_a_simulation_it_is_an_error_that_says_where_it_can_be_built() {
    let error = Pool::builder().backend(Backend::Sim).build().unwrap_err();
    assert!(matches!(error, BuildError::Engine { engine: "sim", .. }));
    assert!(error.to_string().contains("pool_sim::check"), "{error}");
}

#[test]
fn it_has_a_name_and_is_nobodys_default() {
    assert_eq!("sim".parse(), Ok(Backend::Sim));
    assert_eq!(Backend::Sim.to_string(), "sim");
    assert!(Backend::Sim.is_available());
    assert!(!Backend::available().contains(&Backend::Sim));
    assert_ne!(Backend::default(), Backend::Sim);
}

/// What a user's test may contain: it names the backend, and nothing else of the simulation.
fn every_way(backend: Backend) {
    let pool = Pool::builder()
        .backend(backend)
        .workers(2)
        .queue_capacity(2)
        .build()
        .expect("two workers can be had");
    let sum: i32 = pool.map(0..10, |n| n * n).map(Result::unwrap).sum();
    assert_eq!(sum, 285);
    let slow = |ctx: &JobContext<'_>| {
        while ctx.check().is_ok() {}
        Err::<(), _>("too late")
    };
    let slow = pool
        .submit(slow.with_timeout(Duration::from_secs(1)))
        .unwrap();
    let future = pool.spawn_future(async { 7 }).unwrap();
    assert!(matches!(slow.join(), Err(JobError::Expired)));
    assert_eq!(future.join().unwrap(), 7);
    pool.wait_idle();
    let report = pool.shutdown(ShutdownPolicy::drain());
    assert!(report.is_clean() && report.is_safe_to_exit(), "{report}");
}

#[test]
fn a_users_test_swaps_it_in() {
    check(0..50, |_| every_way(Backend::Sim));
}

#[cfg(all(feature = "channel", feature = "work-stealing"))]
#[test]
fn other_backends_with_threads_of_their_own_take_turns_as_well() {
    check(0..50, |_| every_way(Backend::Channel));
    check(0..50, |_| every_way(Backend::WorkStealing));
}

#[cfg(feature = "channel")]
#[test]
fn a_swap_under_load_runs_every_job_once() {
    check(0..200, |_: &Sim| {
        let (pool, ran) = (pool(2, 2), Arc::new(AtomicUsize::new(0)));
        let submit = |pool: &Pool| {
            let handles = (0..5).map(|_| {
                let ran = Arc::clone(&ran);
                pool.spawn(move || ran.fetch_add(1, Ordering::SeqCst))
            });
            handles
                .map(|it| it.expect("a swap closes nothing"))
                .collect::<Vec<_>>()
        };
        pool::sim::thread::scope(|threads| {
            let before = threads.spawn(|| submit(&pool));
            pool.swap(Backend::Channel).expect("it can be swapped");
            let after = submit(&pool);
            pool.swap(Backend::Sim).expect("and back");
            let before = before.join().expect("no submission panics");
            for handle in before.into_iter().chain(after) {
                handle.join().expect("a job outlives a swap");
            }
        });
        assert_eq!(ran.load(Ordering::SeqCst), 10);
        assert_eq!(pool.shutdown(Duration::from_secs(1)).completed(), 10);
    });
}

#[test]
fn halves_of_a_job_are_stolen_and_each_runs_once() {
    fn count(ctx: &JobContext<'_>, own: &[AtomicUsize], stolen: &AtomicUsize) {
        if let [one] = own {
            pool::sim::thread::yield_now();
            one.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let (id, (left, right)) = (ctx.id(), own.split_at(own.len() / 3 + 1));
        ctx.join(
            |ctx| count(ctx, left, stolen),
            |ctx| {
                stolen.fetch_add(usize::from(ctx.id() != id), Ordering::SeqCst);
                count(ctx, right, stolen);
            },
        );
    }
    let stolen = Arc::new(AtomicUsize::new(0));
    let all = Arc::clone(&stolen);
    check(0..200, move |_: &Sim| {
        let (pool, stolen) = (pool(3, 2), Arc::clone(&all));
        let job = pool.submit(move |ctx: &JobContext<'_>| {
            let parts: [AtomicUsize; 9] = Default::default();
            count(ctx, &parts, &stolen);
            assert!(parts.iter().all(|part| part.load(Ordering::SeqCst) == 1));
            Ok::<_, Infallible>(())
        });
        job.expect("there is room")
            .join()
            .expect("it does not fail");
        assert!(pool.shutdown(ShutdownPolicy::drain()).balances());
    });
    assert!(stolen.load(Ordering::SeqCst) > 0, "no schedule has a thief");
}

#[test]
fn a_failure_names_its_schedule_and_the_command_that_replays_it() {
    let failing = |_: &Sim| assert!(pool(1, 1).spawn(|| false).unwrap().join().unwrap());
    let failure = Simulation::new(41).try_run(failing).unwrap_err();
    let text = failure.to_string();
    assert!(text.contains("under schedule 41"), "{text}");
    let command = "POOL_SIM_SEED=41 cargo test -p pool -- --exact a_failure_names_its_schedule_and_the_command_that_replays_it";
    assert!(text.ends_with(command), "{text}");
}

/// Ready once it is opened.
#[derive(Default)]
struct Gate(Mutex<(bool, Option<Waker>)>);

impl Gate {
    fn open(&self) {
        let waker = {
            let mut gate = self.0.lock().unwrap();
            gate.0 = true;
            gate.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut gate = self.0.lock().unwrap();
        if gate.0 {
            return Poll::Ready(());
        }
        gate.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A closure awaits a future, and drives it as long as no other worker sleeps. Then one sleeps, and
/// the future is left to it.
#[test]
fn a_future_that_its_driver_leaves_is_polled_by_another() {
    check(0..300, |_| {
        let pool = pool(2, 8);
        let gate = Arc::<Gate>::default();
        let busy = pool.spawn(|| sleep(Duration::from_micros(300))).unwrap();
        let (inner, opened) = (pool.clone(), Arc::clone(&gate));
        let awaits = move || {
            let future = poll_fn(move |cx| opened.poll(cx));
            let mut handle = inner.spawn_future(future).unwrap();
            let mut cx = Context::from_waker(Waker::noop());
            while Pin::new(&mut handle).poll(&mut cx).is_pending() {
                thread::yield_now();
            }
        };
        let awaits = pool.spawn(awaits).unwrap();
        busy.join().unwrap();
        sleep(Duration::from_millis(5));
        gate.open();
        awaits.join().unwrap();
    });
}

/// The end of a pool wakes one of its own futures that awaits the end, and drops it, while the list
/// of waiters is being walked.
#[test]
fn a_future_that_awaits_the_end_of_its_pool_is_dropped_with_it() {
    check(0..300, |_| {
        let pool = pool(2, 8);
        let deaf = pool.spawn(|| sleep(Duration::from_secs(3600))).unwrap();
        let (inner, gate) = (pool.clone(), Arc::<Gate>::default());
        let opened = Arc::clone(&gate);
        let awaits = async move {
            poll_fn(|cx| opened.poll(cx)).await;
            let _report = inner.shutdown_async(ShutdownPolicy::drain()).await;
        };
        let awaits = pool.spawn_future(awaits).unwrap();
        thread::scope(|scope| {
            let report = scope.spawn(|| pool.shutdown(Duration::from_secs(1)));
            sleep(Duration::from_millis(1));
            gate.open();
            let report = report.join().unwrap();
            assert!(report.balances(), "{report}");
        });
        drop((awaits, deaf));
    });
}

/// A submission that waits for room is never told that there is none, even during a swap.
#[test]
fn a_submission_that_meets_a_swap_waits_for_room() {
    check(0..300, |_| {
        let pool = pool(1, 1);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let nothing = |_: &JobContext<'_>| Ok::<_, Infallible>(());
                        pool.execute(nothing).expect("it waits for room");
                    }
                });
            }
            for _ in 0..3 {
                pool.swap(Backend::Sim).unwrap();
            }
        });
        let report = pool.shutdown(ShutdownPolicy::drain());
        assert_eq!(report.completed(), 10, "{report}");
    });
}

/// What was queued when the wait began has ended when it returns, even if a swap moves it at that
/// moment.
#[test]
fn a_wait_for_quiet_misses_nothing_that_a_swap_moves() {
    check(0..500, |sim| {
        let (pool, ran) = (pool(1, 8), Arc::new(AtomicUsize::new(0)));
        let (are_queued, yields) = (Arc::new(AtomicBool::new(false)), sim.draw(40));
        let waiter = {
            let (pool, ran) = (pool.clone(), Arc::clone(&ran));
            let are_queued = Arc::clone(&are_queued);
            move || {
                while !are_queued.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                (0..yields).for_each(|_| thread::yield_now());
                pool.wait_idle();
                assert_eq!(ran.load(Ordering::SeqCst), 3, "a job is missed");
            }
        };
        // It keeps the only worker from what is queued.
        let waiter = pool.spawn(waiter).unwrap();
        for _ in 0..3 {
            let ran = Arc::clone(&ran);
            let job = move || ran.fetch_add(1, Ordering::SeqCst);
            pool.spawn(job).unwrap().detach();
        }
        are_queued.store(true, Ordering::SeqCst);
        pool.swap(Backend::Sim).unwrap();
        waiter.join().unwrap();
    });
}

/// A job of the pool joins a future that awaits another, and both are queued while a swap moves
/// them. Each is counted as ended in the pool that it started in, and no worker of the other pool
/// polls it.
#[test]
fn a_helper_leaves_a_future_that_a_swap_has_moved_to_its_pool() {
    /// Pending a few times, and due again at once.
    fn suspends() -> impl Future<Output = ()> {
        let mut left = 3;
        poll_fn(move |cx| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
    check(0..500, |sim| {
        let pool = pool(1, 16);
        let yields = sim.draw(100);
        let inner = pool.clone();
        let outer = async move {
            let spawn = || {
                inner
                    .spawn_future(suspends())
                    .map_err(SubmitError::without_job)
            };
            let mut all: Vec<_> = iter::repeat_with(|| spawn().unwrap()).take(6).collect();
            poll_fn(|cx| {
                all.retain_mut(|handle| Pin::new(handle).poll(cx).is_pending());
                if all.is_empty() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        };
        let (own, begun) = (pool.clone(), Arc::new(AtomicBool::new(false)));
        let has_begun = Arc::clone(&begun);
        let joiner = pool.spawn(move || {
            has_begun.store(true, Ordering::SeqCst);
            let outer = own.spawn_future(outer).map_err(SubmitError::without_job);
            outer.unwrap().join().unwrap();
        });
        while !begun.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        (0..yields).for_each(|_| thread::yield_now());
        pool.swap(Backend::Sim).unwrap();
        joiner.unwrap().join().unwrap();
        pool.wait_idle();
        let stats = pool.stats();
        assert_eq!((stats.accepted, stats.completed), (8, 8), "{stats:?}");
        let report = pool.shutdown(Duration::from_secs(60));
        assert!(report.balances() && report.is_clean(), "{report}");
    });
}

/// A report has every job whose submission returns, even if the submission is on its way when the
/// pool ends.
#[test]
fn a_report_misses_no_submission_that_is_on_its_way() {
    check(0..500, |sim| {
        let pool = pool(2, 8);
        let before_the_end = sim.draw(20);
        thread::scope(|scope| {
            let submit = || {
                let hour = Duration::from_secs(3600);
                let job = || (|_: &JobContext<'_>| Ok::<_, ()>(())).with_timeout(hour);
                iter::repeat_with(|| pool.submit(job()))
                    .take_while(Result::is_ok)
                    .count()
            };
            let submitters = [scope.spawn(submit), scope.spawn(submit)];
            (0..before_the_end).for_each(|_| thread::yield_now());
            let report = pool.shutdown(ShutdownPolicy::now());
            let accepted: usize = submitters.map(|it| it.join().unwrap()).iter().sum();
            assert_eq!(report.accepted(), accepted as u64, "{report}");
        });
    });
}

/// The limit of the whole shutdown holds exactly, and a tenth of it is for jobs that are asked to
/// stop.
#[test]
fn a_duration_is_the_limit_of_the_whole_shutdown() {
    check(0..100, |_| {
        let pool = pool(2, 8);
        let deaf = pool.spawn(|| sleep(Duration::from_secs(3600))).unwrap();
        let asked = |ctx: &JobContext<'_>| {
            while ctx.check().is_ok() {
                sleep(Duration::from_millis(1));
            }
            Err::<(), _>(())
        };
        let polite = pool.submit(asked.named("polite")).unwrap();
        while pool.stats().running < 2 {
            thread::yield_now();
        }
        let report = pool.shutdown(Duration::from_secs(1));
        let took = report.took();
        assert!(took >= Duration::from_millis(900), "{took:?}: {report}");
        assert!(took <= Duration::from_millis(1010), "{took:?}: {report}");
        assert_eq!(report.still_running().len(), 1, "{report}");
        assert!(matches!(polite.join(), Err(JobError::Cancelled)));
        drop(deaf);
    });
}

/// Nested jobs that end their pool, one that waits for it to be idle, and a caller from outside:
/// all return, with the same report.
#[test]
fn ends_within_ends_return_under_every_schedule() {
    let end = |workers| {
        let pool = pool(workers, 8);
        let inner = pool.clone();
        let idle = pool.spawn(move || inner.wait_idle()).unwrap();
        // The first of them may close the pool before the next is submitted.
        let ends: Vec<_> = (0..3)
            .filter_map(|_| {
                let inner = pool.clone();
                pool.spawn(move || inner.shutdown(Duration::from_secs(1)))
                    .ok()
            })
            .collect();
        let outside = pool.shutdown(Duration::from_secs(2));
        assert!(outside.balances(), "{outside}");
        for end in ends {
            match end.join() {
                Ok(report) => assert_eq!(report.to_string(), outside.to_string()),
                Err(error) => assert!(matches!(error, JobError::Abandoned)),
            }
        }
        drop(idle);
    };
    for workers in 1..=3 {
        check(0..100, move |_| end(workers));
    }
}
