//! Row 28: chains of jobs of any length, in which each job submits the next as it ends.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use pool::{CancelToken, JobContext, JobExt, JobFailure, JobHandle, Pool};

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, builder, ends_clean, hold, on, value};
use crate::system::most_resident;

/// Calls a closure when it is dropped.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(last) = self.0.take() {
            last();
        }
    }
}

/// Jobs that never start, each of which submits the next when it is dropped.
#[derive(Clone)]
struct Chain {
    pool: Pool,
    token: CancelToken,
    /// Each is cancelled by its handle.
    cancels: bool,
    left: usize,
    done: Sender<()>,
}

fn go_on(chain: Chain) {
    let Some(left) = chain.left.checked_sub(1) else {
        chain.done.send(()).expect("the test listens");
        return;
    };
    let next = Chain {
        left,
        ..chain.clone()
    };
    let again = OnDrop(Some(move || go_on(next)));
    let job = move |_: &JobContext<'_>| {
        drop(again);
        Ok::<_, Infallible>(())
    };
    let handle = chain.pool.submit(job.with_token(&chain.token));
    let handle = handle.expect("there is room");
    if chain.cancels {
        handle.cancel();
    }
}

/// Row 28, for jobs that end where they are submitted or cancelled, all on one stack.
#[test]
fn a_chain_of_jobs_that_never_start_needs_no_stack() {
    const JOBS: usize = 100_000;
    each_backend_in_a_child(|backend| {
        for cancels in [false, true] {
            // A cancelled job's slot comes free when the queue gets to it.
            let pool = on(backend, 1, if cancels { JOBS } else { 1 });
            let (release, held) = hold(&pool);
            let (done, told) = mpsc::channel();
            let token = CancelToken::new();
            if !cancels {
                token.cancel();
            }
            go_on(Chain {
                pool: pool.clone(),
                token,
                cancels,
                left: JOBS,
                done,
            });
            told.recv_timeout(LIMIT).expect("the chain ends");
            drop(release);
            assert!(value(held));
            ends_clean(&pool);
        }
    });
}

/// The same through the observer of failures, which is told of an expired job where the job is
/// submitted.
#[test]
fn a_chain_of_late_jobs_by_their_observer_needs_no_stack() {
    const JOBS: usize = 100_000;
    each_backend_in_a_child(|backend| {
        let late = |_: &JobContext<'_>| Ok::<_, Infallible>(());
        let late = move || late.with_timeout(Duration::ZERO);
        let (pool, left) = (Arc::new(OnceLock::<Pool>::new()), AtomicUsize::new(JOBS));
        let of_hook = Arc::downgrade(&pool);
        let observe = move |_: &JobFailure<'_>| {
            let pool = of_hook.upgrade().expect("the test has it");
            if left.fetch_sub(1, Ordering::Relaxed) > 1 {
                let submitted = pool.get().map(|pool| pool.execute(late()).is_ok());
                assert_eq!(submitted, Some(true));
            }
        };
        let built = builder(backend, 1).queue_capacity(1).on_failure(observe);
        let pool = pool.get_or_init(|| built.build().expect("the backend can be built"));
        let (release, held) = hold(pool);
        pool.execute(late()).expect("it takes no place");
        assert_eq!(pool.stats().expired, JOBS as u64, "{backend}");
        drop(release);
        assert!(value(held));
        let report = pool.shutdown(LIMIT);
        assert_eq!(report.expired(), JOBS as u64, "{backend}: {report}");
        assert!(report.is_safe_to_exit(), "{backend}: {report}");
    });
}

/// A value that submits a job with the next such value when it is dropped.
struct Next {
    pool: Pool,
    left: usize,
    done: Sender<()>,
}

impl Drop for Next {
    fn drop(&mut self) {
        let Some(left) = self.left.checked_sub(1) else {
            self.done.send(()).expect("the test listens");
            return;
        };
        let next = Self {
            pool: self.pool.clone(),
            left,
            done: self.done.clone(),
        };
        let job = self.pool.spawn(move || next);
        job.expect("a job of the pool submits it").detach();
    }
}

/// While the pool drains, or is full, the next job runs where it is submitted, and its value is
/// dropped with its handle.
#[test]
fn a_chain_of_values_that_go_with_their_handles_needs_no_stack() {
    const JOBS: usize = 100_000;
    each_backend_in_a_child(|backend| {
        for drains in [false, true] {
            let pool = on(backend, 1, 1);
            let (release, held) = hold(&pool);
            let (done, told) = mpsc::channel();
            let next = Next {
                pool: pool.clone(),
                left: JOBS,
                done,
            };
            let first = pool.spawn(move || next).expect("there is room");
            first.detach();
            if drains {
                pool.close();
            }
            drop(release);
            assert!(value(held));
            told.recv_timeout(LIMIT).expect("the chain ends");
            ends_clean(&pool);
        }
    });
}

/// A waker that submits the next future, and polls its handle with the next such waker. It does so
/// once, however often it is called.
struct Again {
    pool: Pool,
    left: usize,
    done: Sender<()>,
    was_called: AtomicBool,
}

impl Again {
    fn waker(pool: &Pool, left: usize, done: &Sender<()>) -> Waker {
        Waker::from(Arc::new(Self {
            pool: pool.clone(),
            left,
            done: done.clone(),
            was_called: AtomicBool::new(false),
        }))
    }
}

impl Wake for Again {
    fn wake(self: Arc<Self>) {
        /// Handles that wait. Dropping one would drop its waker.
        const MAX_KEPT: usize = 64;
        thread_local! {
            static KEPT: RefCell<Vec<JobHandle<(), Infallible>>> = const { RefCell::new(Vec::new()) };
        }
        if self.was_called.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut left = self.left;
        // A future that has ended by the poll calls nobody: the loop goes on in its place.
        let handle = loop {
            left = match left.checked_sub(1) {
                Some(left) => left,
                None => return self.done.send(()).expect("the test listens"),
            };
            let future = self.pool.spawn_future(tokio::task::yield_now());
            let mut handle = future.expect("the pool is open");
            let waker = Self::waker(&self.pool, left, &self.done);
            let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
            if polled.is_pending() {
                break handle;
            }
        };
        let old = KEPT.with_borrow_mut(|kept| {
            kept.push(handle);
            let old = if kept.len() > MAX_KEPT {
                MAX_KEPT / 2
            } else {
                0
            };
            kept.drain(..old).collect::<Vec<_>>()
        });
        drop(old);
    }
}

/// A worker that ends the futures of such a chain keeps nothing of those that have ended. A first
/// chain takes the stack that a chain of any length needs, which differs from build to build.
#[test]
fn futures_that_a_chain_of_wakers_submits_go_as_they_end() {
    const FUTURES: usize = 100_000;
    const MOST: u64 = 8 << 20;
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 1, 8);
        let (done, told) = mpsc::channel();
        let chain = |futures| {
            Again::waker(&pool, futures, &done).wake();
            told.recv_timeout(LIMIT).expect("the chain ends");
        };
        chain(FUTURES / 10);
        let before = most_resident();
        chain(FUTURES);
        let grown = most_resident() - before;
        assert!(grown <= MOST, "{backend}: {grown} bytes");
        ends_clean(&pool);
    });
}
