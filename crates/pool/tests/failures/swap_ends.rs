//! Ends of a swapped pool from within: its generations wait for each other's jobs.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use pool::{Backend, JobContext, JobError, JobHandle, Pool, ShutdownPolicy, ShutdownReport};

use crate::on::{
    LIMIT, block_on, builder, each_backend, ended, ends_clean, hold, nothing, on, value,
};

/// Swaps the pool to another backend, if there is one.
fn swap(pool: &Pool) {
    let backend = pool.backend();
    let other = Backend::available().into_iter().find(|it| *it != backend);
    pool.swap(other.unwrap_or(backend))
        .expect("the backend can be built");
}

/// Swaps the pool, and makes a job of the newest generation end it, after that job has told the
/// older one through `begin`.
fn ended_by_the_newest(
    pool: &Pool,
    begin: Sender<()>,
    end: impl FnOnce(&Pool) -> ShutdownReport + Send + 'static,
) -> ShutdownReport {
    swap(pool);
    let all = pool.clone();
    let ends = pool.spawn(move || {
        begin.send(()).expect("the older job listens");
        end(&all)
    });
    value(ends.expect("there was room"))
}

/// A job of the newest generation ends the pool, so it waits for a job of an older one, which waits
/// for its child, queued behind the first. The worker that waits for the end runs the child,
/// whichever generation is ending then.
#[test]
fn a_job_that_ends_a_swapped_pool_runs_what_its_own_generation_has_queued() {
    for awaits in [false, true] {
        each_backend(|backend| {
            let pool = on(backend, 1, 16);
            let ((start, started), (begin, begun)) = (mpsc::channel(), mpsc::channel());
            let old = pool.submit(move |ctx: &JobContext<'_>| {
                start.send(()).expect("the test listens");
                begun.recv_timeout(LIMIT).expect("the newest has begun");
                let child = ctx.submit(nothing).expect("a draining pool takes children");
                Ok::<_, Infallible>(child.join_timeout(LIMIT).is_ok_and(|it| it.is_ok()))
            });
            started.recv_timeout(LIMIT).expect("the job starts");
            let report = ended_by_the_newest(&pool, begin, move |all| {
                if awaits {
                    block_on(all.shutdown_async(LIMIT))
                } else {
                    all.shutdown(LIMIT)
                }
            });
            // The third is the one that waits, left out of its own wait.
            assert!(report.balances(), "{backend}: {report}");
            assert_eq!(report.completed(), 2, "{backend}: {report}");
            let has_run = value(old.expect("there was room"));
            assert!(has_run, "{backend}: the child did not run: {report}");
        });
    }
}

/// One job of each generation: the older one waits for the pool to be idle, the newer one for its
/// end. Each is left out of what the other waits for.
#[test]
fn waits_in_two_generations_leave_each_other_out() {
    each_backend(|backend| {
        let pool = on(backend, 1, 16);
        let ((start, started), (begin, begun)) = (mpsc::channel(), mpsc::channel());
        let all = pool.clone();
        let old = pool.spawn(move || {
            start.send(()).expect("the test listens");
            begun.recv_timeout(LIMIT).expect("the newest has begun");
            all.wait_idle();
        });
        started.recv_timeout(LIMIT).expect("the job starts");
        let report = ended_by_the_newest(&pool, begin, |all| all.shutdown(LIMIT));
        assert_eq!(report.completed(), 1, "{backend}: {report}");
        value(old.expect("there was room"));
    });
}

/// A future of an older generation awaits the end of the pool, which takes longer than that of its
/// own generation: it sees it.
#[test]
fn a_future_of_an_older_generation_sees_the_end_of_all() {
    each_backend(|backend| {
        let pool = on(backend, 1, 16);
        let may_end = Arc::new(AtomicBool::new(false));
        let (ends, begun) = awaits_end(&pool, Arc::clone(&may_end));
        begun.recv_timeout(LIMIT).expect("the future starts");
        swap(&pool);
        let (release, held) = hold(&pool);
        may_end.store(true, Ordering::Relaxed);
        // By the time that a job is refused, the end of the pool has been requested.
        let is_closed = |pool: &Pool| {
            let refused = pool.try_execute(nothing);
            refused.is_err_and(|refused| refused.is_closed())
        };
        while !is_closed(&pool) {
            thread::yield_now();
        }
        drop(release);
        let report = value(ends);
        assert!(report.balances(), "{backend}: {report}");
        assert!(value(held));
    });
}

/// A future that ends the pool once it may.
fn awaits_end(
    pool: &Pool,
    may_end: Arc<AtomicBool>,
) -> (JobHandle<ShutdownReport, Infallible>, Receiver<()>) {
    let (begin, begun) = mpsc::channel();
    let all = pool.clone();
    let future = async move {
        begin.send(()).expect("the test listens");
        while !may_end.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        all.shutdown_async(LIMIT).await
    };
    (pool.spawn_future(future).expect("there is room"), begun)
}

/// A half of a job of an older generation goes to the newest, and waits for the whole pool: its job
/// is left out of that.
#[test]
fn a_half_in_the_newest_generation_leaves_its_job_in_an_older_one_out() {
    let waits: [fn(&Pool); 2] = [|pool| pool.wait_idle(), |pool| drop(pool.shutdown(LIMIT))];
    each_backend(|backend| {
        for wait in waits {
            let pool = on(backend, 2, 16);
            let ((start, started), (swapped, is_swapped)) = (mpsc::channel(), mpsc::channel());
            let all = pool.clone();
            let old = pool.submit(move |ctx: &JobContext<'_>| {
                start.send(()).expect("the test listens");
                is_swapped.recv_timeout(LIMIT).expect("the test swaps");
                let limit = Instant::now() + LIMIT;
                let here = ctx.id();
                let second = |ctx: &JobContext<'_>| {
                    let is_elsewhere = ctx.id() != here;
                    if is_elsewhere {
                        wait(&all);
                    }
                    is_elsewhere
                };
                // Until a worker was free to take it.
                while !ctx
                    .join(|_| (0..100).for_each(|_| thread::yield_now()), second)
                    .1
                {
                    assert!(Instant::now() < limit, "no half ever became a job");
                }
                Ok::<_, Infallible>(())
            });
            started.recv_timeout(LIMIT).expect("the job starts");
            swap(&pool);
            swapped.send(()).expect("the job listens");
            value(old.expect("there was room"));
        }
    });
}

/// A shutdown ends the generations one after the other, and an older one may take long. What the
/// newest has queued is abandoned meanwhile.
#[test]
fn what_is_queued_is_given_up_at_the_end_of_the_grace_whatever_runs_in_an_older_generation() {
    each_backend(|backend| {
        let pool = on(backend, 1, 16);
        let (release_old, old) = hold(&pool);
        swap(&pool);
        let (release_new, new) = hold(&pool);
        let queued = pool.submit(nothing).expect("there is room");
        thread::scope(|scope| {
            let patient = ShutdownPolicy::new(Duration::ZERO).cancel_grace(LIMIT);
            let all = pool.clone();
            let ends = scope.spawn(move || all.shutdown(patient));
            let given_up = ended(queued);
            assert!(matches!(given_up, Err(JobError::Abandoned)), "{backend}");
            assert!(!ends.is_finished(), "it waits for those that run");
            drop((release_old, release_new));
            assert!(value(old) && value(new));
            let report = ends.join().expect("it does not panic");
            assert!(report.balances() && report.unstarted() == 1, "{report}");
        });
    });
}

/// What a worker that stops is told while the pool is open and its queue full.
#[derive(Debug, PartialEq, Eq)]
struct AtTheStop {
    tried_is_full: bool,
    timed_is_full: bool,
    awaited_is_pending: bool,
}

impl AtTheStop {
    fn of(pool: &Pool) -> Self {
        let tried = pool.try_submit(nothing);
        let timed = pool.submit_timeout(nothing, Duration::from_millis(1));
        let awaited = pin!(pool.submit_async(nothing));
        Self {
            tried_is_full: tried.is_err_and(|refused| refused.is_full()),
            timed_is_full: timed.is_err_and(|refused| refused.is_full()),
            awaited_is_pending: awaited
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending(),
        }
    }
}

/// A worker whose generation has ended is in no job: it submits as any thread outside does, and
/// waits for room in the newest generation.
#[test]
fn a_worker_of_an_old_backend_that_stops_waits_for_room_in_the_new_one() {
    each_backend(|from| {
        for to in Backend::available() {
            let given = Arc::new(Mutex::new(None));
            let ((say, said), (submit, submitted)) = (mpsc::channel(), mpsc::channel());
            let taken = Arc::clone(&given);
            let pool = builder(from, 1)
                .queue_capacity(1)
                .on_worker_stop(move |_| {
                    let all: Option<Pool> =
                        taken.lock().unwrap_or_else(PoisonError::into_inner).take();
                    // The new backend's worker stops as well, at the end of the test.
                    if let Some(all) = all {
                        say.send(AtTheStop::of(&all)).expect("the test listens");
                        let waited = all.spawn(|| 6).map_err(|refused| refused.without_job());
                        submit.send(waited).expect("the test listens");
                    }
                })
                .build()
                .expect("the backend can be built");
            let (release_old, old) = hold(&pool);
            pool.swap(to).expect("the backend can be built");
            let (release_new, new) = hold(&pool);
            let queued = pool.spawn(|| 5).expect("there is room for one");
            *given.lock().unwrap_or_else(PoisonError::into_inner) = Some(pool.clone());
            drop(release_old);
            let at_the_stop = said.recv_timeout(LIMIT).expect("the old worker stops");
            let expected = AtTheStop {
                tried_is_full: true,
                timed_is_full: true,
                awaited_is_pending: true,
            };
            assert_eq!(at_the_stop, expected, "{from} to {to}");
            drop(release_new);
            let waited = submitted.recv_timeout(LIMIT).expect("there is room");
            let waited = waited.unwrap_or_else(|error| panic!("{from} to {to}: {error}"));
            assert_eq!((value(queued), value(waited)), (5, 6));
            assert!(value(old) && value(new));
            ends_clean(&pool);
        }
    });
}

/// A job swaps a full pool, and keeps the worker that would make room. The swap fails, and waits
/// for the workers that had started; these submit when they stop.
#[test]
fn a_swap_that_fails_inside_a_job_waits_for_no_room() {
    each_backend(|from| {
        for to in Backend::available() {
            let given = Arc::new(Mutex::new(None));
            let (submit, submitted) = mpsc::channel();
            let (taken, starts) = (Arc::clone(&given), AtomicUsize::new(0));
            let pool = builder(from, 2)
                .queue_capacity(1)
                // The two of the first backend, and one more.
                .try_on_worker_start(move |_| match starts.fetch_add(1, Ordering::Relaxed) {
                    0..3 => Ok(()),
                    _ => Err("no more connections"),
                })
                .on_worker_stop(move |_| {
                    let all: Option<Pool> =
                        taken.lock().unwrap_or_else(PoisonError::into_inner).take();
                    if let Some(all) = all {
                        // Refused, or accepted once the swap has returned.
                        submit
                            .send(all.spawn(|| ()).is_ok())
                            .expect("the test listens");
                    }
                })
                .build()
                .expect("there are connections for two");
            let (release, held) = hold(&pool);
            let (all, (fill, filled)) = (pool.clone(), mpsc::channel::<()>());
            let swaps = pool.spawn(move || {
                filled
                    .recv_timeout(LIMIT)
                    .expect("the test fills the queue");
                all.swap(to).is_err()
            });
            while pool.stats().running < 2 {
                thread::yield_now();
            }
            let queued = pool.spawn(|| 5).expect("there is room for one");
            *given.lock().unwrap_or_else(PoisonError::into_inner) = Some(pool.clone());
            fill.send(()).expect("the job listens");
            assert!(value(swaps.expect("there was room")), "{from} to {to}");
            submitted.recv_timeout(LIMIT).expect("the worker stops");
            drop(release);
            assert!(value(held) && value(queued) == 5);
            assert_eq!(pool.backend(), from);
            ends_clean(&pool);
        }
    });
}
