//! R303 for futures: the bomb is in the future, in its result, or in its panic.

use std::future::Future;
use std::panic::panic_any;
use std::pin::Pin;
use std::task::{Context, Poll};

use pool_core::{
    AsyncContext, AsyncJob, AsyncJobExt, Executor, ExecutorExt, JobError, Shutdown, ShutdownPolicy,
};

use super::{Bomb, goes_on};
use crate::probe::{Count, PATIENCE, ROOM, ended, occupy, pool, wait_until};
use crate::subject::{Subject, TestedPool};
use crate::thread;

/// What a future does at its last poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It returns nothing, and holds the bomb until it is dropped.
    Holding,
    Output,
    Error,
    Payload,
    /// It never ends.
    Never,
}

/// A future that suspends once, and a bomb that goes off where it is dropped.
struct Armed {
    bomb: Option<Bomb>,
    end: End,
    is_second: bool,
}

impl Future for Armed {
    type Output = Result<Option<Bomb>, Bomb>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !std::mem::replace(&mut self.is_second, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let this = &mut *self;
        let mut take = || this.bomb.take().expect("it is polled to its end once");
        match this.end {
            End::Holding => Poll::Ready(Ok(None)),
            End::Output => Poll::Ready(Ok(Some(take()))),
            End::Error => Poll::Ready(Err(take())),
            End::Payload => panic_any(take()),
            End::Never => Poll::Pending,
        }
    }
}

fn arm(end: End, went_off: &Count) -> impl AsyncJob<Output = Option<Bomb>, Error = Bomb> + use<> {
    let bomb = Some(Bomb::new(went_off));
    move |_: AsyncContext| Armed {
        bomb,
        end,
        is_second: false,
    }
}

pub(super) fn contained(subject: Subject, pool: &TestedPool) {
    for end in [End::Holding, End::Output, End::Error, End::Payload] {
        nobody_waits(pool, end);
        dropped_with_the_handle(pool, end);
    }
    dropped_where_it_sleeps(pool);
    never_polled(pool);
    dropped_by_a_shutdown(subject);
}

fn nobody_waits(pool: &TestedPool, end: End) {
    let went_off = Count::new();
    let gate = occupy(pool, 1);
    drop(pool.submit_future(arm(end, &went_off)).expect(ROOM));
    gate.open();
    goes_on(pool);
    assert!(went_off.get() >= 1, "{end:?}: the bomb was dropped");
}

fn dropped_with_the_handle(pool: &TestedPool, end: End) {
    let went_off = Count::new();
    let handle = pool.submit_future(arm(end, &went_off)).expect(ROOM);
    goes_on(pool);
    assert!(handle.is_finished(), "{end:?}");
    drop(handle);
    assert!(went_off.get() >= 1, "{end:?}: the bomb was dropped");
    goes_on(pool);
}

/// One is cancelled while it sleeps; the deadline of the other passes while it sleeps.
fn dropped_where_it_sleeps(pool: &TestedPool) {
    let went_off = Count::new();
    let cancelled = pool.submit_future(arm(End::Never, &went_off)).expect(ROOM);
    wait_until("the future sleeps", pool, || pool.stats().running == 1);
    cancelled.cancel();
    assert!(matches!(ended(cancelled), Err(JobError::Cancelled)));
    let late = arm(End::Never, &went_off).with_timeout(std::time::Duration::from_millis(20));
    let late = pool.submit_future(late).expect(ROOM);
    assert!(matches!(ended(late), Err(JobError::Expired)));
    goes_on(pool);
    assert_eq!(went_off.get() % 2, 0, "both bombs were dropped alike");
    assert!(went_off.get() >= 2, "both bombs were dropped");
}

/// One is cancelled before its start; the other is due to start after its deadline.
fn never_polled(pool: &TestedPool) {
    let went_off = Count::new();
    let gate = occupy(pool, 1);
    let cancelled = pool.submit_future(arm(End::Never, &went_off)).expect(ROOM);
    cancelled.cancel();
    assert!(matches!(ended(cancelled), Err(JobError::Cancelled)));
    let late = arm(End::Never, &went_off).with_deadline(thread::now());
    let late = pool.submit_future(late).expect(ROOM);
    gate.open();
    assert!(matches!(ended(late), Err(JobError::Expired)));
    goes_on(pool);
    assert!(went_off.get() >= 2, "both bombs were dropped");
}

/// One that sleeps, and one that has not started.
fn dropped_by_a_shutdown(subject: Subject) {
    let pool = pool(subject, 2, 8);
    let went_off = Count::new();
    let asleep = pool.submit_future(arm(End::Never, &went_off)).expect(ROOM);
    wait_until("the future sleeps", &pool, || pool.stats().running == 1);
    // As many as it takes to leave no worker, whether the sleeper holds one or not.
    let gate = occupy(&pool, 1);
    let (second, started) = (gate.pass(), Count::new());
    let begun = started.clone();
    let held = pool.spawn(move || {
        begun.add();
        second.wait();
    });
    held.expect(ROOM).detach();
    let queued = pool.submit_future(arm(End::Never, &went_off)).expect(ROOM);
    let report = pool.shutdown(ShutdownPolicy::now());
    drop(report.take_unstarted());
    gate.open();
    for handle in [asleep, queued] {
        let end = ended(handle);
        let is_over = matches!(end, Err(JobError::Cancelled | JobError::Abandoned));
        assert!(is_over, "a job that was given up ended otherwise");
    }
    went_off.wait_for(2);
    let report = pool.shutdown(PATIENCE.into());
    assert!(report.balances(), "{report}");
}
