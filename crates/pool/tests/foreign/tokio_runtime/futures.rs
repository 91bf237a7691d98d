//! Futures at work: many, in chains, under load, and from every place that can submit one.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use pool::{AsyncContext, JobContext, JobHandle, Pool};
use pool_conformance::probe::{PATIENCE, ended};
use tokio::sync::oneshot;

use crate::each::{ROOM, ends_clean, on_each_backend, pool};

#[test]
fn many_futures_are_submitted_by_one_of_them_and_each_hears_from_the_next() {
    const FUTURES: usize = 200;
    on_each_backend(|backend| {
        // A future that a runtime hosts keeps its worker, and these all wait for each other.
        let pool = pool(backend, FUTURES + 1, FUTURES);
        let inner = pool.clone();
        let first = pool.spawn_future(async move {
            let (start, mut last) = oneshot::channel();
            for _ in 0..FUTURES {
                let (tell, told) = oneshot::channel();
                let link = async move {
                    let number: usize = last.await.expect("the one before it tells");
                    tell.send(number + 1).expect("the one after it listens");
                };
                inner.spawn_future(link).expect(ROOM).detach();
                last = told;
            }
            start.send(0).expect("the first listens");
            last.await.expect("the last tells")
        });
        assert_eq!(ended(first.expect(ROOM)).expect("it completes"), FUTURES);
        ends_clean(&pool);
    });
}

fn chain(pool: Pool, depth: usize) -> impl FnOnce(AsyncContext) -> Boxed + Send + 'static {
    move |_| {
        Box::pin(async move {
            if depth == 0 {
                return Ok(0);
            }
            let next = pool.submit_future(chain(pool.clone(), depth - 1));
            let next = next.expect("an open pool takes a future");
            Ok(1 + next.await.expect("the next completes"))
        })
    }
}

type Boxed = Pin<Box<dyn Future<Output = Result<usize, Infallible>> + Send>>;

#[test]
fn a_chain_of_awaits_resolves_to_its_first() {
    const DEPTH: usize = 100;
    on_each_backend(|backend| {
        for workers in 1..=3 {
            let pool = pool(backend, workers, DEPTH + 1);
            let outermost = pool.submit_future(chain(pool.clone(), DEPTH)).expect(ROOM);
            assert_eq!(ended(outermost).expect("it completes"), DEPTH);
            ends_clean(&pool);
        }
    });
}

/// Wakes itself endlessly, until it is told to stop. The drop stops it too, so that a failed test
/// ends.
struct Spinning(Arc<AtomicBool>);

impl Spinning {
    fn start(pool: &Pool, count: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        for _ in 0..count {
            let over = Arc::clone(&is_over);
            let spins = async move {
                while !over.load(Ordering::SeqCst) {
                    tokio::task::yield_now().await;
                }
            };
            pool.spawn_future(spins).expect(ROOM).detach();
        }
        Self(is_over)
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A future that sleeps is woken, and one that is submitted starts, even if another never sleeps.
#[test]
fn futures_come_to_their_turn_under_load() {
    const ROUNDS: usize = 50;
    on_each_backend(|backend| {
        let pool = pool(backend, 4, 8);
        let _spinning = Spinning::start(&pool, 1);
        for _ in 0..ROUNDS {
            let (first, second) = (oneshot::channel(), oneshot::channel());
            let (wake, woken) = first;
            let passes_on = pool.spawn_future(async move {
                woken.await.expect("it is woken");
                second.0.send(()).expect("the next listens");
            });
            let ends = pool.spawn_future(async move { second.1.await.expect("it is woken") });
            let (passes_on, ends) = (passes_on.expect(ROOM), ends.expect(ROOM));
            wake.send(()).expect("it listens");
            ended(ends).expect("it completes");
            ended(passes_on).expect("it completes");
        }
    });
}

/// Two futures that wake each other forever do not keep a third from being polled.
#[test]
fn a_pair_that_keeps_each_other_going_starves_nobody() {
    on_each_backend(|backend| {
        let pool = pool(backend, 3, 8);
        let is_over = Arc::new(AtomicBool::new(false));
        let (a, b) = (tokio::sync::mpsc::channel(1), tokio::sync::mpsc::channel(1));
        a.0.try_send(0_usize).expect("it is empty");
        let players: Vec<JobHandle<(), Infallible>> = [(a.1, b.0), (b.1, a.0)]
            .into_iter()
            .map(|(mut takes, gives)| {
                let over = Arc::clone(&is_over);
                let plays = async move {
                    while let Some(ball) = takes.recv().await {
                        if over.load(Ordering::SeqCst) || gives.send(ball + 1).await.is_err() {
                            return;
                        }
                    }
                };
                pool.spawn_future(plays).expect(ROOM)
            })
            .collect();
        for _ in 0..20 {
            let third = pool.spawn_future(async {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
            });
            ended(third.expect(ROOM)).expect("it comes to its turns");
            ended(pool.spawn(|| ()).expect(ROOM)).expect("so does a closure");
        }
        is_over.store(true, Ordering::SeqCst);
        for player in players {
            ended(player).expect("it completes");
        }
        ends_clean(&pool);
    });
}

#[test]
fn a_future_is_submitted_from_every_place() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 8);
        let ran = Arc::new(AtomicUsize::new(0));
        let counts = || {
            let ran = Arc::clone(&ran);
            async move { ran.fetch_add(1, Ordering::SeqCst) }
        };
        // From a thread outside, while the pool is idle.
        ended(pool.spawn_future(counts()).expect(ROOM)).expect("it completes");
        pool.wait_idle();
        thread::scope(|threads| {
            threads.spawn(|| {
                let idle = pool.spawn_future(counts()).expect(ROOM);
                ended(idle).expect("it completes");
            });
        });
        // From a closure, and from a closure of a closure.
        let (inner, innermost, count, counted) = (pool.clone(), pool.clone(), counts(), counts());
        let closure = pool.spawn(move || {
            inner.spawn_future(count).expect(ROOM).detach();
            let within = inner.spawn(move || innermost.spawn_future(counted).expect(ROOM));
            within
                .expect(ROOM)
                .join()
                .expect("it completes")
                .join()
                .expect("it completes")
        });
        ended(closure.expect(ROOM)).expect("it completes");
        // From a future.
        let (inner, count) = (pool.clone(), counts());
        let future = pool.spawn_future(async move {
            inner
                .spawn_future(count)
                .expect(ROOM)
                .await
                .expect("it completes")
        });
        ended(future.expect(ROOM)).expect("it completes");
        // From the drop of a future that was cancelled.
        let cancelled = pool.spawn_future({
            let on_drop = SubmitsOnDrop(pool.clone(), Arc::clone(&ran));
            async move {
                let _on_drop = on_drop;
                std::future::pending::<()>().await;
            }
        });
        let cancelled = cancelled.expect(ROOM);
        cancelled.cancel();
        assert!(ended(cancelled).is_err());
        pool.wait_idle();
        assert_eq!(ran.load(Ordering::SeqCst), 6);
        ends_clean(&pool);
    });
}

/// Submits a future when it is dropped.
struct SubmitsOnDrop(Pool, Arc<AtomicUsize>);

impl Drop for SubmitsOnDrop {
    fn drop(&mut self) {
        let ran = Arc::clone(&self.1);
        let late = self
            .0
            .spawn_future(async move { ran.fetch_add(1, Ordering::SeqCst) });
        late.expect("the pool is open").detach();
    }
}

/// A closure blocks every worker; a thousand queued futures still run.
#[test]
fn futures_that_wait_behind_closures_all_run() {
    const FUTURES: usize = 1000;
    on_each_backend(|backend| {
        for _ in 0..3 {
            let pool = pool(backend, 4, FUTURES);
            let gate = pool_conformance::probe::occupy(&pool, 4);
            let (tell, told) = mpsc::channel();
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..FUTURES {
                let (ran, tell) = (Arc::clone(&ran), tell.clone());
                let counts = async move {
                    if ran.fetch_add(1, Ordering::SeqCst) + 1 == FUTURES {
                        tell.send(()).expect("the test listens");
                    }
                };
                pool.spawn_future(counts).expect(ROOM).detach();
            }
            assert_eq!(ran.load(Ordering::SeqCst), 0, "no worker is free");
            gate.open();
            told.recv_timeout(PATIENCE).expect("the last one tells");
            ends_clean(&pool);
        }
    });
}

/// Closures and futures of one parent, joined and awaited alternately.
#[test]
fn a_future_awaits_closures_and_a_closure_joins_futures() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 8);
        let inner = pool.clone();
        let future = pool.spawn_future(async move {
            let closure = inner.spawn(|| 1).expect(ROOM);
            closure.await.expect("it completes")
        });
        let inner = pool.clone();
        let closure = pool.submit(move |ctx: &JobContext<'_>| {
            let future = inner.spawn_future(async { 2 }).expect(ROOM);
            let sibling = ctx
                .submit(|_: &JobContext<'_>| Ok::<_, Infallible>(3))
                .expect(ROOM);
            let (future, sibling) = (future.join(), sibling.join());
            Ok::<_, Infallible>(future.expect("it completes") + sibling.expect("it completes"))
        });
        assert_eq!(ended(future.expect(ROOM)).expect("it completes"), 1);
        assert_eq!(ended(closure.expect(ROOM)).expect("it completes"), 5);
        ends_clean(&pool);
    });
}
