//! Several pools that wait for each other, start and stop many times at once, or hold each other's
//! handles.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pool::{JobContext, Pool, ShutdownPolicy};
use pool_conformance::probe::{Alive, Count, Gate, ended, meet, occupy};

use crate::each::{ROOM, ends_clean, job, nothing_runs, on_each_backend, pool};

#[test]
fn a_hundred_jobs_of_one_pool_each_wait_for_one_of_another() {
    const JOBS: usize = 100;
    on_each_backend(|backend| {
        let (front, back) = (pool(backend, 1, JOBS), pool(backend, 1, JOBS));
        let behind = back.clone();
        let sum: usize = front
            .map(1..=JOBS, move |number| {
                let through = behind.spawn(move || number).expect(ROOM);
                through.join().expect("it completes")
            })
            .map(|number| number.expect("it completes"))
            .sum();
        assert_eq!(sum, JOBS * (JOBS + 1) / 2);
        ends_clean(&front);
        let report = ends_clean(&back);
        assert_eq!(report.completed(), JOBS as u64, "{report}");
    });
}

/// A future of one pool wakes a future of the other.
#[test]
fn futures_of_two_pools_wake_each_other() {
    const ROUNDS: usize = 200;
    on_each_backend(|backend| {
        let (a, b) = (pool(backend, 1, 4), pool(backend, 1, 4));
        for _ in 0..ROUNDS {
            let (ping, pinged) = tokio::sync::oneshot::channel();
            let (pong, ponged) = tokio::sync::oneshot::channel();
            let answers = b.spawn_future(async move {
                let ball: u32 = pinged.await.expect("the other side serves");
                pong.send(ball + 1).expect("the other side waits");
            });
            let serves = a.spawn_future(async move {
                ping.send(1).expect("the other side waits");
                ponged.await.expect("the other side answers")
            });
            assert_eq!(ended(serves.expect(ROOM)).expect("it completes"), 2);
            ended(answers.expect(ROOM)).expect("it completes");
        }
        ends_clean(&a);
        ends_clean(&b);
    });
}

/// The last handle of a pool is dropped by a job of another pool, which drains it there.
#[test]
fn a_pool_is_drained_by_the_job_of_another_that_drops_it() {
    const JOBS: usize = 5;
    on_each_backend(|backend| {
        let (a, b) = (pool(backend, 1, 4), pool(backend, 1, JOBS));
        let (gate, started, ran) = (Gate::new(), Count::new(), Count::new());
        let (pass, begun, held) = (gate.pass(), started.clone(), b.clone());
        let drops = a.spawn(move || {
            begun.add();
            pass.wait();
            drop(held);
        });
        let drops = drops.expect(ROOM);
        started.wait_for(1);
        let blocker = occupy(&b, 1);
        for _ in 0..JOBS {
            let ran = ran.clone();
            b.spawn(move || ran.add()).expect(ROOM).detach();
        }
        drop(b);
        gate.open();
        blocker.open();
        ended(drops).expect("the drop returns");
        assert_eq!(
            ran.get(),
            JOBS,
            "what was accepted ran before the drop returned"
        );
        ends_clean(&a);
    });
}

const THREADS: usize = 10;
const ROUNDS: usize = 50;

#[test]
fn many_pools_start_and_stop_at_once() {
    on_each_backend(|backend| {
        let (alive, rounds) = (Alive::new(), AtomicUsize::new(0));
        thread::scope(|threads| {
            for thread in 0..THREADS {
                let (alive, rounds) = (&alive, &rounds);
                threads.spawn(move || {
                    for round in 0..ROUNDS {
                        start_and_stop(&pool(backend, 2, 4), alive, thread + round);
                        rounds.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(rounds.into_inner(), THREADS * ROUNDS);
        assert_eq!(alive.count(), 0, "jobs outlived their pools");
    });
}

fn start_and_stop(pool: &Pool, alive: &Alive, round: usize) {
    for _ in 0..round % 4 {
        let value = alive.value();
        pool.spawn(move || drop(value)).expect(ROOM).detach();
    }
    let report = match round % 5 {
        0 => pool.shutdown(ShutdownPolicy::drain()),
        1 => pool.shutdown(ShutdownPolicy::now().cancel_grace(Duration::from_secs(20))),
        2 => pool.shutdown(Duration::from_secs(20)),
        3 => {
            pool.close();
            pool.shutdown(ShutdownPolicy::drain())
        }
        _ => {
            meet(pool, 2);
            pool.shutdown(ShutdownPolicy::drain())
        }
    };
    assert!(report.balances(), "{report}");
    nothing_runs(pool, &report);
    assert!(round % 5 == 1 || report.is_clean(), "{report}");
}

/// Eight threads end one pool, each in its own way, while others submit: all see the same end.
#[test]
fn one_pool_is_ended_by_many() {
    const ENDERS: u64 = 8;
    on_each_backend(|backend| {
        for round in 0..10 {
            let pool = pool(backend, 2, 16);
            let gate = occupy(&pool, 1);
            let reports = thread::scope(|threads| {
                let finishers: Vec<_> = (0..ENDERS)
                    .map(|finisher| {
                        let pool = pool.clone();
                        threads.spawn(move || match (finisher + round) % 4 {
                            0 => Some(pool.shutdown(ShutdownPolicy::drain())),
                            1 => Some(pool.shutdown(Duration::from_secs(20 + finisher))),
                            2 => {
                                pool.close();
                                None
                            }
                            _ => {
                                let refused = pool.submit(job(|_: &JobContext<'_>| ()));
                                drop(refused);
                                drop(pool);
                                None
                            }
                        })
                    })
                    .collect();
                gate.open();
                let joined = finishers
                    .into_iter()
                    .map(|it| it.join().expect("no finisher panics"));
                joined.flatten().collect::<Vec<_>>()
            });
            let last = pool.shutdown(ShutdownPolicy::now());
            for report in reports {
                assert_eq!(report.accepted(), last.accepted(), "{report}, {last}");
                assert!(report.is_clean() && report.balances(), "{report}");
            }
        }
    });
}
