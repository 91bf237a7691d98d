//! Executors within executors: a job that blocks on futures, a runtime within a job, a pool within
//! a runtime.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use pool::{Backend, JobContext, JobError, Pool, ShutdownPolicy};
use pool_conformance::probe::{Count, Gate, PATIENCE, ended, occupy, ready};
use tokio::runtime::{Builder, Runtime};

use crate::each::{ROOM, ends_clean, job, on_each_backend, pool};

fn current_thread() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without input and output needs nothing")
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("the system gives two threads")
}

/// Three ways to block on a future.
type BlockOn = fn(Child) -> u32;
type Child = std::pin::Pin<Box<dyn Future<Output = u32> + Send>>;

const WAYS: [BlockOn; 3] = [
    |child| current_thread().block_on(child),
    |child| multi_thread().block_on(child),
    |mut child| ready(child.as_mut()),
];

#[test]
fn a_closure_may_block_on_a_childs_handle() {
    on_each_backend(|backend| {
        for workers in 1..=2 {
            let pool = pool(backend, workers, 8);
            for block_on in WAYS {
                let parent = move |ctx: &JobContext<'_>| {
                    let child = ctx
                        .submit(|_: &JobContext<'_>| Ok::<_, Infallible>(5))
                        .expect(ROOM);
                    block_on(Box::pin(async { child.await.expect("it completes") }))
                };
                let parent = pool.submit(job(parent)).expect(ROOM);
                assert_eq!(ended(parent).expect("it completes"), 5);
            }
            ends_clean(&pool);
        }
    });
}

#[test]
fn a_closure_may_block_on_a_child_that_is_a_future() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 8);
        for block_on in WAYS {
            let inner = pool.clone();
            let parent = pool.spawn(move || {
                let yields = inner.spawn_future(async {
                    tokio::task::yield_now().await;
                    6
                });
                let yields = yields.expect(ROOM);
                block_on(Box::pin(async { yields.await.expect("it completes") }))
            });
            assert_eq!(ended(parent.expect(ROOM)).expect("it completes"), 6);
        }
        ends_clean(&pool);
    });
}

/// A closure that a future has run in place blocks on a job of its own.
#[test]
fn a_closure_within_a_future_may_block_on_a_childs_handle() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 8);
        let inner = pool.clone();
        let outer = pool.spawn_future(async move {
            let innermost = inner.clone();
            let closure = inner.spawn(move || {
                let child = innermost.spawn(|| 8).expect(ROOM);
                ready(Box::pin(child).as_mut()).expect("it completes")
            });
            closure.expect(ROOM).join().expect("it completes")
        });
        assert_eq!(ended(outer.expect(ROOM)).expect("it completes"), 8);
        ends_clean(&pool);
    });
}

/// Blocking within blocking, at any depth.
#[test]
fn block_on_nests() {
    const DEPTH: u32 = 30;
    fn nest(pool: &Pool, depth: u32) -> u32 {
        if depth == 0 {
            return 0;
        }
        let inner = pool.clone();
        let child = pool.spawn(move || nest(&inner, depth - 1)).expect(ROOM);
        1 + ready(Box::pin(child).as_mut()).expect("it completes")
    }
    on_each_backend(|backend| {
        let pool = pool(backend, 1, DEPTH as usize);
        let inner = pool.clone();
        let outermost = pool.spawn(move || nest(&inner, DEPTH)).expect(ROOM);
        assert_eq!(ended(outermost).expect("it completes"), DEPTH);
        ends_clean(&pool);
    });
}

/// What a job awaits of its own pool, with jobs queued that only its own worker can run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Awaits {
    Quiet,
    End,
}

impl Awaits {
    async fn of(self, pool: &Pool, ran: &Count) {
        for _ in 0..3 {
            let ran = ran.clone();
            pool.spawn(move || ran.add()).expect(ROOM).detach();
        }
        let yields = async { tokio::task::yield_now().await };
        pool.spawn_future(yields).expect(ROOM).detach();
        match self {
            Self::Quiet => pool.wait_idle_async().await,
            Self::End => {
                let report = pool.shutdown_async(ShutdownPolicy::drain()).await;
                assert!(report.balances() && report.unstarted() == 0, "{report}");
            }
        }
        assert_eq!(ran.get(), 3, "{self:?}");
    }
}

#[test]
fn a_job_awaits_the_quiet_and_the_end_of_its_own_pool() {
    on_each_backend(|backend| {
        for awaits in [Awaits::Quiet, Awaits::End] {
            for workers in 1..=2 {
                let closures = pool(backend, workers, 8);
                let (inner, ran) = (closures.clone(), Count::new());
                let blocks = closures.spawn(move || {
                    ready(Box::pin(awaits.of(&inner, &ran)).as_mut());
                });
                ended(blocks.expect(ROOM)).expect("it completes");
                let futures = pool(backend, workers, 8);
                let (inner, ran) = (futures.clone(), Count::new());
                let future = futures.spawn_future(async move { awaits.of(&inner, &ran).await });
                ended(future.expect(ROOM)).expect("it completes");
            }
        }
    });
}

/// The job that it waits for waits for another one, which comes from outside after it has looked
/// for jobs and found none.
#[test]
fn a_job_that_awaits_the_quiet_runs_what_comes_meanwhile() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 8);
        let (started, late) = (Count::new(), Count::new());
        let (begun, awaited) = (started.clone(), late.clone());
        let held = pool.spawn(move || {
            begun.add();
            awaited.wait_for(1);
        });
        let held = held.expect(ROOM);
        started.wait_for(1);
        let (inner, begun) = (pool.clone(), started.clone());
        let waits = pool.spawn_future(async move {
            begun.add();
            inner.wait_idle_async().await;
        });
        started.wait_for(2);
        Count::new().stays_below(1, Duration::from_millis(20));
        let ran = late.clone();
        pool.spawn(move || ran.add()).expect(ROOM).detach();
        ended(held).expect("what it waits for comes");
        ended(waits.expect(ROOM)).expect("it completes");
        assert_eq!(late.get(), 1);
        ends_clean(&pool);
    });
}

/// A thread that waits is woken even if a poll has used up its park token.
#[test]
fn a_future_may_park_and_unpark_its_thread() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 4);
        let parks = || {
            let mut polls = 0;
            poll_fn(move |cx| {
                polls += 1;
                if polls == 10 {
                    return Poll::Ready(polls);
                }
                cx.waker().wake_by_ref();
                thread::current().unpark();
                thread::park();
                Poll::Pending
            })
        };
        let future = pool.spawn_future(parks()).expect(ROOM);
        assert_eq!(ended(future).expect("it completes"), 10);
        let inner = pool
            .spawn(move || current_thread().block_on(parks()))
            .expect(ROOM);
        assert_eq!(ended(inner).expect("it completes"), 10);
        ends_clean(&pool);
    });
}

/// Runtimes nest if the host allows it; if not, the job panics.
#[test]
fn a_runtime_within_a_future_works_or_panics_within_its_job() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 4);
        let nested = pool.spawn_future(async { current_thread().block_on(async { 7 }) });
        match ended(nested.expect(ROOM)) {
            Ok(value) => assert_eq!(value, 7),
            Err(JobError::Panicked(info)) => {
                assert_eq!(backend, Backend::Async, "{}", info.message());
            }
            Err(other) => panic!("a nested runtime became {other:?}"),
        }
        ended(pool.spawn(|| ()).expect(ROOM)).expect("the worker goes on");
        ends_clean(&pool);
    });
}

/// In which runtime, and how, a pool is built and dropped.
fn within(runtime: Runtime, in_task: bool, body: impl FnOnce() + Send + 'static) {
    runtime.block_on(async {
        if in_task {
            tokio::spawn(async { body() })
                .await
                .expect("the body does not panic");
        } else {
            body();
        }
    });
}

/// Tokio itself panics if a runtime is dropped in async code; a pool is only drained there.
#[test]
fn a_pool_comes_and_goes_in_async_code() {
    on_each_backend(|backend| {
        let ends: [fn(Pool); 4] = [
            drop,
            |pool| drop(ends_clean(&pool)),
            |pool| drop(pool.shutdown(ShutdownPolicy::now())),
            |pool| drop(pool.shutdown(Duration::from_secs(20))),
        ];
        for end in ends {
            for in_task in [false, true] {
                for runtime in [current_thread, multi_thread] {
                    let ran = Count::new();
                    let runs = ran.clone();
                    let body = move || {
                        let pool = pool(backend, 2, 4);
                        ended(pool.spawn(move || runs.add()).expect(ROOM)).expect("it completes");
                        end(pool);
                    };
                    within(runtime(), in_task, body);
                    assert_eq!(ran.get(), 1);
                }
            }
        }
    });
}

/// Handles are awaited from any runtime, and from none.
#[test]
fn a_handle_is_awaited_from_any_runtime() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 4);
        for runtime in [current_thread, multi_thread] {
            let gate = occupy(&pool, 1);
            let awaited = pool.spawn(|| 3).expect(ROOM);
            let value = runtime().block_on(async {
                let task = tokio::spawn(awaited);
                gate.open();
                task.await.expect("the task does not panic")
            });
            assert_eq!(value.expect("it completes"), 3);
        }
        ends_clean(&pool);
    });
}

/// A pool needs no runtime around it: it is built, used and ended on plain threads.
#[test]
fn futures_are_submitted_where_no_runtime_is() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 4);
        let future = thread::spawn({
            let pool = pool.clone();
            move || pool.spawn_future(async { 4 }).expect(ROOM)
        });
        let future = future.join().expect("it is submitted");
        assert_eq!(ended(future).expect("it completes"), 4);
        ends_clean(&pool);
    });
}

/// A closure that blocks on a channel, and a job that fills it from another pool's future.
#[test]
fn a_blocked_closure_is_fed_by_a_future_of_another_pool() {
    on_each_backend(|backend| {
        let (blocked, feeding) = (pool(backend, 1, 4), pool(backend, 1, 4));
        let (feed, fed) = std::sync::mpsc::channel();
        let gate = Gate::new();
        let waits = blocked.spawn(move || fed.recv_timeout(PATIENCE).expect("it is fed"));
        let pass = gate.pass();
        let feeds = feeding.spawn_future(async move {
            pass.wait();
            feed.send(11).expect("the closure waits");
        });
        gate.open();
        assert_eq!(ended(waits.expect(ROOM)).expect("it completes"), 11);
        ended(feeds.expect(ROOM)).expect("it completes");
        ends_clean(&blocked);
        ends_clean(&feeding);
    });
}
