//! R803: wakes at a full pool, at the moment of suspension, while the pool drains and after its
//! end.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use pool_core::{ExecutorExt, JobError, Shutdown, ShutdownPolicy};

use super::workers_beside_a_sleeper;
use crate::channel::{Sender, channel};
use crate::polling::Signal;
use crate::probe::{Count, Gate, PATIENCE, pool};
use crate::rule::Applied;
use crate::subject::Subject;
use crate::thread;

/// Sleeps of each restless future, and the number of such futures.
const NAPS: usize = 200;
const FUTURES: usize = 64;

pub(super) fn r803(subject: Subject) -> Applied {
    woken_at_a_full_pool(subject);
    woken_while_it_falls_asleep(subject);
    woken_while_the_pool_drains(subject);
    woken_after_the_pool(subject);
    Applied::Held
}

/// The queue is full and no worker is free: the wake returns, and the future goes on once a worker
/// is free.
fn woken_at_a_full_pool(subject: Subject) {
    let pool = pool(subject, workers_beside_a_sleeper(subject), 1);
    let signal = Signal::default();
    let asleep = pool.spawn_future(signal.clone()).expect("there is room");
    signal.wait_for_sleeper();
    let (gate, started) = (Gate::new(), Count::new());
    let (pass, begun) = (gate.pass(), started.clone());
    let held = pool.spawn(move || {
        begun.add();
        pass.wait();
    });
    held.expect("there is room").detach();
    started.wait_for(1);
    pool.spawn(|| ()).expect("the one place").detach();
    signal.fire();
    gate.open();
    let woken = asleep.join_timeout(PATIENCE);
    woken.expect("the wake was kept").expect("it ends");
}

/// A foreign thread wakes each future at once, so wakes meet polls at every moment, including the
/// suspension.
fn woken_while_it_falls_asleep(subject: Subject) {
    let pool = pool(subject, 2, 16);
    let (send, wakers) = channel::<Waker>();
    let alarm = thread::spawn(move || wakers.for_each(Waker::wake));
    let often = thread::often(NAPS);
    let restless = |send: Sender<Waker>| {
        let mut naps = 0;
        poll_fn(move |cx| {
            naps += 1;
            if naps == often {
                return Poll::Ready(());
            }
            if naps % 16 == 0 {
                cx.waker().wake_by_ref();
            } else {
                send.send(cx.waker().clone());
            }
            Poll::Pending
        })
    };
    let handles: Vec<_> = (0..thread::often(FUTURES))
        .map(|_| pool.spawn_future(restless(send.clone())))
        .map(|handle| handle.expect("submit waits for room"))
        .collect();
    drop(send);
    for handle in handles {
        let woken = handle.join_timeout(PATIENCE);
        woken.expect("no wake was lost").expect("it ends");
    }
    alarm.join().expect("a wake does not panic");
}

/// A closed pool still accepts wakes of the futures that it waits for.
fn woken_while_the_pool_drains(subject: Subject) {
    let pool = pool(subject, 1, 4);
    let signal = Signal::default();
    let asleep = pool.spawn_future(signal.clone()).expect("there is room");
    signal.wait_for_sleeper();
    pool.close();
    signal.fire();
    let report = pool.shutdown(PATIENCE.into());
    assert_eq!(report.completed(), 1, "the sleeper was woken: {report}");
    asleep.join().expect("it was woken");
}

/// A waker outlives the pool: its wake does nothing.
fn woken_after_the_pool(subject: Subject) {
    let pool = pool(subject, 1, 4);
    let signal = Signal::default();
    let asleep = pool.spawn_future(signal.clone()).expect("there is room");
    let waker = signal.wait_for_sleeper();
    let report = pool.shutdown(ShutdownPolicy::now().cancel_grace(PATIENCE));
    assert_eq!(report.cancelled(), 1, "the sleeper was dropped: {report}");
    drop(pool);
    signal.fire();
    waker.wake();
    assert!(matches!(asleep.join(), Err(JobError::Cancelled)));
}
