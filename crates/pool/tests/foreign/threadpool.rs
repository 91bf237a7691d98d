//! After the tests of the crate `threadpool`: many jobs, and every way to wait until a pool has
//! nothing to do.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pool::{Executor, JobContext, Pool};
use pool_conformance::probe::{Count, Gate, PATIENCE, ended, meet, occupy, poll_once, ready};

use crate::each::{ROOM, ends_clean, on_each_backend, pool};

#[test]
fn a_great_many_jobs_all_run() {
    const JOBS: usize = 100_000;
    const WORKERS: usize = 4;
    on_each_backend(|backend| {
        let pool = pool(backend, WORKERS, 64);
        let (gate, started) = (Gate::new(), Count::new());
        let (tell, told) = mpsc::channel();
        for number in 0..JOBS {
            let (tell, held) = (tell.clone(), (number < WORKERS).then(|| gate.pass()));
            let begun = started.clone();
            let body = move |_: &JobContext<'_>| {
                if let Some(pass) = held {
                    begun.add();
                    pass.wait();
                }
                tell.send(1).expect("the test listens");
                Ok::<_, Infallible>(())
            };
            pool.execute(body).expect("room appears");
            if number + 1 == WORKERS {
                started.wait_for(WORKERS);
                let stats = pool.stats();
                assert_eq!(stats.running, WORKERS as u64, "{stats}");
                gate.open();
            }
        }
        let ran: usize = (0..JOBS)
            .map(|_| told.recv_timeout(PATIENCE).expect("every job tells"))
            .sum();
        assert_eq!(ran, JOBS);
        pool.wait_idle();
        assert_eq!(pool.stats().running, 0);
        ends_clean(&pool);
    });
}

#[test]
fn jobs_that_panic_while_their_pool_is_dropped_end_it_all_the_same() {
    const WORKERS: usize = 4;
    on_each_backend(|backend| {
        let pool = pool(backend, WORKERS, 4);
        let (gate, started, dropping) = (Gate::new(), Count::new(), Count::new());
        for _ in 0..WORKERS {
            let (pass, begun) = (gate.pass(), started.clone());
            let body = move || {
                begun.add();
                pass.wait();
                std::panic::resume_unwind(Box::new("as planned"));
            };
            pool.spawn(body)
                .map(|it: pool::JobHandle<(), _>| it.detach())
                .expect(ROOM);
        }
        started.wait_for(WORKERS);
        thread::scope(|threads| {
            let begun = dropping.clone();
            let dropped = threads.spawn(move || {
                begun.add();
                drop(pool);
            });
            dropping.wait_for(1);
            gate.open();
            dropped.join().expect("a drop does not panic");
        });
    });
}

#[test]
fn a_pool_that_was_waited_for_takes_the_next_wave() {
    const WAVE: usize = 42;
    on_each_backend(|backend| {
        let pool = pool(backend, 2, WAVE);
        pool.wait_idle();
        let ran = Count::new();
        for wave in 1..=3 {
            let (gate, is_open) = (Gate::new(), AtomicBool::new(false));
            for number in 0..WAVE {
                let (ran, held) = (ran.clone(), (number == 0).then(|| gate.pass()));
                let body = move || {
                    if let Some(pass) = held {
                        pass.wait();
                    }
                    ran.add();
                };
                pool.spawn(body).expect(ROOM).detach();
            }
            thread::scope(|threads| {
                threads.spawn(|| {
                    // The waiting thread has time to come back too early.
                    Count::new().stays_below(1, Duration::from_millis(20));
                    is_open.store(true, Ordering::SeqCst);
                    gate.open();
                });
                pool.wait_idle();
                assert!(
                    is_open.load(Ordering::SeqCst),
                    "one of the wave waits at the gate"
                );
            });
            assert_eq!(ran.get(), wave * WAVE, "the wave is over");
        }
        ends_clean(&pool);
    });
}

/// Jobs of one pool wait until the other pool, which submitted them, has nothing to do.
#[test]
fn jobs_of_one_pool_wait_until_another_is_idle() {
    const JOBS: usize = 8;
    on_each_backend(|backend| {
        let (first, second) = (pool(backend, 4, JOBS), pool(backend, 4, JOBS));
        let (tell, told) = mpsc::channel();
        let gate = Gate::new();
        for number in 0..JOBS {
            let (first_again, second, tell) = (first.clone(), second.clone(), tell.clone());
            let pass = gate.pass();
            let body = move || {
                pass.wait();
                let waits = move || {
                    first_again.wait_idle();
                    tell.send(number).expect("the test listens");
                };
                second.spawn(waits).expect("room appears").detach();
            };
            first.spawn(body).expect("room appears").detach();
        }
        drop(tell);
        assert!(told.try_recv().is_err(), "the gate is shut");
        gate.open();
        first.wait_idle();
        second.wait_idle();
        assert_eq!(told.iter().sum::<usize>(), (0..JOBS).sum());
        ends_clean(&first);
        ends_clean(&second);
    });
}

/// Another thread may add a job at any time: a waiting thread comes back, then or later, and the
/// other jobs run.
#[test]
fn who_waits_comes_back_though_others_go_on_submitting() {
    on_each_backend(|backend| {
        let pool = pool(backend, 4, 16);
        let (ran, adding) = (Count::new(), Count::new());
        thread::scope(|threads| {
            threads.spawn(|| {
                for _ in 0..500 {
                    let ran = ran.clone();
                    pool.spawn(move || ran.add())
                        .expect("room appears")
                        .detach();
                    adding.add();
                }
            });
            adding.wait_for(1);
            pool.wait_idle();
            assert!(
                ran.get() >= 1,
                "a job that was accepted before the wait has run"
            );
        });
        pool.wait_idle();
        assert_eq!(ran.get(), 500);
        ends_clean(&pool);
    });
}

/// Two threads wait for the first wave, and each then submits its own: neither wave is lost or
/// mixed up.
#[test]
fn two_who_waited_submit_and_get_their_own() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 8);
        let gate = occupy(&pool, 2);
        let own = |numbers: std::ops::Range<u64>, start: u64, fold: fn(u64, u64) -> u64| {
            let pool = pool.clone();
            thread::spawn(move || {
                pool.wait_idle();
                let (tell, told) = mpsc::channel();
                for number in numbers {
                    let tell = tell.clone();
                    let body = move || tell.send(number).expect("the submitter listens");
                    pool.spawn(body).expect("room appears").detach();
                }
                drop(tell);
                told.iter().fold(start, fold)
            })
        };
        let sum = own(0..42, 0, |a, b| a + b);
        let product = own(1..12, 1, |a, b| a * b);
        gate.open();
        assert_eq!(sum.join().expect("it does not panic"), 861);
        assert_eq!(product.join().expect("it does not panic"), 39_916_800);
        ends_clean(&pool);
    });
}

type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// All of them have begun to wait when the pool falls idle. By the time that the second looks, it
/// is busy again.
#[test]
fn who_waits_for_quiet_is_not_held_up_by_who_comes_next() {
    const WAITING: usize = 12;
    on_each_backend(|backend| {
        let pool: Pool = pool(backend, 1, 4);
        let first_wave = occupy(&pool, 1);
        let mut waiting: Vec<Waiting<'_>> = (0..WAITING)
            .map(|_| Box::pin(pool.wait_idle_async()) as Waiting<'_>)
            .collect();
        for wait in &mut waiting {
            assert!(
                poll_once(wait.as_mut(), &Count::new()).is_pending(),
                "the pool is busy"
            );
        }
        first_wave.open();
        ready(waiting.remove(0).as_mut());
        let second_wave = occupy(&pool, 1);
        for mut wait in waiting {
            ready(wait.as_mut());
        }
        // A thread that comes now has to wait for the second wave.
        let mut late = Box::pin(pool.wait_idle_async());
        assert!(
            poll_once(late.as_mut(), &Count::new()).is_pending(),
            "the pool is busy"
        );
        second_wave.open();
        ready(late.as_mut());
        ends_clean(&pool);
    });
}

#[test]
fn a_panic_of_every_worker_leaves_as_many() {
    const WORKERS: usize = 4;
    on_each_backend(|backend| {
        let pool = pool(backend, WORKERS, 8);
        let meeting = Count::new();
        for _ in 0..WORKERS {
            let here = meeting.clone();
            let body = move || {
                here.add();
                here.wait_for(WORKERS);
                std::panic::resume_unwind(Box::new("all at once"));
            };
            pool.spawn(body)
                .map(|it: pool::JobHandle<(), _>| it.detach())
                .expect(ROOM);
        }
        pool.wait_idle();
        assert_eq!(pool.stats().panicked, WORKERS as u64);
        meet(&pool, WORKERS);
        ended(pool.spawn(|| ()).expect(ROOM)).expect("it completes");
        ends_clean(&pool);
    });
}

/// A pool moves to another thread, and several threads use it at a time.
#[test]
fn a_pool_can_be_sent_and_shared() {
    fn is_both<T: Send + Sync + Clone>() {}
    is_both::<Pool>();
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 4);
        let sums: Vec<u64> = thread::scope(|threads| {
            let user = |base: u64| {
                let pool = &pool;
                threads.spawn(move || {
                    let map = pool.map(0..10_u64, move |number| base + number);
                    map.map(|it| it.expect("it completes")).sum::<u64>()
                })
            };
            let users: Vec<_> = (0..4).map(|it| user(it * 100)).collect();
            users
                .into_iter()
                .map(|it| it.join().expect("no user panics"))
                .collect()
        });
        assert_eq!(sums, [45, 1045, 2045, 3045]);
        let sent = pool.clone();
        thread::spawn(move || drop(ends_clean(&sent)))
            .join()
            .expect("it ends there");
        assert!(pool.is_closed());
    });
}
