//! Chapter 5: results reach the thread or task that waits for them, by blocking, by polling, or
//! many at once.

mod halves;
mod inside;
mod many;
mod scoped;
mod total;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pool_core::{Executor, ExecutorExt, JobContext, JobError, JobHandle};

use crate::polling::{Signal, block_on};
use crate::probe::{
    Alive, AliveValue, Count, Gate, PROMPT, ROOM, ended, occupy, pool, returns_only_after,
};
use crate::rule::{Applied, Kind, Rule};
use crate::subject::Subject;
use crate::thread;
use halves::r507;
use inside::r502;
use many::r504;
use scoped::r505;

pub(crate) fn rules() -> Vec<Rule> {
    let all = Kind::Required;
    vec![
        Rule::new("R501", "join waits for the outcome", all, r501),
        Rule::new("R502", "a join inside a job never hangs", all, r502),
        Rule::new("R503", "a handle is a future, and total", all, r503),
        Rule::new("R504", "map takes inputs within a window", all, r504),
        Rule::new("R505", "a scope is left when its jobs are over", all, r505),
        Rule::new("R506", "wait until the pool is idle", all, r506),
        Rule::new(
            "R507",
            "a second half is free to be taken until it starts",
            all,
            r507,
        ),
    ]
}

fn r501(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 16);
    let gate = occupy(&pool, 1);
    let handles: Vec<_> = (0..8)
        .map(|_| pool.spawn(|| thread::current().id()).expect(ROOM))
        .collect();
    let joined_at = returns_only_after(
        || gate.open(),
        || {
            thread::scope(|threads| {
                let join = |handle: JobHandle<_, Infallible>| {
                    threads.spawn(move || (thread::current().id(), handle.join()))
                };
                let joiners: Vec<_> = handles.into_iter().map(join).collect();
                joiners.into_iter().map(|it| it.join()).collect::<Vec<_>>()
            })
        },
    );
    for joined in joined_at {
        let (joiner, outcome) = joined.expect("a join does not panic");
        assert_ne!(outcome.expect("the job completes"), joiner);
    }
    comes_back_at_its_limit(&pool);
    Applied::Held
}

fn comes_back_at_its_limit(pool: &impl Executor) {
    let gate = occupy(pool, 1);
    let mut handle = pool.spawn(|| 7).expect(ROOM);
    for limit in [Duration::ZERO, Duration::from_millis(30)] {
        let start = thread::now();
        handle = match handle.join_timeout(limit) {
            Err(handle) => handle,
            Ok(outcome) => panic!("the job did not run, and gave {outcome:?}"),
        };
        let took = thread::since(start);
        assert!(took >= limit, "it came back after {took:?} of {limit:?}");
        assert!(took <= limit + PROMPT, "it came back only after {took:?}");
    }
    gate.open();
    assert_eq!(ended(handle).expect("the handle is as good as new"), 7);
}

/// A waker that counts.
#[derive(Default)]
struct Wakes(Count);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.add();
    }
}

type Polled = Poll<Result<AliveOutput, JobError<Infallible>>>;
type AliveOutput = AliveValue;

fn poll_with(handle: &mut JobHandle<AliveOutput, Infallible>, wakes: &Arc<Wakes>) -> Polled {
    let waker = Waker::from(Arc::clone(wakes));
    Pin::new(handle).poll(&mut Context::from_waker(&waker))
}

fn r503(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 16);
    let alive = Alive::new();
    let closure = || {
        let output = alive.value();
        pool.spawn(move || output).expect(ROOM)
    };
    let future = || {
        let output = alive.value();
        pool.spawn_future(async move { output }).expect(ROOM)
    };
    the_last_waker_is_woken_once(&pool, &closure);
    dropped_at_any_poll(&pool, &closure, &alive);
    if pool.capability().async_jobs {
        the_last_waker_is_woken_once(&pool, &future);
        dropped_at_any_poll(&pool, &future, &alive);
    }
    total::every_method_in_every_state(subject);
    Applied::Held
}

fn the_last_waker_is_woken_once(
    pool: &impl Executor,
    submit: &impl Fn() -> JobHandle<AliveOutput, Infallible>,
) {
    for is_cancelled in [false, true] {
        let gate = occupy(pool, 1);
        let mut handle = submit();
        let (former, last) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
        for wakes in [&former, &former, &last, &last] {
            assert!(poll_with(&mut handle, wakes).is_pending());
        }
        if is_cancelled {
            handle.cancel();
            assert_eq!(last.0.get(), 1, "a cancelled handle is ready at once");
        }
        gate.open();
        last.0.wait_for(1);
        pool.wait_idle();
        assert_eq!((former.0.get(), last.0.get()), (0, 1), "wakes of each");
        match poll_with(&mut handle, &former) {
            Poll::Ready(Err(JobError::Cancelled)) if is_cancelled => {}
            Poll::Ready(Ok(_)) if !is_cancelled => {}
            other => panic!("cancelled: {is_cancelled}, and the handle gave {other:?}"),
        }
    }
    let mut handle = submit();
    pool.wait_idle();
    let late = Arc::new(Wakes::default());
    assert!(poll_with(&mut handle, &late).is_ready(), "it was over");
    assert_eq!(late.0.get(), 0, "who was not kept waiting is not woken");
}

fn dropped_at_any_poll(
    pool: &impl Executor,
    submit: &impl Fn() -> JobHandle<AliveOutput, Infallible>,
    alive: &Alive,
) {
    let before = pool.stats().completed;
    for polls in 0..3 {
        let gate = occupy(pool, 1);
        let mut handle = submit();
        for _ in 0..polls {
            assert!(poll_with(&mut handle, &Arc::default()).is_pending());
        }
        drop(handle);
        gate.open();
    }
    for is_taken in [false, true] {
        let gate = occupy(pool, 1);
        let mut handle = submit();
        let wakes = Arc::new(Wakes::default());
        assert!(poll_with(&mut handle, &wakes).is_pending());
        gate.open();
        wakes.0.wait_for(1);
        if is_taken {
            assert!(poll_with(&mut handle, &wakes).is_ready());
        }
        drop(handle);
    }
    let raced = thread::often(300);
    for _ in 0..raced {
        let mut handle = submit();
        let _raced = poll_with(&mut handle, &Arc::default());
    }
    pool.wait_idle();
    assert_eq!(alive.count(), 0, "an output nobody took is dropped");
    let completed = pool.stats().completed - before;
    assert_eq!(
        completed,
        5 + 5 + raced as u64,
        "every job ran, its handle or not"
    );
}

fn r506(subject: Subject) -> Applied {
    let pool = pool(subject, 2, 16);
    pool.wait_idle();
    block_on(pool.wait_idle_async());
    idle_after_everything(&pool, || pool.wait_idle());
    idle_after_everything(&pool, || block_on(pool.wait_idle_async()));
    let inside = pool.submit(|ctx: &JobContext<'_>| {
        ctx.executor().wait_idle();
        Ok::<_, Infallible>(())
    });
    assert!(
        ended(inside.expect(ROOM)).is_ok(),
        "a job leaves itself out"
    );
    crate::rules::shutdown::who_wait_for_quiet_at_once(subject)
}

/// Running jobs, queued ones, children, sleeping futures: all are over once the pool is idle, and
/// intake is open.
fn idle_after_everything(pool: &impl Executor, wait: impl FnOnce()) {
    let (gate, over, signal) = (Gate::new(), Count::new(), Signal::default());
    for _ in 0..4 {
        let (pass, parent_over, child_over) = (gate.pass(), over.clone(), over.clone());
        let parent = move |ctx: &JobContext<'_>| {
            pass.wait();
            let child = move |_: &JobContext<'_>| {
                child_over.add();
                Ok::<_, Infallible>(())
            };
            ctx.execute(child).expect(ROOM);
            parent_over.add();
            Ok::<_, Infallible>(())
        };
        pool.execute(parent).expect(ROOM);
    }
    let mut all = 8;
    if pool.capability().async_jobs {
        let (fired, future_over) = (signal.clone(), over.clone());
        let future = async move {
            fired.await;
            future_over.add();
        };
        pool.spawn_future(future).expect(ROOM).detach();
        all += 1;
    }
    let release = move || {
        gate.open();
        signal.fire();
    };
    returns_only_after(release, wait);
    assert_eq!(over.get(), all, "jobs over when the pool said it is idle");
    let stats = pool.stats();
    assert_eq!(stats.accepted, stats.finished(), "{stats}");
    assert!(!pool.is_closed(), "waiting closes nothing");
    assert_eq!(ended(pool.spawn(|| 7).expect(ROOM)).expect("it runs"), 7);
}
