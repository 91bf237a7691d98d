//! Row 28: when a job's child runs in place, when it is queued, and what a decorator makes of it.

use std::sync::mpsc;

use pool::{
    Capability, Executor, ExecutorExt, JobContext, JobError, JobExt, JobHandle, Pool, Pools,
    Refused, Room, Stats, Task,
};

use crate::on::{LIMIT, block_on, each_backend, hold, nothing, on, value};

/// 28: a child is queued again as soon as a place has come free, however often the queue was found
/// full before.
#[test]
fn a_child_is_queued_as_soon_as_there_is_a_place_again() {
    each_backend(|backend| {
        let pool = on(backend, 1, 1);
        let parent = move |ctx: &JobContext<'_>| {
            for round in 0..100 {
                let submit = || ctx.submit(nothing).map_err(|_| "refused");
                let queued = submit()?;
                let in_place = [submit()?, submit()?];
                assert!(
                    in_place.iter().all(JobHandle::is_finished),
                    "{backend}: {round}"
                );
                assert!(
                    !queued.is_finished(),
                    "{backend}: {round}: it has the one place"
                );
                queued.cancel();
                assert!(matches!(queued.join(), Err(JobError::Cancelled)));
            }
            Ok::<_, &str>(())
        };
        value(pool.submit(parent).expect("there is room"));
        assert!(pool.shutdown(LIMIT).is_safe_to_exit());
    });
}

/// 28: a child for which a worker is idle is that worker's, although the queue was full just now.
#[test]
fn a_child_is_left_to_a_worker_that_has_become_idle() {
    for capacity in [1, 2, 100] {
        each_backend(|backend| {
            let pool = on(backend, 2, capacity);
            let (release, held) = hold(&pool);
            let parent = move |ctx: &JobContext<'_>| {
                let (done, is_done) = mpsc::channel();
                for _ in 0..capacity {
                    let done = done.clone();
                    let queued = ctx.spawn(move || done.send(()).is_ok());
                    queued.map_err(|_| "refused")?.detach();
                }
                for _ in 0..3 {
                    let in_place = ctx.submit(nothing).map_err(|_| "refused")?;
                    assert!(in_place.is_finished(), "{backend}: the queue is full");
                }
                drop(release);
                for _ in 0..capacity {
                    is_done.recv_timeout(LIMIT).map_err(|_| "the other works")?;
                }
                // In place it would wait for its own submitter.
                let (open, gate) = mpsc::channel::<()>();
                let child = ctx.spawn(move || gate.recv_timeout(LIMIT).is_ok());
                let child = child.map_err(|_| "refused")?;
                open.send(()).map_err(|_| "it is in place, and over")?;
                assert!(child.join().is_ok_and(|came| came), "{backend}");
                Ok::<_, &str>(())
            };
            value(pool.submit(parent).expect("there is room"));
            assert!(value(held));
            assert!(pool.shutdown(LIMIT).is_clean());
        });
    }
}

/// A decorator: asked for each task, it says where the task goes.
struct Decorated<F> {
    pool: Pool,
    accept: F,
}

impl<F: Fn(&Pool, Task) -> Result<(), Refused<Task>> + Send + Sync> Executor for Decorated<F> {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        (self.accept)(&self.pool, task)
    }

    fn room(&self) -> &Room {
        self.pool.room()
    }

    fn capability(&self) -> Capability {
        self.pool.capability()
    }

    fn stats(&self) -> Stats {
        Executor::stats(&self.pool)
    }

    fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    fn pools(&self) -> Pools {
        self.pool.pools()
    }
}

/// 28: what a decorator does not take in does not run in place either, also in a job of a backend
/// that was swapped out.
#[test]
fn a_decorators_refusal_holds_inside_a_job() {
    each_backend(|backend| {
        for is_swapped in [false, true] {
            let pool = on(backend, 1, 8);
            let accept = |pool: &Pool, task: Task| match task.name() {
                Some(_) => pool.try_accept(task),
                None => Err(Refused::Closed(task)),
            };
            let named_only = Decorated {
                pool: pool.clone(),
                accept,
            };
            let parent = move |_: &JobContext<'_>| {
                if is_swapped {
                    named_only.pool.swap(backend).map_err(|_| "it swaps")?;
                }
                for refused in [
                    named_only.submit(nothing),
                    named_only.submit_timeout(nothing, LIMIT),
                    block_on(named_only.submit_async(nothing)),
                ] {
                    let is_closed = refused.is_err_and(|refused| refused.is_closed());
                    assert!(is_closed, "{backend}, {is_swapped}");
                }
                let named = named_only.submit(nothing.named("it has one"));
                named.map_err(|_| "refused")?.join().map_err(|_| "it ends")
            };
            value(pool.submit(parent).expect("there is room"));
            assert!(pool.shutdown(LIMIT).is_clean());
        }
    });
}

/// 28: a decorator that has another pool for what finds no place is asked, however full its own
/// pool was found before.
#[test]
fn a_decorator_is_asked_also_where_the_queue_seems_full() {
    each_backend(|backend| {
        let (pool, other) = (on(backend, 1, 1), on(backend, 1, 8));
        let spare = other.clone();
        let accept = move |pool: &Pool, task: Task| match pool.try_accept(task) {
            Err(Refused::Full(task)) => spare.try_accept(task),
            taken => taken,
        };
        let overflowing = Decorated {
            pool: pool.clone(),
            accept,
        };
        let parent = move |ctx: &JobContext<'_>| {
            for _ in 0..3 {
                ctx.execute(nothing).map_err(|_| "refused")?;
            }
            for _ in 0..3 {
                let elsewhere = overflowing.submit(nothing).map_err(|_| "refused")?;
                elsewhere.join().map_err(|_| "it ends")?;
            }
            Ok::<_, &str>(())
        };
        value(pool.submit(parent).expect("there is room"));
        assert_eq!(other.stats().accepted, 3, "{backend}");
        assert!(pool.shutdown(LIMIT).is_clean() && other.shutdown(LIMIT).is_clean());
    });
}
