//! Rows 8 to 10: stacks that are too small, and threads that the system refuses, while a pool is
//! built and later.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use pool::{Backend, BuildError, ShutdownPolicy};

use crate::child::{backend_of_this_child, each_backend_in_a_child, run_again, say_done};
use crate::on::{LIMIT, builder, each_backend, ended, ends_clean, hold, nothing, on, value};
use crate::system::{limit_memory, threads, unlimit_memory};

const MIB: u64 = 1 << 20;

/// Waits until the process has as many threads as before: the system lists one for a moment after
/// it was joined.
#[track_caller]
pub(crate) fn threads_come_back_to(before: usize) {
    let limit = Instant::now() + LIMIT;
    while threads() != before {
        assert!(
            Instant::now() < limit,
            "{} threads, and {before} before",
            threads()
        );
        thread::yield_now();
    }
}

#[test]
fn a_stack_beyond_all_memory_is_an_error_that_leaves_nothing() {
    each_backend_in_a_child(|backend| {
        let before = threads();
        let refused = builder(backend, 4).stack_size(1 << 46).build();
        let error = refused.expect_err("no machine has such a stack");
        assert!(
            matches!(error, BuildError::Spawn { .. }),
            "{backend}: {error}"
        );
        threads_come_back_to(before);
    });
}

#[test]
fn a_build_that_is_refused_its_nth_thread_leaves_nothing() {
    const WORKERS: usize = 4;
    const STACK: u64 = 256 * MIB;
    each_backend_in_a_child(|backend| {
        let (mut built, before) = (false, threads());
        // One more stack fits each time, until all do; some backends have a few threads next to the
        // workers.
        for stacks in 0..2 * WORKERS as u64 + 4 {
            // The rest is for heaps, since each thread may need one.
            limit_memory(stacks * STACK + STACK / 2);
            let result = builder(backend, WORKERS).stack_size(STACK as usize).build();
            unlimit_memory();
            match result {
                Ok(pool) => {
                    built = true;
                    assert_eq!(value(pool.spawn(|| 7).expect("there is room")), 7);
                    ends_clean(&pool);
                }
                Err(error) => {
                    assert!(!built, "{backend}: less was enough: {error}");
                    assert!(
                        matches!(error, BuildError::Spawn { .. }),
                        "{backend}: {error}"
                    );
                }
            }
            threads_come_back_to(before);
        }
        assert!(
            built,
            "{backend}: {WORKERS} workers did not fit into the limit"
        );
    });
}

/// Uses this many bytes of stack.
fn dig(bytes: usize) {
    fn below(start: usize, bytes: usize) {
        let block = [0_u8; 4096];
        let here = black_box(&block).as_ptr().addr();
        if start.abs_diff(here) < bytes {
            below(start, bytes);
        }
        black_box(&block);
    }
    let here = 0_u8;
    below(black_box(&raw const here).addr(), bytes);
}

#[test]
fn a_stack_overflow_ends_the_process_and_a_larger_stack_prevents_it() {
    /// Bytes of stack that the child gives its workers.
    const STACK: &str = "POOL_FAILURES_STACK";
    let digs = |backend| {
        let bytes = std::env::var(STACK).expect("the parent says how many");
        let bytes = bytes.parse().expect("the parent gives a number");
        let pool = builder(backend, 1).stack_size(bytes).build();
        let pool = pool.expect("the stack is not too large");
        value(pool.spawn(|| dig(4 * MIB as usize)).expect("there is room"));
        ends_clean(&pool);
        say_done();
    };
    if let Some(backend) = backend_of_this_child() {
        return digs(backend);
    }
    fn run<Body>(_body: &Body, backend: Backend, bytes: u64) -> crate::child::Ended {
        run_again::<Body>(backend, |command| command.env(STACK, bytes.to_string()))
    }
    each_backend(|backend| {
        let small = run(&digs, backend, MIB);
        assert_eq!(
            small.signal,
            Some(libc::SIGABRT),
            "{backend}:\n{}",
            small.said
        );
        assert!(
            small.said.contains("overflowed its stack"),
            "{}",
            small.said
        );
        run(&digs, backend, 8 * MIB).assert_done();
    });
}

/// Polls the future repeatedly, as a runtime does when it is woken at once, until the limit of the
/// test.
fn poll_until_ready<F: Future>(future: F) -> F::Output {
    let (mut future, limit) = (pin!(future), Instant::now() + LIMIT);
    let (send, woken) = mpsc::channel();
    let waker = Waker::from(std::sync::Arc::new(Tells(send)));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let left = limit.saturating_duration_since(Instant::now());
        woken.recv_timeout(left).expect("it is woken by its limit");
    }
}

struct Tells(mpsc::Sender<()>);

impl std::task::Wake for Tells {
    fn wake(self: std::sync::Arc<Self>) {
        // A receiver that is gone has its result.
        let _heard = self.0.send(());
    }
}

/// With a default stack as large as all memory that is left, no thread can start.
fn refuse_threads() {
    limit_memory(64 * MIB);
    let refused = thread::Builder::new()
        .stack_size(512 * MIB as usize)
        .spawn(|| ());
    assert!(refused.is_err(), "the limit on memory refuses a thread");
}

#[test]
fn a_pool_that_gets_no_more_threads_runs_all_it_accepts() {
    let runs = |backend| {
        let pool = on(backend, 2, 64);
        refuse_threads();
        let sum: u64 = pool
            .map(0..1000_u64, |n| n)
            .map(|n| n.expect("it runs"))
            .sum();
        assert_eq!(sum, 999 * 500, "{backend}");
        let futures: Vec<_> = (0..100)
            .map(|n| pool.spawn_future(async move { n }).expect("there is room"))
            .collect();
        let sum: i32 = futures.into_iter().map(value).sum();
        assert_eq!(sum, 99 * 50, "{backend}");
        let error = pool.swap(backend).expect_err("a new backend needs threads");
        assert!(
            matches!(error, BuildError::Spawn { .. }),
            "{backend}: {error}"
        );
        assert_eq!(value(pool.spawn(|| 6).expect("the old one goes on")), 6);

        // The pool's timer is a thread as well. Without it, a limit still holds.
        let (release, hangs) = hold(&pool);
        let soon = Duration::from_millis(50);
        let policy = ShutdownPolicy::new(soon).cancel_grace(soon);
        let report = poll_until_ready(pool.shutdown_async(policy));
        assert_eq!(report.still_running().len(), 1, "{backend}: {report}");
        drop(release);
        assert!(value(hangs));
        unlimit_memory();
        assert!(pool.submit(nothing).is_err(), "{backend}: it is closed");
        say_done();
    };
    if let Some(backend) = backend_of_this_child() {
        return runs(backend);
    }
    in_children_with_large_stacks(&runs);
}

/// Runs a test again on each backend, in a process whose threads have larger stacks than glibc
/// caches from ended threads.
fn in_children_with_large_stacks<Body>(_body: &Body) {
    each_backend(|backend| {
        run_again::<Body>(backend, |command| {
            command.env("RUST_MIN_STACK", (512 * MIB).to_string())
        })
        .assert_done();
    });
}

#[test]
fn a_deadline_without_a_clock_is_seen_at_the_next_poll() {
    let runs = |backend| {
        let pool = on(backend, 1, 4);
        refuse_threads();
        let (send, wakers) = mpsc::channel::<Waker>();
        let sleeps = move |_: pool::AsyncContext| {
            std::future::poll_fn(move |cx| -> Poll<Result<(), ()>> {
                send.send(cx.waker().clone()).expect("the test listens");
                Poll::Pending
            })
        };
        use pool::AsyncJobExt;
        let handle = pool.submit_future(sleeps.with_timeout(Duration::from_millis(20)));
        let waker = wakers.recv_timeout(LIMIT).expect("it is polled");
        let handle = handle.expect("there is room");
        let handle = match handle.join_timeout(Duration::from_millis(40)) {
            Err(handle) => handle,
            Ok(outcome) => {
                assert!(outcome.is_err(), "{backend}");
                return say_done();
            }
        };
        waker.wake();
        assert!(
            matches!(ended(handle), Err(pool::JobError::Expired)),
            "{backend}"
        );
        unlimit_memory();
        ends_clean(&pool);
        say_done();
    };
    if let Some(backend) = backend_of_this_child() {
        return runs(backend);
    }
    in_children_with_large_stacks(&runs);
}
