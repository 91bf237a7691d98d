//! R502: a worker that joins makes progress itself, so no number of workers is too small.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_core::{AsyncContext, Executor, ExecutorExt, JobContext, JobError, JobHandle, JobSet};

use super::super::futures::workers_beside_a_sleeper;
use crate::polling::Signal;
use crate::probe::{Count, Gate, ROOM, ended, occupy, pool, ready, returns_only_after};
use crate::rule::Applied;
use crate::subject::{Subject, TestedPool};

const DEPTH: usize = 100;

pub(super) fn r502(subject: Subject) -> Applied {
    let one = pool(subject, 1, 2 * DEPTH);
    let deep = ended(one.submit(nested(DEPTH)).expect(ROOM));
    assert_eq!(deep.expect("every level completes"), DEPTH);
    siblings(&one);
    not_before_its_limit(&one);
    if one.capability().async_jobs {
        let deep = ended(
            one.submit_future(nested_future(one.clone(), DEPTH))
                .expect(ROOM),
        );
        assert_eq!(deep.expect("every level completes"), DEPTH);
        sibling_futures(&one);
        awaited_siblings(&one);
        what_a_joined_future_awaits(&one, JobHandle::join);
        what_a_joined_future_awaits(&one, |handle| ready(pin!(handle)));
        let beside_a_sleeper = workers_beside_a_sleeper(subject);
        a_sleeping_future(&pool(subject, beside_a_sleeper, 8));
        let beside_two = pool(subject, 2 * beside_a_sleeper - 1, 8);
        a_set_of_sleeping_futures(&beside_two);
        a_handle_that_a_future_gave_away(&beside_two);
    }
    one.wait_idle();
    let stats = one.stats();
    assert_eq!(stats.completed, stats.accepted, "each job once: {stats}");
    running_elsewhere(&pool(subject, 2, 8));
    queued_in_another_pool(&one, &pool(subject, 1, 8));
    Applied::Held
}

type Nested = Box<dyn FnOnce(&JobContext<'_>) -> Result<usize, Infallible> + Send>;

/// A job that joins a job that joins a job.
fn nested(depth: usize) -> Nested {
    Box::new(move |ctx| {
        if depth == 0 {
            return Ok(0);
        }
        let child = ctx.submit(nested(depth - 1)).expect(ROOM);
        Ok(1 + child.join().expect("a child cannot fail"))
    })
}

/// The same for futures, which block their worker in the join.
fn nested_future<P: Executor + Clone + 'static>(
    pool: P,
    depth: usize,
) -> impl FnOnce(AsyncContext) -> Boxed + Send + 'static {
    move |_| {
        Box::pin(async move {
            if depth == 0 {
                return Ok(0);
            }
            let child = nested_future(pool.clone(), depth - 1);
            let child = pool.submit_future(child).expect(ROOM);
            Ok(1 + child.join().expect("a child cannot fail"))
        })
    }
}

type Boxed = std::pin::Pin<Box<dyn Future<Output = Result<usize, Infallible>> + Send>>;

fn siblings(pool: &impl Executor) {
    for is_reversed in [false, true] {
        let ran = Count::new();
        let runs = ran.clone();
        let parent = move |ctx: &JobContext<'_>| {
            let child = |value: usize| {
                let runs = runs.clone();
                let job = move |_: &JobContext<'_>| {
                    runs.add();
                    Ok::<_, Infallible>(value)
                };
                ctx.submit(job).expect(ROOM)
            };
            join_both([child(1), child(2)], is_reversed)
        };
        let sum = ended(pool.submit(parent).expect(ROOM));
        assert_eq!(sum.expect("the parent completes"), 3);
        pool.wait_idle();
        assert_eq!(ran.get(), 2, "each sibling ran once");
    }
}

fn join_both(
    mut children: [JobHandle<usize, Infallible>; 2],
    is_reversed: bool,
) -> Result<usize, Infallible> {
    if is_reversed {
        children.reverse();
    }
    let values = children.map(|child| child.join().expect("a child cannot fail"));
    Ok(values.into_iter().sum())
}

/// Siblings that yield, so that a join has to poll more than once.
fn sibling_futures(pool: &TestedPool) {
    for is_reversed in [false, true] {
        let inner = pool.clone();
        let parent = move |_: &JobContext<'_>| {
            let child = |value| {
                let future = async move {
                    for _ in 0..3 {
                        tokio::task::yield_now().await;
                    }
                    value
                };
                inner.spawn_future(future).expect(ROOM)
            };
            join_both([child(1), child(2)], is_reversed)
        };
        let sum = ended(pool.submit(parent).expect(ROOM));
        assert_eq!(sum.expect("the parent completes"), 3);
    }
}

/// A future that awaits its siblings does not keep the only worker from them.
fn awaited_siblings(pool: &TestedPool) {
    let inner = pool.clone();
    let parent = pool.spawn_future(async move {
        let closure = inner.spawn(|| 1).expect(ROOM);
        let future = inner.spawn_future(async { 2 }).expect(ROOM);
        [closure.await, future.await].map(|child| child.expect("a child cannot fail"))
    });
    let values = ended(parent.expect(ROOM));
    assert_eq!(values.expect("the parent completes"), [1, 2]);
}

type Sum = Result<i32, JobError<Infallible>>;

/// What it awaits is queued behind its joiner, which holds the only worker.
fn what_a_joined_future_awaits(pool: &TestedPool, join: fn(JobHandle<i32, Infallible>) -> Sum) {
    let inner = pool.clone();
    let gate = occupy(pool, 1);
    let future = pool.spawn_future(async move {
        let closure = inner.spawn(|| 1).expect(ROOM);
        let gives_way = async {
            tokio::task::yield_now().await;
            2
        };
        let future = inner.spawn_future(gives_way).expect(ROOM);
        let values = [closure.await, future.await];
        values.into_iter().flatten().sum()
    });
    let future = future.expect(ROOM);
    let joiner = pool.submit(move |_: &JobContext<'_>| join(future));
    gate.open();
    let sum = ended(joiner.expect(ROOM));
    assert_eq!(sum.expect("the joiner completes"), 3);
}

/// Each handle in a set is polled with its own waker, and the waker of a handle that has ended
/// wakes no task.
fn a_set_of_sleeping_futures(pool: &(impl Executor + Clone + 'static)) {
    let signals = [Signal::default(), Signal::default()];
    let (sleepers, inner) = (signals.clone(), pool.clone());
    let handles = move || sleepers.map(|it| inner.spawn_future(it).expect(ROOM));
    let [first, second] = &signals;
    a_job_joins_both(pool, handles, [second, first]);
}

/// The handles are joined in a set by a job, and their futures end in this order.
fn a_job_joins_both(
    pool: &(impl Executor + Clone + 'static),
    handles: impl FnOnce() -> [JobHandle<(), Infallible>; 2] + Send + 'static,
    signals: [&Signal; 2],
) {
    let (joining, joined) = (Count::new(), Count::new());
    let (inner, begun, came) = (pool.clone(), joining.clone(), joined.clone());
    let joiner = move |_: &JobContext<'_>| {
        let mut set = JobSet::new(&inner);
        for handle in handles() {
            set.push(handle);
        }
        let mut cx = Context::from_waker(Waker::noop());
        assert!(set.poll_join_next(&mut cx).is_pending(), "both sleep");
        begun.add();
        while let Some(outcome) = set.join_next() {
            outcome.expect("it cannot fail");
            came.add();
        }
        Ok::<_, Infallible>(())
    };
    let joiner = pool.submit(joiner).expect(ROOM);
    joining.wait_for(1);
    for (ended, signal) in signals.into_iter().enumerate() {
        signal.wait_for_sleeper();
        signal.fire();
        joined.wait_for(ended + 1);
    }
    ended(joiner).expect("the joiner completes");
}

/// A future polls a handle, and gives it to a job that waits for both, each with its own waker.
fn a_handle_that_a_future_gave_away(pool: &(impl Executor + Clone + 'static)) {
    for is_given_first in [true, false] {
        let [giver, given] = [Signal::default(), Signal::default()];
        let given_away = Arc::new(Mutex::new(None));
        let gives = Arc::clone(&given_away);
        let given_handle = pool.spawn_future(given.clone()).expect(ROOM);
        given.wait_for_sleeper();
        let sleeps = giver.clone();
        let giver_handle = pool.spawn_future(async move {
            let mut handle = given_handle;
            let once = poll_fn(|cx| Poll::Ready(Pin::new(&mut handle).poll(cx).is_pending()));
            assert!(once.await, "it sleeps");
            *gives.lock().expect("no panic") = Some(handle);
            sleeps.await;
        });
        let giver_handle = giver_handle.expect(ROOM);
        giver.wait_for_sleeper();
        let given_handle = given_away.lock().expect("no panic").take();
        let mut both = [giver_handle, given_handle.expect("given before it sleeps")];
        if is_given_first {
            both.reverse();
        }
        a_job_joins_both(pool, move || both, [&giver, &given]);
    }
}

/// A future that sleeps in its own pool when the only worker left starts to wait for it.
fn a_sleeping_future(pool: &impl Executor) {
    let (signal, asleep, joining) = (Signal::default(), Count::new(), Count::new());
    let (fired, polled, begun) = (signal.clone(), asleep.clone(), joining.clone());
    let future = async move {
        polled.add();
        fired.await;
        5
    };
    let future = pool.spawn_future(future).expect(ROOM);
    asleep.wait_for(1);
    let joiner = move |_: &JobContext<'_>| {
        begun.add();
        future.join()
    };
    let joiner = pool.submit(joiner).expect(ROOM);
    joining.wait_for(1);
    signal.fire();
    assert_eq!(ended(joiner).expect("the joiner completes"), 5);
}

/// A timed join inside a job waits for a worker that cannot come, and still ends.
fn not_before_its_limit(pool: &impl Executor) {
    let parent = |ctx: &JobContext<'_>| {
        let child = ctx.submit(|_: &JobContext<'_>| Ok::<_, Infallible>(4));
        let child = child.expect(ROOM).join_timeout(Duration::from_millis(10));
        child.unwrap_or_else(|child| child.join())
    };
    let outcome = ended(pool.submit(parent).expect(ROOM));
    assert_eq!(outcome.expect("the parent completes"), 4);
}

fn running_elsewhere(pool: &impl Executor) {
    let (gate, ran, joining) = (Gate::new(), Count::new(), Count::new());
    let (pass, runs, begun) = (gate.pass(), ran.clone(), joining.clone());
    let long = move || {
        runs.add();
        pass.wait();
        6
    };
    let long = pool.spawn(long).expect(ROOM);
    ran.wait_for(1);
    let joiner = move |_: &JobContext<'_>| {
        begun.add();
        long.join()
    };
    let joiner = pool.submit(joiner).expect(ROOM);
    joining.wait_for(1);
    returns_only_after(
        || gate.open(),
        || assert_eq!(ended(joiner).expect("the joiner completes"), 6),
    );
    assert_eq!(ran.get(), 1, "a job that runs elsewhere is not run again");
}

/// A job of another pool is waited for, and runs only there.
fn queued_in_another_pool(here: &impl Executor, there: &impl Executor) {
    let gate = occupy(there, 1);
    let (ran, joining) = (Count::new(), Count::new());
    let (runs, begun) = (ran.clone(), joining.clone());
    let job = move || {
        runs.add();
        3
    };
    let queued = there.spawn(job).expect(ROOM);
    let joiner = here.submit(move |_: &JobContext<'_>| {
        begun.add();
        queued.join()
    });
    let joiner = joiner.expect(ROOM);
    joining.wait_for(1);
    assert_eq!(ran.get(), 0, "it ran on a worker of another pool");
    returns_only_after(
        || gate.open(),
        || assert_eq!(ended(joiner).expect("it completes"), 3),
    );
    there.wait_idle();
    let stats = there.stats();
    assert_eq!((stats.accepted, stats.completed), (2, 2), "{stats}");
}
