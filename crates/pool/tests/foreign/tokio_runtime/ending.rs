//! The end of a pool with futures in it: each is dropped, and its drop does no harm, whatever it
//! does.

use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use pool::{
    AsyncContext, Executor, ExecutorExt, JobContext, JobError, JobHandle, Pool, ShutdownPolicy,
};
use pool_conformance::probe::{Alive, Count, PATIENCE, ended, occupy, wait_until};
use tokio::sync::oneshot;

use crate::each::{ROOM, ends_clean, job, nothing_runs, on_each_backend, pool};

/// Immediate, but with time for what must be dropped.
fn at_once() -> ShutdownPolicy {
    ShutdownPolicy::now().cancel_grace(PATIENCE)
}

#[test]
fn an_end_drops_sleeping_futures_and_stops_every_worker_that_started() {
    const ROUNDS: usize = 40;
    on_each_backend(|backend| {
        for _ in 0..ROUNDS {
            let (started, stopped, asleep, alive) =
                (Count::new(), Count::new(), Count::new(), Alive::new());
            let (starts, stops) = (started.clone(), stopped.clone());
            let builder = Pool::builder().backend(backend).workers(2);
            let pool = builder
                .on_worker_start(move |_| starts.add())
                .on_worker_stop(move |_| {
                    stops.add();
                })
                .build()
                .expect("a plain configuration is accepted");
            let (polled, captured) = (asleep.clone(), alive.value());
            let never = pool.spawn_future(async move {
                polled.add();
                pending::<()>().await;
                drop(captured);
            });
            let never = never.expect(ROOM);
            asleep.wait_for(1);
            let report = pool.shutdown(at_once());
            assert_eq!((report.cancelled(), alive.count()), (1, 0), "{report}");
            nothing_runs(&pool, &report);
            assert!(matches!(ended(never), Err(JobError::Cancelled)));
            stopped.wait_for(2);
            assert_eq!((started.get(), stopped.get()), (2, 2));
        }
    });
}

/// Two futures, each of which wakes the other when it is dropped.
#[test]
fn futures_that_wake_each_other_as_they_are_dropped_end() {
    on_each_backend(|backend| {
        for workers in 2..=3 {
            let pool = pool(backend, workers, 4);
            let asleep = Count::new();
            let (wake_a, woken_a) = oneshot::channel::<()>();
            let (wake_b, woken_b) = oneshot::channel::<()>();
            let future = |wake_other: oneshot::Sender<()>, woken: oneshot::Receiver<()>| {
                let polled = asleep.clone();
                let mut woken = Box::pin(woken);
                let mut wake_other = Some(WakesOther(Some(wake_other)));
                let mut is_told = false;
                let body = std::future::poll_fn(move |cx| {
                    let polled_once = woken.as_mut().poll(cx);
                    if !std::mem::replace(&mut is_told, true) {
                        polled.add();
                    }
                    match polled_once {
                        Poll::Ready(_) => {
                            drop(wake_other.take());
                            Poll::Ready(())
                        }
                        Poll::Pending => Poll::Pending,
                    }
                });
                pool.spawn_future(body).expect(ROOM)
            };
            let handles = [future(wake_b, woken_a), future(wake_a, woken_b)];
            asleep.wait_for(2);
            let report = pool.shutdown(at_once());
            assert!(report.balances(), "{report}");
            nothing_runs(&pool, &report);
            // The first is dropped; that may wake the second before it is dropped.
            assert!(report.cancelled() >= 1, "{report}");
            for handle in handles {
                let outcome = ended(handle);
                assert!(
                    matches!(outcome, Ok(()) | Err(JobError::Cancelled)),
                    "{outcome:?}"
                );
            }
        }
    });
}

/// Wakes the other future when it is dropped.
struct WakesOther(Option<oneshot::Sender<()>>);

impl Drop for WakesOther {
    fn drop(&mut self) {
        if let Some(wake) = self.0.take() {
            // The other may be gone already.
            let _heard = wake.send(());
        }
    }
}

/// Sleeps; when it is dropped, wakes the waker that another left.
struct Neighbour {
    left: Arc<Mutex<Option<Waker>>>,
    leaves: bool,
    polled: Count,
}

impl Future for Neighbour {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.leaves {
            *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        }
        self.polled.add();
        Poll::Pending
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let left = self
            .left
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(waker) = left.filter(|_| !self.leaves) {
            waker.wake_by_ref();
            waker.wake();
        }
    }
}

#[test]
fn a_future_is_woken_by_the_drop_of_its_neighbour_while_the_pool_ends() {
    on_each_backend(|backend| {
        for leaver_first in [true, false] {
            let pool = pool(backend, 2, 4);
            let (left, polled) = (Arc::new(Mutex::new(None)), Count::new());
            let neighbour = |leaves| Neighbour {
                left: Arc::clone(&left),
                leaves,
                polled: polled.clone(),
            };
            for leaves in [leaver_first, !leaver_first] {
                pool.spawn_future(neighbour(leaves)).expect(ROOM).detach();
            }
            polled.wait_for(2);
            let report = pool.shutdown(at_once());
            assert_eq!(report.cancelled(), 2, "{report}");
            assert!(report.balances(), "{report}");
            nothing_runs(&pool, &report);
        }
    });
}

/// Another thread wakes a hundred futures while their pool ends under it.
#[test]
fn futures_are_woken_from_outside_while_the_pool_ends() {
    const FUTURES: usize = 100;
    on_each_backend(|backend| {
        for round in 0..5 {
            let pool = pool(backend, FUTURES + 1, FUTURES);
            let asleep = Count::new();
            let (wakes, handles): (Vec<_>, Vec<_>) = (0..FUTURES)
                .map(|_| {
                    let (wake, woken) = oneshot::channel::<()>();
                    let polled = asleep.clone();
                    let body = async move {
                        polled.add();
                        woken.await.expect("the waker sends");
                    };
                    (wake, pool.spawn_future(body).expect(ROOM))
                })
                .unzip();
            asleep.wait_for(FUTURES);
            let (begun, policy) = (Count::new(), at_once());
            let report = thread::scope(|threads| {
                threads.spawn(|| {
                    begun.add();
                    for wake in wakes {
                        // Those that were dropped are not woken.
                        let _heard = wake.send(());
                    }
                });
                begun.wait_for(1);
                if round == 0 {
                    pool.shutdown(ShutdownPolicy::drain())
                } else {
                    pool.shutdown(policy)
                }
            });
            assert!(report.balances(), "{report}");
            nothing_runs(&pool, &report);
            let ends = handles.into_iter().map(ended);
            let completed = ends.filter(Result::is_ok).count();
            assert_eq!(report.completed(), completed as u64, "{report}");
            assert_eq!(report.cancelled(), (FUTURES - completed) as u64, "{report}");
            assert!(round > 0 || completed == FUTURES, "a drain waits for each");
        }
    });
}

/// A closure waits for what a sleeping future holds: the end drops the future, which frees the
/// closure.
#[test]
fn a_closure_that_waits_for_a_futures_end_is_freed_by_the_end_of_the_pool() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 4);
        let (held, freed) = std::sync::mpsc::channel::<()>();
        let (asleep, started) = (Count::new(), Count::new());
        let (polled, begun) = (asleep.clone(), started.clone());
        let sleeper = pool.spawn_future(async move {
            polled.add();
            pending::<()>().await;
            drop(held);
        });
        let blocked = pool.spawn(move || {
            begun.add();
            freed.recv_timeout(PATIENCE)
        });
        let (sleeper, blocked) = (sleeper.expect(ROOM), blocked.expect(ROOM));
        asleep.wait_for(1);
        started.wait_for(1);
        let report = pool.shutdown(at_once());
        assert!(report.balances(), "{report}");
        nothing_runs(&pool, &report);
        assert!(matches!(ended(sleeper), Err(JobError::Cancelled)));
        let freed = ended(blocked).expect("it completes");
        assert_eq!(freed, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
    });
}

/// A job that submits itself once more whenever it runs: as a closure, as a future.
struct Link {
    left: usize,
    ran: Count,
}

impl pool::Job for Link {
    type Output = ();
    type Error = std::convert::Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Self::Error> {
        let Some(left) = self.next() else {
            return Ok(());
        };
        let next = Self { left, ..self };
        // Refused once the grace is over.
        let _refused = ctx.executor().execute(next);
        Ok(())
    }
}

impl Link {
    /// How many are still to come, if limited.
    fn next(&self) -> Option<usize> {
        self.ran.add();
        self.left.checked_sub(1)
    }

    fn chain_of_futures(self, pool: Pool) -> impl FnOnce(AsyncContext) -> Boxed + Send + 'static {
        move |_| {
            Box::pin(async move {
                if let Some(left) = self.next() {
                    let next = Self { left, ..self };
                    let _refused = pool.submit_future(next.chain_of_futures(pool.clone()));
                }
                Ok(())
            })
        }
    }
}

type Boxed = Pin<Box<dyn Future<Output = Result<(), std::convert::Infallible>> + Send>>;

/// Links of a chain: too many for a stack.
const LINKS: usize = 30_000;

#[test]
fn chains_need_no_stack() {
    on_each_backend(|backend| {
        for is_draining in [true, false] {
            let pool = pool(backend, 1, 2);
            let (closures, futures) = (Count::new(), Count::new());
            let gate = occupy(&pool, 1);
            let link = |ran: &Count| Link {
                left: LINKS - 1,
                ran: ran.clone(),
            };
            pool.execute(link(&closures)).expect(ROOM);
            let chain = link(&futures).chain_of_futures(pool.clone());
            pool.submit_future(chain).expect(ROOM).detach();
            if is_draining {
                pool.close();
                gate.open();
            } else {
                // Two links always find the queue of two full, so one of them runs in place.
                gate.open();
                let others = (0..100).map(|_| pool.spawn(|| ()).expect("room appears"));
                others.for_each(JobHandle::detach);
            }
            let report = pool.shutdown(ShutdownPolicy::drain());
            assert!(report.is_clean() && report.balances(), "{report}");
            assert_eq!((closures.get(), futures.get()), (LINKS, LINKS));
        }
    });
}

/// The end of the grace cuts an endless chain.
#[test]
fn a_chain_without_end_ends_with_the_grace() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 4);
        let ran = Count::new();
        let link = Link {
            left: usize::MAX,
            ran: ran.clone(),
        };
        pool.execute(link).expect(ROOM);
        ran.wait_for(1000);
        let policy = ShutdownPolicy::new(Duration::from_millis(50)).cancel_grace(PATIENCE);
        let report = pool.shutdown(policy);
        assert!(report.balances(), "{report}");
        nothing_runs(&pool, &report);
        assert!(report.unstarted() <= 1, "{report}");
        let after = ran.get();
        assert!(after >= 1000);
        drop(report);
        wait_until("nothing of it is left", &pool, || pool.stats().workers == 0);
        assert_eq!(ran.get(), after, "a link ran after the end");
    });
}

#[test]
fn what_is_submitted_after_the_end_is_refused_and_what_was_before_is_over() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 4);
        let asleep = Count::new();
        let polled = asleep.clone();
        let before = pool.spawn_future(async move {
            polled.add();
            pending::<()>().await;
        });
        let mut before = before.expect(ROOM);
        asleep.wait_for(1);
        drop(pool.shutdown(at_once()));
        let polled = Pin::new(&mut before).poll(&mut Context::from_waker(Waker::noop()));
        assert!(
            matches!(polled, Poll::Ready(Err(JobError::Cancelled))),
            "it is over at once"
        );
        let future = pool.spawn_future(pending::<()>());
        assert!(future.is_err_and(|error| error.is_closed()));
        let closure = pool.submit(job(|_: &JobContext<'_>| ()));
        assert!(closure.is_err_and(|error| error.is_closed()));
    });
}

/// A chain that was started before the end goes on to its own end.
#[test]
fn what_was_started_before_the_end_goes_on_to_its_own() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 4);
        let gate = pool_conformance::probe::Gate::new();
        let (pass, started) = (gate.pass(), Count::new());
        let begun = started.clone();
        let running = pool.spawn(move || {
            begun.add();
            pass.wait();
            42
        });
        let running = running.expect(ROOM);
        started.wait_for(1);
        let report = thread::scope(|threads| {
            let ending = threads.spawn(|| ends_clean(&pool));
            wait_until("the end begins", &pool, || pool.is_closed());
            gate.open();
            ending.join().expect("the end does not panic")
        });
        assert_eq!(report.completed(), 1, "{report}");
        assert_eq!(ended(running).expect("it completes"), 42);
    });
}

/// A zero limit and a very long one, for a pool that has nothing to do: both end at once.
#[test]
fn an_idle_pool_ends_at_once_whatever_the_limit() {
    on_each_backend(|backend| {
        let far = Duration::from_secs(10_000);
        for limit in [Duration::ZERO, Duration::from_nanos(1), far, Duration::MAX] {
            let pool = pool(backend, 2, 4);
            ended(pool.spawn(|| ()).expect(ROOM)).expect("it completes");
            let report = pool.shutdown(ShutdownPolicy::new(limit).cancel_grace(limit));
            assert!(report.is_clean(), "{report}");
            nothing_runs(&pool, &report);
            assert!(report.took() < PATIENCE, "{report}");
        }
    });
}
